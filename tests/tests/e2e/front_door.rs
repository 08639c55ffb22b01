//! The gateway in the server of an application: `axum::serve`, hyper, TLS in process, `warp::serve`.

mod http_2;

use std::{
    convert::Infallible,
    future::pending,
    io::{self, Write},
    net::TcpStream,
    ops::Range,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use serde_json::{Value, json};
use tidings_server::{
    DevAccess, Gateway, GatewaySettings, Hub, HubSettings, SystemHost,
    hub::{Counters, LogLimits},
};
use tidings_tests::{Client, EventStream, Frame, RawSocket, Request, eventually, sample};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpListener,
};
use tower::{Layer, Service};

use crate::hosts::{HOSTS, Host, Hosted};

/// Publishes over HTTP.
fn publish(hosted: &Hosted, event: &Value, topic: &str) -> Value {
    let body = json!({ "event": event, "topics": [topic] }).to_string();
    let answer = Request::post("/v1/publish").body(body).send(hosted.address);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Publishes an event with a number and some bytes, from Rust.
fn publish_big(hub: &Hub, number: usize, bytes: usize) {
    let payload = json!({ "number": number, "text": "x".repeat(bytes) });
    let event = json!({ "domain": "clock", "event": "ticked", "payload": payload }).to_string();
    let event = tidings_shared::RawEvent::parse(&event).unwrap();
    let topics = ["clock".parse().unwrap()];
    tidings_tests::at_once(hub.publish_raw(event, Some(&topics), Default::default())).unwrap();
}

fn number_of(frame: &Value) -> usize {
    frame["event"]["payload"]["number"].as_u64().unwrap_or_else(|| panic!("{frame}")) as usize
}

#[test]
fn every_server_has_websockets_streams_and_publishes_beside_the_routes_of_the_application() {
    for host in HOSTS {
        let hosted = Hosted::start(host, |_| {});
        let mut session = hosted.client(&["clock"]);
        let mut stream = EventStream::open(hosted.address, &["clock"], None);
        stream.expect("subscribed");
        // hyper frames the stream, and may keep the connection for another request.
        assert_eq!(stream.head.header("connection"), None, "{host:?}");
        for number in 0..20 {
            let published = publish(&hosted, &sample::ticked(number), "clock");
            let event = session.expect("event");
            assert_eq!((number_of(&event), &event["position"]), (number, &published["position"]), "{host:?}");
            let block = stream.expect("event");
            assert_eq!(block.id.as_deref(), published["position"].as_str(), "{host:?}");
        }
        let hello = Request::get("/hello").send(hosted.address);
        assert_eq!((hello.status, &*hello.body), (200, "world"), "{host:?}");
        assert_eq!(Request::get("/health").send(hosted.address).body, "ok\n", "{host:?}");
        let nothing = Request::get("/v1/nothing").send(hosted.address);
        assert_eq!(
            (nothing.status, nothing.header("content-type")),
            (404, None),
            "the application's: {host:?}"
        );
        let nested = Request::get("/live/v1/events?topic=clock");
        let mut nested = EventStream::send(hosted.address, nested);
        nested.expect("subscribed");
        assert_eq!(hosted.gateway.sessions(), 3, "{host:?}");
        drop(nested);
        session.close();
        drop(stream);
        hosted.stop();
    }
}

#[test]
fn a_listener_resumes_by_its_last_event_id_in_every_server() {
    for host in HOSTS {
        let hosted = Hosted::start(host, |_| {});
        let mut stream = EventStream::open(hosted.address, &["clock"], None);
        let position = stream.expect("subscribed").id.unwrap();
        drop(stream);
        for number in 0..100 {
            publish_big(&hosted.hub, number, 1000);
        }
        let mut stream = EventStream::open(hosted.address, &["clock"], Some(&position));
        assert_eq!(stream.expect("subscribed").data["topics"][0]["outcome"], "resumed", "{host:?}");
        for number in 0..100 {
            assert_eq!(stream.expect("event").data["event"]["payload"]["number"], number, "{host:?}");
        }
        drop(stream);
        hosted.stop();
    }
}

#[test]
fn a_client_that_reads_late_gets_everything_in_order_or_a_sync_in_every_server() {
    // The first log holds all events. The second does not, so its clients get a sync.
    for (log_bytes, is_whole) in [(100_000_000, true), (4_000_000, false)] {
        for host in HOSTS {
            let hub = HubSettings::new("acme".parse().unwrap());
            let access = DevAccess::new(hub.home.clone());
            let hub = hub.log(LogLimits::default().max_bytes(log_bytes));
            let hosted = Hosted::start_hub(host, hub, access, |_| {});
            let mut neighbour = hosted.client(&["clock"]);
            let mut late = hosted.client(&["clock"]);
            let mut late_stream = EventStream::open(hosted.address, &["clock"], None);
            late_stream.expect("subscribed");
            // 20 MB, more than all buffers between the two ends hold.
            let mut published = 0..400;
            for number in published.clone() {
                publish_big(&hosted.hub, number, 50_000);
                assert_eq!(number_of(&neighbour.expect("event")), number, "{host:?}");
            }
            let next = || {
                let frame = late.next_frame();
                (frame["op"] == "event").then(|| number_of(&frame))
            };
            assert_eq!(catches_up(&hosted.hub, &mut published, next), is_whole, "a session: {host:?}");
            let next = || {
                let block = late_stream.read().unwrap();
                (block.event == "event")
                    .then(|| block.data["event"]["payload"]["number"].as_u64().unwrap() as usize)
            };
            assert_eq!(catches_up(&hosted.hub, &mut published, next), is_whole, "a stream: {host:?}");
            drop((neighbour, late, late_stream));
            hosted.stop();
        }
    }
}

/// Reads events in order, up to the last one. Only a sync makes a hole, and is `None`. It may be the newest entry, so one
/// more event is published after it. Returns whether all events came.
fn catches_up(hub: &Hub, published: &mut Range<usize>, mut next: impl FnMut() -> Option<usize>) -> bool {
    let (mut expected, mut is_whole) = (Some(0), true);
    loop {
        let Some(number) = next() else {
            publish_big(hub, published.end, 10);
            published.end += 1;
            (expected, is_whole) = (None, false);
            continue;
        };
        assert_eq!(number, expected.unwrap_or(number), "no hole without a sync");
        expected = Some(number + 1);
        if expected == Some(published.end) {
            return is_whole;
        }
    }
}

#[test]
fn a_large_message_of_a_client_arrives_in_every_server() {
    for host in HOSTS {
        let hosted = Hosted::start(host, |_| {});
        let mut client = hosted.client(&["clock"]);
        let text = "x".repeat(60_000);
        let event = json!({ "domain": "clock", "event": "ticked", "payload": { "text": text } });
        for _ in 0..20 {
            client.send(&json!({ "op": "publish", "ref": 1, "event": event, "topics": ["clock"] }));
            let mut frames = [client.next_frame(), client.next_frame()];
            frames.sort_by_key(|frame| frame["op"].to_string());
            assert_eq!(
                frames[0]["event"]["payload"]["text"].as_str().map(str::len),
                Some(60_000),
                "{host:?}"
            );
            assert_eq!(frames[1]["op"], "published", "{host:?}");
        }
        client.close();
        hosted.stop();
    }
}

#[test]
fn a_message_right_behind_the_handshake_is_not_lost_in_any_server() {
    for host in HOSTS {
        let hosted = Hosted::start(host, |_| {});
        let hello = Frame::text(json!({ "op": "hello" }).to_string());
        let mut socket = RawSocket::connect_with(TcpStream::connect(hosted.address).unwrap(), &hello.bytes());
        assert_eq!(socket.next_frame()["op"], "welcome", "{host:?}");
        drop(socket);
        hosted.stop();
    }
}

#[test]
fn clients_that_are_gone_leave_nothing_in_any_server() {
    for host in HOSTS {
        let hosted = Hosted::start(host, |_| {});
        for _ in 0..10 {
            let client = hosted.client(&["a", "b"]);
            let mut stream = EventStream::open(hosted.address, &["a", "c"], None);
            stream.expect("subscribed");
            assert_eq!(
                (hosted.gateway.sessions(), hosted.hub.counters().followed_topics),
                (2, 3),
                "{host:?}"
            );
            drop((client, stream));
            eventually("all is forgotten", || {
                hosted.hub.counters() == Counters::default() && hosted.gateway.sessions() == 0
            });
        }
        hosted.stop();
    }
}

#[test]
fn a_drain_ends_sessions_and_streams_and_the_application_goes_on_until_it_is_over() {
    for host in HOSTS {
        let hosted = Hosted::start(host, |_| {});
        let address = hosted.address;
        let mut session = hosted.client(&["clock"]);
        let mut stream = EventStream::open(address, &["clock"], None);
        stream.expect("subscribed");
        // A peer that reads nothing does not answer the Close, so the drain is not over yet.
        let silent = RawSocket::hello(address);
        let drained = hosted.drain();
        assert_eq!(session.expect("goaway")["op"], "goaway", "{host:?}");
        session.expect_close(1012);
        drop(session);
        stream.expect("goaway");
        assert_eq!(stream.read(), None, "the stream ends well: {host:?}");
        drop(stream);
        assert_eq!(Request::get("/hello").send(address).status, 200, "{host:?}");
        Request::get("/ready").send(address).assert_problem(503, "going_away");
        Request::post("/v1/publish").body("{}").send(address).assert_problem(503, "going_away");
        let refused = Request::get("/v1/events?topic=a").header("Accept", "text/event-stream").send(address);
        assert_eq!(refused.only_block().event, "goaway", "{host:?}");
        drop(silent);
        drained.wait();
    }
}

#[test]
fn more_sessions_and_streams_than_the_setting_allows_are_refused() {
    for host in HOSTS {
        let hosted = Hosted::start(host, |settings| settings.max_connections = 2);
        let session = hosted.client(&["a"]);
        let mut stream = EventStream::open(hosted.address, &["a"], None);
        stream.expect("subscribed");
        for _ in 0..3 {
            RawSocket::handshake()
                .header("Connection", "Upgrade")
                .send(hosted.address)
                .assert_problem(503, "overloaded");
            Request::get("/v1/events?topic=a").send(hosted.address).assert_problem(503, "overloaded");
        }
        // Other requests are no sessions.
        publish(&hosted, &sample::ticked(1), "a");
        drop(session);
        eventually("the place is free", || hosted.gateway.sessions() == 1);
        drop(hosted.client(&["a"]));
        drop(stream);
        hosted.stop();
    }
}

#[test]
fn a_session_that_reads_nothing_is_closed_and_a_stream_that_reads_nothing_loses_its_place() {
    for host in HOSTS {
        let hosted = Hosted::start(host, |settings| settings.write_timeout = Duration::from_millis(300));
        let mut session = RawSocket::hello(hosted.address);
        session.send(&Frame::text(json!({ "op": "subscribe", "ref": 1, "topics": ["clock"] }).to_string()));
        assert_eq!(session.next_frame()["op"], "subscribed", "{host:?}");
        let mut stream = TcpStream::connect(hosted.address).unwrap();
        stream.write_all(b"GET /v1/events?topic=clock HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        eventually("both listen", || hosted.hub.counters().followers == 2);
        let mut number = 0;
        eventually("both are gone", || {
            publish_big(&hosted.hub, number, 100_000);
            number += 1;
            hosted.gateway.sessions() == 0
        });
        drop((session, stream));
        hosted.stop();
    }
}

#[test]
fn foreign_pages_and_hosts_are_kept_from_the_gateway_in_every_server() {
    for host in HOSTS {
        let hosted = Hosted::start(host, |_| {});
        // DNS rebinding: a foreign page has made its own host name resolve to this machine.
        let rebound = |path: &str| {
            let request = format!("GET {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
            let mut stream = TcpStream::connect(hosted.address).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            tidings_tests::Response::read(&mut io::BufReader::new(stream))
        };
        rebound("/v1/events?topic=a").assert_problem(403, "forbidden");
        rebound("/metrics").assert_problem(403, "forbidden");
        assert_eq!(rebound("/hello").status, 200, "the application decides: {host:?}");
        let foreign = Request::get("/v1/events?topic=a").header("Origin", "https://evil.example");
        foreign.send(hosted.address).assert_problem(403, "forbidden");
        let origin = "http://localhost:5173";
        let refused = Request::get("/v1/events").header("Origin", origin).send(hosted.address);
        assert_eq!((refused.status, refused.header("access-control-allow-origin")), (400, Some(origin)));
        hosted.stop();
    }
}

#[test]
fn an_answer_before_the_end_of_the_body_says_that_the_connection_ends() {
    // warp's server does not let the routes see whether the body was read.
    for host in HOSTS.into_iter().filter(|host| *host != Host::Warp) {
        let hosted = Hosted::start(host, |_| {});
        let mut stream = TcpStream::connect(hosted.address).unwrap();
        let request = b"POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n{";
        stream.write_all(request).unwrap();
        let answer = tidings_tests::Response::read(&mut io::BufReader::new(stream));
        answer.assert_problem(413, "too_large");
        assert_eq!(answer.header("connection"), Some("close"), "{host:?}");
        hosted.stop();
    }
}

#[test]
fn the_metrics_are_for_a_peer_that_is_known_to_be_here() {
    for host in HOSTS {
        let hosted = Hosted::start(host, |_| {});
        let answer = Request::get("/metrics").send(hosted.address);
        // warp tells the address, the others need a middleware (`axum_serve` among the examples has one).
        assert_eq!(answer.status, if host == Host::Warp { 200 } else { 404 }, "{host:?}");
        hosted.stop();
        let open = Hosted::start(host, |settings| settings.open_metrics = true);
        assert_eq!(Request::get("/metrics").send(open.address).status, 200, "{host:?}");
        open.stop();
    }
}

#[test]
fn old_publications_leave_the_log_in_every_server() {
    for host in HOSTS {
        let hub = HubSettings::new("acme".parse().unwrap());
        let access = DevAccess::new(hub.home.clone());
        let hub = hub.log(LogLimits::default().max_age(Duration::from_millis(100)));
        let hosted = Hosted::start_hub(host, hub, access, |_| {});
        publish(&hosted, &sample::ticked(1), "clock");
        eventually("the log is empty", || hosted.hub.counters().log_entries == 0);
        hosted.stop();
    }
}

/// I/O that keeps every byte until it is flushed, and flushes only when it is asked a second time.
struct Corked {
    stream: tokio::net::TcpStream,
    kept: Vec<u8>,
    is_asked: bool,
}

impl AsyncRead for Corked {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Corked {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.kept.extend(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.kept.is_empty() && !std::mem::replace(&mut self.is_asked, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.is_asked = false;
        let Self { stream, kept, .. } = &mut *self;
        while !kept.is_empty() {
            let written = std::task::ready!(Pin::new(&mut *stream).poll_write(cx, kept))?;
            kept.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.as_mut().poll_flush(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[test]
fn bytes_that_the_io_of_a_server_keeps_are_flushed() {
    let hub = Hub::new(HubSettings::new("acme".parse().unwrap()), SystemHost::start());
    let access = DevAccess::new(hub.home().clone());
    let gateway = Gateway::new(hub.clone(), access, GatewaySettings::development());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let corked = Corked { stream, kept: Vec::new(), is_asked: false };
            let service = TowerToHyperService::new(gateway.service());
            let mut server = hyper::server::conn::http1::Builder::new();
            let server = server.timer(TokioTimer::new());
            tokio::spawn(server.serve_connection(TokioIo::new(corked), service).with_upgrades());
        }
    });
    let mut client = Client::hello_to(address);
    client.subscribe(&["clock"], None, "live");
    for number in 0..50 {
        publish_big(&hub, number, 10);
        assert_eq!(number_of(&client.expect("event")), number);
    }
    client.close();
}

/// An application that takes no request.
#[derive(Clone)]
struct Busy;

impl<R> Service<R> for Busy {
    type Response = hyper::Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Pending<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Pending
    }

    fn call(&mut self, _: R) -> Self::Future {
        unreachable!("it is never ready")
    }
}

#[test]
fn an_application_that_takes_no_request_does_not_hold_up_the_gateway() {
    let hub = Hub::new(HubSettings::new("acme".parse().unwrap()), SystemHost::start());
    let access = DevAccess::new(hub.home().clone());
    let gateway = Gateway::new(hub, access, GatewaySettings::development());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listen = || {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        (listener.local_addr().unwrap(), listener)
    };
    let ((ours, listener), (theirs, other)) = (listen(), listen());
    let service = TowerToHyperService::new(gateway.service().layer(Busy));
    runtime.spawn(async move { gateway.serve(listener, Busy, pending()).await });
    runtime.spawn(async move {
        loop {
            let stream = TokioIo::new(other.accept().await.unwrap().0);
            let mut server = hyper::server::conn::http1::Builder::new();
            let server = server.timer(TokioTimer::new());
            tokio::spawn(server.serve_connection(stream, service.clone()).with_upgrades());
        }
    });
    for address in [ours, theirs] {
        assert_eq!(Request::get("/health").send(address).body, "ok\n");
        Client::hello_to(address).close();
    }
}
