//! Who has a token and what it allows, with real ones.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tidings_tests::{
    Client, EventStream, Process, Request, Response, Server, eventually, finish, key_file, sample, tidings,
    token,
};

/// A person of `staff` was updated, published over HTTP with a token.
fn publish(server: &Server, token: &str, body: &Value) -> Response {
    let bearer = format!("Bearer {token}");
    Request::post("/v1/publish")
        .header("Authorization", &bearer)
        .body(body.to_string())
        .send(server.address())
}

fn person() -> Value {
    json!({ "event": sample::person_updated(&sample::uuid()) })
}

fn outcomes(frame: &Value) -> Vec<(&str, &str)> {
    let topics = frame["topics"].as_array().unwrap().iter();
    let text = |value| Value::as_str(value).unwrap_or_default();
    topics.map(|topic| (text(&topic["outcome"]), text(&topic["code"]))).collect()
}

#[test]
fn a_token_says_the_tenant_and_what_is_allowed_and_nothing_else_is() {
    let server = Server::keyed(&[]);
    let token = token(&[
        "--tenant",
        "acme",
        "--subscribe",
        "staff:*",
        "--publish",
        "staff:people",
        "--subject",
        "anna",
    ]);
    let mut client = Client::connect(&server);
    let welcome = client.ask(&json!({ "op": "hello", "token": token }));
    assert_eq!((&welcome["op"], &welcome["tenant"]), (&json!("welcome"), &json!("acme")), "{welcome}");
    assert!(welcome["expires_at"].is_u64(), "{welcome}");
    let topics = ["staff:people", "projects:all", "staff:peple", "staff", "clock", "*", "staff:*"];
    let answer = client.ask(&json!({ "op": "subscribe", "ref": 1, "topics": topics }));
    let (refused, wrong) = (("refused", "forbidden"), ("refused", "invalid_topic"));
    assert_eq!(outcomes(&answer), [("live", ""), refused, wrong, wrong, refused, wrong, wrong]);
    // It reaches the person's own topic too, to which there is no right.
    let event = sample::person_updated(&sample::uuid());
    let answer = client.ask(&json!({ "op": "publish", "ref": 2, "event": event }));
    assert_eq!(
        (&answer["op"], &answer["code"], &answer["ref"]),
        (&json!("error"), &json!("forbidden"), &json!(2))
    );
    publish(&server, &token, &person()).assert_problem(403, "forbidden");
    let all = self::token(&["--tenant", "acme", "--publish", "*"]);
    let answer = publish(&server, &all, &person());
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(client.expect("event")["position"], answer.json()["position"], "nothing was published before");
    let deaf = Client::with_token(&server, &all)
        .ask(&json!({ "op": "subscribe", "ref": 1, "topics": ["staff:people"] }));
    assert_eq!(outcomes(&deaf), [refused]);
}

#[test]
fn a_stream_of_events_takes_a_token_too() {
    let server = Server::keyed(&[]);
    let token = token(&["--tenant", "acme", "--subscribe", "staff:*", "--publish", "*"]);
    let get = |topic: &str, bearer: &str| {
        Request::get(&format!("/v1/events?topic={topic}")).header("Authorization", bearer)
    };
    let mut stream = EventStream::send(server.address(), get("staff:people", &format!("Bearer {token}")));
    stream.expect("subscribed");
    let answer = publish(&server, &token, &person()).json();
    assert_eq!(stream.expect("event").data["position"], answer["position"]);
    get("projects:all", &format!("bearer {token}")).send(server.address()).assert_problem(403, "forbidden");
    for bearer in ["Bearer x.y.z", "Bearer", "Basic YTpi", &token] {
        get("staff:people", bearer).send(server.address()).assert_problem(401, "unauthorized");
    }
}

