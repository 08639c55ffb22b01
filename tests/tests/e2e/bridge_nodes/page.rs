//! What a page knows of a table: what it loads, and each event after it.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use postgres::{Client, NoTls};
use serde_json::Value;
use tidings_client_core::Output;
use tidings_tests::{Jitter, Payload, Tab};

use super::{ONCE, TOPIC};

/// How long a page waits for something before it looks whether the test goes on.
const LOOK: Duration = Duration::from_millis(100);

/// The longest wait for a page. A machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// The rows of the table: `v` by `id`.
pub(super) type Rows = BTreeMap<i64, i64>;

/// Loads the table, as often as it takes: the database may be away.
pub(super) type Load = Box<dyn FnMut() -> Rows + Send>;

#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) rows: Rows,
    /// Events of rows that are written once.
    pub(super) once: BTreeMap<i64, usize>,
    pub(super) syncs: usize,
    is_ready: bool,
}

/// A page on a thread of its own.
#[derive(Debug)]
pub(super) struct Page {
    known: Arc<Mutex<Known>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Page {
    /// Opens a page, and waits until it has loaded. After a loss, it connects to the next of these nodes.
    #[track_caller]
    pub(super) fn open(nodes: &[SocketAddr], load: Load) -> Self {
        let (known, ends) = (Arc::default(), Arc::default());
        let (of_thread, may_end) = (Arc::clone(&known), Arc::clone(&ends));
        let tab = Tab::among(nodes, Jitter::Little);
        let thread = thread::spawn(move || follow(tab, load, &of_thread, &may_end));
        let page = Self { known, ends, thread: Some(thread) };
        page.until("it loads", |known| known.is_ready);
        page
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("the page has not failed")
    }

    /// Waits until something holds. Returns how long it took.
    #[track_caller]
    pub(super) fn until(&self, what: &str, mut holds: impl FnMut(&Known) -> bool) -> Duration {
        let start = Instant::now();
        while !holds(&self.known()) {
            let has_failed = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
            assert!(!has_failed, "the page has failed: its message is above");
            assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}: {:?}", self.known());
            thread::park_timeout(Duration::from_millis(5));
        }
        start.elapsed()
    }

    /// Waits until the page hears of so many more rows. Returns how long it took.
    #[track_caller]
    pub(super) fn goes_on(&self, more: usize) -> Duration {
        let goal = self.known().once.len() + more;
        self.until("it hears of more rows", |known| known.once.len() >= goal)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.ends.store(true, Relaxed);
        // It has printed its message.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn follow(mut tab: Tab, mut load: Load, known: &Mutex<Known>, ends: &AtomicBool) {
    tab.subscribe(&[TOPIC]);
    while !ends.load(Relaxed) {
        match tab.next(Instant::now() + LOOK) {
            Some(Output::Event { publication, .. }) => {
                let mut known = known.lock().expect("nobody fails with the lock");
                apply(&mut known, publication.event.event.as_str(), &publication.event.payload);
            }
            Some(output @ (Output::Ready { .. } | Output::Sync { .. })) => {
                let rows = load();
                let mut known = known.lock().expect("nobody fails with the lock");
                known.rows = rows;
                known.is_ready = true;
                known.syncs += usize::from(matches!(output, Output::Sync { .. }));
            }
            Some(Output::Status(_) | Output::Resumed { .. }) | None => {}
            // A node is away for long. The client tries again.
            Some(Output::Error(error)) if error.may_retry() => {}
            Some(other) => panic!("{other:?}"),
        }
    }
}

fn apply(known: &mut Known, event: &str, payload: &Payload) {
    let payload: Value = serde_json::from_str(payload.get()).expect("a payload is JSON");
    let id: i64 = payload["key"].as_str().and_then(|key| key.parse().ok()).expect("a key");
    match event {
        "upserted" => {
            let v = payload["record"]["v"].as_i64().expect("a record");
            known.rows.insert(id, v);
        }
        _ => drop(known.rows.remove(&id)),
    }
    if id >= ONCE {
        *known.once.entry(id).or_default() += 1;
    }
}

/// Loads the table of PostgreSQL, as an application does that waits for its database.
pub(super) fn load(url: &str) -> Load {
    let url = url.to_owned();
    Box::new(move || {
        loop {
            if let Some(rows) = Client::connect(&url, NoTls).ok().and_then(|mut open| read(&mut open).ok()) {
                return rows;
            }
            thread::park_timeout(Duration::from_millis(20));
        }
    })
}

pub(super) fn read(database: &mut Client) -> Result<Rows, postgres::Error> {
    let rows = database.query("SELECT id, v FROM links", &[])?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}
