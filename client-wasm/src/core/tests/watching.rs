//! When a view's data is loaded.

use super::*;

impl Bench {
    fn watch(&mut self, topics: &[&str]) -> SubscriptionId {
        let now = self.now();
        self.client.handle_watch(topics, now).unwrap()
    }

    /// A watched subscription in force, of which the first load is done.
    fn view(&mut self, topics: &[&str]) -> SubscriptionId {
        let id = self.watch(topics);
        self.open();
        let frames = self.frames();
        self.welcome();
        self.subscribed(&frames[1], "p1", "live");
        assert_eq!(told(self.outputs()), ["ready 1", "load 1 of 1"]);
        self.loaded(id, 1, Loaded::Done);
        assert_eq!(told(self.outputs()), [""; 0]);
        id
    }

    fn loaded(&mut self, id: SubscriptionId, load: u64, how: Loaded) {
        let now = self.now();
        self.client.handle_loaded(id, LoadId(load), how, now);
    }

    fn outdated(&mut self, id: SubscriptionId) {
        let now = self.now();
        self.client.handle_outdated(id, now);
    }
}

#[test]
fn nothing_is_loaded_before_the_topics_are_in_force() {
    let mut bench = Bench::new();
    bench.watch(&["staff:people", "staff:teams"]);
    bench.open();
    let frames = bench.frames();
    bench.welcome();
    assert_eq!(told(bench.outputs()), [""; 0]);
    bench.subscribed(&frames[1], "p1", "live");
    assert_eq!(told(bench.outputs()), ["ready 1", "load 1 of 1"]);
}

#[test]
fn a_topic_that_is_in_force_already_is_loaded_at_once() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    bench.watch(&["staff:people"]);
    assert_eq!(told(bench.outputs()), ["ready 2", "load 1 of 2"]);
}

#[test]
fn events_during_a_load_cause_exactly_one_more() {
    let mut bench = Bench::new();
    let view = bench.view(&["staff:people"]);
    bench.outdated(view);
    assert_eq!(told(bench.outputs()), ["load 2 of 1"]);
    for _ in 0..5 {
        bench.outdated(view);
    }
    assert_eq!(told(bench.outputs()), [""; 0]);
    bench.loaded(view, 2, Loaded::Done);
    assert_eq!(told(bench.outputs()), ["load 3 of 1"]);
    bench.loaded(view, 3, Loaded::Done);
    assert_eq!(told(bench.outputs()), [""; 0]);
}

#[test]
fn a_sync_loads_again_and_a_resume_that_missed_nothing_does_not() {
    let mut bench = Bench::new();
    let view = bench.view(&["staff:people"]);
    let frames = bench.reconnect();
    bench.welcome();
    bench.subscribed(&frames[1], "p1", "resumed");
    assert_eq!(told(bench.outputs()), ["resumed 1"]);

    let frames = bench.reconnect();
    bench.welcome();
    bench.subscribed(&frames[1], "p9", "sync");
    assert_eq!(told(bench.outputs()), ["sync 1[\"staff:people\"]", "load 2 of 1"]);

    bench.receive(json!({"op": "sync", "position": "p10", "topics": ["staff:people"]}));
    assert_eq!(told(bench.outputs()), ["sync 1[\"staff:people\"]"]);
    bench.loaded(view, 2, Loaded::Done);
    assert_eq!(told(bench.outputs()), ["load 3 of 1"]);
}

#[test]
fn a_subscription_to_several_topics_is_told_of_a_resume_once() {
    let mut bench = Bench::new();
    bench.session(&["staff:people", "staff:teams"], "p1");
    let frames = bench.reconnect();
    bench.subscribed(&frames[1], "p1", "resumed");
    assert_eq!(told(bench.outputs()), ["resumed 1"]);
}

#[test]
fn a_message_that_cannot_be_read_loads_again() {
    let mut bench = Bench::new();
    bench.view(&["staff:people"]);
    bench.receive_text("<html>");
    assert_eq!(told(bench.outputs()), ["sync 1[\"staff:people\"]", "error invalid_frame", "load 2 of 1"]);
}

#[test]
fn a_failed_load_is_tried_again_ever_more_rarely_and_events_wait_for_that() {
    let mut bench = Bench::new();
    bench.random = u32::MAX;
    let view = bench.view(&["staff:people"]);
    bench.outdated(view);
    bench.outputs();
    let mut waits = Vec::new();
    for load in 2..10 {
        bench.loaded(view, load, Loaded::Retry);
        bench.outdated(view);
        assert_eq!(told(bench.outputs()), [""; 0]);
        waits.push(bench.next_timeout());
        assert_eq!(told(bench.outputs()), [format!("load {} of 1", load + 1)]);
        // The server is heard of meanwhile.
        bench.receive(json!({"op": "pong", "ref": 1}));
    }
    assert_eq!(waits, [249, 499, 999, 1_999, 3_999, 7_999, 15_999, 19_999]);
    bench.loaded(view, 10, Loaded::Done);
    bench.outdated(view);
    bench.outputs();
    bench.loaded(view, 11, Loaded::Retry);
    assert_eq!(bench.next_timeout(), 249);
}

