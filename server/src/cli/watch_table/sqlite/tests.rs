use std::collections::BTreeMap;

use rusqlite::Connection;
use serde_json::{Value, json};
use tidings_shared::derive::{Event, Payload, Topic};
use uuid::Uuid;

use super::{super::schema, *};
use crate::{
    outbox::sqlite::SCHEMA,
    sqlite_table::random::{self, Random},
};

/// A domain with fields of many types.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Topic)]
#[topic(domain = "things")]
enum Topic {
    /// All things.
    #[topic("all")]
    All,
}

/// A thing.
#[derive(Debug, Clone, PartialEq, Payload)]
#[payload(reaches(All))]
struct Thing {
    /// A whole number.
    number: Option<i32>,
    /// A fraction.
    fraction: Option<f64>,
    /// A flag.
    flag: Option<bool>,
    /// A text.
    text: Option<String>,
    /// Texts.
    list: Option<Vec<String>>,
}

/// What happens to things.
#[derive(Debug, Clone, PartialEq, Event)]
enum Event {
    /// It changed.
    Changed(Thing),
}

fn domains() -> Domains {
    Domains::shipped().with::<Event>()
}

fn open(tables: &str) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(SCHEMA).unwrap();
    connection.pragma_update(None, "foreign_keys", true).unwrap();
    connection.execute_batch(tables).unwrap();
    connection
}

/// Installs a declaration, and returns the notes.
fn watch(connection: &mut Connection, flags: &str) -> Result<Vec<String>, String> {
    let domains = domains();
    let arguments: Vec<String> = flags.split(' ').map(str::to_owned).collect();
    let mut declaration = Declaration::parse(&arguments).unwrap();
    let domain = schema(&domains, declaration.domain())?;
    let Declared { table, triggers, notes } = declared(connection, &declaration, domain, &domains)?;
    declaration.table = Some(table.name.clone());
    let sql = watch_sql(&declaration, &triggers);
    execute(connection, &sql, Some(&table)).map(|()| notes)
}

/// Takes the events out of the outbox, each as its name and its payload.
fn events(connection: &Connection) -> Vec<(String, Value)> {
    rows(connection).into_iter().map(|(_, name, payload)| (name, payload)).collect()
}

fn rows(connection: &Connection) -> Vec<(Option<String>, String, Value)> {
    let mut statement = connection.prepare("DELETE FROM tidings_outbox RETURNING id, tenant, event").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    let mut rows: Vec<(i64, Option<String>, String)> = rows.map(Result::unwrap).collect();
    rows.sort();
    let read = |(_, tenant, event): (i64, Option<String>, String)| {
        let event: Value = serde_json::from_str(&event).unwrap_or_else(|error| panic!("{event}: {error}"));
        (tenant, event["event"].as_str().unwrap().to_owned(), event["payload"].clone())
    };
    rows.into_iter().map(read).collect()
}

fn event(name: &str, payload: Value) -> (String, Value) {
    (name.to_owned(), payload)
}

const TEAM: &str = "team --domain staff --created team_created --updated team_updated --deleted team_deleted --field uuid=id \
    --field department_uuid=department --field previous_department_uuid=old.department";

/// As the demo has it.
const BYTES: &str =
    "CREATE TABLE team(id BLOB PRIMARY KEY, department BLOB, name TEXT) STRICT, WITHOUT ROWID";
const TEXTS: &str = "CREATE TABLE team(id TEXT PRIMARY KEY, department TEXT, name TEXT UNIQUE)";

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

#[test]
fn a_row_is_announced_when_it_is_made_moved_and_deleted() {
    for table in [BYTES, TEXTS] {
        let mut connection = open(table);
        watch(&mut connection, TEAM).unwrap();
        let is_bytes = table == BYTES;
        let value = |number: u128| match is_bytes {
            true => rusqlite::types::Value::from(id(number).as_bytes().to_vec()),
            false => id(number).to_string().into(),
        };
        connection.execute("INSERT INTO team VALUES (?1, ?2, 'a')", (value(1), value(7))).unwrap();
        connection.execute("UPDATE team SET department = ?1", [value(8)]).unwrap();
        connection.execute("UPDATE team SET department = NULL", []).unwrap();
        connection.execute("DELETE FROM team", []).unwrap();
        let team = |now: Option<u128>, before: Option<u128>| json!({"uuid": id(1), "department_uuid": now.map(id), "previous_department_uuid": before.map(id)});
        assert_eq!(
            events(&connection),
            [
                event("team_created", team(Some(7), None)),
                event("team_updated", team(Some(8), Some(7))),
                event("team_updated", team(None, Some(8))),
                event("team_deleted", team(None, None)),
            ],
            "{table}"
        );
    }
}

