//! Requests with what HTTP and the WebSocket's handshake forbid: a header twice, a host that is none.

use std::{
    io::{BufReader, Write},
    net::TcpStream,
};

use tidings_tests::{DEADLINE, EventStream, Request, Response, Server, sample, token};

/// The headers of a handshake without `Host`, as lines.
const HANDSHAKE: [&str; 4] = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

/// Sends a request line and lines of a header, and nothing else.
#[track_caller]
fn ask(server: &Server, line: &str, header: &[&str]) -> Response {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let header: String = header.iter().map(|line| format!("{line}\r\n")).collect();
    write!(stream, "{line}\r\n{header}\r\n").unwrap();
    Response::read(&mut BufReader::new(stream))
}

#[track_caller]
fn upgrade(server: &Server, more: &[&str]) -> Response {
    ask(server, "GET /v1/ws HTTP/1.1", &[&["Host: localhost"], &HANDSHAKE[..], more].concat())
}

#[test]
fn a_handshake_with_a_key_or_a_version_twice_is_refused() {
    let server = Server::start();
    assert_eq!(upgrade(&server, &[]).status, 101);
    for twice in [
        HANDSHAKE[2],
        HANDSHAKE[3],
        "Sec-WebSocket-Version: 8",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "sec-websocket-key:",
        "sec-websocket-version:",
    ] {
        let refused = upgrade(&server, &[twice]);
        refused.assert_problem(400, "invalid_frame");
        let name = twice.split(':').next().unwrap().to_ascii_lowercase();
        assert!(refused.body.to_ascii_lowercase().contains(&name), "it is named: {refused:?}");
    }
    // What is a list may come in several lines.
    for more in [
        &["Connection: keep-alive"][..],
        &["Upgrade: h2c"],
        &["Sec-WebSocket-Protocol: other", "Sec-WebSocket-Protocol: tidings.v1.json"],
    ] {
        assert_eq!(upgrade(&server, more).status, 101, "{more:?}");
    }
}

#[test]
fn another_version_is_told_what_to_upgrade_to() {
    let server = Server::start();
    for version in ["8", "14", "0", "13, 8", "013", "thirteen"] {
        let header = [
            "Host: localhost",
            HANDSHAKE[0],
            HANDSHAKE[1],
            HANDSHAKE[3],
            &format!("Sec-WebSocket-Version: {version}"),
        ];
        let refused = ask(&server, "GET /v1/ws HTTP/1.1", &header);
        refused.assert_problem(426, "invalid_frame");
        let names = ["sec-websocket-version", "upgrade", "connection"].map(|name| refused.header(name));
        // RFC 6455, section 4.4, and RFC 9110, sections 15.5.22 and 7.8.
        assert_eq!(names, [Some("13"), Some("websocket"), Some("Upgrade")], "{version}");
    }
}

#[test]
fn a_handshake_has_no_body_and_comes_over_http_1_1() {
    let server = Server::start();
    assert_eq!(upgrade(&server, &["Content-Length: 0"]).status, 101);
    for body in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        upgrade(&server, &[body]).assert_problem(400, "invalid_frame");
    }
    let header = [&["Host: localhost"], &HANDSHAKE[..]].concat();
    let old = ask(&server, "GET /v1/ws HTTP/1.0", &header);
    assert!(old.status >= 400, "an upgrade over HTTP/1.0 is passed over: {old:?}");
}

#[test]
fn a_request_names_its_host_once_and_well_or_is_refused() {
    let (keyed, development) = (Server::keyed(&[]), Server::start());
    let lines = [
        "GET /health HTTP/1.1",
        "GET /metrics HTTP/1.1",
        "GET /v1/ws HTTP/1.1",
        "GET /v1/events?topic=a HTTP/1.1",
        "POST /v1/publish HTTP/1.1",
        "OPTIONS /v1/publish HTTP/1.1",
        "GET /nowhere HTTP/1.1",
        "GET http://localhost/health HTTP/1.1",
    ];
    for bad in [
        &[][..],
        &["Host:"],
        &["Host: localhost", "Host: localhost"],
        &["Host: localhost", "host: evil.example"],
        &["Host: local host"],
        &["Host: localhost, evil.example"],
        &["Host: localhost/"],
        &["Host: http://localhost"],
        &["Host: user@localhost"],
        &["Host: localhost:http"],
        &["Host: localhost:99999"],
        &["Host: [::1"],
        &["Host: ::1"],
        &["Host: localhost?x"],
        &["Host: l\u{f6}calhost"],
    ] {
        for line in lines {
            let header = [bad, &["Content-Length: 0"]].concat();
            ask(&keyed, line, &header).assert_problem(400, "invalid_frame");
            ask(&development, line, &header).assert_problem(403, "forbidden");
        }
    }
    for bad in [&["Host: a", "Host: a"][..], &["Host: a b"]] {
        ask(&keyed, "GET /health HTTP/1.0", bad).assert_problem(400, "invalid_frame");
    }
    for good in ["a", "a.example:7700", "[2001:db8::1]:80", "192.0.2.1", "under_score.example", "a.example:"]
    {
        let answer = ask(&keyed, "GET /health HTTP/1.1", &[&format!("Host: {good}")]);
        assert_eq!(answer.status, 200, "{good}: {answer:?}");
    }
    assert_eq!(ask(&keyed, "GET /health HTTP/1.0", &[]).status, 200, "a probe of HTTP/1.0 names none");
    ask(&keyed, "GET http://user@a/health HTTP/1.1", &["Host: a"]).assert_problem(400, "invalid_frame");
}

