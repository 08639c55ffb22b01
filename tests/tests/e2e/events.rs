//! Server-sent events over real sockets: what a listener with nothing but HTTP gets.

use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use tidings_server::{
    AccessError, Authorize, Credentials, DevAccess, HubSettings, Identity,
    hub::{Counters, Revoke, Rights},
};
use tidings_shared::RawEvent;
use tidings_tests::{Client, DEADLINE, EventStream, Request, Response, Server, at_once, eventually, sample};

use crate::embedded::Embedded;

fn listen(server: &Server, topics: &[&str], since: Option<&str>) -> EventStream {
    EventStream::open(server.address(), topics, since)
}

#[test]
fn a_listener_to_a_domain_that_the_server_does_not_know_is_told_so() {
    let server = Server::start();
    let mut stream = listen(&server, &["staf:people", "orders:1", "staff:people"], None);
    assert_eq!(stream.head.header("tidings-unknown-domains"), Some("staf, orders"));
    let comment = "this server has no domain \"staf\": was \"staff\" meant?";
    assert_eq!(stream.expect("subscribed").comments, [comment]);
    let stream = listen(&server, &["staff:people"], None);
    assert_eq!(stream.head.header("tidings-unknown-domains"), None);
}

#[test]
fn a_listener_gets_what_a_session_gets_and_each_event_once() {
    let server = Server::start();
    let uuid = sample::uuid();
    let person = format!("staff:person:{uuid}");
    let mut session = Client::subscribed(&server, &["staff:people", &person]);
    let mut stream = listen(
        &server,
        &["staff%3Apeople", &person.to_uppercase().replace("STAFF:PERSON", "staff:person")],
        None,
    );
    for (name, value) in
        [("cache-control", "no-store, no-transform"), ("connection", "close"), ("x-accel-buffering", "no")]
    {
        assert_eq!(stream.head.header(name), Some(value), "{name}");
    }
    let subscribed = stream.expect("subscribed");
    assert_eq!(subscribed.id.as_deref(), subscribed.data["position"].as_str());
    assert_eq!(
        subscribed.data["topics"],
        json!([{ "topic": "staff:people", "outcome": "live" }, { "topic": person, "outcome": "live" }])
    );
    for _ in 0..3 {
        server.publish(&sample::task_updated(&uuid));
        let published = server.publish(&sample::person_updated(&uuid));
        let event = stream.expect("event");
        assert_eq!(event.id.as_deref(), published["position"].as_str());
        assert_eq!(event.data, session.expect("event"));
        assert_eq!(event.data["topics"], json!(["staff:people", person]));
    }
}

#[test]
fn a_stream_comes_after_earlier_answers_and_without_chunks_for_http_1_0() {
    let server = Server::start();
    for (version, coding) in [("1.1", Some("chunked")), ("1.0", None)] {
        let mut client = TcpStream::connect(server.address()).unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        let get = |path, version| format!("GET {path} HTTP/{version}\r\nHost: localhost\r\n\r\n");
        let requests = get("/health", "1.1") + &get("/v1/events?topic=clock", version);
        client.write_all(requests.as_bytes()).unwrap();
        let mut reader = BufReader::new(client);
        assert_eq!(Response::read(&mut reader).body, "ok\n");
        let head = Response::read(&mut reader);
        assert_eq!((head.status, head.header("transfer-encoding")), (200, coding));
        let mut lines = reader.lines().map_while(Result::ok);
        let first = lines.next().unwrap();
        assert_eq!(usize::from_str_radix(&first, 16).is_ok(), coding.is_some(), "a chunk's size: {first}");
        server.publish_to("clock", &sample::ticked(1));
        assert!(lines.any(|line| line == "event: event"));
    }
}

#[test]
fn a_listener_that_comes_back_gets_what_it_missed_while_the_log_holds_it() {
    let server = Server::with(&["--log-max-entries", "100"]);
    let mut stream = listen(&server, &["clock"], None);
    let since = stream.expect("subscribed").id;
    drop(stream);
    let missed: Vec<_> = (0..100).map(|n| server.publish_to("clock", &sample::ticked(n))).collect();
    let mut stream = listen(&server, &["clock"], since.as_deref());
    let subscribed = stream.expect("subscribed");
    assert_eq!((&subscribed.id, &subscribed.data["topics"][0]["outcome"]), (&since, &json!("resumed")));
    for published in &missed {
        assert_eq!(stream.expect("event").data["position"], published["position"]);
    }
    server.publish_to("clock", &sample::ticked(100));
    assert_eq!(stream.expect("event").data["event"], sample::ticked(100));
    for since in [since.as_deref(), Some("x"), Some("")] {
        let mut stream = listen(&server, &["clock"], since);
        let sync = stream.expect("sync");
        assert_eq!(sync.data["topics"], json!(["clock"]));
        let next = server.publish_to("clock", &sample::ticked(101));
        assert_eq!(stream.expect("event").id.as_deref(), next["position"].as_str());
        let mut resumed = listen(&server, &["clock"], sync.id.as_deref());
        resumed.expect("subscribed");
        assert_eq!(resumed.expect("event").id.as_deref(), next["position"].as_str());
    }
}

