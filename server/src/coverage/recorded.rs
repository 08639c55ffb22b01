//! What a database has recorded, and when its transactions have committed.

use std::collections::HashSet;

use tidings_shared::RawEvent;

use super::judge::{Entry, Event};

/// The most rows that are recorded before somebody asks. A test writes less. Beyond it, nothing is recorded, and the answer is
/// an error.
pub(super) const MAX_RECORDED: u64 = 1_000_000;

/// What was recorded.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    pub(super) entries: Vec<Entry>,
    pub(super) events: Vec<Event>,
    /// The transactions that have committed, each with the number of its commit.
    pub(super) committed: Vec<(i64, u64)>,
}

impl Recorded {
    /// Adds what was recorded later.
    pub(super) fn append(&mut self, later: Self) {
        self.entries.extend(later.entries);
        self.events.extend(later.events);
        self.committed.extend(later.committed);
    }

    /// Takes out the transactions with these commits.
    pub(super) fn take_out(&mut self, is_taken: impl Fn(u64) -> bool) -> Self {
        let (committed, others) = self.committed.drain(..).partition(|(_, commit)| is_taken(*commit));
        self.committed = others;
        let taken: HashSet<i64> =
            committed.iter().map(|(transaction, _): &(i64, u64)| *transaction).collect();
        let (entries, others) = self.entries.drain(..).partition(|entry| taken.contains(&entry.transaction));
        self.entries = others;
        let (events, others) = self.events.drain(..).partition(|event| taken.contains(&event.transaction));
        self.events = others;
        Self { entries, events, committed }
    }
}

impl Event {
    pub(super) fn new(transaction: i64, event: &RawEvent) -> Option<Self> {
        Some(Self {
            transaction,
            domain: event.domain.clone(),
            name: event.event.clone(),
            payload: serde_json::from_str(event.payload.get()).ok()?,
        })
    }

    /// Reads the event of a row of an outbox. An outbox may also have rows that are no events. Nobody hears of them.
    pub(super) fn parse(transaction: i64, event: &str) -> Option<Self> {
        Self::new(transaction, &RawEvent::parse(event).ok()?)
    }
}

/// A point in time of a database: which transactions have committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    /// The number of the next commit.
    pub(super) next: u64,
    /// Smaller numbers that have not committed yet.
    pub(super) open: Vec<u64>,
}

impl Moment {
    /// Whether a commit was before it.
    pub(super) fn has(&self, commit: u64) -> bool {
        commit < self.next && !self.open.contains(&commit)
    }
}
