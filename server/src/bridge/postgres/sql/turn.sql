-- Servers without a journal in this database take turns to read the changes of a bridge. `history` names the history that the last
-- reader publishes to, and `settled` is the number of changes that readers have deleted. So a server that waits knows whether
-- there were changes, and whether its own subscribers hear of them.
ALTER TABLE tidings.bridges ADD COLUMN IF NOT EXISTS history bigint, ADD COLUMN IF NOT EXISTS settled bigint NOT NULL DEFAULT 0;

-- Returns the last reader's history, and the text `newest`. Each new change makes another text. A deletion by a reader leaves
-- the text the same. At most 10,000 changes that wait are counted. If there are more, the text also has the id of the last one.
CREATE OR REPLACE FUNCTION tidings.last_reader(bridge integer, OUT history bigint, OUT newest text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
  SELECT b.history, concat(b.settled + w.count, CASE WHEN w.count = 10000 THEN
    (SELECT concat(' ', c.id) FROM tidings.changes c WHERE c.bridge = $1 ORDER BY c.id DESC LIMIT 1) END)
  FROM tidings.bridges b, (SELECT count(*) FROM (SELECT FROM tidings.changes c WHERE c.bridge = $1 LIMIT 10000) AS c) AS w
  WHERE b.id = $1
$$;

-- Says that a reader publishes to a history.
CREATE OR REPLACE FUNCTION tidings.claim_bridge(bridge integer, history bigint) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
  UPDATE tidings.bridges b SET history = $2 WHERE b.id = $1 AND b.history IS DISTINCT FROM $2
$$;

-- Does what `tidings.settle_changes` does, and counts the changes.
CREATE OR REPLACE FUNCTION tidings.settle_turn(
  bridge integer, ids bigint[], nonces uuid[], keys text[], codes text[], reasons text[], node uuid,
  OUT left_over bigint[], OUT settled_at timestamptz
) LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
#variable_conflict use_column
BEGIN
  -- The bridge first, as a stop does: in another order, the two could wait for each other.
  PERFORM FROM tidings.bridges b WHERE b.id = settle_turn.bridge FOR NO KEY UPDATE;
  SELECT s.left_over, s.settled_at INTO left_over, settled_at FROM tidings.settle_changes(settle_turn.bridge, settle_turn.ids,
    settle_turn.nonces, settle_turn.keys, settle_turn.codes, settle_turn.reasons, settle_turn.node) s;
  UPDATE tidings.bridges b SET settled = b.settled + cardinality(settle_turn.ids) - cardinality(settle_turn.left_over)
    WHERE b.id = settle_turn.bridge;
END
$$;

REVOKE ALL ON FUNCTION tidings.last_reader, tidings.claim_bridge, tidings.settle_turn FROM PUBLIC;
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tidings_node') THEN
    GRANT EXECUTE ON FUNCTION tidings.last_reader, tidings.claim_bridge, tidings.settle_turn TO tidings_node;
  END IF;
END
$$;

