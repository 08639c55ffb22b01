//! A fresh token for a session that is open.

use super::*;
use crate::limits::TOKEN_TIMEOUT_MS;

const MINUTE_MS: u64 = 60_000;

impl Bench {
    /// Opens a session with watched topics in force. Its token lives for so long.
    fn of_token(life_ms: u64, topics: &[&str]) -> Self {
        let mut bench = Self::with_tokens();
        let now = bench.now();
        bench.client.handle_watch(topics, now).unwrap();
        bench.come_back("first", life_ms, "live");
        let ids = told(bench.outputs());
        assert_eq!(ids, ["ready 1", "load 1 of 1"]);
        bench.client.handle_loaded(SubscriptionId(1), LoadId(1), Loaded::Done, now);
        bench
    }

    /// Opens a connection until its topics are in force. Returns its subscribe.
    fn come_back(&mut self, token: &str, life_ms: u64, outcome: &str) -> serde_json::Value {
        assert!(matches!(self.outputs().last(), Some(Output::Token { .. })), "it asks for a token");
        self.token(Ok(Some(token)));
        self.open();
        let frames = self.frames();
        assert_eq!(frames[0], json!({"op": "hello", "token": token}));
        self.welcome_for(Some(life_ms));
        self.subscribed(&frames[1], "p1", outcome);
        frames[1].clone()
    }

    fn token(&mut self, token: Result<Option<&str>, &str>) {
        let now = self.now();
        let token = token.map(|token| token.map(str::to_owned)).map_err(str::to_owned);
        self.client.handle_token(self.connection(), token, now);
    }

    /// Lets time pass until there is an output. The server sends frames meanwhile. Returns the milliseconds.
    fn passes(&mut self) -> (u64, Vec<Output<Payload>>) {
        let start = self.ms;
        for _ in 0..100_000 {
            let due = self.client.poll_timeout().expect("nothing is due");
            self.ms = due.min(self.ms + 25_000);
            // An answer without a request.
            self.receive(json!({"op": "token_accepted", "ref": 0}));
            let now = self.now();
            self.client.handle_timeout(now);
            let outputs = self.outputs();
            if !outputs.is_empty() {
                return (self.ms - start, outputs);
            }
        }
        panic!("nothing came of it for {} ms", self.ms - start);
    }

    /// Lets time pass until the client asks for a token, and for nothing else. Returns the milliseconds.
    fn asks(&mut self) -> u64 {
        let (passed, outputs) = self.passes();
        assert_eq!(outputs, [Output::Token { connection: self.connection() }]);
        passed
    }

    fn refused(&mut self, frame: &serde_json::Value, code: &str) {
        self.receive(json!({"op": "error", "ref": frame["ref"], "code": code, "message": "No."}));
    }
}

#[test]
fn clients_ask_for_a_fresh_token_in_time_and_not_all_at_once() {
    for (life_ms, earliest, latest) in [
        (3_000, 1_501, 2_250),
        (4 * MINUTE_MS, 2 * MINUTE_MS + 1, 3 * MINUTE_MS),
        (15 * MINUTE_MS, 15 * MINUTE_MS / 2 + 1, 15 * MINUTE_MS * 3 / 4),
        (24 * 60 * MINUTE_MS, 23 * 60 * MINUTE_MS + 50 * MINUTE_MS + 1, 23 * 60 * MINUTE_MS + 55 * MINUTE_MS),
    ] {
        for (random, expected) in [(u32::MAX, earliest), (0, latest)] {
            let mut bench = Bench::of_token(life_ms, &["staff:people"]);
            bench.random = random;
            bench.come_again(life_ms);
            assert_eq!(bench.asks(), expected, "of {life_ms} ms");
        }
    }
}

impl Bench {
    /// Reconnects, so that the random time is drawn again.
    fn come_again(&mut self, life_ms: u64) {
        self.outputs();
        self.close(1006);
        self.next_timeout();
        self.come_back("again", life_ms, "resumed");
        self.outputs();
    }
}

