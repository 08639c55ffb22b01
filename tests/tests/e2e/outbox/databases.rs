//! What happens to the database under a running server, and to the server between two steps.

use std::fs;

use rusqlite::TransactionBehavior;
use tidings_tests::{AppFile, Client, Server, eventually, finish, sample};

use super::{expect_empty, expect_tick, serve, tick};

/// Lets the database refuse to delete rows of the outbox: a server then publishes them, and can't get rid of them.
const KEEP: &str =
    "CREATE TRIGGER keep BEFORE DELETE ON tidings_outbox BEGIN SELECT raise(ABORT, 'not now'); END";

fn subscribed(server: &Server) -> Client {
    Client::subscribed(server, &["clock"])
}

#[test]
fn a_server_that_is_killed_between_publish_and_delete_publishes_the_row_again_with_the_same_key() {
    let file = AppFile::new("wal");
    let database = file.open();
    database.execute_batch(KEEP).unwrap();
    let server = serve(&file);
    let mut client = subscribed(&server);
    tick(&file, &database, 1);
    let first = expect_tick(&mut client, 1);
    // SIGKILL. The row is still there.
    drop(server);
    assert_eq!(file.count("tidings_outbox"), 1);
    let server = serve(&file);
    // The log in memory has gone with the process: a client that comes back gets a sync, and no event twice.
    let mut back = Client::hello(&server);
    back.subscribe(&["clock"], first["position"].as_str(), "sync");
    drop(server);
    // The row is published before anybody can subscribe, so a position from before the row shows it.
    let server = serve(&file);
    eventually("the row is published again", || {
        let body = tidings_tests::Request::get("/metrics").send(server.address()).body;
        body.lines().any(|line| line.starts_with("tidings_outbox_published_total{") && line.ends_with(" 1"))
    });
    let again = server.post(&serde_json::json!({
        "event": sample::ticked(1), "topics": ["clock"], "key": first["key"],
    }));
    assert_eq!(again.status, 200);
    let mut client = subscribed(&server);
    database.execute_batch("DROP TRIGGER keep").unwrap();
    expect_empty(&file);
    tick(&file, &database, 2);
    // The publish above had the key of the row, so it published nothing.
    let second = expect_tick(&mut client, 2);
    let offset =
        |position: &serde_json::Value| position.as_str().unwrap().split('.').nth(1).unwrap().to_owned();
    assert_eq!(
        (offset(&again.json()["position"]).as_str(), offset(&second["position"]).as_str()),
        ("1", "2")
    );
}

#[test]
fn ids_that_come_again_are_new_events() {
    let file = AppFile::new("wal");
    let copy = file.path().with_extension("copy");
    let database = file.open();
    // A copy from before all rows. In its history, the next id is 1.
    database.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    let server = serve(&file);
    let mut client = subscribed(&server);
    (1..=3).for_each(|number| tick(&file, &database, number));
    (1..=3).for_each(|number| drop(expect_tick(&mut client, number)));
    expect_empty(&file);
    // The table is empty, and its numbers start again.
    database.execute("DELETE FROM sqlite_sequence", []).unwrap();
    tick(&file, &database, 4);
    expect_tick(&mut client, 4);
    assert_eq!(database.last_insert_rowid(), 1);
    // The copy is restored into the same file, under a running server.
    let restore = "sqlite3.connect(arguments[0]).backup(database)";
    let python = finish(&mut file.python(restore, &[copy.to_str().unwrap()]));
    assert_eq!(python.code, Some(0), "{python:?}");
    tick(&file, &database, 5);
    expect_tick(&mut client, 5);
    assert_eq!(database.last_insert_rowid(), 1);
    expect_empty(&file);
    // The copy takes the file's place.
    drop(database);
    // Its WAL goes first. If it went last, a server that looks in between would open the copy with the WAL that goes.
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", file.path().display()));
    }
    fs::rename(&copy, file.path()).unwrap();
    tick(&file, &file.open(), 6);
    expect_tick(&mut client, 6);
    expect_empty(&file);
}

#[test]
fn a_long_writer_delays_the_deletion_and_nothing_else() {
    let file = AppFile::new("wal");
    let server = serve(&file);
    let mut client = subscribed(&server);
    let (database, mut writer) = (file.open(), file.open());
    tick(&file, &database, 1);
    let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    tick(&file, &transaction, 2);
    expect_tick(&mut client, 1);
    // The server meets the lock when it deletes the first row. It still reads and serves.
    server.publish_to("clock", &sample::ticked(10));
    expect_tick(&mut client, 10);
    std::thread::sleep(std::time::Duration::from_millis(800));
    transaction.commit().unwrap();
    tick(&file, &database, 3);
    expect_tick(&mut client, 2);
    expect_tick(&mut client, 3);
    expect_empty(&file);
}

