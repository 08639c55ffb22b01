-- Returns the newest entries of tenants within bounds, in their order. The first row of a tenant has its number (NULL: there is
-- no such tenant), the position before the entries, the number of the row there (NULL if that row was removed), and the
-- offset of the last entry. `max_age` is in milliseconds of the database's clock.
--
-- Of one tenant, the entries end when they have `page_bytes`: the caller reads the others with `tidings.follow`. Of several
-- tenants, the entries come if all of a tenant's entries fit into what is left of `page_bytes`. After `max_time`, in
-- milliseconds, no further tenant is looked at: it has no row.
CREATE OR REPLACE FUNCTION tidings.recent(
  names text[], max_entries bigint, max_bytes bigint, max_age bigint, page_bytes bigint, max_time bigint
) RETURNS TABLE(
  place integer, tenant bigint, epoch bigint, tail bigint, tail_key uuid, tail_number bigint, head bigint,
  number bigint, "offset" bigint, at bigint, key uuid, may_come_again boolean, origin bytea, topics text, domain bytea,
  event bytea, payload text
) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off SET plan_cache_mode = force_generic_plan
SET lock_timeout = '2s' AS $$
#variable_conflict use_column
DECLARE
  this tidings.tenants;
  since bigint := (extract(epoch FROM clock_timestamp()) * 1000)::bigint - recent.max_age;
  ends timestamptz := clock_timestamp() + recent.max_time * interval '1 ms';
  bytes_left bigint := recent.page_bytes;
  first bigint;
  last bigint;
  cost bigint;
BEGIN
  FOR n IN 1 .. cardinality(recent.names) LOOP
    EXIT WHEN n > 1 AND clock_timestamp() > ends;
    SELECT t.* INTO this FROM tidings.tenants t WHERE t.name = recent.names[n];
    SELECT min(s."offset"), max(s."offset"), max(s.bytes) INTO first, head, cost FROM (
      SELECT l."offset", sum(l.cost) OVER newest AS bytes, min(l.at) OVER newest AS oldest_at
      FROM (SELECT l."offset", l.cost, l.at FROM tidings.log l WHERE l.tenant = this.id AND l."offset" > this.tail
        ORDER BY l."offset" DESC LIMIT recent.max_entries) l
      WINDOW newest AS (ORDER BY l."offset" DESC)) s
    WHERE s.bytes <= recent.max_bytes AND s.oldest_at >= since;
    place := n;
    tenant := this.id;
    epoch := this.epoch;
    SELECT l."offset", l.key, l.number INTO tail, tail_key, tail_number FROM tidings.log l
      WHERE l.tenant = this.id AND l."offset" > this.tail AND l."offset" < coalesce(first, 9223372036854775807)
      ORDER BY l."offset" DESC LIMIT 1;
    IF NOT FOUND THEN
      tail := this.tail;
      tail_key := this.tail_key;
    END IF;
    head := coalesce(head, tail);
    RETURN NEXT;
    last := head;
    IF cardinality(recent.names) = 1 THEN
      SELECT max(s."offset") INTO last FROM (
        SELECT l."offset", sum(l.cost) OVER (ORDER BY l."offset") - l.cost AS bytes_before
        FROM tidings.log l WHERE l.tenant = this.id AND l."offset" >= first AND l."offset" <= head) s
      WHERE s.bytes_before < recent.page_bytes;
    ELSIF cost > bytes_left THEN
      CONTINUE;
    END IF;
    RETURN QUERY SELECT n, NULL::bigint, NULL::bigint, NULL::bigint, NULL::uuid, NULL::bigint, NULL::bigint,
      l.number, l."offset", l.at, l.key, l.key_cost IS NOT NULL, l.origin, l.topics, l.domain, l.event, l.payload
      FROM tidings.log l WHERE l.tenant = this.id AND l."offset" >= first AND l."offset" <= last ORDER BY l."offset";
    bytes_left := bytes_left - coalesce(cost, 0);
  END LOOP;
END
$$;

-- Returns the names of tenants after `after`, in order.
CREATE OR REPLACE FUNCTION tidings.tenant_names(after text, max bigint) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off
SET lock_timeout = '2s' AS $$
  SELECT t.name FROM tidings.tenants t WHERE t.name > $1 ORDER BY t.name LIMIT $2
$$;

-- Returns what follows the positions of some tenants, in the order of `names`: until there are `max_entries`, or entries of
-- `max_bytes`. The first row of a tenant has its epoch, tail and head (NULL: there is no such tenant). If the entry of the
-- position is there, it is the next row, without its payload. A tenant without a row was not looked at.
CREATE OR REPLACE FUNCTION tidings.follow(names text[], offsets bigint[], max_entries bigint, max_bytes bigint) RETURNS TABLE(
  place integer, tenant bigint, epoch bigint, tail bigint, tail_key uuid, head bigint,
  number bigint, "offset" bigint, at bigint, key uuid, may_come_again boolean, origin bytea, topics text, domain bytea,
  event bytea, payload text
) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off SET plan_cache_mode = force_generic_plan
SET lock_timeout = '2s' AS $$
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

-- Returns what is new after a cursor. The cursor is the number and the mark of a row. The caller knows all rows up to it. The
-- first row of the answer says whether that row is still there (`is_known`), the next cursor, and the number of the newest
-- revocation. If the row is not there, the caller must look at each tenant with `tidings.follow`.
--
-- With `tenants`, the other rows are their entries with their epochs (NULL: the tenant is gone), up to the number `up_to`.
-- Without, `changed` has the tenants that have entries. `has_more`: there are rows after the next cursor.
CREATE OR REPLACE FUNCTION tidings.news(
  after bigint, after_mark uuid, tenants bigint[], up_to bigint, max_entries bigint, max_bytes bigint
) RETURNS TABLE(
  is_known boolean, next_number bigint, next_mark uuid, revocation bigint, has_more boolean, changed bigint[],
  tenant bigint, epoch bigint, number bigint, "offset" bigint, at bigint, key uuid, may_come_again boolean, origin bytea, topics text,
  domain bytea, event bytea, payload text
) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off SET plan_cache_mode = force_generic_plan
SET lock_timeout = '2s' AS $$
#variable_conflict use_column
DECLARE
  -- Rows that one call looks at. The caller asks again for the others.
  max_rows constant integer := 4096;
  removed bigint;
  removed_mark uuid;
  last bigint;
BEGIN
  SELECT j.number, j.mark INTO removed, removed_mark FROM tidings.journal j;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the table tidings.journal is empty: run `tidings journal init` as the owner of the database';
  END IF;
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
  SELECT l.number, l.mark INTO last, removed_mark FROM tidings.log l
    WHERE l.number > news.after AND l.number < next_number ORDER BY l.number OFFSET max_rows - 1 LIMIT 1;
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
      l.tenant, (SELECT t.epoch FROM tidings.tenants t WHERE t.id = l.tenant), l.number, l."offset", l.at, l.key,
      l.key_cost IS NOT NULL, l.origin, l.topics, l.domain, l.event, l.payload
      FROM (SELECT l.* FROM tidings.log l WHERE l.number > news.after AND l.number <= last ORDER BY l.number OFFSET 0) l
      WHERE l.tenant = ANY (news.tenants) ORDER BY l.number;
  END IF;
END
$$;
