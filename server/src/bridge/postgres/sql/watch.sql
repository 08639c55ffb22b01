-- Returns the SQL expression for the event of a changed row. `row_name` is the row, and `old_name` the row before an UPDATE.
CREATE OR REPLACE FUNCTION tidings.event_expression(
  watched regclass, operation text, domain text, event text, fields jsonb, row_name text, old_name text
) RETURNS text LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  how CONSTANT text := 'Write {"field": "column"}, {"field": "old.column"}, {"field": {"text": "column"}}, or '
    '{"field": {"value": a constant}}.';
  field record;
  name text;
  is_text boolean;
  is_old boolean;
  parts text[] := ARRAY[]::text[];
BEGIN
  FOR field IN SELECT f.key, f.value FROM jsonb_each(fields) f LOOP
    is_text := CASE WHEN jsonb_typeof(field.value) = 'object' THEN field.value - 'text' = '{}'
      AND jsonb_typeof(field.value -> 'text') = 'string' END;
    name := CASE WHEN is_text THEN field.value ->> 'text' ELSE field.value #>> '{}' END;
    is_old := starts_with(name, 'old.');
    IF jsonb_typeof(field.value) = 'object' AND field.value ? 'value' AND field.value - 'value' = '{}' THEN
      parts := parts || quote_literal(concat(to_json(field.key), ':', field.value -> 'value'));
      CONTINUE;
    ELSIF jsonb_typeof(field.value) <> 'string' AND is_text IS NOT TRUE THEN
      RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
        MESSAGE = format('fields: the field %s is %s', to_json(field.key), field.value), HINT = how;
    ELSIF is_old OR starts_with(name, 'new.') THEN
      name := substr(name, 5);
    END IF;
    PERFORM tidings.check_column(watched, name, format('fields: the field %s', to_json(field.key)), how);
    -- Before an INSERT and after a DELETE there is no other value.
    CONTINUE WHEN is_old AND operation <> 'UPDATE';
    parts := parts || format('%L || coalesce(to_json(%s.%I%s)::text, ''null'')', concat(to_json(field.key), ':'),
      CASE WHEN is_old THEN old_name ELSE row_name END, name, CASE WHEN is_text THEN '::text' ELSE '' END);
  END LOOP;
  RETURN concat_ws(' || ', quote_literal(concat('{"domain":', to_json(domain), ',"event":', to_json(event), ',"payload":{')),
    nullif(array_to_string(parts, ' || '','' || '), ''), '''}}''');
END
$$;

-- Refuses a column that is not there.
CREATE OR REPLACE FUNCTION tidings.check_column(watched regclass, name text, place text, how text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = watched AND a.attname = name AND a.attnum > 0
      AND NOT a.attisdropped) THEN
    RAISE EXCEPTION USING ERRCODE = 'undefined_column', MESSAGE = format('%s: %s has no column %I', place, watched, name),
      HINT = how;
  END IF;
END
$$;

