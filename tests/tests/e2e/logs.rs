//! The server's log at its highest level, while clients send what they like.

use std::{
    io::{BufReader, Write},
    net::TcpStream,
    process::Command,
};

use serde_json::{Value, json};
use tidings_shared::limits::REFUSALS_LOGGED;
use tidings_tests::{
    Client, Frame, Opcode, RawSocket, Request, Response, Server, eventually, key_file, sample, tidings, token,
};

/// A word in tokens, payloads and other private data.
const SECRET: &str = "correct-horse-battery";

/// What a terminal or a reader of logs could be fooled by: colours, a bell, new lines, reversed text.
const NASTY: &str =
    "\u{1b}[31m\u{7}\r\n2026-01-01T00:00:00.000000Z ERROR forged \u{202e}\u{2066}\u{200b}\u{85}\u{2028}";

/// Bytes of a line: what a client wrote is cut.
const MAX_LINE: usize = 1024;

fn verbose(format: &str) -> Command {
    let mut command = tidings();
    command.args(["serve", "--listen", "127.0.0.1:0", "--jwt-key-file", &key_file("secret")]);
    command.args(["--log-format", format]).env("RUST_LOG", "trace");
    command
}

fn say_everything(server: &Server, good: &str) {
    let long = format!("{NASTY}{}", "x".repeat(3_000));
    let bad = format!("{SECRET}.{SECRET}.{SECRET}");
    for token in [bad.as_str(), &format!("{good}{SECRET}"), NASTY] {
        Client::connect(server).ask(&json!({ "op": "hello", "token": token, "client": NASTY }));
        let bearer =
            Request::post("/v1/publish").header("Authorization", &format!("Bearer {}", plain(token)));
        bearer.body("{}").send(server.address()).assert_problem(401, "unauthorized");
    }
    let mut client = Client::connect(server);
    client.ask(&json!({ "op": "hello", "token": good, "client": NASTY, "domains": { "staff": "\u{1b}[31m\u{202e}\n", (NASTY): "x" } }));
    let person = json!({ "domain": "staff", "event": "person_updated", "payload": { "uuid": SECRET } });
    let event = json!({ "domain": "a", "event": "b", "payload": { "note": SECRET, "nasty": NASTY } });
    for frame in [
        json!({ "op": "subscribe", "ref": 1, "topics": [NASTY, long, SECRET], "since": long }),
        json!({ "op": "unsubscribe", "ref": 2, "topics": [NASTY] }),
        json!({ "op": "publish", "ref": 3, "event": event, "topics": ["a"], "origin": NASTY }),
        json!({ "op": "publish", "ref": 4, "event": event, "topics": [SECRET] }),
        json!({ "op": "publish", "ref": 5, "event": person }),
        json!({ "op": "token", "ref": 6, "token": bad }),
        json!({ "op": NASTY, "ref": 7 }),
        json!({ "op": long, "ref": 8 }),
    ] {
        client.ask(&frame);
    }
    client.ask(&json!({ "op": SECRET, "ref": SECRET }));
    for frame in [
        Frame::text(format!("{SECRET}{NASTY}")),
        Frame::new(Opcode::BINARY, NASTY),
        Frame { is_masked: false, ..Frame::text(SECRET) },
    ] {
        let mut socket = RawSocket::connect(server.address());
        socket.send(&frame);
        socket.close_code();
    }
    let send = |request: Request| -> Response { request.send(server.address()) };
    let authorized = |request: Request| request.header("Authorization", &format!("Bearer {good}"));
    for body in [event.to_string(), json!({ "event": person }).to_string(), long.clone(), SECRET.to_owned()] {
        send(authorized(Request::post("/v1/publish")).body(body.clone()));
        send(authorized(Request::post("/v1/publish/batch")).body(format!("[{body}]")));
        send(authorized(Request::post("/v1/admin/revoke")).body(body));
    }
    for name in ["Origin", "Last-Event-ID", "Tidings-Origin", "X-Forwarded-For", "User-Agent", "Cookie"] {
        let value = format!("{SECRET} {}", plain(&long));
        send(authorized(Request::get(&format!("/v1/events?token={SECRET}"))).header(name, &value));
        send(RawSocket::handshake().header("Connection", "Upgrade").header(name, &value));
    }
    for path in [
        format!("/{SECRET}"),
        format!("/v1/events?topic={SECRET}&topic=%0a%1b%5B31m&token=%ff{SECRET}"),
        format!("/v1/ws?token={SECRET}{}", "x".repeat(3_000)),
        format!("/v1/publish/%0d%0a{SECRET}"),
    ] {
        send(Request::get(&path));
        send(Request::new("OPTIONS", &path).header("Origin", SECRET));
        send(Request::new(&format!("{SECRET}{}", "X".repeat(3_000)), &path));
    }
}

