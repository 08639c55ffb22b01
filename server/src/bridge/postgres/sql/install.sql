-- Returns the columns of a table's primary key, in the order of the key. `equal` is the operator of its index. NULL: it has
-- none.
CREATE OR REPLACE FUNCTION tidings.key_columns(relation oid) RETURNS TABLE(
  place integer, name name, type oid, type_name text, equal text
) LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT k.place::integer, a.attname, a.atttypid, format_type(a.atttypid, -1),
    (SELECT format('OPERATOR(%I.%s)', n.nspname, o.oprname) FROM pg_opclass c
      JOIN pg_amop m ON m.amopfamily = c.opcfamily AND m.amoplefttype = c.opcintype AND m.amoprighttype = c.opcintype
        AND m.amopstrategy = 3
      JOIN pg_operator o ON o.oid = m.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace
      WHERE c.oid = i.indclass[k.place - 1] LIMIT 1)
  FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::smallint[]) WITH ORDINALITY AS k(number, place)
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
  WHERE i.indrelid = $1 AND i.indisprimary AND k.place <= i.indnkeyatts ORDER BY k.place
$$;

-- Returns the expression for the key of a row in a trigger: the value as text, or a JSON list of several.
CREATE OR REPLACE FUNCTION tidings.key_expression(relation oid, row_name text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $function$
  SELECT CASE count(*) WHEN 0 THEN 'NULL' WHEN 1 THEN min(format('concat(%s.%I)', $2, k.name)) ELSE
    format($$'[' || %s || ']'$$, string_agg(
      CASE WHEN k.type IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) THEN format('concat(%s.%I)', $2, k.name)
      ELSE format('to_json(concat(%s.%I))::text', $2, k.name) END, $$ || ',' || $$ ORDER BY k.place)) END
  FROM tidings.key_columns($1) k
$function$;

-- Returns a text that differs after a change of what a record is, or of what the triggers see: the columns and their types, the
-- key, the partitions and the triggers themselves. `xmin` differs also after a change that was taken back.
--
-- A partition that is newer than the triggers has no trigger for `TRUNCATE`. But `TRUNCATE` gives a table a new file. So the
-- text names the file (`relfilenode`) of each table without such a trigger.
--
-- Each node calls it every 10 s, for each bridge. With these settings, it costs 0.1 ms. To plan it costs 1 ms.
CREATE OR REPLACE FUNCTION tidings.shape(relation oid) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  RETURN (WITH RECURSIVE triggers(name) AS (
    SELECT format('tidings_bridge_%s%s', t.id, kind) FROM tidings.bridged_tables t, unnest(ARRAY['', '_truncate']) AS kind
    WHERE t.relation = $1
  ), relations(oid) AS (
    SELECT $1 UNION SELECT p.relid FROM pg_partition_tree($1) p
  ), types(oid) AS (
    SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0
    UNION
    SELECT part.oid FROM types y JOIN pg_type t ON t.oid = y.oid CROSS JOIN LATERAL (
      SELECT t.typelem UNION ALL SELECT t.typbasetype
      UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)
      UNION ALL SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0
    ) AS part(oid)
  ), facts(fact) AS (
    SELECT format('column %s %s %s', a.attrelid, a.attnum, a.xmin) FROM pg_attribute a WHERE a.attnum > 0 AND a.attrelid IN (
      SELECT $1 UNION ALL SELECT t.typrelid FROM types y JOIN pg_type t ON t.oid = y.oid)
    UNION ALL
    SELECT format('label %s %s', e.oid, e.xmin) FROM pg_enum e JOIN types y ON y.oid = e.enumtypid
    UNION ALL
    SELECT format('key %s %s', i.indexrelid, i.indkey) FROM pg_index i WHERE i.indrelid = $1 AND i.indisprimary
    UNION ALL
    SELECT format('trigger %s %s', t.oid, t.xmin) FROM pg_trigger t
    WHERE t.tgrelid IN (SELECT r.oid FROM relations r) AND t.tgname IN (SELECT n.name FROM triggers n)
    UNION ALL
    SELECT format('table %s %s', c.oid, CASE WHEN NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid
        AND t.tgname IN (SELECT n.name FROM triggers n WHERE n.name ~ 'truncate$') AND t.tgenabled = 'A') THEN c.relfilenode END)
    FROM pg_class c JOIN relations r ON r.oid = c.oid
  )
  SELECT md5(string_agg(f.fact, ',' ORDER BY f.fact COLLATE "C")) FROM facts f);
