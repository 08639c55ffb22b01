//! Bridges with a source in memory. The runtime has a paused clock: time passes at once while all tasks wait.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

#[cfg(feature = "sqlite")]
mod journal;
mod lives;
mod losses;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, future::BoxFuture};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidings_hub::{Delivery, Hub, HubSettings, Subscription};
use tidings_shared::domains::store;
use tokio::{sync::Notify, time::timeout};

use super::*;
use crate::SystemHost;

/// A record.
#[derive(Debug, Serialize, Deserialize)]
struct Link {
    url: String,
}

/// A store in memory with one callback.
#[derive(Debug, Clone, Default)]
struct Fake(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The callback, while a feed lasts.
    changes: Option<Changes>,
    /// Calls of `subscribe`.
    subscribed: usize,
    /// Feeds that were stopped.
    stopped: usize,
    /// Feeds that have ended, by a stop or by a drop.
    ended: usize,
    /// What the next calls of `subscribe` answer. Without one, they succeed.
    answers: VecDeque<SourceError>,
    is_resumed: bool,
    /// `subscribe` waits for it.
    gate: Option<Arc<Notify>>,
}

impl Fake {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn push(&self, change: Change) {
        if let Some(changes) = &self.state().changes {
            changes.push(change);
        }
    }

    fn write(&self, number: usize) {
        self.push(link(number));
    }

    /// How many feeds were asked for, stopped, and ended by a stop or a drop.
    fn counts(&self) -> (usize, usize, usize) {
        let state = self.state();
        (state.subscribed, state.stopped, state.ended)
    }

    fn changes(&self) -> Changes {
        self.state().changes.clone().unwrap()
    }
}

impl Source for Fake {
    fn name(&self) -> String {
        "fake".to_owned()
    }

    fn subscribe(&self, request: Request) -> BoxFuture<'_, Result<Feed, SourceError>> {
        async move {
            let gate = self.state().gate.clone();
            if let Some(gate) = gate {
                gate.notified().await;
            }
            let mut state = self.state();
            state.subscribed += 1;
            if let Some(error) = state.answers.pop_front() {
                return Err(error);
            }
            state.changes = Some(request.changes());
            let is_resumed = state.is_resumed;
            drop(state);
            let guard = Guard(self.clone());
            let feed = Feed::new(async move {
                guard.0.state().stopped += 1;
            });
            Ok(if is_resumed { feed.resumed() } else { feed })
        }
        .boxed()
    }
}

/// Is dropped with the feed.
struct Guard(Fake);

impl Drop for Guard {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.ended += 1;
        state.changes = None;
    }
}

fn link(number: usize) -> Change {
    let link = Link { url: format!("https://example.com/{number}") };
    Change::upserted(number.to_string(), &link).unwrap()
}

/// A change whose record does not decode.
fn no_link(key: &str) -> Change {
    Change::upserted_raw(key, RawValue::from_string("{}".to_owned()).unwrap())
}

fn topic() -> store::Topic {
    store::Topic::schema("links").unwrap()
}

fn hub() -> Hub {
    Hub::new(HubSettings::new("acme".parse().unwrap()), SystemHost::start())
}

async fn start(hub: &Hub, source: &Fake) -> Result<Bridge<Link>, SourceError> {
    Bridge::start(&hub.tenant(hub.home()), source.clone(), "links", &topic()).await
}

/// Returns what a subscriber gets next: the event and its key, or `sync`. Fails if there is nothing.
async fn next(subscription: &mut Subscription) -> String {
    match timeout(Duration::from_secs(600), subscription.next()).await {
        Ok(Some(Delivery::Event { publication, .. })) => {
            let payload: serde_json::Value = serde_json::from_str(publication.event.payload.get()).unwrap();
            format!("{} {}", publication.event.event, payload["key"].as_str().unwrap())
        }
        Ok(Some(Delivery::Sync { .. })) => "sync".to_owned(),
        other => panic!("{other:?}"),
    }
}

/// Returns what a subscriber gets until it gets nothing more.
async fn rest(subscription: &mut Subscription) -> Vec<String> {
    let mut all = Vec::new();
    // Nothing of a bridge waits for longer.
    while let Ok(delivery) = timeout(Duration::from_secs(60), subscription.next()).await {
        all.push(match delivery.unwrap() {
            Delivery::Event { publication, .. } => publication.event.event.clone(),
            Delivery::Sync { .. } => "sync".to_owned(),
        });
    }
    all
}

#[tokio::test(start_paused = true)]
async fn written_and_deleted_records_become_typed_events_of_the_topic() {
    let (hub, source) = (hub(), Fake::default());
    let topic = store::Topic::schema("links.2026").unwrap();
    let tenant = hub.tenant(&"other".parse().unwrap());
    let _bridge = Bridge::<Link>::start(&tenant, source.clone(), "links", &topic).await.unwrap();
    let mut events = tenant.subscribe(&topic).await;
    source.write(7);
    source.push(Change::deleted("quoted \"key\""));
    let Some(Delivery::Event { publication, .. }) = events.next().await else { panic!("an event") };
    let event = publication.event.decode::<store::Event>().unwrap();
    let store::Event::Upserted(upserted) = event else { panic!("{event:?}") };
    assert_eq!((upserted.schema.as_str(), upserted.key.as_str()), ("links", "7"));
    assert_eq!(serde_json::from_value::<Link>(upserted.record).unwrap().url, "https://example.com/7");
    let Some(Delivery::Event { publication, .. }) = events.next().await else { panic!("an event") };
    let deleted =
        store::Deleted { schema: store::Schema::parse("links").unwrap(), key: "quoted \"key\"".to_owned() };
    assert_eq!(publication.event.decode::<store::Event>(), Ok(store::Event::Deleted(deleted)));
    assert_eq!(hub.metrics().bridge("fake", "links").published.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_told_twice_is_published_once_if_it_has_a_number() {
    let (hub, source) = (hub(), Fake::default());
    let _bridge = start(&hub, &source).await.unwrap();
    let mut events = hub.subscribe(&topic()).await;
    for number in [1, 2, 1, 2, 3] {
        source.push(link(number).number(number as u64));
    }
    source.write(4);
    source.write(4);
    let all: Vec<String> = rest(&mut events).await;
    assert_eq!(all.len(), 5, "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn a_topic_or_a_schema_that_can_have_no_events_is_refused_at_once() {
    let (hub, source) = (hub(), Fake::default());
    let tenant = hub.tenant(hub.home());
    let error = Bridge::<Link>::start(&tenant, source.clone(), "two words", &topic()).await.unwrap_err();
    assert!(matches!(&error, SourceError::Invalid(message) if message.contains("two words")), "{error}");
    let people = tidings_shared::domains::staff::Topic::People;
    let error = Bridge::<Link>::start(&tenant, source.clone(), "links", &people).await.unwrap_err();
    assert!(matches!(&error, SourceError::Invalid(message) if message.contains("staff:people")), "{error}");
    assert_eq!(source.state().subscribed, 0);
}

#[test]
fn a_bridge_needs_a_runtime_and_says_so() {
    let error = start(&hub(), &Fake::default()).now_or_never().unwrap().unwrap_err();
    assert!(error.to_string().contains("tokio"), "{error}");
}
