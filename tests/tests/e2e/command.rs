//! `tidings publish` and `tidings tail`.

use std::{net::TcpListener, process::Command};

use serde_json::{Value, json};
use tidings_tests::{Client, Finished, Process, Server, eventually, finish, own_address, sample, tidings};

fn publish(server: &Server, arguments: &[&str]) -> Finished {
    finish(tidings().args(["publish", "--url", &server.url()]).args(arguments))
}

fn tail(url: &str, topics: &[&str]) -> Process {
    let mut command: Command = tidings();
    command.args(["tail", "--url", url]).args(topics);
    Process::start(command)
}

/// Publishes ticks from this number on until the tail prints one, and returns the number of the last one published.
fn tick_until_heard(server: &Server, tail: &mut Process, mut number: usize) -> usize {
    eventually("the tail prints what is published", || {
        server.publish_to("clock", &sample::ticked(number));
        number += 1;
        tail.try_line().is_some()
    });
    number - 1
}

fn read(tail: &mut Process) -> Value {
    let line = tail.next_line();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn number_of(frame: &Value) -> usize {
    usize::try_from(frame["event"]["payload"]["number"].as_u64().unwrap()).unwrap()
}

#[test]
fn publish_prints_the_answer_and_the_event_arrives() {
    let server = Server::start();
    let uuid = sample::uuid();
    let mut client = Client::subscribed(&server, &["staff:people"]);
    let finished = publish(&server, &["--origin", "me", &sample::person_updated(&uuid).to_string()]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let answer: Value = serde_json::from_str(&finished.stdout).unwrap();
    let frame = client.expect("event");
    assert_eq!((&answer["position"], &answer["key"]), (&frame["position"], &frame["key"]));
    assert_eq!(answer["topics"], json!(["staff:people", format!("staff:person:{uuid}")]));
    assert_eq!((&frame["origin"], &frame["event"]), (&json!("me"), &sample::person_updated(&uuid)));
}

#[test]
fn publish_takes_topics_and_a_key() {
    let server = Server::start();
    let key = sample::uuid();
    let event = sample::ticked(1).to_string();
    let arguments = ["--topic", "clock:a", "--topic", "clock:b", "--key", &key, &event];
    let (first, again) = (publish(&server, &arguments), publish(&server, &arguments));
    assert_eq!((first.code, &first.stdout), (Some(0), &again.stdout), "{first:?}");
    let answer: Value = serde_json::from_str(&first.stdout).unwrap();
    assert_eq!((&answer["key"], &answer["topics"]), (&json!(key), &json!(["clock:a", "clock:b"])));
}

#[test]
fn what_cannot_be_published_is_a_failure_that_names_the_code() {
    let server = Server::start();
    let renamed = json!({ "domain": "staff", "event": "person_renamed", "payload": {} }).to_string();
    let wrong = sample::person_updated("7").to_string();
    for (event, code) in [(&renamed, "unknown_event"), (&wrong, "invalid_event")] {
        let finished = publish(&server, &[event]);
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""), "{finished:?}");
        assert!(finished.stderr.contains(code), "{finished:?}");
    }
    for event in ["garbage", "{}", "[]"] {
        let finished = publish(&server, &[event]);
        assert!(matches!(finished.code, Some(1 | 2)) && !finished.stderr.is_empty(), "{finished:?}");
    }
    let event = sample::person_updated(&sample::uuid()).to_string();
    for url in ["nonsense", "ftp://localhost", ""] {
        let finished = finish(tidings().args(["publish", "--url", url, &event]));
        assert_eq!(finished.code, Some(2), "{url}: {finished:?}");
    }
    assert_eq!(publish(&server, &["--key", "7", &event]).code, Some(2));
    assert_eq!(publish(&server, &[]).code, Some(2));
}

#[test]
fn publish_gives_up_when_nobody_answers() {
    // Accepts connections, and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = own_address();
    let event = sample::person_updated(&sample::uuid()).to_string();
    for address in [silent.local_addr().unwrap(), gone] {
        let url = format!("http://{address}");
        let finished = finish(tidings().args(["publish", "--timeout", "500ms", "--url", &url, &event]));
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""), "{finished:?}");
        assert!(!finished.stderr.is_empty());
    }
}

