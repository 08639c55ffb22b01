//! What the server keeps of bytes that nobody has to take: those of strangers, of peers after their fault, and of peers that
//! are only to listen.

use std::{
    io::{BufReader, Write},
    net::TcpStream,
};

use tidings_tests::{DEADLINE, Frame, Opcode, RawSocket, Response, Server, sample};

/// What a message may have once a hello was said: much more than what a stranger may send.
const MAX_MESSAGE_BYTES: u64 = 1024 * 1024;

/// Bytes that each peer sends of a message that it announces.
const SENT: usize = 500_000;

/// Peers at a time: together they send 10 MB.
const PEERS: usize = 20;

/// KiB that the server may grow by meanwhile: its own buffers for these connections. Kept, the bytes would be more than twice as
/// many, for each kind.
const MARGIN_KIB: usize = 4 * 1024;

/// A message that is announced as a whole one and comes in part.
fn part(opcode: Opcode) -> Vec<u8> {
    Frame { claimed: Some(MAX_MESSAGE_BYTES), ..Frame::new(opcode, vec![b'a'; SENT]) }.bytes()
}

/// Kinds of faults, with what is sent after them, and the close codes.
fn kinds() -> Vec<(&'static str, Vec<u8>, u16)> {
    let text = |text: &str| Frame::text(text).bytes();
    let fragments = |size| {
        let then = Frame::new(Opcode::CONTINUATION, vec![b'a'; size]).unfinished().bytes();
        [Frame::text("{").unfinished().bytes(), then.repeat(SENT / size)].concat()
    };
    let hello = text(r#"{"op":"hello"}"#);
    vec![
        ("a text over the limit", part(Opcode::TEXT), 1009),
        ("a binary message over the limit", part(Opcode::BINARY), 1009),
        ("fragments that are each below the limit", fragments(4_000), 1009),
        ("a text that is no frame, and a large one", [text("{}"), part(Opcode::TEXT)].concat(), 4400),
        ("no hello, and a large one", [text(r#"{"op":"pong"}"#), part(Opcode::TEXT)].concat(), 4400),
        (
            "a binary message, and a large one",
            [Frame::new(Opcode::BINARY, "x").bytes(), part(Opcode::TEXT)].concat(),
            1003,
        ),
        ("compression", Frame { reserved: 4, ..Frame::text("x".repeat(SENT)) }.bytes(), 1002),
        ("a ping over 125 bytes", Frame::new(Opcode::PING, vec![0; SENT]).bytes(), 1002),
        (
            "no UTF-8, and a large one",
            [Frame::new(Opcode::TEXT, b"\xff").bytes(), part(Opcode::TEXT)].concat(),
            1007,
        ),
        (
            "a hello, no frame, and a large one",
            [hello.clone(), text("{}"), part(Opcode::TEXT)].concat(),
            4400,
        ),
        ("a hello, and two that begin", [hello, fragments(500), part(Opcode::TEXT)].concat(), 4429),
    ]
}

#[test]
fn nothing_is_kept_of_what_comes_after_a_fault_or_is_over_the_limit() {
    let max = MAX_MESSAGE_BYTES.to_string();
    let mut server = Server::with(&["--max-message-bytes", &max, "--hello-timeout", "60s"]);
    let connect = |server: &Server| (0..PEERS).map(|_| RawSocket::connect(server.address())).collect();
    let mut peers: Vec<RawSocket> = connect(&server);
    let before = server.process().memory_kib();
    for (what, bytes, expected) in kinds() {
        for peer in &mut peers {
            // The server may have ended it.
            peer.try_write(&bytes);
        }
        let codes: Vec<u16> = peers.iter_mut().filter_map(close_code).collect();
        assert!(!codes.is_empty() && codes.iter().all(|code| *code == expected), "{what}: {codes:?}");
        let after = server.process().peak_memory_kib();
        println!("{what}: {before} KiB before, at most {after}");
        assert!(after < before + MARGIN_KIB, "{what}: from {before} to {after} KiB");
        peers = connect(&server);
    }
}

/// The code of the Close, unless the server has ended the connection before it was read.
fn close_code(peer: &mut RawSocket) -> Option<u16> {
    loop {
        match peer.read()? {
            (Opcode::CLOSE, code) => return code.first_chunk().map(|code| u16::from_be_bytes(*code)),
            (Opcode::TEXT, _) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_sent_behind_the_handshake_is_bounded_too() {
    let mut server = Server::with(&["--hello-timeout", "60s"]);
    let connect = || {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    };
    drop(RawSocket::connect_with(connect(), &[]));
    let streams: Vec<TcpStream> = (0..PEERS).map(|_| connect()).collect();
    let before = server.process().memory_kib();
    let frame = part(Opcode::TEXT);
    let mut peers: Vec<_> =
        streams.into_iter().map(|stream| RawSocket::connect_with(stream, &frame)).collect();
    let after = server.process().peak_memory_kib();
    let codes: Vec<u16> = peers.iter_mut().filter_map(close_code).collect();
    assert!(!codes.is_empty() && codes.iter().all(|code| *code == 1009), "{codes:?}");
    assert!(after < before + MARGIN_KIB, "from {before} to {after} KiB");
}

#[test]
fn a_body_that_announces_more_than_it_may_have_is_refused_before_it_comes() {
    let server = Server::with(&["--max-body-bytes", "10000", "--body-timeout", "60s"]);
    for path in ["/v1/publish", "/v1/publish/batch", "/v1/admin/revoke"] {
        for claim in ["10001", "600000", "18446744073709551615"] {
            let mut stream = TcpStream::connect(server.address()).unwrap();
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {claim}\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            let answer = Response::read(&mut BufReader::new(stream));
            if claim.len() < 20 {
                answer.assert_problem(413, "too_large");
                assert!(answer.json()["detail"].as_str().unwrap().contains("--max-body-bytes"), "{answer:?}");
            } else {
                assert!(answer.status >= 400, "{answer:?}");
            }
        }
    }
}

#[test]
fn a_stream_of_events_keeps_nothing_of_what_its_peer_sends() {
    let mut server = Server::start();
    let open = || {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(b"GET /v1/events?topic=clock HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut reader = BufReader::new(stream);
        assert_eq!(Response::read(&mut reader).status, 200);
        reader
    };
    let mut streams: Vec<BufReader<TcpStream>> = (0..PEERS).map(|_| open()).collect();
    let before = server.process().memory_kib();
    for (number, stream) in streams.iter_mut().enumerate() {
        let stream = stream.get_mut();
        stream.set_nonblocking(true).unwrap();
        let request =
            format!("POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: {SENT}\r\n\r\n");
        let bytes = if number % 2 == 0 {
            vec![b'x'; SENT]
        } else {
            [request.into_bytes(), vec![b'x'; SENT]].concat()
        };
        // As many as the socket takes.
        let _ = stream.write_all(&bytes);
        stream.set_nonblocking(false).unwrap();
    }
    // A round trip.
    server.publish_to("clock", &sample::ticked(1));
    let after = server.process().peak_memory_kib();
    assert!(after < before + MARGIN_KIB, "from {before} to {after} KiB");
}
