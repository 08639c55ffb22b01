//! A hub that hears nothing from its journal.

use super::*;

#[test]
fn a_stream_that_begins_meanwhile_is_told_after_its_first_block() {
    let hub = hub();
    let since = publish(&hub, &["t:1"], "{}");
    publish(&hub, &["t:1"], "{}");
    hub.journal_answered(at(1));
    hub.handle_timeout(at(30));
    let stream = open(&hub, &["t:1"], Some(&since)).unwrap();
    let mut stream = stream.coming_back_after(Duration::from_secs(3));
    assert!(!stream.has_health_news());
    let blocks = poll(&mut stream, at(0));
    assert_eq!(names(&blocks), ["subscribed", "degraded", "event"]);
    assert_eq!((&blocks[1].1, &blocks[1].2["since"]), (&None, &json!(at(1).unix_ms)));
}

#[test]
fn a_stream_is_restored_after_everything_that_was_late() {
    let hub = hub();
    let mut stream = open(&hub, &["t:1"], None).unwrap();
    poll(&mut stream, at(0));
    hub.journal_answered(at(1));
    hub.handle_timeout(at(30));
    stream.handle_health();
    assert_eq!(names(&poll(&mut stream, at(0))), ["degraded"]);
    let late: Vec<String> = (0..3).map(|_| publish(&hub, &["t:1"], "{}")).collect();
    hub.journal_answered(at(40));
    assert!(stream.has_health_news());
    stream.handle_health();
    // The rest is read before this one is published.
    let first = stream.poll_output(at(0)).unwrap();
    assert!(String::from_utf8_lossy(first.text()).starts_with(&format!("id: {}\n", late[0])));
    let next = publish(&hub, &["t:1"], "{}");
    let blocks = poll(&mut stream, at(0));
    assert_eq!(names(&blocks), ["event", "event", "restored", "event"]);
    let ids: Vec<&str> = blocks.iter().filter_map(|(_, id, _)| id.as_deref()).collect();
    assert_eq!(ids, [&late[1], &late[2], &late[2], &next]);
    assert_eq!(blocks[2].2, json!({ "op": "restored", "position": late[2] }));
}

#[test]
fn a_stream_that_missed_nothing_is_restored_at_once() {
    let hub = hub();
    let mut stream = open(&hub, &["t:1"], None).unwrap();
    hub.journal_answered(at(1));
    hub.handle_timeout(at(30));
    stream.handle_health();
    let other = publish(&hub, &["t:2"], "{}");
    assert_eq!(names(&poll(&mut stream, at(0))), ["subscribed", "degraded"]);
    hub.journal_answered(at(40));
    stream.handle_health();
    let blocks = poll(&mut stream, at(9));
    assert_eq!(names(&blocks), ["restored"]);
    assert_eq!(blocks[0].1, Some(other));
    // It tells a position, so the next ping is due a heartbeat later.
    assert_eq!(stream.poll_timeout(), Some(at(9).since_start + SessionSettings::default().heartbeat));
    stream.handle_drain(Duration::ZERO);
    hub.handle_timeout(at(90));
    assert!(!stream.has_health_news(), "it has ended");
}
