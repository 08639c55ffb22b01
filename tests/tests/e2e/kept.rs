//! Connections that are kept between two requests, as proxies and publishers do.

use std::{
    io::{BufReader, ErrorKind, Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use tidings_tests::{DEADLINE, Response, Server, eventually, sample};

/// A connection on which requests follow each other.
struct Kept(BufReader<TcpStream>);

impl Kept {
    fn connect(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Self(BufReader::new(stream))
    }

    /// One that was used.
    fn used(server: &Server) -> Self {
        let mut kept = Self::connect(server);
        assert_eq!(kept.publish().map(|answer| answer.status).ok(), Some(200));
        kept
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    fn publish(&mut self) -> std::io::Result<Response> {
        self.write(&request())?;
        self.answer()
    }

    fn answer(&mut self) -> std::io::Result<Response> {
        let first = std::io::BufRead::fill_buf(&mut self.0)?;
        if first.is_empty() { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(Response::read(&mut self.0)) }
    }

    /// Whether the server has not closed yet.
    fn is_open(&mut self) -> bool {
        let stream = self.0.get_ref();
        stream.set_nonblocking(true).unwrap();
        let peeked = stream.peek(&mut [0]);
        stream.set_nonblocking(false).unwrap();
        peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// Until the server has closed.
    fn end(&mut self) {
        let end = self.0.read_to_end(&mut Vec::new());
        assert!(end.is_ok_and(|rest| rest == 0), "it was not closed");
    }
}

fn request() -> Vec<u8> {
    let body = json!({ "event": sample::person_updated(&sample::uuid()) }).to_string();
    let length = body.len();
    format!("POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

fn wait_until(moment: Instant) {
    while let Some(left) = moment.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        thread::park_timeout(left);
    }
}

/// A proxy opens connections ahead, and keeps them for later requests.
#[test]
fn what_is_posted_when_the_header_deadline_would_be_over_is_answered_on_used_and_on_fresh_connections() {
    let server = Server::with(&["--header-timeout", "500ms"]);
    for connect in [Kept::used, Kept::connect] {
        let mut kept: Vec<_> = (0..20).map(|_| (connect(&server), Instant::now())).collect();
        for (number, (kept, since)) in kept.iter_mut().enumerate() {
            // From 2 ms before it until 2 ms after.
            wait_until(*since + Duration::from_micros(498_000 + 200 * number as u64));
            assert_eq!(kept.publish().unwrap().status, 200, "of {number}");
        }
    }
}

#[test]
fn an_idle_connection_ends_after_the_time_that_was_set_and_a_head_that_has_begun_after_the_header_deadline() {
    let server = Server::with(&["--header-timeout", "300ms", "--keep-alive-timeout", "3s"]);
    let start = Instant::now();
    let ended = |mut kept: Kept| {
        thread::spawn(move || {
            kept.end();
            start.elapsed()
        })
    };
    let kinds = [Kept::used, Kept::connect].map(|connect| {
        let (idle, mut begun) = (connect(&server), connect(&server));
        begun.write(b"POST /v1/pub").unwrap();
        (ended(begun), ended(idle))
    });
    for (begun, idle) in kinds {
        let (begun, idle) = (begun.join().unwrap(), idle.join().unwrap());
        assert!(begun < idle && idle > Duration::from_millis(2900), "{begun:?} {idle:?}");
    }
}

#[test]
fn where_places_are_scarce_idle_connections_have_the_header_deadline_only() {
    for connect in [Kept::used, Kept::connect] {
        let server = Server::with(&["--header-timeout", "300ms", "--max-connections", "4"]);
        let mut three: Vec<_> = (0..3).map(|_| connect(&server)).collect();
        wait_until(Instant::now() + Duration::from_millis(1000));
        assert!(three.iter_mut().all(Kept::is_open), "there is room");
        let _fourth = connect(&server);
        eventually("one of them has made room", || {
            let answer = Kept::connect(&server).publish().unwrap();
            assert!([200, 503].contains(&answer.status), "{answer:?}");
            answer.status == 200
        });
    }
}

#[test]
fn a_drain_answers_what_arrives_on_connections_that_are_kept_and_ends_each_with_its_answer() {
    let mut server = Server::start();
    let mut kept: Vec<_> = (0..20).map(|_| Kept::used(&server)).collect();
    let (mut fresh, mut begun, mut idle) = (Kept::connect(&server), Kept::used(&server), Kept::used(&server));
    let request = request();
    begun.write(&request[..20]).unwrap();
    server.process().signal("TERM");
    // Where nobody is waited for, the listener is closed at once, and connections are not.
    eventually("it drains", || TcpStream::connect(server.address()).is_err());
    begun.write(&request[20..]).unwrap();
    let answers = kept.iter_mut().map(Kept::publish).collect::<Vec<_>>();
    for answer in answers.into_iter().chain([fresh.publish(), begun.answer()]) {
        let answer = answer.expect("it is answered");
        answer.assert_problem(503, "going_away");
        assert_eq!(answer.header("connection"), Some("close"));
    }
    idle.end();
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn the_rest_of_a_body_that_was_refused_is_taken_and_does_not_reset_the_refusal() {
    let server = Server::start();
    for (path, status) in [("/v1/nothing", 404), ("/v1/publish", 413)] {
        let mut kept = Kept::connect(&server);
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n\r\n");
        kept.write(head.as_bytes()).unwrap();
        let answer = kept.answer().unwrap();
        assert_eq!((answer.status, answer.header("connection")), (status, Some("close")));
        kept.end();
        for _ in 0..90 {
            kept.write(&[b' '; 10_000]).expect("it is taken");
        }
    }
}