#[test]
fn without_a_token_that_holds_nobody_is_let_in() {
    let server = Server::keyed(&["--jwt-audience", "tidings", "--jwt-issuer", "https://id.example.com"]);
    let named = |aud: &str, iss: &str| {
        token(&["--tenant", "acme", "--publish", "*", "--jwt-audience", aud, "--jwt-issuer", iss])
    };
    let good = named("tidings", "https://id.example.com");
    let (head, signature) = good.rsplit_once('.').unwrap();
    for bad in [
        String::new(),
        "x".to_owned(),
        head.to_owned(),
        format!("{head}."),
        format!("{head}.A{signature}"),
        format!("{good}A"),
        named("other", "https://id.example.com"),
        named("tidings", "https://other.example.com"),
        token(&["--tenant", "acme", "--publish", "*"]),
        token(&["--jwt-audience", "tidings", "--jwt-issuer", "https://id.example.com"]),
    ] {
        let mut client = Client::connect(&server);
        client.send(&json!({ "op": "hello", "token": bad }));
        client.expect_end("unauthorized", 4401);
        // One of several, because a machine may be busy with other tests.
        eventually("it is refused at once", || {
            let begun = Instant::now();
            publish(&server, &bad, &person()).assert_problem(401, "unauthorized");
            begun.elapsed() < Duration::from_millis(50)
        });
    }
    for hello in [json!({ "op": "hello" }), json!({ "op": "hello", "token": null })] {
        let mut client = Client::connect(&server);
        client.send(&hello);
        client.expect_end("unauthorized", 4401);
    }
    let bare = Request::post("/v1/publish").body(person().to_string()).send(server.address());
    bare.assert_problem(401, "unauthorized");
    assert_eq!(bare.header("www-authenticate"), Some("Bearer"));
    assert_eq!(publish(&server, &good, &person()).status, 200);
}

#[test]
fn a_token_that_is_too_long_is_not_even_read() {
    let server = Server::keyed(&[]);
    let long = "x".repeat(1024 * 1024);
    let mut client = Client::connect(&server);
    client.send(&json!({ "op": "hello", "token": &long[..10 * 1024] }));
    client.expect_end("too_large", 1009);
    publish(&server, &long[..8192], &person()).assert_problem(401, "unauthorized");
    let good = token(&["--tenant", "acme", "--subscribe", "*"]);
    let mut client = Client::with_token(&server, &good);
    let answer = client.ask(&json!({ "op": "token", "ref": 1, "token": &long[..8192] }));
    assert_eq!((&answer["op"], &answer["code"]), (&json!("error"), &json!("unauthorized")));
    client.subscribe(&["staff:people"], None, "live");
    let refused = publish(&server, &long, &person());
    assert_eq!(refused.status, 431, "{refused:?}");
}

#[test]
fn a_session_ends_with_its_token_unless_a_fresh_one_came() {
    let server = Server::keyed(&["--expiry-grace", "0s"]);
    let long = token(&["--tenant", "acme", "--subscribe", "*"]);
    // Long, because all that follows must happen in this time, even on a busy machine.
    const LIFE: Duration = Duration::from_secs(5);
    let started = Instant::now();
    let short = token(&["--tenant", "acme", "--subscribe", "*", "--publish", "*", "--expires-in", "5s"]);
    let mut left = Client::with_token(&server, &short);
    let mut stayed = Client::with_token(&server, &short);
    stayed.subscribe(&["staff:people"], None, "live");
    let answer = stayed.ask(&json!({ "op": "token", "ref": 4, "token": long }));
    assert_eq!((&answer["op"], &answer["ref"]), (&json!("token_accepted"), &json!(4)));
    assert!(answer["expires_at"].is_u64(), "{answer}");
    let get =
        Request::get("/v1/events?topic=staff:people").header("Authorization", &format!("Bearer {short}"));
    let mut stream = EventStream::send(server.address(), get);
    stream.expect("subscribed");
    left.expect_end("token_expired", 4401);
    assert!(started.elapsed() >= LIFE, "not before its time");
    let error = stream.expect("error");
    assert_eq!((&error.data["code"], stream.read()), (&json!("token_expired"), None));
    // The old token no longer opens anything, and says why.
    let mut back = Client::connect(&server);
    back.send(&json!({ "op": "hello", "token": short }));
    back.expect_end("token_expired", 4401);
    publish(&server, &short, &person()).assert_problem(401, "token_expired");
    let all = token(&["--tenant", "acme", "--publish", "*"]);
    assert_eq!(publish(&server, &all, &person()).status, 200);
    stayed.expect("event");
}