END
$$;

-- Returns whether the triggers of a table are there, and also run for rows that a replication brings.
CREATE OR REPLACE FUNCTION tidings.has_triggers(source integer, relation regclass) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN NOT EXISTS (
    SELECT named.relation, named.name FROM (
      SELECT $2::oid, format('tidings_bridge_%s', $1) UNION SELECT $2, format('tidings_bridge_%s_truncate', $1)
      UNION SELECT p.relid, format('tidings_bridge_%s', $1) FROM pg_partition_tree($2) p) AS named(relation, name)
    EXCEPT
    SELECT t.tgrelid, t.tgname::text FROM pg_trigger t
    WHERE t.tgenabled = 'A' AND t.tgfoid = to_regprocedure(format('tidings.changed_%s()', $1)));
END
$$;

-- Writes the function of a table's triggers: it records the keys of changed rows for the bridges that are registered now.
-- The list of bridges is in the body, because each session sees a new body at its next look at the table, also in a
-- transaction with an old snapshot. Such a transaction would not see a new row of a table.
--
-- Its code runs with the rights of the owner of `tidings`. So it uses the output functions of types (`concat`) and no cast:
-- a cast may be another user's function.
CREATE OR REPLACE FUNCTION tidings.write_trigger(source integer) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
  relation oid := (SELECT t.relation FROM tidings.bridged_tables t WHERE t.id = source);
  bridges integer[] := ARRAY(SELECT b.id FROM tidings.bridges b WHERE b.source = write_trigger.source ORDER BY b.id);
  named text := format('tidings.changed_%s', source);
  -- Settings that change the text of a value.
  settings text := '';
  insert_new text := '';
  insert_old text := '';
  insert_gap text := '';
  clean text := '';
  body text := 'BEGIN RETURN NULL; END';
  bridge integer;
