//! A server that hears nothing from its journal.

use super::*;

impl Bench {
    fn degraded(&mut self) {
        self.receive(json!({"op": "degraded", "since": 1_790_000_000_000_u64}));
    }

    fn restored(&mut self, position: &str) {
        self.receive(json!({"op": "restored", "position": position}));
    }
}

#[test]
fn the_client_is_degraded_until_the_server_is_restored() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    bench.degraded();
    assert_eq!(
        (bench.client.status(), bench.outputs()),
        (Status::Degraded, vec![Output::Status(Status::Degraded)])
    );
    bench.degraded();
    assert_eq!(bench.outputs(), [], "a change is told once");
    bench.restored("p1");
    assert_eq!((bench.client.status(), bench.outputs()), (Status::Open, vec![Output::Status(Status::Open)]));
    bench.restored("p1");
    assert_eq!(bench.outputs(), []);
}

#[test]
fn a_degraded_client_goes_on_with_everything() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    bench.degraded();
    bench.outputs();
    let now = bench.now();
    bench.client.handle_watch(&["staff:teams"], now).unwrap();
    bench.publish(1).unwrap();
    let publish = bench.frames().remove(0);
    bench.next_timeout();
    let subscribe = bench.frames().remove(0);
    bench.subscribed(&subscribe, "p1", "live");
    assert_eq!(told(bench.outputs()), ["ready 2", "load 1 of 2"]);
    bench.receive(json!({"op": "error", "ref": publish["ref"], "code": "overloaded", "message": "away"}));
    let publish = PublishId(1);
    let error = Error::new("overloaded", "away");
    assert!(error.may_retry());
    assert_eq!(bench.outputs(), [Output::PublishFailed { publish, error }]);
    assert_eq!(bench.client.status(), Status::Degraded);
}

#[test]
fn what_was_late_comes_before_the_client_is_open() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    bench.degraded();
    bench.outputs();
    bench.event(&["staff:people"], "p2");
    bench.receive(json!({"op": "sync", "position": "p3", "topics": ["staff:people"]}));
    bench.restored("p4");
    let outputs = bench.outputs();
    assert_eq!(outputs.last(), Some(&Output::Status(Status::Open)));
    assert_eq!(told(outputs), ["event p2 to 1[\"staff:people\"]", "sync 1[\"staff:people\"]"]);
    assert!(matches!(bench.reconnect()[..], [_, ref subscribe] if subscribe["since"] == "p4"));
}

#[test]
fn the_position_says_nothing_of_topics_without_an_answer() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    let frames = bench.reconnect();
    bench.welcome();
    bench.degraded();
    bench.restored("p7");
    assert_eq!(frames[1]["since"], "p1");
    assert!(matches!(bench.reconnect()[..], [_, ref subscribe] if subscribe["since"] == "p1"));
}

#[test]
fn another_connection_knows_nothing_of_the_old_one() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    bench.degraded();
    bench.outputs();
    bench.close(1006);
    assert_eq!(statuses(&bench.outputs()), [Status::Reconnecting]);
    bench.next_timeout();
    bench.open();
    bench.outputs();
    bench.welcome();
    assert_eq!(statuses(&bench.outputs()), [Status::Open]);
    bench.degraded();
    assert_eq!(statuses(&bench.outputs()), [Status::Degraded]);
}

#[test]
fn before_the_welcome_the_client_is_connecting() {
    let mut bench = Bench::new();
    bench.subscribe(&["staff:people"]);
    bench.open();
    bench.outputs();
    bench.degraded();
    bench.restored("p1");
    assert_eq!((bench.outputs(), bench.client.status()), (vec![], Status::Connecting));
}
