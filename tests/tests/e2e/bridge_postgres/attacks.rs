//! What the owner of a table, or a user who may publish, can't do to others.

use ::postgres::Client as Database;
use tidings_server::bridge::Bridge;
use tidings_tests::{
    finish,
    postgres::{as_user, connect},
    tidings,
};

use super::{Node, Told, new_journal, new_outbox, run};

/// What stands for the arguments of a function that reads records.
const ARGUMENTS: &str = "regclass, text[], bigint, uuid";

/// Makes a user who may publish, with a schema of its own. The test's server may have the user already.
fn publisher(url: &str, database: &mut Database, name: &str) -> Database {
    run(
        database,
        &format!(
            "DO $$ BEGIN CREATE ROLE {name} LOGIN PASSWORD 'p' IN ROLE tidings_publisher;
            EXCEPTION WHEN duplicate_object THEN END $$; CREATE SCHEMA {name} AUTHORIZATION {name}"
        ),
    );
    connect(&as_user(url, name, "p"))
}

/// Makes a user who may read changes.
fn reader(url: &str, database: &mut Database) -> Database {
    run(
        database,
        "DO $$ BEGIN CREATE ROLE attacked LOGIN PASSWORD 'p' IN ROLE tidings_node; EXCEPTION WHEN duplicate_object THEN END $$",
    );
    connect(&as_user(url, "attacked", "p"))
}

/// Bridges a table, and returns the number of the bridge.
fn bridged(owner: &mut Database, node: &mut Database, table: &str) -> i32 {
    let source: i32 = owner.query_one("SELECT tidings.bridge($1::text::regclass)", &[&table]).unwrap().get(0);
    let start = "SELECT tidings.start_bridge($1, 'acme', $2, $2, gen_random_uuid(), 600000)";
    node.query_one(start, &[&source, &table]).unwrap().get(0)
}

/// Reads the changes of a bridge. Returns the payload or the fault of the only record, or the error.
fn read(node: &mut Database, bridge: i32) -> String {
    let read = "SELECT payload, fault FROM tidings.read_changes($1, 0, '{}', 256, 1000000, 100000) WHERE key IS NOT NULL";
    match node.query(read, &[&bridge]) {
        Ok(rows) => {
            assert_eq!(rows.len(), 1);
            rows[0].get::<_, Option<String>>(0).or_else(|| rows[0].get(1)).unwrap_or_default()
        }
        Err(error) => error.as_db_error().unwrap().message().to_owned(),
    }
}

fn text(database: &mut Database, query: &str) -> String {
    database
        .query_one(&format!("SELECT ({query})::text"), &[])
        .unwrap()
        .get::<_, Option<_>>(0)
        .unwrap_or_default()
}

