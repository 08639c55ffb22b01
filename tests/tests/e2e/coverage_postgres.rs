//! Write coverage of a PostgreSQL database: what was forgotten is found, and nothing else.

use ::postgres::{Client as Database, Transaction};
use serde_json::json;
use tidings_server::{
    Hub, HubSettings, PublishOptions, SystemHost,
    coverage::{By, Change, Coverage, Table},
    outbox,
};
use tidings_shared::domains::staff;
use tidings_tests::{
    Postgres, eventually, finish,
    postgres::{as_user, connect},
    tidings,
};
use uuid::Uuid;

const TABLES: &str = "
    CREATE TABLE department(id uuid PRIMARY KEY, name text);
    CREATE TABLE team(id uuid PRIMARY KEY, department uuid REFERENCES department ON DELETE CASCADE, name text, seen int);
    CREATE TABLE log(line text);
    CREATE SCHEMA \"my work\";
    CREATE TABLE \"my work\".\"Line\"(number bigint, part int, text text, PRIMARY KEY (number, part)) PARTITION BY LIST (part);
    CREATE TABLE \"my work\".one PARTITION OF \"my work\".\"Line\" FOR VALUES IN (1);
    CREATE TABLE \"my work\".two PARTITION OF \"my work\".\"Line\" FOR VALUES IN (2);
    CREATE TABLE person(id uuid PRIMARY KEY, is_here boolean);
    SELECT tidings.watch('person', 'staff', created => 'person_created', updated => 'person_updated',
        deleted => 'person_deleted', fields => '{\"uuid\": \"id\"}');
";

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn tables() -> [Table; 4] {
    let by_id = || By::domain("staff").field("uuid", "id");
    let by_old_and_new = By::domain("staff")
        .field("uuid", "id")
        .either(&["department_uuid", "previous_department_uuid"], "department");
    [
        Table::new("team").named(by_old_and_new).without("seen"),
        Table::new("department").named(by_id()).shown_in("team", "department"),
        Table::new("person").named(by_id()),
        Table::ignore("log"),
    ]
}

/// Returns a database with an outbox, tables, two departments and a team in each of them.
fn new_database() -> (String, Database) {
    let url = Postgres::shared().database();
    let init = finish(tidings().args(["journal", "init", "--outbox", &url]));
    assert_eq!(init.code, Some(0), "{init:?}");
    let mut database = connect(&url);
    database.batch_execute(TABLES).unwrap();
    let sql = "INSERT INTO department SELECT lpad(n::text, 32, '0')::uuid, 'D' FROM generate_series(7, 8) n;
        INSERT INTO team SELECT lpad(n::text, 32, '0')::uuid, lpad((n + 6)::text, 32, '0')::uuid, 'T' FROM generate_series(1, 2) n";
    database.batch_execute(sql).unwrap();
    (url, database)
}

fn covered() -> (Coverage, String, Database) {
    let (url, database) = new_database();
    (Coverage::postgres(&url, tables()).unwrap(), url, database)
}

fn team(number: u128, department: u128) -> staff::Event {
    staff::Event::TeamUpdated(staff::Team {
        uuid: id(number),
        department_uuid: Some(id(department)),
        previous_department_uuid: None,
    })
}

fn department(number: u128) -> staff::Event {
    staff::Event::DepartmentUpdated(staff::Department { uuid: id(number) })
}

fn tell(transaction: &mut Transaction<'_>, event: &staff::Event) {
    let event = tidings_shared::RawEvent::from_event(event).unwrap();
    transaction.execute("SELECT tidings.publish($1)", &[&json!(event).to_string()]).unwrap();
}

