//! Publishes, with and without answers.

use tidings_shared::limits::{MAX_JSON_DEPTH, MAX_MESSAGE_BYTES, MAX_ORIGIN_BYTES};

use super::*;
use crate::{
    error::OFFLINE_FULL,
    limits::{MAX_PUBLISHES, PUBLISH_OVERHEAD_BYTES},
};

fn published(frame: &serde_json::Value) -> serde_json::Value {
    json!({"op": "published", "ref": frame["ref"], "key": frame["key"], "position": "p1", "topics": ["staff:people"]})
}

#[test]
fn a_publish_is_sent_at_once_and_ends_with_its_answer() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    let publish = bench.publish(7).unwrap();
    let frames = bench.frames();
    assert_eq!(frames[0]["key"], json!(Uuid::from_u128(7)));
    assert_eq!(frames[0]["event"]["event"], "person_updated");
    bench.receive(published(&frames[0]));
    let outputs = bench.outputs();
    assert!(
        matches!(&outputs[..], [Output::Published { publish: id, position, .. }] if *id == publish && position == "p1")
    );
    assert_eq!(bench.reconnect().len(), 2);
}

#[test]
fn a_publish_alone_opens_the_connection() {
    let mut bench = Bench::new();
    bench.publish(1).unwrap();
    bench.open();
    let frames = bench.frames();
    assert_eq!(frames.iter().map(|frame| &frame["op"]).collect::<Vec<_>>(), ["hello", "publish"]);
}

#[test]
fn a_publish_without_an_answer_is_sent_again_with_the_same_key_and_in_order() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    bench.publish(1).unwrap();
    bench.publish(2).unwrap();
    let first = bench.frames();
    bench.close(1006);
    bench.publish(3).unwrap();
    bench.next_timeout();
    bench.open();
    let second = bench.frames();
    let keys = |frames: &[serde_json::Value]| frames.iter().map(|f| f["key"].clone()).collect::<Vec<_>>();
    assert_eq!(keys(&second[2..4]), keys(&first));
    assert_eq!(second[4]["key"], json!(Uuid::from_u128(3)));
    assert_ne!(second[2]["ref"], first[0]["ref"]);
    bench.receive(published(&second[3]));
    bench.outputs();
    let third = bench.reconnect();
    assert_eq!(keys(&third[2..]), [second[2]["key"].clone(), second[4]["key"].clone()]);
}

#[test]
fn a_refused_publish_fails_with_the_servers_code_and_is_not_sent_again() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    let publish = bench.publish(1).unwrap();
    let frame = bench.frames().remove(0);
    bench.receive(
        json!({"op": "error", "ref": frame["ref"], "code": "invalid_event", "message": "no `uuid`"}),
    );
    let error = Error::new("invalid_event", "no `uuid`");
    assert_eq!(bench.outputs(), [Output::PublishFailed { publish, error }]);
    assert_eq!(bench.reconnect().len(), 2);
}

#[test]
fn after_a_goaway_the_next_connection_sends_the_publish() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    bench.publish(1).unwrap();
    let frame = bench.frames().remove(0);
    bench.receive(json!({"op": "error", "ref": frame["ref"], "code": "going_away", "message": "later"}));
    assert_eq!(bench.outputs(), []);
    assert_eq!(bench.reconnect()[2]["key"], frame["key"]);
}

#[test]
fn a_frame_that_was_too_large_does_not_end_the_next_connection_too() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    let publish = bench.publish(1).unwrap();
    bench.outputs();
    bench.close(1009);
    let outputs = bench.outputs();
    let failed = |output: &_| matches!(output, Output::PublishFailed { publish: id, error } if *id == publish && error.code == "too_large");
    assert!(outputs.iter().any(failed), "{outputs:?}");
    assert_eq!(statuses(&outputs), [Status::Reconnecting]);
}

#[test]
fn waiting_publishes_are_bounded() {
    let mut bench = Bench::new();
    for key in 0..MAX_PUBLISHES {
        bench.publish(key as u128).unwrap();
    }
    let error = bench.publish(999).unwrap_err();
    assert_eq!(error.code, OFFLINE_FULL);
    assert!(error.may_retry());
}

#[test]
fn a_full_queue_is_sent_no_faster_than_the_server_allows() {
    let mut bench = Bench::new();
    for key in 0..MAX_PUBLISHES {
        bench.publish(key as u128).unwrap();
    }
    bench.open();
    let mut sent = bench.frames().len();
    assert!(sent <= 102, "{sent} frames at once");
    bench.welcome();
    let start = bench.ms;
    while bench.client.poll_timeout().is_some_and(|due| due < start + 5_000) {
        bench.next_timeout();
        sent += bench.frames().len();
        assert!(sent as u64 <= 102 + (bench.ms - start) / 10, "{sent} frames after {} ms", bench.ms - start);
    }
    assert_eq!(sent, 1 + MAX_PUBLISHES);
    assert!(bench.ms - start < 2_000);
}

#[test]
fn a_cancelled_publish_is_not_sent_any_more() {
    let mut bench = Bench::new();
    let first = bench.publish(1).unwrap();
    bench.publish(2).unwrap();
    bench.client.handle_cancel(first);
    bench.open();
    let frames = bench.frames();
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[1]["key"], json!(Uuid::from_u128(2)));
}

