//! Hundreds of clients are cut off after any byte that they send. When all are gone, the server has nothing left of them.

use std::{
    io::Write,
    net::{Shutdown, TcpStream},
    time::Duration,
};

use serde_json::json;
use socket2::SockRef;
use tidings_server::hub::{Counters, Moment};
use tidings_shared::limits::LOG_MAX_AGE;
use tidings_tests::{DEADLINE, Frame, Opcode, Random, RawSocket, Request, Tab, eventually, rounds, sample};

use crate::embedded::Embedded;

/// What a client says from its connection's first byte to its Close, in parts.
fn whole_life(number: usize) -> [Vec<u8>; 6] {
    let head = "GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let topics = ["clock".to_owned(), format!("clock:{number}")];
    let frame = |frame: serde_json::Value| Frame::text(frame.to_string()).bytes();
    [
        head.as_bytes().to_vec(),
        frame(json!({ "op": "hello", "client": "tests/1" })),
        frame(json!({ "op": "subscribe", "ref": 1, "topics": topics })),
        frame(json!({ "op": "publish", "ref": 2, "event": sample::ticked(number), "topics": topics })),
        frame(json!({ "op": "unsubscribe", "ref": 3, "topics": topics })),
        Frame::new(Opcode::CLOSE, [3, 232]).bytes(),
    ]
}

/// Ends a connection in one of the ways that networks know.
fn cut(stream: TcpStream, random: &mut Random) {
    match random.below(3) {
        0 => SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap(),
        1 => stream.shutdown(Shutdown::Both).unwrap_or_default(),
        _ => {}
    }
}

/// A subscriber that reads nothing, with so much to read that the server waits for it.
fn slow_one(embedded: &Embedded) -> RawSocket {
    let stream = TcpStream::connect(embedded.address).unwrap();
    SockRef::from(&stream).set_recv_buffer_size(16 * 1024).unwrap();
    let hello = Frame::text(r#"{"op":"hello"}"#).bytes();
    let mut slow = RawSocket::connect_with(stream, &hello);
    slow.send(&Frame::text(r#"{"op":"subscribe","ref":1,"topics":["big"]}"#));
    assert_eq!(
        (&slow.next_frame()["op"], &slow.next_frame()["op"]),
        (&json!("welcome"), &json!("subscribed"))
    );
    slow
}

/// Clients in every state: cut off after every so many bytes, and slow ones. Waits until the server knows of all.
fn everybody(embedded: &Embedded) -> (Vec<TcpStream>, Vec<RawSocket>) {
    let (mut streams, mut sessions, mut followers) = (Vec::new(), 0, 0);
    let life = whole_life(0);
    let bytes: usize = life.iter().map(Vec::len).sum();
    let end_of = |part: usize| life[..=part].iter().map(Vec::len).sum::<usize>();
    for said in (0..bytes).step_by(3) {
        let mut stream = TcpStream::connect(embedded.address).unwrap();
        stream.write_all(&whole_life(said % 10).concat()[..said]).unwrap();
        sessions += usize::from(said >= end_of(0));
        followers += usize::from(said >= end_of(1));
        streams.push(stream);
    }
    let slow: Vec<_> = (0..5).map(|_| slow_one(embedded)).collect();
    let big = json!({ "domain": "big", "event": "big", "payload": { "text": "x".repeat(200_000) } });
    for _ in 0..60 {
        let body = json!({ "event": big, "topics": ["big"] }).to_string();
        assert_eq!(Request::post("/v1/publish").body(body).send(embedded.address).status, 200);
    }
    let (sessions, followers) = (sessions + slow.len(), followers + slow.len());
    eventually("all are as far as they said", || {
        let counters = embedded.hub.counters();
        (embedded.gateway.sessions(), counters.followers) == (sessions, followers)
    });
    (streams, slow)
}

#[test]
fn of_hundreds_that_were_cut_off_after_any_byte_nothing_is_left() {
    let mut random = Random::of_this_run();
    let embedded = Embedded::start(|settings| {
        // None of these may be what ends them.
        (settings.header_timeout, settings.session.hello_timeout) = (DEADLINE * 10, DEADLINE * 10);
        settings.write_timeout = DEADLINE * 10;
    });
    let (hub, gateway) = (embedded.hub.clone(), embedded.gateway.clone());
    let metrics = embedded.runtime.metrics();
    // One task serves, and one evicts old publications.
    let at_first = 2;
    eventually("it serves", || metrics.num_alive_tasks() == at_first);
    let is_nobody_there = || {
        let Counters { followers, followed_topics, waiting, .. } = hub.counters();
        (followers, followed_topics, waiting, gateway.sessions()) == (0, 0, 0, 0)
    };
    for _ in 0..rounds(2) {
        let (mut streams, slow) = everybody(&embedded);
        let mut tab = Tab::new(embedded.address);
        tab.subscribed(&["clock"]);
        drop(tab);
        while !streams.is_empty() {
            cut(streams.swap_remove(random.below(streams.len())), &mut random);
        }
        drop(slow);
        eventually("no session, topic, waker or task is left", || {
            is_nobody_there() && metrics.num_alive_tasks() == at_first
        });
    }

    // And clients that are there when the server drains. Some of them are cut off during the drain.
    let (streams, slow) = everybody(&embedded);
    let mut witness = embedded.client(&["staff:people"]);
    let cutting = std::thread::spawn(move || {
        witness.expect("goaway");
        witness.expect_close(1012);
        streams.into_iter().for_each(|stream| cut(stream, &mut random));
        drop(slow);
    });
    let runtime = embedded.drained();
    cutting.join().unwrap();
    eventually("nor after a drain", || is_nobody_there() && metrics.num_alive_tasks() == 1);
    drop(gateway);
    eventually("the other task ends with the gateway", || metrics.num_alive_tasks() == 0);
    drop(runtime);

    let counters = hub.counters();
    assert!(counters.log_entries > 0, "the log outlives them: {counters:?}");
    let Moment { since_start, unix_ms } = hub.now();
    // First the publications go by their age, then the tenant that holds nothing by its own.
    for ages in 1..=2 {
        let since_start = since_start + LOG_MAX_AGE * ages + Duration::from_secs(1);
        hub.handle_timeout(Moment { since_start, unix_ms });
        assert_eq!(hub.counters(), Counters::default());
    }
    assert_eq!(hub.tenant_count(), 0);
}
