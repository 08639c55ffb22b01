//! The client core under any sequence of inputs, also those of a hostile server.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::value::RawValue;
use tidings_client_core::{
    Client, ConnectionId, LoadId, Loaded, Now, Options, Output, Publish, PublishId, Status, SubscriptionId,
    Watching,
};
use tidings_shared::{
    RawEvent,
    frame::{ClientFrame, ServerFrame},
};
use uuid::Uuid;

use crate::cases;

#[derive(Debug, Clone)]
enum Input {
    Subscribe {
        topics: Vec<u8>,
        is_view: bool,
    },
    Unsubscribe(u8),
    Publish,
    Cancel(u8),
    Token(bool),
    Open,
    /// A frame that fits the state or does not, on this connection or on an old one.
    Frame {
        kind: u8,
        r#ref: u8,
        topics: Vec<u8>,
        outcome: u8,
        number: u64,
        is_old: bool,
    },
    /// The answers of a good server to everything that was sent on this connection.
    Answers {
        outcome: u8,
        number: u64,
    },
    Garbage,
    Closed(u16),
    Pass(u32),
    Timeout,
    Sleep,
    Wake,
    Outdated(u8),
    Reload(u8),
    Loaded {
        subscription: u8,
        load: u8,
        how: u8,
    },
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let topics = || prop::collection::vec(0..6_u8, 0..4);
    let codes = prop::sample::select(vec![1000, 1001, 1006, 1009, 1012, 4401, 4408, 4429, 4503, 9]);
    let frame = (0..17_u8, 0..40_u8, topics(), 0..5_u8, any::<u64>(), prop::bool::weighted(0.1)).prop_map(
        |(kind, r#ref, topics, outcome, number, is_old)| Input::Frame {
            kind,
            r#ref,
            topics,
            outcome,
            number,
            is_old,
        },
    );
    let input = prop_oneof![
        4 => (topics(), any::<bool>()).prop_map(|(topics, is_view)| Input::Subscribe { topics, is_view }),
        2 => any::<u8>().prop_map(Input::Unsubscribe),
        2 => Just(Input::Publish),
        1 => any::<u8>().prop_map(Input::Cancel),
        1 => any::<bool>().prop_map(Input::Token),
        4 => Just(Input::Open),
        10 => frame,
        8 => (topics(), 0..9_u64, prop::bool::weighted(0.05)).prop_map(|(topics, number, is_old)| {
            Input::Frame { kind: 7, r#ref: 0, topics, outcome: 0, number, is_old }
        }),
        4 => (0..4_u8, 0..9_u64).prop_map(|(outcome, number)| Input::Answers { outcome, number }),
        1 => Just(Input::Garbage),
        2 => codes.prop_map(Input::Closed),
        3 => (0..60_000_u32).prop_map(Input::Pass),
        3 => Just(Input::Timeout),
        1 => Just(Input::Sleep),
        1 => Just(Input::Wake),
        1 => any::<u8>().prop_map(Input::Outdated),
        1 => any::<u8>().prop_map(Input::Reload),
        2 => (any::<u8>(), 0..20_u8, 0..3_u8)
            .prop_map(|(subscription, load, how)| Input::Loaded { subscription, load, how }),
    ];
    prop::collection::vec(input, 1..120)
}

fn name(number: u8) -> String {
    // One of them is no topic.
    if number == 5 { "no topic".to_owned() } else { format!("t:{number}") }
}

/// Returns a frame of a server, right or wrong.
fn server_text(kind: u8, r#ref: u8, topics: &[u8], outcome: u8, number: u64) -> String {
    let names: Vec<String> = topics.iter().map(|&number| name(number)).collect();
    let outcome = ["live", "resumed", "sync", "refused", "of_next_year"][usize::from(outcome)];
    let code = [None, Some("forbidden"), Some("too_many_topics"), Some("overloaded")][(number % 4) as usize];
    let outcomes: Vec<_> = names
        .iter()
        .map(|topic| serde_json::json!({ "topic": topic, "outcome": outcome, "code": code }))
        .collect();
    let event = serde_json::json!({ "domain": "t", "event": "e", "payload": {} });
    let lives = [None, Some(number), Some(number % 100_000)];
    let position = format!("p{}", number % 3);
    let frame = match kind {
        0 | 1 => serde_json::json!({
            "op": "welcome", "session": "s", "tenant": "t", "position": position, "heartbeat_ms": number,
            "expires_in_ms": lives[usize::from(kind) + topics.len() % 2],
            "limits": { "max_message_bytes": number, "max_topics_per_session": number % 7,
                        "max_topics_per_frame": number % 5, "frames_per_second": number % 200 },
        }),
        2..=4 => {
            serde_json::json!({ "op": "subscribed", "ref": r#ref, "position": position, "topics": outcomes })
        }
        5 => serde_json::json!({ "op": "unsubscribed", "ref": r#ref, "topics": names }),
        6 => serde_json::json!({ "op": "unsubscribed", "topics": names, "code": "forbidden" }),
        7 | 8 => serde_json::json!({
            "op": "event", "position": position, "key": "k", "at": number, "topics": names, "event": event
        }),
        9 => serde_json::json!({ "op": "sync", "position": position, "topics": names }),
        10 => {
            serde_json::json!({ "op": "published", "ref": r#ref, "key": "k", "position": position, "topics": names })
        }
        11 => serde_json::json!({ "op": "ping", "position": position }),
        12 => serde_json::json!({ "op": "goaway", "retry_after_ms": number }),
        13 => serde_json::json!({ "op": "token_accepted", "ref": r#ref, "expires_in_ms": number % 100_000 }),
        14 => serde_json::json!({ "op": "degraded", "since": number }),
        15 => serde_json::json!({ "op": "restored", "position": "p" }),
        _ => {
            let code =
                ["rate_limited", "forbidden", "too_many_topics", "going_away", "x"][(number % 5) as usize];
            serde_json::json!({ "op": "error", "ref": number.is_multiple_of(2).then_some(r#ref), "code": code, "message": "" })
        }
    };
    frame.to_string()
}

/// Events that the driver delivers itself, as the page of a browser does.
#[derive(Default)]
struct OwnDeliveries {
    /// The listeners of topics, since the last input that was not about events or loads.
    listeners: BTreeMap<String, Vec<SubscriptionId>>,
    /// The last event that the client has not been told: its position and its time.
    last: Option<(ConnectionId, String, Now)>,
}

/// A client, its sockets, and the subscriptions and publishes of its user.
struct Bench {
    client: Client<Box<RawValue>>,
    ms: u64,
    random: u32,
    last: u64,
    sockets: BTreeSet<ConnectionId>,
    subscriptions: Vec<SubscriptionId>,
    publishes: Vec<PublishId>,
    /// The subscribes of this connection that have no answer yet: their `ref` and their topics.
    asked: Vec<(u64, Vec<u8>)>,
    own: Option<OwnDeliveries>,
    /// What the user and the network have got.
    seen: Vec<String>,
}

impl Bench {
    fn new(asks_for_tokens: bool, own: Option<OwnDeliveries>) -> Self {
        Self {
            client: Client::new(Options { asks_for_tokens, ..Options::default() }),
            ms: 1_000,
            random: 7,
            last: 0,
            sockets: BTreeSet::new(),
            subscriptions: Vec::new(),
            publishes: Vec::new(),
            asked: Vec::new(),
            own,
            seen: Vec::new(),
        }
    }

    /// Tells the client of the events that were delivered.
    fn settle(&mut self) {
        let Some(own) = &mut self.own else { return };
        own.listeners.clear();
        if let Some((connection, position, now)) = own.last.take() {
            self.client.handle_delivered(connection, position, now);
        }
    }

    /// Delivers an event. Returns `false` if the client must do that.
    fn deliver(&mut self, connection: ConnectionId, frame: &ServerFrame, now: Now) -> bool {
        let (Some(own), ServerFrame::Event { position, topics, .. }) = (&mut self.own, frame) else {
            return false;
        };
        if topics.is_empty() || self.client.poll_timeout().is_some_and(|due| due <= now.ms) {
            return false;
        }
        let mut ids = BTreeSet::new();
        for topic in topics {
            let Some(listeners) =
                own.listeners.get(topic).cloned().or_else(|| self.client.listeners(connection, topic))
            else {
                return false;
            };
            own.listeners.insert(topic.clone(), listeners.clone());
            ids.extend(listeners);
        }
        own.last = Some((connection, position.clone(), now));
        self.sees_event(position, ids);
        true
    }

    fn sees_event(&mut self, position: &str, ids: BTreeSet<SubscriptionId>) {
        if !ids.is_empty() {
            self.seen.push(format!("event {position} for {ids:?}"));
        }
    }

    fn now(&mut self) -> Now {
        self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Now { ms: self.ms, random: self.random }
    }

    fn any(&self, number: u8) -> SubscriptionId {
        let held = &self.subscriptions;
        if held.is_empty() { SubscriptionId(number.into()) } else { held[usize::from(number) % held.len()] }
    }

    fn take(&mut self, input: Input) -> Result<(), TestCaseError> {
        let now = self.now();
        let last = ConnectionId(self.last);
        if !matches!(
            input,
            Input::Frame { kind: 7 | 8, .. }
                | Input::Outdated(_)
                | Input::Reload(_)
                | Input::Loaded { .. }
                | Input::Pass(_)
        ) {
            self.settle();
        }
        match input {
            Input::Subscribe { topics, is_view } => {
                let topics: Vec<String> = topics.into_iter().map(name).collect();
                let subscribed = if is_view {
                    // The other may be gone, may be no view, and may have other topics.
                    let shares = (now.random.is_multiple_of(2)).then(|| self.any(now.random as u8));
                    let watching = Watching { min_interval_ms: u64::from(now.random % 400), shares };
                    self.client.handle_watch_with(&topics, watching, now)
                } else {
                    self.client.handle_subscribe(&topics, now)
                };
                self.subscriptions.extend(subscribed);
            }
            Input::Unsubscribe(which) => {
                let id = self.any(which);
                self.subscriptions.retain(|held| *held != id);
                self.client.handle_unsubscribe(id);
            }
            Input::Publish => {
                let event = RawEvent::parse(r#"{"domain":"t","event":"e","payload":{}}"#).expect("an event");
                let publish =
                    Publish { event, topics: None, key: Uuid::from_u128(now.ms.into()), origin: None };
                self.publishes.extend(self.client.handle_publish(publish, now));
            }
            Input::Cancel(which) if !self.publishes.is_empty() => {
                let id = self.publishes.remove(usize::from(which) % self.publishes.len());
                self.client.handle_cancel(id);
            }
            Input::Cancel(_) => {}
            Input::Token(good) => {
                let token = if good { Ok(Some("t".to_owned())) } else { Err("none".to_owned()) };
                self.client.handle_token(last, token, now);
            }
            Input::Open => {
                self.client.handle_token(last, Ok(None), now);
                self.drain()?;
                let now = self.now();
                self.client.handle_open(last, now);
            }
            Input::Frame { kind, r#ref, topics, outcome, number, is_old } => {
                let id = ConnectionId(if is_old { self.last.wrapping_sub(1) } else { self.last });
                let frame = ServerFrame::parse(&server_text(kind, r#ref, &topics, outcome, number));
                if let Ok(frame) = &frame
                    && self.deliver(id, frame, now)
                {
                    return Ok(());
                }
                self.settle();
                self.client.handle_frame(id, frame, now);
            }
            Input::Answers { outcome, number } => {
                // Enough of everything.
                let mut answers = vec![server_text(0, 0, &[], 0, 25_304)];
                for (r#ref, topics) in std::mem::take(&mut self.asked) {
                    answers.push(server_text(2, r#ref as u8, &topics, outcome, number));
                }
                for text in answers {
                    let now = self.now();
                    self.client.handle_frame(last, ServerFrame::parse(&text), now);
                }
            }
            Input::Garbage => self.client.handle_frame(last, ServerFrame::parse("<html>"), now),
            Input::Closed(code) => {
                self.sockets.remove(&last);
                self.client.handle_closed(last, code, now);
            }
            Input::Pass(ms) => self.ms += u64::from(ms),
            Input::Timeout => {
                if let Some(due) = self.client.poll_timeout() {
                    // A server may ask for any time, but the client bounds it.
                    prop_assert!(due <= self.ms + 400_000, "due at {due}, now {}", self.ms);
                    self.ms = self.ms.max(due);
                }
                let now = self.now();
                self.client.handle_timeout(now);
            }
            Input::Sleep => self.client.handle_sleep(now),
            Input::Wake => self.client.handle_wake(now),
            Input::Outdated(which) => self.client.handle_outdated(self.any(which), now),
            Input::Reload(which) => self.client.handle_reload(self.any(which), now),
            Input::Loaded { subscription, load, how } => {
                let how = [Loaded::Done, Loaded::Retry, Loaded::Failed][usize::from(how)];
                self.client.handle_loaded(self.any(subscription), LoadId(load.into()), how, now);
            }
        }
        self.drain()
    }

    /// Takes all outputs. Checks that each is for a subscription or a publish that exists, and that there is one socket.
    fn drain(&mut self) -> Result<(), TestCaseError> {
        let mut count = 0;
        while let Some(output) = self.client.poll_output() {
            count += 1;
            prop_assert!(count <= 1_000, "{output:?}");
            match &output {
                Output::Event { deliveries, publication } => {
                    let ids = deliveries.iter().map(|delivery| delivery.subscription).collect();
                    self.sees_event(&publication.position, ids);
                }
                output => self.seen.push(format!("{output:?}")),
            }
            if let Output::Send { frame: ClientFrame::Subscribe { r#ref, topics, .. }, .. } = &output {
                let numbers = topics.iter().filter_map(|name| name.rsplit(':').next()?.parse().ok());
                self.asked.push((*r#ref, numbers.collect()));
            }
            match output {
                Output::Token { connection } => self.last = connection.0,
                Output::Connect { connection } => {
                    self.last = connection.0;
                    self.asked.clear();
                    self.sockets.insert(connection);
                    prop_assert!(self.sockets.len() == 1, "{:?}", self.sockets);
                }
                // The socket may be closed already.
                Output::Disconnect { connection } => drop(self.sockets.remove(&connection)),
                Output::Send { connection, .. } => {
                    prop_assert!(self.sockets.contains(&connection), "{connection:?} is not there");
                }
                Output::Ready { subscription: id }
                | Output::Resumed { subscription: id }
                | Output::Load { subscription: id, .. }
                | Output::Failed { subscription: id, .. } => self.has(id)?,
                Output::Sync { delivery, .. } => self.has(delivery.subscription)?,
                Output::Event { deliveries, .. } => {
                    deliveries.iter().try_for_each(|delivery| self.has(delivery.subscription))?;
                }
                Output::Published { publish, .. } | Output::PublishFailed { publish, .. } => {
                    let before = self.publishes.len();
                    self.publishes.retain(|waiting| *waiting != publish);
                    prop_assert_eq!(self.publishes.len() + 1, before, "{:?} is answered twice", publish);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn has(&self, id: SubscriptionId) -> Result<(), TestCaseError> {
        // An output may come before the caller has the id of a new subscription.
        let is_new = self.subscriptions.iter().max().is_none_or(|newest| id > *newest);
        prop_assert!(is_new || self.subscriptions.contains(&id), "{id:?} was removed");
        Ok(())
    }
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn the_client_takes_any_input_and_keeps_nothing(asks_for_tokens: bool, inputs in inputs()) {
        let mut bench = Bench::new(asks_for_tokens, None);
        for input in inputs {
            bench.take(input)?;
        }
        // Without subscriptions and publishes, a client whose connection is lost does not connect again.
        for id in std::mem::take(&mut bench.subscriptions) {
            bench.client.handle_unsubscribe(id);
        }
        for id in std::mem::take(&mut bench.publishes) {
            bench.client.handle_cancel(id);
        }
        bench.take(Input::Wake)?;
        bench.take(Input::Closed(1006))?;
        for _ in 0..4 {
            bench.take(Input::Timeout)?;
        }
        prop_assert!(
            matches!(bench.client.status(), Status::Idle | Status::Closed),
            "{:?}: {:?}",
            bench.client.status(),
            bench.client.poll_timeout()
        );
        prop_assert_eq!(bench.client.poll_timeout(), None);
    }
    #[test]
    fn events_that_the_driver_delivers_itself_change_nothing_else(
        asks_for_tokens: bool,
        inputs in inputs(),
    ) {
        let mut plain = Bench::new(asks_for_tokens, None);
        let mut own = Bench::new(asks_for_tokens, Some(OwnDeliveries::default()));
        for input in inputs {
            plain.take(input.clone())?;
            own.take(input)?;
            prop_assert_eq!(&plain.seen, &own.seen);
        }
        own.settle();
        prop_assert_eq!(plain.client.poll_timeout(), own.client.poll_timeout());
        prop_assert_eq!(plain.client.status(), own.client.status());
    }
}
