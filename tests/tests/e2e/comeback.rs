//! An event stream that ends comes back by itself, unless it was refused for good.

use std::{
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use tidings_server::{DevAccess, PublishOptions};
use tidings_shared::{RawEvent, TopicName};
use tidings_tests::{
    Block, EventSource, EventStream, Next, RawSocket, Request, Response, Server, at_once, eventually,
    own_address, sample,
};

use crate::{embedded::Embedded, tokens::token_with};

/// As an `EventSource` asks.
fn ask(path: &str) -> Request {
    Request::get(path).header("Accept", "text/event-stream")
}

/// The pauses that are drawn for a stream.
const PAUSES: std::ops::RangeInclusive<u64> = 2000..=4000;

#[test]
fn a_stream_that_comes_back_during_a_drain_is_told_to_come_back_again_and_a_tool_is_refused() {
    let mut server = Server::start();
    // One that answers nothing holds the drain for 5 s.
    let stuck = RawSocket::hello(server.address());
    let mut stream = EventStream::open(server.address(), &["clock"], None);
    let id = stream.expect("subscribed").id.unwrap();
    server.process().signal("TERM");
    stream.expect("goaway");
    let send = |request: Request| request.send(server.address());
    let told = |answer: &Response| {
        let Block { event, id, data, retry, .. } = answer.only_block();
        assert_eq!((event.as_str(), &data["op"]), ("goaway", &json!("goaway")));
        assert_eq!(data["retry_after_ms"].as_u64(), retry);
        assert!(retry.is_some_and(|ms| (2000..=9000).contains(&ms)), "{retry:?}");
        assert_eq!(answer.header("connection"), Some("close"));
        id
    };
    assert_eq!(told(&send(ask("/v1/events?topic=clock"))), None);
    let returns = ask("/v1/events?topic=clock").header("Last-Event-ID", &id);
    assert_eq!(told(&send(returns)).as_ref(), Some(&id), "its position is kept");
    let reader = Request::get("/v1/events?topic=clock").header("Accept", "*/*").header("Last-Event-ID", &id);
    assert_eq!(told(&send(reader)).as_ref(), Some(&id), "a client that sends an id has had a stream");
    for query in [format!("lastEventId={id}"), format!("lastEventId=1.2.3&last-event-id={id}")] {
        let polyfill = Request::get(&format!("/v1/events?topic=clock&{query}")).header("Accept", "*/*");
        assert_eq!(told(&send(polyfill)).as_ref(), Some(&id), "{query}");
    }
    let split = ask("/v1/events?topic=clock&lastEventId=1%0d%0adata:x");
    assert_eq!(told(&send(split)), None, "what is no position is not said back");
    for accept in ["text/html, Text/Event-Stream;q=0.9", "text/event-stream"] {
        told(&send(Request::get("/of/the/application").header("Accept", accept)));
    }
    let page = ask("/v1/events?topic=clock").header("Origin", "http://localhost:5173");
    let answer = send(page);
    told(&answer);
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://localhost:5173"));
    for tool in [
        Request::get("/v1/events?topic=clock"),
        Request::get("/v1/events?topic=clock").header("Accept", "*/*"),
        Request::post("/v1/publish").header("Accept", "text/event-stream").body("{}"),
    ] {
        let refused = send(tool);
        refused.assert_problem(503, "going_away");
        assert_eq!(refused.header("retry-after"), Some("5"));
    }
    drop(stuck);
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn a_stream_that_there_is_no_room_for_is_told_to_come_back_later() {
    let full = |flags: &[&str], headers: &[(&str, &str)], hold: &dyn Fn(&Server) -> Vec<EventStream>| {
        let server = Server::with(flags);
        let held = hold(&server);
        let ask = || {
            let request = ask("/v1/events?topic=clock&topic=b");
            headers.iter().fold(request, |request, (name, value)| request.header(name, value))
        };
        let answer = ask().send(server.address());
        let Block { event, data, retry, .. } = answer.only_block();
        assert_eq!((event.as_str(), &data["code"]), ("error", &json!("overloaded")), "{flags:?}: {answer:?}");
        assert!(retry.is_some_and(|ms| (5000..=10_000).contains(&ms)), "{retry:?}");
        drop(held);
        eventually("there is room", || {
            ask().header("Connection", "close").send(server.address()).status == 200
        });
    };
    let clock = |server: &Server| vec![EventStream::open(server.address(), &["clock"], None)];
    let forwarded = |server: &Server| {
        let request = Request::get("/v1/events?topic=a").header("X-Forwarded-For", "192.0.2.1");
        vec![EventStream::send(server.address(), request)]
    };
    full(&["--max-connections", "1"], &[], &clock);
    full(&["--max-sessions-per-tenant", "1"], &[], &clock);
    full(&["--max-topics-per-tenant", "1"], &[], &clock);
    full(
        &["--trusted-proxy", "127.0.0.1", "--max-connections-per-address", "1"],
        &[("X-Forwarded-For", "192.0.2.1")],
        &forwarded,
    );
}

#[test]
fn a_refusal_that_stays_closes_a_stream_and_one_that_passes_does_not() {
    let server = Server::keyed(&["--allow-origin", "https://app.example.com"]);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let ask = |token: &str, topic: &str, origin: &str| {
        let request = ask(&format!("/v1/events?topic={topic}")).header("Last-Event-ID", "1.2.3");
        let request = request.header("Authorization", &format!("Bearer {token}")).header("Origin", origin);
        request.send(server.address())
    };
    let (good, ours) = (token_with(&json!({})), "https://app.example.com");
    ask("x", "a", ours).assert_problem(401, "unauthorized");
    ask(&token_with(&json!({ "exp": now - 1 })), "a", ours).assert_problem(401, "token_expired");
    ask(&token_with(&json!({ "subscribe": [] })), "a", ours).assert_problem(403, "forbidden");
    ask(&good, "a", "https://example.com").assert_problem(403, "forbidden");
    ask(&good, "staff:peple", ours).assert_problem(400, "invalid_topic");
    let early = ask(&token_with(&json!({ "nbf": now + 300 })), "a", ours);
    let Block { data, id, .. } = early.only_block();
    assert_eq!((&data["code"], id.as_deref()), (&json!("token_not_yet_valid"), Some("1.2.3")));
    assert_eq!(early.header("access-control-allow-origin"), Some(ours));
    assert_eq!(ask(&good, "a", ours).status, 200);
}

#[test]
fn every_stream_is_told_a_pause_of_its_own_that_is_neither_short_nor_long() {
    let server = Server::start();
    let mut pauses: Vec<u64> = (0..40)
        .map(|_| EventStream::open(server.address(), &["clock"], None).expect("subscribed").retry.unwrap())
        .collect();
    pauses.sort_unstable();
    assert!(pauses.iter().all(|ms| PAUSES.contains(ms)), "{pauses:?}");
    assert!(pauses[39] - pauses[0] > 1000, "they would come together: {pauses:?}");
}

#[test]
fn streams_knock_seldom_at_a_server_that_stays_away() {
    let mut server = Server::with(&["--drain-spread", "0s"]);
    let mut sources: Vec<_> =
        (0..5).map(|_| EventSource::new(server.address(), "/v1/events?topic=clock")).collect();
    for source in &mut sources {
        source.expect("subscribed");
    }
    server.process().signal("TERM");
    assert_eq!(server.exit_code(), Some(0));
    for source in &mut sources {
        while let Next::Block(_) = source.next_of_stream() {}
        assert!(source.retry >= Duration::from_millis(2000), "{:?}", source.retry);
        assert_eq!(source.next_of_stream(), Next::Ended, "nobody answers");
        assert!(source.retry >= Duration::from_millis(2000), "{:?}", source.retry);
    }
}

/// Events that are published from before a drain until after the return.
const EVENTS: usize = 300;

fn number_of(block: &Block) -> &Value {
    &block.data["event"]["payload"]["number"]
}

#[test]
fn where_the_log_survives_streams_come_back_from_a_drain_that_somebody_holds_up_and_miss_nothing() {
    let first = Embedded::start(|settings| settings.drain_spread = Duration::from_millis(500));
    let (hub, address) = (first.hub.clone(), first.address);
    let stuck = RawSocket::hello(address);
    let (subscribed, all_subscribed) = std::sync::mpsc::channel();
    let sources: Vec<_> = (0..8)
        .map(|_| {
            let subscribed = subscribed.clone();
            thread::spawn(move || {
                let mut source = EventSource::new(address, "/v1/events?topic=clock");
                source.expect("subscribed");
                subscribed.send(()).unwrap();
                let (mut expected, mut resumed) = (0, 0);
                while expected < EVENTS {
                    match source.next_of_stream() {
                        Next::Block(block) if block.event == "event" => {
                            assert_eq!(number_of(&block), &json!(expected), "each once, in order");
                            expected += 1;
                        }
                        Next::Block(block) if block.event == "subscribed" => {
                            assert_eq!(block.data["topics"][0]["outcome"], "resumed");
                            resumed += 1;
                        }
                        Next::Block(block) => assert_eq!(block.event, "goaway", "nothing was lost"),
                        Next::Ended => thread::park_timeout(source.retry),
                        Next::Closed(answer) => panic!("it ended for good: {answer}"),
                    }
                }
                (source.requests, resumed)
            })
        })
        .collect();
    sources.iter().for_each(|_| all_subscribed.recv().unwrap());
    let topics: [TopicName; 1] = ["clock".parse().unwrap()];
    let publish = |number: usize| {
        let event = RawEvent::parse(&sample::ticked(number).to_string()).unwrap();
        at_once(hub.publish_raw(event, Some(&topics), PublishOptions::default())).unwrap();
    };
    (0..100).for_each(publish);
    let start = Instant::now();
    let drained = thread::spawn(move || first.stop());
    (100..200).for_each(publish);
    drained.join().unwrap();
    assert!(start.elapsed() > Duration::from_secs(4), "the stuck one held it up: {:?}", start.elapsed());
    drop(stuck);
    let second = Embedded::around(hub.clone(), DevAccess::new(hub.home().clone()), address, |_| {});
    (200..EVENTS).for_each(publish);
    let ends: Vec<_> = sources.into_iter().map(|source| source.join().unwrap()).collect();
    assert!(ends.iter().any(|(requests, _)| *requests > 2), "they came back during the drain: {ends:?}");
    assert!(ends.iter().all(|(_, resumed)| *resumed == 1), "{ends:?}");
    second.stop();
}

#[test]
fn where_the_log_is_gone_streams_come_back_from_a_drain_and_get_a_sync() {
    let address = own_address();
    let mut first = Server::at(address, &["--drain-spread", "0s"]);
    let mut source = EventSource::new(address, "/v1/events?topic=clock");
    source.expect("subscribed");
    first.publish_to("clock", &sample::ticked(0));
    source.expect("event");
    first.process().signal("TERM");
    assert_eq!(first.exit_code(), Some(0));
    let second = Server::at(address, &[]);
    assert_eq!(source.expect("sync").data["topics"], json!(["clock"]));
    second.publish_to("clock", &sample::ticked(1));
    assert_eq!(number_of(&source.expect("event")), 1);
}

/// What an `EventSource` sends that can't send the header.
#[test]
fn a_listener_may_name_its_last_event_in_the_query_and_the_header_wins() {
    let server = Server::start();
    let mut stream = EventStream::open(server.address(), &["clock"], None);
    let since = stream.expect("subscribed").id.unwrap();
    let first = server.publish_to("clock", &sample::ticked(0));
    server.publish_to("clock", &sample::ticked(1));
    let open = |query: &str, header: Option<&str>| {
        let request = Request::get(&format!("/v1/events?topic=clock{query}"));
        let request = match header {
            Some(id) => request.header("Last-Event-ID", id),
            None => request,
        };
        EventStream::send(server.address(), request)
    };
    for name in ["lastEventId", "lastEventID", "last-event-id", "last_event_id"] {
        let mut stream = open(&format!("&{name}={since}"), None);
        assert_eq!(stream.expect("subscribed").data["topics"][0]["outcome"], "resumed", "{name}");
        assert_eq!(number_of(&stream.expect("event")), 0, "{name}");
    }
    let mut stream = open(&format!("&lastEventId={since}"), first["position"].as_str());
    assert_eq!(stream.expect("subscribed").data["topics"][0]["outcome"], "resumed");
    assert_eq!(number_of(&stream.expect("event")), 1, "the header's is later");
    assert_eq!(open("&lastEventId=x", None).expect("sync").data["topics"], json!(["clock"]));
    let refused = Request::get("/v1/events?topic=clock&since=1").send(server.address());
    refused.assert_problem(400, "invalid_frame");
    assert_eq!(
        refused.json()["detail"],
        "the query has a member \"since\"; the known ones are `topic`, once for each topic, and `lastEventId`"
    );
}

#[test]
fn a_stream_that_could_not_come_back_for_the_size_of_its_header_is_refused_at_once() {
    let server = Server::start();
    let request = |bytes: usize| {
        let rest = "GET /v1/events?topic=clock&topic=x HTTP/1.1\r\nHost: localhost\r\nX-Long: \r\nConnection: close\r\n\r\n";
        Request::get("/v1/events?topic=clock&topic=x").header("X-Long", &"x".repeat(bytes - rest.len()))
    };
    let max = 16 * 1024;
    let refused = request(max - 63).send(server.address());
    refused.assert_problem(400, "too_many_topics");
    assert!(refused.json()["detail"].as_str().unwrap().contains("--max-header-bytes"), "{refused:?}");
    assert_eq!(request(max - 64).send(server.address()).status, 200);
    let longest = format!("{}.{}.{}", "f".repeat(12), u64::MAX, "f".repeat(8));
    let field = format!("Last-Event-ID: {longest}\r\n");
    assert!(field.len() <= 64, "{}", field.len());
    let back = request(max - field.len()).header("Last-Event-ID", &longest).send(server.address());
    assert_eq!(back.status, 200);
    let in_query = format!("&lastEventId={longest}");
    let rest =
        "GET /v1/events?topic=clock HTTP/1.1\r\nHost: localhost\r\nX-Long: \r\nConnection: close\r\n\r\n"
            .len();
    let back = Request::get(&format!("/v1/events?topic=clock{in_query}"));
    let back = back.header("X-Long", &"x".repeat(max - in_query.len() - rest)).send(server.address());
    assert_eq!(back.status, 200, "a polyfill that came back: {back:?}");
}
