//! Nobody takes what the process writes: its reader has gone or stalls, or the disk is full.

use std::{
    fs::OpenOptions,
    io::{PipeReader, Write},
    process::{Command, Stdio},
    thread,
};

use serde_json::json;
use tidings_tests::{
    Client, Process, Request, Server, eventually, finish, key_file, own_address, sample, tidings,
};

/// A log that nobody reads any more.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// A log that takes nothing while the reader is there: it is full already, and a thread waits to write more.
fn stalled() -> (PipeReader, Stdio) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let log = writer.try_clone().unwrap().into();
    thread::spawn(move || while writer.write_all(&[b'x'; 64 * 1024]).is_ok() {});
    (reader, log)
}

/// Returns a file on a full disk.
fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

/// Starts a server with --dev that writes its log there.
fn serve(flags: &[&str], level: &str, log: Stdio) -> Server {
    let mut command = tidings();
    command.args(["serve", "--dev", "--listen", "127.0.0.1:0"]).args(flags).env("RUST_LOG", level);
    Server::of(Process::start_with_log(command, log))
}

/// Whatever it has to say, it serves, and in the end it sends everybody away.
#[track_caller]
fn serves_and_drains(mut server: Server) {
    let mut client = Client::connect(&server);
    let hello = json!({ "op": "hello", "domains": { "staff": "other" }, "client": "other/1" });
    assert_eq!(client.ask(&hello)["op"], "welcome", "a client is let in that there is a line to write of");
    client.subscribe(&["staff:people"], None, "live");
    server.publish(&sample::person_updated(&sample::uuid()));
    client.expect("event");
    let strange = Request::post("/v1/publish").header("Origin", "https://example.com").body("{}");
    strange.send(server.address()).assert_problem(403, "forbidden");
    server.process().signal("TERM");
    client.expect("goaway");
    client.expect_close(1012);
    drop(client);
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn a_log_that_nobody_reads_any_more_ends_nothing() {
    for flags in [&["--log-format", "text"], &["--log-format", "json"]] {
        for level in ["info", "trace"] {
            serves_and_drains(serve(flags, level, closed()));
        }
    }
}

#[test]
fn a_log_on_a_full_disk_ends_nothing() {
    for flags in [&["--log-format", "text"], &["--log-format", "json"]] {
        serves_and_drains(serve(flags, "info", full()));
    }
}

#[test]
fn a_log_whose_reader_stalls_holds_nothing_up() {
    let (reader, log) = stalled();
    serves_and_drains(serve(&[], "trace", log));
    drop(reader);
}

#[test]
fn a_command_that_can_say_neither_its_result_nor_its_fault_ends_with_its_code() {
    let code = |arguments: &[&str], stdout: Stdio, stderr: Stdio| {
        let mut command = tidings();
        command.args(arguments).stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        command.status().unwrap().code()
    };
    for arguments in [
        &["completions", "bash"][..],
        &["token", "--jwt-key-file", &key_file("secret")],
        &["check-config", "--dev"],
    ] {
        assert_eq!(code(arguments, closed(), closed()), Some(0), "{arguments:?}");
        assert_eq!(code(arguments, full(), closed()), Some(1), "{arguments:?}");
        assert_eq!(code(arguments, full(), full()), Some(1), "{arguments:?}");
    }
    for stderr in [closed(), full()] {
        assert_eq!(code(&["serve"], closed(), stderr), Some(2), "a server without keys");
    }
}

#[test]
fn a_result_that_does_not_fit_on_the_disk_is_a_failure_that_says_so() {
    let server = Server::start();
    let event = sample::person_updated(&sample::uuid()).to_string();
    for arguments in [
        &["completions", "bash"][..],
        &["token", "--jwt-key-file", &key_file("secret")],
        &["check-config", "--dev"],
        &["publish", "--url", &server.url(), &event],
    ] {
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$@\" > /dev/full", "sh"]).arg(tidings().get_program()).args(arguments);
        let finished = finish(&mut command);
        assert_eq!(finished.code, Some(1), "{arguments:?}: {finished:?}");
        assert!(finished.stderr.contains("can't write to standard output"), "{arguments:?}: {finished:?}");
    }
}

#[test]
fn a_tail_whose_user_has_gone_comes_back_to_its_server() {
    let address = own_address();
    let server = Server::at(address, &[]);
    let mut command = tidings();
    command.args(["tail", "--url", &server.url(), "clock"]);
    let mut tail = Process::start_with_log(command, closed());
    eventually("the tail prints what is published", || {
        server.publish_to("clock", &sample::ticked(1));
        tail.try_line().is_some()
    });
    drop(server);
    // It has lost its connection, and said so to nobody.
    let server = Server::at(address, &[]);
    eventually("the tail is back, and prints a sync or an event of the new server", || {
        server.publish_to("clock", &sample::ticked(2));
        tail.try_line().is_some_and(|line| line.contains("\"number\":2"))
    });
}
