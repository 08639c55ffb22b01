-- Two of these at the same time would refuse each other. Nodes may run meanwhile. If the script does not get a lock at once,
-- it gives up, so that no node waits for it.
SELECT set_config('lock_timeout', '2s', true);
SELECT pg_advisory_xact_lock(8388346184940876547);
CREATE SCHEMA IF NOT EXISTS tidings;
CREATE TABLE IF NOT EXISTS tidings.versions(
  part text PRIMARY KEY,
  version integer NOT NULL,
  oldest integer NOT NULL
);

DO $$
BEGIN
  IF EXISTS (SELECT FROM tidings.versions WHERE part = 'journal' AND version > 1) THEN
    RAISE EXCEPTION 'a newer tidings has made the journal: use a newer tidings';
  END IF;
END
$$;

-- The tables are private: nodes call the functions only. Entries and revocations share one sequence of numbers. A number
-- is given while the append lock is held, so numbers become visible in their order.

-- One row. `number` and `mark` are those of the newest of all rows that were removed.
CREATE TABLE IF NOT EXISTS tidings.journal(
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  number bigint NOT NULL DEFAULT 0,
  mark uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO tidings.journal DEFAULT VALUES ON CONFLICT DO NOTHING;

-- It stays empty. Who appends locks it.
CREATE TABLE IF NOT EXISTS tidings.append_lock();

-- `tail` is the offset before the first entry that is left, `tail_key` the key of the entry that was there, and `total`
-- the sum of the costs up to it. The head is the newest row of the log, or the tail if there is none: an append changes no
-- row, so it leaves no dead ones behind. The keys up to `key_tail` are gone.
--
-- The id is drawn at random. A sequence may begin again: after TRUNCATE … RESTART IDENTITY, or during a restore. Then a new
-- tenant would get the id of another one, and with it its entries.
CREATE TABLE IF NOT EXISTS tidings.tenants(
  id bigint PRIMARY KEY DEFAULT
    (('x' || translate(left(gen_random_uuid()::text, 18), '-', ''))::bit(64)::bigint & 9223372036854775807),
  name text COLLATE "C" NOT NULL UNIQUE,
  epoch bigint NOT NULL,
  tail bigint NOT NULL DEFAULT 0,
  tail_key uuid,
  total bigint NOT NULL DEFAULT 0,
  key_tail bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- `mark` is drawn by the call that appended the row: a restored database gives the same numbers again, but not the same
-- marks. A key without `key_cost` need not be remembered. Topics are names, joined by spaces. A gap has no event. A text
-- of PostgreSQL can't hold U+0000, but an origin and a name can. `total` is the tenant's sum of the costs up to this row.
CREATE TABLE IF NOT EXISTS tidings.log(
  number bigint PRIMARY KEY,
  tenant bigint NOT NULL,
  "offset" bigint NOT NULL,
  at bigint NOT NULL,
  key uuid NOT NULL,
  mark uuid NOT NULL,
  key_cost integer,
  origin bytea,
  topics text COLLATE "C" NOT NULL,
  domain bytea,
  event bytea,
  payload text COLLATE "C",
  cost bigint NOT NULL,
  total bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000);

-- The keys of removed entries. `total` is the tenant's sum of the costs up to this row.
CREATE TABLE IF NOT EXISTS tidings.keys(
  tenant bigint NOT NULL,
  key uuid NOT NULL,
  epoch bigint NOT NULL,
  "offset" bigint NOT NULL,
  at bigint NOT NULL,
  topics text COLLATE "C" NOT NULL,
  cost bigint NOT NULL,
  total bigint NOT NULL,
  PRIMARY KEY (tenant, key)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000);

-- Kinds: 0 subject, 1 session, 2 token, 3 topics of a subject.
CREATE TABLE IF NOT EXISTS tidings.revocations(
  number bigint PRIMARY KEY,
  mark uuid NOT NULL,
  tenant text COLLATE "C" NOT NULL,
  kind integer NOT NULL,
  subject bytea,
  id bytea,
  topics text COLLATE "C",
  at bigint NOT NULL,
  until bigint NOT NULL
);

-- Even for an index that is there, `CREATE INDEX` would wait for all who write, and let others wait.
DO $$
BEGIN
  IF to_regclass('tidings.log_offset') IS NULL THEN
    CREATE UNIQUE INDEX log_offset ON tidings.log(tenant, "offset");
  END IF;
  IF to_regclass('tidings.log_key') IS NULL THEN
    CREATE UNIQUE INDEX log_key ON tidings.log(tenant, key);
  END IF;
  IF to_regclass('tidings.keys_offset') IS NULL THEN
    CREATE UNIQUE INDEX keys_offset ON tidings.keys(tenant, "offset");
  END IF;
  IF to_regclass('tidings.revocations_until') IS NULL THEN
    CREATE INDEX revocations_until ON tidings.revocations(until);
  END IF;
END
$$;
