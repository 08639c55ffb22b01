use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Transaction};
use tidings_hub::{Hub, HubSettings, PublishOptions};
use tidings_shared::domains::staff;
use uuid::Uuid;

use super::Record;
use crate::{
    coverage::{self, By, Change, Coverage, Table},
    host::SystemHost,
    outbox::sqlite,
    sqlite_table::random::{self, Random},
};

const TABLES: &str = "
    CREATE TABLE department(id BLOB PRIMARY KEY, name TEXT) STRICT, WITHOUT ROWID;
    CREATE TABLE team(id TEXT PRIMARY KEY, department BLOB REFERENCES department ON DELETE CASCADE, name TEXT UNIQUE,
        seen INTEGER);
    CREATE TABLE log(line TEXT);
";

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn tables() -> [Table; 3] {
    let by_id = || By::domain("staff").field("uuid", "id");
    let by_old_and_new = By::domain("staff")
        .field("uuid", "id")
        .either(&["department_uuid", "previous_department_uuid"], "department");
    [
        Table::new("team").named(by_old_and_new).without("seen"),
        Table::new("department").named(by_id()).shown_in("team", "department"),
        Table::ignore("log"),
    ]
}

fn open() -> (Coverage, Connection) {
    let mut connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(sqlite::SCHEMA).unwrap();
    connection.execute_batch(TABLES).unwrap();
    connection.pragma_update(None, "foreign_keys", true).unwrap();
    let coverage = Coverage::sqlite(tables()).unwrap();
    coverage.connect(&mut connection).unwrap();
    (coverage, connection)
}

fn team(number: u128, department: Option<u128>) -> staff::Team {
    staff::Team { uuid: id(number), department_uuid: department.map(id), previous_department_uuid: None }
}

fn updated(number: u128, department: Option<u128>) -> staff::Event {
    staff::Event::TeamUpdated(team(number, department))
}

fn department_updated(number: u128) -> staff::Event {
    staff::Event::DepartmentUpdated(staff::Department { uuid: id(number) })
}

fn tell(transaction: &Transaction<'_>, event: &staff::Event) {
    sqlite::insert(transaction, None, event, PublishOptions::default()).unwrap();
}