#[test]
fn a_user_who_asks_does_not_wait_for_the_retry() {
    let mut bench = Bench::new();
    bench.random = u32::MAX;
    let view = bench.view(&["staff:people"]);
    bench.outdated(view);
    bench.outputs();
    bench.loaded(view, 2, Loaded::Retry);
    let now = bench.now();
    bench.client.handle_reload(view, now);
    assert_eq!(told(bench.outputs()), ["load 3 of 1"]);
}

#[test]
fn a_woken_page_tries_a_failed_load_again_soon_and_hastens_no_first_one() {
    let mut bench = Bench::new();
    bench.random = u32::MAX;
    let wake = |bench: &mut Bench| {
        let now = bench.now();
        bench.client.handle_wake(now);
        bench.receive(json!({"op": "pong", "ref": 1}));
        bench.outputs();
    };
    let view = bench.view(&["staff:people"]);
    bench.outdated(view);
    for load in 2..8 {
        bench.loaded(view, load, Loaded::Retry);
        bench.next_timeout();
        bench.receive(json!({"op": "pong", "ref": 1}));
    }
    bench.loaded(view, 8, Loaded::Retry);
    wake(&mut bench);
    assert_eq!(bench.next_timeout(), 249);
    assert_eq!(told(bench.outputs()), ["load 9 of 1"]);

    bench.loaded(view, 9, Loaded::Done);
    bench.watch(&["staff:teams"]);
    let (now, begin) = (bench.now(), bench.ms);
    bench.client.handle_timeout(now);
    wake(&mut bench);
    assert_eq!(bench.client.poll_timeout(), Some(begin + 3_000));
}

#[test]
fn a_load_that_fails_for_good_waits_for_the_next_event() {
    let mut bench = Bench::new();
    let view = bench.view(&["staff:people"]);
    bench.outdated(view);
    bench.outputs();
    bench.loaded(view, 2, Loaded::Failed);
    assert_eq!(told(bench.outputs()), [""; 0]);
    bench.outdated(view);
    assert_eq!(told(bench.outputs()), ["load 3 of 1"]);
    bench.outdated(view);
    bench.loaded(view, 3, Loaded::Failed);
    assert_eq!(told(bench.outputs()), ["load 4 of 1"]);
}

#[test]
fn a_load_that_takes_too_long_is_given_up_for_another() {
    let mut bench = Bench::new();
    let view = bench.view(&["staff:people"]);
    bench.outdated(view);
    bench.outputs();
    bench.ms += 29_999;
    bench.receive(json!({"op": "pong", "ref": 1}));
    assert_eq!(bench.next_timeout(), 1);
    assert_eq!(told(bench.outputs()), ["load 3 of 1"]);
    // The first one ends after all: it may have begun before the last change.
    bench.loaded(view, 2, Loaded::Done);
    bench.outdated(view);
    assert_eq!(told(bench.outputs()), [""; 0]);
    bench.loaded(view, 3, Loaded::Done);
    assert_eq!(told(bench.outputs()), ["load 4 of 1"]);
}

#[test]
fn a_server_that_cannot_be_reached_does_not_keep_a_page_empty() {
    let mut bench = Bench::new();
    let view = bench.watch(&["staff:people"]);
    bench.outputs();
    assert_eq!(bench.next_timeout(), 3_000);
    assert_eq!(told(bench.outputs()), ["load 1 of 1"]);
    bench.loaded(view, 1, Loaded::Done);
    // What is published before the topics are in force is not heard of, so they make it load again.
    bench.open();
    let frames = bench.frames();
    bench.subscribed(&frames[1], "p1", "live");
    assert_eq!(told(bench.outputs()), ["ready 1", "load 2 of 1"]);
}

#[test]
fn a_view_loads_what_it_can_hear_of_when_a_topic_is_refused() {
    let mut bench = Bench::new();
    bench.watch(&["staff:people", "staff:teams"]);
    bench.open();
    let frames = bench.frames();
    bench.welcome();
    bench.receive(json!({
        "op": "subscribed", "ref": frames[1]["ref"], "position": "p1", "topics": [
            {"topic": "staff:people", "outcome": "live"},
            {"topic": "staff:teams", "outcome": "refused", "code": "forbidden"},
        ],
    }));
    assert_eq!(told(bench.outputs()), ["failed 1 Some(\"staff:teams\") forbidden", "load 1 of 1"]);
}

#[test]
fn a_view_that_ended_loads_nothing() {
    let mut bench = Bench::new();
    let view = bench.view(&["staff:people"]);
    bench.outdated(view);
    bench.outputs();
    bench.outdated(view);
    bench.client.handle_unsubscribe(view);
    bench.loaded(view, 2, Loaded::Done);
    bench.outdated(view);
    assert_eq!(told(bench.outputs()), [""; 0]);
}
