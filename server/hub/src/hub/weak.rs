//! A reference to a hub that does not keep it.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use super::{Hub, shared::Shared};

/// A reference to a [`Hub`] that does not keep it. A hub ends when the last [`Hub`] and the last handle to one of its tenants
/// are dropped.
#[derive(Clone)]
pub struct WeakHub(Weak<Shared>);

impl WeakHub {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self(Arc::downgrade(shared))
    }

    /// Returns the hub, if it has not ended.
    pub fn upgrade(&self) -> Option<Hub> {
        self.0.upgrade().map(Hub::from_shared)
    }

    /// Returns whether the hub has ended.
    pub fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl fmt::Debug for WeakHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakHub").field("is_gone", &self.is_gone()).finish()
    }
}
