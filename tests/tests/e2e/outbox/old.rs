//! Rows that have waited for longer than the log keeps events.

use rusqlite::{Connection, params};
use tidings_tests::{AppFile, Client, Request, Server, eventually, sample};

use super::{expect_empty, expect_tick, serve, tick};

/// The time of a row, as SQL, in milliseconds. The log of a server keeps events for 10 minutes.
const OLD: &str = "strftime('%s', 'now') * 1000 - 601000";

/// Inserts a row for the topic `clock` with this time, which is SQL.
#[track_caller]
fn insert(connection: &Connection, tenant: Option<&str>, event: &str, at: &str) {
    let insert =
        format!("INSERT INTO tidings_outbox(tenant, event, topics, at) VALUES (?1, ?2, '[\"clock\"]', {at})");
    connection.execute(&insert, params![tenant, event]).unwrap();
}

/// Reads until the event with this number. Returns the numbers of the events before it, and counts the syncs.
#[track_caller]
fn until(client: &mut Client, last: usize) -> (Vec<u64>, usize) {
    let (mut numbers, mut syncs) = (Vec::new(), 0);
    loop {
        let frame = client.next_frame();
        match frame["event"]["payload"]["number"].as_u64() {
            Some(number) if number == last as u64 => return (numbers, syncs),
            Some(number) => numbers.push(number),
            None => syncs += usize::from(frame["op"] == "sync"),
        }
    }
}

fn too_old(server: &Server) -> String {
    let page = Request::get("/metrics").send(server.address()).body;
    let line = page.lines().find(|line| line.starts_with("tidings_outbox_too_old_total"));
    line.and_then(|line| line.rsplit(' ').next()).unwrap_or_default().to_owned()
}

#[test]
fn rows_that_are_older_than_the_events_of_the_log_are_one_sync_and_no_dead_letters() {
    let file = AppFile::new("wal");
    let mut server = serve(&file);
    let mut client = Client::subscribed(&server, &["clock"]);
    let mut database = file.open();
    let transaction = database.transaction().unwrap();
    for number in 0..200 {
        insert(&transaction, None, &sample::ticked(number).to_string(), OLD);
    }
    insert(&transaction, None, "no event", OLD);
    insert(&transaction, Some("a b"), &sample::ticked(0).to_string(), OLD);
    // Times that are no times, or are still to come.
    for at in ["0.5", "'yesterday'", "x'00'", "9223372036854775807", "strftime('%s', 'now') * 1000 + 3600000"]
    {
        insert(&transaction, None, &sample::ticked(300).to_string(), at);
    }
    tick(&file, &transaction, 301);
    transaction.commit().unwrap();
    expect_empty(&file);
    server.publish_to("clock", &sample::ticked(302));
    assert_eq!(until(&mut client, 302), (vec![300, 300, 300, 300, 300, 301], 1));
    assert_eq!(file.count("tidings_dead_letters"), 1, "the row without a valid tenant");
    assert_eq!(too_old(&server), "201");
    eventually("the log says it", || server.process().log().contains("rows=201"));
    assert_eq!(server.process().log().matches("than the log keeps events").count(), 1);
}

#[test]
fn a_row_that_was_published_long_ago_is_a_sync_after_a_crash_and_no_second_event() {
    let file = AppFile::new("wal");
    let (outbox, journal) = (file.url(), format!("{}.journal", file.url()));
    let flags = ["--outbox", &outbox, "--journal", &journal];
    let database = file.open();
    // The server can't delete rows.
    database
        .execute_batch(
            "CREATE TRIGGER keep BEFORE DELETE ON tidings_outbox BEGIN SELECT raise(ABORT, 'no'); END",
        )
        .unwrap();
    let server = Server::with(&flags);
    let mut client = Client::subscribed(&server, &["clock"]);
    tick(&file, &database, 1);
    let position = expect_tick(&mut client, 1)["position"].clone();
    drop(server);
    database.execute(&format!("UPDATE tidings_outbox SET at = {OLD}"), []).unwrap();
    database.execute_batch("DROP TRIGGER keep").unwrap();
    let server = Server::with(&flags);
    expect_empty(&file);
    server.publish_to("clock", &sample::ticked(2));
    let mut client = Client::hello(&server);
    client.subscribe(&["clock"], position.as_str(), "resumed");
    assert_eq!(until(&mut client, 2), (vec![], 1));
}
