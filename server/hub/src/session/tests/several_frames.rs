//! A subscribe that comes in several frames.

use tidings_shared::limits::{MAX_TOPICS_PER_SESSION, SUBSCRIBE_PAUSE};

use super::*;

fn subscribe(topics: &[&str], since: &Value, more: bool) -> Value {
    let mut frame = json!({ "op": "subscribe", "ref": 1, "topics": topics, "more": more });
    if !since.is_null() {
        frame["since"] = since.clone();
    }
    frame
}

/// Hands a frame to a session, and returns its answers.
fn say_at(session: &mut Peer, frame: &Value, now: Moment) -> Vec<Value> {
    session.handle_text(&frame.to_string(), now);
    poll(session, now)
}

fn outcome(frame: &Value) -> &str {
    frame["topics"][0]["outcome"].as_str().unwrap()
}

/// Returns a position, and then the positions of an event of each topic.
fn missed(hub: &Hub) -> (Value, Value, Value) {
    let since = tick(hub, "t:9");
    (since, tick(hub, "t:1"), tick(hub, "t:2"))
}

#[test]
fn the_frames_of_one_subscribe_are_one_resume() {
    let hub = hub();
    let (since, first, second) = missed(&hub);
    let mut session = open(&hub);
    for (topic, more) in [("t:1", true), ("t:3", true)] {
        let frames = say(&mut session, subscribe(&[topic], &since, more));
        assert_eq!((ops(&frames), outcome(&frames[0])), (vec!["subscribed"], "resumed"));
        assert_eq!(frames[0]["position"], since, "nothing is read in between");
    }
    // An event that is published meanwhile comes with the rest.
    let third = tick(&hub, "t:1");
    assert_eq!(poll(&mut session, at(0)), [json!(null); 0]);
    let frames = say(&mut session, subscribe(&["t:2"], &since, false));
    assert_eq!((outcome(&frames[0]), &frames[0]["position"]), ("resumed", &since));
    let events: Vec<&Value> = frames[1..].iter().map(|frame| &frame["position"]).collect();
    assert_eq!(events, [&first, &second, &third]);
}

#[test]
fn a_subscribe_whose_last_frame_never_comes_goes_on_after_five_seconds() {
    let hub = hub();
    let (since, first, _) = missed(&hub);
    let mut session = open(&hub);
    say_at(&mut session, &subscribe(&["t:1"], &since, true), at(1));
    let until = at(1).since_start + SUBSCRIBE_PAUSE;
    assert_eq!(session.poll_timeout(), Some(until));
    // The time counts from the first frame.
    say_at(&mut session, &subscribe(&["t:3"], &since, true), at(3));
    assert_eq!(session.poll_timeout(), Some(until));
    session.handle_timeout(at(5));
    assert_eq!(poll(&mut session, at(5)), [json!(null); 0]);
    session.handle_timeout(at(6));
    let frames = poll(&mut session, at(6));
    assert_eq!((frames.len(), &frames[0]["position"]), (1, &first));
    // The last frame comes too late: it is an ordinary subscribe.
    let frames = say_at(&mut session, &subscribe(&["t:2"], &since, false), at(7));
    assert_eq!((ops(&frames), outcome(&frames[0])), (vec!["subscribed"], "sync"));
    assert_ne!(frames[0]["position"], since);
}

#[test]
fn a_frame_that_comes_after_the_time_and_before_the_timer_is_an_ordinary_subscribe() {
    let hub = hub();
    let (since, ..) = missed(&hub);
    let mut session = open(&hub);
    say_at(&mut session, &subscribe(&["t:3"], &since, true), at(1));
    // No event of its topics was missed, so the session has moved on.
    let frames = say_at(&mut session, &subscribe(&["t:2"], &since, false), at(60));
    assert_eq!(outcome(&frames[0]), "sync");
}

#[test]
fn a_session_that_has_all_its_topics_waits_for_no_more() {
    let hub = hub();
    let (since, first, _) = missed(&hub);
    let mut session = open(&hub);
    say(&mut session, subscribe(&["t:1"], &since, true));
    let topics: Vec<String> = (1..MAX_TOPICS_PER_SESSION).map(|n| format!("row:{n}")).collect();
    let mut last = Vec::new();
    for topics in topics.chunks(limits::MAX_TOPICS_PER_FRAME) {
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        last = say(&mut session, subscribe(&topics, &since, true));
    }
    assert_eq!((outcome(&last[0]), &last[1]["position"]), ("resumed", &first));
    assert!(!session.is_paused());
}

