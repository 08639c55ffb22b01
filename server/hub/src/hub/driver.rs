//! The driver moves entries between a hub and its journal. It does no I/O itself, and reads no clock: the journal does
//! the I/O, and the hub's host gives the time.
//!
//! A turn does, in this order: revocations, entries to append, following the journal, tenants to load, and now and then
//! trimming the journal.
//!
//! After a failed append, nobody knows whether the entries are in the journal. So the driver appends them again: the
//! journal knows the keys of its entries, and appends nothing twice.

use std::{collections::BTreeMap, sync::Arc, task::Waker, time::Duration};

use tidings_shared::{Position, TopicName};

use super::{
    outgoing::{Outgoing, Waiting},
    publishing::PublishError,
    shared::{Shared, is_same_set},
};
use crate::{
    journal::{
        Appended, Content, Entry, Followed, History, Journal, JournalDraft, JournalError, JournalLimits,
    },
    moment::Moment,
    publication::{Draft, Publication, Published},
    tenant_id::TenantId,
    tenant_log::TenantLog,
};

/// Entries of one append. The journal makes them durable together.
const APPEND_ENTRIES: usize = 1_024;

/// Bytes of one append.
const APPEND_BYTES: usize = 4 * 1024 * 1024;

/// Revocations of one call of the journal.
const REVOCATIONS: usize = 1_024;

/// Entries of one read of the journal.
const FOLLOW_ENTRIES: usize = 1_024;

/// Time between two looks for what the journal may forget.
const TRIM_INTERVAL: Duration = Duration::from_secs(5);

/// The first pause after a failure of the journal. Each further failure doubles it.
const MIN_PAUSE: Duration = Duration::from_millis(20);

