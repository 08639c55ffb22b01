//! A hub that hears nothing from its journal.

use super::*;

/// Makes the journal silent, from second 1 on.
fn fall_silent(hub: &Hub) {
    hub.journal_answered(at(1));
    hub.handle_timeout(at(30));
}

fn subscribed(hub: &Hub) -> Peer {
    let mut session = open(hub);
    say(&mut session, json!({ "op": "subscribe", "ref": 1, "topics": ["staff:people"] }));
    session
}

/// Tells a session of the hub's health, and returns what it says.
fn look(session: &mut Peer) -> Vec<Value> {
    session.handle_health();
    poll(session, at(0))
}

fn degraded() -> Value {
    json!({ "op": "degraded", "since": at(1).unix_ms })
}

#[test]
fn a_session_is_told_once_and_what_was_late_comes_before_it_is_restored() {
    let hub = hub();
    let (mut session, mut other) = (subscribed(&hub), open(&hub));
    assert!(look(&mut session).is_empty());
    fall_silent(&hub);
    assert!(session.has_health_news());
    assert_eq!(look(&mut session), [degraded()]);
    assert!(!session.has_health_news());
    assert!(look(&mut session).is_empty());
    let late = publish_person(&mut other)[0]["position"].clone();
    hub.journal_answered(at(40));
    assert!(session.has_health_news());
    let frames = look(&mut session);
    assert_eq!(ops(&frames), ["event", "restored"]);
    assert_eq!((&frames[0]["position"], &frames[1]["position"]), (&late, &late));
    assert!(!session.has_health_news() && look(&mut session).is_empty());
}

#[test]
fn a_session_that_never_catches_up_is_restored_when_it_has_what_was_late() {
    for (late, batches) in [(10, 1), (limits::READ_BATCH, 1), (limits::READ_BATCH + 1, 2)] {
        let hub = Hub::new(HubSettings::new("acme".parse().unwrap()), TestHost::default());
        let mut session = open(&hub);
        say(&mut session, json!({ "op": "subscribe", "ref": 1, "topics": ["t:1"] }));
        fall_silent(&hub);
        look(&mut session);
        (0..late).for_each(|_| drop(tick(&hub, "t:1")));
        hub.journal_answered(at(40));
        session.handle_health();
        (0..2 * limits::READ_BATCH).for_each(|_| drop(tick(&hub, "t:1")));
        let frames = poll(&mut session, at(0));
        let index = batches * limits::READ_BATCH;
        assert_eq!(ops(&frames).iter().position(|op| *op == "restored"), Some(index));
        assert_eq!(frames[index]["position"], frames[index - 1]["position"]);
        assert_eq!(frames.len(), late + 2 * limits::READ_BATCH + 1);
    }
}

#[test]
fn a_session_without_topics_is_restored_too() {
    let hub = hub();
    let (mut session, mut other) = (open(&hub), open(&hub));
    fall_silent(&hub);
    assert_eq!(look(&mut session), [degraded()]);
    let late = publish_person(&mut other)[0]["position"].clone();
    hub.journal_answered(at(40));
    assert_eq!(look(&mut session), [json!({ "op": "restored", "position": late })]);
}

#[test]
fn a_session_that_begins_meanwhile_is_told_right_after_its_welcome() {
    let hub = hub();
    let mut other = open(&hub);
    let since = publish_person(&mut other)[0]["position"].clone();
    let missed = publish_person(&mut other)[0]["position"].clone();
    fall_silent(&hub);
    let mut session = session(&hub);
    let subscribe = json!({ "op": "subscribe", "ref": 1, "topics": ["staff:people"], "since": since });
    session.handle_text(r#"{"op":"hello"}"#, at(0));
    session.handle_text(&subscribe.to_string(), at(0));
    let frames = poll(&mut session, at(0));
    assert_eq!(ops(&frames), ["welcome", "degraded", "subscribed", "event"]);
    assert_eq!((&frames[1], &frames[3]["position"]), (&degraded(), &missed));
    hub.journal_answered(at(40));
    assert_eq!(ops(&look(&mut session)), ["restored"]);
}

#[test]
fn between_the_frames_of_a_subscribe_a_session_is_not_restored() {
    let hub = hub();
    let mut session = open(&hub);
    fall_silent(&hub);
    say(&mut session, json!({ "op": "subscribe", "ref": 1, "topics": ["staff:people"], "more": true }));
    assert_eq!(look(&mut session), [degraded()]);
    hub.journal_answered(at(40));
    assert!(look(&mut session).is_empty());
    let frames = say(&mut session, json!({ "op": "subscribe", "ref": 2, "topics": ["staff:teams"] }));
    assert_eq!(ops(&frames), ["subscribed", "restored"]);
    assert_eq!(frames[0]["position"], frames[1]["position"]);
}

#[test]
fn a_sync_for_what_the_log_has_lost_comes_before_restored() {
    let hub = hub();
    let (mut session, mut other) = (subscribed(&hub), open(&hub));
    fall_silent(&hub);
    look(&mut session);
    let last = (0..150).map(|_| publish_person(&mut other)[0]["position"].clone()).last().unwrap();
    hub.journal_answered(at(40));
    let frames = look(&mut session);
    assert_eq!(ops(&frames), ["sync", "restored"]);
    assert_eq!(frames[1]["position"], last);
}

#[test]
fn a_session_that_is_not_welcomed_or_has_ended_is_told_nothing() {
    let hub = hub();
    let (mut new, mut ended) = (session(&hub), open(&hub));
    ended.handle_close(None);
    poll(&mut ended, at(0));
    fall_silent(&hub);
    assert!(!new.has_health_news() && !ended.has_health_news());
    assert!(look(&mut new).is_empty() && look(&mut ended).is_empty());
    assert_eq!(ops(&say(&mut new, json!({ "op": "hello" }))), ["welcome", "degraded"]);
}
