//! Connecting, and reconnecting.

use tidings_shared::Code;

use super::*;
use crate::limits::{CONNECT_TIMEOUT_MS, MAX_RETRY_AFTER_MS, TOKEN_TIMEOUT_MS, WATCHDOG_GRACE_MS};

#[test]
fn the_status_follows_the_connection() {
    let mut bench = Bench::new();
    bench.subscribe(&["staff:people"]);
    assert_eq!(statuses(&bench.outputs()), [Status::Connecting]);
    bench.open();
    assert_eq!(statuses(&bench.outputs()), []);
    bench.welcome();
    assert_eq!(statuses(&bench.outputs()), [Status::Open]);
    bench.close(1006);
    assert_eq!(statuses(&bench.outputs()), [Status::Reconnecting]);
    bench.next_timeout();
    assert_eq!(statuses(&bench.outputs()), [Status::Connecting]);
}

#[test]
fn waits_grow_with_failures_and_are_short_again_after_a_healthy_session() {
    let mut bench = Bench::new();
    bench.random = u32::MAX;
    bench.subscribe(&["staff:people"]);
    let mut waits = Vec::new();
    for _ in 0..3 {
        bench.outputs();
        bench.close(1006);
        waits.push(bench.next_timeout());
    }
    bench.open();
    bench.welcome();
    bench.ms += 4_999;
    bench.close(1006);
    waits.push(bench.next_timeout());
    bench.open();
    bench.welcome();
    bench.ms += 5_000;
    bench.close(1006);
    waits.push(bench.next_timeout());
    assert_eq!(waits, [249, 499, 999, 1_999, 249]);
}

/// The milliseconds until each client acts after a crash of the server that had all their sessions.
fn comes_back(seed: u64, with: fn() -> Bench, is_it: fn(&Output<Payload>) -> bool) -> Vec<u64> {
    let mut random = seed;
    let mut clients: Vec<Bench> = (0..60).map(|_| with()).collect();
    let times = clients.iter_mut().map(|bench| {
        // SplitMix64.
        random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (random ^ random >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bench.random = (mixed >> 32) as u32;
        bench.close(1006);
        let wait = bench.next_timeout();
        assert!(bench.outputs().iter().any(is_it));
        wait
    });
    times.collect()
}

fn session_with_token() -> Bench {
    let mut bench = Bench::with_tokens();
    bench.subscribe(&["staff:people"]);
    bench.outputs();
    let (connection, now) = (bench.connection(), bench.now());
    bench.client.handle_token(connection, Ok(Some("token".to_owned())), now);
    bench.open();
    bench.welcome_for(Some(600_000));
    bench.ms += 60_000;
    bench.receive(json!({"op": "ping"}));
    bench.outputs();
    bench
}

#[test]
fn after_a_crash_the_pages_ask_for_tokens_over_two_seconds_and_not_all_at_once() {
    for seed in 0..20 {
        let asks = comes_back(seed, session_with_token, |output| matches!(output, Output::Token { .. }));
        let most = (0..2_000).map(|ms| asks.iter().filter(|at| (ms..ms + 250).contains(*at)).count()).max();
        // Seven or eight are expected in each.
        assert!(
            most.unwrap() <= 20 && asks.iter().all(|at| *at < 2_000),
            "seed {seed}: {most:?} of {asks:?}"
        );
        assert!(asks.iter().filter(|at| **at >= 1_000).count() >= 15, "seed {seed}: {asks:?}");
    }
    let without = || {
        let mut bench = Bench::new();
        bench.session(&["staff:people"], "p1");
        bench.ms += 60_000;
        bench.receive(json!({"op": "ping"}));
        bench.outputs();
        bench
    };
    let back = comes_back(1, without, |output| matches!(output, Output::Connect { .. }));
    assert!(back.iter().all(|at| *at < 250), "who needs no token comes back as soon as before: {back:?}");
}

#[test]
fn a_page_that_never_had_a_session_asks_again_as_soon_as_one_without_tokens() {
    let mut bench = Bench::with_tokens();
    bench.random = u32::MAX;
    bench.subscribe(&["staff:people"]);
    let waits = [0; 3].map(|_| {
        bench.outputs();
        let (connection, now) = (bench.connection(), bench.now());
        bench.client.handle_token(connection, Err("no network".to_owned()), now);
        bench.next_timeout()
    });
    assert_eq!(waits, [249, 499, 999]);
}

#[test]
fn a_visible_page_asks_for_its_token_within_a_quarter_of_a_second() {
    let mut bench = session_with_token();
    bench.random = u32::MAX;
    bench.close(1006);
    let now = bench.now();
    bench.client.handle_wake(now);
    assert_eq!(bench.next_timeout(), 249);
    assert!(bench.outputs().iter().any(|output| matches!(output, Output::Token { .. })));
}

#[test]
fn a_connection_without_a_welcome_is_replaced() {
    for opens in [false, true] {
        let mut bench = Bench::new();
        bench.subscribe(&["staff:people"]);
        bench.outputs();
        if opens {
            bench.open();
            bench.outputs();
        }
        assert_eq!(bench.next_timeout(), CONNECT_TIMEOUT_MS);
        let disconnect = Output::Disconnect { connection: bench.connection() };
        let outputs = bench.outputs();
        assert_eq!(outputs[1..], [disconnect, Output::Status(Status::Reconnecting)]);
        assert_eq!(told(outputs), ["error connect_failed"]);
    }
}

#[test]
fn a_silent_connection_is_replaced_after_the_heartbeat_and_some_grace() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    bench.ms += 30_000;
    bench.receive(json!({"op": "ping"}));
    bench.outputs();
    assert_eq!(bench.next_timeout(), 25_000 + WATCHDOG_GRACE_MS);
    let outputs = bench.outputs();
    assert_eq!(outputs[0], Output::Disconnect { connection: bench.connection() });
    assert_eq!(statuses(&outputs), [Status::Reconnecting]);
}