#[test]
fn a_field_without_an_old_value_is_announced_twice_when_the_row_moves() {
    let mut connection =
        open("CREATE TABLE work(id TEXT PRIMARY KEY, project TEXT, org TEXT COLLATE NOCASE)");
    let flags = "work --domain projects --updated assignment_updated --field uuid=id --field project_uuid=project \
                 --tenant-column org";
    watch(&mut connection, flags).unwrap();
    let insert = "INSERT INTO work VALUES (?1, ?2, 'acme')";
    connection.execute(insert, [id(1).to_string(), id(7).to_string()]).unwrap();
    connection.execute("UPDATE work SET project = ?1, org = 'other'", [id(8).to_string()]).unwrap();
    connection.execute("UPDATE work SET project = project", []).unwrap();
    connection.execute("UPDATE work SET org = 'Other'", []).unwrap();
    let row = |tenant: &str, project: u128| {
        let payload = json!({"uuid": id(1), "project_uuid": id(project)});
        (Some(tenant.to_owned()), "assignment_updated".to_owned(), payload)
    };
    let moved = [row("acme", 7), row("other", 8), row("other", 8), row("other", 8), row("Other", 8)];
    assert_eq!(rows(&connection), moved);
}

#[test]
fn replace_announces_the_rows_that_it_removes_and_conflicts_that_remove_none_are_quiet() {
    let number =
        "CREATE TABLE team(n INTEGER PRIMARY KEY, id TEXT UNIQUE, department TEXT, name TEXT UNIQUE)";
    let two = "CREATE TABLE team(id TEXT PRIMARY KEY, department TEXT, name TEXT, UNIQUE(name, department)) WITHOUT ROWID";
    for (table, has_recursive_triggers) in
        [TEXTS, number, two].into_iter().flat_map(|table| [(table, false), (table, true)])
    {
        let mut connection = open(table);
        connection.pragma_update(None, "recursive_triggers", has_recursive_triggers).unwrap();
        watch(&mut connection, TEAM).unwrap();
        let write = |sql: &str, number: u128, name: &str| {
            let sql = format!("{sql} INTO team(id, department, name) VALUES (?1, ?2, ?3)");
            connection.execute(&sql, (id(number).to_string(), id(7).to_string(), name)).unwrap();
        };
        write("INSERT", 1, "a");
        write("INSERT", 2, "b");
        write("INSERT", 3, "c");
        events(&connection);

        write("INSERT OR IGNORE", 1, "x");
        write("INSERT OR IGNORE", 4, "d");
        let upsert = "INSERT INTO team(id, department, name) VALUES (?1, NULL, 'a2') ON CONFLICT DO UPDATE SET name = 'a2'";
        connection.execute(upsert, [id(1).to_string()]).unwrap();
        let named = |events: Vec<(String, Value)>| -> Vec<String> {
            let short = |payload: &Value| payload["uuid"].as_str().unwrap()[35..].to_owned();
            events.iter().map(|(name, payload)| format!("{name} {}", short(payload))).collect()
        };
        let context = format!("{table} {has_recursive_triggers}");
        assert_eq!(named(events(&connection)), ["team_created 4", "team_updated 1"], "{context}");

        write("REPLACE", 2, "b");
        assert_eq!(named(events(&connection)), ["team_deleted 2", "team_created 2"], "{context}");
        write("INSERT OR REPLACE", 2, "c");
        let mut both = named(events(&connection));
        assert_eq!(both.pop().as_deref(), Some("team_created 2"), "{context}");
        both.sort();
        assert_eq!(both, ["team_deleted 2", "team_deleted 3"], "{context}");
        connection
            .execute("UPDATE OR REPLACE team SET name = 'c' WHERE id = ?1", [id(4).to_string()])
            .unwrap();
        assert_eq!(named(events(&connection)), ["team_deleted 2", "team_updated 4"], "{context}");
        let left: i64 = connection.query_row("SELECT count(*) FROM team", [], |row| row.get(0)).unwrap();
        assert_eq!(left, 2);
    }
}

