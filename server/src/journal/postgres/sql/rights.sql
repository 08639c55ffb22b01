-- Counts what is in the journal.
CREATE OR REPLACE FUNCTION tidings.journal_status(
  OUT tenants bigint, OUT entries bigint, OUT oldest_at bigint, OUT keys bigint, OUT revocations bigint, OUT bytes bigint
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
  SELECT (SELECT count(*) FROM tidings.tenants), (SELECT count(*) FROM tidings.log),
    (SELECT l.at FROM tidings.log l ORDER BY l.number LIMIT 1), (SELECT count(*) FROM tidings.keys),
    (SELECT count(*) FROM tidings.revocations),
    (SELECT sum(pg_total_relation_size(name))::bigint FROM unnest(ARRAY['tidings.journal', 'tidings.tenants', 'tidings.log',
      'tidings.keys', 'tidings.revocations']::regclass[]) AS name)
$$;

-- Returns the random id of the journal of this database.
CREATE OR REPLACE FUNCTION tidings.journal_id() RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
  SELECT j.id FROM tidings.journal j
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA tidings FROM PUBLIC;
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tidings_node') THEN
    GRANT SELECT ON tidings.versions TO tidings_node;
    GRANT EXECUTE ON FUNCTION tidings.append, tidings.add_tenant, tidings.tenant_names, tidings.recent, tidings.follow, tidings.news,
      tidings.renew, tidings.revoke, tidings.revocations, tidings.trim, tidings.journal_status, tidings.journal_id TO tidings_node;
    GRANT EXECUTE ON FUNCTION tidings.sequence, tidings.stop_sequencing TO tidings_node;
    GRANT SELECT ON tidings.sequencer TO tidings_node;
  END IF;
END
$$;
INSERT INTO tidings.versions(part, version, oldest) VALUES ('journal', 1, 1) 
  ON CONFLICT (part) DO UPDATE SET version = excluded.version, oldest = excluded.oldest
  WHERE versions.version < excluded.version;
