//! Entries that the driver has taken from the hub, and who waits for them.

use std::{collections::BTreeSet, time::Duration};

use super::super::outgoing::Waiting;
use crate::{journal::JournalDraft, tenant_id::TenantId};

/// Entries in their order. Each has somebody who waits for it, or nobody.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) drafts: Vec<JournalDraft>,
    pub(super) waiting: Vec<Waiting>,
}

impl Batch {
    pub(super) fn new(drafts: Vec<JournalDraft>, waiting: Vec<Waiting>) -> Self {
        Self { drafts, waiting }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.drafts.is_empty()
    }

    pub(super) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Adds entries after these.
    pub(super) fn extend(&mut self, later: Self) {
        self.drafts.extend(later.drafts);
        self.waiting.extend(later.waiting);
    }

    pub(super) fn into_iter(self) -> impl Iterator<Item = (JournalDraft, Waiting)> {
        self.drafts.into_iter().zip(self.waiting)
    }

    /// Returns the entries that are in, and those that are out. Both keep their order.
    pub(super) fn split(self, is_in: impl Fn(&JournalDraft, &Waiting) -> bool) -> (Self, Self) {
        let (mut inside, mut outside) = (Self::default(), Self::default());
        for (draft, waiting) in self.into_iter() {
            let part = if is_in(&draft, &waiting) { &mut inside } else { &mut outside };
            part.drafts.push(draft);
            part.waiting.push(waiting);
        }
        (inside, outside)
    }

    /// Returns the tenants of the entries.
    pub(super) fn tenants(&self) -> BTreeSet<TenantId> {
        self.drafts.iter().map(|draft| draft.tenant.clone()).collect()
    }

    /// Returns the entries of the first half of the tenants, and those of the others.
    pub(super) fn halves(self) -> [Self; 2] {
        let tenants = self.tenants();
        let first: BTreeSet<&TenantId> = tenants.iter().take(tenants.len() / 2).collect();
        self.split(|draft, _| first.contains(&draft.tenant)).into()
    }

    /// Removes all but the first entries, and returns them.
    pub(super) fn split_off(&mut self, count: usize) -> Self {
        let at = count.min(self.drafts.len());
        Self::new(self.drafts.split_off(at), self.waiting.split_off(at))
    }

    /// Removes the entries that have waited for too long, and returns them.
    pub(super) fn take_late(&mut self, now: Duration) -> Self {
        let (late, left) = self.take().split(|_, waiting| waiting.is_late(now));
        *self = left;
        late
    }
}
