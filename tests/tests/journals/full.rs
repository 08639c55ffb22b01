//! A disk that is full: nothing is acknowledged that is not in the file, and publishing goes on when there is room.
//!
//! The first test fills a real disk. In the others a limit on the size of a process's files stands for it.

use std::{
    net::SocketAddr,
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use serde_json::{Value, json};
use tidings_tests::{Client, Request, Server, SmallDisk, eventually, finish, tidings};
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
    publish_to(server.address(), number)
}

/// Publishes an event of 100 kB.
fn publish_to(address: SocketAddr, number: usize) -> Result<String, u16> {
    let text = "x".repeat(100_000);
    let event =
        json!({ "domain": "clock", "event": "ticked", "payload": { "number": number, "text": text } });
    let key = Uuid::from_u128(number as u128 + 1);
    let body = json!({ "event": event, "topics": ["clock"], "key": key }).to_string();
    let answer = Request::post("/v1/publish").body(body).send(address);
    if answer.status != 200 {
        return Err(answer.status);
    }
    Ok(answer.json()["position"].as_str().unwrap().to_owned())
}

fn number(frame: &Value) -> usize {
    usize::try_from(frame["event"]["payload"]["number"].as_u64().unwrap()).unwrap()
}

/// Publishes events from this number on, one after the other, until `has_ended` or an error. Notes the positions of those
/// that are acknowledged.
fn publish_all(address: SocketAddr, first: usize, acknowledged: &Mutex<Vec<String>>, has_ended: &AtomicBool) {
    for number in first.. {
        let Ok(position) = publish_to(address, number) else { return };
        acknowledged.lock().unwrap().push(position);
        if has_ended.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// Waits until the log says once more that the disk is full, and why publishes wait.
#[track_caller]
fn expect_full(server: &mut Server, times: usize) {
    eventually("the log says it", || {
        server.process().log().matches("the disk is full; make room, and publishing goes on").count() >= times
    });
}

#[test]
fn on_a_real_disk_publishes_wait_for_room_and_a_start_without_room_is_refused() {
    let Some(disk) = SmallDisk::mount(4 * 1024 * 1024) else { return };
    let serve = || {
        let mut command = tidings();
        let journal = format!("sqlite:{}", disk.path("events.journal").display());
        command.args(["serve", "--dev", "--listen", "127.0.0.1:0", "--journal", &journal]);
        disk.on_it(&command)
    };
    let mut server = Server::run(serve());
    let (acknowledged, has_ended) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let count = || acknowledged.lock().unwrap().len();
    acknowledged.lock().unwrap().push(publish(&server, 0).unwrap());
    disk.fill("filler");
    let address = server.address();
    thread::scope(|scope| {
        let publisher = {
            let (acknowledged, has_ended) = (&acknowledged, &has_ended);
            scope.spawn(move || publish_all(address, 1, acknowledged, has_ended))
        };
        expect_full(&mut server, 1);
        let before = count();
        assert_eq!(Request::get("/health").send(address).status, 200);
        disk.remove("filler");
        // The publish that waits is acknowledged, and those after it.
        eventually("publishing goes on", || count() > before + 1);
        has_ended.store(true, Ordering::Relaxed);
        publisher.join().unwrap();
    });

    // The process is killed while the disk is full.
    disk.fill("filler");
    let next = count();
    thread::scope(|scope| {
        let publisher = {
            let (acknowledged, has_ended) = (&acknowledged, AtomicBool::new(false));
            scope.spawn(move || publish_all(address, next, acknowledged, &has_ended))
        };
        expect_full(&mut server, 2);
        server.process().signal("KILL");
        server.exit_code();
        // Its connection ends without an answer.
        let _ = publisher.join();
    });
    let before = disk.file("events.journal");
    let refused = finish(&mut serve());
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("--journal") && refused.stderr.contains("disk"), "{refused:?}");
    assert_eq!(disk.file("events.journal"), before);

    disk.remove("filler");
    let server = Server::run(serve());
    let acknowledged = acknowledged.into_inner().unwrap();
    let mut client = Client::hello(&server);
    client.subscribe(&["clock"], Some(&acknowledged[0]), "resumed");
    for (expected, position) in acknowledged.iter().enumerate().skip(1) {
        let event = client.expect("event");
        assert_eq!((number(&event), event["position"].as_str()), (expected, Some(position.as_str())));
    }
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
