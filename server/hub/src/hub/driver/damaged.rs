//! Tenants with a damaged history: the journal can't read it or write it, and answers for other tenants.
//!
//! Such a tenant stops no other one. While it is listed here, each call of the journal for it is a call of its own. After a
//! failure the tenant pauses, longer each time.

use std::{collections::BTreeMap, time::Duration};

use crate::{journal::JournalError, tenant_id::TenantId};

/// The tenants that are listed at a time. If more fail, it is a failure of the whole journal.
const MAX_TENANTS: usize = 1_024;

/// The first pause of a tenant. Each further failure doubles it.
const MIN_PAUSE: Duration = Duration::from_millis(20);

/// The longest pause of a tenant.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Time without a failure after which a tenant leaves the list.
const PROBATION: Duration = Duration::from_secs(60);

/// The tenants that fail.
#[derive(Debug, Default)]
pub(super) struct Damaged(BTreeMap<TenantId, Failing>);

#[derive(Debug)]
struct Failing {
    /// When it failed first.
    since: Duration,
    /// When its pause ends.
    until: Duration,
    pause: Duration,
}

impl Damaged {
    /// Notes a failure. Returns for how long the tenant has failed.
    ///
    /// # Errors
    /// Too many tenants fail.
    pub(super) fn add(
        &mut self,
        tenant: &TenantId,
        error: JournalError,
        now: Duration,
    ) -> Result<Duration, JournalError> {
        if let Some(failing) = self.0.get_mut(tenant) {
            failing.pause = (failing.pause * 2).min(MAX_PAUSE);
            failing.until = now + failing.pause;
            return Ok(now.saturating_sub(failing.since));
        }
        if self.0.len() >= MAX_TENANTS {
            return Err(error);
        }
        tracing::error!(
            %tenant, %error,
            "the journal fails for this tenant alone: its publishes wait, and its clients are sent away soon; the other tenants \
             go on, and this one is tried again by itself"
        );
        self.0.insert(tenant.clone(), Failing { since: now, until: now + MIN_PAUSE, pause: MIN_PAUSE });
        Ok(Duration::ZERO)
    }

    /// Removes the tenants that have not failed for some time.
    pub(super) fn handle_timeout(&mut self, now: Duration) {
        self.0.retain(|tenant, failing| {
            let is_listed = now < failing.until + PROBATION;
            if !is_listed {
                tracing::info!(%tenant, "the history of this tenant has not failed for a while");
            }
            is_listed
        });
    }

    /// Returns whether a tenant is listed.
    pub(super) fn has(&self, tenant: &TenantId) -> bool {
        self.0.contains_key(tenant)
    }

    /// Returns whether a tenant pauses.
    pub(super) fn pauses(&self, tenant: &TenantId, now: Duration) -> bool {
        self.0.get(tenant).is_some_and(|failing| now < failing.until)
    }

    /// Returns the time until the next pause ends.
    pub(super) fn next(&self, now: Duration) -> Option<Duration> {
        self.0
            .values()
            .filter_map(|failing| failing.until.checked_sub(now))
            .filter(|left| !left.is_zero())
            .min()
    }
}
