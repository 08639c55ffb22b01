//! What a bridge costs the writers of its store: the time of one write, without a bridge, with one, and with one that is
//! blocked, so that its hand-off is full.
//!
//! `cargo xtask bench bridge [ROUNDS]`. All rows are measured in each round, one after the other.

#![allow(clippy::unwrap_used, reason = "a benchmark stops at the first fault")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::BoxFuture};
use serde::{Deserialize, Deserializer, Serialize};
use tidings_server::{
    Hub, HubSettings, SystemHost,
    bridge::{Bridge, Change, Changes, Feed, HAND_OFF_CHANGES, Request, Source, SourceError},
};
use tidings_shared::domains::store;

/// Time of one row in one round.
const TIME: Duration = Duration::from_secs(3);

/// Time from one write to the next.
const PACE: Duration = Duration::from_micros(200);

const ROWS: [(&str, Kind); 3] = [
    ("no bridge", Kind::None),
    ("a bridge", Kind::Runs),
    ("a bridge that is blocked, with a full hand-off", Kind::Blocked),
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    None,
    Runs,
    Blocked,
}

/// Who decodes a record waits for this lock.
static GATE: Mutex<()> = Mutex::new(());

/// A record of some 128 bytes.
#[derive(Debug, Clone, Serialize)]
struct Link {
    url: String,
    clicks: u64,
}

/// A record that takes as long to decode as the gate is closed.
#[derive(Debug)]
struct Gated;

impl<'de> Deserialize<'de> for Gated {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        drop(GATE.lock().unwrap());
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// A store in memory that calls back with its lock held.
#[derive(Debug, Clone, Default)]
struct Store(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    links: BTreeMap<u64, Link>,
    callback: Option<Changes>,
}

impl Store {
    fn write(&self, key: u64, clicks: u64) {
        let mut state = self.0.lock().unwrap();
        let link = Link { url: "x".repeat(100), clicks };
        // A store without a bridge encodes the record, too: it has to keep it somewhere.
        let change = Change::upserted(key.to_string(), &link).unwrap();
        state.links.insert(key, link);
        if let Some(callback) = &state.callback {
            callback.push(change);
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

fn main() {
    // `cargo bench` adds `--bench`.
    let rounds = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(5);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut measured = vec![Vec::new(); ROWS.len()];
    for _ in 0..rounds {
        for ((_, kind), measured) in ROWS.iter().zip(&mut measured) {
            measured.push(measure(*kind, &runtime));
        }
    }
    println!("\n| a write with | p50 µs | p99 µs | p99.9 µs |\n|---|---|---|---|");
    for ((label, _), measured) in ROWS.iter().zip(measured) {
        let column = |index: usize| spread(measured.iter().map(|percentiles: &[f64; 3]| percentiles[index]));
        println!("| {label} | {} | {} | {} |", column(0), column(1), column(2));
    }
}

/// Writes for a while. Returns the median, the 99th and the 99.9th percentile of a write, in microseconds.
fn measure(kind: Kind, runtime: &tokio::runtime::Runtime) -> [f64; 3] {
    let store = Store::default();
    let hub = Hub::new(HubSettings::new("bench".parse().unwrap()), SystemHost::start());
    let topic = store::Topic::schema("links").unwrap();
    let tenant = hub.tenant(hub.home());
    let bridge = (kind != Kind::None)
        .then(|| runtime.block_on(Bridge::<Gated>::start(&tenant, store.clone(), "links", &topic)).unwrap());
    let gate = (kind == Kind::Blocked).then(|| GATE.lock().unwrap());
    if gate.is_some() {
        (0..2 * HAND_OFF_CHANGES as u64).for_each(|number| store.write(number, number));
    }
    let (begin, mut writes) = (Instant::now(), Vec::new());
    for number in 0.. {
        let due = begin + PACE * number;
        if due >= begin + TIME {
            break;
        }
        while Instant::now() < due {
            std::hint::spin_loop();
        }
        let written = Instant::now();
        store.write(u64::from(number % 1_000), number.into());
        writes.push(written.elapsed());
    }
    drop(gate);
    if let Some(bridge) = bridge {
        runtime.block_on(bridge.stop());
    }
    writes.sort_unstable();
    let percentile = |part: f64| writes[(writes.len() as f64 * part) as usize].as_secs_f64() * 1e6;
    [percentile(0.5), percentile(0.99), percentile(0.999)]
}

/// The median, with the least and the most in brackets.
fn spread(values: impl Iterator<Item = f64>) -> String {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let (least, most) = (values[0], values[values.len() - 1]);
    format!("{:.1} ({least:.1} to {most:.1})", values[values.len() / 2])
}
