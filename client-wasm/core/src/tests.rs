//! The client against a server that the test plays, without a network and without real time.

use serde::de::DeserializeOwned;
use serde_json::json;
use tidings_shared::{
    RawEvent,
    frame::{FrameMembers, ServerFrame},
};
use uuid::Uuid;

use super::{
    Client, ConnectionId, Error, LoadId, Loaded, Now, Options, Output, Publish, PublishId, Status,
    SubscriptionId,
};

mod connecting;
mod degraded;
mod evolution;
mod lingering;
mod many_topics;
mod outage;
mod page;
mod publishing;
mod refreshing;
mod subscribing;
mod watching;

type Payload = serde_json::Value;

impl crate::Payload for Payload {
    type Publication = crate::Publication<Self>;
}

/// A frame with a payload that tests can compare.
struct Members(serde_json::Map<String, Payload>);

impl FrameMembers<Payload> for Members {
    fn optional<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, String> {
        let value = self.0.get(name).cloned().unwrap_or_default();
        serde_json::from_value(value).map_err(|error| format!("`{name}`: {error}"))
    }

    fn event(&self) -> Result<RawEvent<Payload>, String> {
        self.optional("event")?.ok_or_else(|| "`event` is missing".to_owned())
    }
}

/// A client with its clock and its last connection.
struct Bench {
    client: Client<Payload>,
    ms: u64,
    random: u32,
    /// The last connection that the client asked for.
    connection: Option<ConnectionId>,
}

impl Bench {
    fn new() -> Self {
        Self::with(Options::default())
    }

    fn with_tokens() -> Self {
        Self::with(Options { asks_for_tokens: true, ..Options::default() })
    }

    fn with(options: Options) -> Self {
        Self { client: Client::new(options), ms: 1_000_000, random: u32::MAX / 2, connection: None }
    }

    fn now(&self) -> Now {
        Now { ms: self.ms, random: self.random }
    }

    /// Takes all outputs.
    fn outputs(&mut self) -> Vec<Output<Payload>> {
        let outputs: Vec<_> = std::iter::from_fn(|| self.client.poll_output()).collect();
        for output in &outputs {
            if let Output::Connect { connection } | Output::Token { connection } = output {
                self.connection = Some(*connection);
            }
        }
        outputs
    }

    /// Takes all outputs, and returns the frames as JSON.
    fn frames(&mut self) -> Vec<serde_json::Value> {
        let frame = |output| match output {
            Output::Send { frame, .. } => Some(serde_json::to_value(frame).unwrap()),
            _ => None,
        };
        self.outputs().into_iter().filter_map(frame).collect()
    }

    fn connection(&self) -> ConnectionId {
        self.connection.expect("the client has not connected")
    }

    fn subscribe(&mut self, topics: &[&str]) -> SubscriptionId {
        let now = self.now();
        self.client.handle_subscribe(topics, now).unwrap()
    }

    fn publish(&mut self, key: u128) -> Result<PublishId, Error> {
        let now = self.now();
        self.client.handle_publish(publish(key), now)
    }

    fn open(&mut self) {
        self.outputs();
        let now = self.now();
        self.client.handle_open(self.connection(), now);
    }

    fn receive(&mut self, frame: serde_json::Value) {
        self.receive_text(&frame.to_string());
    }

    fn receive_text(&mut self, text: &str) {
        let now = self.now();
        let members = serde_json::from_str(text).map(Members).map_err(|error| error.to_string());
        let frame = members.and_then(|m| ServerFrame::read(&m).map_err(|error| error.to_string()));
        self.client.handle_frame(self.connection(), frame, now);
    }

    fn welcome(&mut self) {
        self.welcome_for(None);
    }

    /// Welcomes the client. Its token lives for so long.
    fn welcome_for(&mut self, life_ms: Option<u64>) {
        self.receive(json!({
            "op": "welcome", "session": "s", "tenant": "dev", "position": "head", "heartbeat_ms": 25_000,
            "expires_in_ms": life_ms,
            "limits": {"max_message_bytes": 65_536, "max_topics_per_session": 1_024,
                       "max_topics_per_frame": 128, "frames_per_second": 100},
        }));
    }