#[test]
fn for_development_every_name_of_this_machine_is_one_and_none_that_only_looks_so() {
    let server = Server::start();
    let with = |host: &str| ask(&server, "GET /metrics HTTP/1.1", &[&format!("Host: {host}")]);
    for host in [
        "app.localhost",
        "a.b.localhost:7700",
        "localhost.",
        "LOCALHOST.:80",
        "tauri.localhost.",
        "app.LocalHost",
    ] {
        assert_eq!(with(host).status, 200, "{host}");
        let page = format!("Origin: http://{}", host.to_ascii_lowercase());
        assert_eq!(upgrade(&server, &[&page]).status, 101, "{page}");
    }
    for app in ["tauri://localhost", "capacitor://localhost", "ionic://localhost"] {
        assert_eq!(upgrade(&server, &[&format!("Origin: {app}")]).status, 101, "{app}");
    }
    for host in [
        "localhost.evil.com",
        "evillocalhost",
        "evil-localhost",
        "x.localhost.evil.com",
        "localhost..",
        ".localhost",
        "a..localhost",
        "localhost.localdomain",
        "127.0.0.1.localhost.evil",
    ] {
        with(host).assert_problem(403, "forbidden");
        upgrade(&server, &[&format!("Origin: http://{host}")]).assert_problem(403, "forbidden");
    }
}

#[test]
fn a_token_that_is_given_twice_is_refused_whichever_it_is() {
    let server = Server::keyed(&[]);
    let good = format!("Authorization: Bearer {}", token(&["--tenant", "acme", "--publish", "*"]));
    for (one, other) in
        [(&good[..], &good[..]), (&good, "Authorization: Bearer x"), ("Authorization: Bearer x", &good)]
    {
        let header = ["Host: a", "Content-Length: 0", one, other];
        ask(&server, "POST /v1/publish HTTP/1.1", &header).assert_problem(400, "invalid_frame");
    }
}

#[test]
fn a_stream_that_names_two_places_to_go_on_from_is_told_to_load_again() {
    let server = Server::start();
    let mut stream = EventStream::open(server.address(), &["staff:people"], None);
    let position = stream.expect("subscribed").id.unwrap();
    server.publish(&sample::person_updated(&sample::uuid()));
    let later = stream.expect("event").id.unwrap();
    let listen = |ids: &[&str]| {
        let request = Request::get("/v1/events?topic=staff:people");
        let request = ids.iter().fold(request, |request, id| request.header("Last-Event-ID", id));
        EventStream::send(server.address(), request).read().unwrap().event
    };
    assert_eq!(listen(&[&position]), "subscribed", "it resumes");
    // The later one would lose the event in between.
    for ids in [[&later, &position], [&position, &later]] {
        assert_eq!(listen(&ids.map(String::as_str)), "sync");
    }
}

#[test]
fn a_shell_of_an_app_is_let_in_by_its_exact_origin() {
    let apps = [
        "tauri://localhost",
        "http://tauri.localhost",
        "capacitor://localhost",
        "ionic://localhost",
        "app://.",
        "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
        "moz-extension://0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f",
        "safari-web-extension://0A1B2C3D-0A1B-2C3D-4E5F-0A1B2C3D4E5F",
    ];
    let server = Server::keyed(&["--allow-origin", &apps.join(",")]);
    for app in apps {
        assert_eq!(upgrade(&server, &[&format!("Origin: {app}")]).status, 101, "{app}");
        let preflight = ask(&server, "OPTIONS /v1/publish HTTP/1.1", &["Host: a", &format!("Origin: {app}")]);
        assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (204, Some(app)));
    }
    for strange in [
        "null",
        "file://",
        "tauri://localhost:80",
        "tauri://tauri.localhost",
        "https://tauri.localhost",
        "app://",
        "chrome-extension://bbcdefghijklmnopabcdefghijklmnop",
        "safari-web-extension://0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f",
        "TAURI://localhost",
    ] {
        upgrade(&server, &[&format!("Origin: {strange}")]).assert_problem(403, "forbidden");
    }
}
