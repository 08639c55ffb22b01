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

-- Removes entries and keys of tenants that are gone: somebody has emptied `tenants`, or has restored a part of the tables. It
-- looks at tenants after `after` and up to `up_to`, and removes at most `max` of each. Younger ones stay: `pg_restore` may fill
-- `log` before `tenants`. Returns the number and the mark of the newest entry among them.
--
-- A foreign key would let each append lock the row of its tenant.
CREATE OR REPLACE FUNCTION tidings.remove_orphans(
  after bigint, up_to bigint, since bigint, keys_since bigint, max bigint, OUT number bigint, OUT mark uuid
) LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_column
BEGIN
  WITH RECURSIVE found(tenant) AS (
    (SELECT l.tenant FROM tidings.log l WHERE l.tenant > after ORDER BY l.tenant LIMIT 1)
    UNION ALL
    SELECT (SELECT l.tenant FROM tidings.log l WHERE l.tenant > f.tenant ORDER BY l.tenant LIMIT 1) FROM found f
    WHERE f.tenant < up_to
  ), gone AS (
    DELETE FROM tidings.log l WHERE l.number = ANY (ARRAY(
      SELECT l.number FROM found f
      CROSS JOIN LATERAL (SELECT l.number, l.at FROM tidings.log l WHERE l.tenant = f.tenant ORDER BY l."offset" LIMIT max) l
      WHERE f.tenant <= up_to AND NOT EXISTS (SELECT FROM tidings.tenants t WHERE t.id = f.tenant) AND l.at < since
      LIMIT max))
    RETURNING l.number, l.mark
  ) SELECT g.number, g.mark INTO number, mark FROM gone g ORDER BY g.number DESC LIMIT 1;
  WITH RECURSIVE found(tenant) AS (
    (SELECT k.tenant FROM tidings.keys k WHERE k.tenant > after ORDER BY k.tenant LIMIT 1)
    UNION ALL
    SELECT (SELECT k.tenant FROM tidings.keys k WHERE k.tenant > f.tenant ORDER BY k.tenant LIMIT 1) FROM found f
    WHERE f.tenant < up_to
  )
  DELETE FROM tidings.keys k WHERE (k.tenant, k.key) IN (
    SELECT f.tenant, k.key FROM found f
    CROSS JOIN LATERAL (SELECT k.key, k.at FROM tidings.keys k WHERE k.tenant = f.tenant ORDER BY k."offset" LIMIT max) k
    WHERE f.tenant <= up_to AND NOT EXISTS (SELECT FROM tidings.tenants t WHERE t.id = f.tenant) AND k.at < keys_since
    LIMIT max);
END
$$;

-- Removes entries, keys and revocations beyond the bounds, a bounded number. It looks at some tenants after `after`, and
-- returns the tenant after which the next call goes on. NULL: that was all, or another node trims. Ages are in milliseconds of
-- the database's clock. `grace` is the time for which an expired revocation stays.
--
-- It never takes the append lock. One node trims at a time. It locks rows of `tenants`. No append changes these rows.
CREATE OR REPLACE FUNCTION tidings.trim(
  after bigint, max_entries bigint, max_bytes bigint, max_age bigint, max_key_bytes bigint, max_key_age bigint, grace bigint
) RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off SET lock_timeout = '2s'
SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  -- Tenants that one call looks at.
  max_tenants constant integer := 1000;
  -- Revocations that one call removes.
  max_revocations constant integer := 4096;
  -- One of 64 calls removes rows of tenants that are gone: at most 4,096 entries and as many keys.
  orphan_calls constant integer := 64;
  max_orphans constant bigint := 4096;
  -- Entries and keys that one call may still remove.
  left_over bigint := 4096;
  now bigint := (extract(epoch FROM clock_timestamp()) * 1000)::bigint;
  since bigint := now - trim.max_age;
  keys_since bigint := now - trim.max_key_age;
  last_id bigint;
  next_id bigint;
  page_end bigint;
  candidate bigint;
  this tidings.tenants;
  head record;
  last record;
  removed bigint;
  removed_number bigint := 0;
  removed_mark uuid;
  expired bigint;
BEGIN
  PERFORM FROM tidings.journal j FOR NO KEY UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  SELECT max(t.id), count(*) INTO last_id, removed FROM (
    SELECT t.id FROM tidings.tenants t WHERE t.id > trim.after ORDER BY t.id LIMIT max_tenants) t;
  page_end := CASE WHEN removed = max_tenants THEN last_id END;
  next_id := page_end;
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
    WHERE h."offset" - t.tail > trim.max_entries OR h.total - t.total > trim.max_bytes OR o.at < since
      OR kh.total - ko.before > trim.max_key_bytes OR ko.at < keys_since
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
            OR head.total - l.total + l.cost > trim.max_bytes OR l.at < since) OVER (ORDER BY l."offset") AS goes
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
      SELECT k."offset", bool_and(head.total - k.total + k.cost > trim.max_key_bytes OR k.at < keys_since)
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
  -- To look for them costs much, and there are seldom any.
  IF random() * orphan_calls < 1 THEN
    SELECT o.number, o.mark INTO last
      FROM tidings.remove_orphans(trim.after, coalesce(page_end, 9223372036854775807), since, keys_since, max_orphans) o;
    IF last.number > removed_number THEN
      removed_number := last.number;
      removed_mark := last.mark;
    END IF;
  END IF;
  WITH gone AS (
    DELETE FROM tidings.revocations r WHERE r.number = ANY (ARRAY(
      SELECT r.number FROM tidings.revocations r WHERE r.until <= now - trim.grace ORDER BY r.until LIMIT max_revocations))
    RETURNING r.number, r.mark
  ) SELECT g.number, g.mark, count(*) OVER () AS count INTO last FROM gone g ORDER BY g.number DESC LIMIT 1;
  IF FOUND THEN
    IF last.number > removed_number THEN
      removed_number := last.number;
      removed_mark := last.mark;
    END IF;
    IF last.count = max_revocations THEN
      next_id := coalesce(next_id, last_id, 0);
    END IF;
  END IF;
  UPDATE tidings.journal j SET number = removed_number, mark = removed_mark WHERE j.number < removed_number;
  RETURN next_id;
END
$$;
