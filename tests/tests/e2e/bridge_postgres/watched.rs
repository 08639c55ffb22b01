//! `tidings.watch`: a table announces the events of a domain, by triggers.

use ::postgres::Client as Database;
use serde_json::{Value, json};
use tidings_tests::{
    Client, Postgres, Server, eventually, finish,
    postgres::{as_user, connect},
    tidings,
};

use super::{new_journal, new_outbox, run, with_links};

const TEAMS: &str =
    "CREATE TABLE teams(id uuid PRIMARY KEY DEFAULT gen_random_uuid(), department_id uuid, name text)";

const WATCH: &str = r#"SELECT tidings.watch('public.teams', domain => 'staff', created => 'team_created',
    updated => 'team_updated', deleted => 'team_deleted', tenant => 'dev',
    fields => '{"uuid":"id","department_uuid":"department_id","previous_department_uuid":"old.department_id"}')"#;

const DEPARTMENT: [&str; 2] =
    ["0198c0de-0000-7000-8000-000000000001", "0198c0de-0000-7000-8000-000000000002"];

/// Returns the rows of the outbox, with their tenants.
fn outbox(database: &mut Database) -> Vec<(Option<String>, String)> {
    let rows = database.query("DELETE FROM tidings.outbox RETURNING tenant, event, id", &[]).unwrap();
    let mut rows: Vec<(i64, _)> = rows.iter().map(|row| (row.get(2), (row.get(0), row.get(1)))).collect();
    rows.sort_by_key(|(id, _)| *id);
    rows.into_iter().map(|(_, row)| row).collect()
}

fn events(database: &mut Database) -> Vec<Value> {
    outbox(database).iter().map(|(_, event)| serde_json::from_str(event).unwrap()).collect()
}

#[test]
fn a_written_row_is_an_event_and_a_moved_one_reaches_both_parents() {
    let url = new_journal();
    let server = Server::with(&["--journal", &url]);
    let [old, new] = DEPARTMENT.map(|uuid| format!("staff:department:{uuid}"));
    let mut clients = [&old, &new].map(|topic| Client::subscribed(&server, &[topic]));
    let mut database = connect(&url);
    run(&mut database, TEAMS);
    run(&mut database, WATCH);
    let [one, other] = DEPARTMENT;
    run(&mut database, &format!("INSERT INTO teams(department_id) VALUES ('{one}')"));
    let event = clients[0].expect("event");
    assert_eq!(event["event"]["event"], "team_created", "{event}");
    assert_eq!(event["event"]["payload"].as_object().unwrap().len(), 2, "{event}");
    run(&mut database, &format!("UPDATE teams SET department_id = '{other}'"));
    for client in &mut clients {
        let event = client.expect("event");
        let payload = &event["event"]["payload"];
        assert_eq!(
            (&payload["department_uuid"], &payload["previous_department_uuid"]),
            (&json!(other), &json!(one))
        );
    }
    run(&mut database, "BEGIN; DELETE FROM teams; ROLLBACK; DELETE FROM teams");
    assert_eq!(clients[1].expect("event")["event"]["event"], "team_deleted");
    // No row tells of a TRUNCATE.
    run(&mut database, "TRUNCATE teams");
    clients.iter_mut().for_each(|client| drop(client.expect("sync")));
    run(&mut database, "SELECT tidings.unwatch('teams'); INSERT INTO teams VALUES (DEFAULT)");
    eventually("nothing waits", || outbox(&mut database).is_empty());
    let left = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'tidings_tables'::regnamespace";
    assert_eq!(database.query_one(left, &[]).unwrap().get::<_, i64>(0), 0);
}

