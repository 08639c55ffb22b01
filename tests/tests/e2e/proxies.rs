//! nginx and Caddy in front of a server, configured as in `deploy`.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use tidings_shared::limits::KEEP_ALIVE_TIMEOUT;
use tidings_tests::{
    Client, DEADLINE, EventSource, EventStream, Next, Proxy, RawSocket, Request, Response, Server, WebServer,
    eventually, own_address, sample,
};

/// Starts a web server in front of a hub.
type Start = fn(SocketAddr) -> WebServer;

fn post(address: SocketAddr) -> Response {
    let body = json!({ "event": sample::ticked(0), "topics": ["clock"] }).to_string();
    Request::post("/v1/publish").body(body).send(address)
}

/// An address of an event stream with so many topics of so many bytes.
fn long_path(topics: usize, bytes: usize) -> String {
    let topics: Vec<String> =
        (0..topics).map(|n| format!("topic=t:{n:0>width$}", width = bytes - 2)).collect();
    format!("/v1/events?{}", topics.join("&"))
}

fn websockets_and_streams_pass(start: Start) {
    let server = Server::start();
    let proxy = start(server.address());
    let mut client = Client::hello_to(proxy.address());
    client.subscribe(&["clock"], None, "live");
    let before = Instant::now();
    let compressing =
        Request::get("/v1/events?topic=clock").header("Accept-Encoding", "gzip, deflate, br, zstd");
    let mut stream = EventStream::send(proxy.address(), compressing);
    let since = stream.expect("subscribed").id.unwrap();
    assert!(before.elapsed() < Duration::from_secs(5), "it was held back: {:?}", before.elapsed());
    assert_eq!(stream.head.header("content-encoding"), None);
    assert_eq!(post(proxy.address()).status, 200);
    assert_eq!(client.expect("event")["topics"], json!(["clock"]));
    assert_eq!(stream.expect("event").data["topics"], json!(["clock"]));

    // What a polyfill sends, and what a browser does.
    let query = Request::get(&format!("/v1/events?topic=clock&lastEventId={since}"));
    let header = Request::get("/v1/events?topic=clock").header("Last-Event-ID", &since);
    for request in [query, header] {
        let mut stream = EventStream::send(proxy.address(), request);
        assert_eq!(stream.expect("subscribed").data["topics"][0]["outcome"], "resumed");
        assert_eq!(stream.expect("event").data["topics"], json!(["clock"]));
    }

    // As many as fit a header of 16 KiB, and of the longest that there are as many as a frame has.
    let wide = Server::with(&["--max-header-bytes", "65536"]);
    let before_wide = start(wide.address());
    for (proxy, topics, bytes) in [(&proxy, 128, 100), (&proxy, 240, 56), (&before_wide, 128, 255)] {
        let mut stream = EventStream::send(proxy.address(), Request::get(&long_path(topics, bytes)));
        let subscribed = stream.expect("subscribed");
        assert_eq!(subscribed.data["topics"].as_array().unwrap().len(), topics);
    }
}

#[test]
fn websockets_streams_and_long_lists_of_topics_pass_through_nginx() {
    websockets_and_streams_pass(WebServer::nginx);
}

#[test]
fn websockets_streams_and_long_lists_of_topics_pass_through_caddy() {
    websockets_and_streams_pass(WebServer::caddy);
}

fn wait(time: Duration) {
    let until = Instant::now() + time;
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        thread::park_timeout(left);
    }
}

fn nothing_posted_is_lost(start: Start) {
    const HEADER_TIMEOUT: Duration = Duration::from_millis(200);
    const PUBLISHERS: u64 = 16;
    let server = Server::with(&["--header-timeout", "200ms"]);
    let connections = Arc::new(AtomicUsize::new(0));
    let between = Proxy::start(server.address(), {
        let connections = Arc::clone(&connections);
        move || {
            connections.fetch_add(1, Relaxed);
            None
        }
    });
    let proxy = start(between.address());
    for _ in 0..3 {
        assert_eq!(post(proxy.address()).status, 200);
        wait(2 * HEADER_TIMEOUT);
    }
    assert_eq!(connections.load(Relaxed), 1, "it was kept");
    thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let address = proxy.address();
            scope.spawn(move || {
                for round in 0..8 {
                    let answer = post(address);
                    assert_eq!(answer.status, 200, "in round {round} of {publisher}: {answer:?}");
                    // From 2 ms before the deadline that would end the connection behind the proxy until 2 ms after.
                    let after =
                        HEADER_TIMEOUT - Duration::from_millis(2) + Duration::from_micros(250 * publisher);
                    wait(after);
                }
            });
        }
    });
}

#[test]
fn nothing_that_is_posted_through_nginx_meets_the_end_of_an_idle_connection() {
    nothing_posted_is_lost(WebServer::nginx);
}

#[test]
fn nothing_that_is_posted_through_caddy_meets_the_end_of_an_idle_connection() {
    nothing_posted_is_lost(WebServer::caddy);
}

