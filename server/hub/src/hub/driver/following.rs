//! Following: the logs of this node take what the journal has after their heads.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tidings_shared::Position;

use super::{Driver, publication};
use crate::{
    journal::{Followed, History, Journal, JournalError},
    moment::Moment,
    tenant_id::TenantId,
    tenant_log::TenantLog,
};

/// Full reads of the journal in one turn: some 65,000 entries. Then the driver appends what has come in between, and goes
/// on. Otherwise a node that is far behind would append nothing for long.
pub(super) const FULL_READS: usize = 64;

/// Logs by tenant.
pub(super) type Logs = BTreeMap<TenantId, TenantLog>;

impl Driver {
    /// Reads what the journal has after all logs of this node. Returns whether they have everything that it had.
    pub(super) fn follow_all(
        &mut self,
        journal: &mut dyn Journal,
        now: Moment,
    ) -> Result<bool, JournalError> {
        let logs = self.shared.loaded_logs();
        let has_all = self.follow(journal, &logs, now)?;
        if has_all {
            (self.followed, self.followed_all) = (Some(now.since_start), Some(now.since_start));
        }
        Ok(has_all)
    }

    /// Reads what the journal has after those logs that have something new. Returns whether there is no more.
    pub(super) fn follow_changed(
        &mut self,
        journal: &mut dyn Journal,
        now: Moment,
    ) -> Result<bool, JournalError> {
        let shared = Arc::clone(&self.shared);
        let log_of = |tenant: &TenantId| shared.known_log(tenant).filter(TenantLog::is_loaded);
        for _ in 0..FULL_READS {
            let mut held = |tenant: &TenantId| Some(log_of(tenant)?.head());
            let Some(followed) = journal.follow_changed(&mut held, self.entries_per_read)? else {
                return self.follow_all(journal, now);
            };
            let logs = followed.iter().filter_map(|(tenant, _)| Some((tenant.clone(), log_of(tenant)?)));
            let logs: Logs = logs.collect();
            let has_more = match self.take_followed(journal, followed, &logs, now) {
                // All logs are read in parts then, so that one tenant stops no other.
                Err(error) if error.is_damage => return self.follow_all(journal, now),
                taken => taken?,
            };
            self.shared.bound_logs();
            if !has_more {
                self.followed = Some(now.since_start);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads what the journal has of these tenants: somebody waits for it. Returns whether there is no more.
    pub(super) fn follow_asked(
        &mut self,
        journal: &mut dyn Journal,
        asked: BTreeSet<TenantId>,
        now: Moment,
    ) -> Result<bool, JournalError> {
        let log = |tenant| Some((self.shared.known_log(&tenant)?, tenant));
        let logs = asked.into_iter().filter_map(log).filter(|(log, _)| log.is_loaded());
        let logs: Logs = logs.map(|(log, tenant)| (tenant, log)).collect();
        let has_all = self.follow(journal, &logs, now)?;
        if !has_all {
            logs.keys().for_each(|tenant| self.outgoing().follow(tenant));
        }
        Ok(has_all)
    }

    /// Reads what the journal has after these logs. Returns whether they have everything that it had.
    fn follow(&mut self, journal: &mut dyn Journal, logs: &Logs, now: Moment) -> Result<bool, JournalError> {
        logs.values().for_each(TenantLog::begin_follow);
        for _ in 0..FULL_READS {
            if !self.read_on(journal, logs, now)? {
                let read = logs.iter().filter(|(tenant, _)| !self.damaged.pauses(tenant, now.since_start));
                read.for_each(|(_, log)| log.has_followed());
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads what the journal has after these logs, up to these positions and no further: other nodes may append without a
    /// pause.
    pub(super) fn follow_to(
        &mut self,
        journal: &mut dyn Journal,
        mut logs: Logs,
        positions: &BTreeMap<TenantId, Position>,
        now: Moment,
    ) -> Result<(), JournalError> {
        while !logs.is_empty() && self.read_on(journal, &logs, now)? {
            logs.retain(|tenant, log| {
                let head = log.head();
                let is_there =
                    |position: &Position| position.epoch == head.epoch && position.offset <= head.offset;
                !positions.get(tenant).is_some_and(is_there)
            });
        }
        Ok(())
    }

    /// Reads once what the journal has after these logs. Returns whether there may be more. If some tenant is damaged, reads
    /// each half of the tenants alone. So one tenant stops no other.
    fn read_on(&mut self, journal: &mut dyn Journal, logs: &Logs, now: Moment) -> Result<bool, JournalError> {
        let due = logs.keys().filter(|tenant| !self.damaged.pauses(tenant, now.since_start));
        let (failing, healthy): (Vec<_>, Vec<_>) = due.partition(|tenant| self.damaged.has(tenant));
        let mut parts: Vec<Vec<&TenantId>> = failing.into_iter().map(|tenant| vec![tenant]).collect();
        parts.push(healthy);
        let mut has_more = false;
        while let Some(mut part) = parts.pop() {
            match self.read_part(journal, logs, &part, now) {
                Ok(is_full) => has_more |= is_full,
                Err(error) if !error.is_damage => return Err(error),
                Err(error) if part.len() == 1 => self.fails(part[0], error, now)?,
                Err(_) => {
                    let last = part.split_off(part.len() / 2);
                    parts.extend([last, part]);
                }
            }
        }
        self.shared.bound_logs();
        Ok(has_more)
    }

    /// Reads once what the journal has after some of these logs. Returns whether there may be more.
    fn read_part(
        &mut self,
        journal: &mut dyn Journal,
        logs: &Logs,
        tenants: &[&TenantId],
        now: Moment,
    ) -> Result<bool, JournalError> {
        let held = tenants.iter().map(|&tenant| (tenant, &logs[tenant])).filter(|(_, log)| !log.is_retired());
        let held: Vec<(TenantId, Position)> =
            held.map(|(tenant, log)| (tenant.clone(), log.head())).collect();
        if held.is_empty() {
            return Ok(false);
        }
        let followed = journal.follow(&held, self.entries_per_read)?;
        self.take_followed(journal, followed, logs, now)
    }

    /// Gives the logs what follows. Returns whether there may be more.
    fn take_followed(
        &mut self,
        journal: &mut dyn Journal,
        followed: Vec<(TenantId, Followed)>,
        logs: &Logs,
        now: Moment,
    ) -> Result<bool, JournalError> {
        let mut count = 0;
        for (tenant, followed) in followed {
            let Some(log) = logs.get(&tenant) else { continue };
            match followed {
                Followed::Entries(entries) => {
                    count += entries.len();
                    let entries = entries.into_iter().map(|entry| publication(entry, now)).collect();
                    if !log.follow_journal(entries) {
                        return Err(JournalError::damage(format!(
                            "the journal gave entries of tenant {tenant} that do not follow on its log"
                        )));
                    }
                }
                Followed::Trimmed => {
                    let limits = &self.shared.settings.log;
                    let history =
                        journal.recent(&tenant, limits, now.unix_ms, self.shared.host.new_epoch())?;
                    self.load_log(&tenant, log, history, now);
                }
                Followed::RolledBack => self.renew(journal, &tenant, log)?,
            }
        }
        // A full answer may have left something out.
        Ok(count >= self.entries_per_read)
    }

    /// Gives a log the newest part of its history.
    pub(super) fn load_log(&self, tenant: &TenantId, log: &TenantLog, history: History, now: Moment) {
        let History { tail, entries } = history;
        if log.is_loaded() && tail.epoch != log.head().epoch {
            // Another node has given the tenant a new epoch in between.
            return self.shared.retire(tenant, log);
        }
        let entries = entries.into_iter().map(|entry| publication(entry, now)).collect();
        log.load(tail, entries, now);
        self.shared.bound_logs();
    }

    /// Reads the newest entries of tenants: see [`Journal::recent_of`].
    pub(super) fn recent(
        &self,
        journal: &mut dyn Journal,
        tenants: &[TenantId],
        now: Moment,
    ) -> Result<Vec<Option<History>>, JournalError> {
        let limits = &self.shared.settings.log;
        journal.recent_of(tenants, limits, now.unix_ms, &mut || self.shared.host.new_epoch())
    }

    /// Gives a tenant a new epoch: the journal no longer has the history that its readers have.
    fn renew(
        &mut self,
        journal: &mut dyn Journal,
        tenant: &TenantId,
        log: &TenantLog,
    ) -> Result<(), JournalError> {
        let old = log.head();
        tracing::warn!(
            %tenant, position = %old,
            "the journal does not have this position any more: all clients of the tenant load again"
        );
        journal.renew(tenant, old.epoch, self.shared.host.new_epoch())?;
        self.shared.retire(tenant, log);
        // The numbers of the revocations may have gone back, too.
        self.newest_revocation = 0;
        Ok(())
    }
}
