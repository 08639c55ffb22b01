//! Readers and publishers, each on a thread of its own. Each reader gets each event once, in the order of positions, and
//! no sync.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use postgres::{Client, NoTls};
use tidings_client_core::{Output, PublishId};
use tidings_shared::Position;
use tidings_tests::{Jitter, Payload, Tab, sample};
use uuid::Uuid;

use super::TOPIC;

/// The numbers of a publisher's events begin at so many times its index.
const STRIDE: usize = 10_000_000;

/// Events of a publisher that wait for their answers.
const IN_FLIGHT: usize = 32;

/// How long a client waits for something before it looks whether the test goes on.
const LOOK: Duration = Duration::from_millis(200);

/// The longest wait for the crowd. A machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of a thread's stack. There is a thread for each client.
const STACK: usize = 256 * 1024;

/// Where a client connects: to each of these in turn, and to the next after a loss.
pub(super) type Nodes = Vec<SocketAddr>;

/// Who publishes.
#[derive(Debug)]
pub(super) enum Publisher {
    /// A client of these nodes.
    Client(Nodes),
    /// A program that writes into the outbox of this database.
    Outbox(String),
}

/// What the threads share.
#[derive(Debug)]
struct Shared {
    /// The publishers publish nothing more.
    stops: AtomicBool,
    /// The readers that have subscribed.
    ready: AtomicUsize,
    /// Acknowledged events, by publisher.
    acknowledged: Vec<AtomicUsize>,
    /// The number of all events of a publisher when it has ended. `usize::MAX` before.
    published: Vec<AtomicUsize>,
}

/// Events without a hole that a reader has, by publisher.
type Seen = Arc<Vec<AtomicUsize>>;

/// Readers and publishers.
#[derive(Debug)]
pub(super) struct Crowd {
    shared: Arc<Shared>,
    readers: Vec<Seen>,
    threads: Vec<JoinHandle<()>>,
}

fn spawn(run: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    thread::Builder::new().stack_size(STACK).spawn(run).unwrap()
}

fn counters(count: usize, value: usize) -> Vec<AtomicUsize> {
    (0..count).map(|_| AtomicUsize::new(value)).collect()
}

impl Crowd {
    /// Starts readers, waits until all have subscribed, and starts publishers with a pause between events.
    #[track_caller]
    pub(super) fn start(readers: Vec<Nodes>, publishers: Vec<Publisher>, pause: Duration) -> Self {
        let count = publishers.len();
        let shared = Arc::new(Shared {
            stops: AtomicBool::new(false),
            ready: AtomicUsize::new(0),
            acknowledged: counters(count, 0),
            published: counters(count, usize::MAX),
        });
        let mut crowd = Self { shared: Arc::clone(&shared), readers: Vec::new(), threads: Vec::new() };
        let all = readers.len();
        for (index, nodes) in readers.into_iter().enumerate() {
            let (seen, shared) = (Arc::new(counters(count, 0)), Arc::clone(&shared));
            crowd.readers.push(Arc::clone(&seen));
            crowd
                .threads
                .push(spawn(move || read(Tab::among(&nodes, Jitter::Little), index, &seen, &shared)));
        }
        crowd.until("all subscribe", |crowd| crowd.shared.ready.load(Relaxed) == all);
        for (index, publisher) in publishers.into_iter().enumerate() {
            let shared = Arc::clone(&shared);
            crowd.threads.push(spawn(move || match publisher {
                Publisher::Client(nodes) => {
                    publish(Tab::among(&nodes, Jitter::Little), index, pause, &shared)
                }
                Publisher::Outbox(url) => write(&url, index, pause, &shared),
            }));
        }
        crowd
    }

    /// Waits until something holds, and until no longer than no thread has failed.
    #[track_caller]
    pub(super) fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            let has_failed =
                !self.shared.stops.load(Relaxed) && self.threads.iter().any(JoinHandle::is_finished);
            assert!(!has_failed, "a client has failed: its message is above");
            assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}: {self:?}");
            thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Waits until a reader has so many more events of a publisher. Returns how long it took.
    #[track_caller]
    pub(super) fn goes_on(&self, reader: usize, publisher: usize, events: usize) -> Duration {
        let begin = Instant::now();
        let goal = self.newest(publisher) + events;
        self.until(&format!("reader {reader} has more of publisher {publisher}"), |crowd| {
            crowd.readers[reader][publisher].load(Relaxed) >= goal
        });
        begin.elapsed()
    }

    /// Waits until each reader has so many more events of each publisher. Returns how long it took.
    #[track_caller]
    pub(super) fn all_go_on(&self, events: usize) -> Duration {
        let begin = Instant::now();
        let goals: Vec<usize> =
            (0..self.shared.published.len()).map(|index| self.newest(index) + events).collect();
        self.until("all readers have more of all publishers", |crowd| {
            let has_all =
                |seen: &Seen| seen.iter().zip(&goals).all(|(seen, goal)| seen.load(Relaxed) >= *goal);
            crowd.readers.iter().all(has_all)
        });
        begin.elapsed()
    }

    /// Returns the number of a publisher's events that were acknowledged, or that a reader has.
    fn newest(&self, publisher: usize) -> usize {
        let seen = self.readers.iter().map(|seen| seen[publisher].load(Relaxed)).max().unwrap_or_default();
        seen.max(self.shared.acknowledged[publisher].load(Relaxed))
    }

    /// Ends all, and waits until each reader has every event. Returns how many there were.
    #[track_caller]
    pub(super) fn end(mut self) -> usize {
        self.shared.stops.store(true, Relaxed);
        self.until("all readers have everything", |crowd| crowd.threads.iter().all(JoinHandle::is_finished));
        for thread in self.threads.drain(..) {
            thread.join().expect("no client has failed");
        }
        self.shared.published.iter().map(|count| count.load(Relaxed)).sum()
    }
}

