//! HTTP requests: their answers, with status and headers.

use std::{
    io::{BufReader, Read, Write},
    net::TcpStream,
};

use serde_json::json;
use tidings_tests::{Client, DEADLINE, RawSocket, Request, Response, Server, sample};

fn publish() -> Request {
    Request::post("/v1/publish")
}

fn good_body() -> String {
    json!({ "event": sample::person_updated(&sample::uuid()) }).to_string()
}

#[test]
fn every_fault_of_a_body_is_a_problem_with_its_code_and_nothing_is_published() {
    let server = Server::start();
    let mut subscriber = Client::subscribed(&server, &["staff:people", "a"]);
    let nested = |depth: usize| {
        let lists = depth - 3;
        format!(
            r#"{{"event":{{"domain":"a","event":"b","payload":{{"d":{}{}}}}},"topics":["a"]}}"#,
            "[".repeat(lists),
            "]".repeat(lists)
        )
    };
    for body in [
        "",
        "garbage",
        "[]",
        "null",
        "{}",
        r#"{"event":null}"#,
        r#"{"event":"person_updated"}"#,
        r#"{"event":{"domain":"a","event":"b"},"topics":["a"]}"#,
        r#"{"event":{"domain":"a","event":"b","payload":{}},"topics":"a"}"#,
        r#"{"event":{"domain":"a","event":"b","payload":{}},"topics":[7]}"#,
        r#"{"event":{"domain":"a","event":"b","payload":{}},"topics":["a"],"key":"7"}"#,
        r#"{"event":{"domain":"a","event":"b","payload":{}},"topics":["a"],"topics":["a"]}"#,
        r#"{"event":{"domain":"a","event":"b","payload":{"n":1e400}},"topics":["a"]}"#,
        r#"{"event":{"domain":"a","event":"b","payload":{}},"topics":["a"]} and more"#,
        &nested(33),
    ] {
        publish().body(body).send(server.address()).assert_problem(400, "invalid_frame");
    }
    publish()
        .body(b"{\"event\":\"\xff\"}".to_vec())
        .send(server.address())
        .assert_problem(400, "invalid_frame");
    publish().send(server.address()).assert_problem(400, "invalid_frame");
    let answer = publish().body(nested(32)).send(server.address());
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        subscriber.expect("event")["position"],
        answer.json()["position"],
        "nothing was published before"
    );
}

#[test]
fn a_mark_of_the_encoding_and_blank_lines_around_a_body_are_none_of_it() {
    let server = Server::start();
    let mut subscriber = Client::subscribed(&server, &["staff:people"]);
    let bodies = |body: &str| {
        [format!("\u{feff}{body}"), format!("\r\n\n{body}\n\r\n \n"), format!("\u{feff}\n{body}\n")]
    };
    for (path, body) in [("/v1/publish", good_body()), ("/v1/publish/batch", format!("[{}]", good_body()))] {
        for body in bodies(&body) {
            let answer = Request::post(path).body(body.clone()).send(server.address());
            assert_eq!(answer.status, 200, "{path} {body:?}: {answer:?}");
            subscriber.expect("event");
        }
    }
    for body in bodies(r#"{"sub":"nobody"}"#) {
        assert_eq!(Request::post("/v1/admin/revoke").body(body).send(server.address()).status, 200);
    }
    let twice = publish().body(format!("\u{feff}\u{feff}{}", good_body())).send(server.address());
    twice.assert_problem(400, "invalid_frame");
}

#[test]
fn a_body_that_is_coded_is_told_which_codings_are_taken() {
    let server = Server::start();
    for path in ["/v1/publish", "/v1/publish/batch", "/v1/admin/revoke"] {
        for coding in ["gzip", "br", "zstd", "deflate", "x-gzip", "identity, gzip"] {
            let coded =
                Request::post(path).header("Content-Encoding", coding).body(b"\x1f\x8b\x08\0".to_vec());
            let refused = coded.send(server.address());
            refused.assert_problem(415, "unsupported_media_type");
            assert_eq!(refused.header("accept-encoding"), Some("identity"), "{path} {coding}");
        }
    }
    let coded = |coding: &str| publish().header("Content-Encoding", coding);
    let twice = coded("identity").header("Content-Encoding", "gzip").body(good_body()).send(server.address());
    twice.assert_problem(415, "unsupported_media_type");
    for coding in ["identity", "Identity", ""] {
        assert_eq!(coded(coding).body(good_body()).send(server.address()).status, 200, "{coding}");
    }
    for (bytes, said) in
        [(&b"\x1f\x8b\x08\0"[..], "compressed"), (b"\xff\xfe{\0}\0", "UTF-16"), (b"\xff", "not UTF-8")]
    {
        let silent = publish().body(bytes.to_vec()).send(server.address());
        silent.assert_problem(400, "invalid_frame");
        assert!(silent.json()["detail"].as_str().unwrap().contains(said), "{said}: {silent:?}");
    }
}

