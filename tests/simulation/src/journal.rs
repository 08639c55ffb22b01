//! The simulated journal: tables in memory, which all nodes of a world share, with faults that the world causes.
//!
//! Without a fault it keeps the contract of [`Journal`]. With one, it does what a database does: calls fail, also after they
//! have written; and an old copy of the tables comes back.

mod tables;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tidings_hub::{
    LogLimits, TenantId,
    journal::{
        Appended, Entry, Followed, History, Journal, JournalDraft, JournalError, JournalLimits,
        JournalRevocation,
    },
};
use tidings_shared::Position;

pub(crate) use tables::{Rows, Tables};

/// The database of a world. Clones are the same database.
#[derive(Debug, Clone, Default)]
pub(crate) struct Database(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    poll_ms: u64,
    tables: Tables,
    /// Old copies of the tables, the oldest first.
    copies: VecDeque<Tables>,
    /// The faults that a node meets.
    faults: BTreeMap<usize, Faults>,
    /// The milliseconds by which the clock of the database is ahead of those of the nodes.
    ahead_ms: u64,
    /// What has changed since the world looked.
    changes: Vec<Change>,
}

/// The faults that one node meets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    /// Whether every call fails.
    pub(crate) is_cut_off: bool,
    /// Every call for this tenant fails.
    pub(crate) damaged: Option<TenantId>,
    /// The next calls that write succeed, and their answers are lost.
    pub(crate) lost_answers: u32,
    /// The calls that failed.
    pub(crate) failed: u64,
}

/// A change of a tenant's history.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Appended {
        tenant: TenantId,
        entry: Entry,
    },
    /// The tenant has another history: it is new, was renewed, or comes from an old copy.
    Replaced {
        tenant: TenantId,
        tail: Position,
        positions: Vec<Position>,
        /// If it comes from an old copy: the number of entries that were appended by then. Later ones are lost.
        copied_at: Option<usize>,
    },
    /// The tables do not have the tenant any more.
    Removed {
        tenant: TenantId,
    },
}

impl Change {
    fn replaced(tenant: &TenantId, rows: &Rows, copied_at: Option<usize>) -> Self {
        let positions = rows.entries.iter().map(|entry| entry.position).collect();
        Self::Replaced { tenant: tenant.clone(), tail: rows.tail, positions, copied_at }
    }
}

/// The most old copies that a world keeps.
const MAX_COPIES: usize = 4;

impl Database {
    /// Returns a database. Its nodes follow it every `poll_ms`. Its clock is ahead of theirs by `ahead_ms`.
    pub(crate) fn new(poll_ms: u64, ahead_ms: u64) -> Self {
        Self(Arc::new(Mutex::new(State { poll_ms, ahead_ms, ..State::default() })))
    }

