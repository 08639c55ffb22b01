//! What no good client sends, and the neighbours that must not notice.

use std::path::Path;

use serde_json::{Value, json};
use tidings_tests::{Client, Frame, Incoming, Opcode, RawSocket, Server, sample};
use tokio_tungstenite::tungstenite::Message;

/// An older session, which must not notice anything.
struct Neighbour<'a> {
    server: &'a Server,
    client: Client,
}

impl<'a> Neighbour<'a> {
    fn of(server: &'a Server) -> Self {
        Self { server, client: Client::subscribed(server, &["staff:people", "a"]) }
    }

    /// It hears of what is published, and heard of nothing else in the meantime.
    #[track_caller]
    fn is_undisturbed(&mut self) {
        let uuid = sample::uuid();
        self.server.publish(&sample::person_updated(&uuid));
        assert_eq!(self.client.expect("event")["event"]["payload"]["uuid"], json!(uuid));
    }
}

#[test]
fn every_bad_frame_of_the_vectors_is_refused_with_its_code_and_nothing_after_it_counts() {
    let server = Server::start();
    let mut neighbour = Neighbour::of(&server);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/client-frames.json");
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for case in vectors["bad"].as_array().unwrap() {
        let mut client = Client::subscribed(&server, &["projects:all"]);
        client.send_message(Message::text(case["text"].as_str().unwrap()));
        let publish = json!({ "op": "publish", "ref": 8, "event": sample::task_updated(&sample::uuid()) });
        if case["code"] == "unknown_op" {
            let error = client.expect("error");
            assert_eq!((&error["code"], error.get("ref")), (&case["code"], case.get("ref")), "{case}");
            client.send(&publish);
            let answers = [client.next_frame(), client.next_frame()];
            assert!(answers.iter().any(|frame| frame["op"] == "published"), "the session goes on: {case}");
        } else {
            client.try_send(Message::text(publish.to_string()));
            client.expect_end("invalid_frame", 4400);
        }
    }
    neighbour.is_undisturbed();
}

#[test]
fn what_follows_a_fault_in_the_same_breath_does_not_count() {
    let server = Server::start();
    let mut neighbour = Neighbour::of(&server);
    let publish =
        json!({ "op": "publish", "ref": 8, "event": sample::person_updated(&sample::uuid()) }).to_string();
    for first in [
        Frame::text("garbage"),
        Frame::text("x".repeat(70_000)),
        Frame::new(Opcode::BINARY, publish.as_bytes()),
    ] {
        let mut socket = RawSocket::hello(server.address());
        socket.write(&[first.bytes(), Frame::text(publish.as_str()).bytes()].concat());
        socket.close_code();
    }
    neighbour.is_undisturbed();
}

#[test]
fn a_binary_message_is_refused() {
    let server = Server::start();
    let mut neighbour = Neighbour::of(&server);
    let mut client = Client::hello(&server);
    client.send_message(Message::binary(json!({ "op": "ping", "ref": 1 }).to_string()));
    assert_eq!(client.expect("error")["code"], "invalid_frame");
    client.expect_close(1003);
    let mut stranger = Client::connect(&server);
    stranger.send_message(Message::binary(json!({ "op": "hello" }).to_string()));
    assert_eq!(stranger.expect("error")["code"], "invalid_frame");
    stranger.expect_close(1003);
    neighbour.is_undisturbed();
}

#[test]
fn a_message_of_a_megabyte_is_answered_before_the_connection_ends() {
    let server = Server::start();
    let mut neighbour = Neighbour::of(&server);
    // The larger one fits into no socket's buffer: it can only be sent when the server goes on reading.
    for (greet, megabytes) in [(true, 1), (false, 1), (true, 32)] {
        let mut client = if greet { Client::hello(&server) } else { Client::connect(&server) };
        client.send_message(Message::text("x".repeat(megabytes * 1024 * 1024)));
        client.expect_end("too_large", 1009);
    }
    neighbour.is_undisturbed();
}

#[test]
fn a_message_in_fragments_counts_as_a_whole() {
    let server = Server::start();
    let mut socket = RawSocket::hello(server.address());
    let ping = json!({ "op": "ping", "ref": 1, "text": "é😀" }).to_string();
    // Every byte on its own, also within a character, with a ping in between.
    let bytes = ping.as_bytes();
    for (index, byte) in bytes.iter().enumerate() {
        let opcode = if index == 0 { Opcode::TEXT } else { Opcode::CONTINUATION };
        let mut frame = Frame::new(opcode, vec![*byte]);
        frame.is_final = index + 1 == bytes.len();
        socket.send(&frame);
        if index == 3 {
            socket.send(&Frame::new(Opcode::PING, "in between"));
        }
    }
    assert_eq!(socket.read(), Some((Opcode::PONG, b"in between".to_vec())));
    assert_eq!(socket.next_frame(), json!({ "op": "pong", "ref": 1 }));

    socket.send(&Frame::text("x".repeat(40_000)).unfinished());
    socket.send(&Frame::new(Opcode::CONTINUATION, "x".repeat(40_000)));
    assert_eq!(socket.next_frame()["code"], "too_large");
    assert_eq!(socket.close_code(), Some(1009));
}