    /// Welcomes the client as a server with these limits.
    fn welcome_with(&mut self, message_bytes: u64, session: u64, frame: u64, frames_per_second: u64) {
        self.receive(json!({
            "op": "welcome", "session": "s", "tenant": "dev", "position": "head", "heartbeat_ms": 25_000,
            "limits": {"max_message_bytes": message_bytes, "max_topics_per_session": session,
                       "max_topics_per_frame": frame, "frames_per_second": frames_per_second},
        }));
    }

    /// Answers a subscribe with one outcome for all of its topics.
    fn subscribed(&mut self, subscribe: &serde_json::Value, position: &str, outcome: &str) {
        assert_eq!(subscribe["op"], "subscribe");
        let topics = subscribe["topics"].as_array().unwrap();
        let topics: Vec<_> = topics.iter().map(|topic| json!({"topic": topic, "outcome": outcome})).collect();
        self.receive(json!({
            "op": "subscribed", "ref": subscribe["ref"], "position": position, "topics": topics,
        }));
    }

    /// Opens a session in which these topics are in force at a position.
    fn session(&mut self, topics: &[&str], position: &str) -> SubscriptionId {
        let subscription = self.subscribe(topics);
        self.open();
        let frames = self.frames();
        self.welcome();
        self.subscribed(&frames[1], position, "live");
        self.outputs();
        subscription
    }

    fn event(&mut self, topics: &[&str], position: &str) {
        self.receive(json!({
            "op": "event", "position": position, "key": Uuid::nil(), "at": 1, "topics": topics,
            "event": {"domain": "staff", "event": "person_updated", "payload": {"uuid": Uuid::nil()}},
        }));
    }

    fn close(&mut self, code: u16) {
        let now = self.now();
        self.client.handle_closed(self.connection(), code, now);
    }

    /// Lets time pass until the next timeout, and returns the milliseconds.
    fn next_timeout(&mut self) -> u64 {
        let due = self.client.poll_timeout().expect("nothing is due");
        let passed = due.saturating_sub(self.ms);
        self.ms += passed;
        let now = self.now();
        self.client.handle_timeout(now);
        passed
    }

    /// Loses the connection and opens the next. Returns the first frames of the new one.
    fn reconnect(&mut self) -> Vec<serde_json::Value> {
        self.close(1006);
        self.next_timeout();
        self.open();
        self.frames()
    }
}

fn publish(key: u128) -> Publish<Payload> {
    let (domain, event) = ("staff".to_owned(), "person_updated".to_owned());
    let event = RawEvent { domain, event, payload: json!({"uuid": Uuid::nil()}) };
    Publish { event, topics: None, key: Uuid::from_u128(key), origin: None }
}

/// The outputs for the user, as short texts.
fn told(outputs: Vec<Output<Payload>>) -> Vec<String> {
    let short = |output: Output<Payload>| match output {
        Output::Ready { subscription } => Some(format!("ready {}", subscription.0)),
        Output::Resumed { subscription } => Some(format!("resumed {}", subscription.0)),
        Output::Load { subscription, load } => Some(format!("load {} of {}", load.0, subscription.0)),
        Output::Event { deliveries, publication } => {
            let to: Vec<_> =
                deliveries.iter().map(|d| format!("{}{:?}", d.subscription.0, d.topics)).collect();
            Some(format!("event {} to {}", publication.position, to.join(" ")))
        }
        Output::Sync { delivery, .. } => {
            Some(format!("sync {}{:?}", delivery.subscription.0, delivery.topics))
        }
        Output::Failed { subscription, topic, error, waits } => {
            let how = if waits { "waits" } else { "failed" };
            Some(format!("{how} {} {topic:?} {}", subscription.0, error.code))
        }
        Output::Error(error) => Some(format!("error {}", error.code)),
        _ => None,
    };
    outputs.into_iter().filter_map(short).collect()
}

