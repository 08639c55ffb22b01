//! An application that takes its time to say who may do what.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tidings_server::{
    AccessError, Authorize, Credentials, DevAccess, HubSettings, Identity, hub::SessionSettings,
};
use tidings_shared::{TopicName, limits::MAX_QUESTIONS};
use tidings_tests::{Client, EventStream, Request, eventually};

use crate::embedded::Embedded;

/// Never answers about the topic `never`, and never says who has the token `never`. Counts the questions that are open
/// there.
#[derive(Debug, Clone)]
struct Slow {
    access: DevAccess,
    open: Arc<AtomicUsize>,
}

struct IsOpen(Arc<AtomicUsize>);

impl Drop for IsOpen {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Slow {
    async fn never(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
        let _open = IsOpen(Arc::clone(&self.open));
        std::future::pending().await
    }
}

impl Authorize for Slow {
    async fn authenticate(&self, credentials: &Credentials) -> Result<Identity, AccessError> {
        if credentials.token.as_deref() == Some("never") {
            self.never().await;
        }
        Ok(self.access.authenticate(credentials).await?.looked_up())
    }

    async fn may_subscribe(&self, _: &Identity, topics: &[TopicName]) -> Result<Vec<bool>, AccessError> {
        if topics.iter().any(|topic| topic.as_str() == "never") {
            self.never().await;
        }
        Ok(topics.iter().map(|topic| topic.as_str() != "secret").collect())
    }

