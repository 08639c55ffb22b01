//! Loads the newest part of the histories that somebody needs.
//!
//! A call of the journal loads many short histories, or a part of a long one. Appends of other tenants wait meanwhile. So a turn
//! loads for a short time, and the next turn goes on.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use super::Driver;
use crate::{
    journal::{Journal, JournalError},
    moment::Moment,
    tenant_id::TenantId,
};

/// A turn begins no further call after this time. After a start, thousands of tenants may wait.
const LOAD_TIME: Duration = Duration::from_millis(50);

/// The most tenants of one call.
const MAX_TENANTS: usize = 64;

/// What the driver knows of the tenants that are to be loaded.
#[derive(Debug)]
pub(super) struct Loading {
    /// Tenants with a long history: it does not fit into a call with others. The journal reads the first one in parts.
    long: VecDeque<TenantId>,
    /// Tenants of the next call: fewer after a failure.
    tenants: usize,
}

impl Default for Loading {
    fn default() -> Self {
        Self { long: VecDeque::new(), tenants: MAX_TENANTS }
    }
}

impl Driver {
    /// Loads tenants that somebody needs: at least some short histories, and a part of a long one. The next turn loads the
    /// others.
    pub(super) fn load(&mut self, journal: &mut dyn Journal, now: Moment) -> Result<(), JournalError> {
        let pauses = |tenant: &TenantId| self.damaged.pauses(tenant, now.since_start);
        let mut tenants: BTreeSet<TenantId> = self.outgoing().take_loads(pauses).into_iter().collect();
        tenants.retain(|tenant| self.must_load(tenant));
        self.loading.long.retain(|tenant| tenants.remove(tenant));
        let mut short: VecDeque<TenantId> = tenants.into_iter().collect();
        let begin = self.shared.host.now().since_start;
        let has_time = |driver: &Self| driver.shared.host.now().since_start.saturating_sub(begin) < LOAD_TIME;
        let mut loaded = Ok(());
        while loaded.is_ok() && !short.is_empty() {
            loaded = self.load_short(journal, &mut short, now);
            if !has_time(self) {
                break;
            }
        }
        while loaded.is_ok() && !self.loading.long.is_empty() {
            loaded = self.load_part(journal, now);
            if !has_time(self) {
                break;
            }
        }
        short.iter().chain(&self.loading.long).for_each(|tenant| self.outgoing().load(tenant));
        loaded
    }

    /// Loads the first ones of these tenants, and removes them from the list.
    fn load_short(
        &mut self,
        journal: &mut dyn Journal,
        short: &mut VecDeque<TenantId>,
        now: Moment,
    ) -> Result<(), JournalError> {
        // A tenant that has failed has a call of its own.
        let healthy = short.iter().take_while(|tenant| !self.damaged.has(tenant)).count();
        let count = self.loading.tenants.min(healthy).max(1);
        let part: Vec<TenantId> = short.drain(..count).collect();
        let answers = match self.recent(journal, &part, now) {
            Ok(answers) => answers,
            Err(error) if part.len() == 1 => return self.cannot_load(journal, &part[0], error, now),
            Err(_) => {
                // One of them may be damaged, or their answer comes too late.
                self.loading.tenants = (part.len() / 4).max(1);
                part.into_iter().rev().for_each(|tenant| short.push_front(tenant));
                return Ok(());
            }
        };
        self.loading.tenants = (self.loading.tenants * 2).min(MAX_TENANTS);
        let mut part = part.into_iter();
        for (answer, tenant) in answers.into_iter().zip(&mut part) {
            match (answer, self.shared.known_log(&tenant)) {
                (Some(history), Some(log)) => self.load_log(&tenant, &log, history, now),
                (None, Some(_)) => self.loading.long.push_back(tenant),
                (_, None) => {}
            }
        }
        part.rev().for_each(|tenant| short.push_front(tenant));
        Ok(())
    }

    /// Loads a part of the first long history.
    fn load_part(&mut self, journal: &mut dyn Journal, now: Moment) -> Result<(), JournalError> {
        let Some(tenant) = self.loading.long.front().cloned() else { return Ok(()) };
        match self.recent(journal, std::slice::from_ref(&tenant), now) {
            Ok(mut answers) => {
                let Some(history) = answers.pop().flatten() else { return Ok(()) };
                self.loading.long.pop_front();
                if let Some(log) = self.shared.known_log(&tenant) {
                    self.load_log(&tenant, &log, history, now);
                }
                Ok(())
            }
            Err(error) => {
                self.loading.long.pop_front();
                self.cannot_load(journal, &tenant, error, now)
            }
        }
    }

    /// A tenant can't be loaded. If the journal answers otherwise, only this tenant fails.
    fn cannot_load(
        &mut self,
        journal: &mut dyn Journal,
        tenant: &TenantId,
        error: JournalError,
        now: Moment,
    ) -> Result<(), JournalError> {
        self.outgoing().load(tenant);
        if !error.is_damage && journal.probe().is_err() {
            return Err(error);
        }
        self.fails(tenant, error, now)
    }

    /// Whether somebody needs this tenant's log, and it may be loaded now.
    fn must_load(&self, tenant: &TenantId) -> bool {
        if self.shared.known_log(tenant).is_none_or(|log| log.is_loaded()) {
            return false;
        }
        // Its clients must not come back before the gap of what it has lost.
        let lacks_gap = || self.held.tenants().contains(tenant) || self.outgoing().has_lost(tenant);
        if self.damaged.has(tenant) && lacks_gap() {
            self.outgoing().load(tenant);
            return false;
        }
        true
    }
}
