//! A page that sleeps and wakes.

use super::*;

impl Bench {
    fn wake(&mut self) {
        let now = self.now();
        self.client.handle_wake(now);
    }

    fn sleep(&mut self) {
        let now = self.now();
        self.client.handle_sleep(now);
    }
}

#[test]
fn waking_shortens_the_wait_for_the_next_connection_but_not_to_zero() {
    let mut bench = Bench::new();
    bench.random = u32::MAX;
    bench.session(&["staff:people"], "p1");
    for _ in 0..8 {
        bench.close(1006);
        bench.next_timeout();
        bench.outputs();
    }
    bench.close(1006);
    bench.wake();
    assert_eq!(bench.next_timeout(), 249);
}

#[test]
fn a_woken_page_stays_away_from_a_server_that_asked_for_it() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    bench.receive(json!({"op": "goaway", "retry_after_ms": 7_000}));
    bench.close(1012);
    bench.wake();
    assert_eq!(bench.next_timeout(), 7_000);
}

#[test]
fn a_connection_that_is_silent_after_the_page_woke_is_replaced() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    bench.wake();
    assert!(matches!(&bench.frames()[..], [ping] if ping["op"] == "ping"));
    assert_eq!(bench.next_timeout(), 5_000);
    let outputs = bench.outputs();
    assert_eq!(outputs[0], Output::Disconnect { connection: bench.connection() });
}

#[test]
fn a_connection_that_answers_after_the_page_woke_stays() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    bench.wake();
    let ping = bench.frames().remove(0);
    bench.receive(json!({"op": "pong", "ref": ping["ref"]}));
    bench.ms += 30_000;
    let now = bench.now();
    bench.client.handle_timeout(now);
    assert_eq!(bench.outputs(), []);
}

#[test]
fn a_page_that_wakes_again_and_again_keeps_its_connection() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    for _ in 0..1_000 {
        bench.wake();
    }
    // A server accepts 200 frames at once.
    assert!(bench.frames().len() < 150);
}

#[test]
fn a_page_that_sleeps_closes_its_connection_and_reconnects_when_it_wakes() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    bench.sleep();
    let outputs = bench.outputs();
    assert_eq!(outputs[0], Output::Disconnect { connection: bench.connection() });
    assert_eq!(statuses(&outputs), [Status::Reconnecting]);
    assert_eq!(bench.client.poll_timeout(), None);
    bench.ms += 3_600_000;
    bench.wake();
    bench.next_timeout();
    bench.open();
    assert_eq!(bench.frames()[1]["since"], "p1");
}

#[test]
fn sleeping_and_waking_change_nothing_for_a_client_that_is_idle_or_closed() {
    let mut bench = Bench::new();
    bench.sleep();
    bench.wake();
    assert_eq!((bench.client.status(), bench.client.poll_timeout()), (Status::Idle, None));
    bench.client.handle_close();
    bench.sleep();
    bench.wake();
    assert_eq!((bench.client.status(), bench.client.poll_timeout()), (Status::Closed, None));
}
