-- A function that reads records belongs to the owner of its table, who may put any code into it. `tidings.call_records` is the
-- only function that calls it. So it belongs to the role `tidings_reader`, which has no rights.
--
-- The call undoes what that code does in the transaction: settings, temporary tables, triggers that wait for the commit. Until
-- the call returns, the transaction is read only. PostgreSQL does not undo prepared statements and advisory locks of the
-- session. They stay until the connection ends, and give that code no right: the server uses no prepared statement with a name,
-- and each user of the database may take these locks anyway. Only a table's own secret lets its records be read, so that code
-- reads no other table.
--
-- If the user may not create the role, the function stays with the user, and tables of others have no bridge.
DO $do$
DECLARE
  role CONSTANT text := current_setting('role');
  is_superuser CONSTANT boolean := (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user);
BEGIN
  BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = 'tidings_reader') THEN
      CREATE ROLE tidings_reader NOLOGIN NOINHERIT;
    END IF;
  EXCEPTION
    -- Another database of the same server gets its outbox at the same time.
    WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
  END;
  -- Somebody's view may depend on it.
  DROP FUNCTION IF EXISTS tidings.call_records(text, uuid, regclass, text[], bigint) CASCADE;
  -- Reads all keys with one call. If that call fails, it makes a call without a key. If this one fails, too, no key is at
  -- fault, and the read fails. Otherwise, it makes one call for each key.
  --
  -- `OTHERS` catches neither an `ASSERT` that fails nor a cancel (`query_canceled`). So these always fail the whole read.
  CREATE FUNCTION tidings.call_records(named text, secret uuid, relation regclass, keys text[], max_bytes bigint)
  RETURNS TABLE(key text, record json, bytes bigint, fault text) LANGUAGE plpgsql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS $function$
#variable_conflict use_column
DECLARE
  query CONSTANT text := format('SELECT array_agg(r.key), array_agg(r.record), array_agg(r.bytes) FROM ('
    'SELECT DISTINCT ON (k.key) k.key, CASE WHEN octet_length(r.record::text) <= $3 THEN r.record::json END AS record, r.bytes '
    'FROM unnest($2) AS k(key) LEFT JOIN tidings_tables.%I($1, $2, $3, $4) r ON r.key COLLATE "C" = k.key) r', named);
  found_keys text[];
  records json[];
  sizes bigint[];
  asked text[];
  is_read boolean;
  owner oid;
BEGIN
  SELECT c.relowner INTO owner FROM pg_class c JOIN pg_proc p ON p.proowner = c.relowner
    WHERE c.oid = relation AND p.oid = to_regprocedure(format('tidings_tables.%I(regclass, text[], bigint, uuid)', named));
  IF owner IS NULL THEN
    -- Somebody else may have made one with its name, after the owner had dropped it.
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
      MESSAGE = format('the function that reads records of %s is gone, or belongs to another user', relation),
      HINT = 'Let the owner of the table call tidings.bridge.';
  ELSIF current_user <> 'tidings_reader' AND owner <> current_user::regrole THEN
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
      MESSAGE = format('there is no role tidings_reader without rights, which may read records of %s', relation),
      HINT = 'Run `tidings journal init` again, as a user who may create roles. tidings_reader must have no rights and no members.';
  END IF;
  FOR attempt IN -1..cardinality(keys) LOOP
    asked := CASE attempt WHEN -1 THEN keys ELSE keys[attempt:attempt] END;
    is_read := false;
    BEGIN
      PERFORM set_config('transaction_read_only', 'on', true);
      EXECUTE query INTO found_keys, records, sizes USING relation, asked, max_bytes, secret;
      is_read := true;
      RAISE EXCEPTION 'this undoes what the call has done';
    EXCEPTION WHEN OTHERS THEN
      -- Conflicts of transactions, resources, locks, the server's operator, and its disks.
      IF NOT is_read AND (attempt = 0 OR SQLSTATE ~ '^(40|53|55P03|57|58)') THEN
        RAISE;
      END IF;
      fault := CASE WHEN NOT is_read THEN left(SQLERRM, 1000) END;
    END;
    IF is_read THEN
      RETURN QUERY SELECT r.*, NULL::text FROM unnest(found_keys, records, sizes) AS r(key, record, bytes);
      EXIT WHEN attempt = -1;
    ELSIF attempt > 0 THEN
      key := keys[attempt];
      RETURN NEXT;
    END IF;
  END LOOP;
END
$function$;
  REVOKE ALL ON FUNCTION tidings.call_records(text, uuid, regclass, text[], bigint) FROM PUBLIC;
  -- A member could change the function, and who has made a role is its member since PostgreSQL 16.
  IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = 'tidings_reader' AND NOT (r.rolsuper OR r.rolcreaterole OR r.rolcreatedb
      OR r.rolcanlogin OR r.rolreplication OR r.rolbypassrls) AND NOT EXISTS (SELECT FROM pg_auth_members m
        JOIN pg_roles member ON member.oid = m.member WHERE m.member = r.oid
        OR m.roleid = r.oid AND NOT member.rolsuper AND member.rolname <> current_user
        AND m.member <> (SELECT n.nspowner FROM pg_namespace n WHERE n.nspname = 'tidings'))) THEN
    RETURN;
  END IF;
  BEGIN
    IF NOT is_superuser THEN
      EXECUTE format('GRANT tidings_reader TO %I', current_user);
    END IF;
    GRANT USAGE, CREATE ON SCHEMA tidings TO tidings_reader;
    GRANT USAGE ON SCHEMA tidings_tables TO tidings_reader;
    ALTER FUNCTION tidings.call_records(text, uuid, regclass, text[], bigint) OWNER TO tidings_reader;
    PERFORM set_config('role', 'tidings_reader', true);
    EXECUTE format('GRANT EXECUTE ON FUNCTION tidings.call_records(text, uuid, regclass, text[], bigint) TO %s',
      (SELECT n.nspowner::regrole FROM pg_namespace n WHERE n.nspname = 'tidings'));
    PERFORM set_config('role', role, true);
    REVOKE ALL ON SCHEMA tidings FROM tidings_reader;
    IF NOT is_superuser THEN
      EXECUTE format('REVOKE tidings_reader FROM %I', current_user);
    END IF;
  EXCEPTION WHEN insufficient_privilege THEN
    NULL;
  END;
END
$do$;