    /// Returns the handle of a node.
    pub(crate) fn handle(&self, node: usize) -> Handle {
        Handle { database: self.clone(), node }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the changes since the last call, in order.
    pub(crate) fn take_changes(&self) -> Vec<Change> {
        std::mem::take(&mut self.lock().changes)
    }

    /// Changes the faults that a node meets.
    pub(crate) fn fault(&self, node: usize, change: impl FnOnce(&mut Faults)) {
        change(self.lock().faults.entry(node).or_default());
    }

    /// Returns the faults that a node meets.
    pub(crate) fn faults(&self, node: usize) -> Faults {
        self.lock().faults.get(&node).cloned().unwrap_or_default()
    }

    /// Returns the rows of a tenant.
    pub(crate) fn rows(&self, tenant: &TenantId) -> Option<Rows> {
        self.lock().tables.tenants.get(tenant).cloned()
    }

    /// Keeps a copy of the tables as they are now.
    pub(crate) fn copy(&self) {
        let mut state = self.lock();
        let copy = state.tables.clone();
        state.copies.push_back(copy);
        if state.copies.len() > MAX_COPIES {
            state.copies.pop_front();
        }
    }

    /// Replaces the tables by one of the old copies. `pick` gets the number of copies. Returns whether there was one.
    pub(crate) fn restore(&self, pick: impl FnOnce(usize) -> usize) -> bool {
        let mut state = self.lock();
        if state.copies.is_empty() {
            return false;
        }
        let copy = pick(state.copies.len());
        // Newer copies stay: somebody may restore another one later.
        let Some(tables) = state.copies.get(copy).cloned() else { return false };
        state.replace(tables);
        true
    }

    /// Loses the newest entries of each tenant, as a crash does before they are on the disk. `lost` says how many of so
    /// many.
    pub(crate) fn lose_suffix(&self, mut lost: impl FnMut(usize) -> usize) {
        let mut state = self.lock();
        let mut tables = state.tables.clone();
        tables.tenants.values_mut().for_each(|rows| rows.lose(lost(rows.entries.len())));
        state.replace(tables);
    }

    /// Removes the oldest entries of a tenant, whoever needs them. The newest `left` stay.
    pub(crate) fn trim_to(&self, tenant: &TenantId, left: usize) {
        if let Some(rows) = self.lock().tables.tenants.get_mut(tenant) {
            rows.trim_to(left);
        }
    }

    /// Gives a tenant a new epoch. It acts for a node outside the world.
    pub(crate) fn renew(&self, tenant: &TenantId, epoch: u64) {
        let mut state = self.lock();
        let Some(old) = state.tables.tenants.get(tenant).map(|rows| rows.tail.epoch) else { return };
        state.renew(tenant, old, epoch);
    }
}

impl State {
    /// Begins a call of a node.
    fn begin(&mut self, node: usize) -> Result<(), JournalError> {
        let faults = self.faults.entry(node).or_default();
        if faults.is_cut_off {
            faults.failed += 1;
            return Err(JournalError::new("the simulated journal is cut off"));
        }
        Ok(())
    }

    /// Begins a call of a node for tenants.
    fn begin_for<'a>(
        &mut self,
        node: usize,
        mut tenants: impl Iterator<Item = &'a TenantId>,
    ) -> Result<(), JournalError> {
        self.begin(node)?;
        let faults = self.faults.entry(node).or_default();
        if tenants.any(|tenant| faults.damaged.as_ref() == Some(tenant)) {
            faults.failed += 1;
            return Err(JournalError::damage("a tenant of the simulated journal is damaged"));
        }
        Ok(())
    }

    /// Ends a call that has written.
    fn end<T>(&mut self, node: usize, answer: T) -> Result<T, JournalError> {
        let faults = self.faults.entry(node).or_default();
        if faults.lost_answers > 0 {
            faults.lost_answers -= 1;
            faults.failed += 1;
            return Err(JournalError::new("the answer of the simulated journal is lost"));
        }
        Ok(answer)
    }

    /// Makes the tenant if it is new.
    fn rows(&mut self, tenant: &TenantId, new_epoch: impl FnOnce() -> u64) -> &mut Rows {
        let Self { tables, changes, .. } = self;
        tables.tenants.entry(tenant.clone()).or_insert_with(|| {
            let rows = Rows::new(new_epoch());
            changes.push(Change::replaced(tenant, &rows, None));
            rows
        })
    }

    fn renew(&mut self, tenant: &TenantId, old: u64, new: u64) {
        let Some(rows) = self.tables.tenants.get_mut(tenant).filter(|rows| rows.tail.epoch == old) else {
            return;
        };
        rows.renew(new);
        self.changes.push(Change::replaced(tenant, rows, None));
    }

    /// Puts other tables in the place of these.
    fn replace(&mut self, tables: Tables) {
        let (copied_at, appended) = (tables.appended, self.tables.appended);
        let before = std::mem::replace(&mut self.tables, tables);
        self.tables.appended = appended;
        let gone = before.tenants.into_keys().filter(|tenant| !self.tables.tenants.contains_key(tenant));
        self.changes.extend(gone.map(|tenant| Change::Removed { tenant }));
        let news =
            self.tables.tenants.iter().map(|(tenant, rows)| Change::replaced(tenant, rows, Some(copied_at)));
        self.changes.extend(news);
    }
}

/// The journal of one node.
#[derive(Debug)]
pub(crate) struct Handle {
    database: Database,
    node: usize,
}

