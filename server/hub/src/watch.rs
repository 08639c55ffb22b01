//! Tells tasks that something changed: the revocations, or the health of the hub.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use slab::Slab;

/// Counts changes, and wakes the tasks that wait for one.
#[derive(Debug, Default)]
pub(crate) struct Changes(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    count: u64,
    /// An entry for each [`Watch`].
    wakers: Slab<Option<Waker>>,
}

/// Waits for changes. Dropping it removes its entry.
#[derive(Debug)]
pub struct Watch {
    changes: Arc<Changes>,
    key: usize,
    /// The count that this watch has reported.
    seen: u64,
}

impl Changes {
    pub(crate) fn watch(self: &Arc<Self>) -> Watch {
        let mut waiting = self.lock();
        let (key, seen) = (waiting.wakers.insert(None), waiting.count);
        drop(waiting);
        Watch { changes: Arc::clone(self), key, seen }
    }

    pub(crate) fn tell(&self) {
        let mut waiting = self.lock();
        waiting.count += 1;
        let wakers: Vec<Waker> = waiting.wakers.iter_mut().filter_map(|(_, waker)| waker.take()).collect();
        drop(waiting);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// Returns `Ready` once after one or more changes. Otherwise the next change wakes the task.
    pub fn poll_changed(&mut self, cx: &Context<'_>) -> Poll<()> {
        let mut waiting = self.changes.lock();
        if self.seen != waiting.count {
            self.seen = waiting.count;
            return Poll::Ready(());
        }
        if let Some(waker) = waiting.wakers.get_mut(self.key) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.changes.lock().wakers.try_remove(self.key);
    }
}
