//! The tenants of a shard that have something new.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
    task::{Wake, Waker},
};

use futures_util::task::AtomicWaker;

use super::index::TenantKey;

/// The tenants that have something new since the shard read their logs. A tenant is here at most once: its log takes
/// its waker at the first publication, and gets it back when the shard has read the log to its end.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    tenants: Mutex<Vec<TenantKey>>,
    shard: AtomicWaker,
}

impl Dirty {
    /// Returns a waker that makes this tenant dirty.
    pub(super) fn waker(self: &Arc<Self>, tenant: TenantKey) -> Waker {
        Arc::new(DirtyWaker { tenant, dirty: Arc::clone(self) }).into()
    }

    /// Takes the dirty tenants. The next dirty tenant wakes `waker`.
    pub(super) fn take(&self, waker: &Waker) -> Vec<TenantKey> {
        self.shard.register(waker);
        mem::take(&mut *self.tenants.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Wakes the shard.
    pub(super) fn wake(&self) {
        self.shard.wake();
    }
}

struct DirtyWaker {
    tenant: TenantKey,
    dirty: Arc<Dirty>,
}

impl Wake for DirtyWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.dirty.tenants.lock().unwrap_or_else(PoisonError::into_inner).push(self.tenant);
        self.dirty.wake();
    }
}
