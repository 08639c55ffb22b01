//! Publishing over the WebSocket and over HTTP: what is accepted, what is refused, and what arrives.

use std::path::Path;

use serde_json::{Value, json};
use tidings_tests::{Client, Request, Server, eventually, sample};
use tokio_tungstenite::tungstenite::Message;

/// The cases of a list of `vectors/events.json`.
fn vectors(list: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/events.json");
    let mut whole: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    serde_json::from_value(whole[list].take()).unwrap()
}

/// The body of a publish, without `topics` where the case has none.
fn body_of(case: &Value) -> Value {
    let mut body = json!({ "event": case["event"] });
    if let Some(topics) = case.get("topics") {
        body["topics"] = topics.clone();
    }
    body
}

fn sorted(topics: &Value) -> Vec<&str> {
    let mut topics: Vec<&str> =
        topics.as_array().unwrap().iter().map(|topic| topic.as_str().unwrap()).collect();
    topics.sort_unstable();
    topics
}

#[test]
fn every_event_of_the_vectors_arrives_as_it_was_sent_on_the_topics_of_its_vector() {
    let server = Server::start();
    for case in vectors("good") {
        let reaches = sorted(&case["reaches"]);
        let mut client = Client::subscribed(&server, &reaches);
        let answer = server.post(&body_of(&case));
        assert_eq!(answer.status, 200, "{case}: {answer:?}");
        assert_eq!(
            (answer.header("content-type"), sorted(&answer.json()["topics"])),
            (Some("application/json"), reaches.clone())
        );
        let frame = client.expect("event");
        assert_eq!(
            (&frame["event"], sorted(&frame["topics"])),
            (&case["event"], reaches),
            "{}",
            case["name"]
        );
    }
}

#[test]
fn every_refused_event_of_the_vectors_has_its_code_over_http_and_over_the_websocket() {
    let server = Server::with(&["--frames-per-second", "1000"]);
    let mut publisher = Client::hello(&server);
    let mut subscriber = Client::subscribed(
        &server,
        &[
            "catalogue",
            "staff:people",
            "projects:all",
            "store:users",
            "helpdesk:queue:1",
            "crm:contact:0198c0de-0000-7000-8000-00000000000b:interactions",
        ],
    );
    for (number, case) in vectors("refused").iter().enumerate() {
        let code = case["code"].as_str().unwrap();
        let status = match code {
            "unknown_event" | "invalid_event" => 422,
            _ => 400,
        };
        server.post(&body_of(case)).assert_problem(status, code);
        let mut frame = body_of(case);
        frame["op"] = "publish".into();
        frame["ref"] = number.into();
        let answer = publisher.ask(&frame);
        assert_eq!(
            (&answer["op"], &answer["ref"], &answer["code"]),
            (&json!("error"), &json!(number), &json!(code)),
            "{case}"
        );
    }
    let answer = server.publish(&sample::person_updated(&sample::uuid()));
    assert_eq!(subscriber.expect("event")["position"], answer["position"], "nothing was published before");
    assert!(answer["position"].as_str().unwrap().contains(".1."), "the first of all: {answer}");
}

#[test]
fn a_publish_over_the_websocket_names_the_whole_fan_out_and_reaches_its_own_publisher() {
    let server = Server::start();
    let uuid = sample::uuid();
    let mut client = Client::subscribed(&server, &["staff:people"]);
    let event = sample::person_updated(&uuid);
    client.send(&json!({ "op": "publish", "ref": 0, "event": event, "origin": "tab-7 \"é\u{2028}" }));
    let (mut published, mut event_frame) = (client.next_frame(), client.next_frame());
    if published["op"] == "event" {
        std::mem::swap(&mut published, &mut event_frame);
    }
    assert_eq!((&published["op"], &published["ref"]), (&json!("published"), &json!(0)));
    assert_eq!(sorted(&published["topics"]), ["staff:people", &format!("staff:person:{uuid}")]);
    assert!(
        published["key"].as_str().unwrap().parse::<uuid::Uuid>().is_ok_and(|key| key.get_version_num() == 7)
    );
    assert_eq!((&event_frame["op"], &event_frame["topics"]), (&json!("event"), &json!(["staff:people"])));
    assert_eq!(event_frame["origin"], "tab-7 \"é\u{2028}");
    assert_eq!((&event_frame["position"], &event_frame["key"]), (&published["position"], &published["key"]));
}

