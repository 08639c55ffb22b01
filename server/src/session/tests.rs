mod refresh;

use serde_json::{Value, json};
use tidings_shared::{RawEvent, code::close};

use super::*;
use crate::{DevAccess, HubSettings, LogLimits, PublishOptions, Revoke, test_support::at};

const PERSON: &str = "0198c0de-0000-7000-8000-00000000000a";

fn hub() -> Hub {
    let log = LogLimits { max_entries: 100, ..LogLimits::default() };
    Hub::new(HubSettings { log, ..HubSettings::new("acme".parse().unwrap()) })
}

fn session(hub: &Hub) -> Session {
    let access = Arc::new(DevAccess::new(hub.home().clone()));
    Session::new(Uuid::from_u128(1), hub.clone(), access, SessionSettings::default(), at(0))
}

/// Everything that the session wants to do now, frames as JSON, closes as `{"close":…}`.
fn poll(session: &mut Session, now: Moment) -> Vec<Value> {
    let text = |output| match output {
        Output::Frame(frame) => serde_json::from_slice(frame.text()).unwrap(),
        Output::Ping => json!("ping"),
        Output::Pong(_) => json!("pong"),
        Output::Close { code, reason } => json!({ "close": code, "reason": reason }),
    };
    std::iter::from_fn(|| session.poll_output(now)).map(text).collect()
}

fn say(session: &mut Session, frame: Value) -> Vec<Value> {
    session.handle_text(&frame.to_string(), at(0));
    poll(session, at(0))
}

/// A session that has had its welcome.
fn open(hub: &Hub) -> Session {
    let mut session = session(hub);
    assert_eq!(say(&mut session, json!({ "op": "hello" }))[0]["op"], "welcome");
    session
}

fn ops(frames: &[Value]) -> Vec<&str> {
    frames.iter().map(|frame| frame["op"].as_str().unwrap_or("")).collect()
}

