//! When the data of a view is loaded.

use super::*;
use crate::{Watching, limits::MIN_LOAD_INTERVAL_MS};

impl Bench {
    fn watch(&mut self, topics: &[&str]) -> SubscriptionId {
        let now = self.now();
        self.client.handle_watch(topics, now).unwrap()
    }

    /// A watched subscription that shares the loads of another.
    fn share(&mut self, topics: &[&str], with: SubscriptionId) -> SubscriptionId {
        let now = self.now();
        let watching = Watching { shares: Some(with), ..Watching::default() };
        self.client.handle_watch_with(topics, watching, now).unwrap()
    }

    /// A watched subscription in force. Its first load and the interval after it are over.
    fn view(&mut self, topics: &[&str]) -> SubscriptionId {
        let id = self.watch(topics);
        self.open();
        let frames = self.frames();
        self.welcome();
        self.subscribed(&frames[1], "p1", "live");
        assert_eq!(told(self.outputs()), ["ready 1", "load 1 of 1"]);
        self.loaded(id, 1, Loaded::Done);
        assert_eq!(told(self.outputs()), [""; 0]);
        self.ms += MIN_LOAD_INTERVAL_MS;
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
fn a_view_of_a_topic_in_force_is_loaded_at_once() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    bench.watch(&["staff:people"]);
    assert_eq!(told(bench.outputs()), ["ready 2"]);
    assert_eq!(bench.next_timeout(), 0);
    assert_eq!(told(bench.outputs()), ["load 1 of 2"]);
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
    bench.ms += MIN_LOAD_INTERVAL_MS;
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
    bench.ms += MIN_LOAD_INTERVAL_MS;
    bench.loaded(view, 2, Loaded::Done);
    assert_eq!(told(bench.outputs()), ["load 3 of 1"]);
}

#[test]
fn the_resume_of_a_subscription_to_several_topics_is_reported_once() {
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
fn a_failed_load_is_retried_less_and_less_often_and_events_wait_for_the_retry() {
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
        // The server sends frames meanwhile.
        bench.receive(json!({"op": "pong", "ref": 1}));
    }
    assert_eq!(waits, [250, 499, 999, 1_999, 3_999, 7_999, 15_999, 19_999]);
    bench.ms += MIN_LOAD_INTERVAL_MS;
    bench.loaded(view, 10, Loaded::Done);
    bench.outdated(view);
    bench.outputs();
    bench.loaded(view, 11, Loaded::Retry);
    assert_eq!(bench.next_timeout(), 250);
}

#[test]
fn a_reload_by_the_user_does_not_wait_for_the_retry() {
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
fn waking_brings_the_retry_of_a_failed_load_soon_and_no_first_load_sooner() {
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
    bench.outputs();
    for load in 2..8 {
        bench.loaded(view, load, Loaded::Retry);
        bench.next_timeout();
        bench.receive(json!({"op": "pong", "ref": 1}));
        bench.outputs();
    }
    bench.loaded(view, 8, Loaded::Retry);
    wake(&mut bench);
    assert_eq!(bench.next_timeout(), 250);
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
    bench.ms += MIN_LOAD_INTERVAL_MS;
    bench.outdated(view);
    assert_eq!(told(bench.outputs()), ["load 3 of 1"]);
    bench.outdated(view);
    bench.ms += MIN_LOAD_INTERVAL_MS;
    bench.loaded(view, 3, Loaded::Failed);
    assert_eq!(told(bench.outputs()), ["load 4 of 1"]);
}

#[test]
fn another_load_replaces_one_that_takes_too_long() {
    let mut bench = Bench::new();
    let view = bench.view(&["staff:people"]);
    bench.outdated(view);
    bench.outputs();
    bench.ms += 29_999;
    bench.receive(json!({"op": "pong", "ref": 1}));
    assert_eq!(bench.next_timeout(), 1);
    assert_eq!(told(bench.outputs()), ["load 3 of 1"]);
    // The first load ends late. It may have begun before the last change.
    bench.loaded(view, 2, Loaded::Done);
    bench.outdated(view);
    assert_eq!(told(bench.outputs()), [""; 0]);
    bench.ms += MIN_LOAD_INTERVAL_MS;
    bench.loaded(view, 3, Loaded::Done);
    assert_eq!(told(bench.outputs()), ["load 4 of 1"]);
}

#[test]
fn a_page_loads_although_the_client_cannot_reach_the_server() {
    let mut bench = Bench::new();
    let view = bench.watch(&["staff:people"]);
    bench.outputs();
    assert_eq!(bench.next_timeout(), 3_000);
    assert_eq!(told(bench.outputs()), ["load 1 of 1"]);
    bench.loaded(view, 1, Loaded::Done);
    bench.ms += MIN_LOAD_INTERVAL_MS;
    // The client hears no events before the topics are in force. So the view loads again then.
    bench.open();
    let frames = bench.frames();
    bench.subscribed(&frames[1], "p1", "live");
    assert_eq!(told(bench.outputs()), ["ready 1", "load 2 of 1"]);
}

#[test]
fn a_view_with_a_refused_topic_loads_for_its_other_topics() {
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

#[test]
fn loads_keep_their_interval_and_events_meanwhile_cause_one_load_at_its_end() {
    let mut bench = Bench::new();
    let view = bench.view(&["staff:people"]);
    let mut begun = Vec::new();
    // An import: an event every 10 ms for 2 s, and loads that take no time.
    for _ in 0..200 {
        bench.event(&["staff:people"], "p2");
        while let Some(output) = bench.client.poll_output() {
            if let Output::Event { .. } = output {
                bench.outdated(view);
            } else if let Output::Load { load, .. } = output {
                begun.push(bench.ms);
                bench.loaded(view, load.0, Loaded::Done);
            }
        }
        bench.ms += 10;
    }
    let pauses: Vec<u64> = begun.windows(2).map(|two| two[1] - two[0]).collect();
    assert_eq!(pauses, [MIN_LOAD_INTERVAL_MS; 7]);
    // The last event causes a load too.
    assert_eq!(bench.next_timeout(), begun[7] + MIN_LOAD_INTERVAL_MS - (begun[0] + 2_000));
    assert_eq!(told(bench.outputs()), ["load 10 of 1"]);
    bench.loaded(view, 10, Loaded::Done);
    assert_eq!(told(bench.outputs()), [""; 0]);
}

#[test]
fn the_user_sets_the_interval() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    for (min_interval_ms, load) in [(0, 1), (5_000, 3)] {
        let now = bench.now();
        let watching = Watching { min_interval_ms, ..Watching::default() };
        let view = bench.client.handle_watch_with(&["staff:people"], watching, now).unwrap();
        bench.next_timeout();
        bench.outputs();
        bench.loaded(view, load, Loaded::Done);
        bench.outdated(view);
        bench.outputs();
        if min_interval_ms > 0 {
            assert_eq!(bench.next_timeout(), min_interval_ms);
            assert_eq!(told(bench.outputs()), ["load 4 of 3"]);
        } else {
            bench.loaded(view, 2, Loaded::Done);
        }
    }
}

#[test]
fn a_reload_by_the_user_does_not_wait_for_the_interval() {
    let mut bench = Bench::new();
    let view = bench.view(&["staff:people"]);
    bench.outdated(view);
    bench.outputs();
    bench.loaded(view, 2, Loaded::Done);
    let now = bench.now();
    bench.client.handle_reload(view, now);
    assert_eq!(told(bench.outputs()), ["load 3 of 1"]);
}

#[test]
fn two_hundred_subscriptions_that_share_their_loads_load_once() {
    let mut bench = Bench::new();
    let first = bench.watch(&["staff:people"]);
    let mut rows = vec![first];
    rows.extend((1..200).map(|_| bench.share(&["staff:people"], first)));
    bench.open();
    let frames = bench.frames();
    bench.welcome();
    bench.subscribed(&frames[1], "p1", "live");
    let loads = |bench: &mut Bench| {
        told(bench.outputs()).into_iter().filter(|told| told.starts_with("load")).collect::<Vec<_>>()
    };
    assert_eq!(loads(&mut bench), ["load 1 of 1"]);
    bench.ms += MIN_LOAD_INTERVAL_MS;
    bench.loaded(rows[77], 1, Loaded::Done);
    assert_eq!(loads(&mut bench), [""; 0]);
    // Each of them reports that its data changed.
    bench.event(&["staff:people"], "p2");
    let heard = bench.client.poll_output();
    assert!(matches!(heard, Some(Output::Event { deliveries, .. }) if deliveries.len() == 200));
    rows.iter().for_each(|row| bench.outdated(*row));
    assert_eq!(loads(&mut bench), ["load 2 of 1"]);
    bench.loaded(first, 2, Loaded::Done);
    assert_eq!(loads(&mut bench), [""; 0]);
}

#[test]
fn a_subscription_that_joins_later_causes_a_load_although_the_others_are_up_to_date() {
    let mut bench = Bench::new();
    let first = bench.view(&["staff:people"]);
    let second = bench.share(&["staff:people"], first);
    assert_eq!(told(bench.outputs()), ["ready 2"]);
    assert_eq!(bench.next_timeout(), 0);
    assert_eq!(told(bench.outputs()), ["load 2 of 1"]);
    // During a load, another follows it: the running one may be older than the subscription.
    bench.share(&["staff:people"], second);
    assert_eq!(told(bench.outputs()), ["ready 3"]);
    bench.ms += MIN_LOAD_INTERVAL_MS;
    bench.loaded(second, 2, Loaded::Done);
    assert_eq!(told(bench.outputs()), ["load 3 of 1"]);
}

#[test]
fn a_shared_view_goes_on_when_its_first_subscription_ends_and_stops_with_the_last() {
    let mut bench = Bench::new();
    let first = bench.view(&["staff:people"]);
    let second = bench.share(&["staff:people"], first);
    bench.next_timeout();
    bench.client.handle_unsubscribe(first);
    bench.outputs();
    bench.ms += MIN_LOAD_INTERVAL_MS;
    bench.loaded(second, 2, Loaded::Done);
    bench.outdated(second);
    assert_eq!(told(bench.outputs()), ["load 3 of 2"]);
    bench.outdated(second);
    bench.client.handle_unsubscribe(second);
    bench.loaded(second, 3, Loaded::Done);
    assert_eq!(told(bench.outputs()), [""; 0]);
    // A new subscription has its own loads.
    let third = bench.share(&["staff:people"], first);
    bench.next_timeout();
    assert_eq!(told(bench.outputs()), ["ready 3", "load 4 of 3"]);
    bench.loaded(third, 4, Loaded::Done);
}

#[test]
fn a_load_is_for_a_subscription_that_still_exists_after_the_outputs_before_it() {
    let mut bench = Bench::new();
    let first = bench.view(&["staff:people"]);
    bench.share(&["staff:people"], first);
    bench.next_timeout();
    assert_eq!(told(bench.outputs()), ["ready 2", "load 2 of 1"]);
    bench.loaded(first, 2, Loaded::Done);
    bench.outputs();
    bench.ms += MIN_LOAD_INTERVAL_MS;
    bench.receive(json!({"op": "sync", "position": "p2", "topics": ["staff:people"]}));
    // A callback ends the first subscription when it hears of the sync.
    assert!(matches!(bench.client.poll_output(), Some(Output::Sync { .. })));
    bench.client.handle_unsubscribe(first);
    assert_eq!(told(bench.outputs()).last().map(String::as_str), Some("load 3 of 2"));
}

#[test]
fn a_load_that_ends_a_subscription_leaves_the_next_load_to_the_others() {
    let mut bench = Bench::new();
    let first = bench.watch(&["staff:people"]);
    let ended = bench.watch(&["staff:people"]);
    bench.share(&["staff:people"], ended);
    bench.open();
    let frames = bench.frames();
    bench.welcome();
    bench.subscribed(&frames[1], "p1", "live");
    let load = std::iter::from_fn(|| bench.client.poll_output())
        .find(|output| matches!(output, Output::Load { .. }));
    assert_eq!(load, Some(Output::Load { subscription: first, load: LoadId(1) }));
    bench.client.handle_unsubscribe(ended);
    assert_eq!(told(bench.outputs()), ["load 2 of 3"]);
}

#[test]
fn a_subscription_that_joins_a_view_with_a_long_interval_waits_for_the_default_one_only() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    let now = bench.now();
    let watching = Watching { min_interval_ms: 60_000, ..Watching::default() };
    let first = bench.client.handle_watch_with(&["staff:people"], watching, now).unwrap();
    bench.next_timeout();
    assert_eq!(told(bench.outputs()), ["ready 2", "load 1 of 2"]);
    bench.loaded(first, 1, Loaded::Done);
    bench.outputs();
    bench.ms += 100;
    let now = bench.now();
    let watching = Watching { min_interval_ms: 60_000, shares: Some(first) };
    bench.client.handle_watch_with(&["staff:people"], watching, now).unwrap();
    bench.outputs();
    assert_eq!(bench.next_timeout(), MIN_LOAD_INTERVAL_MS - 100);
    assert_eq!(told(bench.outputs()), ["load 2 of 2"]);
}
