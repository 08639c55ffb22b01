//! A disk that is full: nothing is acknowledged that is not in the file, and publishing goes on when there is room.
//!
//! A limit on the size of a process's files stands for the disk.

use std::process::Command;

use serde_json::{Value, json};
use tidings_tests::{Client, Request, Server, eventually, finish, tidings};
use uuid::Uuid;

use crate::{place::Folder, process::journal_of};

/// Returns a command that serves. Its files can have so many kibibytes.
fn limited(kib: usize, folder: &Folder) -> Command {
    let mut command = Command::new("sh");
    // A write beyond the limit fails, and no signal ends the process.
    let limit = format!("trap '' XFSZ && ulimit -S -f {} && exec \"$@\"", 2 * kib);
    command.args(["-c", &limit, "sh"]).arg(tidings().get_program());
    command.args(["serve", "--dev", "--listen", "127.0.0.1:0", "--journal", &journal_of(folder)]);
    command
}

fn publish(server: &Server, number: usize) -> Result<String, u16> {
    let text = "x".repeat(100_000);
    let event =
        json!({ "domain": "clock", "event": "ticked", "payload": { "number": number, "text": text } });
    let answer = server
        .post(&json!({ "event": event, "topics": ["clock"], "key": Uuid::from_u128(number as u128 + 1) }));
    if answer.status != 200 {
        return Err(answer.status);
    }
    Ok(answer.json()["position"].as_str().unwrap().to_owned())
}

fn number(frame: &Value) -> usize {
    usize::try_from(frame["event"]["payload"]["number"].as_u64().unwrap()).unwrap()
}

#[test]
fn publishing_goes_on_when_there_is_room_and_what_was_acknowledged_is_there() {
    let folder = Folder::new();
    let mut server = Server::run(limited(1_024, &folder));
    let first = publish(&server, 0).unwrap();
    let mut acknowledged = 1;
    let refused = loop {
        match publish(&server, acknowledged) {
            Ok(_) => acknowledged += 1,
            Err(status) => break status,
        }
    };
    assert_eq!(refused, 503, "try again later");
    assert!((2..12).contains(&acknowledged), "{acknowledged} events of 100 kB are in a mebibyte");
    assert_eq!(Request::get("/health").send(server.address()).status, 200);
    assert!(server.process().log().contains("check the disk"), "{}", server.process().log());
    let id = server.process().id().to_string();
    let lifted = Command::new("prlimit").args(["--fsize=unlimited", "--pid", &id]).status();
    assert!(lifted.is_ok_and(|status| status.success()), "prlimit of util-linux is there");
    eventually("publishing goes on", || publish(&server, acknowledged).is_ok());
    server.process().signal("KILL");
    server.exit_code();
    let server = Server::with(&["--journal", &journal_of(&folder)]);
    let mut client = Client::hello(&server);
    client.subscribe(&["clock"], Some(&first), "resumed");
    for expected in 1..=acknowledged {
        assert_eq!(number(&client.expect("event")), expected);
    }
}

#[test]
fn a_start_on_a_full_disk_is_refused_and_changes_nothing() {
    let folder = Folder::new();
    let refused = || {
        let finished = finish(&mut limited(8, &folder));
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(finished.stderr.contains("check the disk"), "{finished:?}");
    };
    refused();
    assert_eq!(folder.bytes(), [], "no file appears");
    drop(folder.journal());
    let before = folder.bytes();
    refused();
    assert_eq!(folder.bytes(), before);
}