/// A proxy sends the whole of a body before it looks at the answer, which came before.
fn a_refusal_of_a_large_body_arrives(start: Start) {
    let server = Server::keyed(&[]);
    let proxy = start(server.address());
    for _ in 0..20 {
        let post = |path: &str, kib: usize| {
            let body = " ".repeat(kib * 1024);
            let token = format!("Bearer {}", "x".repeat(10));
            Request::post(path).header("Authorization", &token).body(body).send(proxy.address()).status
        };
        assert_eq!([post("/v1/publish", 250), post("/v1/nothing", 900)], [401, 404]);
    }
}

#[test]
fn a_refusal_of_a_large_body_arrives_through_nginx() {
    a_refusal_of_a_large_body_arrives(WebServer::nginx);
}

#[test]
fn a_refusal_of_a_large_body_arrives_through_caddy() {
    a_refusal_of_a_large_body_arrives(WebServer::caddy);
}

fn streams_outlive_a_restart(start: Start) {
    let hub = own_address();
    let mut first = Server::at(hub, &["--drain-spread", "0s"]);
    let proxy = start(hub);
    let stuck = RawSocket::hello(hub);
    let mut source = EventSource::new(proxy.address(), "/v1/events?topic=clock");
    source.expect("subscribed");
    assert_eq!(post(proxy.address()).status, 200);
    source.expect("event");
    first.process().signal("TERM");
    let begin = Instant::now();
    thread::scope(|scope| {
        // The drain answers each, on connections that the proxy has kept and on new ones.
        scope.spawn(|| {
            let mut refused = 0;
            while begin.elapsed() < Duration::from_secs(2) {
                let answer = post(proxy.address());
                if answer.status != 200 || refused > 0 {
                    answer.assert_problem(503, "going_away");
                    refused += 1;
                }
            }
        });
        let mut goaways = 0;
        while goaways < 2 {
            match source.next_of_stream() {
                Next::Block(block) if block.event == "goaway" => goaways += 1,
                // A publish may have come before the signal.
                Next::Block(block) if block.event == "event" && goaways == 0 => {}
                Next::Ended => {}
                other => panic!("a goaway was to come, and not {other:?}"),
            }
        }
    });
    drop(stuck);
    assert_eq!(first.exit_code(), Some(0));
    // Nobody is there: a stream ends, and others learn it.
    let away = |request: Request| request.header("Origin", "https://app.example.com").send(proxy.address());
    let stream = away(Request::get("/v1/events?topic=clock").header("Accept", "text/event-stream"));
    assert_eq!((stream.status, stream.header("content-type")), (200, Some("text/event-stream")));
    assert_eq!(stream.header("access-control-allow-origin"), Some("https://app.example.com"));
    assert_eq!(stream.body, ": the hub is away\n", "no whole block, which would take the last id away");
    assert_eq!(away(Request::get("/v1/events?topic=clock").header("Accept", "*/*")).status, 502);
    let publish = Request::post("/v1/publish").header("Accept", "text/event-stream").body("{}");
    assert_eq!(away(publish).status, 502, "a publish that failed");
    assert_eq!(post(proxy.address()).status, 502);
    while source.next_of_stream() != Next::Ended {}
    assert_eq!(source.next_of_stream(), Next::Ended);
    let _second = Server::at(hub, &[]);
    eventually("the proxy has found it", || post(proxy.address()).status == 200);
    assert_eq!(source.expect("sync").data["topics"], json!(["clock"]));
    assert_eq!(post(proxy.address()).status, 200);
    source.expect("event");
}

#[test]
fn streams_through_nginx_outlive_a_drain_and_the_time_in_which_nobody_is_there() {
    streams_outlive_a_restart(WebServer::nginx);
}

#[test]
fn streams_through_caddy_outlive_a_drain_and_the_time_in_which_nobody_is_there() {
    streams_outlive_a_restart(WebServer::caddy);
}

/// The deadlines that are at work in both: the proxy's are its own defaults where `deploy` names none.
#[test]
fn a_stream_in_which_nothing_happens_stays_open_through_both() {
    let server = Server::with(&["--heartbeat", "300ms", "--header-timeout", "200ms"]);
    for start in [WebServer::nginx as Start, WebServer::caddy] {
        let proxy = start(server.address());
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(b"GET /v1/events?topic=clock HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        for _ in 0..4 {
            assert!(lines.any(|line| line == "event: ping"), "it has ended");
        }
    }
}

/// Who ends an idle connection loses nothing if it is the one that sends the requests.
#[test]
fn both_let_go_of_idle_connections_before_the_server_does() {
    let shipped = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name);
        std::fs::read_to_string(path).unwrap()
    };
    let caddy = shipped("Caddyfile");
    let seconds = caddy.split_once("keepalive ").and_then(|(_, rest)| rest.split_once("s\n")).unwrap().0;
    assert!(Duration::from_secs(seconds.parse().unwrap()) < KEEP_ALIVE_TIMEOUT);
    let nginx = shipped("nginx.conf");
    assert!(nginx.contains("    keepalive ") && !nginx.contains("keepalive_timeout"), "it has the default");
    assert!(NGINX_KEEPALIVE < KEEP_ALIVE_TIMEOUT);
}

/// Of its connections to those behind it, unless `keepalive_timeout` says otherwise.
const NGINX_KEEPALIVE: Duration = Duration::from_secs(60);
