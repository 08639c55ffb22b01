//! The application's file is on a disk that is full.

use std::process::Command;

use tidings_tests::{Client, Finished, Server, SmallDisk, eventually, finish, sample, tidings};

use super::expect_tick;

/// The application keeps something of 2 MB when the first row leaves the outbox.
const AUDIT: [&str; 2] = [
    "CREATE TABLE audit(what BLOB)",
    "CREATE TRIGGER keep AFTER DELETE ON tidings_outbox WHEN old.id = 1 \
        BEGIN INSERT INTO audit VALUES (zeroblob(2000000)); END",
];

/// Runs a statement on the file, as the application does, and prints the first column.
fn sql(disk: &SmallDisk, statement: &str) -> Finished {
    let program = "import sqlite3, sys\n\
        database = sqlite3.connect(sys.argv[1], timeout=15, isolation_level=None)\n\
        for row in database.execute(sys.argv[2]): print(row[0])";
    let mut command = Command::new("python3");
    command.args(["-c", program]).arg(disk.path("app.db")).arg(statement);
    finish(&mut disk.on_it(&command))
}

/// Writes an event in a transaction of its own.
fn insert(disk: &SmallDisk, number: usize) -> Finished {
    let event = sample::ticked(number);
    sql(disk, &format!("INSERT INTO tidings_outbox(event, topics) VALUES ('{event}', '[\"clock\"]')"))
}

/// Returns a statement that writes events of 4 MB: more than the disk has, also with the room that the log of a failed
/// transaction leaves.
fn large(number: usize) -> String {
    let event = sample::ticked(number).to_string();
    let longer = event.replace("}}", ",\"text\":\"' || printf('%.*c', 100000, 'x') || '\"}}");
    format!(
        "WITH RECURSIVE rows(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM rows WHERE i < 40) \
         INSERT INTO tidings_outbox(event, topics) SELECT '{longer}', '[\"clock\"]' FROM rows"
    )
}

fn count(disk: &SmallDisk) -> String {
    sql(disk, "SELECT count(*) FROM tidings_outbox").stdout.trim().to_owned()
}

#[test]
fn published_rows_wait_for_room_what_is_not_committed_is_not_published_and_then_it_goes_on() {
    let Some(disk) = SmallDisk::mount(4 * 1024 * 1024) else { return };
    let outbox = format!("sqlite:{}", disk.path("app.db").display());
    assert_eq!(sql(&disk, "PRAGMA journal_mode = WAL").code, Some(0));
    let init = finish(&mut disk.on_it(tidings().args(["journal", "init", "--outbox", &outbox])));
    assert_eq!(init.code, Some(0), "{init:?}");
    assert!(AUDIT.iter().all(|statement| sql(&disk, statement).code == Some(0)));
    let mut serve = tidings();
    serve.args(["serve", "--dev", "--listen", "127.0.0.1:0", "--outbox", &outbox]);
    let mut server = Server::run(disk.on_it(&serve));
    let mut client = Client::subscribed(&server, &["clock"]);

    // There is room for rows, and none for the audit of the first one.
    disk.write("large", 3 * 1024 * 1024);
    assert_eq!(insert(&disk, 1).code, Some(0));
    expect_tick(&mut client, 1);
    eventually("the log says it", || {
        let log = server.process().log();
        log.contains("published rows can't be deleted yet") && log.contains("make room on the disk")
    });
    assert_eq!(insert(&disk, 2).code, Some(0));
    expect_tick(&mut client, 2);
    assert_eq!(count(&disk), "2");

    // There is no room at all: the application can't commit.
    disk.fill("rest");
    let refused = sql(&disk, &large(3));
    assert!(refused.code != Some(0) && refused.stderr.contains("full"), "{refused:?}");
    server.publish_to("clock", &sample::ticked(4));
    expect_tick(&mut client, 4);

    disk.remove("rest");
    disk.remove("large");
    eventually("the rows are deleted", || count(&disk) == "0");
    assert_eq!(insert(&disk, 5).code, Some(0));
    expect_tick(&mut client, 5);
}