BEGIN
  IF cardinality(bridges) > 0 THEN
    IF NOT (SELECT bool_and(k.type IN ('bool'::regtype, 'int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'text'::regtype,
        'varchar'::regtype, 'bpchar'::regtype, 'uuid'::regtype, 'numeric'::regtype, 'name'::regtype))
        FROM tidings.key_columns(relation) k) THEN
      settings := ' SET timezone = ''UTC'' SET datestyle = ''ISO, YMD'' SET intervalstyle = ''postgres'' '
        'SET bytea_output = ''hex'' SET extra_float_digits = 1 SET lc_monetary = ''C''';
    END IF;
    FOREACH bridge IN ARRAY bridges LOOP
      insert_new := insert_new || format(
        E'    INSERT INTO tidings.changes(bridge, key) VALUES (%s, new_key) RETURNING id INTO number;\n', bridge);
      insert_old := insert_old || format(
        E'    INSERT INTO tidings.changes(bridge, key) VALUES (%s, old_key) RETURNING id INTO number;\n', bridge);
      insert_gap := insert_gap || format(
        E'    INSERT INTO tidings.changes(bridge) VALUES (%s) RETURNING id INTO number;\n', bridge);
    END LOOP;
    -- The text differs for another shape of the table, so each session forgets the plan for the old one.
    body := format($body$-- shape %7$s
DECLARE
  old_key text;
  new_key text;
  number bigint;
BEGIN
  BEGIN
    IF TG_OP IN ('UPDATE', 'DELETE') THEN
      old_key := %1$s;
    END IF;
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
      new_key := %2$s;
    END IF;
    -- Nodes read 256 changes at a time, and so 16 MB of keys at most. No event has a longer key: a gap stands for the record.
    IF greatest(octet_length(old_key), octet_length(new_key)) > 65536 THEN
      RAISE program_limit_exceeded;
    END IF;
  EXCEPTION WHEN OTHERS THEN
    -- Or a column of the key has another name or another type since a moment ago.
    old_key := NULL;
    new_key := NULL;
  END;
  IF old_key <> new_key OR new_key IS NULL AND old_key IS NOT NULL THEN
%4$s  END IF;
  IF new_key IS NOT NULL THEN
%3$s  ELSIF old_key IS NULL THEN
%5$s  END IF;
  -- `number` is the last id of this change. The ids of one change follow each other. So each range of 1024 ids has a change that
  -- calls this.
  IF number %% 1024 < %8$s THEN
    PERFORM tidings.drop_old_changes();
  END IF;
  RETURN NULL;
END$body$, tidings.key_expression(relation, 'OLD'), tidings.key_expression(relation, 'NEW'),
      insert_new, insert_old, insert_gap, source, tidings.shape(relation), 2 * cardinality(bridges));
  END IF;
  -- Another session may run it: the same body is not written again.
  IF body IS DISTINCT FROM (SELECT p.prosrc FROM pg_proc p WHERE p.oid = to_regprocedure(named || '()')) THEN
    EXECUTE format('CREATE OR REPLACE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql VOLATILE SECURITY DEFINER '
      'SET search_path = pg_catalog, pg_temp%s AS %L', named, settings, body);
  END IF;
END
$function$;

-- Removes changes for which nobody has come for longer than a bridge publishes them, a bounded number of each bridge. One gap
-- stands for them. Writers call it now and then, so a node that never comes back does not let the table grow for ever. A
-- writer removes the changes of all tables, and not only of its own. All tables share one sequence of ids. So the changes of
-- one table may never get an id at which the trigger calls this function.
CREATE OR REPLACE FUNCTION tidings.drop_old_changes() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
DECLARE
  this record;
  dropped bigint;
BEGIN
  -- With an older snapshot, a row that is gone would fail the writer's transaction.
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RETURN;
  END IF;
  -- The first change of a bridge is the oldest, or nearly so.
  FOR this IN
    SELECT b.id, clock_timestamp() - b.max_age AS oldest FROM tidings.bridges b CROSS JOIN LATERAL (
      SELECT c.at FROM tidings.changes c WHERE c.bridge = b.id ORDER BY c.id LIMIT 1) first
    WHERE first.at < clock_timestamp() - b.max_age
  LOOP
    WITH old AS MATERIALIZED (
      SELECT c.id FROM tidings.changes c WHERE c.bridge = this.id AND c.at < this.oldest AND c.id <= (
        SELECT max(f.id) FROM (SELECT f.id FROM tidings.changes f WHERE f.bridge = this.id ORDER BY f.id LIMIT 4096) f)
      ORDER BY c.id FOR UPDATE OF c SKIP LOCKED
    ), gone AS (
      DELETE FROM tidings.changes c USING old o WHERE c.bridge = this.id AND c.id = o.id RETURNING 1
    ) SELECT count(*) INTO dropped FROM gone;
    IF dropped > 0 THEN
      INSERT INTO tidings.changes(bridge) VALUES (this.id);
    END IF;
  END LOOP;
END
$$;