#[test]
fn tail_prints_every_event_as_a_line_until_it_is_told_to_end() {
    let server = Server::start();
    let mut tail = tail(&server.url(), &["clock", "staff:people"]);
    let last = tick_until_heard(&server, &mut tail, 0);
    // All that were published before the first that was seen to be printed come first.
    let uuid = sample::uuid();
    let answer = server.publish(&sample::person_updated(&uuid));
    let frame = loop {
        let frame = read(&mut tail);
        if frame["event"]["domain"] == "staff" {
            break frame;
        }
        assert!(number_of(&frame) <= last, "{frame}");
    };
    assert_eq!((&frame["op"], &frame["position"]), (&json!("event"), &answer["position"]));
    assert_eq!(
        (&frame["topics"], &frame["event"]),
        (&json!(["staff:people"]), &sample::person_updated(&uuid))
    );
    tail.signal("TERM");
    assert_eq!(tail.wait().1, Vec::<String>::new(), "nothing twice");
}

#[test]
fn tail_refuses_a_misspelt_topic() {
    let server = Server::start();
    for topic in ["staff:peple", "no topic"] {
        let finished = finish(tidings().args(["tail", "--url", &server.url(), topic]));
        assert!(matches!(finished.code, Some(1 | 2)) && finished.stderr.contains(topic), "{finished:?}");
    }
    assert_eq!(finish(tidings().args(["tail", "--url", &server.url()])).code, Some(2), "no topic at all");
}

#[test]
fn tail_warns_of_a_domain_that_the_server_does_not_know_and_goes_on() {
    let server = Server::start();
    let mut tail = tail(&server.url(), &["staf:people", "clock:a", "clock:b"]);
    eventually("the tail prints what is published", || {
        server.publish_to("clock:a", &sample::ticked(0));
        tail.try_line().is_some()
    });
    tail.signal("TERM");
    tail.wait();
    let said = tail.log();
    let typo = "the server has no domain \"staf\": was \"staff\" meant?";
    let meant = "the server has no domain \"clock\": events of this domain travel unchecked";
    assert_eq!((said.matches(typo).count(), said.matches(meant).count()), (1, 1), "{said}");
}

#[test]
fn tail_goes_on_after_the_server_was_restarted_and_says_sync() {
    let address = own_address();
    let server = Server::at(address, &[]);
    let mut tail = tail(&server.url(), &["clock"]);
    tick_until_heard(&server, &mut tail, 0);
    drop(server);
    let server = Server::at(address, &[]);
    let frame = loop {
        let frame = read(&mut tail);
        if frame["op"] != "event" {
            break frame;
        }
    };
    assert_eq!((&frame["op"], &frame["topics"]), (&json!("sync"), &json!(["clock"])));
    server.publish_to("clock", &sample::ticked(1000));
    assert_eq!(number_of(&read(&mut tail)), 1000, "the sync came once the subscription was in force");
}

#[test]
fn commands_say_why_there_is_no_connection_and_what_to_look_at() {
    let gone = own_address();
    let server = Server::start();
    let uri = |scheme: &str, path: &str| format!("{scheme}://{}{path}", server.address());
    let event = sample::person_updated(&sample::uuid()).to_string();
    for (url, why) in [
        (format!("http://{gone}"), "Connection refused"),
        (uri("http", "/elsewhere"), "404 Not Found"),
        (uri("https", ""), "https: and not http:"),
    ] {
        // On a busy machine no attempt may fail within a second.
        eventually(&format!("a command says {why:?}"), || {
            let finished = finish(tidings().args(["publish", "--timeout", "1s", "--url", &url, &event]));
            assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""), "{finished:?}");
            let said = finished.stderr.lines().last().unwrap_or_default();
            for part in ["nothing was published within 1s", "/v1/ws", "is the path right"] {
                assert!(said.contains(part), "{part}: {finished:?}");
            }
            said.contains(why)
        });
    }
    let mut tail = tail(&format!("http://{gone}"), &["clock"]);
    eventually("tail says what fails", || tail.log().contains("http: and not https:?\n"));
    tail.signal("TERM");
    tail.wait();
    let log = tail.log();
    assert!(log.contains(&format!("connect_failed: 3 attempts to connect failed: in the last one the WebSocket never opened. ws://{gone}/v1/ws: ")), "{log}");
    assert_eq!(log.matches("can't connect to").count(), 1, "{log}");
    assert!(!log.contains("disconnected"), "{log}");
}