#[test]
fn a_length_that_is_only_claimed_is_refused_at_once() {
    let server = Server::start();
    let mut neighbour = Neighbour::of(&server);
    for claimed in [65_537, 1 << 31, 1 << 40, (1 << 63) - 1] {
        let mut socket = RawSocket::hello(server.address());
        let mut frame = Frame::text("x");
        frame.claimed = Some(claimed);
        socket.send(&frame);
        assert_eq!(socket.next_frame()["code"], "too_large", "{claimed}");
        assert_eq!(socket.close_code(), Some(1009), "{claimed}");
    }
    neighbour.is_undisturbed();
}

#[test]
fn a_stranger_is_refused_before_it_has_sent_all_of_too_large_a_hello() {
    let server = Server::start();
    for is_whole in [true, false] {
        let mut socket = RawSocket::connect(server.address());
        let mut frame = Frame { claimed: Some(60_000), ..Frame::text("x".repeat(12_000)) };
        if !is_whole {
            socket.send(&Frame::text("x".repeat(6_000)).unfinished());
            frame = Frame::new(Opcode::CONTINUATION, "x".repeat(6_000)).unfinished();
        }
        socket.send(&frame);
        assert_eq!(socket.next_frame()["code"], "too_large");
        assert_eq!(socket.close_code(), Some(1009));
    }
}

