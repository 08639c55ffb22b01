//! What was given is taken back.

use std::{
    io::{BufReader, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tidings_tests::{Client, EventStream, Request, Response, Server, eventually, sample, token};

fn with_bearer(request: Request, token: &str) -> Request {
    request.header("Authorization", &format!("Bearer {token}"))
}

fn revoke(server: &Server, token: &str, body: &Value) -> Response {
    with_bearer(Request::post("/v1/admin/revoke"), token).body(body.to_string()).send(server.address())
}

fn admin(tenant: &str) -> String {
    token(&["--tenant", tenant, "--subject", "admin", "--publish", "*", "--admin"])
}

fn user(tenant: &str, subject: &str) -> String {
    token(&["--tenant", tenant, "--subject", subject, "--subscribe", "*", "--publish", "*"])
}

fn listen(server: &Server, token: &str) -> Client {
    let mut client = Client::with_token(server, token);
    client.subscribe(&["clock"], None, "live");
    client
}

fn stream(server: &Server, token: &str) -> EventStream {
    let mut stream =
        EventStream::send(server.address(), with_bearer(Request::get("/v1/events?topic=clock"), token));
    stream.expect("subscribed");
    stream
}

fn tick(server: &Server, token: &str) -> Response {
    let body = json!({ "event": sample::ticked(1), "topics": ["clock"] }).to_string();
    with_bearer(Request::post("/v1/publish"), token).body(body).send(server.address())
}

fn is_let_in(server: &Server, token: &str) -> bool {
    let answer = Client::connect(server).ask(&json!({ "op": "hello", "token": token }));
    assert!(answer["op"] == "welcome" || answer["code"] == "unauthorized", "{answer}");
    answer["op"] == "welcome"
}

#[test]
fn a_revoked_session_ends_within_a_second() {
    let server = Server::keyed(&[]);
    let admin = admin("acme");
    // One of several, because a machine may be busy with other tests.
    let mut numbers = 0..;
    eventually("a session ends within a second", || {
        let subject = format!("anna-{}", numbers.next().unwrap());
        let mut client = listen(&server, &user("acme", &subject));
        let begun = Instant::now();
        assert_eq!(revoke(&server, &admin, &json!({ "sub": subject })).status, 200);
        client.expect_end("forbidden", 4403);
        begun.elapsed() < Duration::from_secs(1)
    });
}

#[test]
fn every_session_and_stream_of_a_revoked_subject_ends_and_its_tokens_open_nothing() {
    // Several shards: all of them hear of it.
    let server = Server::keyed(&["--shards", "3"]);
    let (anna, admin) = (user("acme", "anna"), admin("acme"));
    let mut revoked: Vec<Client> = (0..6).map(|_| listen(&server, &anna)).collect();
    let mut ended = stream(&server, &anna);
    let others = [user("acme", "bert"), user("other", "anna")];
    let mut kept: Vec<(Client, EventStream)> =
        others.iter().map(|token| (listen(&server, token), stream(&server, token))).collect();
    let answer = revoke(&server, &admin, &json!({ "sub": "anna" }));
    assert_eq!((answer.status, answer.json()), (200, json!({ "sub": "anna" })));
    for client in &mut revoked {
        client.expect_end("forbidden", 4403);
    }
    assert_eq!(ended.expect("error").data["code"], "forbidden");
    assert_eq!(ended.read(), None);
    assert!(!is_let_in(&server, &anna));
    tick(&server, &anna).assert_problem(401, "unauthorized");
    with_bearer(Request::get("/v1/events?topic=clock"), &anna)
        .send(server.address())
        .assert_problem(401, "unauthorized");
    for (token, (client, stream)) in others.iter().zip(&mut kept) {
        assert_eq!(tick(&server, token).status, 200);
        client.expect("event");
        stream.expect("event");
    }
}

#[test]
fn a_revoked_session_ends_with_its_token_and_other_tokens_of_the_subject_go_on() {
    let server = Server::keyed(&["--shards", "2"]);
    let admin = admin("acme");
    // Other rights, so another token.
    let (lost, kept) =
        (user("acme", "anna"), token(&["--tenant", "acme", "--subject", "anna", "--subscribe", "*"]));
    let mut first = Client::connect(&server);
    let welcome = first.ask(&json!({ "op": "hello", "token": lost }));
    let mut same_token = listen(&server, &lost);
    let mut open_stream = stream(&server, &lost);
    let mut another = listen(&server, &kept);
    assert_eq!(revoke(&server, &admin, &json!({ "session": welcome["session"] })).status, 200);
    first.expect_end("forbidden", 4403);
    same_token.expect_end("forbidden", 4403);
    assert_eq!(open_stream.expect("error").data["code"], "forbidden");
    assert!(!is_let_in(&server, &lost) && is_let_in(&server, &kept));
    let refused = another.ask(&json!({ "op": "token", "ref": 1, "token": lost }));
    assert_eq!((&refused["op"], &refused["code"]), (&json!("error"), &json!("unauthorized")));
    assert_eq!(tick(&server, &admin).status, 200);
    another.expect("event");
}

#[test]
fn revoking_takes_an_admin_of_the_same_tenant() {
    let server = Server::keyed(&[]);
    let (anna, admin_here, admin_there) = (user("acme", "anna"), admin("acme"), admin("other"));
    let mut client = Client::connect(&server);
    let session = client.ask(&json!({ "op": "hello", "token": anna }))["session"].clone();
    client.subscribe(&["clock"], None, "live");
    for body in [json!({ "sub": "anna" }), json!({ "session": session })] {
        revoke(&server, &anna, &body).assert_problem(403, "forbidden");
        revoke(&server, "x", &body).assert_problem(401, "unauthorized");
        let bare = Request::post("/v1/admin/revoke").body(body.to_string()).send(server.address());
        bare.assert_problem(401, "unauthorized");
        let page = with_bearer(Request::post("/v1/admin/revoke"), &admin_here)
            .header("Origin", "https://example.com");
        page.body(body.to_string()).send(server.address()).assert_problem(403, "forbidden");
        // Of its own tenant: nothing that this tenant hears of, and the same answer.
        assert_eq!(revoke(&server, &admin_there, &body).json(), body);
    }
    for body in
        [json!({}), json!({ "sub": "anna", "session": session }), json!({ "session": "anna" }), json!([])]
    {
        revoke(&server, &admin_here, &body).assert_problem(400, "invalid_frame");
    }
    let get = with_bearer(Request::get("/v1/admin/revoke"), &admin_here).send(server.address());
    assert_eq!((get.status, get.header("allow")), (405, Some("POST")));
    assert!(is_let_in(&server, &anna));
    assert_eq!(tick(&server, &anna).status, 200);
    client.expect("event");
}

#[test]
fn a_token_that_was_issued_after_the_revocation_is_taken_again() {
    let server = Server::keyed(&[]);
    let old = user("acme", "anna");
    assert_eq!(revoke(&server, &admin("acme"), &json!({ "sub": "anna" })).status, 200);
    assert!(!is_let_in(&server, &old));
    // Times of issue are whole seconds.
    eventually("a fresh token is taken", || is_let_in(&server, &user("acme", "anna")));
    assert!(!is_let_in(&server, &old));
}

/// Sends a publish without the end of its body. Returns the rest.
fn begin_tick(server: &Server, token: &str) -> (TcpStream, String) {
    let body = json!({ "event": sample::ticked(1), "topics": ["clock"] }).to_string();
    let (first, rest) = body.split_at(5);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    write!(
        stream,
        "POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{first}",
        body.len()
    )
    .unwrap();
    (stream, rest.to_owned())
}

#[test]
fn who_is_revoked_or_expires_while_a_body_is_on_its_way_publishes_nothing() {
    let server = Server::keyed(&[]);
    let admin = admin("acme");
    let mut listener = listen(&server, &user("acme", "bert"));
    let short = token(&["--tenant", "acme", "--publish", "*", "--expires-in", "2s"]);
    let mut begun: Vec<(TcpStream, String)> =
        [user("acme", "anna"), short, admin.clone()].iter().map(|token| begin_tick(&server, token)).collect();
    let start = Instant::now();
    assert_eq!(revoke(&server, &admin, &json!({ "sub": "anna" })).status, 200);
    // A token's end is rounded up to whole seconds.
    while start.elapsed() < Duration::from_secs(3) {
        thread::park_timeout(Duration::from_millis(10));
    }
    let mut answers = begun.iter_mut().map(|(stream, rest)| {
        stream.write_all(rest.as_bytes()).unwrap();
        Response::read(&mut BufReader::new(stream))
    });
    answers.next().unwrap().assert_problem(401, "unauthorized");
    answers.next().unwrap().assert_problem(401, "token_expired");
    let published = answers.next().unwrap();
    assert_eq!(published.status, 200, "{published:?}");
    assert_eq!(listener.expect("event")["position"], published.json()["position"], "nothing was before");
}