/// What may stand in a header: no control characters, but all else.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_control()).collect()
}

fn check(log: &str, good: &str, format: &str) {
    assert!(!log.contains(SECRET), "{format}: {log}");
    let (claims, signature) = good.split_once('.').unwrap().1.split_once('.').unwrap();
    assert!(!log.contains(claims) && !log.contains(signature), "{format}: a token: {log}");
    let is_odd = |c: char| {
        c != '\n' && c.is_control() || matches!(c, '\u{200b}' | '\u{202e}' | '\u{2028}' | '\u{2066}')
    };
    assert!(!log.contains(is_odd), "{format}: {log:?}");
    for line in log.lines() {
        assert!(line.len() <= MAX_LINE, "{format}: {line}");
        let (time, level) = if format == "json" {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            (line["timestamp"].to_string().replace('"', ""), line["level"].to_string())
        } else {
            (line.split(' ').next().unwrap_or_default().to_owned(), line.to_owned())
        };
        assert!(time.ends_with('Z') && !time.starts_with("2026-01-01"), "{format}: a forged line: {line}");
        assert!(
            ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"].iter().any(|known| level.contains(known)),
            "{line}"
        );
    }
}

#[test]
fn no_token_no_payload_and_nothing_that_fools_a_reader_gets_into_the_log() {
    let good =
        token(&["--tenant", "acme", "--subject", SECRET, "--subscribe", "*", "--publish", "*", "--admin"]);
    for format in ["text", "json"] {
        let mut server = Server::run(verbose(format));
        say_everything(&server, &good);
        // It was not all in vain: this client's names are told, escaped.
        let mut client = Client::with_token(&server, &good);
        client.subscribe(&["clock"], None, "live");
        client.ask(&json!({ "op": "publish", "ref": 1, "event": sample::ticked(1), "topics": ["clock"] }));
        server.process().signal("TERM");
        assert_eq!(server.exit_code(), Some(0));
        let log = server.process().log();
        assert!(log.contains("another form of the domain") && log.contains("u{202e}"), "{format}: {log}");
        assert!(log.contains("draining"), "{format}: {log}");
        check(&log, &good, format);
    }
}

/// Lines of warnings so far.
fn warnings(server: &mut Server) -> Vec<String> {
    server.process().log().lines().filter(|line| line.contains(" WARN ")).map(ToOwned::to_owned).collect()
}

#[track_caller]
fn warns(server: &mut Server, words: &[&str]) {
    eventually(&format!("a warning says {words:?}"), || {
        warnings(server).iter().any(|line| words.iter().all(|word| line.contains(word)))
    });
}

#[test]
fn whoever_is_refused_for_an_origin_or_a_host_is_told_of_with_the_remedy() {
    let mut server = Server::keyed(&["--allow-origin", "https://app.example.com"]);
    let upgrade = || RawSocket::handshake().header("Connection", "Upgrade");
    let refuse =
        |server: &Server, request: Request| request.send(server.address()).assert_problem(403, "forbidden");
    for (request, origin) in [
        (upgrade(), "http://localhost:5173"),
        (Request::get("/v1/events?topic=a"), "https://one.example.com"),
        (Request::post("/v1/publish"), "tauri://localhost"),
        (Request::new("OPTIONS", "/v1/publish"), "https://app.example.com:8443"),
    ] {
        refuse(&server, request.header("Origin", origin));
        warns(
            &mut server,
            &[
                "a page was refused",
                &format!("remedy=\"--allow-origin {origin} (in an application: OriginRule::Exact)\""),
            ],
        );
    }
    refuse(&server, upgrade().header("Origin", "null"));
    warns(&mut server, &["a page was refused", "sandboxed frame", "serve it over http"]);
    refuse(
        &server,
        upgrade().header("Origin", "https://app.example.com").header("Origin", "https://app.example.com"),
    );
    warns(&mut server, &["a page was refused", "several Origin headers"]);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n").unwrap();
    Response::read(&mut BufReader::new(stream)).assert_problem(400, "invalid_frame");
    warns(&mut server, &["a request was refused", "no Host, or several"]);

    let mut server = Server::start();
    refuse(&server, upgrade().header("Origin", "https://app.example.com"));
    warns(&mut server, &["a page was refused", "for development", "--allow-origin https://app.example.com"]);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream
        .write_all(b"GET /v1/ws HTTP/1.1\r\nHost: dev.example.com:7700\r\nConnection: close\r\n\r\n")
        .unwrap();
    Response::read(&mut BufReader::new(stream)).assert_problem(403, "forbidden");
    warns(
        &mut server,
        &["a request was refused", "the host dev.example.com:7700 is not this machine", "localhost"],
    );
}

