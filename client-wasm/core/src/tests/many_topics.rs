//! More topics than fit in a frame, and more than a session may have.

use serde_json::Value;
use tidings_shared::limits::MAX_TOPICS_PER_SESSION;

use super::*;
use crate::limits::{MAX_TOPICS, RETRY_FIRST_MS, RETRY_MAX_MS};

fn rows(count: usize) -> Vec<String> {
    (0..count).map(|row| format!("row:{row:04}")).collect()
}

fn strs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

fn names(frame: &Value) -> usize {
    frame["topics"].as_array().unwrap().len()
}

impl Bench {
    /// Takes all frames until nothing more is due now.
    fn all_frames(&mut self) -> Vec<Value> {
        let mut frames = self.frames();
        while self.client.poll_timeout().is_some_and(|due| due <= self.ms) {
            let now = self.now();
            self.client.handle_timeout(now);
            frames.extend(self.frames());
        }
        frames
    }

    /// Waits for the next change of topics and returns it with the milliseconds. The server pings meanwhile.
    fn next_change(&mut self, within_ms: u64) -> Option<(Value, u64)> {
        let start = self.ms;
        while self.ms - start < within_ms {
            self.receive(json!({"op": "ping"}));
            let due = self.client.poll_timeout().unwrap_or(u64::MAX);
            self.ms = due.clamp(self.ms, self.ms + 10_000);
            let now = self.now();
            self.client.handle_timeout(now);
            if let Some(frame) = self.frames().into_iter().find(|frame| frame["op"] != "pong") {
                return Some((frame, self.ms - start));
            }
        }
        None
    }

    /// Opens a session with so many rows in force at a position. Each row has its own subscription.
    fn session_of_rows(&mut self, count: usize, position: &str) {
        for row in rows(count) {
            self.subscribe(&[&row]);
        }
        self.open();
        let frames = self.all_frames();
        self.welcome();
        for frame in &frames[1..] {
            self.subscribed(frame, position, "live");
        }
        let ready = told(self.outputs()).iter().filter(|told| told.starts_with("ready")).count();
        assert_eq!(ready, count);
    }

    /// Answers a subscribe: for each topic an outcome, or the code of its refusal.
    fn answered(&mut self, subscribe: &Value, position: &str, outcome: impl Fn(&str) -> &'static str) {
        let topic = |topic: &Value| match outcome(topic.as_str().unwrap()) {
            done @ ("live" | "resumed" | "sync") => json!({"topic": topic, "outcome": done}),
            code => json!({"topic": topic, "outcome": "refused", "code": code}),
        };
        let topics: Vec<Value> = subscribe["topics"].as_array().unwrap().iter().map(topic).collect();
        self.receive(json!({
            "op": "subscribed", "ref": subscribe["ref"], "position": position, "topics": topics,
        }));
    }
}

#[test]
fn a_resume_of_many_topics_is_several_frames_and_all_except_the_last_say_more() {
    let mut bench = Bench::new();
    bench.session_of_rows(300, "p1");
    let frames = bench.reconnect();
    let said: Vec<_> =
        frames[1..].iter().map(|frame| (names(frame), &frame["since"], frame.get("more"))).collect();
    let (since, more) = (json!("p1"), json!(true));
    assert_eq!(said, [(128, &since, Some(&more)), (128, &since, Some(&more)), (44, &since, None)]);
    for frame in &frames[1..] {
        assert_eq!(told(bench.outputs()), [""; 0], "before all is answered, nobody is told");
        bench.subscribed(frame, "p1", "resumed");
    }
    let resumed: Vec<String> = (1..=300).map(|id| format!("resumed {id}")).collect();
    assert_eq!(told(bench.outputs()), resumed);
}