#[test]
fn a_quiet_listener_keeps_a_position_that_resumes_while_others_fill_the_log() {
    let server = Server::with(&["--log-max-entries", "100", "--heartbeat", "50ms"]);
    let mut stream = listen(&server, &["clock"], None);
    stream.expect("subscribed");
    let mut head = json!(null);
    for n in 0..150 {
        head = server.publish_to("noise", &sample::ticked(n))["position"].clone();
    }
    let ping = loop {
        let ping = stream.expect("ping");
        if ping.data["position"] == head {
            break ping;
        }
    };
    let missed = server.publish_to("clock", &sample::ticked(0));
    let mut stream = listen(&server, &["clock"], ping.id.as_deref());
    assert_eq!(stream.expect("subscribed").data["topics"][0]["outcome"], "resumed");
    assert_eq!(stream.expect("event").data["position"], missed["position"]);
}

#[test]
fn what_is_refused_is_a_problem_and_no_stream() {
    let server = Server::start();
    let get = |query: &str| Request::get(&format!("/v1/events{query}")).send(server.address());
    for query in ["", "?", "?topics=a", "?topic=", "?topic=a%20b", "?topic=a&topic=staff:peple"] {
        get(query).assert_problem(400, "invalid_topic");
    }
    assert!(get("").json()["detail"].as_str().unwrap().contains("?topic="));
    let many: Vec<String> = (0..1_025).map(|n| format!("topic=t:{n}")).collect();
    let refused = get(&format!("?{}", many.join("&")));
    refused.assert_problem(400, "too_many_topics");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("--max-topics-per-session") && detail.contains("\"t:1024\""), "{detail}");
    let mut most =
        EventStream::send(server.address(), Request::get(&format!("/v1/events?{}", many[1..].join("&"))));
    assert_eq!(most.expect("subscribed").data["topics"].as_array().unwrap().len(), 1_024);
    let with = |name: &str, value: &str| {
        Request::get("/v1/events?topic=a").header(name, value).send(server.address())
    };
    with("Authorization", "Basic eDp5").assert_problem(401, "unauthorized");
    with("Origin", "https://example.com").assert_problem(403, "forbidden");
    assert_eq!(with("Origin", "https://example.com").header("access-control-allow-origin"), None);
}

#[test]
fn a_page_that_is_let_in_may_read_the_stream() {
    let server = Server::start();
    let origin = "http://localhost:5173";
    let preflight = |origin: &str| {
        Request::new("OPTIONS", "/v1/events?topic=a")
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "GET")
            .header("Access-Control-Request-Headers", "authorization,last-event-id")
            .send(server.address())
    };
    let answer = preflight(origin);
    assert_eq!(answer.status, 204, "{answer:?}");
    for (name, value) in [
        ("access-control-allow-origin", origin),
        ("access-control-allow-methods", "GET"),
        ("access-control-allow-headers", "authorization, last-event-id"),
        ("vary", "Origin"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    preflight("https://example.com").assert_problem(403, "forbidden");
    let stream =
        EventStream::send(server.address(), Request::get("/v1/events?topic=a").header("Origin", origin));
    assert_eq!(stream.head.header("access-control-allow-origin"), Some(origin));
    let refused = Request::get("/v1/events").header("Origin", origin).send(server.address());
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (400, Some(origin)));
}

