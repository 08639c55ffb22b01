//! A running server whose journal cannot be read for a while.

use std::{fs, path::PathBuf};

use serde_json::json;
use tidings_tests::{Client, Request, Server, eventually, sample};

use crate::{place::Folder, process::journal_of};

/// Stops the process while its files are moved: it must not see one of them without the other.
fn move_files(server: &mut Server, act: impl FnOnce()) {
    server.process().signal("STOP");
    act();
    server.process().signal("CONT");
}

#[test]
fn while_the_file_is_away_sessions_are_degraded_and_then_they_have_missed_nothing() {
    let folder = Folder::new();
    let mut server = Server::with(&["--journal", &journal_of(&folder)]);
    let mut client = Client::subscribed(&server, &["clock"]);
    let position = server.publish_to("clock", &sample::ticked(1))["position"].clone();
    assert_eq!(client.expect("event")["position"], position);

    let aside = |suffix: &str| -> PathBuf { folder.path().with_file_name(format!("aside{suffix}")) };
    move_files(&mut server, || {
        for suffix in ["", "-wal"] {
            fs::rename(folder.file(suffix), aside(suffix)).unwrap();
        }
        fs::write(folder.path(), "this is no journal").unwrap();
    });
    let publish = json!({ "event": sample::ticked(2), "topics": ["clock"] });
    server.post(&publish).assert_problem(503, "overloaded");
    eventually("the server is not ready", || Request::get("/ready").send(server.address()).status == 503);
    client.expect("degraded");
    eventually("the log says why", || server.process().log().contains("is no SQLite database"));
    let mut late = Client::hello(&server);
    late.expect("degraded");
    late.subscribe(&["clock"], Some(position.as_str().unwrap()), "resumed");

    move_files(&mut server, || {
        fs::remove_file(folder.path()).unwrap();
        for suffix in ["", "-wal"] {
            fs::rename(aside(suffix), folder.file(suffix)).unwrap();
        }
    });
    // No sync: the history is the same.
    for client in [&mut client, &mut late] {
        assert_eq!(client.expect("restored")["position"], position);
    }
    assert_eq!(Request::get("/ready").send(server.address()).status, 200);
    let position = server.publish_to("clock", &sample::ticked(3))["position"].clone();
    for client in [&mut client, &mut late] {
        assert_eq!(client.expect("event")["position"], position);
    }
}
