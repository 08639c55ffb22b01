-- Two of these at the same time would refuse each other.
SELECT pg_advisory_xact_lock(8388346184940876547);
CREATE SCHEMA IF NOT EXISTS tidings;
CREATE TABLE IF NOT EXISTS tidings.versions(
  part text PRIMARY KEY,
  version integer NOT NULL,
  oldest integer NOT NULL
);

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

-- `tail` is the offset before the first entry that is left, `tail_key` the key of the entry that was there, and `total`
-- the sum of the costs up to it. The head is the newest row of the log, or the tail if there is none: an append changes no
-- row, so it leaves no dead ones behind. The keys up to `key_tail` are gone.
CREATE TABLE IF NOT EXISTS tidings.tenants(
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
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
CREATE UNIQUE INDEX IF NOT EXISTS log_offset ON tidings.log(tenant, "offset");
CREATE UNIQUE INDEX IF NOT EXISTS log_key ON tidings.log(tenant, key);

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
CREATE UNIQUE INDEX IF NOT EXISTS keys_offset ON tidings.keys(tenant, "offset");

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
CREATE INDEX IF NOT EXISTS revocations_until ON tidings.revocations(until);

-- Takes the append lock until the end of the transaction, and returns the newest number. The statements after it see
-- everything that was committed before.
CREATE OR REPLACE FUNCTION tidings.lock_journal() RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off SET lock_timeout = '2s' AS $$
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'the journal needs the isolation level read committed: remove default_transaction_isolation from the settings of this user and database';
  END IF;
  PERFORM pg_advisory_xact_lock(8388346184940876545);
  RETURN (SELECT greatest(
    (SELECT max(l.number) FROM tidings.log l),
    (SELECT max(r.number) FROM tidings.revocations r),
    (SELECT j.number FROM tidings.journal j)));
END
$$;

-- Appends drafts in their order, in one transaction. `names` has each tenant of the drafts once, and `epochs` the epoch
-- that it gets if it is new. All other arrays have an element for each draft: `tenants` has the place of its tenant in
-- `names`, from 1. A draft with an outbox row is appended only if that row is still there with this nonce, and then the row
-- is deleted. If the key of such a draft is known with other topics, its row stays.
--
-- The answer is one row, so that a client that reads nothing holds up nobody. It has, for each draft: its offset (NULL if
-- its outbox row is gone), its epoch, whether it was appended now, and the topics of a known key (NULL if they are those of
-- the draft).
CREATE OR REPLACE FUNCTION tidings.append(
  names text[], epochs bigint[],
  tenants integer[], keys uuid[], key_costs integer[], origins bytea[], topics text[],
  domains bytea[], events bytea[], payloads text[], costs bigint[],
  outbox_ids bigint[] DEFAULT NULL, outbox_nonces uuid[] DEFAULT NULL,
  OUT appended_at bigint, OUT offsets bigint[], OUT draft_epochs bigint[], OUT are_new boolean[], OUT known_topics text[]
) LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  newest bigint := tidings.lock_journal();
  ids bigint[];
  known_epochs bigint[];
  heads bigint[];
  head_totals bigint[];
  numbers bigint[];
  totals bigint[];
  are_taken boolean[];
BEGIN
  appended_at := (extract(epoch FROM clock_timestamp()) * 1000)::bigint;
  INSERT INTO tidings.tenants(name, epoch)
    SELECT n.name, n.epoch FROM unnest(append.names, append.epochs) AS n(name, epoch)
    WHERE (SELECT t.id FROM tidings.tenants t WHERE t.name = n.name) IS NULL
    ON CONFLICT (name) DO NOTHING;
  SELECT array_agg(t.id ORDER BY n.place), array_agg(t.epoch ORDER BY n.place),
    array_agg(coalesce(h."offset", t.tail) ORDER BY n.place), array_agg(coalesce(h.total, t.total) ORDER BY n.place)
    INTO ids, known_epochs, heads, head_totals
    FROM unnest(append.names) WITH ORDINALITY AS n(name, place)
    CROSS JOIN LATERAL (SELECT t.* FROM tidings.tenants t WHERE t.name = n.name LIMIT 1) t
    LEFT JOIN LATERAL (SELECT l."offset", l.total FROM tidings.log l WHERE l.tenant = t.id AND l."offset" > t.tail
      ORDER BY l."offset" DESC LIMIT 1) h ON true;
  WITH given AS (
    SELECT d.place, d.tenant, d.key, d.cost, d.topics,
      d.outbox_id IS NULL OR o.id IS NOT NULL AS is_live,
      coalesce(l."offset", k."offset") AS known_offset,
      CASE WHEN l."offset" IS NULL THEN k.epoch END AS key_epoch,
      coalesce(l.topics, k.topics) AS known_topics
    FROM unnest(append.tenants, append.keys, append.costs, append.topics, append.outbox_ids, append.outbox_nonces)
      WITH ORDINALITY AS d(tenant, key, cost, topics, outbox_id, outbox_nonce, place)
    LEFT JOIN LATERAL (SELECT l."offset", l.topics FROM tidings.log l
      WHERE l.tenant = ids[d.tenant] AND l.key = d.key LIMIT 1) l ON true
    LEFT JOIN LATERAL (SELECT k."offset", k.epoch, k.topics FROM tidings.keys k
      WHERE k.tenant = ids[d.tenant] AND k.key = d.key LIMIT 1) k ON true
    LEFT JOIN LATERAL (SELECT o.id FROM tidings.outbox o
      WHERE o.id = d.outbox_id AND o.nonce = d.outbox_nonce LIMIT 1) o ON true
  ), firsts AS (
    SELECT g.*, first_value(g.topics) OVER same_key AS first_topics,
      g.is_live AND g.known_offset IS NULL AND row_number() OVER same_key = 1 AS is_new
    FROM given g WINDOW same_key AS (PARTITION BY g.tenant, g.key, g.is_live ORDER BY g.place)
  ), numbered AS (
    SELECT f.*, newest + count(*) FILTER (WHERE f.is_new) OVER (ORDER BY f.place) AS number,
      CASE WHEN f.is_new THEN heads[f.tenant] + count(*) FILTER (WHERE f.is_new) OVER same_tenant END AS new_offset,
      head_totals[f.tenant] + sum(f.cost) FILTER (WHERE f.is_new) OVER same_tenant AS total
    FROM firsts f WINDOW same_tenant AS (PARTITION BY f.tenant ORDER BY f.place)
  ), answered AS (
    SELECT n.*,
      CASE WHEN n.is_live THEN coalesce(n.known_offset, min(n.new_offset) OVER (PARTITION BY n.tenant, n.key)) END
        AS draft_offset,
      CASE WHEN n.is_live AND NOT n.is_new THEN nullif(coalesce(n.known_topics, n.first_topics), n.topics) END
        AS other_topics
    FROM numbered n
  )
  SELECT array_agg(a.draft_offset ORDER BY a.place),
    array_agg(coalesce(a.key_epoch, known_epochs[a.tenant]) ORDER BY a.place),
    array_agg(a.is_new ORDER BY a.place),
    array_agg(a.other_topics ORDER BY a.place),
    array_agg(a.number ORDER BY a.place),
    array_agg(a.total::bigint ORDER BY a.place),
    array_agg(a.is_live AND (a.other_topics IS NULL OR
      ARRAY(SELECT t.name COLLATE "C" FROM unnest(string_to_array(a.other_topics, ' ')) AS t(name) ORDER BY 1)
      = ARRAY(SELECT t.name COLLATE "C" FROM unnest(string_to_array(a.topics, ' ')) AS t(name) ORDER BY 1))
      ORDER BY a.place)
    INTO offsets, draft_epochs, are_new, known_topics, numbers, totals, are_taken
    FROM answered a;
  IF true = ANY (are_new) THEN
    INSERT INTO tidings.log(number, tenant, "offset", at, key, mark, key_cost, origin, topics, domain, event, payload,
        cost, total)
      SELECT d.number, ids[d.tenant], d."offset", appended_at, d.key, call.mark, d.key_cost, d.origin, d.topics, d.domain,
        d.event, d.payload, d.cost, d.total
      FROM (SELECT gen_random_uuid() AS mark OFFSET 0) AS call,
        unnest(append.tenants, append.keys, append.key_costs, append.origins, append.topics, append.domains,
          append.events, append.payloads, append.costs, numbers, offsets, totals, are_new)
        AS d(tenant, key, key_cost, origin, topics, domain, event, payload, cost, number, "offset", total, is_new)
      WHERE d.is_new;
    PERFORM pg_notify('tidings_log', numbers[cardinality(numbers)]::text);
  END IF;
  IF append.outbox_ids IS NOT NULL THEN
    DELETE FROM tidings.outbox o WHERE o.id = ANY (ARRAY(
      SELECT d.id FROM unnest(append.outbox_ids, are_taken) AS d(id, is_taken) WHERE d.is_taken AND d.id IS NOT NULL));
  END IF;
END
$$;

-- Adds a tenant, if there is none.
CREATE OR REPLACE FUNCTION tidings.add_tenant(name text, epoch bigint) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO tidings.tenants(name, epoch) VALUES ($1, $2) ON CONFLICT DO NOTHING
$$;

-- Returns the newest entries of a tenant within bounds, in their order. No row: there is no such tenant. The first row has
-- the position before the entries, and its number (NULL if that entry was removed).
CREATE OR REPLACE FUNCTION tidings.recent(name text, max_entries bigint, max_bytes bigint, since bigint) RETURNS TABLE(
  tenant bigint, epoch bigint, tail bigint, tail_key uuid, tail_number bigint,
  number bigint, "offset" bigint, at bigint, key uuid, may_come_again boolean, origin bytea, topics text, domain bytea,
  event bytea, payload text
) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  this tidings.tenants;
  first bigint;
BEGIN
  SELECT t.* INTO this FROM tidings.tenants t WHERE t.name = recent.name;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  SELECT min(s."offset") INTO first FROM (
    SELECT l."offset", sum(l.cost) OVER newest AS bytes, min(l.at) OVER newest AS oldest_at
    FROM (SELECT l."offset", l.cost, l.at FROM tidings.log l WHERE l.tenant = this.id AND l."offset" > this.tail
      ORDER BY l."offset" DESC LIMIT recent.max_entries) l
    WINDOW newest AS (ORDER BY l."offset" DESC)) s
  WHERE s.bytes <= recent.max_bytes AND s.oldest_at >= recent.since;
  tenant := this.id;
  epoch := this.epoch;
  SELECT l."offset", l.key, l.number INTO tail, tail_key, tail_number FROM tidings.log l
    WHERE l.tenant = this.id AND l."offset" > this.tail AND l."offset" < coalesce(first, 9223372036854775807)
    ORDER BY l."offset" DESC LIMIT 1;
  IF NOT FOUND THEN
    tail := this.tail;
    tail_key := this.tail_key;
  END IF;
  RETURN NEXT;
  RETURN QUERY SELECT NULL::bigint, NULL::bigint, NULL::bigint, NULL::uuid, NULL::bigint,
    l.number, l."offset", l.at, l.key, l.key_cost IS NOT NULL, l.origin, l.topics, l.domain, l.event, l.payload
    FROM tidings.log l WHERE l.tenant = this.id AND l."offset" >= first ORDER BY l."offset";
END
$$;

-- Returns what follows the positions of some tenants, in the order of `names`: until there are `max_entries`, or entries of
-- `max_bytes`. The first row of a tenant has its epoch, tail and head (NULL: there is no such tenant). If the entry of the
-- position is there, it is the next row, without its payload. A tenant without a row was not looked at.
CREATE OR REPLACE FUNCTION tidings.follow(names text[], offsets bigint[], max_entries bigint, max_bytes bigint) RETURNS TABLE(
  place integer, tenant bigint, epoch bigint, tail bigint, tail_key uuid, head bigint,
  number bigint, "offset" bigint, at bigint, key uuid, may_come_again boolean, origin bytea, topics text, domain bytea,
  event bytea, payload text
) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_variable
DECLARE
  entries bigint := follow.max_entries;
  bytes bigint := follow.max_bytes;
  held bigint;
  last bigint;
  rows bigint;
  cost bigint;
BEGIN
  FOR n IN 1 .. cardinality(follow.names) LOOP
    place := n;
    held := follow.offsets[n];
    SELECT t.id, t.epoch, t.tail, t.tail_key, t.tail INTO tenant, epoch, tail, tail_key, head
      FROM tidings.tenants t WHERE t.name = follow.names[n];
    SELECT l."offset" INTO last FROM tidings.log l WHERE l.tenant = tenant AND l."offset" > tail
      ORDER BY l."offset" DESC LIMIT 1;
    head := coalesce(last, head);
    RETURN NEXT;
    CONTINUE WHEN head IS NULL OR held > head OR held < tail;
    SELECT count(*) FILTER (WHERE s."offset" > held), max(s."offset"), sum(s.cost) FILTER (WHERE s."offset" > held)
      INTO rows, last, cost FROM (
        SELECT l."offset", l.cost, sum(l.cost) FILTER (WHERE l."offset" > held) OVER (ORDER BY l."offset") - l.cost AS bytes_before
        FROM (SELECT l."offset", l.cost FROM tidings.log l WHERE l.tenant = tenant AND l."offset" >= held
          ORDER BY l."offset" LIMIT entries + 1) l) s
      WHERE coalesce(s.bytes_before, 0) < bytes;
    -- Without the entry of the position, there may be one too many.
    IF rows > entries THEN
      last := last - 1;
      rows := entries;
    END IF;
    RETURN QUERY SELECT n, NULL::bigint, NULL::bigint, NULL::bigint, NULL::uuid, NULL::bigint,
      l.number, l."offset", l.at, l.key, l.key_cost IS NOT NULL, l.origin, l.topics, l.domain, l.event,
      CASE WHEN l."offset" > held THEN l.payload END
      FROM tidings.log l WHERE l.tenant = tenant AND l."offset" >= held AND l."offset" <= last ORDER BY l."offset";
    entries := entries - rows;
    bytes := bytes - coalesce(cost, 0);
    EXIT WHEN entries <= 0 OR bytes <= 0;
  END LOOP;
END
$$;

-- Returns what is new after a cursor: the number and the mark of a row, up to which the caller knows everything. The first
-- row says whether the row is still there (`is_known`), the next cursor, and the number of the newest revocation. If the
-- row is not there, the caller must look at each tenant with `tidings.follow`.
--
-- With `tenants`, the other rows are their entries, up to the number `up_to`. Without, `changed` has the tenants that have
-- entries. `has_more` says that the next cursor is not the end yet: there are more rows than one call looks at or returns.
CREATE OR REPLACE FUNCTION tidings.news(
  after bigint, after_mark uuid, tenants bigint[], up_to bigint, max_entries bigint, max_bytes bigint
) RETURNS TABLE(
  is_known boolean, next_number bigint, next_mark uuid, revocation bigint, has_more boolean, changed bigint[],
  tenant bigint, number bigint, "offset" bigint, at bigint, key uuid, may_come_again boolean, origin bytea, topics text,
  domain bytea, event bytea, payload text
) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  removed bigint;
  removed_mark uuid;
  last bigint;
BEGIN
  SELECT j.number, j.mark INTO removed, removed_mark FROM tidings.journal j;
  is_known := coalesce(news.after >= removed AND (
    (news.after = removed AND news.after_mark = removed_mark)
    OR EXISTS (SELECT FROM tidings.log l WHERE l.number = news.after AND l.mark = news.after_mark)
    OR EXISTS (SELECT FROM tidings.revocations r WHERE r.number = news.after AND r.mark = news.after_mark)), false);
  SELECT n.number, n.mark INTO next_number, next_mark FROM (
    (SELECT l.number, l.mark FROM tidings.log l ORDER BY l.number DESC LIMIT 1)
    UNION ALL (SELECT r.number, r.mark FROM tidings.revocations r ORDER BY r.number DESC LIMIT 1)
    UNION ALL (SELECT removed, removed_mark)) n
    ORDER BY n.number DESC LIMIT 1;
  SELECT max(r.number) INTO revocation FROM tidings.revocations r;
  has_more := false;
  IF NOT is_known OR next_number <= news.after THEN
    RETURN NEXT;
    RETURN;
  END IF;
  IF news.up_to < next_number THEN
    next_number := news.up_to;
    next_mark := NULL;
  END IF;
  -- A call looks at a bounded number of rows.
  SELECT l.number, l.mark INTO last, removed_mark FROM tidings.log l
    WHERE l.number > news.after AND l.number < next_number ORDER BY l.number OFFSET 4095 LIMIT 1;
  IF FOUND THEN
    next_number := last;
    next_mark := removed_mark;
    has_more := true;
  END IF;
  IF news.tenants IS NULL THEN
    changed := ARRAY(SELECT DISTINCT l.tenant FROM (SELECT l.tenant FROM tidings.log l
      WHERE l.number > news.after AND l.number <= next_number ORDER BY l.number OFFSET 0) l);
    RETURN NEXT;
    RETURN;
  END IF;
  -- The inner query is by number: few rows are new, and a tenant may have many old ones.
  SELECT max(s.number) INTO last FROM (
    SELECT l.number, sum(l.cost) OVER (ORDER BY l.number) - l.cost AS bytes_before FROM (
      SELECT l.number, l.cost FROM (SELECT l.number, l.tenant, l.cost FROM tidings.log l
        WHERE l.number > news.after AND l.number <= next_number ORDER BY l.number OFFSET 0) l
      WHERE l.tenant = ANY (news.tenants) ORDER BY l.number LIMIT news.max_entries) l) s
    WHERE s.bytes_before < news.max_bytes;
  IF last IS NOT NULL AND EXISTS (
    SELECT FROM (SELECT l.tenant FROM tidings.log l WHERE l.number > last AND l.number <= next_number
      ORDER BY l.number OFFSET 0) l WHERE l.tenant = ANY (news.tenants)) THEN
    next_number := last;
    SELECT l.mark INTO next_mark FROM tidings.log l WHERE l.number = last;
    has_more := true;
  END IF;
  RETURN NEXT;
  IF last IS NOT NULL THEN
    RETURN QUERY SELECT NULL::boolean, NULL::bigint, NULL::uuid, NULL::bigint, NULL::boolean, NULL::bigint[],
      l.tenant, l.number, l."offset", l.at, l.key, l.key_cost IS NOT NULL, l.origin, l.topics, l.domain, l.event, l.payload
      FROM (SELECT l.* FROM tidings.log l WHERE l.number > news.after AND l.number <= last ORDER BY l.number OFFSET 0) l
      WHERE l.tenant = ANY (news.tenants) ORDER BY l.number;
  END IF;
END
$$;

-- Keeps the keys that publishers know, of a tenant's entries up to this offset. The caller removes the entries.
CREATE OR REPLACE FUNCTION tidings.keep_keys(tenant bigint, up_to bigint) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
  INSERT INTO tidings.keys(tenant, key, epoch, "offset", at, topics, cost, total)
  SELECT l.tenant, l.key, t.epoch, l."offset", l.at, l.topics, l.key_cost,
    coalesce((SELECT k.total FROM tidings.keys k WHERE k.tenant = $1 ORDER BY k."offset" DESC LIMIT 1), 0)
      + sum(l.key_cost) OVER (ORDER BY l."offset")
  FROM tidings.tenants t JOIN tidings.log l ON l.tenant = t.id
  WHERE t.id = $1 AND l."offset" <= $2 AND l."offset" > t.tail AND l.key_cost IS NOT NULL
  ON CONFLICT DO NOTHING
$$;

-- Gives a tenant the epoch `new`, if it has the epoch `old`. Its entries go.
CREATE OR REPLACE FUNCTION tidings.renew(name text, old bigint, new bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off SET lock_timeout = '2s' AS $$
DECLARE
  newest bigint := tidings.lock_journal();
  this tidings.tenants;
  head record;
BEGIN
  -- Trimming may have this row for a moment.
  SELECT * INTO this FROM tidings.tenants t WHERE t.name = renew.name AND t.epoch = old FOR UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  SELECT l."offset", l.key, l.total INTO head FROM tidings.log l WHERE l.tenant = this.id ORDER BY l."offset" DESC LIMIT 1;
  IF FOUND THEN
    PERFORM tidings.keep_keys(this.id, head."offset");
    DELETE FROM tidings.log l WHERE l.tenant = this.id;
    UPDATE tidings.tenants t SET tail = head."offset", tail_key = head.key, total = head.total WHERE t.id = this.id;
  END IF;
  UPDATE tidings.tenants t SET epoch = new WHERE t.id = this.id;
  -- No cursor knows this row, so each node looks at all its tenants.
  UPDATE tidings.journal SET number = newest + 1, mark = gen_random_uuid();
  PERFORM pg_notify('tidings_log', (newest + 1)::text);
END
$$;

-- Appends revocations, and returns their numbers.
CREATE OR REPLACE FUNCTION tidings.revoke(
  tenants text[], kinds integer[], subjects bytea[], ids bytea[], topics text[], ats bigint[], untils bigint[]
) RETURNS bigint[] LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  newest bigint := tidings.lock_journal();
  call uuid := gen_random_uuid();
BEGIN
  INSERT INTO tidings.revocations(number, mark, tenant, kind, subject, id, topics, at, until)
    SELECT newest + r.place, call, r.tenant, r.kind, r.subject, r.id, r.topics, r.at, r.until
    FROM unnest(revoke.tenants, kinds, subjects, ids, revoke.topics, ats, untils)
      WITH ORDINALITY AS r(tenant, kind, subject, id, topics, at, until, place);
  PERFORM pg_notify('tidings_log', (newest + cardinality(revoke.tenants))::text);
  RETURN ARRAY(SELECT newest + n FROM generate_series(1, cardinality(revoke.tenants)) AS n);
END
$$;

-- Returns the revocations with a number after `after` that have not expired, in order.
CREATE OR REPLACE FUNCTION tidings.revocations(after bigint, max bigint, now bigint) RETURNS TABLE(
  number bigint, tenant text, kind integer, subject bytea, id bytea, topics text, at bigint, until bigint
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
  SELECT r.number, r.tenant, r.kind, r.subject, r.id, r.topics, r.at, r.until FROM tidings.revocations r
  WHERE r.number > $1 AND r.until > $3 ORDER BY r.number LIMIT $2
$$;

-- Removes entries, keys and revocations beyond the bounds, a bounded number. It looks at some tenants after `after`, and
-- returns the tenant after which the next call goes on. NULL: that was all, or another node trims. It never takes the append
-- lock. One node trims at a time, and it holds the rows of tenants that no append writes.
CREATE OR REPLACE FUNCTION tidings.trim(
  after bigint, max_entries bigint, max_bytes bigint, since bigint, max_key_bytes bigint, keys_since bigint, now bigint
) RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off SET lock_timeout = '2s'
SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  -- Rows that one call removes.
  left_over bigint := 4096;
  last_id bigint;
  next_id bigint;
  candidate bigint;
  this tidings.tenants;
  head record;
  last record;
  removed bigint;
  removed_number bigint := 0;
  removed_mark uuid;
  expired bigint;
BEGIN
  IF NOT pg_try_advisory_xact_lock(8388346184940876544) THEN
    RETURN NULL;
  END IF;
  SELECT max(t.id), count(*) INTO last_id, removed FROM (
    SELECT t.id FROM tidings.tenants t WHERE t.id > trim.after ORDER BY t.id LIMIT 1000) t;
  next_id := CASE WHEN removed = 1000 THEN last_id END;
  FOR candidate IN
    SELECT t.id FROM (SELECT t.* FROM tidings.tenants t WHERE t.id > trim.after AND t.id <= last_id ORDER BY t.id OFFSET 0) t
    LEFT JOIN LATERAL (SELECT l."offset", l.total FROM tidings.log l WHERE l.tenant = t.id AND l."offset" > t.tail
      ORDER BY l."offset" DESC LIMIT 1) h ON true
    LEFT JOIN LATERAL (SELECT l.at FROM tidings.log l WHERE l.tenant = t.id AND l."offset" > t.tail
      ORDER BY l."offset" LIMIT 1) o ON true
    LEFT JOIN LATERAL (SELECT k.total FROM tidings.keys k WHERE k.tenant = t.id AND k."offset" > t.key_tail
      ORDER BY k."offset" DESC LIMIT 1) kh ON true
    LEFT JOIN LATERAL (SELECT k.at, k.total - k.cost AS before FROM tidings.keys k WHERE k.tenant = t.id
      AND k."offset" > t.key_tail ORDER BY k."offset" LIMIT 1) ko ON true
    WHERE h."offset" - t.tail > trim.max_entries OR h.total - t.total > trim.max_bytes OR o.at < trim.since
      OR kh.total - ko.before > trim.max_key_bytes OR ko.at < trim.keys_since
    ORDER BY t.id
  LOOP
    IF left_over <= 0 THEN
      next_id := candidate - 1;
      EXIT;
    END IF;
    SELECT t.* INTO this FROM tidings.tenants t WHERE t.id = candidate FOR UPDATE SKIP LOCKED;
    CONTINUE WHEN NOT FOUND;
    SELECT l."offset", l.total INTO head FROM tidings.log l WHERE l.tenant = this.id ORDER BY l."offset" DESC LIMIT 1;
    SELECT l."offset", l.number, l.mark, l.key, l.total INTO last FROM tidings.log l
      WHERE l.tenant = this.id AND l."offset" = (
        SELECT max(s."offset") FROM (
          SELECT l."offset", bool_and(l."offset" <= head."offset" - trim.max_entries
            OR head.total - l.total + l.cost > trim.max_bytes OR l.at < trim.since) OVER (ORDER BY l."offset") AS goes
          FROM (SELECT l."offset", l.total, l.cost, l.at FROM tidings.log l WHERE l.tenant = this.id
            AND l."offset" > this.tail ORDER BY l."offset" LIMIT left_over) l) s
        WHERE s.goes);
    IF FOUND THEN
      PERFORM tidings.keep_keys(this.id, last."offset");
      DELETE FROM tidings.log l WHERE l.tenant = this.id AND l."offset" > this.tail AND l."offset" <= last."offset";
      UPDATE tidings.tenants t SET tail = last."offset", tail_key = last.key, total = last.total WHERE t.id = this.id;
      left_over := left_over - (last."offset" - this.tail);
      IF last.number > removed_number THEN
        removed_number := last.number;
        removed_mark := last.mark;
      END IF;
    END IF;
    IF left_over <= 0 THEN
      next_id := candidate - 1;
      EXIT;
    END IF;
    SELECT k.total INTO head FROM tidings.keys k WHERE k.tenant = this.id ORDER BY k."offset" DESC LIMIT 1;
    SELECT max(s."offset") AS "offset", count(*) AS count INTO last FROM (
      SELECT k."offset", bool_and(head.total - k.total + k.cost > trim.max_key_bytes OR k.at < trim.keys_since)
        OVER (ORDER BY k."offset") AS goes
      FROM (SELECT k."offset", k.total, k.cost, k.at FROM tidings.keys k WHERE k.tenant = this.id
        AND k."offset" > this.key_tail ORDER BY k."offset" LIMIT left_over) k) s
      WHERE s.goes;
    IF last."offset" IS NOT NULL THEN
      DELETE FROM tidings.keys k WHERE k.tenant = this.id AND k."offset" > this.key_tail AND k."offset" <= last."offset";
      UPDATE tidings.tenants t SET key_tail = last."offset" WHERE t.id = this.id;
      left_over := left_over - last.count;
    END IF;
  END LOOP;
  WITH gone AS (
    DELETE FROM tidings.revocations r WHERE r.number = ANY (ARRAY(
      SELECT r.number FROM tidings.revocations r WHERE r.until <= trim.now ORDER BY r.until LIMIT 4096))
    RETURNING r.number, r.mark
  ) SELECT g.number, g.mark, count(*) OVER () AS count INTO last FROM gone g ORDER BY g.number DESC LIMIT 1;
  IF FOUND THEN
    IF last.number > removed_number THEN
      removed_number := last.number;
      removed_mark := last.mark;
    END IF;
    IF last.count = 4096 THEN
      next_id := coalesce(next_id, last_id, 0);
    END IF;
  END IF;
  UPDATE tidings.journal j SET number = removed_number, mark = removed_mark WHERE j.number < removed_number;
  RETURN next_id;
END
$$;

-- Counts what is in the journal.
CREATE OR REPLACE FUNCTION tidings.journal_status(
  OUT tenants bigint, OUT entries bigint, OUT oldest_at bigint, OUT keys bigint, OUT revocations bigint, OUT bytes bigint
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT (SELECT count(*) FROM tidings.tenants), (SELECT count(*) FROM tidings.log),
    (SELECT l.at FROM tidings.log l ORDER BY l.number LIMIT 1), (SELECT count(*) FROM tidings.keys),
    (SELECT count(*) FROM tidings.revocations),
    (SELECT sum(pg_total_relation_size(name))::bigint FROM unnest(ARRAY['tidings.journal', 'tidings.tenants', 'tidings.log',
      'tidings.keys', 'tidings.revocations']::regclass[]) AS name)
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA tidings FROM PUBLIC;
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tidings_node') THEN
    GRANT SELECT ON tidings.versions TO tidings_node;
    GRANT EXECUTE ON FUNCTION tidings.append, tidings.add_tenant, tidings.recent, tidings.follow, tidings.news,
      tidings.renew, tidings.revoke, tidings.revocations, tidings.trim, tidings.journal_status TO tidings_node;
  END IF;
END
$$;
INSERT INTO tidings.versions(part, version, oldest) VALUES ('journal', 1, 1) ON CONFLICT (part) DO NOTHING;
