//! The driver moves entries between a hub and its journal. It does no I/O itself, and reads no clock: the journal does
//! the I/O, and the hub's host gives the time.
//!
//! A turn does, in this order: revocations, entries to append, following the journal, tenants to load, and now and then
//! trimming the journal. After a failed append, the next turn follows the journal first: other nodes may still append.
//!
//! After a failed append, nobody knows whether the entries are in the journal. So the driver appends them again: the
//! journal knows the keys of its entries, and appends nothing twice.
//!
//! A call fails if the history of one of its tenants is damaged. Then the driver makes the call for fewer and fewer tenants,
//! until it knows which of them it is. That tenant pauses, and the others go on (`damaged`).

mod appending;
mod batch;
mod damaged;
mod following;
mod loading;

use std::{sync::Arc, task::Waker, time::Duration};

use tidings_shared::limits::DEGRADED_AFTER;

use self::{batch::Batch, damaged::Damaged, loading::Loading};
use super::{outgoing::Outgoing, shared::Shared};
use crate::{
    journal::{Content, Entry, Journal, JournalError, JournalLimits, REVOCATION_GRACE},
    moment::Moment,
    publication::{Draft, Publication},
    tenant_id::TenantId,
    tenant_log::TenantLog,
};

/// Revocations of one call of the journal.
const REVOCATIONS: usize = 1_024;

/// Entries of one read of the journal.
const FOLLOW_ENTRIES: usize = 1_024;

/// Time between two comparisons of all logs with the journal. Between two of them, the driver asks the journal which logs have
/// something new. So a look costs little for tenants without news.
const FOLLOW_ALL_INTERVAL: Duration = Duration::from_secs(1);

/// Time between two looks for what the journal may forget.
const TRIM_INTERVAL: Duration = Duration::from_secs(5);

/// The first pause after a failure of the journal. Each further failure doubles it.
const MIN_PAUSE: Duration = Duration::from_millis(20);

/// The longest pause after a failure of the journal.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// Failures of one outage that are logged, each once. Further ones are not: an outage must not fill the log.
const MAX_SAID: usize = 8;

/// What the driver's shell does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Call [`Driver::turn`] again at once.
    Busy,
    /// Wait until the waker is woken, or for this long.
    Idle(Duration),
    /// The journal has failed: wait for this long.
    Pause(Duration),
}