-- Returns the number of a table that was bridged, and the name of the function that reads its records.
CREATE OR REPLACE FUNCTION tidings.bridged_table(relation regclass, OUT source integer, OUT records text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT t.id, t.records FROM tidings.bridged_tables t WHERE t.relation = $1
$$;

-- Returns the role that calls the functions of tables' owners.
CREATE OR REPLACE FUNCTION tidings.reader() RETURNS oid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT p.proowner FROM pg_proc p WHERE p.oid = 'tidings.call_records(text, uuid, regclass, text[], bigint)'::regprocedure
$$;

-- Notes a table. `tidings.bridge` calls it. Returns the table's number, and the name and the body of the function that is to
-- read its records. Without a body, the function is there. `stale` is a function that somebody has changed.
CREATE OR REPLACE FUNCTION tidings.add_bridged_table(
  relation regclass, OUT source integer, OUT records text, OUT body text, OUT stale text
) LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  owner oid := (SELECT c.relowner FROM pg_class c WHERE c.oid = add_bridged_table.relation);
BEGIN
  -- `current_user` is the owner of `tidings` in this function (`SECURITY DEFINER`). So this checks the session's user, who must
  -- be a member of the role that owns the table.
  PERFORM tidings.check_table(add_bridged_table.relation, session_user, 'MEMBER');
  SELECT t.id, t.records INTO source, records FROM tidings.bridged_tables t WHERE t.relation = add_bridged_table.relation;
  IF NOT FOUND THEN
    PERFORM tidings.forget_dropped_tables();
    INSERT INTO tidings.bridged_tables AS t (relation, shape) VALUES (add_bridged_table.relation, '') ON CONFLICT DO NOTHING;
    SELECT t.id, t.records INTO source, records FROM tidings.bridged_tables t WHERE t.relation = add_bridged_table.relation;
  END IF;
  -- The caller's transaction may stay open. So a lock is taken only for what is missing.
  IF to_regprocedure(format('tidings.changed_%s()', source)) IS NULL THEN
    PERFORM tidings.lock_bridges(source);
    PERFORM tidings.write_trigger(source);
    EXECUTE format('REVOKE ALL ON FUNCTION tidings.changed_%s() FROM PUBLIC', source);
  END IF;
  IF NOT has_function_privilege(owner, to_regprocedure(format('tidings.changed_%s()', source)), 'EXECUTE') THEN
    EXECUTE format('GRANT EXECUTE ON FUNCTION tidings.changed_%s() TO %s', source, owner::regrole);
  END IF;
  IF tidings.has_records(source) THEN
    RETURN;
  END IF;
  PERFORM tidings.lock_bridges(source);
  -- Another session may have made it meanwhile.
  IF NOT tidings.has_records(source) THEN
    stale := (SELECT t.records FROM tidings.bridged_tables t WHERE t.id = source);
    -- A new name: nobody can have made a function with it.
    UPDATE tidings.bridged_tables t SET records = DEFAULT, secret = DEFAULT WHERE t.id = source
      RETURNING t.records, tidings.records_body(t.id, t.secret) INTO records, body;
  END IF;
END
$$;

-- Refuses a user without the rights of the table's owner, and a relation that triggers can't watch.
CREATE OR REPLACE FUNCTION tidings.check_table(
  relation regclass, who name DEFAULT current_user, rights text DEFAULT 'USAGE'
) RETURNS void LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  this record;
BEGIN
  SELECT c.relkind, c.relowner, c.relpersistence, c.relnamespace::regnamespace::text AS schema INTO this
    FROM pg_class c WHERE c.oid = relation;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'undefined_table', MESSAGE = 'there is no such table';
  ELSIF this.relkind NOT IN ('r', 'p') OR this.schema IN ('pg_catalog', 'tidings') THEN
    RAISE EXCEPTION USING ERRCODE = 'wrong_object_type', MESSAGE = format('%s is no table of an application', relation),
      HINT = 'Name a table. A view has no rows of its own: name its tables.';
  ELSIF this.relpersistence <> 'p' THEN
    RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
      MESSAGE = format('%s is temporary or unlogged: its rows vanish without a trace', relation),
      HINT = 'Use a permanent table: ALTER TABLE … SET LOGGED.';
  ELSIF NOT pg_has_role(who, this.relowner, rights) THEN
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
      MESSAGE = format('only the owner of %s may do this: %s', relation, this.relowner::regrole),
      HINT = 'Let the owner of the table call this function.';
  END IF;
END
$$;

-- Gives a function to the owner of a table: whoever has made it may have more rights, and must not run code of the owner.
CREATE OR REPLACE FUNCTION tidings.give_to_owner(named text, relation regclass) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  owner CONSTANT text := (SELECT c.relowner::regrole FROM pg_class c WHERE c.oid = relation);
BEGIN
  EXECUTE format('ALTER FUNCTION %s OWNER TO %s', named, owner);
EXCEPTION WHEN insufficient_privilege THEN
  RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
    MESSAGE = format('%s must get a function for %s: SET ROLE %1$s first, and GRANT tidings_publisher TO %1$s', owner, relation);
END
$$;

-- Drops a function in `tidings_tables`, if the user may do so.
CREATE OR REPLACE FUNCTION tidings.drop_function(named text, parameters text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF to_regprocedure(format('tidings_tables.%I(%s)', named, parameters)) IS NOT NULL THEN
    EXECUTE format('DROP FUNCTION tidings_tables.%I(%s)', named, parameters);
  END IF;
EXCEPTION WHEN insufficient_privilege OR dependent_objects_still_exist THEN
  NULL; -- It belongs to an earlier owner of the table. Nobody calls it.
END
$$;

-- Makes the triggers of a table, and the function that reads its records. Its owner calls it, and so lets nodes publish the
-- records. It may be called again, and then makes what is missing. New triggers wait for the transactions that write to the
-- table.
CREATE OR REPLACE FUNCTION tidings.bridge(bridged regclass) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
  owner CONSTANT oid := (SELECT c.relowner FROM pg_class c WHERE c.oid = bridged);
  reader CONSTANT oid := tidings.reader();
  this record;
  source integer;
  named text;
  truncated oid;
  disabled record;
BEGIN
  PERFORM tidings.check_table(bridged);
  IF NOT EXISTS (SELECT FROM tidings.key_columns(bridged)) THEN
    RAISE EXCEPTION USING ERRCODE = 'feature_not_supported', MESSAGE = format('%s has no primary key', bridged),
      HINT = 'Add one: a bridge names each record by its key.';
  ELSIF (SELECT c.relforcerowsecurity FROM pg_class c WHERE c.oid = bridged) THEN
    RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
      MESSAGE = format('%s has row level security that holds for its owner, too', bridged),
      HINT = 'ALTER TABLE … NO FORCE ROW LEVEL SECURITY, or do without a bridge: all subscribers of its topic get all rows.';
  ELSIF reader <> owner AND reader::regrole::text <> 'tidings_reader' THEN
    RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
      MESSAGE = format('%s has another owner than the schema `tidings`, and there is no role tidings_reader without rights', bridged),
      HINT = 'Run `tidings journal init` again, as a user who may create roles. tidings_reader must have no rights and no members.';
  ELSIF NOT (has_schema_privilege(owner, 'tidings', 'USAGE')
      AND has_function_privilege(owner, 'tidings.key_columns(oid)', 'EXECUTE')) THEN
    RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
      MESSAGE = format('the owner of %s may not let its records be read: GRANT tidings_publisher TO %s', bridged, owner::regrole);
  END IF;
  SELECT a.* INTO this FROM tidings.add_bridged_table(bridged) a;
  source := this.source;
  IF this.body IS NOT NULL THEN
    PERFORM tidings.drop_function(this.stale, 'regclass, text[], bigint, uuid');
    named := format('tidings_tables.%I(regclass, text[], bigint, uuid)', this.records);
    EXECUTE format('CREATE FUNCTION tidings_tables.%I(relation regclass, keys text[], max_bytes bigint, secret uuid) '
      'RETURNS TABLE(key text, record json, bytes bigint) LANGUAGE plpgsql STABLE SECURITY DEFINER '
      'SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off SET timezone = ''UTC'' '
      'SET datestyle = ''ISO, YMD'' SET intervalstyle = ''postgres'' SET bytea_output = ''hex'' SET extra_float_digits = 1 '
      'SET lc_monetary = ''C'' SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS %L', this.records, this.body);
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', named);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s', named, reader::regrole);
    PERFORM tidings.give_to_owner(named, bridged);
  END IF;
  IF NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = bridged AND t.tgname = format('tidings_bridge_%s', source)) THEN
    EXECUTE format('CREATE TRIGGER tidings_bridge_%1$s AFTER INSERT OR UPDATE OR DELETE ON %2$s FOR EACH ROW '
      'EXECUTE FUNCTION tidings.changed_%1$s()', source, bridged);
  END IF;
  FOR truncated IN
    SELECT p.relid FROM pg_partition_tree(bridged) p UNION SELECT bridged EXCEPT
      SELECT t.tgrelid FROM pg_trigger t WHERE t.tgname = format('tidings_bridge_%s_truncate', source)
  LOOP
    EXECUTE format('CREATE TRIGGER tidings_bridge_%1$s_truncate AFTER TRUNCATE ON %2$s FOR EACH STATEMENT '
      'EXECUTE FUNCTION tidings.changed_%1$s()', source, truncated::regclass);
  END LOOP;
  -- Also for rows that a replication brings.
  FOR disabled IN
    SELECT t.tgrelid::regclass AS relation, t.tgname AS name FROM pg_trigger t
    WHERE t.tgrelid IN (SELECT p.relid FROM pg_partition_tree(bridged) p UNION SELECT bridged) AND t.tgenabled <> 'A'
      AND t.tgname IN (format('tidings_bridge_%s', source), format('tidings_bridge_%s_truncate', source))
  LOOP
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', disabled.relation, disabled.name);
  END LOOP;
  RETURN source;