-- Returns the SQL expressions of what a trigger publishes: the event, its tenant, and, if an UPDATE has moved the row, the
-- tenant and the event of the row as it was.
CREATE OR REPLACE FUNCTION tidings.watched_values(
  watched regclass, operation text, domain text, event text, tenant text, tenant_column text, fields jsonb, moved text[],
  row_name text, old_name text
) RETURNS text[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT ARRAY[
    tidings.event_expression($1, $2, $3, $4, $7, $9, $10),
    CASE WHEN $6 IS NULL THEN concat(quote_nullable($5), '::text') ELSE format('concat(%s.%I)', $9, $6) END,
    CASE WHEN $6 IS NULL THEN concat(quote_nullable($5), '::text') ELSE format('concat(%s.%I)', $10, $6) END,
    CASE WHEN $2 = 'UPDATE' AND cardinality($8) > 0 THEN format('CASE WHEN %s THEN %s END',
      (SELECT string_agg(format('to_json(%s.%I)::text IS DISTINCT FROM to_json(%s.%I)::text', $9, m.name, $10, m.name), ' OR ')
        FROM unnest($8) AS m(name)),
      tidings.event_expression($1, $2, $3, $4, $7, $10, $10)) ELSE 'NULL::text' END]
$$;

-- Returns the columns whose change moves a row: its fields have them, and no field has their value before the change.
CREATE OR REPLACE FUNCTION tidings.moving_columns(tenant_column text, fields jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH named AS (
    SELECT coalesce(f.value ->> 'text', f.value #>> '{}') AS name FROM jsonb_each($2) f WHERE NOT f.value ? 'value'
      OR jsonb_typeof(f.value) = 'string'
  )
  SELECT ARRAY(SELECT CASE WHEN starts_with(n.name, 'new.') THEN substr(n.name, 5) ELSE n.name END FROM named n
    WHERE NOT starts_with(n.name, 'old.')
    EXCEPT SELECT substr(n.name, 5) FROM named n WHERE starts_with(n.name, 'old.')
    UNION SELECT $1 WHERE $1 IS NOT NULL)
$$;

-- Publishes events of a table from now on: the table's triggers put an event into the outbox, in the transaction that writes
-- a row. A call replaces the events that it names. If an UPDATE changes one of the columns `moved`, the row as it was is
-- announced, too.
CREATE OR REPLACE FUNCTION tidings.watch(
  watched regclass, domain text, created text DEFAULT NULL, updated text DEFAULT NULL, deleted text DEFAULT NULL,
  tenant text DEFAULT NULL, tenant_column text DEFAULT NULL, fields jsonb DEFAULT '{}', moved text[] DEFAULT NULL
) RETURNS void LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
  this record;
  owner CONSTANT oid := (SELECT c.relowner FROM pg_class c WHERE c.oid = watched);
  moving text[];
  v text[];
BEGIN
  PERFORM tidings.check_table(watched);
  IF NOT has_function_privilege(owner, 'tidings.publish(text, text, uuid, text, text[])', 'EXECUTE') THEN
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
      MESSAGE = format('the owner of %s may not publish events: %s', watched, owner::regrole),
      HINT = format('GRANT tidings_publisher TO %s', owner::regrole);
  ELSIF coalesce(created, updated, deleted) IS NULL OR '' IN (domain, created, updated, deleted) OR domain IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'there is no domain, or no event',
      HINT = 'Name the domain, and an event: domain => …, created => …, updated => …, deleted => ….';
  ELSIF tenant IS NOT NULL AND tenant_column IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'there is a tenant, and a column of tenants',
      HINT = 'Name one: tenant => a constant, or tenant_column => a column.';
  ELSIF tenant !~ '^[A-Za-z0-9_.~-]{1,64}$' THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('tenant: %L is no name of a tenant', tenant),
      HINT = 'A name has 1 to 64 characters of A-Z a-z 0-9 _ . ~ -. For a column, write tenant_column => ….';
  ELSIF jsonb_typeof(fields) IS DISTINCT FROM 'object' THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'fields: it is no JSON object',
      HINT = 'Write {"field": "column", …}.';
  ELSIF tenant_column IS NOT NULL THEN
    PERFORM tidings.check_column(watched, tenant_column, 'tenant_column', 'Name a column of the table.');
  END IF;
  PERFORM tidings.check_column(watched, m.name, 'moved', 'Name columns of the table.') FROM unnest(moved) AS m(name);
  FOR this IN
    SELECT e.* FROM (VALUES ('INSERT', created, 'NEW', 'NEW', 'NEW'), ('UPDATE', updated, 'NEW', 'OLD', 'NEW, OLD'),
      ('DELETE', deleted, 'OLD', 'OLD', 'OLD')) AS e(operation, event, row_name, old_name, rows) WHERE e.event IS NOT NULL
  LOOP
    moving := coalesce(moved, tidings.moving_columns(tenant_column, fields));
    v := tidings.watched_values(watched, this.operation, domain, this.event, tenant, tenant_column, fields, moving,
      this.row_name, this.old_name);
    PERFORM tidings.put_trigger(watched, this.operation, domain, format($body$DECLARE
  event text;
  tenant text := %1$s;
  old_tenant text;
  old_event text;
BEGIN
  BEGIN
    tenant := %2$s;
    event := %3$s;
    old_event := %4$s;
    old_tenant := %5$s;
  EXCEPTION WHEN OTHERS THEN
    BEGIN
      -- A column has another type since this session wrote to the table last.
      EXECUTE %6$L INTO event, tenant, old_tenant, old_event USING %7$s;
    EXCEPTION WHEN OTHERS THEN
      event := concat(TG_OP, ' on ', TG_RELID::regclass, ' has no event: ', SQLERRM, '; call tidings.watch again');
    END;
  END;
  IF old_event IS NOT NULL THEN
    PERFORM tidings.publish(old_event, old_tenant);
  END IF;
  PERFORM tidings.publish(event, tenant);
  RETURN NULL;
END$body$, quote_nullable(tenant), v[2], v[1], v[4], v[3],
      'SELECT ' || array_to_string(tidings.watched_values(watched, this.operation, domain, this.event, tenant, tenant_column,
        fields, moving, '($1)', CASE this.operation WHEN 'UPDATE' THEN '($2)' ELSE '($1)' END), ', '), this.rows));
  END LOOP;
  IF deleted IS NOT NULL THEN
    -- It tells of no row. The tenants load everything again: the outbox refuses a row without an event.
    PERFORM tidings.put_trigger(watched, 'TRUNCATE', domain, format($body$DECLARE
  event CONSTANT text := concat(TG_OP, ' on ', TG_RELID::regclass, ' has no event for each row: its tenants load again');
BEGIN
  %s
  RETURN NULL;
END$body$, CASE WHEN tenant_column IS NULL THEN format('PERFORM tidings.publish(event, %L);', tenant)
      ELSE format($$EXECUTE format('SELECT count(tidings.publish(%%L, t.tenant)) FROM (SELECT DISTINCT concat(t.%I) AS tenant '
    'FROM %%s t) t', event, TG_RELID::regclass);$$, tenant_column) END));
  END IF;
  IF EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent WHERE c.oid = watched AND c.relkind = 'r') THEN
    RAISE NOTICE '% has child tables: their rows are not watched; call tidings.watch for each', watched;
  END IF;
END
$function$;

-- Makes the function of a trigger, or writes it again, and makes the trigger if there is none. It writes no function but those
-- that it has made for the table's owner: a trigger with this name may call any other.
CREATE OR REPLACE FUNCTION tidings.put_trigger(watched regclass, operation text, domain text, body text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  named CONSTANT text := tidings.trigger_name(operation, domain);
  this record;
  called text;
BEGIN
  SELECT t.tgparentid <> 0 AS is_of_parent, tidings.watch_function(t.tgfoid) AS function
    INTO this FROM pg_trigger t WHERE t.tgrelid = watched AND t.tgname = named;
  IF this.is_of_parent THEN
    RAISE EXCEPTION USING ERRCODE = 'duplicate_object', MESSAGE = format('the partitioned table of %s is watched', watched),
      HINT = 'Its trigger tells of the rows of this partition, too.';
  ELSIF FOUND THEN
    EXECUTE format('DROP TRIGGER %I ON %s', named, watched);
    PERFORM tidings.drop_function(this.function, '') WHERE this.function IS NOT NULL;
  END IF;
  -- Always a new function with a new name. With the old name, somebody else could have made a function in its place.
  called := concat('watch_', replace(gen_random_uuid()::text, '-', ''));
  EXECUTE format('CREATE FUNCTION tidings_tables.%I() RETURNS trigger LANGUAGE plpgsql VOLATILE SECURITY DEFINER '
    'SET search_path = pg_catalog, pg_temp AS %L', called, body);
  EXECUTE format('REVOKE ALL ON FUNCTION tidings_tables.%I() FROM PUBLIC', called);
  PERFORM tidings.give_to_owner(format('tidings_tables.%I()', called), watched);
  EXECUTE format('CREATE TRIGGER %I %s %s ON %s FOR EACH %s EXECUTE FUNCTION tidings_tables.%I()', named,
    CASE operation WHEN 'TRUNCATE' THEN 'BEFORE' ELSE 'AFTER' END, operation, watched,
    CASE operation WHEN 'TRUNCATE' THEN 'STATEMENT' ELSE 'ROW' END, called);
  -- Also for rows that a replication brings.
  EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', watched, named);
END
$$;

-- Returns the name of a function that `tidings.watch` has made. NULL: it is another one.
CREATE OR REPLACE FUNCTION tidings.watch_function(function oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE p.oid = $1 AND n.nspname = 'tidings_tables' AND p.proname ~ '^watch_[0-9a-f]{32}$'
$$;

-- Returns the name of a trigger. Names have 63 bytes at most.
CREATE OR REPLACE FUNCTION tidings.trigger_name(operation text, domain text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT concat('tidings_watch_', lower($1), '_', CASE WHEN octet_length($2) > 32 THEN md5($2) ELSE $2 END)
$$;

-- Publishes no more events of a table: those of one domain, or all.
CREATE OR REPLACE FUNCTION tidings.unwatch(watched regclass, domain text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  this record;
BEGIN
  PERFORM tidings.check_table(watched);
  FOR this IN
    SELECT t.tgname AS name, tidings.watch_function(t.tgfoid) AS called FROM pg_trigger t
    WHERE t.tgrelid = watched AND t.tgparentid = 0 AND t.tgname ~ '^tidings_watch_'
    AND (domain IS NULL OR t.tgname IN (SELECT tidings.trigger_name(o.operation, domain)
      FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS o(operation)))
  LOOP
    EXECUTE format('DROP TRIGGER %I ON %s', this.name, watched);
    -- A trigger with such a name may call a function of somebody else.
    PERFORM tidings.drop_function(this.called, '') WHERE this.called IS NOT NULL;
  END LOOP;
END
$$;
