mod refresh;

use serde_json::{Value, json};
use tidings_shared::{Domains, RawEvent, code::close, limits::MAX_MESSAGE_BYTES_BEFORE_HELLO};

use super::*;
use crate::{
    HubSettings, Identity, LogLimits, PublishOptions, Revoke,
    test_support::{Access, Everybody, Peer, TestHost, at, at_once},
};
use std::sync::Arc;

mod health;
mod questions;
mod several_frames;
mod tokens;

const PERSON: &str = "0198c0de-0000-7000-8000-00000000000a";

fn hub() -> Hub {
    let log = LogLimits { max_entries: 100, ..LogLimits::default() };
    Hub::new(HubSettings { log, ..HubSettings::new("acme".parse().unwrap()) }, TestHost::default())
}

fn session(hub: &Hub) -> Peer {
    let access = Arc::new(Everybody);
    Peer::new(Uuid::from_u128(1), hub.clone(), access, SessionSettings::default(), at(0))
}

/// Returns all outputs of the session: frames as JSON, and a Close as `{"close":…}`.
fn poll(session: &mut Peer, now: Moment) -> Vec<Value> {
    let text = |output| match output {
        Output::Frame(frame) => serde_json::from_slice(frame.text()).unwrap(),
        Output::Ping => json!("ping"),
        Output::Pong(_) => json!("pong"),
        Output::Close { code, reason } => json!({ "close": code, "reason": reason }),
    };
    std::iter::from_fn(|| session.poll_output(now)).map(text).collect()
}

fn say(session: &mut Peer, frame: Value) -> Vec<Value> {
    session.handle_text(&frame.to_string(), at(0));
    poll(session, at(0))
}

/// Returns a session that has sent its welcome.
fn open(hub: &Hub) -> Peer {
    let mut session = session(hub);
    assert_eq!(say(&mut session, json!({ "op": "hello" }))[0]["op"], "welcome");
    session
}

fn ops(frames: &[Value]) -> Vec<&str> {
    frames.iter().map(|frame| frame["op"].as_str().unwrap_or("")).collect()
}

fn publish_person(session: &mut Peer) -> Vec<Value> {
    let event = json!({ "domain": "staff", "event": "person_updated", "payload": { "uuid": PERSON } });
    say(session, json!({ "op": "publish", "ref": 9, "event": event }))
}

#[test]
fn an_event_comes_once_and_names_both_topics() {
    let hub = hub();
    let mut session = open(&hub);
    let topics = json!([
        "staff:people",
        format!("staff:person:{PERSON}").to_uppercase().replace("STAFF:PERSON", "staff:person"),
        "staff:peple",
        "a b"
    ]);
    let subscribed = say(&mut session, json!({ "op": "subscribe", "ref": 1, "topics": topics }));
    assert_eq!(
        subscribed[0]["topics"],
        json!([
            { "topic": "staff:people", "outcome": "live" },
            { "topic": format!("staff:person:{PERSON}"), "outcome": "live" },
            { "topic": "staff:peple", "outcome": "refused", "code": "invalid_topic" },
            { "topic": "a b", "outcome": "refused", "code": "invalid_topic" },
        ])
    );
    let frames = publish_person(&mut session);
    assert_eq!(ops(&frames), ["published", "event"]);
    assert_eq!(frames[1]["topics"], json!(["staff:people", format!("staff:person:{PERSON}")]));
    assert_eq!(frames[0]["position"], frames[1]["position"]);
    assert_eq!(frames[0]["key"], frames[1]["key"]);
    let gone =
        say(&mut session, json!({ "op": "unsubscribe", "ref": 2, "topics": ["staff:people", "never:had"] }));
    assert_eq!(gone[0]["topics"], json!(["staff:people", "never:had"]));
    assert_eq!(publish_person(&mut session)[1]["topics"], json!([format!("staff:person:{PERSON}")]));
}