#[test]
fn a_problem_says_in_words_what_was_wrong() {
    let server = Server::start();
    let body = json!({ "event": { "domain": "staff", "event": "person_renamed", "payload": {} } });
    let problem = server.post(&body).json();
    assert!(
        problem["detail"].as_str().unwrap().contains("person_updated"),
        "names the right ones: {problem}"
    );
    assert!(problem["title"].is_string(), "{problem}");
}

#[test]
fn a_body_of_256_kib_is_taken_and_one_byte_more_is_not() {
    let server = Server::start();
    let mut subscriber = Client::subscribed(&server, &["staff:people"]);
    let exact = |bytes: usize| {
        let mut body = good_body();
        body.push_str(&" ".repeat(bytes - body.len()));
        body
    };
    assert_eq!(publish().body(exact(256 * 1024)).send(server.address()).status, 200);
    subscriber.expect("event");
    publish().body(exact(256 * 1024 + 1)).send(server.address()).assert_problem(413, "too_large");
    publish().body(exact(4 * 1024 * 1024)).send(server.address()).assert_problem(413, "too_large");
    server.publish(&sample::person_updated(&sample::uuid()));
    subscriber.expect("event");
}

#[test]
fn a_body_in_chunks_is_bounded_like_any_other() {
    let server = Server::start();
    let chunked = |body: &str| {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let head = "POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        for chunk in body.as_bytes().chunks(10_000) {
            // A server may answer before it has read all.
            let _ = write!(stream, "{:x}\r\n", chunk.len());
            let _ = stream.write_all(chunk);
            let _ = stream.write_all(b"\r\n");
        }
        let _ = stream.write_all(b"0\r\n\r\n");
        Response::read(&mut BufReader::new(stream))
    };
    assert_eq!(chunked(&good_body()).status, 200);
    chunked(&" ".repeat(300 * 1024)).assert_problem(413, "too_large");
}

#[test]
fn a_body_that_never_ends_publishes_nothing() {
    let server = Server::start();
    let mut subscriber = Client::subscribed(&server, &["staff:people"]);
    let body = good_body();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let head =
        format!("POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len() + 1);
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let _ = stream.read_to_end(&mut rest);
    assert!(!rest.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&rest));
    let answer = server.publish(&sample::person_updated(&sample::uuid()));
    assert_eq!(subscriber.expect("event")["position"], answer["position"]);
}

#[test]
fn a_client_that_waits_to_be_told_to_go_on_is_told() {
    let server = Server::start();
    let body = good_body();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
    )
    .unwrap();
    let mut reader = BufReader::new(stream);
    assert_eq!(Response::read(&mut reader).status, 100);
    reader.get_mut().write_all(body.as_bytes()).unwrap();
    assert_eq!(Response::read(&mut reader).status, 200);
}