END
$function$;

-- Returns the code that reads records of a table, with the rights of its owner. The code answers only to a caller that knows
-- the secret. Everybody can read the code, so it has only the hash of the secret. It reads only a table that has the trigger
-- with this number: nobody but the owner of the table can have made this trigger.
--
-- Keys may be equal and have different texts, as 1.0 and 1.00. Subscribers know a record by the text. So a row is found only by
-- the text that it has now.
CREATE OR REPLACE FUNCTION tidings.records_body(source integer, secret uuid) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $function$
  SELECT format($body$#variable_conflict use_column
DECLARE
  query text;
BEGIN
  IF sha256(uuid_send(secret)) IS DISTINCT FROM '\x%2$s'::bytea THEN
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = 'only tidings.call_records may call this';
  ELSIF NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = relation AND t.tgname = 'tidings_bridge_%1$s'
      AND t.tgfoid = to_regprocedure('tidings.changed_%1$s()')) THEN
    RAISE EXCEPTION 'the table %% has no trigger of a bridge: let its owner call tidings.bridge', relation;
  END IF;
  SELECT format('SELECT k.key, CASE WHEN octet_length(r.record::text) <= $2 THEN r.record END, octet_length(r.record::text)::bigint '
    'FROM unnest($1) AS k(key) LEFT JOIN LATERAL (SELECT row_to_json(t.*) AS record FROM %%s %%s t WHERE %%s) r ON true',
    CASE c.relkind WHEN 'p' THEN '' ELSE 'ONLY' END, relation, string_agg(
      format('t.%%1$I %%2$s CAST(%%3$s AS %%4$s) AND concat(t.%%1$I) = %%3$s COLLATE "C"', k.name, k.equal,
      CASE WHEN k.count = 1 THEN 'k.key' ELSE format('(k.key::json ->> %%s)', k.place - 1) END, k.type_name), ' AND '))
    INTO query FROM pg_class c, LATERAL (SELECT k.*, count(*) OVER () FROM tidings.key_columns(relation) k) k
    WHERE c.oid = relation GROUP BY c.relkind;
  IF query IS NULL THEN
    RAISE EXCEPTION 'the table %% has no primary key any more', relation;
  END IF;
  RETURN QUERY EXECUTE query USING keys, max_bytes;
