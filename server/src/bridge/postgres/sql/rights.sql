-- The functions that nobody but the others here calls stay private.
REVOKE ALL ON FUNCTION tidings.key_columns, tidings.key_expression, tidings.shape, tidings.has_triggers, tidings.write_trigger,
  tidings.drop_old_changes, tidings.bridged_table, tidings.has_records, tidings.reader, tidings.add_bridged_table,
  tidings.check_table, tidings.give_to_owner, tidings.drop_function, tidings.bridge, tidings.records_body, tidings.unbridge,
  tidings.remove_bridged_table, tidings.forget_dropped_tables, tidings.forget_table, tidings.find_table, tidings.lock_bridges,
  tidings.start_bridge, tidings.refresh_table,
  tidings.renew_bridge, tidings.stop_bridge, tidings.forget_bridge, tidings.read_records, tidings.read_changes,
  tidings.settle_changes, tidings.sequence_changes, tidings.stop_sequencing_changes, tidings.event_expression,
  tidings.check_column, tidings.watched_values, tidings.moving_columns, tidings.watch, tidings.put_trigger,
  tidings.watch_function, tidings.trigger_name, tidings.unwatch FROM PUBLIC;
DO $$
DECLARE
  role text;
BEGIN
  FOR role IN SELECT r.rolname FROM pg_roles r WHERE r.rolname IN ('tidings_publisher', 'tidings_node') LOOP
    EXECUTE format('GRANT USAGE ON SCHEMA tidings TO %I', role);
    -- The owner of a table makes functions there.
    EXECUTE format('GRANT USAGE, CREATE ON SCHEMA tidings_tables TO %I', role);
    EXECUTE format('GRANT EXECUTE ON FUNCTION tidings.key_columns, tidings.bridged_table, tidings.reader, tidings.check_table, '
      'tidings.give_to_owner, tidings.drop_function, tidings.add_bridged_table, tidings.remove_bridged_table, tidings.bridge, '
      'tidings.unbridge, '
      'tidings.event_expression, tidings.check_column, tidings.watched_values, tidings.moving_columns, tidings.watch, '
      'tidings.put_trigger, tidings.watch_function, tidings.trigger_name, tidings.unwatch TO %I', role);
  END LOOP;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tidings_node') THEN
    GRANT SELECT ON tidings.versions, tidings.changes, tidings.changes_id_seq, tidings.bridge_sequencers,
      tidings.bridge_dead_letters TO tidings_node;
    GRANT EXECUTE ON FUNCTION tidings.find_table, tidings.start_bridge, tidings.renew_bridge, tidings.stop_bridge,
      tidings.read_changes, tidings.settle_changes, tidings.sequence_changes, tidings.stop_sequencing_changes TO tidings_node;
  END IF;
END
$$;
INSERT INTO tidings.versions(part, version, oldest) VALUES ('bridge', 1, 1) ON CONFLICT (part) DO NOTHING;
