-- Two of these at the same time would refuse each other.
SELECT pg_advisory_xact_lock(8388346184940876547);

-- The functions that must run with the rights of a table's owner belong to that owner, and are here: the owner of `tidings`
-- runs no code of other users, and needs no right on their tables.
CREATE SCHEMA IF NOT EXISTS tidings_tables;
DO $$
DECLARE
  schema record;
BEGIN
  -- The owner of a schema may put other functions in the place of ours, and so run code as whoever calls them.
  FOR schema IN SELECT n.nspname AS name, n.nspowner::regrole AS owner FROM pg_namespace n
    WHERE n.nspname IN ('tidings', 'tidings_tables') AND n.nspowner <> current_user::regrole
    AND NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.oid = n.nspowner)
    AND ((SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) OR NOT pg_has_role(n.nspowner, 'MEMBER'))
  LOOP
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
      MESSAGE = format('the schema %s belongs to %s, who may change what is in it', schema.name, schema.owner),
      HINT = format('Let %s do this, or drop the schema if it is not in use.', schema.owner);
  END LOOP;
END
$$;

-- The tables whose changes a bridge may read. `tidings.changed_ID` is the function of its triggers. `records` is the function
-- in `tidings_tables` that reads its records, if it gets the `secret`. Its name is random, so nobody else can take the name before.
-- `shape` is the table's definition when a node last looked (`tidings.shape`): if it differs now, somebody has changed the
-- definition. Whoever changes the bridges of a table holds the lock of its row: only
-- functions of the owner of `tidings` can take it.
--
-- Ids are random. A sequence may begin again: after TRUNCATE … RESTART IDENTITY, or during a restore. Then the triggers of one
-- table would write changes for the bridge of another one.
CREATE TABLE IF NOT EXISTS tidings.bridged_tables(
  id integer PRIMARY KEY DEFAULT (('x' || left(gen_random_uuid()::text, 8))::bit(32)::integer & 2147483647),
  relation regclass NOT NULL UNIQUE,
  shape text NOT NULL,
  records text NOT NULL DEFAULT concat('records_', replace(gen_random_uuid()::text, '-', '')),
  secret uuid NOT NULL DEFAULT gen_random_uuid()
);

-- The bridges that record changes. A stop removes the row, and the next start gives the bridge a new id.
-- `waits_for`: transactions that may still write without a record of it. NULL: nobody has looked yet.
CREATE TABLE IF NOT EXISTS tidings.bridges(
  id integer PRIMARY KEY DEFAULT (('x' || left(gen_random_uuid()::text, 8))::bit(32)::integer & 2147483647),
  source integer NOT NULL,
  tenant text COLLATE "C" NOT NULL,
  schema text COLLATE "C" NOT NULL,
  topic text COLLATE "C" NOT NULL,
  max_age interval NOT NULL,
  waits_for text[],
  UNIQUE (tenant, schema, topic)
);

-- The nodes of each bridge, and when each was last there.
CREATE TABLE IF NOT EXISTS tidings.bridge_nodes(
  bridge integer NOT NULL,
  node uuid NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (bridge, node)
) WITH (fillfactor = 50);

-- What has changed, and is not published yet. A change names a record, and has no copy of it. Without a key, it stands for
-- a loss: the subscribers load everything again.
CREATE TABLE IF NOT EXISTS tidings.changes(
  id bigint GENERATED ALWAYS AS IDENTITY,
  bridge integer NOT NULL,
  key text COLLATE "C",
  nonce uuid NOT NULL DEFAULT gen_random_uuid(),
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (bridge, id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- The records that no event can carry as they are now. A row goes when its record can be published. A key may be longer than
-- an index takes.
CREATE TABLE IF NOT EXISTS tidings.bridge_dead_letters(
  bridge integer NOT NULL,
  key text COLLATE "C" NOT NULL,
  code text NOT NULL,
  reason text NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX IF NOT EXISTS bridge_dead_letters_key ON tidings.bridge_dead_letters(bridge, md5(key));

-- The node that took changes of a bridge last, as in `tidings.sequencer`.
CREATE TABLE IF NOT EXISTS tidings.bridge_sequencers(
  bridge integer PRIMARY KEY,
  node uuid NOT NULL,
  at timestamptz NOT NULL
) WITH (fillfactor = 50);