#[test]
fn a_token_that_is_refused_is_told_of_with_the_reason_and_without_the_token() {
    let mut server = Server::keyed(&["--jwt-audience", "tidings"]);
    let good = token(&["--tenant", "acme", "--jwt-audience", "tidings", "--subscribe", "*"]);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    let other_signature = format!("{first}{}", &signature[1..]);
    let old = token(&["--tenant", "acme", "--jwt-audience", "tidings", "--expires-in", "1s"]);
    let bearer =
        |token: &str| Request::post("/v1/publish").header("Authorization", &format!("Bearer {token}"));
    let refuse = |server: &Server, request: Request| {
        let status = request.body("{}").send(server.address()).status;
        assert!([400, 401].contains(&status), "{status}");
        status == 401
    };
    for (bad, reason) in [
        (format!("{head}.{other_signature}"), "signature does not match the server's key"),
        (token(&["--tenant", "acme", "--jwt-audience", "other"]), "`aud`"),
        ("x.y.z".to_owned(), "not a token (JWT)"),
    ] {
        assert!(refuse(&server, bearer(&bad)));
        warns(&mut server, &["a client was refused", "unauthorized", reason]);
    }
    assert!(refuse(&server, Request::post("/v1/publish")));
    warns(&mut server, &["a client was refused", "no token was given"]);
    let lost = "its cookies do not count";
    assert!(!server.process().log().contains(lost));
    assert!(refuse(&server, Request::post("/v1/publish").header("Cookie", "login=hunter2")));
    warns(&mut server, &["a request was refused", lost, "Origin", "OriginRule::Loopback"]);
    assert!(refuse(&server, Request::post("/v1/publish").header("Authorization", "Basic YTpi")));
    warns(&mut server, &["a client was refused", "Authorization: Bearer"]);
    eventually("the token ends", || refuse(&server, bearer(&old)));
    warns(&mut server, &["a client was refused", "token_expired", "has expired"]);
    // In a hello, and in a token that replaces another one.
    let other =
        token(&["--tenant", "acme", "--jwt-audience", "tidings", "--subscribe", "*", "--jwt-issuer", "x"]);
    let mut late = Client::with_token(&server, &other);
    let mut hello = Server::keyed(&[]);
    Client::connect(&hello).ask(&json!({ "op": "hello", "token": "a.b.c" }));
    warns(&mut hello, &["a client was refused", "not a token (JWT)"]);
    late.ask(&json!({ "op": "token", "ref": 1, "token": &other[..40] }));
    let log = server.process().log();
    for token in [&good, &old, &other] {
        assert!(token.split('.').skip(1).all(|part| !log.contains(part)), "a token is in the log: {log}");
    }
    assert!(!log.contains(&other_signature) && !log.contains("hunter2"), "{log}");
}

#[test]
fn a_crowd_that_is_refused_fills_no_log() {
    let mut server = Server::keyed(&[]);
    for number in 0..200 {
        let page = format!("https://{number}.example.com");
        Request::post("/v1/publish")
            .header("Origin", &page)
            .send(server.address())
            .assert_problem(403, "forbidden");
        Request::post("/v1/publish").send(server.address()).assert_problem(401, "unauthorized");
    }
    server.process().signal("TERM");
    assert_eq!(server.exit_code(), Some(0));
    let warnings = warnings(&mut server);
    let of = |what: &str| warnings.iter().filter(|line| line.contains(what)).count();
    // The minute may end in between.
    assert!((REFUSALS_LOGGED..=2 * REFUSALS_LOGGED).contains(&of("a page was refused")), "{warnings:?}");
    assert!((1..=2).contains(&of("a client was refused")), "{warnings:?}");
}
