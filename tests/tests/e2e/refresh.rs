//! Sessions with tokens that live for seconds.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidings_client_core::{Output, Status};
use tidings_tests::{Client, DEADLINE, Request, Server, Tab, sample, token};

/// What `tidings token` is asked for; it rounds a token's end up to the second.
const LIFE: Duration = Duration::from_secs(3);

/// Lives that a session is to outlast.
const LIVES: usize = 3;

fn short() -> String {
    token(&["--tenant", "acme", "--subject", "anna", "--subscribe", "*", "--expires-in", "3s"])
}

fn endless() -> String {
    token(&["--tenant", "acme", "--subject", "anna", "--subscribe", "*"])
}

fn admin() -> String {
    token(&["--tenant", "acme", "--subject", "admin", "--publish", "*", "--admin"])
}

fn post(server: &Server, token: &str, path: &str, body: &Value) -> Value {
    let bearer = format!("Bearer {token}");
    let request = Request::post(path).header("Authorization", &bearer).body(body.to_string());
    let answer = request.send(server.address());
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[test]
fn a_client_that_refreshes_its_token_keeps_its_session_over_many_lives_and_hears_everything() {
    // A fresh token may be late by so much, on a busy machine.
    let (server, publisher) = (Server::keyed(&["--expiry-grace", "5s"]), admin());
    let mut tab = Tab::with_tokens(server.address(), short);
    let subscription = tab.subscribed(&["clock"]);
    let start = Instant::now();
    let (mut published, mut heard) = (Vec::new(), Vec::new());
    // A token is taken when half of its life is over, at the earliest.
    while start.elapsed() < LIFE * LIVES as u32 + Duration::from_secs(1) || tab.tokens() <= LIVES {
        assert!(start.elapsed() < DEADLINE, "{tab:?}");
        let tick = json!({ "event": sample::ticked(1), "topics": ["clock"] });
        published
            .push(post(&server, &publisher, "/v1/publish", &tick)["position"].as_str().unwrap().to_owned());
        while heard.len() < published.len() {
            match tab.expect() {
                Output::Event { publication, deliveries } => {
                    assert_eq!(deliveries[0].subscription, subscription);
                    heard.push(publication.position);
                }
                other => panic!("nothing but events: {other:?}"),
            }
        }
        // Tokens are asked for while nothing is published, too.
        let more = tab.next(Instant::now() + Duration::from_millis(50));
        assert!(more.is_none(), "{more:?}");
    }
    assert_eq!(heard, published);
    assert_eq!((tab.losses(), tab.status()), (0, Status::Open));
}

#[test]
fn without_a_fresh_token_a_session_of_three_seconds_ends_after_the_grace_and_with_one_it_is_the_same() {
    const GRACE: Duration = Duration::from_secs(1);
    let server = Server::keyed(&["--expiry-grace", "1s"]);
    let begun = Instant::now();
    let begin = || {
        let mut client = Client::connect(&server);
        let welcome = client.ask(&json!({ "op": "hello", "token": short() }));
        client.subscribe(&["clock"], None, "live");
        (client, welcome)
    };
    let (mut stays, welcome) = begin();
    let answer = stays.ask(&json!({ "op": "token", "ref": 1, "token": endless() }));
    assert!(answer["expires_in_ms"].as_u64() > Some(60_000), "{answer}");
    let (mut ends, its_welcome) = begin();
    let life = Duration::from_millis(its_welcome["expires_in_ms"].as_u64().unwrap());
    assert!(life > LIFE / 2 && life <= LIFE + Duration::from_secs(1), "{its_welcome}");
    ends.expect_end("token_expired", 4401);
    assert!(begun.elapsed() >= life + GRACE, "not before its time");
    // The other hears what happens, and has the name that it had.
    let tick = json!({ "event": sample::ticked(1), "topics": ["clock"] });
    let published = post(&server, &admin(), "/v1/publish", &tick);
    assert_eq!(stays.expect("event")["position"], published["position"]);
    post(&server, &admin(), "/v1/admin/revoke", &json!({ "session": welcome["session"] }));
    stays.expect_end("forbidden", 4403);
}