/// The longest pause after a failure of the journal.
const MAX_PAUSE: Duration = Duration::from_secs(1);

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
    /// Entries that were taken from the hub. Their append has failed.
    drafts: Vec<JournalDraft>,
    /// What follows on each of them.
    waiting: Vec<Waiting>,
    /// The number of the newest revocation that this node has read.
    newest_revocation: u64,
    followed: Option<Duration>,
    trimmed: Duration,
    pause: Duration,
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").field("drafts", &self.drafts.len()).finish_non_exhaustive()
    }
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            drafts: Vec::new(),
            waiting: Vec::new(),
            newest_revocation: 0,
            followed: None,
            trimmed: Duration::ZERO,
            pause: Duration::ZERO,
        }
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
                if is_busy || self.outgoing().set_driver(waker) {
                    return Turn::Busy;
                }
                let since = now.since_start.saturating_sub(self.followed.unwrap_or_default());
                Turn::Idle(journal.poll_interval().saturating_sub(since))
            }
            Err(error) => {
                if self.pause.is_zero() {
                    tracing::error!(%error, "the journal does not answer");
                }
                // The logs may lack entries that are in the journal.
                self.followed = None;
                self.pause = (self.pause * 2).clamp(MIN_PAUSE, MAX_PAUSE);
                Turn::Pause(self.pause)
            }
        }
    }

    /// Returns whether something waits for the journal. A drain goes on until nothing waits.
    pub fn is_idle(&self) -> bool {
        self.drafts.is_empty() && self.outgoing().is_empty()
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
        self.revoke(journal)?;
        self.append(journal, now)?;
        let must_follow = self.outgoing().take_follow() | journal.has_news();
        let is_due =
            self.followed.is_none_or(|at| now.since_start.saturating_sub(at) >= journal.poll_interval());
        if must_follow || is_due {
            self.follow_all(journal, now)?;
            while self.read_revocations(journal, now)? {}
            if is_due {
                journal.probe()?;
            }
            self.shared.health.answered(now);
        }
        self.load(journal, now)?;
        if now.since_start.saturating_sub(self.trimmed) >= TRIM_INTERVAL {
            let limits = JournalLimits::new(self.shared.settings.log);
            if !journal.trim(&limits, now.unix_ms)? {
                self.trimmed = now.since_start;
            }
        }
        Ok(!self.drafts.is_empty())
    }

    /// Gives up the entries that have waited for too long. They may still be in the journal: their publishers try again
    /// with the same key.
    fn give_up_late(&mut self, now: Moment) {
        self.outgoing().handle_timeout(now.since_start);
        let late = self.waiting.iter().take_while(|waiting| waiting.is_late(now.since_start)).count();
        self.give_up(late);
    }

    /// Gives up the oldest entries.
    fn give_up(&mut self, count: usize) {
        let drafts = self.drafts.drain(..count);
        for (draft, waiting) in drafts.zip(self.waiting.drain(..count)) {
            self.shared.give_up(draft, waiting);
        }
        if self.drafts.is_empty() {
            self.outgoing().has_answered();
        }
    }

    fn load(&mut self, journal: &mut dyn Journal, now: Moment) -> Result<(), JournalError> {
        let mut tenants = self.outgoing().take_loads().into_iter();
        let mut failed = Ok(());
        while let Some(tenant) = tenants.next() {
            let Some(log) = self.shared.known_log(&tenant).filter(|log| !log.is_loaded()) else { continue };
            let Err(error) = self.load_log(journal, &tenant, &log, now) else { continue };
            self.outgoing().load(&tenant);
            failed = Err(error);
            if journal.probe().is_err() {
                // The journal is away: the others wait, too.
                tenants.for_each(|tenant| self.outgoing().load(&tenant));
                break;
            }
        }
        failed
    }

    fn load_log(
        &self,
        journal: &mut dyn Journal,
        tenant: &TenantId,
        log: &TenantLog,
        now: Moment,
    ) -> Result<(), JournalError> {
        let limits = &self.shared.settings.log;
        let since = now.unix_ms.saturating_sub(u64::try_from(limits.max_age.as_millis()).unwrap_or(u64::MAX));
        let History { tail, entries } =
            journal.recent(tenant, limits, since, self.shared.host.new_epoch())?;
        if log.is_loaded() && tail.epoch != log.head().epoch {
            // Another node has given the tenant a new epoch in between.
            self.shared.retire(tenant, log);
            return Ok(());
        }
        let entries = entries.into_iter().map(|entry| publication(entry, now)).collect();
        log.load(tail, entries, now);
        self.shared.bound_logs();
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
            for slot in revoked.into_iter().filter_map(|revoked| revoked.slot) {
                slot.fill(Ok(()));
            }
        }
    }

    /// Reads a batch of revocations that other nodes have appended. Returns whether there may be more.
    fn read_revocations(&mut self, journal: &mut dyn Journal, now: Moment) -> Result<bool, JournalError> {
        let revocations = journal.revocations(self.newest_revocation, REVOCATIONS, now.unix_ms)?;
        let has_more = revocations.len() >= REVOCATIONS;
        for (number, revocation) in revocations {
            self.newest_revocation = number;
            self.shared.revocations.obey(&revocation, now);
        }
        Ok(has_more)
    }

    /// Appends the next entries. Their logs have them when their publishers get the answers.
    fn append(&mut self, journal: &mut dyn Journal, now: Moment) -> Result<(), JournalError> {
        let host = Arc::clone(&self.shared.host);
        if self.drafts.is_empty() {
            let new_key = || host.new_key();
            let taken = self.outgoing().take_entries(APPEND_ENTRIES, APPEND_BYTES, now.since_start, new_key);
            (self.drafts, self.waiting) = taken;
        }
        if self.drafts.is_empty() {
            return Ok(());
        }
        let answers = journal.append(&self.drafts, now.unix_ms, &mut || host.new_epoch())?;
        let drafts = std::mem::take(&mut self.drafts).into_iter().zip(std::mem::take(&mut self.waiting));
        let mut answered = Vec::new();
        let mut logs = BTreeMap::new();
        for ((draft, waiting), answer) in drafts.zip(answers) {
            let log = self.shared.known_log(&draft.tenant).filter(TenantLog::is_loaded);
            logs.extend(log.map(|log| (draft.tenant.clone(), log)));
            match answer {
                Appended::New { position, .. } => {
                    answered
                        .push((waiting, Ok(Published { position, key: draft.key, topics: draft.topics })));
                }
                Appended::Known { position, topics } => {
                    let answer = self.known(draft, &waiting, position, topics);
                    answered.push((waiting, answer));
                }
            }
        }
        // The journal may have lost the head of a log. Then other entries are where these seem to follow on it. So the log
        // takes them from the journal, which compares the head.
        let followed = self.follow(journal, &logs, now);
        answered.into_iter().for_each(|(waiting, answer)| waiting.answer(answer));
        self.outgoing().has_answered();
        followed
    }

    /// Returns the answer for an entry with a key that was appended before. Another publication with this key had other topics:
    /// the answer must not name them.
    fn known(
        &self,
        draft: JournalDraft,
        waiting: &Waiting,
        position: Position,
        topics: Vec<TopicName>,
    ) -> Result<Published, PublishError> {
        if is_same_set(&draft.topics, &topics) {
            return Ok(Published { position, key: draft.key, topics });
        }
        if waiting.is_announced() {
            self.outgoing().lose(&draft.tenant, draft.topics);
        }
        Err(PublishError::Key)
    }

    /// Reads what the journal has after all logs of this node.
    fn follow_all(&mut self, journal: &mut dyn Journal, now: Moment) -> Result<(), JournalError> {
        let logs = self.shared.loaded_logs();
        logs.values().for_each(TenantLog::begin_follow);
        self.follow(journal, &logs, now)?;
        logs.values().for_each(TenantLog::has_followed);
        self.followed = Some(now.since_start);
        Ok(())
    }

    /// Reads what the journal has after these logs.
    fn follow(
        &mut self,
        journal: &mut dyn Journal,
        logs: &BTreeMap<TenantId, TenantLog>,
        now: Moment,
    ) -> Result<(), JournalError> {
        let mut held = heads(logs);
        while !held.is_empty() {
            let followed = journal.follow(&held, FOLLOW_ENTRIES)?;
            let (mut more, mut count) = (Vec::new(), 0);
            for (tenant, followed) in followed {
                let Some(log) = logs.get(&tenant) else { continue };
                match followed {
                    Followed::Entries(entries) => {
                        let Some(last) = entries.last().map(|entry| entry.position) else { continue };
                        count += entries.len();
                        let entries = entries.into_iter().map(|entry| publication(entry, now)).collect();
                        if !log.follow_journal(entries) {
                            return Err(JournalError::new(format!(
                                "the journal gave entries of tenant {tenant} that do not follow on its log"
                            )));
                        }
                        more.push((tenant, last));
                    }
                    Followed::Trimmed => self.load_log(journal, &tenant, log, now)?,
                    Followed::RolledBack => self.renew(journal, &tenant, log)?,
                }
            }
            // A full answer may have left out tenants.
            let is_full = count >= FOLLOW_ENTRIES;
            held = if is_full { heads(logs) } else { more };
        }
        self.shared.bound_logs();
        Ok(())
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

impl Drop for Driver {
    fn drop(&mut self) {
        self.give_up(self.drafts.len());
        self.outgoing().close();
        self.shared.end_loading();
    }
}

/// Returns the heads of these logs, without those that have ended.
fn heads(logs: &BTreeMap<TenantId, TenantLog>) -> Vec<(TenantId, Position)> {
    let logs = logs.iter().filter(|(_, log)| !log.is_retired());
    logs.map(|(tenant, log)| (tenant.clone(), log.head())).collect()
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