#[test]
fn new_topics_of_an_open_session_are_several_frames_and_no_pause() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    let all = bench.subscribe(&strs(&rows(200)));
    let frames = bench.all_frames();
    let said: Vec<_> =
        frames.iter().map(|frame| (names(frame), frame.get("since"), frame.get("more"))).collect();
    assert_eq!(said, [(128, None, None), (72, None, None)]);
    bench.subscribed(&frames[0], "p2", "live");
    assert_eq!(told(bench.outputs()), [""; 0]);
    bench.subscribed(&frames[1], "p3", "live");
    assert_eq!(told(bench.outputs()), [format!("ready {}", all.0)]);
    bench.client.handle_unsubscribe(all);
    let counts: Vec<_> = bench.all_frames().iter().map(|frame| (frame["op"].clone(), names(frame))).collect();
    assert_eq!(counts, [(json!("unsubscribe"), 128), (json!("unsubscribe"), 72)]);
}

#[test]
fn frames_keep_the_limits_that_the_server_announced() {
    let mut bench = Bench::new();
    bench.subscribe(&["staff:people"]);
    bench.open();
    let first = bench.all_frames().remove(1);
    bench.welcome_with(1_024, 1_024, 50, 100);
    bench.subscribed(&first, "p1", "live");
    bench.outputs();
    let long: Vec<String> = (0..20).map(|n| format!("long:{}:{n:02}", "x".repeat(240))).collect();
    bench.subscribe(&strs(&long));
    let rows = rows(120);
    bench.subscribe(&strs(&rows));
    let frames = bench.all_frames();
    assert!(frames.iter().all(|frame| frame.to_string().len() <= 1_024 && names(frame) <= 50));
    assert_eq!(frames.iter().map(names).sum::<usize>(), 140);
    // A topic that is longer than a message may be has a frame of its own.
    bench.welcome_with(100, 1_024, 50, 100);
    bench.subscribe(&["a:longer:one", "a:longer:two"]);
    assert_eq!(bench.all_frames().iter().map(names).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn topics_are_sent_again_to_a_server_with_a_lower_limit_for_frames() {
    let mut bench = Bench::new();
    let all = bench.subscribe(&strs(&rows(100)));
    bench.open();
    let subscribe = bench.all_frames().remove(1);
    bench.welcome_with(65_536, 1_024, 60, 100);
    let refusal = json!({"op": "error", "ref": subscribe["ref"], "code": "too_many_topics", "message": "no"});
    bench.receive(refusal);
    let frames = bench.all_frames();
    assert_eq!(frames.iter().map(names).collect::<Vec<_>>(), [60, 40]);
    frames.iter().for_each(|frame| bench.subscribed(frame, "p1", "live"));
    assert_eq!(told(bench.outputs()), [format!("ready {}", all.0)]);
}

#[test]
fn a_refused_unsubscribe_leads_to_a_new_session_without_its_topics() {
    let mut bench = Bench::new();
    let left = bench.subscribe(&["row:1", "row:2"]);
    bench.subscribe(&["row:3"]);
    bench.open();
    bench.all_frames();
    bench.client.handle_unsubscribe(left);
    let unsubscribe = bench.all_frames().remove(0);
    assert_eq!((&unsubscribe["op"], names(&unsubscribe)), (&json!("unsubscribe"), 2));
    bench.welcome_with(65_536, 2, 1, 100);
    bench.outputs();
    bench.receive(
        json!({"op": "error", "ref": unsubscribe["ref"], "code": "too_many_topics", "message": "no"}),
    );
    let outputs = bench.outputs();
    assert!(outputs.iter().any(|output| matches!(output, Output::Disconnect { .. })), "{outputs:?}");
    bench.next_timeout();
    bench.open();
    assert_eq!(bench.frames()[1]["topics"], json!(["row:3"]));
}

#[test]
fn a_resume_stays_under_the_rate_and_continues_later() {
    let mut bench = Bench::new();
    bench.session_of_rows(1_000, "p1");
    bench.welcome_with(65_536, 1_024, 128, 4);
    let mut frames = bench.reconnect();
    // A burst of one second, and then two a second.
    assert!((3..=6).contains(&frames.len()), "{}", frames.len());
    while bench.client.poll_timeout().is_some_and(|due| due <= bench.ms + 2_000) {
        bench.next_timeout();
        frames.extend(bench.frames());
    }
    assert_eq!(frames[1..].iter().map(names).sum::<usize>(), 1_000);
    let more: Vec<bool> = frames[1..].iter().map(|frame| frame.get("more").is_some()).collect();
    assert_eq!(more, [[true; 7].as_slice(), &[false]].concat());
    assert!(frames[1..].iter().all(|frame| frame["since"] == "p1"));
}

#[test]
fn a_resume_ends_when_its_remaining_topics_are_unsubscribed() {
    let mut bench = Bench::new();
    let first = bench.session(&["a:first"], "p1");
    bench.welcome_with(65_536, 1_024, 1, 1);
    let second = bench.subscribe(&["b:second"]);
    bench.next_timeout();
    let frame = bench.frames().remove(0);
    bench.subscribed(&frame, "p1", "live");
    bench.ms += 10_000;
    let frames = bench.reconnect();
    assert_eq!((frames.len(), &frames[1]["more"]), (2, &json!(true)));
    bench.client.handle_unsubscribe(second);
    bench.next_timeout();
    let last = bench.frames().remove(0);
    assert_eq!((&last["topics"], last.get("more"), last.get("since")), (&json!([]), None, None));
    bench.subscribed(&frames[1], "p1", "resumed");
    bench.subscribed(&last, "p1", "live");
    assert_eq!(told(bench.outputs()), [format!("resumed {}", first.0)]);
}

#[test]
fn a_resume_that_is_cut_between_its_answers_starts_again_at_its_position() {
    let mut bench = Bench::new();
    bench.session_of_rows(200, "p1");
    let frames = bench.reconnect();
    bench.subscribed(&frames[1], "p1", "resumed");
    bench.receive(json!({"op": "ping", "position": "p9"}));
    let frames = bench.reconnect();
    assert_eq!((&frames[1]["since"], &frames[2]["since"]), (&json!("p1"), &json!("p1")));
    frames[1..].iter().for_each(|frame| bench.subscribed(frame, "p1", "resumed"));
    assert_eq!(told(bench.outputs()).len(), 200);
}

#[test]
fn topics_that_stay_behind_in_a_resume_are_loaded_whatever_the_server_answers_later() {
    for later in ["resumed", "sync", "live"] {
        let mut bench = Bench::new();
        bench.session_of_rows(129, "p1");
        let frames = bench.reconnect();
        // An old server, or one that has waited too long for the rest: it goes on after the first frame.
        bench.subscribed(&frames[1], "p1", "resumed");
        bench.event(&["row:0000"], "p2");
        assert_eq!(told(bench.outputs()), ["event p2 to 1[\"row:0000\"]"]);
        // The connection is lost before the second answer: the event does not come again.
        let frames = bench.reconnect();
        assert_eq!(frames[2]["since"], "p2");
        bench.subscribed(&frames[1], "p2", "resumed");
        bench.subscribed(&frames[2], "p2", later);
        let heard = told(bench.outputs());
        assert_eq!((heard.len(), heard.last().unwrap().as_str()), (129, "sync 129[\"row:0128\"]"));
    }
}

#[test]
fn a_subscription_that_was_resumed_in_part_gets_a_sync_for_the_lost_part_only() {
    let mut bench = Bench::new();
    let all = bench.subscribe(&strs(&rows(129)));
    bench.open();
    let frames = bench.all_frames();
    bench.welcome();
    frames[1..].iter().for_each(|frame| bench.subscribed(frame, "p1", "live"));
    assert_eq!(told(bench.outputs()), [format!("ready {}", all.0)]);
    let frames = bench.reconnect();
    bench.subscribed(&frames[1], "p1", "resumed");
    bench.subscribed(&frames[2], "p5", "sync");
    assert_eq!(told(bench.outputs()), [format!("sync {}[\"row:0128\"]", all.0)]);
}

#[test]
fn a_topic_without_room_is_reported_and_tried_again_when_another_leaves() {
    let mut bench = Bench::new();
    bench.session_of_rows(MAX_TOPICS_PER_SESSION, "p1");
    let late = bench.subscribe(&["row:late"]);
    let outputs = bench.outputs();
    let Some(Output::Failed { topic: Some(topic), error, waits: true, .. }) = outputs.first() else {
        panic!("{outputs:?}")
    };
    assert_eq!(topic.as_str(), "row:late");
    assert!(error.message.contains("1024") && error.message.contains("--max-topics-per-session"), "{error}");
    assert_eq!(bench.all_frames(), [json!(null); 0]);
    // The second holder hears of it too.
    let other = bench.subscribe(&["row:late"]);
    assert_eq!(told(bench.outputs()), [format!("waits {} Some(\"row:late\") too_many_topics", other.0)]);
    bench.client.handle_unsubscribe(SubscriptionId(1));
    let frames = bench.all_frames();
    assert_eq!((frames.len(), &frames[1]["topics"], frames[1].get("since")), (2, &json!(["row:late"]), None));
    bench.subscribed(&frames[1], "p2", "live");
    let expected = [
        format!("ready {}", late.0),
        format!("ready {}", other.0),
        format!("sync {}[\"row:late\"]", late.0),
        format!("sync {}[\"row:late\"]", other.0),
    ];
    assert_eq!(told(bench.outputs()), expected);
    bench.event(&["row:late"], "p3");
    assert_eq!(told(bench.outputs()).len(), 1);
}

#[test]
fn a_subscription_with_room_for_a_part_gets_that_part_and_the_rest_later() {
    let mut bench = Bench::new();
    bench.session_of_rows(MAX_TOPICS_PER_SESSION - 1, "p1");
    let both = bench.subscribe(&["row:a", "row:b"]);
    assert_eq!(told(bench.outputs()), [format!("waits {} Some(\"row:b\") too_many_topics", both.0)]);
    let frame = bench.all_frames().remove(0);
    assert_eq!(frame["topics"], json!(["row:a"]));
    bench.subscribed(&frame, "p2", "live");
    assert_eq!(told(bench.outputs()), [""; 0]);
    bench.event(&["row:a"], "p3");
    assert_eq!(told(bench.outputs()).len(), 1);
    bench.client.handle_unsubscribe(SubscriptionId(7));
    let frame = bench.all_frames().remove(1);
    bench.subscribed(&frame, "p4", "live");
    let expected = [format!("ready {}", both.0), format!("sync {}[\"row:b\"]", both.0)];
    assert_eq!(told(bench.outputs()), expected);
}

#[test]
fn a_view_without_room_loads_without_its_topic_and_again_when_there_is_room() {
    let mut bench = Bench::new();
    bench.session_of_rows(MAX_TOPICS_PER_SESSION, "p1");
    let now = bench.now();
    let id = bench.client.handle_watch(&["row:late"], now).unwrap().0;
    let waits = format!("waits {id} Some(\"row:late\") too_many_topics");
    assert_eq!(told(bench.outputs()), [waits]);
    bench.next_timeout();
    assert_eq!(told(bench.outputs()), [format!("load 1 of {id}")]);
    bench.ms += 1_000;
    bench.client.handle_loaded(SubscriptionId(id), LoadId(1), Loaded::Done, now);
    bench.client.handle_unsubscribe(SubscriptionId(1));
    let frame = bench.all_frames().remove(1);
    bench.subscribed(&frame, "p2", "live");
    let sync = format!("sync {id}[\"row:late\"]");
    assert_eq!(told(bench.outputs()), [format!("ready {id}"), sync, format!("load 2 of {id}")]);
}

#[test]
fn a_client_uses_the_room_of_each_server_that_it_meets() {
    let mut bench = Bench::new();
    bench.session_of_rows(300, "p1");
    // This server is old. It allows 128, and says so after the frames were sent.
    let frames = bench.reconnect();
    bench.welcome_with(65_536, 128, 128, 100);
    bench.subscribed(&frames[1], "p1", "resumed");
    for frame in &frames[2..] {
        bench.answered(frame, "p1", |_| "too_many_topics");
    }
    let heard = told(bench.outputs());
    let of = |what: &str| heard.iter().filter(|told| told.starts_with(what)).count();
    assert_eq!((of("waits"), of("resumed")), (172, 128));
    // The client does not ask it again and again.
    assert_eq!(bench.next_change(300_000), None);
    // On the next connection the client asks for what is allowed, and on the one after it for all.
    let frames = bench.reconnect();
    assert_eq!(frames[1..].iter().map(names).sum::<usize>(), 128);
    bench.welcome_with(65_536, 1_024, 128, 100);
    frames[1..].iter().for_each(|frame| bench.subscribed(frame, "p1", "resumed"));
    bench.outputs();
    let frames = bench.all_frames();
    assert_eq!(frames.iter().map(names).sum::<usize>(), 172);
    frames.iter().for_each(|frame| bench.subscribed(frame, "p2", "live"));
    let heard = told(bench.outputs());
    assert_eq!(heard.iter().filter(|told| told.starts_with("sync")).count(), 172);
}

#[test]
fn topics_without_room_in_the_tenant_are_tried_again_less_and_less_often() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    let id = bench.subscribe(&["row:1"]).0;
    let mut waits = Vec::new();
    for round in 0..8 {
        let (frame, wait) = bench.next_change(300_000).expect("it is asked for again");
        waits.push(wait);
        assert_eq!(frame["topics"], json!(["row:1"]));
        bench.answered(&frame, "p2", |_| "overloaded");
        let expected = format!("waits {id} Some(\"row:1\") overloaded");
        let heard = told(bench.outputs());
        assert_eq!(heard, if round == 0 { vec![expected] } else { vec![] }, "it is told once");
    }
    assert!((RETRY_FIRST_MS / 2..=RETRY_FIRST_MS).contains(&waits[1]), "{waits:?}");
    assert!(waits[7] >= 4 * waits[1] && waits[7] <= RETRY_MAX_MS, "{waits:?}");
    let frame = bench.next_change(300_000).unwrap().0;
    bench.subscribed(&frame, "p3", "live");
    assert_eq!(told(bench.outputs()), [format!("ready {id}"), format!("sync {id}[\"row:1\"]")]);
    assert_eq!(bench.next_change(300_000), None);
}

#[test]
fn topics_are_bounded_also_those_that_wait_for_room() {
    let mut bench = Bench::new();
    let all = bench.subscribe(&strs(&rows(MAX_TOPICS)));
    let now = bench.now();
    assert!(bench.client.handle_subscribe(&["row:0000"], now).is_ok());
    let error = bench.client.handle_subscribe(&["row:one_more"], now).unwrap_err();
    assert_eq!(error.code, "too_many_topics");
    assert!(error.message.contains("4096") && error.message.contains("4097"), "{error}");
    bench.client.handle_unsubscribe(all);
    assert!(bench.client.handle_subscribe(&["row:one_more"], now).is_ok());
}

#[test]
fn a_topic_that_is_lost_for_good_leaves_its_room_to_one_that_waits() {
    let mut bench = Bench::new();
    bench.session_of_rows(MAX_TOPICS_PER_SESSION - 1, "p1");
    bench.subscribe(&["row:forbidden"]);
    let late = bench.subscribe(&["row:late"]);
    let frame = bench.all_frames().remove(0);
    assert_eq!(frame["topics"], json!(["row:forbidden"]));
    bench.answered(&frame, "p2", |_| "forbidden");
    let frame = bench.all_frames().remove(0);
    assert_eq!(frame["topics"], json!(["row:late"]));
    bench.subscribed(&frame, "p3", "live");
    assert_eq!(told(bench.outputs()).first(), Some(&format!("ready {}", late.0)));
    // A topic whose right was revoked leaves its room too.
    let next = bench.subscribe(&["row:next"]);
    bench.outputs();
    bench.receive(json!({"op": "unsubscribed", "topics": ["row:0007"], "code": "forbidden"}));
    let frame = bench.all_frames().remove(0);
    assert_eq!(frame["topics"], json!(["row:next"]));
    bench.subscribed(&frame, "p4", "live");
    assert_eq!(told(bench.outputs()).first(), Some(&format!("ready {}", next.0)));
}

#[test]
fn a_final_refusal_is_not_tried_again() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    bench.subscribe(&["row:1", "row:2"]);
    bench.next_timeout();
    let frame = bench.frames().remove(0);
    bench.answered(&frame, "p2", |topic| if topic == "row:1" { "forbidden" } else { "live" });
    bench.outputs();
    assert_eq!(bench.all_frames(), [json!(null); 0]);
    assert_eq!(bench.next_change(300_000), None);
    assert_eq!(bench.reconnect()[1]["topics"], json!(["row:2", "staff:people"]));
}
