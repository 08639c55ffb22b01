-- Takes the append lock until the end of the transaction, and returns the newest number. The statements after it see
-- everything that was committed before. The lock is that of an empty table, so only a function of the owner can take it. Its
-- mode lets everybody read the table, `pg_dump`, too.
CREATE OR REPLACE FUNCTION tidings.lock_journal() RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off SET lock_timeout = '2s' AS $$
DECLARE
  removed bigint;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'the journal needs the isolation level read committed: remove default_transaction_isolation from the settings of this user and database';
  END IF;
  LOCK TABLE tidings.append_lock IN SHARE UPDATE EXCLUSIVE MODE;
  SELECT j.number INTO removed FROM tidings.journal j;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the table tidings.journal is empty: run `tidings journal init` as the owner of the database';
  END IF;
  RETURN (SELECT greatest(
    (SELECT max(l.number) FROM tidings.log l),
    (SELECT max(r.number) FROM tidings.revocations r),
    removed));
END
$$;

-- Appends drafts in their order, in one transaction. `names` has each tenant of the drafts once, and `epochs` the epoch
-- that it gets if it is new. All other arrays have an element for each draft: `tenants` has the place of its tenant in
-- `names`, from 1. A draft with an outbox row is appended only if that row is still there with this nonce, and then the row
-- is deleted. If an earlier entry has the same key and other topics, the outbox row stays.
--
-- The answer is one small row. So the transaction ends even if the client reads nothing. The row has, for each draft: its
-- offset (NULL if its outbox row is gone), its epoch, whether it was appended now, and the topics of a known key. These are
-- NULL if they are the draft's, and empty if they are too long for the answer.
CREATE OR REPLACE FUNCTION tidings.append(
  names text[], epochs bigint[],
  tenants integer[], keys uuid[], key_costs integer[], origins bytea[], topics text[],
  domains bytea[], events bytea[], payloads text[], costs bigint[],
  outbox_ids bigint[] DEFAULT NULL, outbox_nonces uuid[] DEFAULT NULL,
  OUT appended_at bigint, OUT offsets bigint[], OUT draft_epochs bigint[], OUT are_new boolean[], OUT known_topics text[]
) LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off SET plan_cache_mode = force_generic_plan
SET lock_timeout = '2s' AS $$
#variable_conflict use_column
DECLARE
  -- Bytes of the topics in the answer.
  max_topics_bytes constant integer := 65536;
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
    LEFT JOIN LATERAL (SELECT t.* FROM tidings.tenants t WHERE t.name = n.name LIMIT 1) t ON true
    LEFT JOIN LATERAL (SELECT l."offset", l.total FROM tidings.log l WHERE l.tenant = t.id AND l."offset" > t.tail
      ORDER BY l."offset" DESC LIMIT 1) h ON true;
  IF array_position(ids, NULL) IS NOT NULL THEN
    RAISE EXCEPTION 'a tenant is gone from the table tidings.tenants: was it restored or emptied? Nothing was appended';
  END IF;
  WITH given AS (
    SELECT d.place, d.tenant, d.key, d.cost, d.topics,
      d.outbox_id IS NULL OR o.id IS NOT NULL AS is_live,
      coalesce(l."offset", k."offset") AS known_offset,
      CASE WHEN l."offset" IS NULL THEN k.epoch END AS key_epoch,
      coalesce(l.topics, k.topics) AS known_topics
    FROM unnest(append.tenants, append.keys, append.costs, append.topics, append.outbox_ids, append.outbox_nonces,
        append.key_costs)
      WITH ORDINALITY AS d(tenant, key, cost, topics, outbox_id, outbox_nonce, key_cost, place)
    -- A row of the outbox without a key of its own has a key that nobody else has, and goes in this transaction.
    LEFT JOIN LATERAL (SELECT l."offset", l.topics FROM tidings.log l
      WHERE l.tenant = ids[d.tenant] AND l.key = d.key AND (d.outbox_id IS NULL OR d.key_cost IS NOT NULL) LIMIT 1) l ON true
    LEFT JOIN LATERAL (SELECT k."offset", k.epoch, k.topics FROM tidings.keys k
      WHERE k.tenant = ids[d.tenant] AND k.key = d.key AND (d.outbox_id IS NULL OR d.key_cost IS NOT NULL) LIMIT 1) k ON true
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
      -- The order of the topics does not matter.
      CASE WHEN n.is_live AND NOT n.is_new AND coalesce(n.known_topics, n.first_topics) <> n.topics AND
        ARRAY(SELECT t.name COLLATE "C" FROM unnest(string_to_array(coalesce(n.known_topics, n.first_topics), ' ')) AS t(name)
          ORDER BY 1)
        <> ARRAY(SELECT t.name COLLATE "C" FROM unnest(string_to_array(n.topics, ' ')) AS t(name) ORDER BY 1)
        THEN coalesce(n.known_topics, n.first_topics) END AS other_topics
    FROM numbered n
  ), bounded AS (
    SELECT a.*, sum(octet_length(a.other_topics)) OVER (ORDER BY a.place) AS topics_bytes FROM answered a
  )
  SELECT array_agg(a.draft_offset ORDER BY a.place),
    array_agg(coalesce(a.key_epoch, known_epochs[a.tenant]) ORDER BY a.place),
    array_agg(a.is_new ORDER BY a.place),
    array_agg(CASE WHEN a.topics_bytes > max_topics_bytes AND a.other_topics <> '' THEN '' ELSE a.other_topics END ORDER BY a.place),
    array_agg(a.number ORDER BY a.place),
    array_agg(a.total::bigint ORDER BY a.place),
    array_agg(a.is_live AND a.other_topics IS NULL ORDER BY a.place)
    INTO offsets, draft_epochs, are_new, known_topics, numbers, totals, are_taken
    FROM bounded a;
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

-- Adds a tenant, if there is none. Without the constraint on names, it fails: the table is being restored.
CREATE OR REPLACE FUNCTION tidings.add_tenant(name text, epoch bigint) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
  INSERT INTO tidings.tenants(name, epoch) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING
$$;
