-- The record of the changes, and the functions that write it. All depends on objects that are temporary: PostgreSQL drops it
-- with the session that makes it, and the triggers, too. A function of a table's trigger is found by its number, so other
-- sessions run it.
CREATE SCHEMA tidings_coverage;
CREATE TYPE pg_temp.tidings_coverage_row AS (number bigint, transaction xid8, kind text, name text, value text);
CREATE UNLOGGED TABLE tidings_coverage.record OF pg_temp.tidings_coverage_row;
CREATE SEQUENCE tidings_coverage.numbers OWNED BY tidings_coverage.record.number;

-- Argument: the name of the table.
CREATE FUNCTION pg_temp.tidings_coverage_changed() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO tidings_coverage.record
    SELECT nextval('tidings_coverage.numbers'), pg_current_xact_id(), row.kind, TG_ARGV[0], row.value
    FROM (VALUES ('before', to_jsonb(OLD)), ('after', to_jsonb(NEW))) AS row(kind, value)
    WHERE row.value IS NOT NULL AND (SELECT n.last_value FROM tidings_coverage.numbers n) < {max};
  RETURN NULL;
END
$$;

-- The same for all rows that TRUNCATE removes.
CREATE FUNCTION pg_temp.tidings_coverage_truncated() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  EXECUTE format('INSERT INTO tidings_coverage.record '
    'SELECT nextval(''tidings_coverage.numbers''), pg_current_xact_id(), ''before'', $1, to_jsonb(t) FROM ONLY %s t '
    'LIMIT greatest({max} - (SELECT n.last_value FROM tidings_coverage.numbers n), 0)', TG_RELID::regclass) USING TG_ARGV[0];
  RETURN NULL;
END
$$;

-- The rows of another table that show a changed row. Arguments: the other table for SQL, its name, its column that has the key,
-- the column of the key, and the columns that may change.
CREATE FUNCTION pg_temp.tidings_coverage_shown() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF to_jsonb(OLD) - TG_ARGV[4]::text[] <> to_jsonb(NEW) - TG_ARGV[4]::text[] THEN
    EXECUTE format('INSERT INTO tidings_coverage.record '
      'SELECT nextval(''tidings_coverage.numbers''), pg_current_xact_id(), ''shown'', $1, to_jsonb(t) FROM %s t '
      'WHERE to_jsonb(t) -> $2 = $3 LIMIT greatest({max} - (SELECT n.last_value FROM tidings_coverage.numbers n), 0)',
      TG_ARGV[0]) USING TG_ARGV[1], TG_ARGV[2], to_jsonb(NEW) -> TG_ARGV[3];
  END IF;
  RETURN NULL;
END
$$;

-- An event of the outbox.
CREATE FUNCTION pg_temp.tidings_coverage_announced() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO tidings_coverage.record
    SELECT nextval('tidings_coverage.numbers'), pg_current_xact_id(), 'event', NULL, NEW.event
    WHERE (SELECT n.last_value FROM tidings_coverage.numbers n) < {max};
  RETURN NULL;
END
$$;
