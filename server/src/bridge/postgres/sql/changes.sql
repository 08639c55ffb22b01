-- Reads records by their keys, and returns the payload of the event of each: `upserted` with the record, or `deleted` without
-- one. `payload` is NULL if the record is too long, or can't be read (`fault`).
CREATE OR REPLACE FUNCTION tidings.read_records(bridge integer, keys text[], max_bytes bigint) RETURNS TABLE(
  key text, payload text, is_deleted boolean, bytes bigint, fault text
) LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY SELECT r.key, CASE WHEN r.bytes IS NULL AND r.fault IS NULL OR r.record IS NOT NULL THEN
      concat('{"schema":', to_json(b.schema), ',"key":', to_json(r.key), ',"record":' || r.record::text, '}') END,
    r.bytes IS NULL AND r.fault IS NULL, r.bytes, r.fault
    FROM tidings.bridges b JOIN tidings.bridged_tables t ON t.id = b.source
    CROSS JOIN tidings.call_records(t.records, t.secret, t.relation, read_records.keys, read_records.max_bytes) r
    WHERE b.id = read_records.bridge;
END
$$;

-- Reads the next changes of a bridge that are not among `known`, with the records as they are in the same snapshot. Several
-- changes of one record are one row. Its id and its nonce are those of the last change, and `key_of_changes` is made of all of
-- them: a later change of the same record makes another one.
CREATE OR REPLACE FUNCTION tidings.read_changes(
  bridge integer, after bigint, known bigint[], max_rows bigint, max_bytes bigint, max_record bigint
) RETURNS TABLE(
  id bigint, nonce uuid, key text, ids bigint[], nonces uuid[], age bigint, payload text, is_deleted boolean, bytes bigint,
  fault text
) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
  keys text[];