#[test]
fn a_writer_that_locks_out_readers_delays_its_events_until_it_has_committed() {
    let file = AppFile::new("delete");
    let server = serve(&file);
    let mut client = subscribed(&server);
    let mut writer = file.open();
    let transaction = writer.transaction_with_behavior(TransactionBehavior::Exclusive).unwrap();
    tick(&file, &transaction, 1);
    std::thread::sleep(std::time::Duration::from_millis(500));
    transaction.commit().unwrap();
    expect_tick(&mut client, 1);
    expect_empty(&file);
    // A server that starts while the file is locked waits for it.
    drop(server);
    let transaction = writer.transaction_with_behavior(TransactionBehavior::Exclusive).unwrap();
    let url = file.url();
    let starting = std::thread::spawn(move || Server::with(&["--outbox", &url]));
    std::thread::sleep(std::time::Duration::from_millis(500));
    drop(transaction);
    let server = starting.join().unwrap();
    let mut client = subscribed(&server);
    tick(&file, &writer, 2);
    expect_tick(&mut client, 2);
}

#[test]
fn the_application_can_checkpoint_its_file_while_a_server_reads_it() {
    let file = AppFile::new("wal");
    let server = serve(&file);
    let mut client = subscribed(&server);
    let database = file.open();
    for number in 0..20 {
        tick(&file, &database, number);
        expect_tick(&mut client, number);
    }
    let mut checkpoint = database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    eventually("a checkpoint meets no reader", || {
        checkpoint.query_row([], |row| row.get::<_, i64>(0)).is_ok_and(|busy| busy == 0)
            && fs::metadata(format!("{}-wal", file.path().display())).is_ok_and(|wal| wal.len() == 0)
    });
}

#[test]
fn a_table_that_goes_and_comes_back_loses_no_later_row() {
    let file = AppFile::new("wal");
    let mut server = serve(&file);
    let mut client = subscribed(&server);
    let database = file.open();
    tick(&file, &database, 1);
    expect_tick(&mut client, 1);
    database.execute_batch("DROP TABLE tidings_outbox").unwrap();
    eventually("the log says it", || server.process().log().contains("the outbox can't be read"));
    assert_eq!(file.command("init", &[]).code, Some(0));
    tick(&file, &database, 2);
    expect_tick(&mut client, 2);
    eventually("the log says it", || server.process().log().contains("can be read again"));
}

#[test]
fn a_drain_deletes_what_was_published() {
    let file = AppFile::new("wal");
    let mut server = serve(&file);
    let mut client = subscribed(&server);
    tick(&file, &file.open(), 1);
    expect_tick(&mut client, 1);
    drop(client);
    server.process().signal("TERM");
    assert_eq!(server.exit_code(), Some(0));
    assert_eq!(file.count("tidings_outbox"), 0);
}

#[test]
fn one_server_reads_an_outbox_and_the_next_takes_over_when_it_ends() {
    for signal in ["TERM", "KILL"] {
        let file = AppFile::new("wal");
        let mut one = serve(&file);
        let mut with_one = subscribed(&one);
        tick(&file, &file.open(), 1);
        expect_tick(&mut with_one, 1);
        // It names the same file by another path.
        let link = file.path().with_extension("link");
        std::os::unix::fs::symlink(file.path(), &link).unwrap();
        let mut other = Server::with(&["--outbox", &format!("sqlite:{}", link.display())]);
        let mut with_other = subscribed(&other);
        eventually("the log says it", || other.process().log().contains("another server reads the outbox"));
        (2..=20).for_each(|number| tick(&file, &file.open(), number));
        (2..=20).for_each(|number| drop(expect_tick(&mut with_one, number)));
        expect_empty(&file);
        drop(with_one);
        one.process().signal(signal);
        one.exit_code();
        tick(&file, &file.open(), 21);
        // It has missed the events of the first server.
        with_other.expect("sync");
        expect_tick(&mut with_other, 21);
        expect_empty(&file);
        let lock = file.path().with_extension("db-outbox-lock");
        assert_eq!(fs::metadata(lock).unwrap().len(), 0);
    }
}

#[test]
fn a_reader_whose_lock_somebody_removes_takes_it_again() {
    let file = AppFile::new("wal");
    let one = serve(&file);
    let mut with_one = subscribed(&one);
    let lock = file.path().with_extension("db-outbox-lock");
    fs::remove_file(&lock).unwrap();
    tick(&file, &file.open(), 1);
    expect_tick(&mut with_one, 1);
    let mut other = serve(&file);
    eventually("the log says it", || other.process().log().contains("another server reads the outbox"));
    assert!(lock.exists());
}
