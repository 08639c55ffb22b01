//! What was lost on its way to the journal, and has no gap in the journal yet.

use std::collections::{BTreeMap, BTreeSet};

use tidings_shared::{TopicName, limits::MAX_TOPICS_PER_PUBLICATION};

use crate::tenant_id::TenantId;

/// Tenants that wait for a gap, some 200 bytes each. Beyond this bound nobody remembers names any more, and every tenant of
/// the journal gets a gap.
pub(super) const MAX_TENANTS: usize = 16_384;

/// Topics that wait for a gap, of all tenants together, some 100 bytes each. Beyond this bound, the next tenant that loses
/// something gets a gap of all its topics.
const MAX_TOPICS: usize = 65_536;

/// The topics of each tenant that have lost something.
#[derive(Debug, Default)]
pub(super) struct Lost {
    /// `None` is the whole tenant.
    tenants: BTreeMap<TenantId, Option<BTreeSet<TopicName>>>,
    /// The number of topics in `tenants`.
    topics: usize,
    /// Some tenant has lost something, and nobody knows which.
    is_somebody: bool,
}

impl Lost {
    /// Notes that these topics have lost something. An empty list means the whole tenant.
    pub(super) fn add(&mut self, tenant: &TenantId, topics: Vec<TopicName>) {
        if self.tenants.len() >= MAX_TENANTS && !self.tenants.contains_key(tenant) {
            tracing::error!(
                "announcements of more than {MAX_TENANTS} tenants are lost: every tenant of the journal gets a gap"
            );
            *self = Self { is_somebody: true, ..Self::default() };
            return;
        }
        let lost = self.tenants.entry(tenant.clone()).or_insert_with(|| Some(BTreeSet::new()));
        let Some(known) = lost else { return };
        self.topics -= known.len();
        let is_all = topics.is_empty();
        known.extend(topics);
        if is_all || known.len() > MAX_TOPICS_PER_PUBLICATION || self.topics + known.len() > MAX_TOPICS {
            *lost = None;
        } else {
            self.topics += known.len();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tenants.is_empty() && !self.is_somebody
    }

    /// Returns the number of gaps, as far as it is known.
    pub(super) fn len(&self) -> usize {
        self.tenants.len() + usize::from(self.is_somebody)
    }

    /// Returns whether a tenant waits for a gap.
    pub(super) fn has(&self, tenant: &TenantId) -> bool {
        self.is_somebody || self.tenants.contains_key(tenant)
    }

    /// Returns whether a gap can be appended now. The tenants that pause wait.
    pub(super) fn is_due(&self, pauses: impl Fn(&TenantId) -> bool) -> bool {
        self.is_somebody || self.tenants.keys().any(|tenant| !pauses(tenant))
    }

    /// Takes the topics of some tenants that do not pause. No topics mean the whole tenant.
    pub(super) fn take(
        &mut self,
        max: usize,
        pauses: impl Fn(&TenantId) -> bool,
    ) -> Vec<(TenantId, Vec<TopicName>)> {
        let due = self.tenants.keys().filter(|tenant| !pauses(tenant)).take(max);
        let due: Vec<TenantId> = due.cloned().collect();
        let take = |tenant: TenantId| {
            let topics: Vec<_> = self.tenants.remove(&tenant).flatten().into_iter().flatten().collect();
            self.topics -= topics.len();
            (tenant, topics)
        };
        due.into_iter().map(take).collect()
    }

    /// Returns whether every tenant of the journal must get a gap, and forgets it.
    pub(super) fn take_somebody(&mut self) -> bool {
        std::mem::take(&mut self.is_somebody)
    }
}