END$body$, source, encode(sha256(uuid_send(secret)), 'hex'))
$function$;

-- Says whether the function that reads a table's records is as it was made. It belongs to the owner of the table.
CREATE OR REPLACE FUNCTION tidings.has_records(source integer) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT FROM tidings.bridged_tables t JOIN pg_class c ON c.oid = t.relation
    JOIN pg_proc p ON p.oid = to_regprocedure(format('tidings_tables.%I(regclass, text[], bigint, uuid)', t.records))
    WHERE t.id = $1 AND p.proowner = c.relowner AND p.prosecdef AND p.prosrc = tidings.records_body(t.id, t.secret)
    AND has_function_privilege(tidings.reader(), p.oid, 'EXECUTE'))
$$;

-- Removes what `tidings.bridge` has made. Bridges of this table end.
CREATE OR REPLACE FUNCTION tidings.unbridge(bridged regclass) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  this record;
BEGIN
  PERFORM tidings.check_table(bridged);
  FOR this IN
    SELECT t.tgrelid::regclass AS relation, t.tgname AS name FROM tidings.bridged_table(bridged) b JOIN pg_trigger t
    ON t.tgname ~ '^tidings_bridge_[0-9]+(_truncate)?$' AND t.tgparentid = 0
    AND t.tgfoid = to_regprocedure(format('tidings.changed_%s()', b.source))
  LOOP
    EXECUTE format('DROP TRIGGER %I ON %s', this.name, this.relation);
  END LOOP;
  PERFORM tidings.drop_function(b.records, 'regclass, text[], bigint, uuid') FROM tidings.bridged_table(bridged) b
    WHERE b.records IS NOT NULL;
  PERFORM tidings.remove_bridged_table(bridged);