/// The departments of the teams.
fn departments(connection: &Connection) -> BTreeMap<String, (Option<String>, Option<String>)> {
    let mut statement = connection.prepare("SELECT id, department, name FROM team").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn after_random_writes_the_last_event_of_a_row_is_its_state_and_each_department_that_lost_it_has_heard() {
    let cases = random::TABLES.into_iter().flat_map(|table| [(table, false), (table, true)]);
    let mut announced = 0;
    for (seed, (table, has_recursive_triggers)) in (1..).zip(cases) {
        let mut connection = open(table);
        connection.pragma_update(None, "recursive_triggers", has_recursive_triggers).unwrap();
        watch(&mut connection, TEAM).unwrap();
        let mut random = Random::new(seed, false);
        for _ in 0..random::rounds() {
            let before = departments(&connection);
            let sql = random.transaction(&connection);
            let after = departments(&connection);
            let events = events(&connection);
            announced += events.len();
            let context = format!("seed {seed}: {table}\n{sql}\n{before:#?}\n{after:#?}\n{events:#?}");
            for id in before.keys().chain(after.keys()) {
                let (before, after) = (before.get(id), after.get(id));
                if before == after {
                    continue;
                }
                let of_row: Vec<_> =
                    events.iter().filter(|(_, payload)| payload["uuid"] == json!(id)).collect();
                let (name, payload) =
                    of_row.last().unwrap_or_else(|| panic!("{id} is not announced\n{context}"));
                let is_deleted = name == "team_deleted";
                assert_eq!(is_deleted, after.is_none(), "{id}\n{context}");
                if let Some((department, _)) = after {
                    assert_eq!(payload["department_uuid"], json!(department), "{id}\n{context}");
                }
                if let Some((Some(department), _)) = before {
                    let has =
                        |field: &str| of_row.iter().any(|(_, payload)| payload[field] == json!(department));
                    let has_heard = has("department_uuid") || has("previous_department_uuid");
                    assert!(has_heard, "{department} has not heard of {id}\n{context}");
                }
            }
        }
    }
    assert!(announced > 500, "{announced}");
}

#[test]
fn generated_columns_fill_fields_and_find_replaced_rows() {
    let mut connection = open(
        "CREATE TABLE team(n INTEGER PRIMARY KEY, id TEXT AS (format('%08d-0000-0000-0000-%012d', 0, code)) UNIQUE,
         code INTEGER, department TEXT)",
    );
    watch(&mut connection, TEAM).unwrap();
    connection.execute("INSERT INTO team(code) VALUES (7)", []).unwrap();
    connection.execute("REPLACE INTO team(code) VALUES (7)", []).unwrap();
    let named: Vec<(String, Value)> =
        events(&connection).into_iter().map(|(name, payload)| (name, payload["uuid"].clone())).collect();
    let uuid = json!("00000000-0000-0000-0000-000000000007");
    let expected =
        ["team_created", "team_deleted", "team_created"].map(|name| (name.to_owned(), uuid.clone()));
    assert_eq!(named, expected);
}

#[test]
fn a_row_with_the_number_minus_one_is_not_taken_for_a_replaced_one() {
    let mut connection = open("CREATE TABLE team(n INTEGER PRIMARY KEY, id TEXT, department TEXT)");
    watch(&mut connection, TEAM).unwrap();
    connection.execute("INSERT INTO team VALUES (-1, ?1, NULL)", [id(1).to_string()]).unwrap();
    connection.execute("INSERT INTO team(id) VALUES (?1)", [id(2).to_string()]).unwrap();
    let names: Vec<String> = events(&connection).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["team_created", "team_created"]);
}

#[test]
fn deletions_without_a_condition_and_by_a_cascade_are_announced_and_what_is_rolled_back_is_not() {
    let mut connection = open(
        "CREATE TABLE department(id TEXT PRIMARY KEY);
         CREATE TABLE team(id TEXT PRIMARY KEY, department TEXT REFERENCES department ON DELETE CASCADE)",
    );
    watch(&mut connection, TEAM).unwrap();
    connection.execute("INSERT INTO department VALUES (?1)", [id(7).to_string()]).unwrap();
    let mut insert = connection.prepare("INSERT INTO team VALUES (?1, ?2)").unwrap();
    insert.execute([id(1).to_string(), id(7).to_string()]).unwrap();
    insert.execute([id(2).to_string(), id(7).to_string()]).unwrap();
    drop(insert);
    connection.execute_batch("BEGIN; SAVEPOINT s; DELETE FROM team; ROLLBACK TO s; COMMIT").unwrap();
    assert_eq!(events(&connection).len(), 2);
    connection.execute("DELETE FROM department", []).unwrap();
    connection.execute_batch("INSERT INTO team(id) VALUES ('a'), ('b'); DELETE FROM team").unwrap();
    let names: Vec<String> = events(&connection).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.iter().filter(|name| *name == "team_deleted").count(), 4, "{names:?}");
}

