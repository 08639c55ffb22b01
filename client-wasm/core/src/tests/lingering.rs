//! Connections that nobody uses any more.

use super::*;
use crate::limits::LINGER_MS;

impl Bench {
    fn unsubscribe(&mut self, id: SubscriptionId) {
        self.client.handle_unsubscribe(id);
        while self.client.poll_timeout().is_some_and(|due| due <= self.ms) {
            self.next_timeout();
        }
    }
}

fn is_disconnect(output: &Output<Payload>) -> bool {
    matches!(output, Output::Disconnect { .. })
}

#[test]
fn an_idle_connection_lingers_and_is_closed() {
    let mut bench = Bench::new();
    let people = bench.session(&["staff:people"], "p1");
    bench.unsubscribe(people);
    assert!(!bench.client.is_wanted());
    assert!(!bench.outputs().iter().any(is_disconnect));
    assert_eq!(bench.next_timeout(), LINGER_MS);
    let outputs = bench.outputs();
    assert_eq!(outputs[0], Output::Disconnect { connection: bench.connection() });
    assert_eq!(statuses(&outputs), [Status::Idle]);
    assert_eq!(bench.client.poll_timeout(), None);

    // The next subscription opens another at once.
    bench.subscribe(&["staff:people"]);
    assert_eq!(statuses(&bench.outputs()), [Status::Connecting]);
    bench.open();
    let frames = bench.frames();
    assert_eq!(frames[1].get("since"), None);
    bench.welcome();
    bench.subscribed(&frames[1], "p7", "live");
    assert_eq!(told(bench.outputs()), ["ready 2"]);
}

#[test]
fn a_subscription_keeps_a_connection_that_lingers() {
    let mut bench = Bench::new();
    let mut held = bench.session(&["staff:people"], "p1");
    for _ in 0..3 {
        bench.unsubscribe(held);
        bench.ms += LINGER_MS - 1;
        bench.receive(json!({"op": "ping"}));
        held = bench.subscribe(&["staff:people"]);
        bench.next_timeout();
        let frames = bench.frames();
        bench.subscribed(frames.last().unwrap(), "p2", "live");
        bench.outputs();
        bench.ms += LINGER_MS;
        bench.receive(json!({"op": "ping"}));
        let now = bench.now();
        bench.client.handle_timeout(now);
        assert!(!bench.outputs().iter().any(is_disconnect));
    }
}

#[test]
fn a_publish_keeps_a_connection_until_it_is_answered_or_cancelled() {
    let mut bench = Bench::new();
    let people = bench.session(&["staff:people"], "p1");
    let publish = bench.publish(1).unwrap();
    bench.unsubscribe(people);
    assert!(bench.client.is_wanted());
    for _ in 0..3 {
        bench.ms += LINGER_MS / 2;
        bench.receive(json!({"op": "ping"}));
        assert!(!bench.outputs().iter().any(is_disconnect));
    }
    // Its answer never comes, and the user no longer waits for it.
    bench.client.handle_cancel(publish);
    assert!(!bench.client.is_wanted());
    assert_eq!([bench.next_timeout(), bench.next_timeout()], [0, LINGER_MS]);
    assert_eq!(statuses(&bench.outputs()), [Status::Idle]);
    assert_eq!(bench.client.poll_timeout(), None);
}

#[test]
fn an_attempt_to_connect_that_nobody_needs_lingers_too() {
    let mut bench = Bench::new();
    let people = bench.subscribe(&["staff:people"]);
    bench.outputs();
    bench.unsubscribe(people);
    bench.ms += 9_000;
    bench.open();
    bench.welcome();
    assert_eq!(bench.next_timeout(), LINGER_MS - 9_000);
    assert_eq!(statuses(&bench.outputs()), [Status::Open, Status::Idle]);
}

#[test]
fn a_client_does_not_reconnect_if_nobody_needs_it() {
    let mut bench = Bench::new();
    let people = bench.session(&["staff:people"], "p1");
    bench.unsubscribe(people);
    bench.close(1006);
    bench.outputs();
    bench.next_timeout();
    assert_eq!(statuses(&bench.outputs()), [Status::Idle]);
    assert_eq!(bench.client.poll_timeout(), None);
}

#[test]
fn a_connection_lingers_after_its_last_topic_was_refused() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    bench.receive(json!({"op": "unsubscribed", "topics": ["staff:people"], "code": "forbidden"}));
    bench.outputs();
    assert_eq!(bench.next_timeout(), LINGER_MS);
    assert_eq!(statuses(&bench.outputs()), [Status::Idle]);
}