#[test]
fn a_session_goes_on_for_the_grace_and_may_be_refreshed_in_it() {
    let (patient, strict) =
        (Server::keyed(&["--expiry-grace", "60s"]), Server::keyed(&["--expiry-grace", "0s"]));
    let long = token(&["--tenant", "acme", "--subscribe", "*", "--publish", "*"]);
    let short = token(&["--tenant", "acme", "--subscribe", "*", "--expires-in", "5s"]);
    let mut client = Client::with_token(&patient, &short);
    client.subscribe(&["staff:people"], None, "live");
    Client::with_token(&strict, &short).expect_end("token_expired", 4401);
    let again = client.ask(&json!({ "op": "token", "ref": 1, "token": short }));
    assert_eq!(again["code"], "token_expired", "{again}");
    assert_eq!(client.ask(&json!({ "op": "token", "ref": 2, "token": long }))["op"], "token_accepted");
    assert_eq!(publish(&patient, &long, &person()).status, 200);
    client.expect("event");
}

#[test]
fn a_fresh_token_with_less_rights_takes_topics_away_and_one_of_somebody_else_is_refused() {
    let server = Server::keyed(&[]);
    let own = |rights: &[&str]| token(&[&["--tenant", "acme", "--subject", "anna"], rights].concat());
    let much = own(&["--subscribe", "staff:*", "--publish", "*"]);
    let mut client = Client::with_token(&server, &much);
    client.subscribe(&["staff:people", "staff:teams"], None, "live");
    for other in [
        token(&["--tenant", "acme", "--subject", "bert", "--subscribe", "*"]),
        token(&["--tenant", "other", "--subject", "anna", "--subscribe", "*"]),
    ] {
        let answer = client.ask(&json!({ "op": "token", "ref": 1, "token": other }));
        assert_eq!((&answer["op"], &answer["code"]), (&json!("error"), &json!("forbidden")), "{answer}");
    }
    let answer =
        client.ask(&json!({ "op": "token", "ref": 2, "token": own(&["--subscribe", "staff:people"]) }));
    assert_eq!(answer["op"], "token_accepted");
    let gone = json!({ "op": "unsubscribed", "topics": ["staff:teams"], "code": "forbidden" });
    assert_eq!(client.next_frame(), gone);
    let event = sample::person_updated(&sample::uuid());
    assert_eq!(client.ask(&json!({ "op": "publish", "ref": 3, "event": event }))["code"], "forbidden");
    let team = json!({ "event": { "domain": "staff", "event": "team_updated", "payload": { "uuid": sample::uuid() } } });
    assert_eq!(publish(&server, &much, &team).status, 200);
    let answer = publish(&server, &much, &person());
    assert_eq!(
        client.expect("event")["position"],
        answer.json()["position"],
        "the team's was not for it any more"
    );
    let answer = client.ask(&json!({ "op": "subscribe", "ref": 4, "topics": ["staff:teams"] }));
    assert_eq!(outcomes(&answer), [("refused", "forbidden")]);
}

#[test]
fn every_algorithm_has_its_key_file_and_a_set_of_keys_has_names() {
    let make = |algorithm: &str, key: &str, kid: Option<&str>| {
        let mut command = tidings();
        command.args([
            "token",
            "--jwt-algorithm",
            algorithm,
            "--jwt-key-file",
            &key_file(key),
            "--tenant",
            "acme",
        ]);
        let finished = finish(command.args(kid.map(|kid| ["--kid", kid]).iter().flatten()));
        assert_eq!(finished.code, Some(0), "{finished:?}");
        finished.stdout.trim_end().to_owned()
    };
    let serve = |flags: &[&str]| {
        let mut command = tidings();
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(flags);
        Server::run(command)
    };
    let says = |server: &Server, token: &str| {
        let answer = Client::connect(server).ask(&json!({ "op": "hello", "token": token }));
        answer["code"].as_str().unwrap_or("welcome").to_owned()
    };
    let set = serve(&["--jwks-file", &key_file("jwks.json")]);
    for (algorithm, name) in [("RS256", "rsa"), ("ES256", "ec"), ("EdDSA", "ed")] {
        let private = format!("{name}.key.pem");
        let server =
            serve(&["--jwt-algorithm", algorithm, "--jwt-key-file", &key_file(&format!("{name}.pub.pem"))]);
        assert_eq!(says(&server, &make(algorithm, &private, None)), "welcome", "{algorithm}");
        assert_eq!(says(&server, &token(&["--tenant", "acme"])), "unauthorized", "{algorithm}");
        assert_eq!(says(&set, &make(algorithm, &private, Some(name))), "welcome", "{algorithm}");
        assert_eq!(says(&set, &make(algorithm, &private, None)), "unauthorized", "{algorithm}");
        assert_eq!(says(&set, &make(algorithm, &private, Some("../rsa"))), "unauthorized", "{algorithm}");
    }
    let public = make("HS256", "secret", Some("rsa"));
    assert_eq!(says(&set, &public), "unauthorized");
}

