//! Failed attempts to connect, and the client's reports of them.

use super::*;
use crate::limits::{QUIET_ATTEMPTS, QUIET_ATTEMPTS_OF_A_KNOWN_SERVER};

impl Bench {
    /// Lets attempts fail by `fail`, and returns the reports of each.
    fn attempts(&mut self, number: u32, fail: fn(&mut Bench)) -> Vec<Option<String>> {
        let attempt = |_| {
            self.outputs();
            fail(self);
            let told = self.outputs().into_iter().find_map(|output| match output {
                Output::Error(error) => Some(error.to_string()),
                _ => None,
            });
            self.next_timeout();
            told
        };
        (0..number).map(attempt).collect()
    }

    fn error(&mut self) {
        let now = self.now();
        self.client.handle_error(self.connection(), now);
    }
}

fn refused(bench: &mut Bench) {
    bench.close(1006);
}

#[test]
fn the_user_hears_once_that_attempts_fail_and_the_client_goes_on_trying() {
    let mut bench = Bench::new();
    bench.subscribe(&["staff:people"]);
    let told = bench.attempts(20, refused);
    let expected =
        "connect_failed: 3 attempts to connect failed: in the last one the WebSocket never opened."
            .to_owned();
    assert_eq!(told[QUIET_ATTEMPTS as usize - 1], Some(expected));
    assert_eq!(told.iter().flatten().count(), 1);
    assert_eq!(bench.client.status(), Status::Connecting);
}

#[test]
fn the_report_says_how_the_last_attempt_ended() {
    type Fail = fn(&mut Bench);
    let cases: [(Fail, &str); 4] = [
        (
            |bench| {
                bench.next_timeout();
            },
            "the WebSocket did not open in time.",
        ),
        (Bench::error, "the WebSocket never opened."),
        (
            |bench| {
                bench.open();
                bench.close(1005);
            },
            "the WebSocket opened and was closed with code 1005 before the server's welcome.",
        ),
        (
            |bench| {
                bench.open();
                bench.outputs();
                bench.next_timeout();
            },
            "the WebSocket opened, and the server's welcome did not come in time.",
        ),
    ];
    for (fail, expected) in cases {
        let mut bench = Bench::new();
        bench.subscribe(&["staff:people"]);
        let told = bench.attempts(QUIET_ATTEMPTS, fail).into_iter().flatten().next().unwrap();
        assert!(told.ends_with(expected), "{told}");
    }
}

#[test]
fn an_attempt_that_takes_too_long_is_reported_at_once() {
    // For example, a development server accepts the connection, but its back end is not running.
    for had_a_session in [false, true] {
        let mut bench = Bench::new();
        bench.subscribe(&["staff:people"]);
        if had_a_session {
            bench.open();
            bench.welcome();
            bench.close(1006);
            bench.next_timeout();
        }
        let told = bench.attempts(3, |bench| {
            bench.next_timeout();
        });
        let expected = "connect_failed: 1 attempt to connect failed: the WebSocket did not open in time.";
        assert_eq!(told, [Some(expected.to_owned()), None, None]);
    }
}

#[test]
fn a_restart_of_a_known_server_is_no_error_and_the_next_outage_is_reported_again() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    for _ in 0..2 {
        // The loss of the session itself is not a failed attempt.
        let told = bench.attempts(1 + QUIET_ATTEMPTS_OF_A_KNOWN_SERVER, refused);
        assert_eq!(told.iter().flatten().count(), 1);
        assert!(told.last().unwrap().is_some());
        bench.open();
        bench.welcome();
    }
}

#[test]
fn attempts_that_the_server_explained_are_not_reported_twice() {
    let mut bench = Bench::new();
    bench.subscribe(&["staff:people"]);
    let told = bench.attempts(20, |bench| {
        bench.open();
        bench.receive(json!({"op": "error", "code": "overloaded", "message": "Full."}));
        bench.close(4503);
    });
    assert_eq!(told, vec![Some("overloaded: Full.".to_owned()); 20]);
}

#[test]
fn an_attempt_that_ends_because_the_page_sleeps_has_not_failed() {
    let mut bench = Bench::new();
    bench.subscribe(&["staff:people"]);
    let told = bench.attempts(20, |bench| {
        let now = bench.now();
        bench.client.handle_sleep(now);
        bench.client.handle_wake(now);
    });
    assert_eq!(told, vec![None; 20]);
}

#[test]
fn an_error_ends_only_a_websocket_that_never_opened() {
    let mut bench = Bench::new();
    bench.subscribe(&["staff:people"]);
    bench.outputs();
    let failed = bench.connection();
    bench.error();
    assert_eq!(
        bench.outputs(),
        [Output::Disconnect { connection: failed }, Output::Status(Status::Reconnecting)]
    );
    // If its close follows, that is the same failure.
    let due = bench.client.poll_timeout();
    bench.close(1006);
    bench.error();
    assert_eq!((bench.outputs(), bench.client.poll_timeout()), (vec![], due));

    bench.next_timeout();
    bench.open();
    bench.welcome();
    bench.outputs();
    bench.error();
    assert_eq!(bench.outputs(), []);
    assert_eq!(bench.client.status(), Status::Open);
}

#[test]
fn a_refusal_of_the_environment_is_reported_at_once_with_its_reason() {
    let mut bench = Bench::new();
    bench.subscribe(&["staff:people"]);
    let told = bench.attempts(8, |bench| {
        let now = bench.now();
        bench.client.handle_refused(bench.connection(), "SecurityError: no", now);
    });
    assert_eq!(told[0].as_deref(), Some("connect_failed: SecurityError: no"));
    assert_eq!(told[1..], vec![None; 7]);
}