#[test]
fn code_of_a_tables_owner_has_no_rights_and_leaves_nothing_behind() {
    let url = new_outbox();
    let mut database = connect(&url);
    let mut owner = publisher(&url, &mut database, "attacking");
    let mut other = publisher(&url, &mut database, "other_owner");
    let mut node = reader(&url, &mut database);
    run(&mut owner, "CREATE TABLE attacking.t(id int PRIMARY KEY); CREATE TABLE attacking.d(id int)");
    run(&mut owner, "GRANT USAGE ON SCHEMA attacking TO PUBLIC; GRANT ALL ON attacking.d TO PUBLIC");
    run(
        &mut owner,
        "CREATE FUNCTION attacking.late() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN ALTER ROLE attacking SUPERUSER; RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER late AFTER INSERT ON attacking.d DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
            EXECUTE FUNCTION attacking.late()",
    );
    run(
        &mut other,
        "CREATE TABLE other_owner.t(id int PRIMARY KEY, pin text); GRANT USAGE ON SCHEMA other_owner TO PUBLIC",
    );
    let bridge = bridged(&mut owner, &mut node, "attacking.t");
    let others = bridged(&mut other, &mut node, "other_owner.t");
    run(&mut owner, "INSERT INTO attacking.t VALUES (1)");
    run(&mut other, "INSERT INTO other_owner.t VALUES (1, '1234')");
    assert_eq!(read(&mut node, bridge), r#"{"schema":"attacking.t","key":"1","record":{"id":1}}"#);

    let named = |database: &mut Database, owner: &str| {
        let named = format!(
            "SELECT oid::regproc FROM pg_proc WHERE proowner = '{owner}'::regrole AND proname ~ '^records_'"
        );
        text(database, &named)
    };
    let (ours, theirs) = (named(&mut database, "attacking"), named(&mut database, "other_owner"));
    let arguments = text(&mut database, &format!("pg_get_function_arguments('{ours}'::regproc)"));
    let result = text(&mut database, &format!("pg_get_function_result('{ours}'::regproc)"));
    let mut attack = |options: &str, body: &str| {
        run(
            &mut owner,
            &format!(
                "CREATE OR REPLACE FUNCTION {ours}({arguments}) RETURNS {result} LANGUAGE plpgsql VOLATILE {options}
                AS $body$ DECLARE x text; BEGIN {body}; RAISE EXCEPTION 'x=%', x; END $body$"
            ),
        );
        read(&mut node, bridge)
    };
    for (body, refusal) in [
        ("x := current_user", "x=tidings_reader"),
        ("ALTER ROLE attacking SUPERUSER", "read-only transaction"),
        ("CREATE TABLE attacking.mine(id int)", "read-only transaction"),
        ("CREATE TEMP VIEW pg_class AS SELECT 1", "read-only transaction"),
        ("ALTER FUNCTION tidings.call_records SECURITY INVOKER", "read-only transaction"),
        ("INSERT INTO attacking.d VALUES (1)", "read-only transaction"),
        ("SET transaction_read_only = off", "read-only transaction"),
        ("x := pg_read_file('postgresql.conf')", "permission denied"),
        ("SELECT pin INTO x FROM other_owner.t", "permission denied"),
        ("SELECT event INTO x FROM tidings.outbox", "permission denied"),
        ("SELECT secret INTO x FROM tidings.bridged_tables", "permission denied"),
        ("SET ROLE owner; x := current_user", "within security-definer function"),
        ("SET SESSION AUTHORIZATION owner", "within security-definer function"),
        (
            &format!(
                "SELECT string_agg(r::text, '') INTO x FROM {theirs}('other_owner.t', '{{1}}', 99, secret) r"
            ),
            "only tidings.call_records may call this",
        ),
        (
            &format!(
                "SELECT string_agg(r::text, '') INTO x FROM {theirs}('other_owner.t', '{{1}}', 99, NULL) r"
            ),
            "only tidings.call_records may call this",
        ),
    ] {
        let told = attack("SECURITY INVOKER", body);
        assert!(told.contains(refusal), "{body}: {told}");
    }
    // A trigger that waits for the commit would run as the node.
    let told = attack("SECURITY DEFINER", "INSERT INTO attacking.d VALUES (1)");
    assert!(told.contains("read-only transaction"), "{told}");
    // Without an error, too, nothing is left in the session of the node.
    let told = attack(
        "SECURITY INVOKER",
        "SET search_path = attacking; SET statement_timeout = 1; LISTEN news; RETURN",
    );
    assert_eq!(told, r#"{"schema":"attacking.t","key":"1"}"#);
    for (query, expected) in [
        ("current_setting('search_path')", r#""$user", public"#),
        ("current_setting('statement_timeout')", "0"),
        ("current_setting('transaction_read_only')", "off"),
        ("SELECT string_agg(c, ' ') FROM pg_listening_channels() c", ""),
    ] {
        assert_eq!(text(&mut node, query), expected, "{query}");
    }
    // It answers for its own records only, and with JSON only.
    run(
        &mut owner,
        &format!(
            r#"DROP FUNCTION {ours}; CREATE FUNCTION {ours}({arguments}) RETURNS TABLE(key text, record text, bytes bigint)
            LANGUAGE sql AS $$ VALUES ('1', '1}},"domain":"staff","x":{{', 3), ('1', '2', 1), ('2', '2', 1) $$;
            GRANT EXECUTE ON FUNCTION {ours} TO PUBLIC"#
        ),
    );
    assert!(read(&mut node, bridge).contains("invalid input syntax for type json"));
    // A function of somebody else, in the place of the owner's, is not called.
    run(&mut database, &format!("ALTER FUNCTION {ours} OWNER TO other_owner"));
    let told = read(&mut node, bridge);
    assert!(told.contains("belongs to another user"), "{told}");
    assert_eq!(
        read(&mut node, others),
        r#"{"schema":"other_owner.t","key":"1","record":{"id":1,"pin":"1234"}}"#
    );
    assert_eq!(text(&mut database, "SELECT rolsuper FROM pg_roles WHERE rolname = 'attacking'"), "false");
}

#[test]
fn a_function_that_somebody_has_prepared_reads_no_bridged_table() {
    let url = new_outbox();
    let mut database = connect(&url);
    let mut eve = publisher(&url, &mut database, "eve");
    let mut owner = publisher(&url, &mut database, "prepared_owner");
    // An earlier version had predictable names, and kept the rights on functions that were there.
    let prepared: Vec<String> = (1..5)
        .map(|number| {
            format!(
                "CREATE FUNCTION tidings_tables.records_{number}(relation regclass, keys text[], max_bytes bigint)
                    RETURNS TABLE(key text, record text, bytes bigint, fault text) LANGUAGE sql AS 'SELECT NULL, NULL, 0, NULL';
                GRANT EXECUTE ON FUNCTION tidings_tables.records_{number} TO tidings_publisher;"
            )
        })
        .collect();
    run(&mut eve, &prepared.concat());
    run(
        &mut owner,
        "CREATE TABLE prepared_owner.t(id int PRIMARY KEY); INSERT INTO prepared_owner.t VALUES (1)",
    );
    // The superuser makes it for the owner.
    run(&mut database, "SELECT tidings.bridge('prepared_owner.t')");
    let callable = "SELECT count(*) FROM pg_proc WHERE proowner = 'prepared_owner'::regrole \
        AND has_function_privilege('eve', oid, 'EXECUTE')";
    assert_eq!(text(&mut database, callable), "0");
    // Also who may call it gets no record without the secret.
    let named =
        text(&mut database, "SELECT oid::regproc FROM pg_proc WHERE proowner = 'prepared_owner'::regrole");
    let call = format!("SELECT FROM {named}('prepared_owner.t', '{{1}}', 9, gen_random_uuid())");
    let error = database.batch_execute(&call).unwrap_err();
    assert!(error.as_db_error().unwrap().message().contains("only tidings.call_records"), "{error:?}");
    // A function that was made again is not called, and the next call makes another one.
    run(&mut owner, &format!("ALTER FUNCTION {named}({ARGUMENTS}) SECURITY INVOKER"));
    let found = "SELECT source FROM tidings.find_table('prepared_owner.t')";
    assert_eq!(text(&mut database, found), "");
    run(&mut owner, "SELECT tidings.bridge('prepared_owner.t')");
    assert_eq!(text(&mut database, found), "1");
    let again = text(
        &mut database,
        "SELECT string_agg(oid::regproc::text, ' ') FROM pg_proc WHERE proowner = 'prepared_owner'::regrole",
    );
    assert!(
        again.starts_with("tidings_tables.records_") && again != named && !again.contains(' '),
        "{again}"
    );
}

#[test]
fn only_the_owner_of_a_table_can_note_it_and_dropped_tables_leave_nothing() {
    let url = new_outbox();
    let mut database = connect(&url);
    let mut eve = publisher(&url, &mut database, "noting");
    run(&mut database, "CREATE TABLE links(id int PRIMARY KEY); SELECT tidings.bridge('links')");
    for (call, word) in [
        ("add_bridged_table('pg_authid')", "no table of an application"),
        ("add_bridged_table('links')", "only the owner of public.links"),
        ("remove_bridged_table('links')", "only the owner of public.links"),
    ] {
        let error = eve.batch_execute(&format!("SELECT tidings.{call}")).unwrap_err();
        let message = error.as_db_error().unwrap().message();
        assert!(message.contains(word), "{call}: {message}");
    }
    run(&mut eve, "CREATE TABLE noting.t(id int PRIMARY KEY); SELECT tidings.bridge('noting.t')");
    // Views that depend on the functions keep nobody from dropping them.
    let blocked = format!(
        "CREATE VIEW noting.a AS SELECT 1 AS a WHERE tidings.changed_1() IS NULL OR tidings.changed_2() IS NULL;
        CREATE VIEW noting.b AS SELECT 1 AS a FROM tidings.call_records(NULL, NULL, NULL, NULL, NULL);
        CREATE VIEW noting.c AS SELECT 1 AS a FROM tidings_tables.{}(NULL, NULL, NULL, NULL);
        DROP TABLE noting.t",
        text(&mut database, "SELECT records FROM tidings.bridged_tables WHERE id = 1")
    );
    run(&mut eve, &blocked);
    for _ in 0..3 {
        run(
            &mut eve,
            "CREATE TABLE noting.t(id int PRIMARY KEY); SELECT tidings.bridge('noting.t'); DROP TABLE noting.t",
        );
    }
    run(&mut database, "SELECT tidings.unbridge('links'); SELECT tidings.bridge('links')");
    let made = finish(tidings().args(["journal", "init", "--outbox", &url]));
    assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""), "{made:?}");
    run(&mut eve, "DROP OWNED BY noting");
    run(&mut database, "CREATE TABLE more(id int PRIMARY KEY); SELECT tidings.bridge('more')");
    let left = "SELECT (SELECT count(*) FROM tidings.bridged_tables) || ' ' || count(*) FROM pg_proc \
        WHERE proname ~ '^(changed|records)_[0-9a-f]+$'";
    // The owner of `links` could not drop the first function that read it.
    assert_eq!(text(&mut database, left), "2 5");
}

#[test]
fn a_trigger_with_a_name_of_ours_costs_nobody_a_function() {
    let url = new_outbox();
    let mut database = connect(&url);
    let mut eve = publisher(&url, &mut database, "naming");
    run(
        &mut database,
        "CREATE SCHEMA audit; CREATE FUNCTION audit.log() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        GRANT USAGE ON SCHEMA audit TO PUBLIC;
        CREATE TABLE links(id int PRIMARY KEY); SELECT tidings.bridge('links')",
    );
    run(&mut eve, "CREATE TABLE naming.t(id int PRIMARY KEY)");
    let squat = "CREATE TRIGGER tidings_watch_insert_own AFTER INSERT ON naming.t FOR EACH ROW EXECUTE FUNCTION audit.log();
        CREATE TRIGGER tidings_bridge_1 AFTER INSERT ON naming.t FOR EACH ROW EXECUTE FUNCTION audit.log();";
    run(&mut eve, squat);
    run(&mut database, "SELECT tidings.watch('naming.t', 'own', created => 'made')");
    let log = "SELECT proowner::regrole || ' ' || prosecdef || ' ' || length(prosrc) FROM pg_proc WHERE proname = 'log' \
        AND pronamespace = 'audit'::regnamespace";
    assert_eq!(text(&mut database, log), "owner false 22");
    run(&mut eve, "INSERT INTO naming.t VALUES (1)");
    assert_eq!(text(&mut database, "SELECT count(*) FROM tidings.outbox"), "1");
    run(
        &mut eve,
        &format!(
            "DROP TRIGGER tidings_watch_insert_own ON naming.t; DROP TRIGGER tidings_bridge_1 ON naming.t; {squat}"
        ),
    );
    run(&mut database, "SELECT tidings.unwatch('naming.t'); SELECT tidings.unbridge('naming.t')");
    assert_eq!(text(&mut database, log), "owner false 22");
    assert_eq!(text(&mut database, "SELECT source FROM tidings.find_table('links')"), "1");
}

#[test]
fn a_type_of_another_user_runs_as_the_owner_of_the_table() {
    let url = new_journal();
    let mut database = connect(&url);
    let mut eve = publisher(&url, &mut database, "typing");
    let mut owner = publisher(&url, &mut database, "typed_owner");
    run(
        &mut eve,
        "GRANT USAGE ON SCHEMA typing TO PUBLIC; CREATE TYPE typing.mood AS ENUM ('ok');
        CREATE FUNCTION typing.said(typing.mood) RETURNS json LANGUAGE sql AS 'SELECT to_json(current_user)';
        CREATE CAST (typing.mood AS json) WITH FUNCTION typing.said",
    );
    run(&mut owner, "CREATE TABLE typed_owner.t(id typing.mood PRIMARY KEY)");
    run(&mut database, "SELECT tidings.bridge('typed_owner.t')");
    let mut node = Node::new(&url, true);
    let _bridge: Bridge<_> = node.start::<serde_json::Value>("typed_owner.t").unwrap();
    assert_eq!(node.next(), Told::Sync);
    run(&mut database, "INSERT INTO typed_owner.t VALUES ('ok')");
    assert_eq!(node.next(), Told::Upserted("ok".to_owned(), serde_json::json!({ "id": "typed_owner" })));
}
