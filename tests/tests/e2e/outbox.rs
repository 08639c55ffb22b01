//! The outbox in an application's SQLite file: what is committed arrives, and nothing else.

mod commands;
mod committed;
mod databases;
mod embedded;
mod full;
mod old;
mod rows;

use rusqlite::Connection;
use serde_json::Value;
use tidings_tests::{AppFile, Client, Server, eventually, sample};

/// Starts a server on the outbox of a file.
#[track_caller]
fn serve(file: &AppFile) -> Server {
    Server::with(&["--outbox", &file.url()])
}

/// Reads the next event, which must have this number.
#[track_caller]
fn expect_tick(client: &mut Client, number: usize) -> Value {
    let event = client.expect("event");
    assert_eq!(event["event"], sample::ticked(number), "{event}");
    event
}

/// Waits until all rows have left the outbox.
#[track_caller]
fn expect_empty(file: &AppFile) {
    eventually("the outbox is empty", || file.count("tidings_outbox") == 0);
}

/// Writes an event in a transaction of its own.
fn tick(file: &AppFile, connection: &Connection, number: usize) {
    file.write(connection, &sample::ticked(number));
}