#[test]
fn fields_are_columns_previous_values_and_constants_and_a_tenant_may_be_a_column() {
    let url = new_outbox();
    let mut database = connect(&url);
    run(
        &mut database,
        r#"CREATE TABLE "Odd ""table"("a ""b" int PRIMARY KEY, "old.c" jsonb, customer text, n numeric);
        SELECT tidings.watch('"Odd ""table"', 'own', created => 'made', updated => 'changed', tenant_column => 'customer',
            fields => '{"a\"b":"a \"b","c":"new.old.c","before":"old.n","kind":{"value":"it''s"},"n":"n"}')"#,
    );
    run(
        &mut database,
        r#"INSERT INTO "Odd ""table" VALUES (1, '[1.50]', 'acme', 9007199254740993); UPDATE "Odd ""table" SET n = NULL"#,
    );
    let [(tenant, made), (_, changed)] = outbox(&mut database).try_into().unwrap();
    assert_eq!(tenant.as_deref(), Some("acme"));
    let event = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(
        event(&made),
        event(
            r#"{"domain":"own","event":"made","payload":{"a\"b":1,"c":[1.50],"kind":"it's","n":9007199254740993}}"#
        )
    );
    assert!(made.contains("[1.50]"), "numbers are as they are: {made}");
    let payload = &event(&changed)["payload"];
    assert_eq!((&payload["before"], &payload["n"]), (&json!(9_007_199_254_740_993_u64), &Value::Null));
    // A row that moves to another tenant is news for both.
    run(&mut database, r#"UPDATE "Odd ""table" SET customer = 'other'"#);
    let moved = outbox(&mut database);
    let tenants: Vec<_> = moved.iter().map(|(tenant, _)| tenant.as_deref().unwrap()).collect();
    assert_eq!(tenants, ["acme", "other"]);
}

#[test]
fn a_row_that_moves_is_announced_as_it_was_if_no_field_has_the_old_value() {
    let url = new_outbox();
    let mut database = connect(&url);
    run(&mut database, "CREATE TABLE assignments(id bigint PRIMARY KEY, project int, person int, note text)");
    let watch = |rest: &str| {
        format!(
            "SELECT tidings.watch('assignments', 'own', updated => 'changed', \
             fields => '{{\"id\":{{\"text\":\"id\"}},\"project\":\"project\",\"person\":\"person\",\"was\":\"old.person\"}}'{rest})"
        )
    };
    let projects = |database: &mut Database| -> Vec<i64> {
        events(database).iter().map(|event| event["payload"]["project"].as_i64().unwrap()).collect()
    };
    run(&mut database, &watch(""));
    run(&mut database, "INSERT INTO assignments VALUES (1, 1, 1)");
    run(&mut database, "UPDATE assignments SET project = 2; UPDATE assignments SET person = 2, note = 'x'");
    let told = events(&mut database);
    assert_eq!(told[0]["payload"], json!({ "id": "1", "project": 1, "person": 1, "was": 1 }));
    assert_eq!(told[2]["payload"], json!({ "id": "1", "project": 2, "person": 2, "was": 1 }));
    assert_eq!(told.len(), 3);
    run(&mut database, &watch(", moved => ARRAY['note']"));
    run(&mut database, "UPDATE assignments SET project = 3; UPDATE assignments SET note = NULL");
    assert_eq!(projects(&mut database), [3, 3, 3]);
    run(&mut database, &watch(", moved => '{}'"));
    run(&mut database, "UPDATE assignments SET project = 4, note = 'y'");
    assert_eq!(projects(&mut database), [4]);
}

#[test]
fn what_can_not_be_is_refused_at_once() {
    let url = new_outbox();
    let mut database = connect(&url);
    run(&mut database, TEAMS);
    run(&mut database, "CREATE VIEW seen AS SELECT 1 AS id");
    for (arguments, word) in [
        (r#"'teams', 'staff', created => 'x', fields => '{"uuid":"nothing"}'"#, "has no column nothing"),
        (r#"'teams', 'staff', updated => 'x', fields => '{"uuid":"old.nothing"}'"#, "has no column nothing"),
        (r#"'teams', 'staff', created => 'x', fields => '{"uuid":7}'"#, "\"uuid\" is 7"),
        (r#"'teams', 'staff', created => 'x', fields => '[]'"#, "no JSON object"),
        ("'teams', 'staff'", "no event"),
        ("'teams', '', created => 'x'", "no domain"),
        ("'teams', 'staff', created => 'x', tenant => 'a b'", "no name of a tenant"),
        ("'teams', 'staff', created => 'x', tenant => 'a', tenant_column => 'name'", "a column of tenants"),
        ("'teams', 'staff', created => 'x', tenant_column => 'nothing'", "has no column nothing"),
        ("'teams', 'staff', updated => 'x', moved => ARRAY['nothing']", "has no column nothing"),
        ("'seen', 'staff', created => 'x'", "no table"),
        ("'pg_class', 'staff', created => 'x'", "no table"),
    ] {
        let error = database.batch_execute(&format!("SELECT tidings.watch({arguments})")).unwrap_err();
        let error = error.as_db_error().unwrap();
        assert!(error.message().contains(word) && error.hint().is_some(), "{arguments}: {error:?}");
    }
    let left = "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'tidings%'";
    assert_eq!(database.query_one(left, &[]).unwrap().get::<_, i64>(0), 0);
}

#[test]
fn a_partition_of_a_watched_table_is_not_watched_twice() {
    let url = new_outbox();
    let mut database = connect(&url);
    run(
        &mut database,
        "CREATE TABLE parts(id int PRIMARY KEY) PARTITION BY RANGE (id);
        CREATE TABLE few PARTITION OF parts FOR VALUES FROM (0) TO (9);
        SELECT tidings.watch('parts', 'own', created => 'made')",
    );
    let error = database.batch_execute("SELECT tidings.watch('few', 'own', created => 'other')").unwrap_err();
    let error = error.as_db_error().unwrap();
    assert!(error.message().contains("is watched") && error.hint().is_some(), "{error:?}");
    run(&mut database, "INSERT INTO few VALUES (1)");
    assert_eq!(events(&mut database)[0]["event"], "made");
}

#[test]
fn a_changed_column_fails_no_writer_and_a_new_call_mends_it() {
    let url = new_outbox();
    let mut database = connect(&url);
    run(&mut database, TEAMS);
    run(&mut database, WATCH);
    run(&mut database, "INSERT INTO teams VALUES (DEFAULT)");
    run(
        &mut database,
        "ALTER TABLE teams ALTER COLUMN department_id TYPE text; UPDATE teams SET department_id = 'x'",
    );
    assert_eq!(events(&mut database)[1]["payload"]["department_uuid"], "x");
    run(
        &mut database,
        "ALTER TABLE teams RENAME COLUMN department_id TO department; UPDATE teams SET department = 'y'",
    );
    let rows = outbox(&mut database);
    assert!(
        rows[0].0.as_deref() == Some("dev") && rows[0].1.contains("call tidings.watch again"),
        "{rows:?}"
    );
    run(&mut database, &WATCH.replace("department_id", "department"));
    run(&mut database, "UPDATE teams SET department = 'z'");
    assert_eq!(events(&mut database)[0]["payload"]["previous_department_uuid"], "y");
    run(&mut database, "DROP TABLE teams");
}

#[test]
fn only_who_has_the_rights_of_the_owner_may_watch_a_table_and_writers_need_none() {
    let url = new_outbox();
    let mut database = connect(&url);
    run(&mut database, TEAMS);
    run(
        &mut database,
        "DO $$ BEGIN CREATE ROLE watching LOGIN PASSWORD 'o' IN ROLE tidings_publisher; EXCEPTION WHEN duplicate_object THEN END $$;
        DO $$ BEGIN CREATE ROLE writing LOGIN PASSWORD 'w'; EXCEPTION WHEN duplicate_object THEN END $$;
        GRANT INSERT ON teams TO writing",
    );
    let mut owner = connect(&as_user(&url, "watching", "o"));
    let error = owner.batch_execute(WATCH).unwrap_err();
    assert!(error.as_db_error().unwrap().message().contains("only the owner"), "{error:?}");
    run(&mut database, "ALTER TABLE teams OWNER TO watching");
    run(&mut owner, WATCH);
    let mut writer = connect(&as_user(&url, "writing", "w"));
    run(&mut writer, "INSERT INTO teams VALUES (DEFAULT)");
    assert_eq!(events(&mut database).len(), 1);
    let error = writer.batch_execute("SELECT tidings.publish('x')").unwrap_err();
    assert!(error.as_db_error().unwrap().message().contains("permission denied"), "{error:?}");
    run(&mut database, "DROP OWNED BY watching");
}

#[test]
fn init_prints_the_part_bridge_and_may_run_again() {
    let url = Postgres::shared().database();
    for flag in ["--outbox", "--journal"] {
        let printed = finish(tidings().args(["journal", "init", "--print", flag, &url]));
        assert!(printed.stdout.contains("FUNCTION tidings.watch"), "{printed:?}");
        run(&mut connect(&url), &printed.stdout);
        let made = finish(tidings().args(["journal", "init", flag, &url]));
        assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""), "{made:?}");
    }
}

/// Somebody else may have rights on the old function, or may have made another one in its place.
#[test]
fn a_table_that_is_watched_again_gets_new_functions() {
    let (_url, mut database) = with_links(false);
    let mut functions = || -> Vec<String> {
        run(&mut database, "SELECT tidings.watch('links', 'own', created => 'made', deleted => 'gone')");
        let named = "SELECT p.proname::text FROM pg_proc p WHERE p.pronamespace = 'tidings_tables'::regnamespace ORDER BY 1";
        database.query(named, &[]).unwrap().iter().map(|row| row.get(0)).collect()
    };
    let (first, second) = (functions(), functions());
    assert_eq!(first.len(), second.len());
    assert!(!first.is_empty() && first.iter().all(|name| !second.contains(name)), "{first:?} {second:?}");
}
