-- Returns the number of a table, if `tidings.bridge` has been called for it and all of that is still there. `is_owner`: the
-- caller may call it.
CREATE OR REPLACE FUNCTION tidings.find_table(relation regclass, OUT source integer, OUT is_owner boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  number integer := (SELECT t.id FROM tidings.bridged_tables t WHERE t.relation = find_table.relation);
  owner oid := (SELECT c.relowner FROM pg_class c WHERE c.oid = find_table.relation);
BEGIN
  is_owner := pg_has_role(session_user, owner, 'USAGE');
  IF tidings.has_triggers(number, find_table.relation)
    AND tidings.has_records(number)
  THEN
    source := number;
  END IF;
END
$$;

-- Keeps others from changing the bridges of a table until the end of the transaction. Returns false if there is no such
-- table.
CREATE OR REPLACE FUNCTION tidings.lock_bridges(source integer) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM FROM tidings.bridged_tables t WHERE t.id = lock_bridges.source FOR NO KEY UPDATE;
  RETURN FOUND;
END
$$;

-- Registers a node for a bridge, and returns the number of the bridge. If no node had it, the table's triggers record changes
-- from now on, and a gap stands for all that was not recorded.
CREATE OR REPLACE FUNCTION tidings.start_bridge(source integer, tenant text, schema text, topic text, node uuid, max_age bigint)
RETURNS integer LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
#variable_conflict use_column
DECLARE
  this tidings.bridges;
  started integer;
BEGIN
  PERFORM tidings.forget_dropped_tables();
  IF NOT tidings.lock_bridges(start_bridge.source) THEN
    RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = 'the table has no triggers of a bridge',
      HINT = 'Let its owner call tidings.bridge.';
  END IF;
  SELECT b.* INTO this FROM tidings.bridges b
    WHERE b.tenant = start_bridge.tenant AND b.schema = start_bridge.schema AND b.topic = start_bridge.topic;
  started := this.id;
  IF this.source <> start_bridge.source THEN
    -- Another table has the name now. The triggers of the first one record nothing more.
    PERFORM tidings.lock_bridges(this.source);
    PERFORM tidings.forget_bridge(this.id);
    PERFORM tidings.write_trigger(this.source);
    started := NULL;
  END IF;
  IF started IS NULL THEN
    INSERT INTO tidings.bridges AS b (source, tenant, schema, topic, max_age)
      VALUES (start_bridge.source, start_bridge.tenant, start_bridge.schema, start_bridge.topic, interval '0')
      RETURNING b.id INTO started;
    INSERT INTO tidings.changes(bridge) VALUES (started);
  END IF;
  -- A node publishes changes for 10 s at least. PostgreSQL has no time before some thousand years ago.
  UPDATE tidings.bridges b SET max_age = least(greatest(start_bridge.max_age, 10 * 1000), 100 * 365 * 86400000::bigint)
    * interval '1 ms' WHERE b.id = started;
  -- An open transaction may hold some of them.
  DELETE FROM tidings.bridge_nodes n USING (SELECT o.bridge, o.node FROM tidings.bridge_nodes o
      WHERE o.at < clock_timestamp() - interval '1 day' ORDER BY o.bridge, o.node FOR UPDATE SKIP LOCKED) o
    WHERE n.bridge = o.bridge AND n.node = o.node;
  INSERT INTO tidings.bridge_nodes AS n (bridge, node) VALUES (started, start_bridge.node)
    ON CONFLICT (bridge, node) DO UPDATE SET at = clock_timestamp();
  PERFORM tidings.refresh_table(start_bridge.source);
  PERFORM tidings.write_trigger(start_bridge.source);
  RETURN started;
END
$$;

-- Writes a table's triggers again if its definition has changed. Records may look different then, and no trigger tells of
-- each: the subscribers load again.
CREATE OR REPLACE FUNCTION tidings.refresh_table(source integer) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  now text;
BEGIN
  now := (SELECT tidings.shape(t.relation) FROM tidings.bridged_tables t WHERE t.id = refresh_table.source);
  UPDATE tidings.bridged_tables t SET shape = now WHERE t.id = refresh_table.source AND t.shape <> now;
  IF FOUND THEN
    PERFORM tidings.write_trigger(refresh_table.source);
    INSERT INTO tidings.changes(bridge) SELECT b.id FROM tidings.bridges b WHERE b.source = refresh_table.source;
  END IF;
END
$$;

-- Says that a node is still there. The node must register again if its bridge has ended (`is_known` is false), or if the table
-- has lost its triggers. `is_settled` is false while transactions are open that may have written without a record of it, or
-- that change the bridges of this table. The node asks again soon. After writers without a record, there is a gap.
--
-- Such a transaction has a lock on the table since before the bridge was registered. A later transaction takes its lock
-- on the table after the start, and then reads the new function.
CREATE OR REPLACE FUNCTION tidings.renew_bridge(
  bridge integer, node uuid, OUT is_known boolean, OUT is_settled boolean, OUT has_triggers boolean
) LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
#variable_conflict use_column
DECLARE
  this tidings.bridges;
  is_locked boolean;
  writers text[];
BEGIN
  -- A stop at the same time must not miss this node. The owner's transaction with `tidings.bridge` may stay open for long.
  PERFORM FROM tidings.bridged_tables t JOIN tidings.bridges b ON b.source = t.id WHERE b.id = renew_bridge.bridge
    FOR NO KEY UPDATE OF t SKIP LOCKED;
  is_locked := FOUND;
  SELECT b.* INTO this FROM tidings.bridges b WHERE b.id = renew_bridge.bridge;
  is_known := FOUND;
  is_settled := is_locked;
  has_triggers := true;
  IF NOT is_known THEN
    RETURN;
  END IF;
  INSERT INTO tidings.bridge_nodes AS n (bridge, node) VALUES (this.id, renew_bridge.node)
    ON CONFLICT (bridge, node) DO UPDATE SET at = clock_timestamp();
  IF NOT is_locked THEN
    RETURN;
  END IF;
  PERFORM tidings.refresh_table(this.source);
  has_triggers := (SELECT tidings.has_triggers(t.id, t.relation) FROM tidings.bridged_tables t WHERE t.id = this.source);
  IF this.waits_for = ARRAY[]::text[] THEN
    RETURN;
  END IF;
  writers := ARRAY(SELECT l.virtualtransaction FROM pg_locks l JOIN tidings.bridged_tables t ON t.id = this.source
    WHERE l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND l.granted
    AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
    AND l.relation IN (SELECT t.relation UNION SELECT p.relid FROM pg_partition_tree(t.relation) p)
    AND (this.waits_for IS NULL OR l.virtualtransaction = ANY (this.waits_for)));
  is_settled := writers = ARRAY[]::text[];
  IF is_settled AND this.waits_for IS NOT NULL THEN
    INSERT INTO tidings.changes(bridge) VALUES (this.id);
  END IF;
  UPDATE tidings.bridges b SET waits_for = writers WHERE b.id = this.id AND b.waits_for IS DISTINCT FROM writers;
END
$$;

-- Ends a node's part in a bridge. Without another node that was there within a minute, the bridge ends: nothing is recorded
-- any more, and what waits goes.
CREATE OR REPLACE FUNCTION tidings.stop_bridge(bridge integer, node uuid) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
#variable_conflict use_column
DECLARE
  source integer := (SELECT b.source FROM tidings.bridges b WHERE b.id = stop_bridge.bridge);
BEGIN
  PERFORM tidings.lock_bridges(source);
  DELETE FROM tidings.bridge_nodes n WHERE n.bridge = stop_bridge.bridge AND n.node = stop_bridge.node;
  IF EXISTS (SELECT FROM tidings.bridge_nodes n WHERE n.bridge = stop_bridge.bridge
      AND n.at > clock_timestamp() - interval '1 minute') THEN
    RETURN;
  END IF;
  PERFORM tidings.forget_bridge(stop_bridge.bridge);
  IF source IS NOT NULL THEN
    PERFORM tidings.write_trigger(source);
  END IF;
END
$$;

-- Removes a bridge with all that waits.
CREATE OR REPLACE FUNCTION tidings.forget_bridge(bridge integer) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
  DELETE FROM tidings.bridges b WHERE b.id = $1;
  DELETE FROM tidings.bridge_nodes n WHERE n.bridge = $1;
  DELETE FROM tidings.bridge_sequencers s WHERE s.bridge = $1;
  DELETE FROM tidings.bridge_dead_letters d WHERE d.bridge = $1;
  DELETE FROM tidings.changes c WHERE c.bridge = $1;
$$;