fn publish_person(session: &mut Session) -> Vec<Value> {
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
fn what_is_no_frame_ends_the_session_and_what_is_refused_does_not() {
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
fn everything_but_a_hello_comes_too_early() {
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
    let frames = say(&mut long, json!({ "op": "hello", "token": "x".repeat(5000) }));
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

/// The position of the ping that comes last, and the operations before it.
fn pinged(session: &mut Session, now: Moment) -> (Value, Vec<Value>) {
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
    let published = hub.publish_raw(hub.home(), event, Some(&topics), PublishOptions::default(), at(0));
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
    // In the log and not yet read.
    let first = tick(&hub, "t:1");
    let second = tick(&hub, "t:2");
    session.handle_timeout(at(25));
    let frames = poll(&mut session, at(25));
    assert_eq!((ops(&frames), &frames[2]["position"]), (vec!["ping", "", "event", "event"], &first));
    assert_ne!(frames[0]["position"], first, "the first event is still to come");
    assert_eq!(frames[3]["position"], second);
    // Read and not yet sent.
    session.handle_text(r#"{"op":"pong"}"#, at(26));
    let third = tick(&hub, "t:1");
    let fourth = tick(&hub, "t:1");
    let Some(Output::Frame(event)) = session.poll_output(at(26)) else { panic!("an event") };
    assert_eq!(serde_json::from_slice::<Value>(event.text()).unwrap()["position"], third);
    let (position, before) = pinged(&mut session, at(51));
    assert_eq!((&position, ops(&before), &before[0]["position"]), (&fourth, vec!["event"], &fourth));
    // More was lost than the ring holds.
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
    let topics: Vec<String> = (0..127).map(|n| format!("t:{n}")).collect();
    say(&mut session, json!({ "op": "subscribe", "ref": 1, "topics": topics }));
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
    let counters = hub.counters(hub.home());
    assert_eq!((counters.followers, counters.followed_topics), (1, 2));
    drop(session);
    assert_eq!(hub.counters(hub.home()), crate::Counters::default());
}

/// Tokens are lists of topics; they end after 100 s.
#[derive(Debug)]
struct ByList;

impl Authorize for ByList {
    fn authenticate(&self, token: Option<&str>, now_unix_ms: u64) -> Result<Identity, crate::AccessError> {
        let mut words = token.unwrap_or_default().split(' ');
        let subject = words.next().unwrap_or_default();
        let tenant = words.next().unwrap_or("acme").parse().unwrap();
        Ok(Identity { expires_at: Some(now_unix_ms + 100_000), ..Identity::new(subject, tenant) })
    }

    fn may_subscribe(&self, identity: &Identity, topic: &TopicName) -> bool {
        identity.subject != "less" || topic.as_str() != "t:2"
    }

    fn may_publish(&self, _: &Identity, topic: &TopicName) -> bool {
        topic.as_str() == "t:3"
    }
}

/// As `ByList`, but a token `less` is the same subject with fewer rights.
#[derive(Debug)]
struct Shrinking(std::sync::atomic::AtomicBool);

impl Authorize for Shrinking {
    fn authenticate(&self, token: Option<&str>, now_unix_ms: u64) -> Result<Identity, crate::AccessError> {
        self.0.store(token == Some("less"), std::sync::atomic::Ordering::Relaxed);
        ByList.authenticate(Some("same acme"), now_unix_ms)
    }

    fn may_subscribe(&self, _: &Identity, topic: &TopicName) -> bool {
        !self.0.load(std::sync::atomic::Ordering::Relaxed) || topic.as_str() != "t:2"
    }

    fn may_publish(&self, _: &Identity, _: &TopicName) -> bool {
        false
    }
}

fn session_with(access: impl Authorize) -> Session {
    let mut session =
        Session::new(Uuid::from_u128(1), hub(), Arc::new(access), SessionSettings::default(), at(0));
    say(&mut session, json!({ "op": "hello", "token": "more" }));
    session
}

#[test]
fn a_fresh_token_with_fewer_rights_takes_topics_away_and_says_so() {
    let mut session = session_with(Shrinking(false.into()));
    say(&mut session, json!({ "op": "subscribe", "ref": 1, "topics": ["t:1", "t:2"] }));
    let frames = say(&mut session, json!({ "op": "token", "ref": 2, "token": "less" }));
    assert_eq!(ops(&frames), ["token_accepted", "unsubscribed"]);
    assert_eq!(frames[1], json!({ "op": "unsubscribed", "topics": ["t:2"], "code": "forbidden" }));
}

#[test]
fn a_token_of_somebody_else_changes_nothing_and_forbidden_topics_are_refused() {
    let mut session = session_with(ByList);
    let frames = say(&mut session, json!({ "op": "token", "ref": 2, "token": "other acme" }));
    assert_eq!(frames[0]["code"], "forbidden");
    let event = json!({ "domain": "x", "event": "y", "payload": {} });
    let publish = json!({ "op": "publish", "ref": 3, "event": event, "topics": ["t:1"] });
    assert_eq!(say(&mut session, publish)[0]["code"], "forbidden");
    let mut less =
        Session::new(Uuid::from_u128(1), hub(), Arc::new(ByList), SessionSettings::default(), at(0));
    say(&mut less, json!({ "op": "hello", "token": "less" }));
    let frames = say(&mut less, json!({ "op": "subscribe", "ref": 1, "topics": ["t:2"] }));
    assert_eq!(frames[0]["topics"][0]["code"], "forbidden");
}

#[test]
fn a_key_does_not_tell_whom_the_event_reached_that_it_was_seen_on() {
    let hub = hub();
    let key = Uuid::from_u128(5);
    let event = json!({ "domain": "x", "event": "y", "payload": {} });
    let topics = ["t:3".parse().unwrap(), "secret:7".parse().unwrap()];
    let options = PublishOptions { key: Some(key), ..PublishOptions::default() };
    let raw = RawEvent::parse(&event.to_string()).unwrap();
    hub.publish_raw(hub.home(), raw, Some(&topics), options, at(0)).unwrap();
    let access = Arc::new(ByList);
    let mut session =
        Session::new(Uuid::from_u128(1), hub.clone(), access, SessionSettings::default(), at(0));
    say(&mut session, json!({ "op": "hello" }));
    let publish =
        |key: Uuid| json!({ "op": "publish", "ref": 3, "event": event, "topics": ["t:3"], "key": key });
    let refused = say(&mut session, publish(key));
    assert_eq!((&refused[0]["code"], refused[0].get("topics")), (&json!("forbidden"), None));
    assert_eq!(say(&mut session, publish(Uuid::from_u128(6)))[0]["op"], "published");
}

#[test]
fn a_session_ends_with_its_token_unless_that_is_refreshed() {
    let mut session = session_with(Shrinking(false.into()));
    let alive = |session: &mut Session, second| {
        session.handle_text(r#"{"op":"pong"}"#, at(second));
        session.handle_timeout(at(second));
        !session.is_closed()
    };
    assert!(alive(&mut session, 104));
    session.handle_text(r#"{"op":"token","ref":1,"token":"more"}"#, at(104));
    assert!(alive(&mut session, 106) && alive(&mut session, 208));
    session.handle_timeout(at(209));
    let frames = poll(&mut session, at(209));
    assert_eq!(frames[frames.len() - 2]["code"], "token_expired");
    assert_eq!(frames[frames.len() - 1]["close"], 4401);
}

#[test]
fn a_session_that_was_revoked_ends_and_its_token_opens_no_other() {
    let hub = hub();
    let open = |id, token: &str| {
        let access = Arc::new(ByList);
        let mut session =
            Session::new(Uuid::from_u128(id), hub.clone(), access, SessionSettings::default(), at(0));
        let answer = say(&mut session, json!({ "op": "hello", "token": token })).remove(0);
        (session, answer)
    };
    let ends = |session: &mut Session| {
        session.handle_revocation(at(0));
        poll(session, at(0))
    };
    let (mut first, _) = open(1, "anna acme 1");
    let (mut second, _) = open(2, "anna acme 2");
    say(&mut first, json!({ "op": "subscribe", "ref": 1, "topics": ["t:3"] }));
    assert_eq!(ends(&mut first), Vec::<Value>::new());
    hub.revoke(hub.home(), &Revoke::Session(Uuid::from_u128(1))).unwrap();
    assert_eq!(ends(&mut second), Vec::<Value>::new(), "another session of the same subject");
    for _ in 0..3 {
        let event = RawEvent::parse(r#"{"domain":"x","event":"y","payload":{}}"#).unwrap();
        let topics = ["t:3".parse().unwrap()];
        hub.publish_raw(hub.home(), event, Some(&topics), PublishOptions::default(), at(0)).unwrap();
    }
    assert!(matches!(first.poll_output(at(0)), Some(Output::Frame(_))), "the first of three that were read");
    let end = ends(&mut first);
    assert_eq!(end.len(), 2, "nothing more of the topic: {end:?}");
    assert_eq!((&end[0]["code"], &end[1]["close"]), (&json!("forbidden"), &json!(4403)));
    assert_eq!(hub.counters(hub.home()).followers, 2, "its shard has still to take account of it");
    assert_eq!(open(3, "anna acme 1").1["code"], "unauthorized");
    let same = say(&mut second, json!({ "op": "token", "ref": 1, "token": "anna acme 1" }));
    assert_eq!((same.len(), &same[0]["code"]), (1, &json!("unauthorized")));
    hub.revoke(hub.home(), &Revoke::Subject("anna".to_owned())).unwrap();
    assert_eq!(ends(&mut second)[0]["code"], "forbidden");
    assert_eq!(open(4, "anna acme 4").1["code"], "unauthorized");
    assert_eq!(open(5, "bert acme").1["op"], "welcome");
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
fn a_session_at_rest_keeps_no_room_for_what_it_had_to_say() {
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
