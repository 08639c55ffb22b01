//! What goes wrong on a shard's thread, and what comes while it is busy.

use std::{
    sync::{
        Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use tidings_server::{
    AccessError, Authorize, Credentials, DevAccess, Gateway, Hub, HubSettings, Identity, PublishOptions,
    SystemHost,
    hub::{Host, Moment},
};
use tidings_shared::{RawEvent, TopicName, limits::CLOSE_TIMEOUT};
use tidings_tests::{Frame, RawSocket, Request, at_once, eventually, sample};
use uuid::Uuid;

use crate::embedded::Embedded;

/// Panics with the token `panic`, and when it is asked for the topic `panic`.
#[derive(Debug)]
struct Trouble(DevAccess);

impl Authorize for Trouble {
    async fn authenticate(&self, credentials: &Credentials) -> Result<Identity, AccessError> {
        assert_ne!(credentials.token.as_deref(), Some("panic"), "a fault of the application's");
        Ok(self.0.authenticate(credentials).await?.looked_up())
    }

    async fn may_subscribe(&self, _: &Identity, topics: &[TopicName]) -> Result<Vec<bool>, AccessError> {
        assert!(topics[0].as_str() != "panic", "a fault of the application's");
        Ok(vec![true; topics.len()])
    }
}

/// Holds a shard's thread when it needs a key.
#[derive(Debug)]
struct HoldsShards {
    host: SystemHost,
    holds: Sender<()>,
    released: Mutex<Receiver<()>>,
}

impl Host for HoldsShards {
    fn now(&self) -> Moment {
        self.host.now()
    }

    fn new_key(&self) -> Uuid {
        if thread::current().name().is_some_and(|name| name.starts_with("tidings-shard")) {
            self.holds.send(()).unwrap();
            self.released.lock().unwrap().recv().unwrap();
        }
        self.host.new_key()
    }

    fn new_epoch(&self) -> u64 {
        self.host.new_epoch()
    }
}

/// A gateway with one shard, and what tells that it is held and lets it go on.
fn start() -> (Embedded, Receiver<()>, Sender<()>) {
    let settings = HubSettings::new("acme".parse().unwrap());
    let access = Trouble(DevAccess::new(settings.home.clone()));
    let ((holds, held), (release, released)) = (channel(), channel());
    let host = HoldsShards { host: SystemHost::start(), holds, released: Mutex::new(released) };
    let embedded = Embedded::around(Hub::new(settings, host), access, "127.0.0.1:0", |settings| {
        settings.shards = Some(1.try_into().unwrap());
    });
    (embedded, held, release)
}

fn hello(token: &str) -> Frame {
    Frame::text(json!({ "op": "hello", "token": token }).to_string())
}

fn publish(embedded: &Embedded, number: usize) {
    let hub = &embedded.hub;
    let event = RawEvent::parse(&sample::ticked(number).to_string()).unwrap();
    let (topics, options) = (["clock".parse().unwrap()], PublishOptions::default());
    at_once(hub.publish_raw(event, Some(&topics), options)).unwrap();
}

#[test]
fn a_panic_of_the_application_ends_the_session_that_caused_it_and_no_other() {
    let (embedded, ..) = start();
    let mut neighbour = embedded.client(&["clock"]);
    let mut at_hello = RawSocket::connect(embedded.address);
    at_hello.send(&hello("panic"));
    assert_eq!(at_hello.next_frame()["code"], "internal");
    assert_eq!(at_hello.close_code(), Some(1011));
    let mut later = RawSocket::hello(embedded.address);
    later.send(&Frame::text(r#"{"op":"subscribe","ref":1,"topics":["clock"]}"#));
    assert_eq!(later.next_frame()["op"], "subscribed");
    later.send(&Frame::text(r#"{"op":"subscribe","ref":2,"topics":["panic"]}"#));
    assert_eq!(later.next_frame()["code"], "internal");
    assert_eq!(later.close_code(), Some(1011));
    drop((at_hello, later));
    publish(&embedded, 1);
    neighbour.expect("event");
    let newcomer = embedded.client(&["clock"]);
    eventually("only two are left", || embedded.gateway.sessions() == 2);
    drop((neighbour, newcomer));
    embedded.stop();
}

/// Everything that a shard can find at once when it goes on.
#[test]
fn what_comes_at_the_begin_of_a_drain_is_delivered_and_sent_away() {
    for _ in 0..6 {
        let (embedded, held, release) = start();
        let mut client = embedded.client(&["clock"]);
        let mut holder = RawSocket::hello(embedded.address);
        let event = json!({ "domain": "a", "event": "b", "payload": {} });
        let publish_alone = json!({ "op": "publish", "ref": 1, "event": event, "topics": ["elsewhere"] });
        holder.send(&Frame::text(publish_alone.to_string()));
        held.recv().unwrap();
        (0..50).for_each(|number| publish(&embedded, number));
        let mut arrivals: Vec<_> = (0..4).map(|_| RawSocket::connect(embedded.address)).collect();
        assert_eq!(embedded.gateway.sessions(), 6);
        let draining = {
            let gateway: Gateway = embedded.gateway.clone();
            embedded.runtime.spawn(async move { gateway.drain().await })
        };
        let is_refused = || Request::post("/v1/publish").body("").send(embedded.address).status == 503;
        eventually("the drain has begun", is_refused);
        release.send(()).unwrap();
        let start = Instant::now();
        for number in 0..50 {
            assert_eq!(client.expect("event")["event"]["payload"]["number"], json!(number));
        }
        client.expect("goaway");
        client.expect_close(1012);
        for arrival in &mut arrivals {
            assert_eq!(arrival.next_frame()["op"], "goaway");
            assert_eq!(arrival.close_code(), Some(1012));
        }
        drop((holder, arrivals, client));
        assert!(embedded.runtime.block_on(draining).unwrap(), "all are gone");
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
        embedded.stop();
    }
}

#[test]
fn a_drain_waits_no_longer_for_one_that_does_not_read_than_for_a_close() {
    let embedded = Embedded::start(|settings| settings.write_timeout = Duration::from_secs(600));
    let mut stalled = RawSocket::hello(embedded.address);
    stalled.send(&Frame::text(r#"{"op":"subscribe","ref":1,"topics":["clock"]}"#));
    assert_eq!(stalled.next_frame()["op"], "subscribed");
    let event = json!({ "domain": "clock", "event": "ticked", "payload": { "text": "x".repeat(200_000) } });
    let body = json!({ "event": event, "topics": ["clock"] }).to_string();
    for _ in 0..60 {
        assert_eq!(Request::post("/v1/publish").body(body.as_str()).send(embedded.address).status, 200);
    }
    let start = Instant::now();
    assert!(embedded.runtime.block_on(embedded.gateway.drain()), "it is gone");
    assert!(start.elapsed() >= CLOSE_TIMEOUT, "it was not stalled: {:?}", start.elapsed());
    embedded.stop();
}

#[test]
fn an_echo_does_not_hold_up_a_drain() {
    let embedded = Embedded::start(|settings| settings.echo = true);
    let mut echo = RawSocket::echo(embedded.address);
    echo.send(&Frame::text("there?"));
    assert!(echo.read().is_some());
    assert!(embedded.runtime.block_on(embedded.gateway.drain()), "all are gone");
    assert_eq!(echo.read(), None);
    embedded.stop();
}

#[test]
fn the_connections_end_with_the_gateway() {
    let embedded = Embedded::start(|_| {});
    let mut client = RawSocket::hello(embedded.address);
    let Embedded { runtime, gateway, .. } = embedded;
    drop(gateway);
    runtime.shutdown_background();
    assert_eq!(client.read(), None);
}
