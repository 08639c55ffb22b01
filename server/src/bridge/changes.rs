//! The hand-off from a source to its bridge: a bounded queue between two threads that never blocks the source.

use std::{
    fmt,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::error::SourceError;

/// Changes that the hand-off of one bridge holds. The bridge takes all of them at once, so as many may be in its hands. At the
/// bound, the hand-off drops this change and the next ones, until the bridge takes what is there. One `sync` of the topic
/// stands for them.
pub const HAND_OFF_CHANGES: usize = 4 * 1024;

/// Bytes of keys and records that the hand-off of one bridge holds. At the bound, the same happens.
pub const HAND_OFF_BYTES: usize = 8 * 1024 * 1024;

/// A committed change of a store.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Change {
    /// The number of the change in its store. It is the idempotency key: the hub publishes a number once, as long as it
    /// [remembers](tidings_hub::KeyLimits) it, also if several nodes tell of it. A store must never give a number to two changes of
    /// a schema, also not after a restored backup. Without a number, each telling is published.
    pub number: Option<u64>,
    /// The record's key, as text.
    pub key: String,
    /// The record as it is after the change. `None`: it was deleted.
    pub record: Option<Box<RawValue>>,
}

impl Change {
    /// A record was written.
    ///
    /// # Errors
    /// JSON can't hold the record: it has a map with keys that are no texts, for example. Then say that it is
    /// [lost](Changes::lost).
    pub fn upserted<R: Serialize + ?Sized>(
        key: impl Into<String>,
        record: &R,
    ) -> Result<Self, serde_json::Error> {
        to_raw_value(record).map(|record| Self::upserted_raw(key, record))
    }

    /// A record was written. The source has it as JSON.
    pub fn upserted_raw(key: impl Into<String>, record: Box<RawValue>) -> Self {
        Self { number: None, key: key.into(), record: Some(record) }
    }

    /// A record was deleted.
    pub fn deleted(key: impl Into<String>) -> Self {
        Self { number: None, key: key.into(), record: None }
    }

    /// Sets [`number`](Self#structfield.number).
    #[must_use]
    pub fn number(mut self, number: u64) -> Self {
        self.number = Some(number);
        self
    }

    fn bytes(&self) -> usize {
        self.key.len() + self.record.as_ref().map_or(0, |record| record.get().len())
    }
}

/// The hand-off to a bridge. A source keeps it for as long as the feed lasts. Clones hand over to the same bridge. When the feed
/// has ended, its hand-off takes nothing more, and nobody hears of what is pushed.
///
/// No method blocks, so a source may call them within its engine, and with its locks held.
#[derive(Clone)]
pub struct Changes(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    changes: Vec<Change>,
    bytes: usize,
    /// Something was lost after these changes.
    is_lost: bool,
    /// The feed has ended.
    failed: Option<SourceError>,
    is_closed: bool,
    worker: Option<Waker>,
}

/// What the worker takes, in this order.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) changes: Vec<Change>,
    pub(super) is_lost: bool,
    pub(super) failed: Option<SourceError>,
}

impl Changes {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    /// Tells of a committed change. If the hand-off is full, the subscribers get a `sync` instead of this change and the next
    /// ones, until there is room again.
    pub fn push(&self, change: Change) {
        self.update(|state| {
            let bytes = state.bytes + change.bytes();
            if state.changes.len() >= HAND_OFF_CHANGES || bytes > HAND_OFF_BYTES {
                state.is_lost = true;
            }
            // After a loss, the gap stands for this change, too.
            if !state.is_lost {
                state.bytes = bytes;
                state.changes.push(change);
            }
        });
    }

    /// Says that changes were lost, or that nobody can say what has changed. The subscribers get a `sync`.
    pub fn lost(&self) {
        self.update(|state| state.is_lost = true);
    }

    /// Says that the feed has ended by a fault. The bridge publishes what was handed over, drops the [`Feed`](super::Feed), and
    /// subscribes again: after a pause that grows with each failure. Then the subscribers get a `sync`.
    pub fn failed(&self, error: SourceError) {
        self.update(|state| {
            state.failed = Some(error);
            state.is_closed = true;
        });
    }

    /// Takes everything that is there. Waits until there is something. May be dropped before it is done.
    pub(super) async fn take(&self) -> Taken {
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.is_empty() {
                state.worker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(state.take())
        })
        .await
    }

    /// Takes nothing more. Returns what is there.
    pub(super) fn close(&self) -> Taken {
        let mut state = self.lock();
        state.is_closed = true;
        state.take()
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        if state.is_closed {
            return;
        }
        change(&mut state);
        let worker = state.worker.take();
        drop(state);
        if let Some(worker) = worker {
            worker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_empty(&self) -> bool {
        self.changes.is_empty() && !self.is_lost && self.failed.is_none()
    }

    fn take(&mut self) -> Taken {
        self.bytes = 0;
        Taken {
            changes: std::mem::take(&mut self.changes),
            is_lost: std::mem::take(&mut self.is_lost),
            failed: self.failed.take(),
        }
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Changes")
            .field("waiting", &state.changes.len())
            .field("is_lost", &state.is_lost)
            .field("is_closed", &state.is_closed)
            .finish_non_exhaustive()
    }
}
