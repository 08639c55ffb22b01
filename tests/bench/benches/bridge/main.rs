//! What a bridge costs the writers of its store: the time of one write without a bridge, with one, with one that is blocked, and
//! with one that dies and comes back all the time.
//!
//! `cargo xtask bench bridge [push] [sqlite] [postgres] [ROUNDS]`. All rows of a store are measured in each round, one after the
//! other.

#![allow(clippy::unwrap_used, reason = "a benchmark stops at the first fault")]

mod postgres;
mod push;
mod sqlite;

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Deserializer};
use tidings_server::{
    Hub, HubSettings,
    bridge::{Bridge, Source},
};
use tidings_shared::domains::store;
use tokio::runtime::{Builder, Runtime};

/// Time of one row in one round.
const TIME: Duration = Duration::from_secs(3);

/// A bridge that dies lives for so long.
const LIFE: Duration = Duration::from_millis(30);

/// From one write to the next.
const SHORT: Duration = Duration::from_micros(200);
const LONG: Duration = Duration::from_millis(1);

/// Keys that are written in turn.
const KEYS: u64 = 1_000;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    None,
    Runs,
    /// Its application's code does not return. So what waits for it is full, or grows.
    Blocked,
    Dies,
}

const KINDS: [(&str, Kind); 4] = [
    ("no bridge", Kind::None),
    ("a bridge", Kind::Runs),
    ("a bridge that is blocked", Kind::Blocked),
    ("a bridge that dies and comes back", Kind::Dies),
];

/// The median, the 99th and the 99.9th percentile of a write, in microseconds.
type Percentiles = [f64; 3];

/// Measures one row: a kind of bridge, and the time from one write to the next.
type Measure = Box<dyn FnMut(Kind, Duration) -> Percentiles>;

/// A store, the times between its writes, and how it is measured.
type Store = (&'static str, &'static [Duration], fn() -> Measure);

/// Who decodes a record waits for this lock.
static GATE: Mutex<()> = Mutex::new(());

/// How often a bridge has died.
static DEATHS: AtomicUsize = AtomicUsize::new(0);

/// A record that takes as long to decode as the gate is closed.
#[derive(Debug)]
struct Gated;

impl<'de> Deserialize<'de> for Gated {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        drop(GATE.lock().unwrap());
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

fn main() {
    // `cargo bench` adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let rounds = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(5);
    let stores: [Store; 4] = [
        ("push", &[SHORT], push::measure),
        ("sqlite", &[LONG, Duration::ZERO], sqlite::measure),
        ("postgres", &[LONG, Duration::ZERO], postgres::measure),
        ("postgres durable", &[Duration::ZERO], postgres::measure_durable),
    ];
    let is_asked = |name: &str| {
        let mut named = arguments.iter().filter(|argument| argument.parse::<usize>().is_err()).peekable();
        named.peek().is_none() || named.any(|asked| name.split(' ').next() == Some(asked))
    };
    println!(
        "| store | between two writes | bridge | p50 µs | p99 µs | p99.9 µs |\n|---|---|---|---|---|---|"
    );
    for (name, paces, start) in stores {
        if !is_asked(name) {
            continue;
        }
        let (mut measure, mut measured) = (start(), vec![Vec::new(); paces.len() * KINDS.len()]);
        let rows =
            || paces.iter().flat_map(|pace| KINDS.iter().map(move |(label, kind)| (*pace, *label, *kind)));
        for _ in 0..rounds {
            for ((pace, _, kind), measured) in rows().zip(&mut measured) {
                measured.push(measure(kind, pace));
            }
        }
        for ((pace, label, _), measured) in rows().zip(measured) {
            let column = |index: usize| spread(measured.iter().map(|percentiles| percentiles[index]));
            println!("| {name} | {pace:?} | {label} | {} | {} | {} |", column(0), column(1), column(2));
        }
    }
    eprintln!("bridges have died {} times", DEATHS.load(Relaxed));
}

/// Writes for a while.
fn write(pace: Duration, mut write: impl FnMut(u64)) -> Percentiles {
    let (begin, mut writes) = (Instant::now(), Vec::new());
    for number in 0.. {
        let due = begin + pace * number;
        if due.max(Instant::now()) >= begin + TIME {
            break;
        }
        wait_until(due);
        let written = Instant::now();
        write(number.into());
        writes.push(written.elapsed());
    }
    writes.sort_unstable();
    let percentile = |part: f64| writes[(writes.len() as f64 * part) as usize].as_secs_f64() * 1e6;
    [percentile(0.5), percentile(0.99), percentile(0.999)]
}

/// Sleeps, and is exact for times that a sleep would exceed.
fn wait_until(due: Instant) {
    let rest = due.saturating_duration_since(Instant::now());
    if rest > Duration::from_micros(500) {
        thread::sleep(rest);
    }
    while Instant::now() < due {
        std::hint::spin_loop();
    }
}

fn settings() -> HubSettings {
    HubSettings::new("bench".parse().unwrap())
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Starts the bridge of the schema `links`.
async fn start(hub: &Hub, source: impl Source) -> Bridge<Gated> {
    let topic = store::Topic::schema("links").unwrap();
    Bridge::start(&hub.tenant(hub.home()), source, "links", &topic).await.unwrap()
}

/// The median, with the least and the most in brackets.
fn spread(values: impl Iterator<Item = f64>) -> String {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let (least, most) = (values[0], values[values.len() - 1]);
    format!("{:.1} ({least:.1} to {most:.1})", values[values.len() / 2])
}
