//! Clients that send as fast as they can: their own sessions end, and nobody else notices.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tidings_tests::{Client, Frame, Opcode, RawSocket, Server, sample, token};

/// Messages of a flood: ten times what a burst may have.
const FLOOD: usize = 2_000;

/// Flooders at a time, and how often each comes back.
const FLOODERS: usize = 4;
const COMES: usize = 3;

/// What a neighbour's round trip takes at most while others flood; without them it is a millisecond.
const ROUND_TRIP: Duration = Duration::from_secs(1);

/// KiB that the server may grow by meanwhile: a few sockets' buffers.
const MARGIN_KIB: usize = 16 * 1024;

/// A publisher and its subscriber, who go on as if nothing were.
struct Neighbours {
    publisher: Client,
    subscriber: Client,
}

impl Neighbours {
    fn new(server: &Server, token: &str) -> Self {
        let mut subscriber = Client::with_token(server, token);
        subscriber.subscribe(&["staff:people"], None, "live");
        Self { publisher: Client::with_token(server, token), subscriber }
    }

    /// From a publish to its event and its answer.
    #[track_caller]
    fn round_trip(&mut self) -> Duration {
        let (start, uuid) = (Instant::now(), sample::uuid());
        let publish = json!({ "op": "publish", "ref": 1, "event": sample::person_updated(&uuid) });
        assert_eq!(self.publisher.ask(&publish)["op"], "published");
        assert_eq!(self.subscriber.expect("event")["event"]["payload"]["uuid"], json!(uuid));
        start.elapsed()
    }
}

fn frame(frame: &Value) -> Vec<u8> {
    Frame::text(frame.to_string()).bytes()
}

/// Each kind of flood, as bytes, and the close code that it ends with.
fn floods() -> Vec<(&'static str, Vec<u8>, u16)> {
    let (subscribe, unsubscribe) = (
        json!({ "op": "subscribe", "ref": 1, "topics": ["a", "b", "staff:teams"] }),
        json!({ "op": "unsubscribe", "ref": 2, "topics": ["a", "b", "staff:teams"] }),
    );
    let publish = json!({ "op": "publish", "ref": 3, "event": sample::ticked(1), "topics": ["clock"] });
    let begin = Frame::text("{").unfinished().bytes();
    let then = |payload: &str| Frame::new(Opcode::CONTINUATION, payload).unfinished().bytes();
    vec![
        ("pings", frame(&json!({ "op": "ping", "ref": 1 })).repeat(FLOOD), 4429),
        ("pings of the WebSocket", Frame::new(Opcode::PING, [b'x'; 125]).bytes().repeat(FLOOD), 4429),
        ("pongs of the WebSocket", Frame::new(Opcode::PONG, "").bytes().repeat(FLOOD), 4429),
        (
            "subscribe and unsubscribe",
            [frame(&subscribe), frame(&unsubscribe)].concat().repeat(FLOOD / 2),
            4429,
        ),
        ("publish", frame(&publish).repeat(FLOOD), 4429),
        ("fragments of one byte", [begin.clone(), then(" ").repeat(FLOOD)].concat(), 4429),
        ("empty fragments", [begin, then("").repeat(FLOOD)].concat(), 4429),
        ("garbage", vec![0xff; 100_000], 1002),
        ("HTTP again", b"GET / HTTP/1.1\r\n\r\n".repeat(FLOOD), 1002),
        ("a length that is a lie", Frame { claimed: Some(1 << 40), ..Frame::text("x") }.bytes(), 1009),
    ]
}

#[test]
fn a_flood_of_any_kind_ends_the_session_that_sends_it_and_nobody_else_notices() {
    let mut server = Server::keyed(&[]);
    let rights = |tenant| token(&["--tenant", tenant, "--subscribe", "*", "--publish", "*"]);
    let (here, elsewhere) = (rights("here"), rights("elsewhere"));
    let mut neighbours = [&here, &elsewhere].map(|token| Neighbours::new(&server, token));
    let hello = frame(&json!({ "op": "hello", "token": here }));
    for (name, flood, code) in floods() {
        let before = server.process().memory_kib();
        let is_over = AtomicBool::new(false);
        let (mut slowest, mut trips) = (Duration::ZERO, 0);
        thread::scope(|scope| {
            let flooders: Vec<_> = (0..FLOODERS)
                .map(|_| {
                    scope.spawn(|| {
                        for _ in 0..COMES {
                            let mut flooder = RawSocket::connect(server.address());
                            flooder.write(&hello);
                            assert_eq!(flooder.next_frame()["op"], "welcome");
                            flooder.write(&flood);
                            assert_eq!(flooder.close_code(), Some(code), "{name}");
                        }
                    })
                })
                .collect();
            while !is_over.load(Ordering::Relaxed) {
                // Once more when they have gone.
                is_over.store(flooders.iter().all(|flooder| flooder.is_finished()), Ordering::Relaxed);
                for pair in &mut neighbours {
                    slowest = slowest.max(pair.round_trip());
                    trips += 1;
                }
                // Good clients keep to the limit.
                thread::park_timeout(Duration::from_millis(20));
            }
        });
        let grown = server.process().memory_kib().saturating_sub(before);
        println!("{name}: the slowest of {trips} round trips took {slowest:?}, memory grew by {grown} KiB");
        assert!(slowest < ROUND_TRIP, "{name}: a neighbour waited for {slowest:?}");
        assert!(grown < MARGIN_KIB, "{name}: {grown} KiB");
    }
}

#[test]
fn what_is_only_announced_takes_no_memory() {
    let mut server = Server::start();
    drop(RawSocket::hello(server.address()));
    let before = server.process().memory_kib();
    // The begin of the largest allowed message, and nothing more.
    let begin = Frame { claimed: Some(65_536), ..Frame::text("x".repeat(10)) }.bytes();
    let mut liars: Vec<RawSocket> = (0..300).map(|_| RawSocket::hello(server.address())).collect();
    liars.iter_mut().for_each(|liar| liar.write(&begin));
    // They have been heard, on all shards, when those who came last are answered.
    for _ in 0..8 {
        drop(RawSocket::hello(server.address()));
    }
    let grown = server.process().memory_kib().saturating_sub(before);
    println!("300 sockets that announce 64 KiB each: {grown} KiB");
    assert!(grown < 300 * 64 / 2, "{grown} KiB");
}