#[test]
fn each_value_of_sqlite_becomes_json_and_no_write_fails() {
    let mut connection = open("CREATE TABLE thing(number, fraction, flag, text, list JSON)");
    watch(&mut connection, "thing --domain things --created changed").unwrap();
    let big = i64::MAX;
    let insert = format!(
        "INSERT INTO thing VALUES
           ({big}, 0.1, 1, 'a \"b\" \\ é ' || char(10) || char(0) || 'c', '[\"x\", \"y\"]'),
           (NULL, NULL, NULL, NULL, NULL),
           ({}, 9e999, 0, x'00ff', 'no json'),
           ('text', -9e999, 'text', 1.5, x'00'),
           (1.5, 0.1 + 0.2, 2, 7, '{{\"a\": 9007199254740993}}'),
           (x'00', x'01', 0.5, CAST(x'ff' AS TEXT), 3)",
        i64::MIN
    );
    connection.execute_batch(&insert).unwrap();
    let last = "DELETE FROM tidings_outbox WHERE id = (SELECT max(id) FROM tidings_outbox) RETURNING CAST(event AS BLOB)";
    let last: Vec<u8> = connection.query_row(last, [], |row| row.get(0)).unwrap();
    assert!(str::from_utf8(&last).is_err(), "the server refuses it");
    let payloads: Vec<Value> = events(&connection).into_iter().map(|(_, payload)| payload).collect();
    assert_eq!(
        payloads,
        [
            json!({"number": big, "fraction": 0.1, "flag": true, "text": "a \"b\" \\ é \n\u{0}c", "list": ["x", "y"]}),
            json!({"number": null, "fraction": null, "flag": null, "text": null, "list": null}),
            json!({"number": i64::MIN, "fraction": null, "flag": false, "text": "00ff", "list": "no json"}),
            json!({"number": "text", "fraction": null, "flag": "text", "text": "1.5", "list": "00"}),
            json!({"number": 1.5, "fraction": 0.1 + 0.2, "flag": true, "text": "7", "list": {"a": 9_007_199_254_740_993_i64}}),
        ]
    );
}

#[test]
fn a_declaration_that_the_table_cannot_fulfil_is_refused_and_changes_nothing() {
    let mut connection = open(TEXTS);
    connection.execute_batch("CREATE VIEW seen AS SELECT * FROM team").unwrap();
    for (flags, part) in [
        (TEAM.replace("team --domain", "teem --domain"), "there is no table `teem` (do you mean `team`?)"),
        (TEAM.replace("team --domain", "seen --domain"), "`seen` is a view"),
        (TEAM.replace("team --domain", "tidings_outbox --domain"), "of Tidings"),
        (TEAM.replace("staff", "staf"), "domain `staf` (do you mean `staff`?)"),
    ] {
        let reason = watch(&mut connection, &flags).unwrap_err();
        assert!(reason.contains(part), "{flags}: {reason}");
    }
    connection.execute("INSERT INTO team VALUES ('not a uuid', NULL, NULL)", []).unwrap();
    let reason = watch(&mut connection, TEAM).unwrap_err();
    assert!(reason.contains("1 of the first 1 rows") && reason.contains("expected a UUID"), "{reason}");
    let triggers = "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'";
    let count =
        |connection: &Connection| connection.query_row(triggers, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count(&connection), 0);

    connection.execute("INSERT INTO team VALUES (?1, NULL, NULL)", [id(1).to_string()]).unwrap();
    let notes = watch(&mut connection, TEAM).unwrap();
    assert!(notes.concat().contains("would become a dead letter for 1 of the first 2 rows"), "{notes:?}");
    assert_eq!(count(&connection), 5);
}

