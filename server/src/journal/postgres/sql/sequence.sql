-- The way from the outbox into the journal of the same database.

-- One row: the node that took rows last, and when. The other nodes then leave fresh rows to it.
CREATE TABLE IF NOT EXISTS tidings.sequencer(
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  node uuid NOT NULL,
  at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Says that a node takes no more rows: the others need not wait.
CREATE OR REPLACE FUNCTION tidings.stop_sequencing(node uuid) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
  UPDATE tidings.sequencer s SET at = '-infinity' WHERE s.node = $1
$$;

-- Appends the entries of rows to the journal and deletes the rows, in one transaction. Rows that are gone are passed over.
-- `dead_ids` and the three after it are the rows that become dead letters. All other parameters are those of
-- `tidings.append`: each row has one entry, its event or the gap that stands for it. A dead letter that nobody has to know
-- of has none.
--
-- The answer says how many rows were published, how many were too old for it and have a gap, how many became dead letters,
-- and which rows have a key that is known with other topics: they stay.
CREATE OR REPLACE FUNCTION tidings.sequence(
  node uuid, dead_ids bigint[], dead_nonces uuid[], codes text[], reasons text[],
  names text[], epochs bigint[],
  tenants integer[], keys uuid[], key_costs integer[], origins bytea[], topics text[],
  domains bytea[], events bytea[], payloads text[], costs bigint[], outbox_ids bigint[], outbox_nonces uuid[],
  OUT published bigint, OUT too_old bigint, OUT buried bigint, OUT refused bigint[]
) LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off SET plan_cache_mode = force_generic_plan
SET lock_timeout = '2s' AS $$
#variable_conflict use_column
DECLARE
  dead bigint[];
  answer record;
BEGIN
  -- Nobody else deletes rows now.
  PERFORM tidings.lock_journal();
  published := 0;
  too_old := 0;
  refused := ARRAY[]::bigint[];
  IF cardinality(dead_ids) > 0 THEN
    WITH letters AS (
      INSERT INTO tidings.dead_letters(outbox_id, tenant, event, key, origin, topics, nonce, at, code, reason)
      SELECT o.id, o.tenant, o.event, o.key, o.origin, o.topics, o.nonce, o.at, d.code, d.reason
      FROM unnest(dead_ids, dead_nonces, codes, reasons) AS d(id, nonce, code, reason)
      CROSS JOIN LATERAL (SELECT o.* FROM tidings.outbox o WHERE o.id = d.id AND o.nonce = d.nonce LIMIT 1) o
      ORDER BY o.id
      RETURNING outbox_id
    ) SELECT array_agg(l.outbox_id) INTO dead FROM letters l;
  END IF;
  IF cardinality(sequence.keys) > 0 THEN
    SELECT a.offsets, a.known_topics INTO answer FROM tidings.append(
      sequence.names, sequence.epochs, sequence.tenants, sequence.keys, sequence.key_costs, sequence.origins,
      sequence.topics, sequence.domains, sequence.events, sequence.payloads, sequence.costs, sequence.outbox_ids,
      sequence.outbox_nonces) a;
    IF cardinality(array_remove(answer.known_topics, NULL)) > 0 THEN
      refused := ARRAY(
        SELECT d.id FROM unnest(sequence.outbox_ids, sequence.outbox_nonces) AS d(id, nonce)
        CROSS JOIN LATERAL (SELECT FROM tidings.outbox o WHERE o.id = d.id AND o.nonce = d.nonce LIMIT 1) o);
    END IF;
    SELECT count(*) FILTER (WHERE d.payload IS NOT NULL) - cardinality(refused),
      count(*) FILTER (WHERE d.payload IS NULL AND d.id <> ALL (coalesce(dead, ARRAY[]::bigint[])))
      INTO published, too_old
      FROM unnest(answer.offsets, sequence.payloads, sequence.outbox_ids) AS d("offset", payload, id)
      WHERE d."offset" IS NOT NULL;
  END IF;
  DELETE FROM tidings.outbox o WHERE o.id = ANY (dead);
  buried := coalesce(cardinality(dead), 0);
  -- Four times a second at most, so that few dead versions of the row remain.
  IF published + too_old + buried > 0 THEN
    INSERT INTO tidings.sequencer AS s (node, at) VALUES (sequence.node, clock_timestamp())
    ON CONFLICT (only_row) DO UPDATE SET node = excluded.node, at = excluded.at
      WHERE s.at NOT BETWEEN excluded.at - interval '500 ms' AND excluded.at + interval '500 ms'
      OR s.node = excluded.node AND s.at < excluded.at - interval '250 ms';
  END IF;
END
$$;

