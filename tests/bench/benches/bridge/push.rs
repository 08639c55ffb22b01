//! A store in memory that calls back with its lock held.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};

use futures_util::{FutureExt, future::BoxFuture};
use serde::Serialize;
use tidings_server::{
    Hub, SystemHost,
    bridge::{Change, Changes, Feed, HAND_OFF_CHANGES, Request, Source, SourceError},
};

use crate::{DEATHS, GATE, KEYS, Kind, LIFE, Measure, runtime, settings, start, write};

/// A record of some 128 bytes.
#[derive(Debug, Clone, Serialize)]
struct Link {
    url: String,
    clicks: u64,
}

#[derive(Debug, Clone, Default)]
struct Store(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    links: BTreeMap<u64, Link>,
    callback: Option<Changes>,
}

impl Store {
    fn write(&self, number: u64) {
        let mut state = self.0.lock().unwrap();
        let (key, link) = (number % KEYS, Link { url: "x".repeat(100), clicks: number });
        // A store without a bridge encodes the record, too: it has to keep it somewhere.
        let change = Change::upserted(key.to_string(), &link).unwrap();
        state.links.insert(key, link);
        if let Some(callback) = &state.callback {
            callback.push(change);
        }
    }

    /// Fails again and again, until it shall end.
    fn die(&self, ends: &AtomicBool) {
        while !ends.load(Relaxed) {
            thread::sleep(LIFE);
            // It comes back when the bridge subscribes again.
            let callback = self.0.lock().unwrap().callback.take();
            if let Some(callback) = callback {
                callback.failed(SourceError::Failed("it has died".to_owned()));
                DEATHS.fetch_add(1, Relaxed);
            }
        }
    }
}

impl Source for Store {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    fn subscribe(&self, request: Request) -> BoxFuture<'_, Result<Feed, SourceError>> {
        self.0.lock().unwrap().callback = Some(request.changes());
        let store = self.clone();
        let stop = async move { store.0.lock().unwrap().callback = None };
        async { Ok(Feed::new(stop)) }.boxed()
    }
}

pub(crate) fn measure() -> Measure {
    let runtime = runtime();
    Box::new(move |kind, pace| {
        let (store, hub) = (Store::default(), Hub::new(settings(), SystemHost::start()));
        let bridge = (kind != Kind::None).then(|| runtime.block_on(start(&hub, store.clone())));
        let gate = (kind == Kind::Blocked).then(|| GATE.lock().unwrap());
        if gate.is_some() {
            (0..2 * HAND_OFF_CHANGES as u64).for_each(|number| store.write(number));
        }
        let ends = AtomicBool::new(kind != Kind::Dies);
        let percentiles = thread::scope(|scope| {
            scope.spawn(|| store.die(&ends));
            let percentiles = write(pace, |number| store.write(number));
            ends.store(true, Relaxed);
            percentiles
        });
        drop(gate);
        if let Some(bridge) = bridge {
            runtime.block_on(bridge.stop());
        }
        percentiles
    })
}
