-- Appends revocations, and returns their numbers.
CREATE OR REPLACE FUNCTION tidings.revoke(
  tenants text[], kinds integer[], subjects bytea[], ids bytea[], topics text[], ats bigint[], untils bigint[]
) RETURNS bigint[] LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s' AS $$
DECLARE
  newest bigint := tidings.lock_journal();
  call uuid := gen_random_uuid();
BEGIN
  INSERT INTO tidings.revocations(number, mark, tenant, kind, subject, id, topics, at, until)
    SELECT newest + r.place, call, r.tenant, r.kind, r.subject, r.id, r.topics, r.at, r.until
    FROM unnest(revoke.tenants, kinds, subjects, ids, revoke.topics, ats, untils)
      WITH ORDINALITY AS r(tenant, kind, subject, id, topics, at, until, place);
  PERFORM pg_notify('tidings_log', (newest + cardinality(revoke.tenants))::text);
  RETURN ARRAY(SELECT newest + n FROM generate_series(1, cardinality(revoke.tenants)) AS n);
END
$$;

-- Returns the revocations with a number after `after` and up to `up_to` that have not expired, in order.
CREATE OR REPLACE FUNCTION tidings.revocations(after bigint, up_to bigint, max bigint, now bigint) RETURNS TABLE(
  number bigint, tenant text, kind integer, subject bytea, id bytea, topics text, at bigint, until bigint
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off
SET lock_timeout = '2s' AS $$
  SELECT r.number, r.tenant, r.kind, r.subject, r.id, r.topics, r.at, r.until FROM tidings.revocations r
  WHERE r.number > $1 AND r.number <= $2 AND r.until > $4 ORDER BY r.number LIMIT $3
$$;