#[test]
fn the_same_key_answers_the_first_publication_also_when_the_log_has_moved_on() {
    let server = Server::with(&["--log-max-entries", "100", "--key-max-age", "1h"]);
    let mut client = Client::subscribed(&server, &["clock"]);
    let publish = |number: usize, key: &str| {
        server.post(&json!({ "event": sample::ticked(number), "topics": ["clock"], "key": key })).json()
    };
    let key = sample::uuid();
    let first = publish(0, &key);
    client.expect("event");
    for number in 1..=100 {
        publish(number, &sample::uuid());
        client.expect("event");
    }
    assert_eq!(publish(0, &key), first);
    let other = publish(101, &sample::uuid());
    assert_eq!(client.expect("event")["position"], other["position"], "the second try was no publication");
}

#[test]
fn the_same_key_again_answers_the_first_publication_wherever_it_comes_from() {
    let server = Server::start();
    let (key, uuid) = (sample::uuid(), sample::uuid());
    let mut client = Client::subscribed(&server, &["staff:people", "projects:all"]);
    let first =
        server.post(&json!({ "event": sample::person_updated(&uuid), "key": key, "origin": "a" })).json();
    assert_eq!(first["key"], json!(key));
    // Bodies are not compared.
    for again in [
        json!({ "event": sample::person_updated(&uuid), "key": key }),
        json!({ "event": sample::person_updated(&uuid), "key": key.to_uppercase() }),
        json!({ "event": { "domain": "staff", "event": "person_deleted", "payload": { "uuid": uuid } }, "key": key }),
    ] {
        assert_eq!(server.post(&again).json(), first);
    }
    // Topics are: nobody would hear of this one.
    server
        .post(&json!({ "event": sample::task_updated(&uuid), "key": key }))
        .assert_problem(403, "forbidden");
    let mut other = Client::hello(&server);
    let answer =
        other.ask(&json!({ "op": "publish", "ref": 3, "event": sample::person_updated(&uuid), "key": key }));
    let expected = json!({ "op": "published", "ref": 3, "key": key, "position": first["position"], "topics": first["topics"] });
    assert_eq!(answer, expected);
    let next = server.publish(&sample::task_updated(&uuid));
    assert_eq!(client.expect("event")["position"], first["position"]);
    assert_eq!(client.expect("event")["position"], next["position"], "one key, one publication");
}

#[test]
fn a_key_whose_time_is_over_is_remembered_as_long_as_the_log_holds_its_publication() {
    let server = Server::with(&["--log-max-entries", "2", "--key-max-age", "1ms"]);
    let post = |key: &str| {
        server.post(&json!({ "event": sample::ticked(1), "topics": ["clock"], "key": key })).json()
    };
    let keys = [sample::uuid(), sample::uuid(), sample::uuid()];
    let first = post(&keys[0]);
    post(&keys[1]);
    assert_eq!(post(&keys[0]), first);
    post(&keys[2]);
    eventually("it is forgotten", || post(&keys[0])["position"] != first["position"]);
}

