//! Sessions of a hub with a journal.

use serde_json::{Value, json};
use tidings_shared::Position;

use super::*;
use crate::{
    Output, Session, SessionSettings,
    test_support::{Everybody, answer_all},
};

/// Returns the frames of a session, as JSON.
fn frames(session: &mut Session, now: Moment) -> Vec<Value> {
    let outputs = std::iter::from_fn(|| session.poll_output(now));
    let frame = |output| match output {
        Output::Frame(frame) => serde_json::from_slice(frame.text()).unwrap(),
        other => json!(format!("{other:?}")),
    };
    outputs.map(frame).collect()
}

fn hello(node: &Node) -> Session {
    let now = node.hub.now();
    let mut session = Session::new(Uuid::from_u128(1), node.hub.clone(), SessionSettings::default(), now);
    session.handle_text(r#"{"op":"hello"}"#, now);
    answer_all(&mut session, &Everybody, now);
    session
}

fn say(session: &mut Session, frame: Value, now: Moment) {
    session.handle_text(&frame.to_string(), now);
    answer_all(session, &Everybody, now);
}

#[test]
fn a_session_is_welcomed_when_the_history_is_loaded_and_its_publishes_are_answered_in_order() {
    let mut paper = Paper::default();
    let mut node = Node::start(&mut paper);
    let (mut session, now) = (hello(&node), node.hub.now());
    assert_eq!(frames(&mut session, now), [Value::Null; 0]);
    assert!(!session.poll_journal(Waker::noop()) && !session.hears());
    node.turn(&mut paper);
    assert!(session.poll_journal(Waker::noop()));
    session.handle_journal(now);
    assert_eq!(frames(&mut session, now)[0]["op"], "welcome");
    let event = |n: u32| json!({ "domain": "x", "event": "y", "payload": n });
    for n in 1..=2 {
        say(&mut session, json!({ "op": "publish", "ref": n, "event": event(n), "topics": ["a"] }), now);
    }
    say(
        &mut session,
        json!({ "op": "publish", "ref": 3, "event": event(3), "topics": ["not a topic"] }),
        now,
    );
    say(&mut session, json!({ "op": "ping", "ref": 4 }), now);
    let told = frames(&mut session, now);
    assert_eq!(
        told.iter().map(|frame| &frame["ref"]).collect::<Vec<_>>(),
        [&json!(3), &json!(4)],
        "{told:?}"
    );
    node.turn(&mut paper);
    assert!(session.poll_journal(Waker::noop()));
    session.handle_journal(now);
    let told = frames(&mut session, now);
    let told: Vec<_> = told.iter().map(|frame| (frame["op"].as_str(), frame["ref"].as_u64())).collect();
    assert_eq!(told, [(Some("published"), Some(1)), (Some("published"), Some(2))]);
}

#[test]
fn a_client_that_is_ahead_of_its_new_node_resumes_when_the_node_has_read_the_journal() {
    let mut paper = Paper::default();
    let (mut one, mut other) = (Node::start(&mut paper), Node::start(&mut paper));
    drop(other.subscribe(&mut paper, "b"));
    let published = one.publish(1, "a", None);
    one.turn(&mut paper);
    let since = published.now_or_never().unwrap().unwrap().position;
    let now = other.hub.now();
    let mut session = hello(&other);
    other.turn(&mut paper);
    session.poll_journal(Waker::noop());
    session.handle_journal(now);
    for (since, outcome) in [(since, "resumed"), (Position { offset: 9, ..since }, "sync")] {
        frames(&mut session, now);
        let topics = [format!("t:{}", since.offset)];
        say(
            &mut session,
            json!({ "op": "subscribe", "ref": 1, "topics": topics, "since": since.to_string() }),
            now,
        );
        assert_eq!(frames(&mut session, now), [Value::Null; 0], "it waits: {since}");
        assert!(!session.poll_journal(Waker::noop()), "{since}");
        other.turn(&mut paper);
        assert!(session.poll_journal(Waker::noop()), "{since}");
        session.handle_journal(now);
        let told = frames(&mut session, now);
        assert_eq!(told[0]["topics"][0]["outcome"], outcome, "{told:?}");
    }
    // The journal did not have the last position. So this session waits for none any more.
    let since = Position { offset: 10, ..since }.to_string();
    say(&mut session, json!({ "op": "subscribe", "ref": 2, "topics": ["t:10"], "since": since }), now);
    assert_eq!(frames(&mut session, now)[0]["topics"][0]["outcome"], "sync");
}

#[test]
fn a_session_of_a_history_that_is_gone_is_sent_away() {
    use crate::shard::{Pumped, Shard};
    #[derive(Debug, Default)]
    struct Text(Vec<u8>);
    impl crate::Sink for Text {
        fn try_write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.extend_from_slice(bytes);
            Ok(bytes.len())
        }
    }
    let mut paper = Paper::default();
    let mut node = Node::start(&mut paper);
    let now = node.hub.now();
    let mut shard = Shard::new();
    let key = shard.insert(Box::new(hello(&node)), Text::default());
    let mut old = paper.clone();
    node.turn(&mut paper);
    drop(node.publish(1, "a", None));
    node.turn(&mut paper);
    assert!(shard.poll_journal(key, now, Waker::noop()));
    assert_eq!(shard.pump(key, now).unwrap(), Pumped::Idle);
    let _ = shard.poll_fan_out(now, Waker::noop());
    old.tenants = HashMap::from([(
        node.hub.home().clone(),
        Pages {
            tail: Position { offset: 0, tag: 0, ..node.hub.position().now_or_never().unwrap() },
            entries: Vec::new(),
        },
    )]);
    node.clock.pass(1_000);
    node.turn(&mut old);
    let _ = shard.poll_fan_out(now, Waker::noop());
    assert_eq!(shard.pump(key, now).unwrap(), Pumped::Closed);
    let told = String::from_utf8_lossy(&shard.sink_mut(key).0).into_owned();
    assert!(told.contains(r#"{"op":"goaway""#), "{told}");
}