/// Writes in a transaction, and commits it.
fn write(database: &mut Database, write: impl FnOnce(&mut Transaction<'_>)) {
    let mut transaction = database.transaction().unwrap();
    write(&mut transaction);
    transaction.commit().unwrap();
}

#[track_caller]
fn assert_missing(coverage: &Coverage, expected: &[(&str, String, Change)]) {
    let missing = coverage.missing().unwrap();
    let all = missing.iter().map(|missing| format!("{} {} {:?}", missing.table, missing.key, missing.change));
    let mut found: Vec<String> = all.collect();
    found.sort();
    let mut expected: Vec<String> =
        expected.iter().map(|(table, key, change)| format!("{table} {key} {change:?}")).collect();
    expected.sort();
    assert_eq!(found, expected, "{missing:#?}");
}

fn of(table: &str, number: u128, change: Change) -> (&str, String, Change) {
    (table, id(number).to_string(), change)
}

#[test]
fn a_change_of_postgresql_without_an_event_in_its_own_transaction_is_missing() {
    let (coverage, url, mut database) = covered();
    let mut other = connect(&url);
    // Two transactions side by side. The first to begin is the last to commit.
    let mut late = other.transaction().unwrap();
    tell(&mut late, &team(2, 8));
    late.batch_execute(&format!("UPDATE team SET name = 'x' WHERE id = '{}'", id(2))).unwrap();
    write(&mut database, |transaction| {
        transaction.batch_execute(&format!("UPDATE team SET name = 'a' WHERE id = '{}'", id(1))).unwrap();
        tell(transaction, &team(1, 7));
    });
    coverage.assert_complete();
    late.commit().unwrap();
    coverage.assert_complete();
    // Several tables. One has its events by `tidings.watch`, one needs none, and one changes in a column that nobody sees.
    write(&mut database, |transaction| {
        let sql = format!(
            "INSERT INTO person VALUES ('{}', true), ('{}', NULL);
             UPDATE person SET is_here = false; DELETE FROM person;
             INSERT INTO person VALUES ('{}'); UPDATE team SET seen = 1; INSERT INTO log VALUES ('a');
             INSERT INTO department VALUES ('{}', 'new')",
            id(21),
            id(22),
            id(23),
            id(9)
        );
        transaction.batch_execute(&sql).unwrap();
        tell(transaction, &department(9));
    });
    database.batch_execute("DELETE FROM person").unwrap();
    database.batch_execute(&format!("INSERT INTO person VALUES ('{}')", id(24))).unwrap();
    database.batch_execute("TRUNCATE person").unwrap();
    coverage.assert_complete();

    // The event of another transaction is none.
    let mut late = other.transaction().unwrap();
    tell(&mut late, &team(2, 8));
    write(&mut database, |transaction| {
        tell(transaction, &team(1, 7));
        transaction.batch_execute("UPDATE team SET name = name || '!'").unwrap();
    });
    late.commit().unwrap();
    assert_missing(&coverage, &[of("team", 2, Change::Updated)]);
    write(&mut database, |transaction| {
        let sql = "DELETE FROM team; INSERT INTO \"my work\".\"Line\" VALUES (5, 1), (6, 1)";
        transaction.batch_execute(sql).unwrap();
        tell(transaction, &team(2, 8));
    });
    let line = |key: &str, change| ("my work.Line", key.to_owned(), change);
    let lines = [line("5, 1", Change::Created), line("6, 1", Change::Created)];
    assert_missing(&coverage, &[&lines[..], &[of("team", 1, Change::Deleted)]].concat());
    // A partition, and a row that moves to another one.
    database.batch_execute("TRUNCATE \"my work\".one").unwrap();
    let lines = [line("5, 1", Change::Deleted), line("6, 1", Change::Deleted)];
    assert_missing(&coverage, &lines);
    let sql = "INSERT INTO \"my work\".\"Line\" VALUES (7, 1); UPDATE \"my work\".\"Line\" SET part = 2; TRUNCATE team, \"my work\".\"Line\"";
    database.batch_execute(sql).unwrap();
    coverage.assert_complete();
}

#[test]
fn what_postgresql_rolls_back_needs_no_event_and_gives_none() {
    let (coverage, _, mut database) = covered();
    database.batch_execute("BEGIN; UPDATE team SET name = 'x'; ROLLBACK").unwrap();
    write(&mut database, |transaction| {
        transaction
            .batch_execute("SAVEPOINT s; DELETE FROM team; TRUNCATE department CASCADE; ROLLBACK TO s")
            .unwrap();
    });
    write(&mut database, |transaction| {
        // It makes a row and deletes it, and another one is as it was.
        let sql = format!(
            "INSERT INTO team VALUES ('{}'); UPDATE team SET name = 'y' WHERE department IS NULL;
             DELETE FROM team WHERE department IS NULL;
             UPDATE team SET name = 'x'; UPDATE team SET name = 'y'; UPDATE team SET name = 'T'",
            id(3)
        );
        transaction.batch_execute(&sql).unwrap();
    });
    coverage.assert_complete();
    write(&mut database, |transaction| {
        transaction.batch_execute("UPDATE team SET name = 'x'").unwrap();
        let mut savepoint = transaction.savepoint("s").unwrap();
        tell(&mut savepoint, &team(1, 7));
        savepoint.rollback().unwrap();
        tell(transaction, &team(2, 8));
    });
    assert_missing(&coverage, &[of("team", 1, Change::Updated)]);
}

#[test]
fn cascades_and_rows_that_show_a_changed_one_are_found_and_so_are_writes_of_triggers() {
    let (coverage, _, mut database) = covered();
    write(&mut database, |transaction| {
        transaction.batch_execute("UPDATE department SET name = 'E'").unwrap();
        tell(transaction, &department(7));
        tell(transaction, &department(8));
        tell(transaction, &team(2, 8));
    });
    assert_missing(&coverage, &[of("team", 1, Change::Shown)]);
    // A trigger of the application writes to the row again. Its write is recorded first.
    let sql = "CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            UPDATE team SET name = 'again' WHERE id = NEW.id AND name <> 'again'; RETURN NULL; END $$;
        CREATE TRIGGER a_again AFTER UPDATE ON team FOR EACH ROW EXECUTE FUNCTION again()";
    database.batch_execute(sql).unwrap();
    database.batch_execute("UPDATE team SET name = 'once'").unwrap();
    assert_missing(&coverage, &[of("team", 1, Change::Updated), of("team", 2, Change::Updated)]);
    write(&mut database, |transaction| {
        transaction.batch_execute("DELETE FROM department").unwrap();
        tell(transaction, &department(7));
        tell(transaction, &department(8));
    });
    assert_missing(&coverage, &[of("team", 1, Change::Deleted), of("team", 2, Change::Deleted)]);
}

#[tokio::test]
async fn events_of_a_guard_count_for_the_commits_of_postgresql_within_its_life() {
    let (url, database) = tokio::task::spawn_blocking(new_database).await.unwrap();
    std::thread::spawn(|| drop(database)).join().unwrap();
    let coverage = Coverage::postgres(&url, tables()).unwrap();
    let (mut client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let hub = Hub::new(HubSettings::new("acme".parse().unwrap()), SystemHost::start());
    assert!(coverage.observe(&hub) && !coverage.observe(&hub));
    let rename = format!("UPDATE team SET name = name || '!' WHERE id = '{}'", id(1));

    let transaction = client.transaction().await.unwrap();
    transaction.batch_execute(&rename).await.unwrap();
    outbox::postgres::insert(&transaction, None, &team(1, 7), PublishOptions::default()).await.unwrap();
    transaction.commit().await.unwrap();
    coverage.assert_complete();

    let mut changes = hub.changes();
    let transaction = client.transaction().await.unwrap();
    transaction.batch_execute(&rename).await.unwrap();
    changes.add(&team(1, 7));
    transaction.commit().await.unwrap();
    // It waits for the guard.
    assert_missing(&coverage, &[]);
    changes.committed();
    coverage.assert_complete();

    let mut changes = hub.changes();
    client.batch_execute(&rename).await.unwrap();
    changes.add(&team(1, 7));
    drop(changes);
    coverage.assert_complete();

    // These guards end before the commit, begin after it, and have no event.
    let transaction = client.transaction().await.unwrap();
    transaction.batch_execute(&rename).await.unwrap();
    let mut changes = hub.changes();
    changes.add(&team(1, 7));
    changes.committed();
    transaction.commit().await.unwrap();
    let mut changes = hub.changes();
    changes.add(&team(1, 7));
    changes.committed();
    assert_missing(&coverage, &[of("team", 1, Change::Updated)]);
    let mut changes = hub.changes();
    client.batch_execute(&rename).await.unwrap();
    changes.add(&team(1, 7));
    changes.rolled_back();
    assert_missing(&coverage, &[of("team", 1, Change::Updated)]);
    drop(coverage);
}

#[test]
fn nothing_of_a_coverage_stays_in_the_database() {
    let (coverage, url, mut database) = covered();
    let sql = "SELECT concat((SELECT count(*) FROM pg_trigger WHERE tgname ~ 'coverage'),
        (SELECT count(*) FROM pg_proc WHERE proname ~ 'coverage'), (SELECT count(*) FROM pg_class WHERE relname ~ 'coverage'
        OR relnamespace = to_regnamespace('tidings_coverage')), (SELECT count(*) FROM pg_type WHERE typname ~ 'coverage'))";
    let mut count = || database.query_one(sql, &[]).unwrap().get::<_, String>(0);
    assert_ne!(count(), "0000");
    drop(coverage.clone());
    assert_ne!(count(), "0000");
    drop(coverage);
    assert_eq!(count(), "0000");

    // Its process is killed.
    let coverage = Coverage::postgres(&url, tables()).unwrap();
    let mut killer = connect(&url);
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    assert_eq!(killer.query(sql, &[]).unwrap().len(), 1);
    eventually("its triggers are gone", || count() == "0000");
    assert!(coverage.missing().is_err());
    drop(coverage);

    // The database server has crashed: it has kept what is temporary.
    let sql = "CREATE FUNCTION coverage_of_old() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'old'; END $$;
        CREATE TRIGGER tidings_coverage AFTER UPDATE ON team EXECUTE FUNCTION coverage_of_old();
        CREATE TRIGGER tidings_coverage_truncate BEFORE TRUNCATE ON \"my work\".two EXECUTE FUNCTION coverage_of_old();
        CREATE SCHEMA IF NOT EXISTS tidings_coverage; CREATE TABLE tidings_coverage.record()";
    killer.batch_execute(sql).unwrap();
    let coverage = Coverage::postgres(&url, tables()).unwrap();
    killer.batch_execute("UPDATE team SET name = 'x'; TRUNCATE \"my work\".two").unwrap();
    assert_eq!(coverage.missing().unwrap().len(), 2);
    // The next one waits for the end of this one.
    let next = std::thread::spawn(move || {
        loop {
            match Coverage::postgres(&url, tables()) {
                Ok(next) => return next.missing().unwrap(),
                Err(error) => assert!(error.to_string().contains("has a coverage already"), "{error}"),
            }
        }
    });
    killer.batch_execute("UPDATE team SET name = 'y'").unwrap();
    assert_eq!(coverage.missing().unwrap().len(), 2);
    drop(coverage);
    assert_eq!(next.join().unwrap(), []);
}

#[test]
fn a_coverage_of_postgresql_that_can_not_watch_says_why() {
    let (url, mut database) = new_database();
    let refused = |url: &str, tables: &[Table]| {
        Coverage::postgres(url, tables.iter().cloned()).unwrap_err().to_string()
    };
    for (table, part) in [
        (Table::new("teem"), "do you mean `team`?"),
        (Table::new("my work.line").without("txt"), "do you mean `text`?"),
        (Table::new("team").shown_in("log", "team"), "no such column of `log`"),
    ] {
        let reason = refused(&url, &[table]);
        assert!(reason.contains(part), "{reason}");
    }
    let sql =
        "CREATE ROLE passer_by LOGIN PASSWORD 'passer_by'; GRANT CREATE ON DATABASE current TO passer_by";
    let name = url.rsplit('/').next().unwrap();
    database.batch_execute(&sql.replace("current", name)).unwrap();
    let reason = refused(&as_user(&url, "passer_by", "passer_by"), &[]);
    assert!(reason.contains("the table `department` can't be watched"), "{reason}");
    assert!(reason.contains("declare Table::ignore(\"department\")"), "{reason}");
    assert!(!refused("postgres://owner:secret@127.0.0.1:1/x", &[]).contains("secret"));

    // After an error, nothing is held.
    let coverage = Coverage::postgres(&url, []).unwrap();
    let mut sqlite = rusqlite::Connection::open_in_memory().unwrap();
    assert!(coverage.connect(&mut sqlite).unwrap_err().to_string().contains("Coverage::sqlite"));
    let fill = "SELECT setval('tidings_coverage.numbers', 999999)";
    database.batch_execute(fill).unwrap();
    database.batch_execute("UPDATE team SET name = 'x'; TRUNCATE team").unwrap();
    assert!(coverage.missing().unwrap_err().to_string().contains("more than 1000000 changes"));
    // Whoever writes needs no rights for the record.
    database.batch_execute("GRANT INSERT ON log TO passer_by").unwrap();
    let mut passer_by = connect(&as_user(&url, "passer_by", "passer_by"));
    passer_by.batch_execute("INSERT INTO log VALUES ('a'), ('b')").unwrap();
    assert_missing(
        &coverage,
        &[("log", "a".to_owned(), Change::Created), ("log", "b".to_owned(), Change::Created)],
    );
}
