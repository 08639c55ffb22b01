//! The schema of an outbox in PostgreSQL.

/// The version of [`SCHEMA`].
pub(super) const VERSION: i32 = 1;

/// The SQL that makes the outbox in the schema `tidings`. `tidings journal init --outbox postgres://…` runs it as the owner,
/// and `--print` prints it. An application may run it in its own migrations. It may run again, and then changes nothing.
///
/// - `tidings.publish` is all that a writer needs. The role `tidings_publisher` may execute it, and may not read what others
///   write. It runs with the rights of its owner, so its `search_path` is fixed.
/// - The role `tidings_node` is for the server: it reads, deletes and buries rows.
/// - If the owner may not create roles, there are none, and only the owner may use the outbox.
/// - `nonce` tells a row from another row that had the same id before a copy was restored.
/// - `oldest` is the oldest version of this schema that a server must know to use it.
///
/// A version for a later server goes into `tidings.versions` as well, so that an older server can refuse.
pub const SCHEMA: &str = "\
-- Two of these at the same time would refuse each other.
SELECT pg_advisory_xact_lock(8388346184940876547);
CREATE SCHEMA IF NOT EXISTS tidings;
DO $$
DECLARE
  owner regrole := (SELECT n.nspowner FROM pg_namespace n WHERE n.nspname = 'tidings' AND n.nspowner <> current_user::regrole
    AND NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.oid = n.nspowner)
    AND ((SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) OR NOT pg_has_role(n.nspowner, 'MEMBER')));
BEGIN
  -- The owner of a schema may put other functions in the place of ours, and so run code as whoever calls them.
  IF owner IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
      MESSAGE = format('the schema tidings belongs to %s, who may change what is in it', owner),
      HINT = format('Let %s do this, or drop the schema if it is not in use.', owner);
  END IF;
END
$$;
CREATE TABLE IF NOT EXISTS tidings.versions(
  part text PRIMARY KEY,
  version integer NOT NULL,
  oldest integer NOT NULL
);
CREATE TABLE IF NOT EXISTS tidings.outbox(
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant text,
  event text NOT NULL,
  key uuid,
  origin text,
  topics text[],
  nonce uuid NOT NULL DEFAULT gen_random_uuid(),
  at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE TABLE IF NOT EXISTS tidings.dead_letters(
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  outbox_id bigint NOT NULL,
  tenant text,
  event text NOT NULL,
  key uuid,
  origin text,
  topics text[],
  nonce uuid NOT NULL,
  at timestamptz NOT NULL,
  code text NOT NULL,
  reason text NOT NULL,
  refused_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE OR REPLACE FUNCTION tidings.publish(
  event text,
  tenant text DEFAULT NULL,
  key uuid DEFAULT NULL,
  origin text DEFAULT NULL,
  topics text[] DEFAULT NULL
) RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO tidings.outbox(event, tenant, key, origin, topics) VALUES ($1, $2, $3, $4, $5);
END
$$;
REVOKE ALL ON FUNCTION tidings.publish(text, text, uuid, text, text[]) FROM PUBLIC;
DO $$
DECLARE
  role text;
BEGIN
  FOREACH role IN ARRAY ARRAY['tidings_publisher', 'tidings_node'] LOOP
    BEGIN
      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN', role);
      END IF;
    EXCEPTION
      -- Another database of the same server gets its outbox at the same time.
      WHEN duplicate_object OR unique_violation THEN NULL;
      WHEN insufficient_privilege THEN CONTINUE;
    END;
    EXECUTE format('GRANT USAGE ON SCHEMA tidings TO %I', role);
    EXECUTE format('GRANT EXECUTE ON FUNCTION tidings.publish(text, text, uuid, text, text[]) TO %I', role);
  END LOOP;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tidings_node') THEN
    GRANT SELECT ON tidings.versions TO tidings_node;
    GRANT SELECT, INSERT, DELETE ON tidings.outbox, tidings.dead_letters TO tidings_node;
  END IF;
END
$$;
INSERT INTO tidings.versions(part, version, oldest) VALUES ('outbox', 1, 1) ON CONFLICT (part) DO NOTHING;
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sql_writes_its_version() {
        assert!(SCHEMA.contains(&format!("('outbox', {VERSION}, {VERSION})")));
    }
}
