//! Coming back: what a position is good for, and when it is not.

use serde_json::{Value, json};
use tidings_tests::{Client, Server, sample};

fn number(frame: &Value) -> usize {
    usize::try_from(frame["event"]["payload"]["number"].as_u64().unwrap()).unwrap()
}

/// Publishes ticks with these numbers and returns the last position.
fn tick(server: &Server, topic: &str, numbers: std::ops::Range<usize>) -> String {
    let mut position = String::new();
    for number in numbers {
        let answer = server.post(&json!({ "event": sample::ticked(number), "topics": [topic] })).json();
        position = answer["position"].as_str().unwrap().to_owned();
    }
    position
}

/// The position of a client that has seen everything up to now.
fn position_now(server: &Server) -> String {
    let answer = Client::hello(server).subscribe(&["somewhere:else"], None, "live");
    answer["position"].as_str().unwrap().to_owned()
}

#[test]
fn a_client_that_comes_back_gets_what_it_missed_in_order_once_and_goes_on() {
    let server = Server::start();
    let mut client = Client::subscribed(&server, &["clock:a", "clock:b"]);
    tick(&server, "clock:a", 0..1);
    let since = client.expect("event")["position"].as_str().unwrap().to_owned();
    client.close();
    for n in 1..40 {
        tick(&server, if n % 2 == 0 { "clock:a" } else { "clock:b" }, n..n + 1);
        tick(&server, "clock:of_others", n..n + 1);
    }
    let mut client = Client::hello(&server);
    let answer = client.subscribe(&["clock:a", "clock:b"], Some(&since), "resumed");
    assert_eq!(answer["position"], json!(since), "everything after it follows");
    tick(&server, "clock:b", 40..41);
    for expected in 1..=40 {
        let frame = client.expect("event");
        assert_eq!(number(&frame), expected);
        assert_eq!(
            frame["topics"],
            json!([if expected % 2 == 0 && expected < 40 { "clock:a" } else { "clock:b" }])
        );
    }
}

#[test]
fn a_resume_replays_the_same_bytes() {
    let server = Server::start();
    let since = position_now(&server);
    let mut live = Client::subscribed(&server, &["clock"]);
    server.post(&json!({ "event": sample::ticked(1), "topics": ["clock"], "origin": "me" }));
    let seen = live.expect("event");
    let mut later = Client::hello(&server);
    later.subscribe(&["clock"], Some(&since), "resumed");
    assert_eq!(later.expect("event"), seen);
}

#[test]
fn a_resume_that_missed_nothing_replays_nothing() {
    let server = Server::start();
    let since = tick(&server, "clock", 0..5);
    let mut client = Client::hello(&server);
    client.subscribe(&["clock"], Some(&since), "resumed");
    tick(&server, "clock", 5..6);
    assert_eq!(number(&client.expect("event")), 5);
}

#[test]
fn a_topic_that_the_server_never_heard_of_resumes_too() {
    let server = Server::start();
    let since = tick(&server, "clock", 0..3);
    tick(&server, "clock", 3..6);
    let mut client = Client::hello(&server);
    client.subscribe(&["never:heard:of"], Some(&since), "resumed");
    tick(&server, "never:heard:of", 6..7);
    assert_eq!(number(&client.expect("event")), 6);
}

#[test]
fn missing_as_many_as_the_log_holds_resumes_and_one_more_is_one_sync() {
    let server = Server::with(&["--log-max-entries", "100"]);
    let since = tick(&server, "clock", 0..150);
    tick(&server, "clock", 150..250);
    let mut client = Client::hello(&server);
    client.subscribe(&["clock"], Some(&since), "resumed");
    for expected in 150..250 {
        assert_eq!(number(&client.expect("event")), expected);
    }
    tick(&server, "clock", 250..251);
    assert_eq!(number(&client.expect("event")), 250, "no sync, nothing twice");

    let mut client = Client::hello(&server);
    let answer = client.subscribe(&["clock"], Some(&since), "sync");
    tick(&server, "clock", 251..252);
    let frame = client.expect("event");
    assert_eq!(number(&frame), 251, "only what came after, and no second sync");
    assert_ne!(answer["position"], json!(since));
}

#[test]
fn the_log_that_has_just_filled_up_still_resumes_from_its_very_begin() {
    let server = Server::with(&["--log-max-entries", "10"]);
    let since = position_now(&server);
    tick(&server, "clock", 0..10);
    let mut client = Client::hello(&server);
    client.subscribe(&["clock"], Some(&since), "resumed");
    for expected in 0..10 {
        assert_eq!(number(&client.expect("event")), expected);
    }
    tick(&server, "clock", 10..11);
    Client::hello(&server).subscribe(&["clock"], Some(&since), "sync");
}

