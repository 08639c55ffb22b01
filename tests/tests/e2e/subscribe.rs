//! Subscriptions: their outcomes, what they deliver, and their end.

use serde_json::{Value, json};
use tidings_shared::limits;
use tidings_tests::{Client, Server, sample};

const PERSON: &str = "0198c0de-0000-7000-8000-00000000002a";

fn topics_of(frame: &Value) -> Vec<&str> {
    let mut topics: Vec<&str> =
        frame["topics"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
    topics.sort_unstable();
    topics
}

#[test]
fn an_event_posted_with_curl_reaches_every_subscriber_once_with_its_undeclared_keys() {
    let server = Server::start();
    let (team, person) = (sample::uuid(), sample::uuid());
    let own_topic = format!("staff:person:{person}");
    let mut first = Client::subscribed(&server, &["staff:people"]);
    let mut second = Client::subscribed(&server, &["staff:people"]);
    let mut both = Client::subscribed(&server, &["staff:people", &own_topic]);
    let mut apart = Client::subscribed(&server, &["staff:people"]);
    apart.subscribe(&[&own_topic], None, "live");
    let mut elsewhere = Client::subscribed(&server, &["projects:all", "staff:departments"]);

    let payload = json!({ "team_uuid": team, "staff_person_uuid": person, "note": "kept" });
    let event = json!({ "domain": "staff", "event": "team_person_added", "payload": payload });
    let answer = server.publish(&event);
    let team_topic = format!("staff:team:{team}");
    let mut expected = vec!["staff:teams", &team_topic, "staff:people", &own_topic];
    expected.sort_unstable();
    assert_eq!(topics_of(&answer), expected);

    let next = server
        .publish(&json!({ "domain": "staff", "event": "person_deleted", "payload": { "uuid": person } }));
    for (client, topics) in [
        (&mut first, vec!["staff:people"]),
        (&mut second, vec!["staff:people"]),
        (&mut both, vec!["staff:people", own_topic.as_str()]),
        (&mut apart, vec!["staff:people", own_topic.as_str()]),
    ] {
        let frame = client.expect("event");
        assert_eq!((&frame["event"], topics_of(&frame)), (&event, topics.clone()));
        assert_eq!((&frame["position"], &frame["key"]), (&answer["position"], &answer["key"]));
        assert!(
            frame["at"].as_u64().unwrap() > 1_700_000_000_000 && frame.get("origin").is_none(),
            "{frame}"
        );
        let frame = client.expect("event");
        assert_eq!((&frame["position"], topics_of(&frame)), (&next["position"], topics), "each once");
    }
    server.publish(&sample::task_updated(&person));
    assert_eq!(
        elsewhere.expect("event")["event"]["event"],
        "task_updated",
        "nothing of what it did not ask for"
    );
}

#[test]
fn every_topic_of_a_subscribe_has_its_own_outcome_in_its_order() {
    let server = Server::start();
    let mut client = Client::hello(&server);
    let long = format!("t:{}", "a".repeat(254));
    let topics =
        ["staff:people", "staff:peple", "staff:*", "", "helpdesk:queue:a", "staff:person:7", "a b", &long];
    let answer = client.ask(&json!({ "op": "subscribe", "ref": 4, "topics": topics }));
    let refused = |topic: &str| json!({ "topic": topic, "outcome": "refused", "code": "invalid_topic" });
    let live = |topic: &str| json!({ "topic": topic, "outcome": "live" });
    let expected = json!([
        live("staff:people"),
        refused("staff:peple"),
        refused("staff:*"),
        refused(""),
        live("helpdesk:queue:a"),
        refused("staff:person:7"),
        refused("a b"),
        refused(&long),
    ]);
    assert_eq!(
        (&answer["op"], &answer["ref"], &answer["topics"]),
        (&json!("subscribed"), &json!(4), &expected)
    );
    server.publish(&sample::person_updated(PERSON));
    client.expect("event");
}

#[test]
fn uuids_in_topics_are_lower_cased_and_two_spellings_are_one_subscription() {
    let server = Server::start();
    let mut client = Client::hello(&server);
    let (lower, upper) =
        (format!("staff:person:{PERSON}"), format!("staff:person:{}", PERSON.to_uppercase()));
    let answer = client.ask(&json!({ "op": "subscribe", "ref": 1, "topics": [upper, lower, lower] }));
    let live = json!({ "topic": lower, "outcome": "live" });
    assert_eq!(answer["topics"], json!([live, live, live]));
    for spelling in [PERSON.to_uppercase(), PERSON.to_owned()] {
        server.publish(&sample::person_updated(&spelling));
        let frame = client.expect("event");
        assert_eq!(
            (&frame["topics"], &frame["event"]["payload"]["uuid"]),
            (&json!([lower]), &json!(spelling))
        );
    }
    let answer = client.ask(&json!({ "op": "unsubscribe", "ref": 2, "topics": [upper] }));
    assert_eq!(answer, json!({ "op": "unsubscribed", "ref": 2, "topics": [lower] }));
    server.publish(&sample::person_updated(PERSON));
    assert_eq!(client.ask(&json!({ "op": "ping", "ref": 3 }))["op"], "pong");
    client.subscribe(&["projects:all"], None, "live");
    server.publish(&sample::task_updated(PERSON));
    assert_eq!(client.expect("event")["topics"], json!(["projects:all"]));
}

#[test]
fn an_unsubscribed_topic_is_silent_and_the_others_go_on() {
    let server = Server::start();
    let own = format!("staff:person:{PERSON}");
    let mut client = Client::subscribed(&server, &["staff:people", &own, "projects:all"]);
    let answer =
        client.ask(&json!({ "op": "unsubscribe", "ref": 9, "topics": ["staff:people", "projects:all"] }));
    assert_eq!(answer, json!({ "op": "unsubscribed", "ref": 9, "topics": ["staff:people", "projects:all"] }));
    server.publish(&sample::task_updated(PERSON));
    server.publish(&sample::person_updated(PERSON));
    let frame = client.expect("event");
    assert_eq!((&frame["topics"], &frame["event"]["event"]), (&json!([own]), &json!("person_updated")));
    client.subscribe(&["staff:people"], None, "live");
    server.publish(&sample::person_updated(PERSON));
    assert_eq!(topics_of(&client.expect("event")), ["staff:people", own.as_str()]);
}

#[test]
fn unsubscribing_from_what_is_not_subscribed_or_no_topic_does_no_harm() {
    let server = Server::start();
    let mut client = Client::subscribed(&server, &["staff:people"]);
    let topics = json!(["staff:teams", "no topic", "", "staff:peple"]);
    let answer = client.ask(&json!({ "op": "unsubscribe", "ref": 1, "topics": topics }));
    assert_eq!((&answer["op"], &answer["ref"]), (&json!("unsubscribed"), &json!(1)));
    server.publish(&sample::person_updated(PERSON));
    client.expect("event");
}

#[test]
fn subscribing_twice_delivers_once() {
    let server = Server::start();
    let mut client = Client::subscribed(&server, &["staff:people"]);
    client.subscribe(&["staff:people"], None, "live");
    client.subscribe(&["staff:people", "staff:people"], None, "live");
    let first = server.publish(&sample::person_updated(PERSON));
    let second = server.publish(&sample::person_updated(PERSON));
    assert_eq!(client.expect("event")["position"], first["position"]);
    assert_eq!(client.expect("event")["position"], second["position"]);
    client.ask(&json!({ "op": "unsubscribe", "ref": 1, "topics": ["staff:people"] }));
    server.publish(&sample::person_updated(PERSON));
    client.subscribe(&["projects:all"], None, "live");
    server.publish(&sample::task_updated(PERSON));
    assert_eq!(client.expect("event")["topics"], json!(["projects:all"]), "one unsubscribe is enough");
}

#[test]
fn a_session_has_1_024_topics_and_refuses_the_next_until_there_is_room() {
    let server = Server::start();
    let mut client = Client::hello(&server);
    let names: Vec<String> = (0..1_024).map(|n| format!("many:{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for frame in names[..1_000].chunks(128) {
        client.subscribe(frame, None, "live");
    }
    let mut more: Vec<&str> = names[990..].to_vec();
    more.push("many:1024");
    let answer = client.ask(&json!({ "op": "subscribe", "ref": 2, "topics": more }));
    let outcomes = answer["topics"].as_array().unwrap();
    assert!(outcomes[..34].iter().all(|outcome| outcome["outcome"] == "live"), "{answer}");
    let refused = json!({ "topic": "many:1024", "outcome": "refused", "code": "too_many_topics" });
    assert_eq!(outcomes[34], refused);
    client.ask(&json!({ "op": "unsubscribe", "ref": 3, "topics": ["many:0"] }));
    client.subscribe(&["many:1024"], None, "live");
}

#[test]
fn a_frame_with_129_topics_is_refused_and_the_session_goes_on() {
    let server = Server::start();
    let mut client = Client::subscribed(&server, &["staff:people"]);
    let topics: Vec<String> = (0..129).map(|n| format!("many:{n}")).collect();
    for op in ["subscribe", "unsubscribe"] {
        let answer = client.ask(&json!({ "op": op, "ref": 5, "topics": topics }));
        assert_eq!(
            (&answer["op"], &answer["ref"], &answer["code"]),
            (&json!("error"), &json!(5), &json!("too_many_topics"))
        );
    }
    client.subscribe(&topics[..127].iter().map(String::as_str).collect::<Vec<_>>(), None, "live");
    server.publish(&sample::person_updated(PERSON));
    client.expect("event");
}

#[test]
fn the_number_of_topics_is_a_setting() {
    let server = Server::with(&["--max-topics-per-session", "2"]);
    let mut client = Client::subscribed(&server, &["many:1", "many:2"]);
    client.subscribe(&["many:2"], None, "live");
    let answer = client.ask(&json!({ "op": "subscribe", "ref": 2, "topics": ["many:3", "no topic"] }));
    assert_eq!(
        (&answer["topics"][0]["code"], &answer["topics"][1]["code"]),
        (&json!("too_many_topics"), &json!("invalid_topic"))
    );
}

#[test]
fn a_subscription_ends_with_its_session_and_others_keep_theirs() {
    let server = Server::start();
    let mut stays = Client::subscribed(&server, &["staff:people"]);
    for _ in 0..20 {
        Client::subscribed(&server, &["staff:people"]).close();
    }
    drop(Client::subscribed(&server, &["staff:people"]));
    server.publish(&sample::person_updated(PERSON));
    stays.expect("event");
}

#[test]
fn a_domain_that_the_server_does_not_know_is_told_with_the_one_that_was_meant_and_its_topics_are_in_force() {
    let mut server = Server::start();
    let mut client = Client::hello(&server);
    let topics = ["staf:people", "staf:teams", "staff:people", "orders:1", "staff:peple"];
    let answer = client.ask(&json!({ "op": "subscribe", "ref": 1, "topics": topics }));
    let outcomes = ["live", "live", "live", "live", "refused"];
    assert_eq!(
        answer["topics"].as_array().unwrap().iter().map(|t| &t["outcome"]).collect::<Vec<_>>(),
        outcomes
    );
    assert_eq!(
        answer["unknown_domains"],
        json!([{ "domain": "staf", "nearest": "staff" }, { "domain": "orders" }])
    );
    let answer = client.ask(&json!({ "op": "subscribe", "ref": 2, "topics": ["staff:teams"] }));
    assert_eq!(answer.get("unknown_domains"), None);
    // So many that nobody means them.
    let many: Vec<String> = (0..100).map(|number| format!("domain-{number}:x")).collect();
    let answer = client.ask(&json!({ "op": "subscribe", "ref": 3, "topics": many }));
    assert_eq!(answer["unknown_domains"].as_array().unwrap().len(), limits::MAX_UNKNOWN_DOMAINS);
    // The operator reads it once, and only of what is likely to be a typo.
    drop(client);
    server.process().signal("TERM");
    assert_eq!(server.exit_code(), Some(0));
    let log = server.process().log();
    assert_eq!(log.matches("was \"staff\" meant?").count(), 1, "{log}");
    assert!(!log.contains("orders"), "{log}");
}