impl Journal for Handle {
    fn append(
        &mut self,
        drafts: &[JournalDraft],
        now_unix_ms: u64,
        new_epoch: &mut dyn FnMut() -> u64,
    ) -> Result<Vec<Appended>, JournalError> {
        let mut state = self.database.lock();
        state.begin_for(self.node, drafts.iter().map(|draft| &draft.tenant))?;
        let at = now_unix_ms + state.ahead_ms;
        let mut answers = Vec::new();
        for draft in drafts {
            let answer = state.rows(&draft.tenant, &mut *new_epoch).append(draft, at);
            if let Appended::New { .. } = answer {
                let entry = state.rows(&draft.tenant, &mut *new_epoch).entries.back().cloned();
                let (tenant, entry) = (draft.tenant.clone(), entry.expect("an entry was appended"));
                state.tables.appended += 1;
                state.changes.push(Change::Appended { tenant, entry });
            }
            answers.push(answer);
        }
        state.end(self.node, answers)
    }

    fn recent(
        &mut self,
        tenant: &TenantId,
        limits: &LogLimits,
        now_unix_ms: u64,
        new_epoch: u64,
    ) -> Result<History, JournalError> {
        let mut state = self.database.lock();
        state.begin_for(self.node, [tenant].into_iter())?;
        let since = now_unix_ms.saturating_sub(u64::try_from(limits.max_age.as_millis()).unwrap_or(u64::MAX));
        Ok(state.rows(tenant, || new_epoch).recent(limits, since))
    }

    fn follow(
        &mut self,
        held: &[(TenantId, Position)],
        max: usize,
    ) -> Result<Vec<(TenantId, Followed)>, JournalError> {
        let mut state = self.database.lock();
        state.begin_for(self.node, held.iter().map(|(tenant, _)| tenant))?;
        let mut left = max;
        let mut news = Vec::new();
        for (tenant, position) in held {
            let followed = match state.tables.tenants.get(tenant) {
                Some(rows) => rows.follow(*position, left),
                None => Some(Followed::RolledBack),
            };
            let Some(followed) = followed else { continue };
            if let Followed::Entries(entries) = &followed {
                left -= entries.len();
                if entries.is_empty() {
                    continue;
                }
            }
            news.push((tenant.clone(), followed));
        }
        Ok(news)
    }

    fn renew(&mut self, tenant: &TenantId, old: u64, new: u64) -> Result<(), JournalError> {
        let mut state = self.database.lock();
        state.begin(self.node)?;
        state.renew(tenant, old, new);
        state.end(self.node, ())
    }

    fn tenants(&mut self, after: Option<&TenantId>, max: usize) -> Result<Vec<TenantId>, JournalError> {
        let mut state = self.database.lock();
        state.begin(self.node)?;
        let names = state.tables.tenants.keys();
        Ok(names.filter(|name| after.is_none_or(|after| *name > after)).take(max).cloned().collect())
    }

    fn revoke(&mut self, revocations: &[JournalRevocation]) -> Result<Vec<u64>, JournalError> {
        let mut state = self.database.lock();
        state.begin(self.node)?;
        let numbers = revocations.iter().map(|revocation| state.tables.revoke(revocation)).collect();
        state.end(self.node, numbers)
    }

    fn revocations(
        &mut self,
        after: u64,
        max: usize,
        now_unix_ms: u64,
    ) -> Result<Vec<(u64, JournalRevocation)>, JournalError> {
        let mut state = self.database.lock();
        state.begin(self.node)?;
        Ok(state.tables.revocations_after(after, max, now_unix_ms))
    }

    fn trim(&mut self, limits: &JournalLimits, now_unix_ms: u64) -> Result<bool, JournalError> {
        let mut state = self.database.lock();
        state.begin(self.node)?;
        let now = now_unix_ms + state.ahead_ms;
        let has_more = state.tables.trim(limits, now);
        state.end(self.node, has_more)
    }

    fn probe(&mut self) -> Result<(), JournalError> {
        self.database.lock().begin(self.node)
    }

    fn poll_interval(&self) -> Duration {
        Duration::from_millis(self.database.lock().poll_ms)
    }
}
