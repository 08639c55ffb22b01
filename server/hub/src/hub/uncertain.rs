//! Transactions whose end nobody knows. A commit may still take effect after its guard was dropped. So the topics of the
//! transaction load again a moment later.

use std::{collections::VecDeque, time::Duration};

use tidings_shared::TopicName;

use crate::{moment::Moment, tenant_id::TenantId};

/// Time from the drop of a guard to the sync. Within it, a database has carried out a commit that it was asked for, or
/// has given it up. If a commit takes longer, a page may stay out of date.
const SYNC_AFTER: Duration = Duration::from_secs(5);

/// Transactions that wait for their sync: each is a request that was cancelled or that failed in the last 5 s. Beyond
/// this bound, the oldest gets its sync early.
pub(super) const MAX_WAITING: usize = 1_024;

/// The transactions that wait for their sync, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Uncertain(VecDeque<Transaction>);

/// A transaction whose end nobody knows.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) tenant: TenantId,
    /// The topics of its events.
    pub(super) topics: Vec<TopicName>,
    /// When its topics load again.
    due: Duration,
}

impl Uncertain {
    /// Adds a transaction. Returns the oldest one if there is no room for it any more.
    pub(super) fn push(
        &mut self,
        tenant: TenantId,
        topics: Vec<TopicName>,
        now: Moment,
    ) -> Option<Transaction> {
        self.0.push_back(Transaction { tenant, topics, due: now.since_start + SYNC_AFTER });
        if self.0.len() > MAX_WAITING { self.0.pop_front() } else { None }
    }

    /// Takes the next transaction that is due.
    pub(super) fn pop_due(&mut self, now: Moment) -> Option<Transaction> {
        let is_due = self.0.front().is_some_and(|oldest| oldest.due <= now.since_start);
        if is_due { self.0.pop_front() } else { None }
    }
}