#[test]
fn a_payload_arrives_to_the_letter() {
    let server = Server::start();
    let mut client = Client::subscribed(&server, &["raw"]);
    let payload = r#"{ "k":1,"k":2, "n":123456789012345678901234567890, "z":-0.0, "e":"\u00e9\/\ud83d\ude00", "":[ ] }"#;
    let event = format!(r#"{{"domain":"raw","event":"x","payload":{payload}}}"#);
    let mut publisher = tidings_tests::RawSocket::hello(server.address());
    publisher.send(&tidings_tests::Frame::text(r#"{"op":"subscribe","ref":1,"topics":["raw"]}"#));
    assert_eq!(publisher.next_frame()["op"], "subscribed");
    let answer = Request::post("/v1/publish")
        .body(format!(r#"{{"event":{event},"topics":["raw"]}}"#))
        .send(server.address());
    assert_eq!(answer.status, 200, "{answer:?}");
    let (_, frame) = publisher.read().unwrap();
    let frame = String::from_utf8(frame).unwrap();
    assert!(frame.ends_with(&format!(r#""event":{event}}}"#)), "{frame}");
    client.expect("event");
}

#[test]
fn an_event_as_large_as_a_frame_may_be_arrives_whole() {
    let server = Server::start();
    let mut subscriber = Client::subscribed(&server, &["big"]);
    let mut publisher = Client::hello(&server);
    let frame = |text: &str| {
        json!({ "op": "publish", "ref": 1, "event": { "domain": "big", "event": "x", "payload": { "text": text } }, "topics": ["big"] })
            .to_string()
    };
    let text = "é".repeat((65536 - frame("").len()) / 2);
    let mut message = frame(&text);
    message.push_str(&" ".repeat(65536 - message.len()));
    publisher.send_message(Message::text(message.clone()));
    publisher.expect("published");
    assert_eq!(subscriber.expect("event")["event"]["payload"]["text"], json!(text));
    message.push(' ');
    publisher.send_message(Message::text(message));
    publisher.expect_end("too_large", 1009);
}

#[test]
fn an_event_as_large_as_a_body_may_be_reaches_every_socket() {
    let server = Server::start();
    let since = Client::hello(&server).subscribe(&["big"], None, "live");
    let mut subscriber = Client::subscribed(&server, &["big"]);
    let body = |text: &str| {
        let event = json!({ "domain": "big", "event": "x", "payload": { "text": text } });
        json!({ "event": event, "topics": ["big"] })
    };
    let text = "x".repeat(256 * 1024 - body("").to_string().len());
    assert_eq!(server.post(&body(&text)).status, 200);
    assert_eq!(subscriber.expect("event")["event"]["payload"]["text"], json!(text));
    assert_eq!(subscriber.ask(&json!({ "op": "ping", "ref": 1 }))["op"], "pong");
    let mut later = Client::hello(&server);
    later.subscribe(&["big"], since["position"].as_str(), "resumed");
    assert_eq!(later.expect("event")["event"]["payload"]["text"], json!(text));
}

#[test]
fn topics_that_a_publisher_names_are_lower_cased_and_counted_once() {
    let server = Server::start();
    let contact = sample::uuid();
    let topic = format!("crm:contact:{contact}:interactions");
    let upper = format!("crm:contact:{}:interactions", contact.to_uppercase());
    let mut client = Client::subscribed(&server, &[&topic]);
    let event = json!({ "domain": "crm", "event": "interaction_created", "payload": { "interaction_uuid": sample::uuid() } });
    let answer = server.post(&json!({ "event": event, "topics": [upper, topic] })).json();
    assert_eq!(answer["topics"], json!([topic]));
    let frame = client.expect("event");
    assert_eq!((&frame["topics"], &frame["event"]), (&json!([topic]), &event));
}

#[test]
fn one_contact_never_learns_of_another() {
    let server = Server::start();
    let topics: Vec<String> =
        (0..3).map(|_| format!("crm:contact:{}:interactions", sample::uuid())).collect();
    let mut first = Client::subscribed(&server, &[&topics[0]]);
    let event = json!({ "domain": "crm", "event": "interaction_updated", "payload": { "interaction_uuid": sample::uuid() } });
    assert_eq!(server.post(&json!({ "event": event, "topics": topics })).status, 200);
    let frame = first.expect("event");
    assert_eq!((&frame["topics"], &frame["event"]), (&json!([topics[0]]), &event));
    assert!(topics[1..].iter().all(|topic| !frame.to_string().contains(&topic[12..48])), "{frame}");
}