#[test]
fn a_timeout_that_comes_too_early_does_no_harm() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    bench.ms += 25_000 + WATCHDOG_GRACE_MS - 1;
    let now = bench.now();
    bench.client.handle_timeout(now);
    assert_eq!(bench.outputs(), []);
}

#[test]
fn a_client_stays_away_from_a_server_for_as_long_as_it_asked() {
    let mut bench = Bench::new();
    bench.random = 0;
    bench.session(&["staff:people"], "p1");
    bench.receive(json!({"op": "goaway", "retry_after_ms": 3_000}));
    assert_eq!(bench.outputs(), []);
    bench.ms += 100;
    bench.close(1012);
    assert_eq!(bench.next_timeout(), 2_900);

    bench.session(&["staff:teams"], "p1");
    bench.receive(json!({"op": "goaway", "retry_after_ms": u64::MAX}));
    bench.close(1012);
    assert_eq!(bench.next_timeout(), MAX_RETRY_AFTER_MS);
}

#[test]
fn a_client_that_nobody_needs_does_not_reconnect() {
    let mut bench = Bench::new();
    let people = bench.session(&["staff:people"], "p1");
    bench.client.handle_unsubscribe(people);
    bench.close(1006);
    bench.next_timeout();
    assert_eq!(statuses(&bench.outputs()), [Status::Reconnecting, Status::Idle]);
    assert_eq!(bench.client.poll_timeout(), None);
    bench.subscribe(&["staff:people"]);
    assert_eq!(statuses(&bench.outputs()), [Status::Connecting]);
}

#[test]
fn after_4400_and_4403_a_client_stays_away_and_says_why() {
    for (close, code) in [(4400, "invalid_frame"), (4403, "forbidden")] {
        let mut bench = Bench::with_tokens();
        bench.subscribe(&["staff:people"]);
        bench.outputs();
        let now = bench.now();
        bench.client.handle_token(bench.connection(), Ok(Some("t".to_owned())), now);
        bench.open();
        bench.welcome();
        bench.publish(1).unwrap();
        bench.outputs();
        bench.close(close);
        let outputs = bench.outputs();
        assert_eq!(statuses(&outputs), [Status::Closed]);
        let failed = |output: &_| matches!(output, Output::PublishFailed { error, .. } if error.code == code);
        assert!(outputs.iter().any(failed));
        assert_eq!(told(outputs), [format!("failed 1 None {code}"), format!("error {code}")]);
        assert_eq!(bench.client.poll_timeout(), None);
        assert_eq!(bench.publish(2), Err(Error::closed()));
    }
}