#[test]
fn a_fresh_token_replaces_the_old_one_and_nothing_else_happens() {
    let mut bench = Bench::of_token(3_000, &["staff:people"]);
    for (token, life_ms) in [("second", 60_000), ("third", 2_000), ("fourth", 3_000)] {
        bench.asks();
        bench.token(Ok(Some(token)));
        let frames = bench.frames();
        assert_eq!(frames, [json!({"op": "token", "ref": frames[0]["ref"], "token": token})]);
        assert_eq!(bench.outputs(), []);
        bench.receive(json!({"op": "token_accepted", "ref": frames[0]["ref"], "expires_in_ms": life_ms}));
        assert_eq!(bench.outputs(), []);
        let until_ms = bench.client.poll_timeout().unwrap() - bench.ms;
        assert!(until_ms > life_ms / 2 && until_ms <= life_ms * 3 / 4 || until_ms == 35_000, "{until_ms}");
    }
    assert_eq!(bench.client.status(), Status::Open);
    // The fourth attempt would show if it were the same again.
    bench.asks();
    bench.token(Ok(Some("fourth")));
    assert_eq!(bench.outputs(), []);
}

#[test]
fn a_token_is_not_refreshed_if_it_never_ends_or_ends_at_once_or_the_user_gives_none() {
    for (asks_for_tokens, life_ms) in [(true, None), (true, Some(999)), (false, Some(3_000))] {
        let mut bench = Bench::with(Options { asks_for_tokens, ..Options::default() });
        bench.subscribe(&["staff:people"]);
        bench.outputs();
        if asks_for_tokens {
            bench.token(Ok(Some("first")));
        }
        bench.open();
        bench.welcome_for(life_ms);
        bench.outputs();
        assert_eq!(bench.next_timeout(), 35_000, "the watchdog is all that is waited for");
        assert_eq!(statuses(&bench.outputs()), [Status::Reconnecting]);
    }
}

#[test]
fn a_callback_that_fails_is_asked_again_and_the_session_goes_on_to_its_end() {
    let mut bench = Bench::of_token(15 * MINUTE_MS, &["staff:people"]);
    bench.random = 0;
    let mut left_ms = 15 * MINUTE_MS - bench.asks();
    let mut attempts = 0;
    loop {
        attempts += 1;
        bench.token(Err("no network"));
        assert_eq!(told(bench.outputs()), ["error token_failed"]);
        assert_eq!(bench.client.status(), Status::Open);
        if left_ms < 1_000 {
            break;
        }
        let passed = bench.asks();
        assert!((left_ms / 2..=left_ms * 3 / 4 + 1).contains(&passed), "{passed} of {left_ms}");
        left_ms -= passed;
    }
    assert!((5..=20).contains(&attempts), "{attempts}");
    bench.event(&["staff:people"], "p2");
    assert_eq!(told(bench.outputs()), ["event p2 to 1[\"staff:people\"]"]);
    // The server ends the session, and the client reconnects as always.
    bench.receive(json!({"op": "error", "code": "token_expired", "message": "The token has expired."}));
    bench.close(4401);
    assert_eq!(told(bench.outputs()), ["error token_expired"]);
    bench.next_timeout();
    assert_eq!(bench.come_back("fresh", 3_000, "resumed")["since"], "p2");
    assert_eq!(told(bench.outputs()), ["resumed 1"]);
}

#[test]
fn a_callback_that_hangs_is_asked_again_and_its_late_answer_counts() {
    let mut bench = Bench::of_token(15 * MINUTE_MS, &["staff:people"]);
    bench.asks();
    let (waited, outputs) = bench.passes();
    assert_eq!((waited, told(outputs)), (TOKEN_TIMEOUT_MS, vec!["error token_failed".to_owned()]));
    // A late failure was reported already.
    bench.token(Err("no network"));
    assert_eq!(bench.outputs(), []);
    bench.token(Ok(Some("late")));
    let frames = bench.frames();
    assert_eq!((&frames[0]["op"], &frames[0]["token"]), (&json!("token"), &json!("late")));
    // One token at a time.
    bench.token(Ok(Some("later")));
    assert_eq!(bench.outputs(), []);
}

#[test]
fn a_token_for_an_old_connection_is_ignored() {
    let mut bench = Bench::of_token(3_000, &["staff:people"]);
    bench.asks();
    let old = bench.connection();
    bench.come_again(3_000);
    let now = bench.now();
    bench.client.handle_token(old, Ok(Some("late".to_owned())), now);
    bench.client.handle_token(old, Err("late".to_owned()), now);
    assert_eq!(bench.outputs(), []);
    bench.asks();
}