/// Reads events until all have come.
fn read(mut tab: Tab, index: usize, seen: &[AtomicUsize], shared: &Shared) {
    tab.subscribe(&[TOPIC]);
    let mut newest: Option<Position> = None;
    let mut ahead: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); seen.len()];
    loop {
        let published = shared.published.iter().map(|count| count.load(Relaxed));
        if published.eq(seen.iter().map(|count| count.load(Relaxed))) {
            return;
        }
        match tab.next(Instant::now() + LOOK) {
            Some(Output::Event { publication, .. }) => {
                let position: Position = publication.position.parse().unwrap();
                let is_later = |old: Position| old.epoch == position.epoch && old.offset < position.offset;
                assert!(newest.is_none_or(is_later), "reader {index}: {newest:?}, and then {position}");
                newest = Some(position);
                let (publisher, number) = number(&publication.event.payload);
                let mut next = seen[publisher].load(Relaxed);
                let is_new = number >= next && ahead[publisher].insert(number);
                assert!(is_new, "reader {index}: event {number} of publisher {publisher} twice");
                while ahead[publisher].remove(&next) {
                    next += 1;
                }
                seen[publisher].store(next, Relaxed);
            }
            Some(Output::Ready { .. }) => {
                shared.ready.fetch_add(1, Relaxed);
            }
            Some(Output::Status(_) | Output::Resumed { .. }) | None => {}
            // A node is away for long, or overloaded. The client tries again.
            Some(Output::Error(error)) if error.may_retry() => {}
            Some(other) => panic!("reader {index} after {newest:?}: {other:?}"),
        }
    }
}

/// Returns the publisher of an event, and the event's number.
fn number(payload: &Payload) -> (usize, usize) {
    let payload: serde_json::Value = serde_json::from_str(payload.get()).unwrap();
    let number = usize::try_from(payload["number"].as_u64().unwrap()).unwrap();
    (number / STRIDE, number % STRIDE)
}

/// Publishes events until it shall end, and until all have their answers.
fn publish(mut tab: Tab, index: usize, pause: Duration, shared: &Shared) {
    let mut waiting: BTreeMap<PublishId, (usize, Uuid)> = BTreeMap::new();
    let (mut sent, mut due) = (0, Instant::now());
    loop {
        let stops = shared.stops.load(Relaxed);
        while !stops && waiting.len() < IN_FLIGHT && due <= Instant::now() {
            let key = Uuid::now_v7();
            let publish = tab.publish_with_key(TOPIC, &sample::ticked(index * STRIDE + sent), key);
            waiting.insert(publish, (sent, key));
            sent += 1;
            due += pause;
        }
        if stops && waiting.is_empty() {
            return shared.published[index].store(sent, Relaxed);
        }
        let now = Instant::now();
        // After an outage, the events of the meantime do not come all at once.
        due = due.max(now - LOOK);
        let wakes_up = if waiting.len() < IN_FLIGHT { due.min(now + LOOK) } else { now + LOOK };
        match tab.next(wakes_up.max(now + Duration::from_micros(100))) {
            Some(Output::Published { publish, .. }) => {
                waiting.remove(&publish).expect("an answer to a publish");
                shared.acknowledged[index].fetch_add(1, Relaxed);
            }
            Some(Output::PublishFailed { publish, error }) => {
                assert!(error.may_retry(), "publisher {index}: {error:?}");
                let (number, key) = waiting.remove(&publish).expect("an answer to a publish");
                let again = tab.publish_with_key(TOPIC, &sample::ticked(index * STRIDE + number), key);
                waiting.insert(again, (number, key));
            }
            Some(Output::Status(_) | Output::Ready { .. }) | None => {}
            Some(Output::Error(error)) if error.may_retry() => {}
            Some(other) => panic!("publisher {index} after {sent} events: {other:?}"),
        }
    }
}

/// Writes events into an outbox until it shall end, each again until its transaction has succeeded.
fn write(url: &str, index: usize, pause: Duration, shared: &Shared) {
    let (mut database, mut written): (Option<Client>, usize) = (None, 0);
    while !shared.stops.load(Relaxed) {
        thread::park_timeout(pause);
        let (event, key) = (sample::ticked(index * STRIDE + written), Uuid::now_v7());
        let publish =
            format!("SELECT tidings.publish('{event}', key => '{key}', topics => ARRAY['{TOPIC}'])");
        // If the connection is lost, nobody knows whether the transaction has succeeded. So each event has a key.
        loop {
            database = database.filter(|open| !open.is_closed()).or_else(|| Client::connect(url, NoTls).ok());
            if database.as_mut().is_some_and(|open| open.batch_execute(&publish).is_ok()) {
                break;
            }
            thread::park_timeout(Duration::from_millis(20));
        }
        written += 1;
        shared.acknowledged[index].store(written, Relaxed);
    }
    shared.published[index].store(written, Relaxed);
}