END
$$;

-- Forgets a table.
CREATE OR REPLACE FUNCTION tidings.remove_bridged_table(relation regclass) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM tidings.check_table(remove_bridged_table.relation, session_user, 'MEMBER');
  PERFORM tidings.forget_table(t.id) FROM tidings.bridged_tables t WHERE t.relation = remove_bridged_table.relation
    AND tidings.lock_bridges(t.id);
END
$$;

-- Forgets a table with its bridges.
CREATE OR REPLACE FUNCTION tidings.forget_table(source integer) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  -- Somebody's view may depend on it.
  EXECUTE format('DROP FUNCTION IF EXISTS tidings.changed_%s() CASCADE', source);
  PERFORM tidings.forget_bridge(b.id) FROM tidings.bridges b WHERE b.source = forget_table.source;
  DELETE FROM tidings.bridged_tables t WHERE t.id = forget_table.source;
END
$$;

-- Forgets tables that were dropped, 16 at most. It waits for nobody, and never fails: their owners may have put something in
-- the way.
CREATE OR REPLACE FUNCTION tidings.forget_dropped_tables() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET lock_timeout = '20ms' AS $$
DECLARE
  dropped record;
BEGIN
  FOR dropped IN SELECT t.id, t.records FROM tidings.bridged_tables t
    WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = t.relation) ORDER BY random() LIMIT 16 FOR UPDATE SKIP LOCKED
  LOOP
    BEGIN
      PERFORM tidings.drop_function(dropped.records, 'regclass, text[], bigint, uuid');
      PERFORM tidings.forget_table(dropped.id);
    EXCEPTION WHEN OTHERS THEN
      NULL;
    END;
  END LOOP;
END
$$;