#[test]
fn frames_that_break_the_websocket_protocol_end_with_1002() {
    let server = Server::start();
    let mut neighbour = Neighbour::of(&server);
    let ping = || Frame::text(r#"{"op":"ping","ref":1}"#);
    let cases: Vec<(&str, Vec<Frame>)> = vec![
        ("unmasked", vec![Frame { is_masked: false, ..ping() }]),
        ("a reserved bit", vec![Frame { reserved: 4, ..ping() }]),
        ("another reserved bit", vec![Frame { reserved: 1, ..ping() }]),
        ("a reserved opcode", vec![Frame::new(Opcode(3), "x")]),
        ("a reserved control opcode", vec![Frame::new(Opcode(11), "")]),
        ("a continuation of nothing", vec![Frame::new(Opcode::CONTINUATION, "x")]),
        ("a message within a message", vec![ping().unfinished(), ping()]),
        ("a ping in fragments", vec![Frame::new(Opcode::PING, "x").unfinished()]),
        ("a ping that is too long", vec![Frame::new(Opcode::PING, "x".repeat(126))]),
        ("a Close with one byte", vec![Frame::new(Opcode::CLOSE, vec![3])]),
        (
            "a Close that is too long",
            vec![Frame::new(Opcode::CLOSE, [vec![3, 232], vec![b'x'; 124]].concat())],
        ),
        ("a Close with a code that never travels", vec![Frame::new(Opcode::CLOSE, 1005_u16.to_be_bytes())]),
        ("a Close with code 0", vec![Frame::new(Opcode::CLOSE, vec![0, 0])]),
        ("a length with its highest bit", vec![Frame { claimed: Some(1 << 63), ..Frame::text("x") }]),
    ];
    for (name, frames) in cases {
        let mut socket = RawSocket::hello(server.address());
        for frame in frames {
            socket.send(&frame);
        }
        let code = socket.close_code();
        let expected = if name.contains("highest bit") { [Some(1002), Some(1009)] } else { [Some(1002); 2] };
        assert!(expected.contains(&code), "{name}: {code:?}");
    }
    neighbour.is_undisturbed();
}

#[test]
fn text_that_is_not_utf_8_ends_with_1007() {
    let server = Server::start();
    let mut neighbour = Neighbour::of(&server);
    let cases: Vec<Vec<Frame>> = vec![
        vec![Frame::new(Opcode::TEXT, b"{\"op\":\"ping\",\"ref\":1,\"x\":\"\xff\"}".to_vec())],
        vec![Frame::new(Opcode::TEXT, b"\xed\xa0\x80".to_vec())],
        vec![Frame::new(Opcode::TEXT, b"\xc3".to_vec())],
        vec![
            Frame::new(Opcode::TEXT, b"\xc3".to_vec()).unfinished(),
            Frame::new(Opcode::CONTINUATION, b"(".to_vec()),
        ],
        vec![Frame::new(Opcode::CLOSE, b"\x03\xe8\xff\xff".to_vec())],
    ];
    for frames in cases {
        let mut socket = RawSocket::hello(server.address());
        for frame in &frames {
            socket.send(frame);
        }
        assert_eq!(socket.close_code(), Some(1007), "{frames:?}");
    }
    neighbour.is_undisturbed();
}

#[test]
fn a_close_is_answered_with_its_own_code() {
    let server = Server::start();
    for (payload, expected) in [
        (1000_u16.to_be_bytes().to_vec(), Some(1000)),
        (b"\x03\xe9going".to_vec(), Some(1001)),
        (4999_u16.to_be_bytes().to_vec(), Some(4999)),
        (vec![], None),
    ] {
        let mut socket = RawSocket::hello(server.address());
        // What was asked before the Close is still answered, what comes after it is not.
        let close = Frame::new(Opcode::CLOSE, payload);
        socket.write(
            &[Frame::text(r#"{"op":"ping","ref":1}"#).bytes(), close.bytes(), Frame::text("garbage").bytes()]
                .concat(),
        );
        assert_eq!(socket.next_frame(), json!({ "op": "pong", "ref": 1 }));
        assert_eq!(socket.close_code(), expected);
    }
}

#[test]
fn a_websocket_ping_is_answered_with_its_payload() {
    let server = Server::start();
    let mut socket = RawSocket::hello(server.address());
    for payload in [vec![], vec![0; 125]] {
        socket.send(&Frame::new(Opcode::PING, payload.clone()));
        assert_eq!(socket.read(), Some((Opcode::PONG, payload)));
    }
    socket.send(&Frame::new(Opcode::PONG, "unasked"));
    socket.send(&Frame::text(r#"{"op":"ping","ref":1}"#));
    assert_eq!(socket.next_frame(), json!({ "op": "pong", "ref": 1 }));
}

#[test]
fn a_client_that_is_cut_off_at_any_byte_costs_others_nothing() {
    let server = Server::start();
    let mut neighbour = Neighbour::of(&server);
    let frame = Frame::text(r#"{"op":"subscribe","ref":1,"topics":["staff:people"]}"#).bytes();
    for length in 0..frame.len() {
        let mut socket = RawSocket::hello(server.address());
        socket.write(&frame[..length]);
    }
    let head = b"GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
    for length in (0..head.len()).step_by(7) {
        use std::io::Write;
        std::net::TcpStream::connect(server.address()).unwrap().write_all(&head[..length]).unwrap();
    }
    neighbour.is_undisturbed();
}

#[test]
fn a_client_that_stops_sending_without_a_close_is_let_go() {
    let server = Server::start();
    let mut socket = RawSocket::hello(server.address());
    socket.shut_down();
    while socket.read().is_some() {}
}

#[test]
fn a_name_that_is_markup_or_terminal_codes_is_data() {
    let mut server = Server::start();
    let mut neighbour = Neighbour::of(&server);
    let nasty = "\u{1b}[31m\u{7}<script>alert(1)</script>\r\nlistening on http://evil";
    let mut client = Client::connect(&server);
    assert_eq!(client.ask(&json!({ "op": "hello", "client": nasty }))["op"], "welcome");
    let answer = client.ask(&json!({ "op": "subscribe", "ref": 1, "topics": [nasty] }));
    let refused = json!({ "topic": nasty, "outcome": "refused", "code": "invalid_topic" });
    assert_eq!(answer["topics"][0], refused);
    assert_eq!(client.ask(&json!({ "op": nasty, "ref": 2 }))["code"], "unknown_op");
    let event = json!({ "domain": "a", "event": nasty, "payload": {} });
    let answer = client.ask(&json!({ "op": "publish", "ref": 3, "event": event, "topics": ["a"] }));
    assert_eq!(answer["code"], "invalid_event");
    neighbour.is_undisturbed();
    let log = server.process().log();
    assert!(!log.contains('\u{1b}') && !log.contains("evil\n"), "{log}");
}

#[test]
fn many_sessions_that_all_misbehave_at_once_disturb_nobody() {
    let server = Server::start();
    let mut neighbour = Neighbour::of(&server);
    std::thread::scope(|scope| {
        for number in 0..16 {
            let server = &server;
            scope.spawn(move || {
                for round in 0..20 {
                    let mut client = Client::subscribed(server, &["projects:all"]);
                    match (number + round) % 4 {
                        0 => client.send_message(Message::text("garbage")),
                        1 => client.send_message(Message::text("x".repeat(70_000))),
                        2 => client.send_message(Message::binary(vec![0; 100])),
                        _ => continue,
                    }
                    while client.read() != Incoming::Gone {}
                }
            });
        }
        for _ in 0..20 {
            neighbour.is_undisturbed();
        }
    });
    neighbour.is_undisturbed();
}
