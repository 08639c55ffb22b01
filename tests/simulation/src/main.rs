//! The real hub, shards, sessions and client cores in a simulated world. Sockets take a part of a write. The network
//! delays, stalls, cuts and goes silent. Servers restart with their logs or without, or several share a journal that has
//! faults of its own. There are writers, views, and peers that send garbage. Everything follows from a seed. The invariants of [`invariant::Invariant`] are checked at every step.
//!
//! `TIDINGS_SEEDS=10000` runs more seeds, and prints its progress. `TIDINGS_SEED=7` runs one of them, and prints everything that happens.

mod access;
mod actor;
mod answers;
mod cluster;
mod config;
mod disturb;
mod fan_out;
mod invariant;
mod journal;
mod journal_check;
mod ledger;
mod link;
mod node;
mod owed;
#[cfg(feature = "planted-bugs")]
mod planted;
mod raw;
mod reads;
mod reference;
mod restart;
mod revoked;
mod rng;
mod served;
mod session_check;
mod socket;
mod stats;
mod store;
mod subscription_check;
mod trouble;
mod user;
mod view;
mod world;

use std::{
    env,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Instant,
};

use config::Config;
use rng::Rng;
use stats::Stats;
use world::{Failure, run};

/// The seeds that a test runs, unless `TIDINGS_SEEDS` says otherwise.
const SEEDS: u64 = 160;

/// The seeds of the test with views only, whose runs are short.
const ROUNDS: u64 = 1_000;

/// The seeds of the test with a journal. They take about a third of the time of the others.
const JOURNALS: u64 = 60;

/// The events that some seed must meet.
const EVENTS: [&str; 52] = [
    "announced as a sync",
    "answer failed",
    "answer that nobody needs",
    "answered later",
    "asked again",
    "blocked",
    "broken socket",
    "client resumed",
    "client synced",
    "client that was revoked",
    "cut",
    "fell behind",
    "garbage",
    "goaway",
    "half-open",
    "has room again",
    "held frames",
    "known key",
    "live",
    "load",
    "load that hangs",
    "load that is shared",
    "log lost",
    "many topics",
    "more than a write",
    "page loaded again",
    "paused for too long",
    "published",
    "publishes full",
    "question given up",
    "rate limited",
    "refused",
    "restart",
    "resumed",
    "revoked",
    "rights unavailable",
    "rolled back",
    "server ping",
    "several frames",
    "sleep",
    "slow consumer",
    "stalled",
    "subject revoked",
    "synced at once",
    "synced later",
    "token expired",
    "token refreshed",
    "topics revoked",
    "topics revoked and forbidden",
    "torn",
    "view that equals the store",
    "waits for room",
];

/// The events that some seed with a journal must meet.
const JOURNAL_EVENTS: [&str; 25] = [
    "acknowledged",
    "announced",
    "announced as a sync",
    "answer of the journal lost",
    "client resumed",
    "crash of all nodes",
    "damaged tenant",
    "degraded",
    "gap",
    "gap of a tenant",
    "is ahead of its node",
    "journal cut off",
    "old copy restored",
    "overloaded",
    "renewed by another node",
    "restored",
    "set back under a running node",
    "slow journal",
    "start without the journal",
    "stopped node that left nothing",
    "subject revoked",
    "suffix lost",
    "the journal fails",
    "trimmed too early",
    "view that equals the store",
];

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Prints how many seeds have ended, if `TIDINGS_SEEDS` asks for many.
#[derive(Debug)]
struct Progress {
    seeds: u64,
    ended: AtomicU64,
    began: Instant,
}

impl Progress {
    /// The number of lines.
    const LINES: u64 = 20;

    fn new(seeds: u64) -> Self {
        Self { seeds, ended: AtomicU64::new(0), began: Instant::now() }
    }

    fn ended_one(&self) {
        let ended = self.ended.fetch_add(1, Ordering::Relaxed) + 1;
        if number("TIDINGS_SEEDS").is_some() && ended.is_multiple_of(self.seeds.div_ceil(Self::LINES)) {
            eprintln!("{ended} of {} seeds in {:.0} s", self.seeds, self.began.elapsed().as_secs_f64());
        }
    }
}

/// Runs seeds on all processors. Returns how often each event was met, or the first failure.
fn run_all(seeds: u64, draw: fn(&mut Rng) -> Config) -> Result<Stats, Box<Failure>> {
    let workers = thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let progress = Progress::new(seeds);
    let share = |worker| {
        let mut stats = Stats::default();
        for seed in (worker..seeds).step_by(workers as usize) {
            stats.merge(&run(seed, draw, false)?);
            progress.ended_one();
        }
        Ok(stats)
    };
    let results: Vec<Result<Stats, Box<Failure>>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|worker| scope.spawn(move || share(worker))).collect();
        workers.into_iter().map(|worker| worker.join().expect("a run gives its failure")).collect()
    });
    let mut all = Stats::default();
    for result in results {
        all.merge(&result?);
    }
    Ok(all)
}

/// Runs the seed that `TIDINGS_SEED` names, or as many as `TIDINGS_SEEDS` says, or this many.
fn explore(seeds: u64, draw: fn(&mut Rng) -> Config) -> Stats {
    let ended = match number("TIDINGS_SEED") {
        Some(seed) => run(seed, draw, true),
        None => run_all(number("TIDINGS_SEEDS").unwrap_or(seeds), draw),
    };
    ended.unwrap_or_else(|failure| panic!("{failure}"))
}

/// Fails unless some seed met each of these events. What no seed met was not checked.
fn all_were_met(stats: &Stats, events: &[&str]) {
    let seen = |what: &str| number("TIDINGS_SEED").is_some() || stats.of(what) > 0;
    let unseen: Vec<&&str> = events.iter().filter(|what| !seen(what)).collect();
    assert!(unseen.is_empty(), "no seed met {unseen:?}");
}

#[test]
fn every_invariant_holds_at_every_step_of_every_seed() {
    let stats = explore(SEEDS, Config::draw);
    println!("{stats:?}");
    all_were_met(&stats, &EVENTS);
}

#[test]
fn a_view_equals_the_store_wherever_a_writer_commits_around_its_subscribe_and_load() {
    let stats = explore(ROUNDS, Config::around_load);
    println!("{stats:?}");
    let views = stats.of("view that equals the store");
    assert!(number("TIDINGS_SEED").is_some() || views >= ROUNDS, "{views} views");
}

#[test]
fn nodes_on_a_journal_keep_every_promise_whatever_happens_to_them_and_to_the_journal() {
    let stats = explore(JOURNALS, Config::on_journal);
    println!("{stats:?}");
    all_were_met(&stats, &JOURNAL_EVENTS);
}
