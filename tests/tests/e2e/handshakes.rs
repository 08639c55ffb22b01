//! Hundreds of clients begin a handshake and never finish it. Meanwhile, a good client gets in.

use std::{
    io::{BufReader, ErrorKind, Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use tidings_tests::{Client, DEADLINE, Frame, Request, Response, Server, eventually};

/// Handshakes that are never finished.
const HANDSHAKES: usize = 500;

/// The longest life of a connection that never finishes its handshake, from its first byte: both deadlines, one after the
/// other.
const CLOSED_WITHIN: Duration = Duration::from_secs(10);

/// For a good client, from its connection to its `subscribed`.
const GOOD_CLIENT: Duration = Duration::from_millis(200);

/// Between two bytes of those that send one at a time.
const DRIP: Duration = Duration::from_millis(100);

const HEAD: &[u8] =
    b"GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// The begin of a TLS handshake.
const TLS: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

/// One that says something, then goes on byte by byte or falls silent.
struct Slow {
    name: &'static str,
    stream: TcpStream,
    since: Instant,
    drips: Vec<u8>,
}

impl Slow {
    fn begin(server: &Server, number: usize) -> Self {
        let hello = Frame::text(format!(r#"{{"op":"hello","client":"{}"}}"#, "x".repeat(100))).bytes();
        let upgraded = [HEAD, &hello[..20]].concat();
        let endless = b"X-Drip: ".iter().copied().chain([b'x'; 200]).collect();
        let (name, says, drips) = match number % 8 {
            0 => ("one byte", &HEAD[..1], vec![]),
            1 => ("half a request line", &HEAD[..9], vec![]),
            2 => ("half a header", &HEAD[..60], vec![]),
            3 => ("a header without an end, byte by byte", &HEAD[..HEAD.len() - 2], endless),
            4 => ("TLS", TLS, vec![]),
            5 => ("upgraded and silent", HEAD, vec![]),
            6 => ("half a hello", &upgraded[..], vec![]),
            _ => ("a hello byte by byte", &upgraded[..], hello[20..120].to_vec()),
        };
        let since = Instant::now();
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.write_all(says).unwrap();
        stream.set_nonblocking(true).unwrap();
        Self { name, stream, since, drips }
    }

    /// Whether the server has ended the connection; if not, it gets another byte.
    fn has_ended(&mut self) -> bool {
        if let Some(byte) = self.drips.pop() {
            // It may have ended.
            let _ = self.stream.write(&[byte]);
        }
        loop {
            match self.stream.read(&mut [0; 1024]) {
                Ok(1..) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                _ => return true,
            }
        }
    }
}

#[test]
fn of_500_slow_handshakes_all_are_closed_in_10_seconds_and_a_good_client_connects_in_200_ms_meanwhile() {
    let server = Server::start();
    // They have begun no handshake. A proxy may keep them for later requests.
    let fresh: Vec<_> = (0..HANDSHAKES / 8).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
    let mut slow: Vec<Slow> = (0..HANDSHAKES).map(|number| Slow::begin(&server, number)).collect();
    let mut good = Vec::new();
    while !slow.is_empty() {
        let start = Instant::now();
        drop(Client::subscribed(&server, &["staff:people"]));
        good.push(start.elapsed());
        slow.retain_mut(|one| {
            let has_ended = one.has_ended();
            assert!(has_ended || one.since.elapsed() < CLOSED_WITHIN, "{}: still open", one.name);
            !has_ended
        });
        thread::park_timeout(DRIP);
    }
    good.sort_unstable();
    let (median, slowest) = (good[good.len() / 2], good[good.len() - 1]);
    println!("{} good clients meanwhile: half in {median:?}, all in {slowest:?}", good.len());
    assert!(good.len() > 10, "that is no meanwhile: {}", good.len());
    assert!(median < GOOD_CLIENT, "{good:?}");
    let sessions = || Request::get("/metrics").send(server.address()).body.contains("\ntidings_sessions 0\n");
    eventually("no session is left", sessions);
    for mut stream in fresh {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        assert_eq!(Response::read(&mut BufReader::new(stream)).status, 200);
    }
}