#[test]
fn each_connection_gets_a_token_of_its_own() {
    let mut bench = Bench::with_tokens();
    bench.subscribe(&["staff:people"]);
    for token in ["first", "second"] {
        let outputs = bench.outputs();
        assert_eq!(outputs.last(), Some(&Output::Token { connection: bench.connection() }));
        let now = bench.now();
        bench.client.handle_token(bench.connection(), Ok(Some(token.to_owned())), now);
        bench.open();
        assert_eq!(bench.frames()[0], json!({"op": "hello", "token": token}));
        bench.close(1006);
        bench.next_timeout();
    }
}

#[test]
fn after_4401_a_client_comes_back_once_with_a_fresh_token() {
    let mut bench = Bench::with_tokens();
    bench.subscribe(&["staff:people"]);
    let refuse = |bench: &mut Bench| {
        bench.outputs();
        let now = bench.now();
        bench.client.handle_token(bench.connection(), Ok(Some("t".to_owned())), now);
        bench.open();
        bench.receive(json!({"op": "error", "code": "token_expired", "message": "The token has expired."}));
        bench.close(4401);
    };
    refuse(&mut bench);
    assert_eq!(told(bench.outputs()), ["error token_expired"]);
    bench.next_timeout();
    bench.outputs();
    let now = bench.now();
    bench.client.handle_token(bench.connection(), Ok(Some("t".to_owned())), now);
    bench.open();
    bench.welcome();
    bench.close(4401);
    bench.next_timeout();
    refuse(&mut bench);
    let outputs = bench.outputs();
    assert_eq!(statuses(&outputs).last(), Some(&Status::Closed));
    assert_eq!(told(outputs), ["error token_expired", "failed 1 None token_expired"]);
}

#[test]
fn a_token_that_is_not_yet_valid_never_closes_the_client() {
    let mut bench = Bench::with_tokens();
    bench.subscribe(&["staff:people"]);
    for _ in 0..5 {
        bench.outputs();
        let now = bench.now();
        bench.client.handle_token(bench.connection(), Ok(Some("t".to_owned())), now);
        bench.open();
        let code = Code::TokenNotYetValid;
        bench.receive(json!({"op": "error", "code": code, "message": "The token does not hold yet."}));
        bench.close(code.close().expect("it ends the connection"));
        assert_eq!(told(bench.outputs()), ["error token_not_yet_valid"]);
        assert_eq!(bench.client.status(), Status::Reconnecting);
        bench.next_timeout();
    }
    bench.outputs();
    let now = bench.now();
    bench.client.handle_token(bench.connection(), Ok(Some("t".to_owned())), now);
    bench.open();
    bench.welcome();
    assert_eq!(bench.client.status(), Status::Open);
}

#[test]
fn without_a_token_callback_there_is_no_coming_back_from_4401() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    bench.close(4401);
    assert_eq!(told(bench.outputs()), ["failed 1 None unauthorized", "error unauthorized"]);
    assert_eq!(bench.client.status(), Status::Closed);
}

#[test]
fn a_token_callback_that_fails_or_never_answers_is_tried_again_later() {
    let mut bench = Bench::with_tokens();
    bench.subscribe(&["staff:people"]);
    bench.outputs();
    let now = bench.now();
    let first = bench.connection();
    bench.client.handle_token(first, Err("no network".to_owned()), now);
    assert_eq!(told(bench.outputs()), ["error token_failed"]);
    bench.next_timeout();
    bench.outputs();
    assert_eq!(bench.next_timeout(), TOKEN_TIMEOUT_MS);
    assert_eq!(told(bench.outputs()), ["error token_failed"]);
    bench.next_timeout();
    bench.outputs();
    let now = bench.now();
    bench.client.handle_token(first, Ok(Some("late".to_owned())), now);
    assert_eq!(bench.outputs(), []);
    assert_eq!(bench.client.status(), Status::Connecting);
}

#[test]
fn an_error_that_did_not_end_the_connection_does_not_explain_a_later_end() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    bench.receive(json!({"op": "error", "code": "unknown_op", "message": "?"}));
    bench.receive(json!({"op": "ping"}));
    bench.outputs();
    bench.close(4403);
    assert_eq!(told(bench.outputs()), ["failed 1 None forbidden", "error forbidden"]);
}