#[test]
fn an_event_that_would_cost_the_connection_is_refused_before_it_is_sent() {
    let mut bench = Bench::new();
    let nested = |depth: usize| format!("{}\"\\\"{{\"{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(bench.client.check_event(&nested(MAX_JSON_DEPTH - 1), &[]), Ok(()));
    let error = bench.client.check_event(&nested(MAX_JSON_DEPTH), &[]).unwrap_err();
    assert_eq!(error.code, "invalid_event");

    let room = MAX_MESSAGE_BYTES - PUBLISH_OVERHEAD_BYTES as usize;
    assert_eq!(bench.client.check_event(&" ".repeat(room), &[]), Ok(()));
    let error = bench.client.check_event(&" ".repeat(room + 1), &[]).unwrap_err();
    assert_eq!(error.code, "too_large");
    let topics = ["a:b".to_owned()];
    assert_eq!(bench.client.check_event(&" ".repeat(room - 6), &topics), Ok(()));
    assert_eq!(bench.client.check_event(&" ".repeat(room - 5), &topics).unwrap_err().code, "too_large");

    let now = bench.now();
    let with_origin = |bytes| Publish { origin: Some("o".repeat(bytes)), ..publish(1) };
    assert!(bench.client.handle_publish(with_origin(MAX_ORIGIN_BYTES), now).is_ok());
    let error = bench.client.handle_publish(with_origin(MAX_ORIGIN_BYTES + 1), now).unwrap_err();
    assert_eq!(error.code, "too_large");
}

#[test]
fn only_the_publish_that_is_too_large_fails() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    let publishes: Vec<_> = (1..=3).map(|key| bench.publish(key).unwrap()).collect();
    bench.outputs();
    bench.close(1009);
    let mut outputs = bench.outputs();
    // The client finds it by sending them one at a time.
    for _ in 0..3 {
        bench.next_timeout();
        bench.open();
        let mut frames = bench.frames();
        bench.welcome();
        while let Some(frame) = frames.iter().find(|frame| frame["op"] == "publish").cloned() {
            if frame["key"] == json!(Uuid::from_u128(2)) {
                bench.close(1009);
            } else {
                bench.receive(published(&frame));
                if bench.client.poll_timeout().is_some_and(|due| due <= bench.ms) {
                    bench.next_timeout();
                }
            }
            let more = bench.outputs();
            frames = more
                .iter()
                .filter_map(|output| match output {
                    Output::Send { frame, .. } => Some(serde_json::to_value(frame).unwrap()),
                    _ => None,
                })
                .collect();
            outputs.extend(more);
        }
        if bench.client.status() != Status::Reconnecting {
            break;
        }
    }
    let failed = |output: &_| match output {
        Output::PublishFailed { publish, .. } => Some(*publish),
        _ => None,
    };
    let answered = |output: &_| match output {
        Output::Published { publish, .. } => Some(*publish),
        _ => None,
    };
    assert_eq!(outputs.iter().filter_map(failed).collect::<Vec<_>>(), [publishes[1]]);
    assert_eq!(outputs.iter().filter_map(answered).collect::<Vec<_>>(), [publishes[0], publishes[2]]);
}

#[test]
fn after_an_unreadable_answer_the_publish_is_sent_again() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    bench.publish(1).unwrap();
    let frame = bench.frames().remove(0);
    bench.receive(json!({"op": "published", "ref": frame["ref"], "key": 7}));
    bench.outputs();
    bench.next_timeout();
    bench.open();
    assert_eq!(bench.frames()[2]["key"], frame["key"]);
}

#[test]
fn publishes_get_their_turn_while_topics_change_all_the_time() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    let (mut published, mut subscribed, mut row) = (0, 0, None);
    for turn in 0..2_500 {
        bench.ms += 4;
        if let Some(row) = row.replace(bench.subscribe(&[&format!("row:{turn}")])) {
            bench.client.handle_unsubscribe(row);
        }
        if turn >= 1_000 && turn % 25 == 0 {
            bench.publish(turn as u128).unwrap();
        }
        let now = bench.now();
        if bench.client.poll_timeout().is_some_and(|due| due <= now.ms) {
            bench.client.handle_timeout(now);
        }
        let frames = bench.frames();
        published += frames.iter().filter(|frame| frame["op"] == "publish").count();
        subscribed += frames.iter().filter(|frame| frame["op"] == "subscribe").count();
    }
    assert!(published >= 59, "{published} of 60 publishes");
    assert!(subscribed >= 200, "{subscribed} subscribes");
}

#[test]
fn a_cancelled_publish_that_is_too_large_does_not_fail_another() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    let cancelled = bench.publish(1).unwrap();
    let innocent = bench.publish(2).unwrap();
    assert_eq!(bench.frames().len(), 2);
    bench.client.handle_cancel(cancelled);
    bench.close(1009);
    assert!(!bench.outputs().iter().any(|output| matches!(output, Output::PublishFailed { .. })));
    bench.next_timeout();
    bench.open();
    let frames = bench.frames();
    let sent: Vec<_> = frames.iter().filter(|frame| frame["op"] == "publish").collect();
    assert_eq!(sent.len(), 1);
    bench.receive(
        json!({"op": "published", "ref": sent[0]["ref"], "key": "k", "position": "p", "topics": []}),
    );
    assert!(
        bench
            .outputs()
            .iter()
            .any(|o| matches!(o, Output::Published { publish, .. } if *publish == innocent))
    );
}

#[test]
fn the_answer_to_a_cancelled_publish_is_dropped() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    let publish = bench.publish(1).unwrap();
    let frame = bench.frames().remove(0);
    bench.client.handle_cancel(publish);
    bench.receive(json!({"op": "published", "ref": frame["ref"], "key": "k", "position": "p", "topics": []}));
    assert_eq!(bench.outputs(), []);
}

#[test]
fn an_invalid_topic_is_refused_before_it_is_sent() {
    let bench = Bench::new();
    let error = bench.client.check_event("{}", &["crm:\u{1}".to_owned()]).unwrap_err();
    assert_eq!(error.code, "invalid_topic");
    assert_eq!(bench.client.check_event("{}", &["crm:contact".to_owned()]), Ok(()));
}