#[test]
fn one_connection_serves_several_requests() {
    let server = Server::start();
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut reader = BufReader::new(stream);
    for expected in [200, 422, 200] {
        let event = if expected == 200 { "person_updated" } else { "person_renamed" };
        let body = good_body().replace("person_updated", event);
        write!(
            reader.get_mut(),
            "POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        assert_eq!(Response::read(&mut reader).status, expected);
    }
}

#[test]
fn pages_of_this_machine_are_let_in_and_no_others() {
    let server = Server::start();
    let mut subscriber = Client::subscribed(&server, &["staff:people"]);
    let with = |request: Request, origins: &[&str]| {
        origins
            .iter()
            .fold(request, |request, origin| request.header("Origin", origin))
            .send(server.address())
    };
    let upgrade = || RawSocket::handshake().header("Connection", "Upgrade");
    for origins in [
        &["http://localhost:5173"][..],
        &["https://localhost"],
        &["http://127.0.0.1:7700"],
        &["http://127.1.2.3"],
        &["http://[::1]:8080"],
        &[],
    ] {
        assert_eq!(with(publish().body(good_body()), origins).status, 200, "{origins:?}");
        subscriber.expect("event");
        assert_eq!(with(upgrade(), origins).status, 101, "{origins:?}");
    }
    for origins in [
        &["http://example.com"][..],
        &["https://localhost.example.com"],
        &["http://127.0.0.1.example.com"],
        &["http://evil-localhost"],
        &["http://localhost@example.com"],
        &["http://example.com#localhost"],
        &["http://example.com?localhost"],
        &["http://192.168.0.1"],
        &["http://10.0.0.1:7700"],
        &["http://0.0.0.0:7700"],
        &["http://[::2]"],
        &["null"],
        &["file://"],
        &["chrome-extension://localhost"],
        &["localhost"],
        &[""],
        &["http://localhost", "http://localhost"],
        &["http://localhost", "http://example.com"],
        &["http://localhost http://example.com"],
        &["http://localhost, http://example.com"],
    ] {
        with(publish().body(good_body()), origins).assert_problem(403, "forbidden");
        with(upgrade(), origins).assert_problem(403, "forbidden");
    }
    let answer = server.publish(&sample::person_updated(&sample::uuid()));
    assert_eq!(
        subscriber.expect("event")["position"],
        answer["position"],
        "nothing was published by strangers"
    );
}

#[test]
fn an_origin_is_loopback_to_the_letter() {
    let server = Server::start();
    for origin in [
        "http://localhost:5173/path",
        "http://localhost/",
        "http://user@localhost",
        "http://user:password@127.0.0.1:80",
        "http://localhost:99999",
        "http://localhost:",
        "http://127.0.0.1:80?x",
    ] {
        let answer = publish().header("Origin", origin).body(good_body()).send(server.address());
        answer.assert_problem(403, "forbidden");
    }
}

/// DNS rebinding: a foreign page makes its own host name resolve to this machine. Then its requests have no `Origin`.
#[test]
fn for_development_a_server_is_asked_by_a_name_of_this_machine_and_by_no_other() {
    let server = Server::start();
    let ask_of = |server: &Server, line: &str, hosts: &[&str]| {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let hosts: String = hosts.iter().map(|host| format!("Host: {host}\r\n")).collect();
        write!(stream, "{line}\r\n{hosts}Connection: close\r\nContent-Length: 0\r\n\r\n").unwrap();
        Response::read(&mut BufReader::new(stream))
    };
    let ask = |line: &str, hosts: &[&str]| ask_of(&server, line, hosts);
    let port = server.address().port();
    for host in [
        "localhost",
        "LocalHost:80",
        "127.0.0.1",
        "127.9.9.9:65535",
        "[::1]",
        "[::1]:7700",
        &format!("localhost:{port}"),
    ] {
        assert_eq!(ask("GET /health HTTP/1.1", &[host]).status, 200, "{host}");
        assert_eq!(ask("GET /metrics HTTP/1.1", &[host]).status, 200, "{host}");
    }
    for strange in [
        &["evil.example"][..],
        &["evil.example:7700"],
        &["localhost.evil.example"],
        &["evil-localhost"],
        &["127.0.0.1.evil.example"],
        &["192.0.2.1"],
        &["0.0.0.0"],
        &["[::2]"],
        &["localhost@evil.example"],
        &["evil.example@localhost"],
        &["localhost/x"],
        &["localhost", "localhost"],
        &["localhost", "evil.example"],
        &[""],
    ] {
        for line in [
            "GET /health HTTP/1.1",
            "GET /ready HTTP/1.1",
            "GET /metrics HTTP/1.1",
            "GET /v1/ws HTTP/1.1",
            "GET /v1/events?topic=a HTTP/1.1",
            "POST /v1/publish HTTP/1.1",
            "POST /v1/publish/batch HTTP/1.1",
            "POST /v1/admin/revoke HTTP/1.1",
            "GET /health HTTP/1.0",
        ] {
            ask(line, strange).assert_problem(403, "forbidden");
        }
    }
    ask("GET http://evil.example/metrics HTTP/1.1", &["localhost"]).assert_problem(403, "forbidden");
    assert_eq!(ask("GET http://localhost:7/metrics HTTP/1.1", &["localhost"]).status, 200);
    assert_eq!(
        ask("GET /health HTTP/1.0", &[]).status,
        200,
        "a browser always names its host, a probe may not"
    );
    let answer = ask_of(&Server::keyed(&[]), "GET /health HTTP/1.1", &["evil.example"]);
    assert_eq!(answer.status, 200, "tokens protect a server that is not for development");
}

#[test]
fn paths_and_methods_that_are_not_there_are_problems_too() {
    let server = Server::start();
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v2/ws",
        "/v1/publish/x",
        "/V1/WS",
        "/v1/../health",
        "//health",
        "/health/",
        "/v1/ws/",
        "/v1/publish/",
        "/v1/events/",
        "/v1/%77s",
        "/v1/echo",
    ] {
        Request::get(path).send(server.address()).assert_problem(404, "not_found");
    }
    for (method, path, allow) in [
        ("GET", "/v1/publish", "POST, OPTIONS"),
        ("PUT", "/v1/publish", "POST, OPTIONS"),
        ("GET", "/v1/publish/batch", "POST, OPTIONS"),
        ("GET", "/v1/admin/revoke", "POST"),
        ("POST", "/health", "GET, HEAD"),
        ("POST", "/ready", "GET, HEAD"),
        ("DELETE", "/metrics", "GET, HEAD"),
        ("DELETE", "/v1/ws", "GET"),
        ("POST", "/v1/events?topic=a", "GET, OPTIONS"),
    ] {
        let answer = Request::new(method, path).body("").send(server.address());
        answer.assert_problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    }
    let post_echo = |server: &Server| Request::post("/v1/echo").body("").send(server.address());
    post_echo(&server).assert_problem(404, "not_found");
    let answer = post_echo(&Server::with(&["--echo"]));
    answer.assert_problem(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), Some("GET"));
}