#[test]
fn other_frames_in_between_are_answered_and_change_nothing() {
    let hub = hub();
    let (since, first, second) = missed(&hub);
    let mut session = open(&hub);
    say(&mut session, subscribe(&["t:1", "t:3", "staff:people"], &since, true));
    let published = publish_person(&mut session);
    assert_eq!(ops(&published), ["published"], "the event waits");
    assert_eq!(ops(&say(&mut session, json!({ "op": "ping", "ref": 2 }))), ["pong"]);
    let unsubscribe = json!({ "op": "unsubscribe", "ref": 3, "topics": ["t:3"] });
    assert_eq!(ops(&say(&mut session, unsubscribe)), ["unsubscribed"]);
    let refused = say(&mut session, subscribe(&["t:4"; 129], &since, true));
    assert_eq!((refused[0]["code"].as_str(), refused.len()), (Some("too_many_topics"), 1));
    let frames = say(&mut session, subscribe(&["t:2"], &since, false));
    let events: Vec<&Value> = frames[1..].iter().map(|frame| &frame["position"]).collect();
    assert_eq!((outcome(&frames[0]), events), ("resumed", vec![&first, &second, &published[0]["position"]]));
}

#[test]
fn a_ping_names_no_position_while_more_is_to_come() {
    let hub = hub();
    let heartbeat = Duration::from_secs(1);
    let settings = SessionSettings { heartbeat, ..SessionSettings::default() };
    let access = Arc::new(Everybody);
    let mut session = Peer::new(Uuid::from_u128(1), hub.clone(), access, settings, at(0));
    say(&mut session, json!({ "op": "hello" }));
    say(&mut session, subscribe(&["t:1"], &json!(null), true));
    session.handle_timeout(at(2));
    assert_eq!(poll(&mut session, at(2))[0], json!({ "op": "ping" }));
    say_at(&mut session, &subscribe(&["t:2"], &json!(null), false), at(3));
    session.handle_timeout(at(4));
    assert!(poll(&mut session, at(4))[0]["position"].is_string());
}

#[test]
fn a_drain_in_between_reads_nothing_so_that_the_client_resumes_all_of_it() {
    let hub = hub();
    let (since, ..) = missed(&hub);
    let mut session = open(&hub);
    say(&mut session, subscribe(&["t:1"], &since, true));
    session.handle_drain(Duration::ZERO);
    assert_eq!(ops(&poll(&mut session, at(0))), ["goaway", ""]);
    assert!(!session.is_paused());
}

#[test]
fn a_subscribe_in_several_frames_cannot_set_back_a_session_that_has_moved_on() {
    let hub = hub();
    let (since, ..) = missed(&hub);
    let mut session = open(&hub);
    say(&mut session, json!({ "op": "subscribe", "ref": 1, "topics": ["t:5"] }));
    for more in [true, false] {
        let frames = say(&mut session, subscribe(&["t:1"], &since, more));
        assert_eq!((ops(&frames), outcome(&frames[0])), (vec!["subscribed"], "sync"));
    }
}

#[test]
fn each_since_of_one_subscribe_is_compared_with_the_position_of_the_first() {
    let hub = hub();
    let (since, first, second) = missed(&hub);
    let mut session = open(&hub);
    say(&mut session, subscribe(&["t:7"], &first, true));
    // A later position is accepted. An earlier one is too late.
    let later = say(&mut session, subscribe(&["t:2"], &first, true));
    let before = say(&mut session, subscribe(&["t:1"], &since, true));
    assert_eq!((outcome(&later[0]), outcome(&before[0])), ("resumed", "sync"));
    let frames = say(&mut session, subscribe(&[], &json!(null), false));
    assert_eq!((ops(&frames), &frames[1]["position"]), (vec!["subscribed", "event"], &second));
}

#[test]
fn a_log_that_moves_on_in_between_costs_a_sync_of_what_was_lost_and_no_more() {
    let hub = hub();
    let since = tick(&hub, "t:9");
    let mut session = open(&hub);
    say(&mut session, subscribe(&["t:1"], &since, true));
    // More publications than the log holds, and none of the first topic.
    (0..101).for_each(|_| drop(tick(&hub, "t:2")));
    let frames = say(&mut session, subscribe(&["t:2"], &since, false));
    assert_eq!(outcome(&frames[0]), "resumed");
    assert_eq!((&frames[1]["op"], &frames[1]["topics"]), (&json!("sync"), &json!(["t:2"])));
}

#[test]
fn a_fresh_token_in_between_judges_what_is_there_and_what_comes() {
    let hub = hub();
    let (since, first, _) = missed(&hub);
    let (access, settings) = (Arc::new(tokens::Shrinking(false.into())), SessionSettings::default());
    let mut session = Peer::new(Uuid::from_u128(1), hub, access, settings, at(0));
    say(&mut session, json!({ "op": "hello", "token": "more" }));
    say(&mut session, subscribe(&["t:2"], &since, true));
    let frames = say(&mut session, json!({ "op": "token", "ref": 2, "token": "less" }));
    assert_eq!(
        (ops(&frames), &frames[1]["topics"]),
        (vec!["token_accepted", "unsubscribed"], &json!(["t:2"]))
    );
    let frames = say(&mut session, subscribe(&["t:1", "t:2"], &since, false));
    assert_eq!((outcome(&frames[0]), &frames[0]["topics"][1]["code"]), ("resumed", &json!("forbidden")));
    assert_eq!((frames.len(), &frames[1]["position"]), (2, &first));
}
