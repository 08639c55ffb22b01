//! The bridge: the changes of a store in the same program reach clients over real sockets.

mod blocked;
mod failing;
mod views;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use futures_util::{FutureExt, future::BoxFuture};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidings_server::bridge::{Bridge, Change, Changes, Feed, Request, Source, SourceError};
use tidings_shared::domains::store;
use tidings_tests::Client;

use crate::embedded::Embedded;

/// The topic of all bridges here.
const TOPIC: &str = "store:links";

/// A record.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Link {
    clicks: usize,
}

/// A store. It calls back with its lock held, so a callback that blocked would block all writers.
#[derive(Debug, Clone, Default)]
struct Store(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    links: BTreeMap<String, Link>,
    callback: Option<Changes>,
    feeds: usize,
}

impl Store {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn write(&self, key: &str, clicks: usize) {
        let mut state = self.state();
        let link = Link { clicks };
        state.links.insert(key.to_owned(), link);
        if let Some(callback) = &state.callback {
            callback.push(Change::upserted(key, &link).unwrap());
        }
    }

    fn delete(&self, key: &str) {
        let mut state = self.state();
        state.links.remove(key);
        if let Some(callback) = &state.callback {
            callback.push(Change::deleted(key));
        }
    }
}

impl Source for Store {
    fn name(&self) -> String {
        "a store of a test".to_owned()
    }

    fn subscribe(&self, request: Request) -> BoxFuture<'_, Result<Feed, SourceError>> {
        let mut state = self.state();
        state.callback = Some(request.changes());
        state.feeds += 1;
        let store = self.clone();
        let stop = async move { store.state().callback = None };
        async { Ok(Feed::new(stop)) }.boxed()
    }
}

/// Starts the bridge of a store in the home tenant.
async fn start(embedded: &Embedded, store: &Store) -> Bridge<Link> {
    let (hub, topic) = (&embedded.hub, store::Topic::schema("links").unwrap());
    Bridge::start(&hub.tenant(hub.home()), store.clone(), "links", &topic).await.unwrap()
}

/// Returns how many gaps the bridge has published.
fn gaps(embedded: &Embedded) -> u64 {
    embedded.hub.metrics().bridge(&Store::default().name(), "links").gaps.get()
}

/// What a client knows of a store: it applies each event, and loads everything after a sync.
struct Mirror {
    client: Client,
    store: Store,
    links: BTreeMap<String, Link>,
    syncs: usize,
}

impl Mirror {
    fn new(embedded: &Embedded, store: &Store) -> Self {
        let (client, store) = (embedded.client(&[TOPIC]), store.clone());
        Self { client, store, links: BTreeMap::new(), syncs: 0 }
    }

    /// Reads the next frame. Returns the key that it is about, or nothing for a sync.
    #[track_caller]
    fn read(&mut self) -> Option<String> {
        let frame = self.client.next_frame();
        if frame["op"] == "sync" {
            self.syncs += 1;
            self.links = self.store.state().links.clone();
            return None;
        }
        let Value::String(key) = &frame["event"]["payload"]["key"] else { panic!("{frame}") };
        match frame["event"]["event"].as_str() {
            Some("upserted") => {
                let link = serde_json::from_value(frame["event"]["payload"]["record"].clone()).unwrap();
                self.links.insert(key.clone(), link);
            }
            Some("deleted") => drop(self.links.remove(key)),
            _ => panic!("{frame}"),
        }
        Some(key.clone())
    }

    /// Reads until the client knows this key.
    #[track_caller]
    fn read_until(&mut self, key: &str) {
        while !self.links.contains_key(key) {
            self.read();
        }
    }
}