    async fn may_publish(&self, _: &Identity, topics: &[TopicName]) -> Result<Vec<bool>, AccessError> {
        self.may_subscribe(&Identity::new("", "acme".parse().unwrap()), topics).await
    }
}

/// One shard, so that everybody is a neighbour.
fn start(answer_timeout: Duration) -> (Embedded, Slow) {
    let hub = HubSettings::new("acme".parse().unwrap());
    let slow = Slow { access: DevAccess::new(hub.home.clone()), open: Arc::default() };
    let embedded = Embedded::start_hub(hub, slow.clone(), |settings| {
        settings.shards = Some(1.try_into().unwrap());
        settings.session = SessionSettings::default().answer_timeout(answer_timeout);
    });
    (embedded, slow)
}

fn publish(topic: &str) -> Value {
    let event = json!({ "domain": "a", "event": "b", "payload": {} });
    json!({ "op": "publish", "ref": 7, "event": event, "topics": [topic] })
}

fn post(embedded: &Embedded, body: &Value) -> tidings_tests::Response {
    Request::post("/v1/publish").body(body.to_string()).send(embedded.address)
}

/// The time for an answer. The other answers must come in this time, even on a busy machine.
const SHORT: Duration = Duration::from_secs(1);

#[test]
fn a_session_whose_rights_are_never_told_delays_no_neighbour_and_gets_overloaded() {
    // The neighbour's event must come before the refusal.
    let timeout = 3 * SHORT;
    let (embedded, slow) = start(timeout);
    let mut neighbour = embedded.client(&["a"]);
    let mut waits = embedded.client(&["a"]);
    let begun = Instant::now();
    waits.send(&json!({ "op": "subscribe", "ref": 2, "topics": ["never", "b"] }));
    eventually("the question is open", || slow.open.load(Ordering::Relaxed) == 1);
    assert_eq!(post(&embedded, &publish("a")).status, 200);
    neighbour.expect("event");
    waits.expect("event");
    let refused = waits.expect("subscribed");
    assert!(begun.elapsed() >= timeout);
    for topic in refused["topics"].as_array().unwrap() {
        assert_eq!(topic["code"], "overloaded", "{refused}");
    }
    eventually("its future is dropped", || slow.open.load(Ordering::Relaxed) == 0);
    waits.subscribe(&["b"], None, "live");
    drop((neighbour, waits));
    embedded.stop();
}

#[test]
fn every_request_whose_rights_are_never_told_gets_overloaded() {
    let (embedded, slow) = start(SHORT);
    let mut hello = Client::connect_to(embedded.address);
    hello.send(&json!({ "op": "hello", "token": "never" }));
    hello.expect_end("overloaded", 4503);
    let mut client = embedded.client(&["a"]);
    assert_eq!(client.ask(&publish("never"))["code"], "overloaded");
    let token = json!({ "op": "token", "ref": 8, "token": "never" });
    assert_eq!(client.ask(&token)["code"], "overloaded");
    assert_eq!(client.ask(&publish("secret"))["code"], "forbidden");
    assert_eq!(client.ask(&publish("b"))["op"], "published");
    post(&embedded, &publish("never")).assert_problem(503, "overloaded");
    post(&embedded, &publish("secret")).assert_problem(403, "forbidden");
    let never = Request::post("/v1/publish").header("Authorization", "Bearer never");
    never.body(publish("a").to_string()).send(embedded.address).assert_problem(503, "overloaded");
    let batch = json!([publish("a"), publish("secret"), publish("b")]).to_string();
    let batch = Request::post("/v1/publish/batch").body(batch).send(embedded.address).json();
    let codes: Vec<_> = batch.as_array().unwrap().iter().map(|item| item["code"].as_str()).collect();
    assert_eq!(codes, [None, Some("forbidden"), None]);
    Request::get("/v1/events?topic=never").send(embedded.address).assert_problem(503, "overloaded");
    Request::get("/v1/events?topic=secret").send(embedded.address).assert_problem(403, "forbidden");
    eventually("no future is left", || slow.open.load(Ordering::Relaxed) == 0);
    drop(client);
    embedded.stop();
}

#[test]
fn questions_beyond_the_bound_wait_for_the_others() {
    // All must ask before the first has given up.
    let timeout = Duration::from_secs(4);
    let (embedded, slow) = start(timeout);
    let mut waiting: Vec<Client> = (0..MAX_QUESTIONS).map(|_| embedded.client(&["a"])).collect();
    let begun = Instant::now();
    for client in &mut waiting {
        client.send(&json!({ "op": "subscribe", "ref": 2, "topics": ["never"] }));
    }
    eventually("all are open", || slow.open.load(Ordering::Relaxed) == MAX_QUESTIONS);
    // The time of a question runs while it waits.
    loop {
        let mut next = Client::connect_to(embedded.address);
        if next.ask(&json!({ "op": "hello" }))["op"] == "welcome" {
            break;
        }
    }
    assert!(begun.elapsed() >= timeout, "the others have given up");
    for client in &mut waiting {
        assert_eq!(client.next_frame()["topics"][0]["code"], "overloaded");
    }
    drop(waiting);
    embedded.stop();
}

#[test]
fn a_drain_waits_for_no_answer() {
    let (embedded, slow) = start(Duration::from_secs(600));
    let mut client = embedded.client(&["a"]);
    client.send(&json!({ "op": "subscribe", "ref": 2, "topics": ["never"] }));
    let mut hello = Client::connect_to(embedded.address);
    hello.send(&json!({ "op": "hello", "token": "never" }));
    eventually("both are open", || slow.open.load(Ordering::Relaxed) == 2);
    let (address, begun) = (embedded.address, Instant::now());
    let ends = std::thread::spawn(move || {
        for mut client in [client, hello] {
            client.expect("goaway");
            client.expect_close(1012);
        }
    });
    embedded.stop();
    ends.join().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(20), "{address}");
    assert_eq!(slow.open.load(Ordering::Relaxed), 0);
}

#[test]
fn rights_that_end_are_told_over_http_too() {
    let (embedded, _) = start(SHORT);
    let mut client = embedded.client(&["a", "b"]);
    let mut stream = EventStream::open(embedded.address, &["a", "b"], None);
    stream.expect("subscribed");
    let mut other = EventStream::open(embedded.address, &["b"], None);
    other.expect("subscribed");
    let body = json!({ "sub": "developer", "topics": ["a"] });
    let answer = Request::post("/v1/admin/revoke").body(body.to_string()).send(embedded.address);
    assert_eq!((answer.status, answer.json()), (200, body));
    let gone = client.expect("unsubscribed");
    assert_eq!(gone, json!({ "op": "unsubscribed", "topics": ["a"], "code": "forbidden" }));
    assert_eq!(stream.expect("error").data["code"], "forbidden");
    assert_eq!(stream.read(), None);
    assert_eq!(post(&embedded, &publish("b")).status, 200);
    client.expect("event");
    other.expect("event");
    drop((client, other));
    embedded.stop();
}