fn statuses(outputs: &[Output<Payload>]) -> Vec<Status> {
    let status = |output: &Output<Payload>| match output {
        Output::Status(status) => Some(*status),
        _ => None,
    };
    outputs.iter().filter_map(status).collect()
}

#[test]
fn an_unused_client_does_nothing() {
    let mut bench = Bench::new();
    assert_eq!(bench.client.poll_output(), None);
    assert_eq!(bench.client.poll_timeout(), None);
    assert_eq!(bench.client.status(), Status::Idle);
    let now = bench.now();
    bench.client.handle_timeout(now);
    bench.client.handle_closed(ConnectionId(7), 1006, now);
    bench.client.handle_frame(ConnectionId(7), Ok::<_, String>(ServerFrame::Ping { position: None }), now);
    assert_eq!(bench.client.poll_output(), None);
}

#[test]
fn the_client_sends_everything_as_soon_as_the_connection_is_open() {
    let mut bench = Bench::new();
    bench.subscribe(&["staff:people", "staff:teams"]);
    bench.subscribe(&["staff:people"]);
    bench.publish(1).unwrap();
    bench.open();
    let frames = bench.frames();
    assert_eq!(frames[0], json!({"op": "hello"}));
    assert_eq!(frames[1]["topics"], json!(["staff:people", "staff:teams"]));
    assert_eq!(frames[1].get("since"), None);
    assert_eq!(frames[2]["op"], "publish");
    assert_eq!(frames.len(), 3);
}

#[test]
fn frames_that_this_version_does_not_know_are_ignored() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    bench.receive(json!({"op": "applause", "volume": 11}));
    bench.receive(json!({"op": "error", "ref": 77, "code": "a_code_of_next_year", "message": "?"}));
    bench.receive(json!({"op": "unsubscribed", "ref": 78, "topics": ["staff:people"]}));
    bench.receive(json!({"op": "published", "ref": 79, "key": "k", "position": "p", "topics": []}));
    bench.event(&["staff:people"], "p2");
    assert_eq!(told(bench.outputs()), ["event p2 to 1[\"staff:people\"]"]);
}

#[test]
fn a_message_that_cannot_be_read_makes_all_subscriptions_load_again() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    bench.receive_text("{\"op\":\"event\"}");
    assert_eq!(told(bench.outputs()), ["sync 1[\"staff:people\"]", "error invalid_frame"]);
    bench.receive_text("<html>");
    assert_eq!(told(bench.outputs()), ["sync 1[\"staff:people\"]", "error invalid_frame"]);
}

#[test]
fn a_ping_is_answered() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    bench.receive(json!({"op": "ping"}));
    assert_eq!(bench.frames(), [json!({"op": "pong"})]);
}

#[test]
fn close_is_final_and_fails_waiting_publishes() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    let publish = bench.publish(1).unwrap();
    bench.outputs();
    bench.client.handle_close();
    bench.client.handle_close();
    let outputs = bench.outputs();
    assert_eq!(outputs[0], Output::Disconnect { connection: bench.connection() });
    assert_eq!(outputs[1], Output::Status(Status::Closed));
    assert_eq!(outputs[2], Output::PublishFailed { publish, error: Error::closed() });
    assert_eq!(outputs.len(), 3);
    let now = bench.now();
    assert_eq!(bench.client.handle_subscribe(&["staff:people"], now), Err(Error::closed()));
    assert_eq!(bench.publish(2), Err(Error::closed()));
    assert_eq!(bench.client.poll_timeout(), None);
}

#[test]
fn frames_of_an_old_connection_are_ignored() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    let old = bench.connection();
    let frames = bench.reconnect();
    bench.subscribed(&frames[1], "p1", "resumed");
    bench.outputs();
    let now = bench.now();
    let sync = ServerFrame::Sync { position: "old".to_owned(), topics: vec![] };
    bench.client.handle_frame(old, Ok::<_, String>(sync), now);
    bench.client.handle_closed(old, 4403, now);
    bench.client.handle_open(old, now);
    assert_eq!(bench.outputs(), []);
    assert!(matches!(bench.reconnect()[..], [_, ref subscribe] if subscribe["since"] == "p1"));
}
