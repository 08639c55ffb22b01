//! Drains of a server, with connections in every state, and how clients come back.

use std::{
    io::Write,
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use tidings_client_core::Output;
use tidings_server::{DevAccess, PublishOptions};
use tidings_shared::{RawEvent, TopicName};
use tidings_tests::{
    Client, EventStream, Frame, Jitter, RawSocket, Server, Tab, at_once, eventually, sample,
};

use crate::embedded::Embedded;

/// Of a drain, in the tests that need one to come.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(4);

fn write(server: &Server, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

/// A session with this said after its hello, and nothing read.
fn session(server: &Server, said: &[u8]) -> RawSocket {
    let mut socket = RawSocket::hello(server.address());
    socket.write(said);
    socket
}

fn subscribe(topic: &str, since: Option<&str>) -> Vec<u8> {
    let mut subscribe = json!({ "op": "subscribe", "ref": 1, "topics": [topic] });
    if let Some(since) = since {
        subscribe["since"] = since.into();
    }
    Frame::text(subscribe.to_string()).bytes()
}

#[test]
fn a_signal_ends_the_process_well_and_in_time_in_whatever_state_its_connections_are() {
    let mut server = Server::with(
        &[
            ["--drain-timeout", "4s", "--write-timeout", "60s"],
            ["--header-timeout", "60s", "--log-max-bytes", "100000000"],
        ]
        .concat(),
    );
    let since =
        server.publish_to("big", &json!({ "domain": "big", "event": "big", "payload": 0 }))["position"]
            .clone();
    let head = b"GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upg";
    let frame = Frame::text(r#"{"op":"ping","ref":1}"#).bytes();
    let mut live = Client::subscribed(&server, &["staff:people"]);
    let mut stream = EventStream::open(server.address(), &["staff:people"], None);
    stream.expect("subscribed");
    // Those who listen to the end.
    let mut listening = vec![
        ("before its hello", RawSocket::connect(server.address())),
        ("idle", session(&server, b"")),
        ("in the middle of a frame's header", session(&server, &frame[..1])),
        ("in the middle of a frame", session(&server, &frame[..10])),
        ("in the middle of a message", session(&server, &Frame::text("{").unfinished().bytes())),
    ];
    // Those who do not, with more on its way to each than its socket takes.
    let stalled = session(&server, &subscribe("big", None));
    let stalled_stream = write(&server, b"GET /v1/events?topic=big HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let text = "x".repeat(200_000);
    for _ in 0..60 {
        server.publish_to("big", &json!({ "domain": "big", "event": "big", "payload": text }));
    }
    let catching_up = session(&server, &subscribe("big", since.as_str()));
    // And connections that send nothing more.
    let begun = [
        write(&server, b""),
        write(&server, &head[..9]),
        write(&server, head),
        write(
            &server,
            b"POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{\"event\":",
        ),
    ];
    let start = Instant::now();
    server.process().signal("TERM");
    let goaway = live.expect("goaway");
    assert!(goaway["retry_after_ms"].as_u64().unwrap() <= 5000, "{goaway}");
    live.expect_close(1012);
    assert!(stream.expect("goaway").retry.is_some());
    assert_eq!(stream.read(), None);
    for (name, socket) in &mut listening {
        assert_eq!(socket.next_frame()["op"], "goaway", "{name}");
        assert_eq!(socket.close_code(), Some(1012), "{name}");
    }
    assert_eq!(server.exit_code(), Some(0), "{}", server.process().log());
    // A busy machine may take its time to notice.
    assert!(start.elapsed() < DRAIN_TIMEOUT + Duration::from_secs(3), "{:?}", start.elapsed());
    drop((stalled, stalled_stream, catching_up, begun));
}

#[test]
fn a_crowd_is_sent_away_in_batches_and_told_to_come_back_spread() {
    let mut server = Server::with(&["--shards", "1"]);
    let mut crowd: Vec<RawSocket> = (0..600).map(|_| RawSocket::hello(server.address())).collect();
    server.process().signal("TERM");
    let mut retries: Vec<u64> = Vec::new();
    for socket in &mut crowd {
        let goaway = socket.next_frame();
        assert_eq!(goaway["op"], "goaway");
        retries.extend(goaway["retry_after_ms"].as_u64());
        assert_eq!(socket.close_code(), Some(1012));
    }
    retries.sort_unstable();
    assert_eq!(retries.len(), 600);
    let quarters = [retries[150], retries[300], retries[450]];
    for (quarter, middle) in quarters.into_iter().zip([1250, 2500, 3750]) {
        assert!(quarter.abs_diff(middle) < 625, "not spread over 5 s: {quarters:?}");
    }
    assert!(retries[599] <= 5000);
    assert_eq!(server.exit_code(), Some(0));
}

/// Events that are published from before a drain until after the return.
const EVENTS: usize = 300;

#[test]
fn where_the_log_survives_clients_come_back_spread_from_a_drain_and_miss_nothing_that_was_acknowledged() {
    let first = Embedded::start(|settings| settings.drain_spread = Duration::from_secs(1));
    let (hub, address) = (first.hub.clone(), first.address);
    let (subscribed, all_subscribed) = std::sync::mpsc::channel();
    let tabs: Vec<_> = (0..16)
        .map(|_| {
            let subscribed = subscribed.clone();
            thread::spawn(move || {
                let mut tab = Tab::with_jitter(address, Jitter::Full);
                tab.subscribed(&["clock"]);
                subscribed.send(()).unwrap();
                let mut expected = 0;
                while expected < EVENTS {
                    match tab.expect() {
                        Output::Event { publication, .. } => {
                            let payload: serde_json::Value =
                                serde_json::from_str(publication.event.payload.get()).unwrap();
                            assert_eq!(payload["number"], json!(expected), "each once, in order");
                            expected += 1;
                        }
                        Output::Status(_) | Output::Resumed { .. } => {}
                        other => panic!("nothing was lost: {other:?}"),
                    }
                }
                tab.waits()[0]
            })
        })
        .collect();
    tabs.iter().for_each(|_| all_subscribed.recv().unwrap());
    let topics: [TopicName; 1] = ["clock".parse().unwrap()];
    let publish = |number: usize| {
        let event = RawEvent::parse(&sample::ticked(number).to_string()).unwrap();
        at_once(hub.publish_raw(event, Some(&topics), PublishOptions::default())).unwrap();
    };
    (0..100).for_each(publish);
    let gateway = first.gateway.clone();
    let drained = thread::spawn(move || first.stop());
    // Acknowledged while sessions are being sent away, and while nobody is there.
    (100..200).for_each(publish);
    drained.join().unwrap();
    eventually("all have gone", || gateway.sessions() == 0);
    let second = Embedded::around(hub.clone(), DevAccess::new(hub.home().clone()), address, |_| {});
    (200..EVENTS).for_each(publish);
    let mut waits: Vec<u64> = tabs.into_iter().map(|tab| tab.join().unwrap()).collect();
    waits.sort_unstable();
    assert!(waits[15] - waits[0] > 200, "they come back spread over a second: {waits:?}");
    second.stop();
}