/// Moves entries between a hub and its journal. It does no I/O itself, and reads no clock: the journal does the I/O, and the
/// hub's host gives the time.
///
/// Dropping it ends the hub's journal: everything that waits for it is refused, and so is everything that comes later.
pub struct Driver {
    shared: Arc<Shared>,
    /// Entries that were taken from the hub. Their append has failed, because the journal was away.
    batch: Batch,
    /// Entries of damaged tenants.
    held: Batch,
    damaged: Damaged,
    loading: Loading,
    /// While every tenant of the journal gets a gap: the last one that has got it.
    gaps_after: Option<Option<TenantId>>,
    /// The most entries of one read of the journal.
    entries_per_read: usize,
    /// The number of the newest revocation that this node has read.
    newest_revocation: u64,
    /// When the logs last had everything that the journal had.
    followed: Option<Duration>,
    /// When all logs were last compared with the journal.
    followed_all: Option<Duration>,
    /// Whether the last write has failed.
    has_failed_to_write: bool,
    trimmed: Duration,
    cannot_trim: bool,
    pause: Duration,
    /// The failures that were logged since the journal's last answer.
    said: Vec<JournalError>,
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").field("drafts", &self.batch.drafts.len()).finish_non_exhaustive()
    }
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            batch: Batch::default(),
            held: Batch::default(),
            damaged: Damaged::default(),
            loading: Loading::default(),
            gaps_after: None,
            entries_per_read: FOLLOW_ENTRIES,
            newest_revocation: 0,
            followed: None,
            followed_all: None,
            has_failed_to_write: false,
            trimmed: Duration::ZERO,
            cannot_trim: false,
            pause: Duration::ZERO,
            said: Vec::new(),
        }
    }

    /// Sets the most entries of one read of the journal, 1,024 by default.
    pub fn with_entries_per_read(mut self, entries: usize) -> Self {
        self.entries_per_read = entries;
        self
    }

    /// Reads the revocations. Call this before the hub's gateway lets anybody in.
    ///
    /// # Errors
    /// The journal does not answer.
    pub fn open(&mut self, journal: &mut dyn Journal) -> Result<(), JournalError> {
        let now = self.shared.host.now();
        while self.read_revocations(journal, now)? {}
        journal.probe()?;
        if let Some(id) = journal.id() {
            let _ = self.shared.journal_id.set(id);
        }
        self.shared.health.answered(now);
        Ok(())
    }

    /// Does a turn. `waker` is woken when the hub hands over something.
    pub fn turn(&mut self, journal: &mut dyn Journal, waker: &Waker) -> Turn {
        let now = self.shared.host.now();
        match self.try_turn(journal, now) {
            Ok(is_busy) => {
                self.pause = Duration::ZERO;
                self.said = Vec::new();
                let pauses = |tenant: &TenantId| self.damaged.pauses(tenant, now.since_start);
                if is_busy || self.outgoing().set_driver(waker, pauses) {
                    return Turn::Busy;
                }
                let since = now.since_start.saturating_sub(self.followed.unwrap_or_default());
                let wait = journal.poll_interval().saturating_sub(since);
                Turn::Idle(self.damaged.next(now.since_start).map_or(wait, |next| next.min(wait)))
            }
            Err(error) => {
                // The first failure may not name the remedy yet: the file was replaced, and only the next call opens it.
                if self.said.len() < MAX_SAID && !self.said.contains(&error) {
                    tracing::error!(%error, "the journal does not answer");
                    self.said.push(error);
                }
                // The logs may lack entries that are in the journal.
                (self.followed, self.followed_all) = (None, None);
                self.pause = (self.pause * 2).clamp(MIN_PAUSE, MAX_PAUSE);
                Turn::Pause(self.pause)
            }
        }
    }

    /// Returns whether something waits for the journal. A drain goes on until nothing waits.
    pub fn is_idle(&self) -> bool {
        self.batch.is_empty()
            && self.held.is_empty()
            && self.gaps_after.is_none()
            && self.outgoing().is_empty()
    }

    /// Returns whether nobody has the hub any more, and no handle to a tenant. A shell looks now and then.
    pub fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.shared) == 1
    }

    fn outgoing(&self) -> &Outgoing {
        self.shared.outgoing.as_ref().expect("a hub with a driver has a journal")
    }

    /// Does a turn. Returns whether there is more to do at once.
    fn try_turn(&mut self, journal: &mut dyn Journal, now: Moment) -> Result<bool, JournalError> {
        self.give_up_late(now);
        // A journal that takes nothing may still be read: what other nodes append must not wait for each failed write.
        let reads_first = self.has_failed_to_write;
        if !reads_first {
            self.write(journal, now)?;
        }
        let has_all = self.read(journal, now)?;
        let written = if reads_first { self.write(journal, now) } else { Ok(()) };
        self.load(journal, now)?;
        written?;
        self.trim(journal, now)?;
        Ok(!self.batch.is_empty() || self.gaps_after.is_some() || !has_all)
    }

    /// Appends revocations and entries.
    fn write(&mut self, journal: &mut dyn Journal, now: Moment) -> Result<(), JournalError> {
        self.has_failed_to_write = true;
        self.revoke(journal)?;
        self.append(journal, now)?;
        self.has_failed_to_write = false;
        Ok(())
    }

    /// Reads what other nodes have appended, if it is time, or if somebody waits for it. Returns whether there is no more.
    fn read(&mut self, journal: &mut dyn Journal, now: Moment) -> Result<bool, JournalError> {
        let asked = self.outgoing().take_follows();
        let is_due =
            self.followed.is_none_or(|at| now.since_start.saturating_sub(at) >= journal.poll_interval());
        let is_all_due =
            self.followed_all.is_none_or(|at| now.since_start.saturating_sub(at) >= FOLLOW_ALL_INTERVAL);
        let may_have_news = is_due || journal.has_news();
        let is_for_all = asked.is_all || may_have_news && is_all_due;
        let mut has_all = match is_for_all {
            true => self.follow_all(journal, now)?,
            false => self.follow_asked(journal, asked.tenants, now)?,
        };
        if may_have_news && !is_for_all {
            has_all &= self.follow_changed(journal, now)?;
        }
        if may_have_news || is_for_all {
            while self.read_revocations(journal, now)? {}
        }
        // News may come all the time, so that it is never due.
        if may_have_news {
            journal.probe()?;
            if has_all {
                self.shared.health.answered(now);
            }
        }
        Ok(has_all)
    }

    /// Gives up the entries that have waited for too long. They may still be in the journal: their publishers try again
    /// with the same key.
    fn give_up_late(&mut self, now: Moment) {
        self.outgoing().handle_timeout(now.since_start);
        self.damaged.handle_timeout(now.since_start);
        let late = [self.held.take_late(now.since_start), self.batch.take_late(now.since_start)];
        if late.iter().any(|late| !late.is_empty()) {
            late.into_iter().for_each(|late| self.give_up(late));
            self.tell_in_flight();
        }
    }

    /// Tells the hub which entries the driver has taken and not answered.
    fn tell_in_flight(&self) {
        let left = self.held.waiting.iter().chain(&self.batch.waiting).cloned().collect();
        self.outgoing().has_answered(left);
    }

    fn give_up(&self, batch: Batch) {
        batch.into_iter().for_each(|(draft, waiting)| self.shared.give_up(draft, waiting));
    }

    /// Removes what the journal may forget.
    fn trim(&mut self, journal: &mut dyn Journal, now: Moment) -> Result<(), JournalError> {
        if now.since_start.saturating_sub(self.trimmed) < TRIM_INTERVAL {
            return Ok(());
        }
        let trimmed = journal.trim(&JournalLimits::new(self.shared.settings.log), now.unix_ms);
        let has_more = match trimmed {
            Err(error) if error.is_damage => {
                if !std::mem::replace(&mut self.cannot_trim, true) {
                    tracing::error!(%error, "the journal can't remove old entries, so it grows");
                }
                false
            }
            trimmed => trimmed?,
        };
        if !has_more {
            self.trimmed = now.since_start;
        }
        Ok(())
    }

    fn revoke(&mut self, journal: &mut dyn Journal) -> Result<(), JournalError> {
        loop {
            let revoked = self.outgoing().take_revoked(REVOCATIONS);
            if revoked.is_empty() {
                return Ok(());
            }
            let revocations: Vec<_> = revoked.iter().map(|revoked| revoked.revocation.clone()).collect();
            if let Err(error) = journal.revoke(&revocations) {
                // A revocation that is appended twice takes nothing more away.
                self.outgoing().put_back(revoked);
                return Err(error);
            }
            revoked.into_iter().for_each(|revoked| self.outgoing().has_revoked(revoked));
        }
    }

    /// Reads a batch of revocations that other nodes have appended. Returns whether there may be more.
    fn read_revocations(&mut self, journal: &mut dyn Journal, now: Moment) -> Result<bool, JournalError> {
        let grace = u64::try_from(REVOCATION_GRACE.as_millis()).unwrap_or(u64::MAX);
        let since = now.unix_ms.saturating_sub(grace);
        let revocations = journal.revocations(self.newest_revocation, REVOCATIONS, since)?;
        let has_more = revocations.len() >= REVOCATIONS;
        for (number, revocation) in revocations {
            self.newest_revocation = number;
            self.shared.revocations.obey(&revocation, now);
        }
        Ok(has_more)
    }

    /// Notes that the history of this tenant is damaged. Its clients must not take old data for new data: if this
    /// lasts, they are sent away until the history can be read again.
    fn fails(&mut self, tenant: &TenantId, error: JournalError, now: Moment) -> Result<(), JournalError> {
        let lasts = self.damaged.add(tenant, error, now.since_start)?;
        let log = self.shared.known_log(tenant).filter(TenantLog::is_loaded);
        if let Some(log) = log.filter(|_| lasts >= DEGRADED_AFTER) {
            self.shared.retire(tenant, &log);
        }
        Ok(())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        for batch in [self.held.take(), self.batch.take()] {
            self.give_up(batch);
        }
        self.outgoing().close();
        self.shared.health.ended();
        self.shared.end_loading();
    }
}

/// Returns an entry as the log keeps it.
fn publication(entry: Entry, now: Moment) -> Publication {
    let Entry { position, at, key, origin, topics, content, .. } = entry;
    let age = Duration::from_millis(now.unix_ms.saturating_sub(at));
    let appended = now.since_start.saturating_sub(age);
    match content {
        Content::Event(event) => {
            let draft = Draft { key, may_come_again: false, origin, topics, event };
            Publication::new(draft, position, at, appended)
        }
        Content::Gap => {
            Publication::gap(key, topics, position, Moment { since_start: appended, unix_ms: at })
        }
    }
}

#[cfg(test)]
mod tests;