/// Writes in a transaction, and commits it.
fn write(connection: &mut Connection, write: impl FnOnce(&Transaction<'_>)) {
    let transaction = connection.transaction().unwrap();
    write(&transaction);
    transaction.commit().unwrap();
}

fn insert(connection: &Connection, team: u128, department: u128, name: &str) {
    let sql = "INSERT OR REPLACE INTO team(id, department, name) VALUES (?1, ?2, ?3)";
    connection.execute(sql, (id(team).to_string(), id(department).as_bytes(), name)).unwrap();
}

/// Two teams in two departments.
fn filled() -> (Coverage, Connection) {
    let (coverage, connection) = open();
    for number in [7_u128, 8] {
        connection.execute("INSERT INTO department(id) VALUES (?1)", [id(number).as_bytes()]).unwrap();
    }
    insert(&connection, 1, 7, "one");
    insert(&connection, 2, 7, "two");
    assert_eq!(coverage.missing().unwrap().len(), 4);
    (coverage, connection)
}

#[track_caller]
fn assert_missing(coverage: &Coverage, expected: &[(&str, u128, Change)]) {
    let missing = coverage.missing().unwrap();
    let mut found: Vec<(&str, String, String)> = missing
        .iter()
        .map(|missing| (missing.table.as_str(), missing.key.clone(), format!("{:?}", missing.change)))
        .collect();
    found.sort();
    let mut expected: Vec<(&str, String, String)> = expected
        .iter()
        .map(|(table, number, change)| (*table, id(*number).to_string(), format!("{change:?}")))
        .collect();
    expected.sort();
    assert_eq!(found, expected, "{missing:#?}");
}

#[test]
fn a_change_without_an_event_in_its_own_transaction_is_missing() {
    let (coverage, mut connection) = filled();
    write(&mut connection, |transaction| {
        tell(transaction, &updated(1, Some(7)));
        transaction.execute("UPDATE team SET name = 'a' WHERE name = 'one'", []).unwrap();
    });
    write(&mut connection, |transaction| {
        transaction.execute("UPDATE team SET name = 'b' WHERE name = 'a'", []).unwrap();
        tell(transaction, &updated(1, Some(7)));
    });
    coverage.assert_complete();
    write(&mut connection, |transaction| {
        transaction.execute("UPDATE team SET name = name || '!'", []).unwrap();
        tell(transaction, &updated(1, Some(7)));
    });
    write(&mut connection, |transaction| tell(transaction, &updated(2, Some(7))));
    assert_missing(&coverage, &[("team", 2, Change::Updated)]);
    connection.execute("UPDATE team SET seen = 1, name = name", []).unwrap();
    connection.execute("INSERT INTO log VALUES ('a')", []).unwrap();
    coverage.assert_complete();
}

#[test]
fn what_is_rolled_back_needs_no_event_and_gives_none() {
    let (coverage, mut connection) = filled();
    connection.execute_batch("BEGIN; UPDATE team SET name = name || '!'; ROLLBACK").unwrap();
    write(&mut connection, |transaction| {
        transaction.execute_batch("SAVEPOINT s; DELETE FROM team; ROLLBACK TO s").unwrap();
        // The whole statement fails, after it has changed one row.
        transaction.execute("UPDATE team SET name = 'same'", []).unwrap_err();
    });
    coverage.assert_complete();
    write(&mut connection, |transaction| {
        transaction.execute("UPDATE team SET name = name || '!'", []).unwrap();
        transaction.execute_batch("SAVEPOINT s").unwrap();
        tell(transaction, &updated(1, Some(7)));
        transaction.execute_batch("ROLLBACK TO s").unwrap();
        tell(transaction, &updated(2, Some(7)));
    });
    assert_missing(&coverage, &[("team", 1, Change::Updated)]);
    write(&mut connection, |transaction| {
        transaction.execute("INSERT INTO team(id) VALUES ('x')", []).unwrap();
        transaction.execute("DELETE FROM team WHERE id = 'x'", []).unwrap();
    });
    coverage.assert_complete();
}

#[test]
fn cascades_and_replaced_rows_are_changes_and_so_are_rows_that_show_a_changed_one() {
    let (coverage, mut connection) = filled();
    write(&mut connection, |transaction| {
        transaction.execute("UPDATE department SET name = 'D' WHERE id = ?1", [id(7).as_bytes()]).unwrap();
        tell(transaction, &department_updated(7));
        tell(transaction, &updated(2, Some(7)));
    });
    assert_missing(&coverage, &[("team", 1, Change::Shown)]);
    write(&mut connection, |transaction| {
        // Both are replaced: one by its key, one by its name.
        insert(transaction, 1, 8, "two");
        tell(transaction, &updated(1, Some(8)));
    });
    assert_missing(&coverage, &[("team", 1, Change::Updated), ("team", 2, Change::Deleted)]);
    write(&mut connection, |transaction| {
        transaction.execute("DELETE FROM department", []).unwrap();
        tell(transaction, &department_updated(7));
        tell(transaction, &department_updated(8));
    });
    assert_missing(&coverage, &[("team", 1, Change::Deleted)]);
}

#[test]
fn events_of_a_guard_count_for_the_commits_within_its_life() {
    let (coverage, connection) = filled();
    let hub = Hub::new(HubSettings::new("acme".parse().unwrap()), SystemHost::start());
    assert!(coverage.observe(&hub) && !coverage.observe(&hub));
    let rename = |name: &str| {
        connection.execute("UPDATE team SET name = ?2 WHERE id = ?1", (id(1).to_string(), name)).unwrap();
    };
    let mut changes = hub.changes();
    changes.add(&updated(1, Some(7)));
    rename("a");
    changes.committed();
    let mut changes = hub.changes();
    rename("b");
    changes.add(&updated(1, Some(7)));
    drop(changes);
    coverage.assert_complete();

    let mut changes = hub.changes();
    changes.add(&updated(1, Some(7)));
    rename("c");
    changes.rolled_back();
    rename("d");
    let mut changes = hub.changes();
    changes.add(&updated(1, Some(7)));
    changes.committed();
    assert_missing(&coverage, &[("team", 1, Change::Updated), ("team", 1, Change::Updated)]);
}

#[test]
fn a_commit_is_judged_when_its_guards_have_ended() {
    let (coverage, connection) = filled();
    let hub = Hub::new(HubSettings::new("acme".parse().unwrap()), SystemHost::start());
    coverage.observe(&hub);
    let mut changes = hub.changes();
    let later = hub.changes();
    connection.execute("UPDATE team SET name = name || '!'", []).unwrap();
    assert_missing(&coverage, &[]);
    changes.add(&updated(1, Some(7)));
    changes.committed();
    assert_missing(&coverage, &[]);
    connection.execute("UPDATE team SET name = name || '!' WHERE id = ?1", [id(1).to_string()]).unwrap();
    later.committed();
    assert_missing(&coverage, &[("team", 2, Change::Updated), ("team", 1, Change::Updated)]);
}

#[test]
fn beyond_its_bound_the_record_is_an_error_and_writes_go_on() {
    let coverage = Coverage::new(Vec::new(), coverage::Record::Sqlite(Record::new(2).unwrap()));
    let mut connection = Connection::open_in_memory().unwrap();
    connection.execute_batch("CREATE TABLE team(id)").unwrap();
    coverage.connect(&mut connection).unwrap();
    connection.execute_batch("INSERT INTO team VALUES (1), (2), (3)").unwrap();
    assert!(coverage.missing().unwrap_err().to_string().contains("more than 2 changes"));
    connection.execute_batch("INSERT INTO team VALUES (4)").unwrap();
    assert_eq!(coverage.missing().unwrap().len(), 1, "a table without a key has the numbers of its rows");
}

#[test]
fn a_table_with_more_columns_than_a_function_has_arguments_is_recorded() {
    let mut connection = Connection::open_in_memory().unwrap();
    let columns: String = (0..300).map(|number| format!(", c{number} DEFAULT {number}")).collect();
    connection.execute_batch(&format!("CREATE TABLE wide(id INTEGER PRIMARY KEY{columns})")).unwrap();
    let coverage = Coverage::sqlite([Table::new("wide").without("c299")]).unwrap();
    coverage.connect(&mut connection).unwrap();
    connection.execute_batch("INSERT INTO wide(id) VALUES (1)").unwrap();
    coverage.forget().unwrap();
    connection.execute_batch("UPDATE wide SET c299 = 0").unwrap();
    coverage.assert_complete();
    connection.execute_batch("UPDATE wide SET c298 = 0").unwrap();
    assert_eq!(coverage.missing().unwrap()[0].key, "1");
}

/// The rows of the table, each by its key.
fn rows_by_key(connection: &Connection) -> BTreeMap<String, String> {
    let key: String = connection
        .query_row("SELECT name FROM pragma_table_info('team') WHERE pk", [], |row| row.get(0))
        .unwrap();
    let sql = format!(
        "SELECT CAST({key} AS TEXT), concat_ws('|', id, ifnull(department, '-'), ifnull(name, '-')) FROM team"
    );
    let mut statement = connection.prepare(&sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn what_is_missing_after_random_writes_is_what_has_changed() {
    let cases = random::TABLES.into_iter().flat_map(|table| [(table, false), (table, true)]);
    let mut changed = 0;
    for (seed, (table, has_recursive_triggers)) in (1..).zip(cases) {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(table).unwrap();
        connection.pragma_update(None, "recursive_triggers", has_recursive_triggers).unwrap();
        let coverage = Coverage::sqlite([]).unwrap();
        coverage.connect(&mut connection).unwrap();
        let mut random = Random::new(seed, true);
        for _ in 0..random::rounds() {
            let before = rows_by_key(&connection);
            let sql = random.transaction(&connection);
            let after = rows_by_key(&connection);
            let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            let expected: BTreeMap<String, Change> = keys
                .into_iter()
                .filter_map(|key| match (before.get(key), after.get(key)) {
                    (None, Some(_)) => Some((key.clone(), Change::Created)),
                    (Some(_), None) => Some((key.clone(), Change::Deleted)),
                    (before, after) => (before != after).then(|| (key.clone(), Change::Updated)),
                })
                .collect();
            changed += expected.len();
            let missing = coverage.missing().unwrap();
            let found: BTreeMap<String, Change> =
                missing.iter().map(|missing| (missing.key.clone(), missing.change)).collect();
            assert_eq!(found, expected, "seed {seed}: {table}\n{sql}\n{before:#?}\n{after:#?}");
            assert_eq!(found.len(), missing.len(), "each row once");
        }
    }
    assert!(changed > 500, "{changed}");
}

#[test]
fn several_connections_of_a_file_are_told_apart() {
    let folder = std::env::temp_dir().join(format!("tidings-coverage-{}", Uuid::new_v4()));
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("app.db");
    let mut one = Connection::open(&path).unwrap();
    one.pragma_update(None, "journal_mode", "wal").unwrap();
    one.execute_batch(sqlite::SCHEMA).unwrap();
    one.execute_batch(TABLES).unwrap();
    let mut two = Connection::open(&path).unwrap();
    let coverage = Coverage::sqlite(tables()).unwrap();
    for connection in [&mut one, &mut two] {
        coverage.connect(connection).unwrap();
    }
    let insert = |number: u128| format!("INSERT INTO team(id) VALUES ('{}')", id(number));
    write(&mut one, |transaction| {
        transaction.execute(&insert(1), []).unwrap();
        tell(transaction, &updated(1, None));
    });
    write(&mut two, |transaction| {
        tell(transaction, &updated(3, None));
        transaction.execute(&insert(2), []).unwrap();
        transaction.execute(&insert(3), []).unwrap();
    });
    one.execute(&insert(4), []).unwrap();
    assert_missing(&coverage, &[("team", 2, Change::Created), ("team", 4, Change::Created)]);
    drop((one, two));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_declaration_of_something_that_is_not_there_is_an_error() {
    let refused = |table: Table| {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(TABLES).unwrap();
        Coverage::sqlite([table]).unwrap().connect(&mut connection).unwrap_err().to_string()
    };
    for (table, part) in [
        (Table::new("teem"), "do you mean `team`?"),
        (Table::new("team").without("sen"), "do you mean `seen`?"),
        (Table::new("team").named(By::any().field("uuid", "uuid")), "no such column of `team`"),
        (Table::new("team").shown_in("department", "team"), "no such column of `department`"),
        (Table::new("team").shown_in("nothing", "team"), "no such watched table"),
    ] {
        let reason = refused(table);
        assert!(reason.contains(part), "{reason}");
    }
    let (coverage, mut connection) = open();
    let again = coverage.connect(&mut connection).unwrap_err().to_string();
    assert!(again.contains("connect it once"), "{again}");
    let mut busy = Connection::open_in_memory().unwrap();
    busy.execute_batch("CREATE TABLE t(a); BEGIN").unwrap();
    let busy = Coverage::sqlite([]).unwrap().connect(&mut busy).unwrap_err().to_string();
    assert!(busy.contains("outside of a transaction"), "{busy}");
}