#[test]
fn a_drain_ends_streams_and_lets_in_no_more() {
    let mut server = Server::start();
    let mut stream = listen(&server, &["clock"], None);
    stream.expect("subscribed");
    server.process().signal("TERM");
    let goaway = stream.expect("goaway");
    assert_eq!(goaway.data["retry_after_ms"].as_u64(), goaway.retry);
    assert!(goaway.retry.is_some_and(|ms| (2000..=9000).contains(&ms)), "{goaway:?}");
    assert_eq!(stream.read(), None);
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn a_stream_that_is_asked_for_during_a_drain_is_refused() {
    let embedded = Embedded::start(|_| {});
    assert!(embedded.runtime.block_on(embedded.gateway.drain()));
    let answer = Request::get("/v1/events?topic=a").send(embedded.address);
    answer.assert_problem(503, "going_away");
    embedded.stop();
}

#[test]
fn listeners_that_are_gone_leave_nothing() {
    let embedded = Embedded::start(|_| {});
    for _ in 0..20 {
        let mut stream = EventStream::open(embedded.address, &["a", "b"], None);
        stream.expect("subscribed");
        assert_eq!(embedded.hub.counters().followed_topics, 2);
        drop(stream);
        eventually("all is forgotten", || {
            embedded.hub.counters() == Counters::default() && embedded.gateway.sessions() == 0
        });
    }
    embedded.stop();
}

#[test]
fn a_listener_that_never_reads_costs_others_nothing_and_is_cut_off() {
    let embedded = Embedded::start(|settings| settings.write_timeout = Duration::from_millis(500));
    let mut reads = EventStream::open(embedded.address, &["big"], None);
    reads.expect("subscribed");
    let mut never = TcpStream::connect(embedded.address).unwrap();
    never.write_all(b"GET /v1/events?topic=big HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let followers = || embedded.hub.counters().followers;
    eventually("both listen", || followers() == 2);
    let event = json!({ "domain": "big", "event": "x", "payload": { "text": "x".repeat(100_000) } });
    let event = tidings_shared::RawEvent::parse(&event.to_string()).unwrap();
    let (hub, topics) = (&embedded.hub, [("big".parse().unwrap())]);
    let mut published = 0;
    eventually("the one that reads nothing is cut off", || {
        let position =
            at_once(hub.publish_raw(event.clone(), Some(&topics), Default::default())).unwrap().position;
        published += 1;
        assert_eq!(reads.expect("event").id, Some(position.to_string()), "event {published}");
        followers() == 1
    });
    never.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut rest = Vec::new();
    let _ = never.read_to_end(&mut rest);
    assert!(!rest.ends_with(b"0\r\n\r\n"), "it was cut off");
    drop(reads);
    embedded.stop();
}

/// A client that reads nothing, while more events are published than its socket takes.
fn stalled(embedded: &Embedded) -> TcpStream {
    let mut never = TcpStream::connect(embedded.address).unwrap();
    never.write_all(b"GET /v1/events?topic=big HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let hub = &embedded.hub;
    eventually("it listens", || hub.counters().followers == 1);
    let event = json!({ "domain": "big", "event": "x", "payload": { "text": "x".repeat(100_000) } });
    let event = RawEvent::parse(&event.to_string()).unwrap();
    for _ in 0..120 {
        let topics = ["big".parse().unwrap()];
        at_once(hub.publish_raw(event.clone(), Some(&topics), Default::default())).unwrap();
    }
    let delivered = || {
        let page = Request::get("/metrics").send(embedded.address).body;
        let line = page.lines().find(|line| line.starts_with("tidings_deliveries_total")).unwrap().to_owned();
        (!line.ends_with(" 0")).then_some(line)
    };
    eventually("its socket takes no more", || {
        let before = delivered();
        thread::park_timeout(Duration::from_millis(50));
        before.is_some() && before == delivered()
    });
    never
}

#[test]
fn a_listener_that_sends_without_end_is_cut() {
    let server = Server::start();
    let mut floods = TcpStream::connect(server.address()).unwrap();
    floods.set_write_timeout(Some(DEADLINE)).unwrap();
    let request = b"GET /v1/events?topic=staff:people HTTP/1.1\r\nHost: localhost\r\n\r\n";
    floods.write_all(request).unwrap();
    let chunk = vec![b'x'; 64 * 1024];
    let mut sent = 0;
    while sent < 1 << 30 {
        match floods.write(&chunk) {
            Ok(bytes) => sent += bytes,
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                return;
            }
            Err(error) => panic!("{error} after {sent} bytes"),
        }
    }
    panic!("the server has read {sent} bytes");
}

/// Returns whether the server has ended this connection. Nothing is read from it.
fn is_cut(never: &mut TcpStream) -> bool {
    never.write_all(b"x").is_err()
}

/// Only the write deadline would end a listener that reads nothing, and that is long.
fn patient(access: impl Authorize) -> Embedded {
    let mut hub = HubSettings::new("acme".parse().unwrap());
    hub.log.max_bytes = 64 * 1024 * 1024;
    Embedded::start_hub(hub, access, |settings| {
        settings.write_timeout = Duration::from_secs(600);
        settings.drain_timeout = 2 * DEADLINE;
    })
}

#[test]
fn a_drain_does_not_wait_for_a_listener_that_never_reads() {
    let embedded = patient(DevAccess::new("acme".parse().unwrap()));
    let _never = stalled(&embedded);
    let start = Instant::now();
    embedded.stop();
    assert!(start.elapsed() < DEADLINE, "it was held up to its deadline");
}

#[test]
fn a_listener_that_never_reads_ends_when_it_is_revoked() {
    let embedded = patient(DevAccess::new("acme".parse().unwrap()));
    let mut never = stalled(&embedded);
    let hub = &embedded.hub;
    hub.revoke(&Revoke::Subject("developer".to_owned())).now_or_never().unwrap().unwrap();
    eventually("it is cut", || is_cut(&mut never));
    eventually("its permit is free", || hub.counters().followers == 0 && embedded.gateway.sessions() == 0);
    embedded.stop();
}

/// Everybody may listen, with a token that ends at once.
#[derive(Debug)]
struct AtTheirEnd;

impl Authorize for AtTheirEnd {
    async fn authenticate(&self, credentials: &Credentials) -> Result<Identity, AccessError> {
        let identity = Identity::new("a", "acme".parse().unwrap()).rights(Rights::all());
        Ok(identity.expires_at(credentials.now_unix_ms))
    }
}

#[test]
fn a_listener_that_never_reads_ends_with_its_token() {
    let embedded = patient(AtTheirEnd);
    let mut never = stalled(&embedded);
    let hub = &embedded.hub;
    eventually("it is cut", || is_cut(&mut never));
    eventually("its permit is free", || hub.counters().followers == 0 && embedded.gateway.sessions() == 0);
    embedded.stop();
}
