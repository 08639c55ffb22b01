use serde_json::Value;
use tidings_shared::RawEvent;

use super::*;
use crate::{
    Counters, HubSettings, Identity, LogLimits, PublishOptions, Revoke, TenantId,
    test_support::{TestHost, at, at_once},
};

mod health;

fn hub() -> Hub {
    let log = LogLimits { max_entries: 10, ..LogLimits::default() };
    Hub::new(HubSettings { log, ..HubSettings::new("acme".parse().unwrap()) }, TestHost::default())
}

fn admitted(expires_at: Option<u64>) -> Admitted {
    let identity = Identity::new("a", TenantId::parse("acme").unwrap()).expires_at(expires_at);
    Admitted { identity: identity.into(), token: None, newest_revocation: 0 }
}

/// Opens a stream. Every topic is allowed except `secret`.
fn open_with(
    hub: &Hub,
    settings: SessionSettings,
    admitted: Admitted,
    topics: &[String],
    since: Option<&str>,
) -> Result<EventStream, Problem> {
    let topics = NamedTopics::parse(hub, topics);
    let allowed = topics.names().iter().map(|topic| topic.domain() != "secret").collect();
    let access = StreamAccess { admitted, asked_at: hub.revocations().newest(), allowed };
    EventStream::open(hub, settings, access, topics, since, at(0))
}

fn open(hub: &Hub, topics: &[&str], since: Option<&str>) -> Result<EventStream, Problem> {
    let topics: Vec<String> = topics.iter().map(ToString::to_string).collect();
    open_with(hub, SessionSettings::default(), admitted(None), &topics, since)
}