#[test]
fn the_check_finds_tables_that_were_made_again_and_columns_that_were_renamed() {
    let mut connection = open(TEXTS);
    watch(&mut connection, TEAM).unwrap();
    let fault = |connection: &Connection| check(connection, &domains()).unwrap().remove(0).fault;
    assert_eq!(fault(&connection), None);
    let has_lost = |connection: &Connection| lost(connection).unwrap().is_some();

    connection.execute("ALTER TABLE team RENAME COLUMN department TO part", []).unwrap();
    connection
        .execute("INSERT INTO team VALUES (?1, ?2, NULL)", [id(1).to_string(), id(7).to_string()])
        .unwrap();
    assert_eq!(
        events(&connection)[0].1["department_uuid"],
        json!(id(7)),
        "SQLite renames it in the triggers"
    );
    assert!(fault(&connection).unwrap().contains("no column `department`"));
    assert!(!has_lost(&connection), "its triggers work");
    let dropped = connection.execute("ALTER TABLE team DROP COLUMN part", []).unwrap_err();
    assert!(dropped.to_string().contains("tidings:team:staff"), "{dropped}");
    watch(&mut connection, &TEAM.replace("=department", "=part").replace("old.department", "old.part"))
        .unwrap();
    assert_eq!(fault(&connection), None);

    connection
        .execute_batch(
            "CREATE TABLE other(id TEXT PRIMARY KEY, part TEXT, name TEXT); INSERT INTO other SELECT * FROM team;
             DROP TABLE team; ALTER TABLE other RENAME TO team;",
        )
        .unwrap();
    assert!(fault(&connection).unwrap().contains("made the table again"));
    assert!(has_lost(&connection));
    let parsed = Declaration::parse(&check(&connection, &domains()).unwrap().remove(0).arguments).unwrap();
    assert_eq!(parsed.table(), "team");

    let sql = remove_sql(&connection, "TEAM", Some("staff")).unwrap();
    execute(&mut connection, &sql, None).unwrap();
    assert!(check(&connection, &domains()).unwrap().is_empty());
    assert!(remove_sql(&connection, "team", None).unwrap_err().contains("nothing watches"));
}

#[test]
fn only_without_its_tables_a_write_fails() {
    for table in ["tidings_outbox", "tidings_replaced"] {
        let mut connection = open(TEXTS);
        watch(&mut connection, TEAM).unwrap();
        connection.execute_batch("DROP TABLE tidings_watches; DROP TABLE tidings_dead_letters").unwrap();
        connection.execute("INSERT INTO team(id) VALUES ('a')", []).unwrap();
        connection.execute_batch(&format!("DROP TABLE {table}")).unwrap();
        let failed = connection.execute("INSERT INTO team(id) VALUES ('b')", []).unwrap_err();
        assert!(failed.to_string().contains(table), "{failed}");
    }
}

#[test]
fn names_with_quotes_and_two_domains_of_one_table_do_not_meet() {
    let mut connection = open("CREATE TABLE \"a:b \"\"c\"(\"i d\" TEXT PRIMARY KEY)");
    let arguments = |domain: &str, event: &str| {
        let flags = ["a:b \"c", "--domain", domain, "--created", event, "--field", "uuid=i d"];
        Declaration::parse(&flags.map(str::to_owned)).unwrap()
    };
    let domains = domains();
    for (domain, event) in [("staff", "person_created"), ("projects", "task_created")] {
        let declaration = arguments(domain, event);
        let Declared { table, triggers, .. } =
            declared(&connection, &declaration, schema(&domains, domain).unwrap(), &domains).unwrap();
        execute(&mut connection, &watch_sql(&declaration, &triggers), Some(&table)).unwrap();
    }
    connection.execute("INSERT INTO \"a:b \"\"c\" VALUES (?1)", [id(1).to_string()]).unwrap();
    let mut names: Vec<String> = events(&connection).into_iter().map(|(name, _)| name).collect();
    names.sort();
    assert_eq!(names, ["person_created", "task_created"]);
    let sql = remove_sql(&connection, "a:b \"c", Some("projects")).unwrap();
    execute(&mut connection, &sql, None).unwrap();
    connection.execute("INSERT INTO \"a:b \"\"c\" VALUES (?1)", [id(2).to_string()]).unwrap();
    assert_eq!(events(&connection), [event("person_created", json!({"uuid": id(2)}))]);
}