#[test]
fn a_server_of_one_tenant_needs_none_in_a_token() {
    let server = Server::keyed(&["--single-tenant", "acme"]);
    for flags in [&["--subscribe", "*"][..], &["--tenant", "acme"]] {
        let welcome = Client::connect(&server).ask(&json!({ "op": "hello", "token": token(flags) }));
        assert_eq!(welcome["tenant"], "acme", "{welcome}");
    }
    let mut client = Client::connect(&server);
    client.send(&json!({ "op": "hello", "token": token(&["--tenant", "other"]) }));
    client.expect_end("unauthorized", 4401);
}

#[test]
fn the_commands_take_a_token() {
    let server = Server::keyed(&[]);
    let token = token(&["--tenant", "acme", "--subscribe", "*", "--publish", "*"]);
    let mut command = tidings();
    command.args(["tail", "--url", &server.url(), "--token", &token, "clock"]);
    let mut tail = Process::start(command);
    eventually("the tail prints what is published", || {
        let event = sample::ticked(1).to_string();
        let published = finish(
            tidings()
                .args(["publish", "--url", &server.url(), "--topic", "clock", &event])
                .env("TIDINGS_TOKEN", &token),
        );
        assert_eq!(published.code, Some(0), "{published:?}");
        tail.try_line().is_some()
    });
    let refused = finish(tidings().args(["publish", "--url", &server.url(), &sample::ticked(1).to_string()]));
    assert!(refused.code == Some(1) && refused.stderr.contains("unauthorized"), "{refused:?}");
}

/// A token that has these claims, beside what every one has.
pub(crate) fn token_with(claims: &Value) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut all = json!({ "sub": "anna", "tenant": "acme", "exp": now + 600, "subscribe": ["*"] });
    all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    let secret = std::fs::read(key_file("secret")).unwrap();
    let key = jsonwebtoken::EncodingKey::from_secret(secret.trim_ascii_end());
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &all, &key).unwrap()
}

#[test]
fn a_token_of_a_clock_that_is_ahead_is_taken_and_one_from_later_yet_once_its_time_has_come() {
    let server = Server::keyed(&[]);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    // What a library writes that sets both to its own time, 2 s ahead.
    Client::with_token(&server, &token_with(&json!({ "nbf": now + 2, "iat": now + 2 })));
    for claim in ["nbf", "iat"] {
        let mut client = Client::connect(&server);
        client.send(&json!({ "op": "hello", "token": token_with(&json!({ claim: now + 300 })) }));
        client.expect_end("token_not_yet_valid", 4425);
    }
    let soon = token_with(&json!({ "nbf": now + 61 }));
    loop {
        let mut client = Client::connect(&server);
        let answer = client.ask(&json!({ "op": "hello", "token": soon }));
        if answer["op"] == "welcome" {
            break;
        }
        assert_eq!(answer["code"], "token_not_yet_valid", "{answer}");
        client.expect_close(4425);
    }
    let early = token_with(&json!({ "nbf": now + 300, "iat": now }));
    publish(&server, &early, &person()).assert_problem(401, "token_not_yet_valid");
    let mut client = Client::with_token(&server, &token_with(&json!({})));
    let answer = client.ask(&json!({ "op": "token", "ref": 1, "token": early }));
    assert_eq!((&answer["op"], &answer["code"]), (&json!("error"), &json!("token_not_yet_valid")));
    client.subscribe(&["staff:people"], None, "live");
}