fn publish(hub: &Hub, topics: &[&str], payload: &str) -> String {
    let event = format!(r#"{{"domain":"x","event":"y","payload":{payload}}}"#);
    let topics: Vec<TopicName> = topics.iter().map(|topic| topic.parse().unwrap()).collect();
    let raw = RawEvent::parse(&event).unwrap();
    let published = at_once(hub.publish_raw(raw, Some(&topics), PublishOptions::default()));
    published.unwrap().position.to_string()
}

/// Returns a block's event, id and data.
type Parsed = (String, Option<String>, Value);

fn poll(stream: &mut EventStream, now: Moment) -> Vec<Parsed> {
    let parse = |block: Block| {
        let text = String::from_utf8(block.text().to_vec()).unwrap();
        let text = text.strip_suffix("\n\n").unwrap();
        assert!(!text.contains("\n\n") && !text.contains('\r'), "one block: {text:?}");
        let fields = |name: &str| {
            let value = |line: &str| line.strip_prefix(&format!("{name}: ")).map(ToOwned::to_owned);
            text.lines().filter_map(value).collect::<Vec<_>>()
        };
        let data = serde_json::from_str(&fields("data").join("\n")).unwrap();
        (fields("event").remove(0), fields("id").pop(), data)
    };
    std::iter::from_fn(|| stream.poll_output(now)).map(parse).collect()
}

fn names(blocks: &[Parsed]) -> Vec<&str> {
    blocks.iter().map(|(event, _, _)| event.as_str()).collect()
}

#[test]
fn a_stream_begins_with_its_position_and_gives_what_follows_once() {
    let hub = hub();
    let before = publish(&hub, &["t:1"], "{}");
    let mut stream = open(&hub, &["t:1", "t:2"], None).unwrap();
    let first = publish(&hub, &["t:1", "t:2", "t:3"], "{}");
    publish(&hub, &["t:3"], "{}");
    let blocks = poll(&mut stream, at(0));
    assert_eq!(names(&blocks), ["subscribed", "event"]);
    let live = |topic: &str| json!({ "topic": topic, "outcome": "live" });
    let subscribed = json!({ "op": "subscribed", "position": before, "topics": [live("t:1"), live("t:2")] });
    assert_eq!((&blocks[0].1, &blocks[0].2), (&Some(before), &subscribed));
    assert_eq!((&blocks[1].1, &blocks[1].2["position"]), (&Some(first.clone()), &json!(first)));
    assert_eq!(blocks[1].2["topics"], json!(["t:1", "t:2"]));
}

#[test]
fn a_stream_resumes_after_a_position_and_begins_with_a_sync_where_the_log_has_moved_on() {
    let hub = hub();
    let since = publish(&hub, &["t:1"], "{}");
    let missed: Vec<_> = (0..10).map(|_| Some(publish(&hub, &["t:1"], "{}"))).collect();
    let mut stream = open(&hub, &["t:1"], Some(&since)).unwrap();
    let blocks = poll(&mut stream, at(0));
    assert_eq!((names(&blocks)[0], &blocks[0].2["topics"][0]["outcome"]), ("subscribed", &json!("resumed")));
    assert_eq!(blocks[0].1.as_ref(), Some(&since));
    assert_eq!(blocks[1..].iter().map(|block| block.1.clone()).collect::<Vec<_>>(), missed);

    let head = publish(&hub, &["t:1"], "{}");
    for since in [since.as_str(), "", "a foreign position"] {
        let blocks = poll(&mut open(&hub, &["t:1", "t:2", "t:1"], Some(since)).unwrap(), at(0));
        let sync = json!({ "op": "sync", "position": head, "topics": ["t:1", "t:2"] });
        assert_eq!(blocks, [("sync".to_owned(), Some(head.clone()), sync)]);
    }
}

#[test]
fn a_listener_that_falls_behind_gets_a_sync_for_what_it_lost() {
    let hub = hub();
    let mut stream = open(&hub, &["t:1", "t:2"], None).unwrap();
    poll(&mut stream, at(0));
    for _ in 0..11 {
        publish(&hub, &["t:1"], "{}");
    }
    let quiet = publish(&hub, &["t:2"], "{}");
    let blocks = poll(&mut stream, at(0));
    assert_eq!(names(&blocks), ["sync", "event"]);
    assert_eq!((&blocks[0].2["topics"], &blocks[1].1), (&json!(["t:1"]), &Some(quiet)));
}

#[test]
fn line_ends_within_a_payload_do_not_end_a_block() {
    let hub = hub();
    let mut stream = open(&hub, &["t:1"], None).unwrap();
    publish(&hub, &["t:1"], "{\"a\":\n\n1,\r\n\r\r\"b\":\"\\n\u{2028}\"}");
    let blocks = poll(&mut stream, at(0));
    assert_eq!(blocks[1].2["event"]["payload"], json!({ "a": 1, "b": "\n\u{2028}" }));
}

#[test]
fn one_topic_that_is_refused_refuses_the_stream_and_leaves_nothing() {
    let hub = hub();
    let most = limits::MAX_TOPICS_PER_SESSION;
    let many: Vec<String> = (0..=most).map(|n| format!("t:{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (topics, code, names) in [
        (&[][..], Code::InvalidTopic, "?topic="),
        (&["t:1", "staff:peple"], Code::InvalidTopic, "staff:peple"),
        (&["t:1", "a b"], Code::InvalidTopic, "a b"),
        (&["t:1", "secret:1"], Code::Forbidden, "topic \"secret:1\": the client may not subscribe to it"),
        (&many, Code::TooManyTopics, "at most 1024 topics (--max-topics-per-session), \"t:1024\""),
    ] {
        let problem = open(&hub, topics, None).unwrap_err();
        assert_eq!(problem.code, code, "{problem:?}");
        assert!(problem.message.contains(names), "{problem:?}");
    }
    assert_eq!(hub.counters(), Counters::default());
    open(&hub, &many[..most], None).unwrap();
    let few = SessionSettings { max_topics: 1, ..SessionSettings::default() };
    let two = ["t:1".to_owned(), "t:2".to_owned()];
    let problem = open_with(&hub, few, admitted(None), &two, None).unwrap_err();
    assert_eq!(problem.code, Code::TooManyTopics);
    assert_eq!(hub.counters(), Counters::default());
}

#[test]
fn a_quiet_stream_is_told_its_position_every_heartbeat() {
    let hub = hub();
    let mut stream = open(&hub, &["t:1"], None).unwrap();
    poll(&mut stream, at(0));
    stream.handle_timeout(at(24));
    assert_eq!(poll(&mut stream, at(24)), []);
    let head = publish(&hub, &["t:2"], "{}");
    assert_eq!(stream.poll_timeout(), Some(Duration::from_secs(25)));
    stream.handle_timeout(at(25));
    let ping = json!({ "op": "ping", "position": head });
    assert_eq!(poll(&mut stream, at(25)), [("ping".to_owned(), Some(head), ping)]);
    publish(&hub, &["t:1"], "{}");
    assert_eq!(names(&poll(&mut stream, at(40))), ["event"]);
    assert_eq!(stream.poll_timeout(), Some(Duration::from_secs(65)));
}

#[test]
fn a_ping_claims_no_more_than_was_handed_out_before_it() {
    let hub = hub();
    let mut stream = open(&hub, &["t:1"], None).unwrap();
    poll(&mut stream, at(0));
    let first = publish(&hub, &["t:1"], "{}");
    let second = publish(&hub, &["t:1"], "{}");
    // The stream has read both publications, and has handed out one.
    assert!(stream.poll_output(at(0)).unwrap().text().starts_with(format!("id: {first}").as_bytes()));
    stream.handle_timeout(at(25));
    let blocks = poll(&mut stream, at(25));
    assert_eq!((names(&blocks), &blocks[0].1), (vec!["event"], &Some(second.clone())));
    // This publication is in the log, and not read.
    let third = publish(&hub, &["t:1"], "{}");
    stream.handle_timeout(at(50));
    let blocks = poll(&mut stream, at(50));
    let ids: Vec<_> = blocks.iter().map(|block| block.1.clone().unwrap()).collect();
    assert_eq!((names(&blocks), ids), (vec!["ping", "event"], vec![second, third]));
}

#[test]
fn a_stream_ends_with_its_token_and_with_a_drain() {
    let hub = hub();
    let topics = ["t:1".to_owned()];
    let expires = admitted(Some(at(20).unix_ms));
    let settings = SessionSettings::default();
    let mut stream = open_with(&hub, settings, expires, &topics, None).unwrap();
    poll(&mut stream, at(0));
    assert_eq!(stream.poll_timeout(), Some(Duration::from_secs(25)), "the token's end and its grace");
    stream.handle_timeout(at(25));
    publish(&hub, &["t:1"], "{}");
    let blocks = poll(&mut stream, at(25));
    assert_eq!((names(&blocks), &blocks[0].2["code"]), (vec!["error"], &json!("token_expired")));
    assert!(stream.is_closed() && stream.poll_timeout().is_none());

    let mut stream = open(&hub, &["t:1"], None).unwrap();
    stream = stream.coming_back_after(Duration::from_millis(2500));
    stream.handle_drain(Duration::from_millis(1500));
    stream.handle_drain(Duration::from_millis(1500));
    let subscribed = stream.poll_output(at(0)).unwrap();
    assert!(subscribed.text().starts_with(b"retry: 2500\nid: "), "{subscribed:?}");
    let last = stream.poll_output(at(0)).unwrap();
    let goaway = "retry: 4000\nevent: goaway\ndata: {\"op\":\"goaway\",\"retry_after_ms\":4000}\n\n";
    assert_eq!(last.text(), goaway.as_bytes());
    assert_eq!((stream.poll_output(at(0)), stream.is_closed()), (None, true));
}

#[test]
fn a_stream_on_a_machine_that_slept_ends_if_its_token_did_meanwhile() {
    let hub = hub();
    let (settings, expires) = (SessionSettings::default(), admitted(Some(at(20).unix_ms)));
    let topics = ["t:1".to_owned()];
    let mut stream = open_with(&hub, settings, expires, &topics, None).unwrap();
    // The clock that never jumps stood still.
    stream.handle_timeout(Moment { unix_ms: at(25).unix_ms - 1, ..at(1) });
    assert!(!stream.is_closed());
    stream.handle_timeout(Moment { unix_ms: at(25).unix_ms, ..at(1) });
    assert!(stream.is_closed());
}

#[test]
fn a_stream_whose_listener_was_revoked_says_no_more_than_that() {
    let hub = hub();
    let mut stream = open(&hub, &["t:1"], None).unwrap();
    assert_eq!(names(&poll(&mut stream, at(0))), ["subscribed"]);
    hub.revoke(&Revoke::Subject("b".to_owned())).now_or_never().unwrap().unwrap();
    stream.handle_revocation(at(0));
    publish(&hub, &["t:1"], "1");
    assert_eq!(names(&poll(&mut stream, at(0))), ["event"], "somebody else was revoked");
    hub.revoke(&Revoke::Subject("a".to_owned())).now_or_never().unwrap().unwrap();
    (0..3).for_each(|_| drop(publish(&hub, &["t:1"], "2")));
    assert!(stream.poll_output(at(0)).is_some(), "one was read before, with more behind it");
    stream.handle_revocation(at(0));
    let blocks = poll(&mut stream, at(0));
    assert_eq!((names(&blocks), &blocks[0].2["code"]), (vec!["error"], &json!("forbidden")));
    assert!(stream.is_closed());
}

#[test]
fn a_refusal_within_a_stream_says_when_to_come_back_and_keeps_the_last_id() {
    let (seconds, id) = (Duration::from_secs(3), Some("1.2.3"));
    let draining = refusal(&Problem::new(Code::GoingAway, "x"), seconds, id);
    let goaway =
        "retry: 3000\nid: 1.2.3\nevent: goaway\ndata: {\"op\":\"goaway\",\"retry_after_ms\":3000}\n\n";
    assert_eq!(draining.text(), goaway.as_bytes());
    let full = refusal(&Problem::new(Code::Overloaded, "full"), seconds, None);
    let error = "retry: 3000\nevent: error\ndata: {\"op\":\"error\",\"code\":\"overloaded\",\"message\":\"full\"}\n\n";
    assert_eq!(full.text(), error.as_bytes());
}

#[test]
fn a_stream_ends_when_its_listener_loses_the_right_to_one_of_its_topics() {
    let hub = hub();
    let mut stream = open(&hub, &["a", "b"], None).unwrap();
    poll(&mut stream, at(0));
    hub.revoke_topics("a", &["c".parse().unwrap()]).now_or_never().unwrap().unwrap();
    hub.revoke_topics("b", &["b".parse().unwrap()]).now_or_never().unwrap().unwrap();
    stream.handle_revocation(at(0));
    assert!(!stream.is_closed(), "another topic, another subject");
    hub.revoke_topics("a", &["b".parse().unwrap()]).now_or_never().unwrap().unwrap();
    assert!(stream.is_revoked(at(0)));
    stream.handle_revocation(at(0));
    let blocks = poll(&mut stream, at(0));
    assert_eq!((blocks.len(), blocks[0].0.as_str(), &blocks[0].2["code"]), (1, "error", &"forbidden".into()));
    assert!(stream.is_closed());
    let mut granted_again = open(&hub, &["a", "b"], None).unwrap();
    granted_again.handle_revocation(at(0));
    assert!(!granted_again.is_closed(), "its rights are newer than the revocation");
}