#[test]
fn a_client_that_was_away_gets_what_it_missed_after_its_position() {
    let hub = hub();
    let mut first = open(&hub);
    say(&mut first, json!({ "op": "subscribe", "ref": 1, "topics": ["staff:people"] }));
    let seen = publish_person(&mut first)[1]["position"].clone();
    drop(first);
    let mut other = open(&hub);
    let missed = publish_person(&mut other)[0]["position"].clone();
    let mut back = session(&hub);
    back.handle_text(r#"{"op":"hello"}"#, at(0));
    let subscribe = json!({ "op": "subscribe", "ref": 1, "topics": ["staff:people"], "since": seen });
    back.handle_text(&subscribe.to_string(), at(0));
    let frames = poll(&mut back, at(0));
    assert_eq!(ops(&frames), ["welcome", "subscribed", "event"]);
    assert_eq!(frames[1]["topics"][0]["outcome"], "resumed");
    assert_eq!((&frames[1]["position"], &frames[2]["position"]), (&seen, &missed));
    let again =
        json!({ "op": "subscribe", "ref": 1, "topics": ["staff:people"], "since": "a foreign position" });
    assert_eq!(say(&mut open(&hub), again)[0]["topics"][0]["outcome"], "sync");
}

#[test]
fn an_invalid_frame_ends_the_session_and_a_refused_one_does_not() {
    for (text, code) in [
        ("{", "invalid_frame"),
        ("[]", "invalid_frame"),
        (r#"{"op":7}"#, "invalid_frame"),
        (r#"{"op":"ping","ref":-1}"#, "invalid_frame"),
        (r#"{"op":"ping","ref":9007199254740992}"#, "invalid_frame"),
        (r#"{"op":"ping","ref":1,"ref":1}"#, "invalid_frame"),
        (r#"{"op":"subscribe","ref":1,"topics":"a"}"#, "invalid_frame"),
        (r#"{"op":"subscribe","ref":1,"topics":[],"since":1}"#, "invalid_frame"),
        (r#"{"op":"ping","ref":1,"x":1e400}"#, "invalid_frame"),
    ] {
        let mut session = open(&hub());
        session.handle_text(text, at(0));
        let frames = poll(&mut session, at(0));
        assert_eq!(frames[0]["code"], code, "{text}");
        assert_eq!(frames[1]["close"], 4400, "{text}");
        session.handle_text(r#"{"op":"ping","ref":1}"#, at(0));
        assert_eq!(poll(&mut session, at(0)), [json!(null); 0], "{text}");
    }
    let mut session = open(&hub());
    let staff = |event: &str, payload: Value| {
        let event = json!({ "domain": "staff", "event": event, "payload": payload });
        json!({ "op": "publish", "ref": 3, "event": event })
    };
    for (frame, code) in [
        (json!({ "op": "dance", "ref": 3 }), "unknown_op"),
        (staff("person_renamed", json!({})), "unknown_event"),
        (staff("person_updated", json!({ "uuid": "x" })), "invalid_event"),
        (json!({ "op": "subscribe", "ref": 3, "topics": vec!["a"; 129] }), "too_many_topics"),
        (json!({ "op": "hello" }), "forbidden"),
    ] {
        let frames = say(&mut session, frame.clone());
        assert_eq!((frames.len(), &frames[0]["code"]), (1, &json!(code)), "{frame}");
        assert_eq!(frames[0].get("ref"), frame.get("ref"));
    }
    assert_eq!(say(&mut session, json!({ "op": "ping", "ref": 5 })), [json!({ "op": "pong", "ref": 5 })]);
}

#[test]
fn the_welcome_names_the_domains_of_the_hello_that_the_server_has_in_another_form() {
    let hub = Hub::new(
        HubSettings { domains: Domains::shipped(), ..HubSettings::new("t".parse().unwrap()) },
        TestHost::default(),
    );
    let answer = |domains: Value| {
        say(&mut session(&hub), json!({ "op": "hello", "domains": domains }))[0].get("domains").cloned()
    };
    let own =
        |domain| Domains::shipped().fingerprints().find(|(name, _)| *name == domain).unwrap().1.to_string();
    let (staff, crm) = (own("staff"), own("crm"));
    assert_eq!(answer(json!({ "staff": staff, "crm": crm })), None);
    assert_eq!(answer(json!({ "helpdesk": "0123456789abcdef" })), None, "only the client has it");
    assert_eq!(answer(json!({ "staff": "other", "crm": crm, "orders": "x" })), Some(json!(["staff"])));
    assert_eq!(answer(json!({ "crm": "", "staff": staff.to_uppercase() })), Some(json!(["crm", "staff"])));
    assert_eq!(say(&mut session(&hub), json!({ "op": "hello" }))[0].get("domains"), None);
}

#[test]
fn any_other_frame_before_the_hello_ends_the_session() {
    for frame in [json!({ "op": "ping", "ref": 5 }), json!({ "op": "dance", "ref": 5 })] {
        let frames = say(&mut session(&hub()), frame);
        assert_eq!((&frames[0]["code"], &frames[0]["ref"]), (&json!("hello_required"), &json!(5)));
        assert_eq!(frames[1]["close"], 4400);
    }
    let mut late = session(&hub());
    let deadline = Moment { since_start: late.poll_timeout().unwrap(), ..at(5) };
    late.handle_timeout(deadline);
    let frames = poll(&mut late, deadline);
    assert_eq!((&frames[0]["code"], &frames[1]["close"]), (&json!("hello_timeout"), &json!(4408)));
    let mut long = session(&hub());
    let frames =
        say(&mut long, json!({ "op": "hello", "token": "x".repeat(MAX_MESSAGE_BYTES_BEFORE_HELLO) }));
    assert_eq!((&frames[0]["code"], &frames[1]["close"]), (&json!("too_large"), &json!(1009)));
}

#[test]
fn a_silent_client_is_pinged_and_then_given_up() {
    let mut session = open(&hub());
    assert_eq!(session.poll_timeout(), Some(Duration::from_secs(25)));
    session.handle_timeout(at(25));
    let frames = poll(&mut session, at(25));
    assert_eq!((ops(&frames)[0], &frames[1]), ("ping", &json!("ping")));
    session.handle_text(r#"{"op":"pong"}"#, at(26));
    assert_eq!(session.poll_timeout(), Some(Duration::from_secs(50)));
    session.handle_timeout(at(50));
    poll(&mut session, at(50));
    session.handle_timeout(at(59));
    assert!(!session.is_closed());
    session.handle_timeout(at(60));
    assert_eq!(poll(&mut session, at(60))[0]["close"], close::AWAY);
    assert_eq!(session.poll_timeout(), None);
}

/// Returns the position of the last ping, and the operations before it.
fn pinged(session: &mut Peer, now: Moment) -> (Value, Vec<Value>) {
    session.handle_timeout(now);
    let mut frames = poll(session, now);
    assert_eq!(frames.pop(), Some(json!("ping")));
    let ping = frames.pop().unwrap();
    assert_eq!(ping["op"], "ping");
    (ping["position"].clone(), frames)
}

fn tick(hub: &Hub, topic: &str) -> Value {
    let event = RawEvent::parse(r#"{"domain":"x","event":"y","payload":{}}"#).unwrap();
    let topics = [topic.parse().unwrap()];
    let published = at_once(hub.publish_raw(event, Some(&topics), PublishOptions::default()));
    json!(published.unwrap().position.to_string())
}

#[test]
fn a_ping_carries_a_quiet_session_past_the_events_of_others() {
    let hub = hub();
    let mut session = open(&hub);
    say(&mut session, json!({ "op": "subscribe", "ref": 1, "topics": ["t:1"] }));
    let mut head = json!(null);
    for _ in 0..200 {
        head = tick(&hub, "t:2");
    }
    let (position, before) = pinged(&mut session, at(25));
    assert_eq!((position, before), (head.clone(), Vec::new()));
    let missed = tick(&hub, "t:1");
    let mut back = open(&hub);
    let subscribe = json!({ "op": "subscribe", "ref": 1, "topics": ["t:1"], "since": head });
    let frames = say(&mut back, subscribe);
    assert_eq!(frames[0]["topics"][0]["outcome"], "resumed");
    assert_eq!(frames[1]["position"], missed);
}

#[test]
fn a_ping_claims_no_more_than_was_handed_out_before_it() {
    let hub = hub();
    let mut session = open(&hub);
    say(&mut session, json!({ "op": "subscribe", "ref": 1, "topics": ["t:1", "t:2"] }));
    // This publication is in the log, and not read.
    let first = tick(&hub, "t:1");
    let second = tick(&hub, "t:2");
    session.handle_timeout(at(25));
    let frames = poll(&mut session, at(25));
    assert_eq!((ops(&frames), &frames[2]["position"]), (vec!["ping", "", "event", "event"], &first));
    assert_ne!(frames[0]["position"], first, "the first event is still to come");
    assert_eq!(frames[3]["position"], second);
    // These publications are read, and not sent.
    session.handle_text(r#"{"op":"pong"}"#, at(26));
    let third = tick(&hub, "t:1");
    let fourth = tick(&hub, "t:1");
    let Some(Output::Frame(event)) = session.poll_output(at(26)) else { panic!("an event") };
    assert_eq!(serde_json::from_slice::<Value>(event.text()).unwrap()["position"], third);
    let (position, before) = pinged(&mut session, at(51));
    assert_eq!((&position, ops(&before), &before[0]["position"]), (&fourth, vec!["event"], &fourth));
    // The log has evicted entries that the session needed.
    session.handle_text(r#"{"op":"pong"}"#, at(52));
    for _ in 0..101 {
        tick(&hub, "t:1");
    }
    session.handle_timeout(at(77));
    let frames = poll(&mut session, at(77));
    assert_eq!((ops(&frames), &frames[0]["position"]), (vec!["ping", "", "sync"], &fourth));
}

#[test]
fn a_session_that_talks_without_pause_is_told_its_position_all_the_same() {
    let hub = hub();
    let mut session = open(&hub);
    say(&mut session, json!({ "op": "subscribe", "ref": 1, "topics": ["t:1"] }));
    for second in (0..=25).step_by(5) {
        tick(&hub, "t:2");
        session.handle_text(r#"{"op":"ping","ref":1}"#, at(second));
        assert_eq!(ops(&poll(&mut session, at(second))), ["pong"]);
    }
    let head = tick(&hub, "t:2");
    assert_eq!(pinged(&mut session, at(25)).0, head);
}

#[test]
fn frames_beyond_the_rate_end_the_session_and_a_burst_does_not() {
    let mut session = open(&hub());
    for n in 1..200 {
        assert_eq!(say(&mut session, json!({ "op": "ping", "ref": n })).len(), 1, "{n}");
    }
    let frames = say(&mut session, json!({ "op": "ping", "ref": 200 }));
    assert_eq!((&frames[0]["code"], &frames[1]["close"]), (&json!("rate_limited"), &json!(4429)));
    let mut steady = open(&hub());
    for second in 1..=10 {
        for _ in 0..100 {
            steady.handle_text(r#"{"op":"ping","ref":1}"#, at(second));
        }
        assert_eq!(poll(&mut steady, at(second)).len(), 100);
    }
}

#[test]
fn a_session_has_at_most_so_many_topics_and_the_rest_are_refused_each_on_its_own() {
    let mut session = open(&hub());
    let topics: Vec<String> = (0..limits::MAX_TOPICS_PER_SESSION - 1).map(|n| format!("t:{n}")).collect();
    for topics in topics.chunks(limits::MAX_TOPICS_PER_FRAME) {
        say(&mut session, json!({ "op": "subscribe", "ref": 1, "topics": topics }));
    }
    let frames = say(
        &mut session,
        json!({ "op": "subscribe", "ref": 2, "topics": ["t:0", "new:1", "new:1", "new:2"] }),
    );
    let outcomes: Vec<&Value> =
        frames[0]["topics"].as_array().unwrap().iter().map(|topic| &topic["outcome"]).collect();
    assert_eq!(outcomes, ["live", "live", "live", "refused"]);
    assert_eq!(frames[0]["topics"][3]["code"], "too_many_topics");
}

#[test]
fn a_drain_sends_the_client_away_with_a_time_to_come_back() {
    let mut session = open(&hub());
    session.handle_drain(Duration::from_millis(1500));
    let frames = poll(&mut session, at(1));
    assert_eq!(frames[0], json!({ "op": "goaway", "retry_after_ms": 1500 }));
    assert_eq!(frames[1]["close"], close::RESTART);
}

#[test]
fn a_session_that_is_gone_leaves_nothing() {
    let hub = hub();
    let mut session = open(&hub);
    say(&mut session, json!({ "op": "subscribe", "ref": 1, "topics": ["staff:people", "t:1"] }));
    let counters = hub.counters();
    assert_eq!((counters.followers, counters.followed_topics), (1, 2));
    drop(session);
    assert_eq!(hub.counters(), crate::Counters::default());
}

#[test]
fn what_was_published_before_a_drain_comes_before_its_goaway() {
    let hub = hub();
    let mut session = open(&hub);
    say(&mut session, json!({ "op": "subscribe", "ref": 1, "topics": ["staff:people"] }));
    publish_person(&mut open(&hub));
    session.handle_drain(Duration::ZERO);
    assert_eq!(ops(&poll(&mut session, at(0))), ["event", "goaway", ""]);
}

#[test]
fn an_idle_session_keeps_no_memory_for_its_outbox() {
    let hub = hub();
    let mut session = open(&hub);
    say(&mut session, json!({ "op": "subscribe", "ref": 1, "topics": ["staff:people"] }));
    let mut other = open(&hub);
    (0..50).for_each(|_| drop(publish_person(&mut other)));
    assert_eq!(poll(&mut session, at(0)).len(), 50);
    assert_eq!(session.outbox.capacity(), 0);
}

#[test]
fn a_position_that_was_told_long_ago_brings_no_ping_forward() {
    let mut session = open(&hub());
    session.handle_alive(at(20));
    session.handle_told(at(20));
    session.handle_told(at(3));
    assert_eq!(session.poll_timeout(), Some(Duration::from_secs(45)));
}

#[test]
fn a_tenant_has_no_more_topics_for_coming_in_one_frame_and_somebody_who_leaves_makes_room() {
    let quotas = crate::Quotas { max_topics: 2, ..crate::Quotas::default() };
    let hub =
        Hub::new(HubSettings { quotas, ..HubSettings::new("acme".parse().unwrap()) }, TestHost::default());
    let [mut first, mut second] = [open(&hub), open(&hub)];
    let mut outcomes = |topics: &[&str]| {
        let answer = say(&mut second, json!({ "op": "subscribe", "ref": 1, "topics": topics })).remove(0);
        let of = |topic: &Value| topic["code"].as_str().unwrap_or_default().to_owned();
        answer["topics"].as_array().unwrap().iter().map(of).collect::<Vec<_>>()
    };
    say(&mut first, json!({ "op": "subscribe", "ref": 1, "topics": ["t:1"] }));
    let full = "overloaded";
    assert_eq!(outcomes(&["t:2", "t:3", "t:1", "t:2", "t:3", "t:4"]), ["", full, "", "", full, full]);
    assert_eq!(hub.counters().followed_topics, 2);
    say(&mut first, json!({ "op": "unsubscribe", "ref": 2, "topics": ["t:1"] }));
    assert_eq!(outcomes(&["t:3"]), [full], "the other session has the topic too");
    assert_eq!(outcomes(&["t:2", "t:1"]), ["", ""]);
}