#[test]
fn health_answers() {
    let server = Server::start();
    let answer = Request::get("/health").send(server.address());
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"));
    assert_eq!(
        Request::get("/health").header("Origin", "http://example.com").send(server.address()).status,
        200
    );
}

#[test]
fn only_http_1_is_spoken() {
    let server = Server::start();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(Request::get("/health").send(server.address()).status, 200);
}

#[test]
fn a_header_of_more_than_16_kib_or_what_was_set_is_refused() {
    let (server, smaller) = (Server::start(), Server::with(&["--max-header-bytes", "8192"]));
    let status = |server: &Server, bytes: usize| {
        let request = |fill: &str| Request::get("/health").header("X-Long", fill);
        let others = "GET /health HTTP/1.1\r\nHost: localhost\r\nX-Long: \r\nConnection: close\r\n\r\n";
        request(&"x".repeat(bytes - others.len())).send(server.address()).status
    };
    for (bytes, expected) in [(16 * 1024 - 1, 200), (16 * 1024, 200), (16 * 1024 + 1, 431), (17 * 1024, 431)]
    {
        assert_eq!(status(&server, bytes), expected, "{bytes} bytes");
    }
    assert_eq!((status(&smaller, 8192), status(&smaller, 8193)), (200, 431));
}

#[test]
fn a_target_without_a_path_is_refused_and_nothing_panics() {
    let mut server = Server::start();
    for line in ["CONNECT a:1", "GET a:1", "POST localhost:7700", "HEAD a:1"] {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        write!(stream, "{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{line}: {answer}");
        assert!(line.starts_with("HEAD") || answer.contains("invalid_frame"), "{line}: {answer}");
    }
    for (method, target, status) in
        [("OPTIONS", "*", 404), ("GET", "http://localhost", 404), ("GET", "http://localhost/health", 200)]
    {
        assert_eq!(Request::new(method, target).send(server.address()).status, status, "{method} {target}");
    }
    assert_eq!(server.process().log().matches("panicked").count(), 0);
}