#[test]
fn the_bytes_of_the_log_are_bounded_too() {
    let server = Server::with(&["--log-max-bytes", "100000"]);
    let since = position_now(&server);
    let big = json!({ "domain": "clock", "event": "ticked", "payload": { "text": "x".repeat(30_000) } });
    for _ in 0..4 {
        assert_eq!(server.post(&json!({ "event": big, "topics": ["clock"] })).status, 200);
    }
    Client::hello(&server).subscribe(&["clock"], Some(&since), "sync");
}

#[test]
fn an_event_larger_than_the_log_is_a_sync_and_no_silence() {
    let server = Server::with(&["--log-max-bytes", "10000"]);
    let mut client = Client::subscribed(&server, &["clock", "clock:other"]);
    let big = json!({ "domain": "clock", "event": "ticked", "payload": { "text": "x".repeat(30_000) } });
    let answer = server.post(&json!({ "event": big, "topics": ["clock"] })).json();
    let frame = client.expect("sync");
    assert_eq!((&frame["topics"], &frame["position"]), (&json!(["clock"]), &answer["position"]));
    tick(&server, "clock", 1..2);
    assert_eq!(number(&client.expect("event")), 1);
}

#[test]
fn what_is_too_old_is_a_sync() {
    let server = Server::with(&["--log-max-age", "1ms"]);
    let since = position_now(&server);
    tick(&server, "clock", 0..2);
    // Publishing evicts what is older than a millisecond: sooner or later a position from the begin is gone.
    tidings_tests::eventually("the log lets go of what is old", || {
        tick(&server, "clock", 0..1);
        let mut client = Client::hello(&server);
        client.send(&json!({ "op": "subscribe", "ref": 1, "topics": ["clock"], "since": since }));
        client.expect("subscribed")["topics"][0]["outcome"] == "sync"
    });
}

#[test]
fn a_position_that_is_not_of_this_log_is_a_sync_and_what_follows_is_delivered() {
    let server = Server::start();
    let known = tick(&server, "clock", 0..5);
    let stranger = Server::start();
    let foreign = tick(&stranger, "clock", 0..5);
    let parts: Vec<&str> = known.split('.').collect();
    let with = |offset: &str, tag: &str| format!("{}.{offset}.{tag}", parts[0]);
    let other_tag = if parts[2] == "00000000" { "00000001" } else { "00000000" };
    for since in [
        "".to_owned(),
        "yesterday".to_owned(),
        "0".to_owned(),
        "../../etc/passwd".to_owned(),
        "\u{0}".to_owned(),
        "é".repeat(1000),
        foreign,
        with("5", other_tag),
        with("6", parts[2]),
        with("18446744073709551615", parts[2]),
        with("18446744073709551616", parts[2]),
        with("0", "00000001"),
        with("05", parts[2]),
        with("-1", parts[2]),
        known.to_uppercase() + "x",
        format!(" {known}"),
        format!("{known}\n"),
    ] {
        let mut client = Client::hello(&server);
        client.subscribe(&["clock", "clock:other"], Some(&since), "sync");
        tick(&server, "clock:other", 7..8);
        assert_eq!(number(&client.expect("event")), 7, "{since:?}");
    }
}

#[test]
fn a_restarted_server_answers_every_position_of_its_former_life_with_sync() {
    let before = Server::start();
    let since = tick(&before, "clock", 0..5);
    drop(before);
    let after = Server::start();
    tick(&after, "clock", 5..12);
    let mut client = Client::hello(&after);
    let answer = client.subscribe(&["clock"], Some(&since), "sync");
    let epoch = |position: &str| position.split('.').next().unwrap().to_owned();
    assert_ne!(epoch(answer["position"].as_str().unwrap()), epoch(&since));
    tick(&after, "clock", 12..13);
    assert_eq!(number(&client.expect("event")), 12);
}

#[test]
fn a_topic_subscribed_later_with_an_older_position_than_the_sessions_is_a_sync() {
    let server = Server::start();
    let old = tick(&server, "clock:a", 0..3);
    tick(&server, "clock:a", 3..6);
    let mut client = Client::subscribed(&server, &["clock:a"]);
    client.subscribe(&["clock:b"], Some(&old), "sync");
    let now = tick(&server, "clock:b", 6..7);
    assert_eq!(number(&client.expect("event")), 6);
    client.subscribe(&["clock:c"], Some(&now), "resumed");
    tick(&server, "clock:c", 7..8);
    assert_eq!(number(&client.expect("event")), 7);
}

#[test]
fn a_refused_topic_does_not_spoil_the_resume_of_the_others() {
    let server = Server::start();
    let since = position_now(&server);
    tick(&server, "clock", 0..2);
    let mut client = Client::hello(&server);
    let topics = ["staff:peple", "clock", "no topic"];
    let answer = client.ask(&json!({ "op": "subscribe", "ref": 1, "topics": topics, "since": since }));
    let outcomes: Vec<&str> =
        answer["topics"].as_array().unwrap().iter().map(|topic| topic["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["refused", "resumed", "refused"]);
    assert_eq!(number(&client.expect("event")), 0);
    assert_eq!(number(&client.expect("event")), 1);
}