#[test]
fn after_the_same_token_or_none_the_client_asks_again() {
    for stale in [Some("first"), None] {
        let mut bench = Bench::of_token(10_000, &["staff:people"]);
        let first = bench.asks();
        bench.token(Ok(stale));
        assert_eq!(bench.outputs(), []);
        assert!(bench.asks() < first);
        bench.token(Ok(Some("second")));
        assert_eq!(bench.frames()[0]["token"], "second");
    }
}

#[test]
fn a_refused_token_is_reported_and_changes_nothing_in_the_session() {
    for code in ["unauthorized", "token_expired", "token_not_yet_valid", "a_code_of_next_year"] {
        let mut bench = Bench::of_token(10_000, &["staff:people"]);
        bench.asks();
        bench.token(Ok(Some("bad")));
        let frame = &bench.frames()[0];
        bench.refused(frame, code);
        assert_eq!(told(bench.outputs()), [format!("error {code}")]);
        assert_eq!(bench.client.status(), Status::Open);
        bench.asks();
        bench.token(Ok(Some("bad")));
        assert_eq!(bench.outputs(), [], "it is known already");
        bench.asks();
        bench.token(Ok(Some("good")));
        assert_eq!(bench.frames()[0]["token"], "good");
    }
}

#[test]
fn a_token_of_another_person_begins_a_new_session_in_which_everything_is_loaded_again() {
    let mut bench = Bench::of_token(10_000, &["staff:people"]);
    bench.asks();
    bench.token(Ok(Some("of bert")));
    let (frame, anna) = (&bench.frames()[0], bench.connection());
    bench.refused(frame, "forbidden");
    assert_eq!(
        bench.outputs(),
        [Output::Disconnect { connection: anna }, Output::Status(Status::Reconnecting)],
        "no error"
    );
    bench.next_timeout();
    let subscribe = bench.come_back("of bert", 10_000, "live");
    assert_eq!(subscribe.get("since"), None, "what anna has had says nothing of what bert may see");
    assert_eq!(told(bench.outputs()), ["sync 1[\"staff:people\"]", "load 2 of 1"]);
}

#[test]
fn a_topic_that_is_lost_by_a_fresh_token_is_reported_and_the_others_stay() {
    let mut bench = Bench::of_token(3_000, &["staff:people", "staff:teams"]);
    let teams = bench.subscribe(&["staff:teams"]);
    bench.outputs();
    bench.asks();
    bench.token(Ok(Some("less")));
    let r#ref = bench.frames()[0]["ref"].clone();
    bench.receive(json!({"op": "token_accepted", "ref": r#ref, "expires_in_ms": 3_000}));
    bench.receive(json!({"op": "unsubscribed", "topics": ["staff:teams"], "code": "forbidden"}));
    let topic = "Some(\"staff:teams\")";
    let failed = [1, teams.0].map(|id| format!("failed {id} {topic} forbidden"));
    assert_eq!(told(bench.outputs()), failed);
    bench.event(&["staff:people"], "p2");
    assert_eq!(told(bench.outputs()), ["event p2 to 1[\"staff:people\"]"]);
    // The client does not subscribe to it again by itself.
    bench.close(1006);
    bench.next_timeout();
    assert_eq!(bench.come_back("less", 3_000, "resumed")["topics"], json!(["staff:people"]));
}

#[test]
fn stopped_timers_lead_to_a_new_connection_or_a_late_refresh() {
    let mut bench = Bench::of_token(15 * MINUTE_MS, &["staff:people"]);
    bench.asks();
    bench.token(Ok(Some("second")));
    let r#ref = bench.frames()[0]["ref"].clone();
    bench.receive(json!({"op": "token_accepted", "ref": r#ref, "expires_in_ms": 4 * MINUTE_MS}));
    // A hidden page's timer is a minute late, and the server's ping is not.
    bench.ms += 3 * MINUTE_MS;
    bench.receive(json!({"op": "ping"}));
    assert!(matches!(bench.outputs()[..], [Output::Send { .. }, Output::Token { .. }]));
    // The server was silent for hours: there is no session to refresh.
    bench.ms += 300 * MINUTE_MS;
    let now = bench.now();
    bench.client.handle_timeout(now);
    assert_eq!(statuses(&bench.outputs()), [Status::Reconnecting]);
    bench.token(Ok(Some("late")));
    bench.next_timeout();
    bench.come_back("third", 15 * MINUTE_MS, "resumed");
}