BEGIN
  -- The statement below finds the same rows, because both use one snapshot.
  keys := ARRAY(SELECT DISTINCT c.key FROM (SELECT c.key FROM tidings.changes c WHERE c.bridge = read_changes.bridge
    AND c.id > read_changes.after AND NOT (c.id = ANY (read_changes.known)) ORDER BY c.id LIMIT read_changes.max_rows) c
    WHERE c.key IS NOT NULL);
  RETURN QUERY WITH found AS MATERIALIZED (
    SELECT c.id, c.nonce, c.key, c.at FROM tidings.changes c WHERE c.bridge = read_changes.bridge
    AND c.id > read_changes.after AND NOT (c.id = ANY (read_changes.known)) ORDER BY c.id LIMIT read_changes.max_rows
  ), records AS MATERIALIZED (
    SELECT r.* FROM tidings.read_records(read_changes.bridge, keys, read_changes.max_record) r
  ), grouped AS (
    SELECT max(f.id) AS id, f.key, array_agg(f.id ORDER BY f.id) AS ids, array_agg(f.nonce ORDER BY f.id) AS nonces,
      max(f.at) AS at FROM found f GROUP BY f.key
  ), joined AS (
    SELECT g.id, g.nonces[cardinality(g.nonces)] AS nonce, g.key, g.ids, g.nonces,
      CASE WHEN isfinite(g.at) THEN (extract(epoch FROM clock_timestamp() - g.at) * 1000)::bigint ELSE 0 END AS age,
      r.payload, r.is_deleted, r.bytes, r.fault,
      sum(coalesce(octet_length(r.payload), 0)) OVER (ORDER BY g.id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        AS bytes_before
    FROM grouped g LEFT JOIN records r ON r.key = g.key
  )
  SELECT j.id, j.nonce, j.key, j.ids, j.nonces, j.age, j.payload, j.is_deleted, j.bytes, j.fault FROM joined j
  WHERE coalesce(j.bytes_before, 0) < read_changes.max_bytes ORDER BY j.id;
END
$$;

-- Deletes changes that are done, and notes the records that no event can carry now. `keys`, `codes` and `reasons` have an
-- element for each record that was done with, in the order of the changes. A record without a code can be published again.
--
-- `left_over` are the changes that are still there: a writer that drops old changes may have them, and its transaction may
-- stay open. `node` is the one that reads alone. It remembers `settled_at`, and so notices an older copy of the database.
CREATE OR REPLACE FUNCTION tidings.settle_changes(
  bridge integer, ids bigint[], nonces uuid[], keys text[], codes text[], reasons text[], node uuid DEFAULT NULL,
  OUT left_over bigint[], OUT settled_at timestamptz
) LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off SET lock_timeout = '2s' AS $$
#variable_conflict use_column
DECLARE
  deleted bigint;
BEGIN
  left_over := '{}';
  WITH free AS MATERIALIZED (
    SELECT c.id FROM unnest(settle_changes.ids, settle_changes.nonces) AS d(id, nonce)
    JOIN tidings.changes c ON c.bridge = settle_changes.bridge AND c.id = d.id AND c.nonce = d.nonce
    FOR UPDATE OF c SKIP LOCKED
  )
  DELETE FROM tidings.changes c USING free f WHERE c.bridge = settle_changes.bridge AND c.id = f.id;
  GET DIAGNOSTICS deleted = ROW_COUNT;
  IF deleted < cardinality(settle_changes.ids) THEN
    left_over := ARRAY(SELECT c.id FROM unnest(settle_changes.ids, settle_changes.nonces) AS d(id, nonce)
      JOIN tidings.changes c ON c.bridge = settle_changes.bridge AND c.id = d.id AND c.nonce = d.nonce);
  END IF;
  WITH done AS MATERIALIZED (
    SELECT DISTINCT ON (k.key) k.key, k.code, k.reason
    FROM unnest(settle_changes.keys, settle_changes.codes, settle_changes.reasons) WITH ORDINALITY AS k(key, code, reason, place)
    WHERE k.key IS NOT NULL ORDER BY k.key, k.place DESC
  ), gone AS (
    DELETE FROM tidings.bridge_dead_letters d USING done k
    WHERE k.code IS NULL AND d.bridge = settle_changes.bridge AND md5(d.key) = md5(k.key)
  )
  INSERT INTO tidings.bridge_dead_letters AS d (bridge, key, code, reason)
    SELECT b.id, k.key, k.code, k.reason FROM done k JOIN tidings.bridges b ON b.id = settle_changes.bridge
    WHERE k.code IS NOT NULL
    ON CONFLICT (bridge, md5(key))
    DO UPDATE SET key = excluded.key, code = excluded.code, reason = excluded.reason, at = excluded.at;
  IF settle_changes.node IS NOT NULL THEN
    INSERT INTO tidings.bridge_sequencers AS s (bridge, node, at)
      SELECT b.id, settle_changes.node, clock_timestamp() FROM tidings.bridges b WHERE b.id = settle_changes.bridge
      ON CONFLICT (bridge) DO UPDATE SET node = excluded.node, at = greatest(excluded.at, s.at + interval '1 microsecond')
      RETURNING s.at INTO settled_at;
  END IF;
END
$$;

-- Appends changes to the journal and deletes them, in one transaction. `ids`, `nonces` and `places` are the changes with the
-- place of their draft, from 1. `keys`, `codes` and `reasons` have an element for each draft: the record, and why it can't be
-- published. The rest are parameters of `tidings.append`. A draft without a payload is a gap.
--
-- It reads each record again, under the lock of the journal, and appends a draft only if that is still the payload. So events
-- are in the order in which the records were read. Otherwise, the changes stay, and `missed` has the place of the draft.
-- Drafts with changes that are gone are passed over. `locked` are changes that a writer is about to drop: see
-- `tidings.settle_changes`.
CREATE OR REPLACE FUNCTION tidings.sequence_changes(
  bridge integer, node uuid, ids bigint[], nonces uuid[], places integer[], keys text[], codes text[], reasons text[],
  max_record bigint,
  names text[], epochs bigint[],
  tenants integer[], draft_keys uuid[], key_costs integer[], origins bytea[], topics text[],
  domains bytea[], events bytea[], payloads text[], costs bigint[],
  OUT published bigint, OUT gaps bigint, OUT buried bigint, OUT missed integer[], OUT locked bigint[]
) LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off SET plan_cache_mode = force_generic_plan
SET lock_timeout = '2s' AS $$
#variable_conflict use_column
DECLARE
  free bigint[];
  live integer[];
  kept integer[];
BEGIN
  -- Whoever changes the table's definition must not hold up the journal. So this waits for the table's lock now, and later, with
  -- the lock of the journal, for a moment only.
  PERFORM FROM tidings.read_records(sequence_changes.bridge, ARRAY[]::text[], 0);
  PERFORM tidings.lock_journal();
  free := ARRAY(SELECT c.id FROM unnest(sequence_changes.ids, sequence_changes.nonces) AS d(id, nonce)
    JOIN tidings.changes c ON c.bridge = sequence_changes.bridge AND c.id = d.id AND c.nonce = d.nonce
    FOR UPDATE OF c SKIP LOCKED);
  locked := '{}';
  IF cardinality(free) < cardinality(sequence_changes.ids) THEN
    locked := ARRAY(SELECT c.id FROM unnest(sequence_changes.ids, sequence_changes.nonces) AS d(id, nonce)
      JOIN tidings.changes c ON c.bridge = sequence_changes.bridge AND c.id = d.id AND c.nonce = d.nonce
      WHERE c.id <> ALL (free));
  END IF;
  live := ARRAY(SELECT DISTINCT d.place FROM unnest(sequence_changes.ids, sequence_changes.places) AS d(id, place)
    WHERE d.id = ANY (free));
  PERFORM set_config('lock_timeout', '50ms', true);
  kept := ARRAY(
    SELECT d.place FROM unnest(sequence_changes.keys, sequence_changes.payloads) WITH ORDINALITY AS d(key, payload, place)
    LEFT JOIN tidings.read_records(sequence_changes.bridge, ARRAY(
      SELECT DISTINCT k.key FROM unnest(sequence_changes.keys, sequence_changes.payloads)
        WITH ORDINALITY AS k(key, payload, place) WHERE k.payload IS NOT NULL AND k.place = ANY (live)), sequence_changes.max_record) r ON r.key = d.key
    WHERE d.place = ANY (live) AND (d.payload IS NULL OR d.payload = r.payload) ORDER BY d.place);
  PERFORM set_config('lock_timeout', '2s', true);
  missed := ARRAY(SELECT l.place FROM unnest(live) AS l(place) WHERE l.place <> ALL (kept) ORDER BY l.place);
  published := (SELECT count(*) FROM unnest(kept) AS k(place) WHERE sequence_changes.payloads[k.place] IS NOT NULL);
  buried := (SELECT count(*) FROM unnest(kept) AS k(place) WHERE sequence_changes.codes[k.place] IS NOT NULL);
  gaps := cardinality(kept) - published - buried;
  IF cardinality(kept) = 0 THEN
    RETURN;
  END IF;
  PERFORM FROM tidings.append(sequence_changes.names, sequence_changes.epochs,
    ARRAY(SELECT sequence_changes.tenants[k.place] FROM unnest(kept) WITH ORDINALITY AS k(place, number) ORDER BY k.number),
    ARRAY(SELECT sequence_changes.draft_keys[k.place] FROM unnest(kept) WITH ORDINALITY AS k(place, number) ORDER BY k.number),
    ARRAY(SELECT sequence_changes.key_costs[k.place] FROM unnest(kept) WITH ORDINALITY AS k(place, number) ORDER BY k.number),
    ARRAY(SELECT sequence_changes.origins[k.place] FROM unnest(kept) WITH ORDINALITY AS k(place, number) ORDER BY k.number),
    ARRAY(SELECT sequence_changes.topics[k.place] FROM unnest(kept) WITH ORDINALITY AS k(place, number) ORDER BY k.number),
    ARRAY(SELECT sequence_changes.domains[k.place] FROM unnest(kept) WITH ORDINALITY AS k(place, number) ORDER BY k.number),
    ARRAY(SELECT sequence_changes.events[k.place] FROM unnest(kept) WITH ORDINALITY AS k(place, number) ORDER BY k.number),
    ARRAY(SELECT sequence_changes.payloads[k.place] FROM unnest(kept) WITH ORDINALITY AS k(place, number) ORDER BY k.number),
    ARRAY(SELECT sequence_changes.costs[k.place] FROM unnest(kept) WITH ORDINALITY AS k(place, number) ORDER BY k.number));
  PERFORM FROM tidings.settle_changes(sequence_changes.bridge,
    ARRAY(SELECT d.id FROM unnest(sequence_changes.ids, sequence_changes.places) AS d(id, place) WHERE d.place = ANY (kept)
      ORDER BY d.id),
    ARRAY(SELECT d.nonce FROM unnest(sequence_changes.ids, sequence_changes.nonces, sequence_changes.places)
      AS d(id, nonce, place) WHERE d.place = ANY (kept) ORDER BY d.id),
    ARRAY(SELECT sequence_changes.keys[k.place] FROM unnest(kept) WITH ORDINALITY AS k(place, number) ORDER BY k.number),
    ARRAY(SELECT sequence_changes.codes[k.place] FROM unnest(kept) WITH ORDINALITY AS k(place, number) ORDER BY k.number),
    ARRAY(SELECT sequence_changes.reasons[k.place] FROM unnest(kept) WITH ORDINALITY AS k(place, number) ORDER BY k.number));
  INSERT INTO tidings.bridge_sequencers AS s (bridge, node, at) VALUES (sequence_changes.bridge, sequence_changes.node,
    clock_timestamp()) ON CONFLICT (bridge) DO UPDATE SET node = excluded.node, at = excluded.at
    WHERE s.at NOT BETWEEN excluded.at - interval '500 ms' AND excluded.at + interval '500 ms'
    OR s.node = excluded.node AND s.at < excluded.at - interval '250 ms';
END
$$;

-- Says that a node takes no more changes: the others need not wait.
CREATE OR REPLACE FUNCTION tidings.stop_sequencing_changes(bridge integer, node uuid) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  UPDATE tidings.bridge_sequencers s SET at = '-infinity' WHERE s.bridge = $1 AND s.node = $2
$$;
