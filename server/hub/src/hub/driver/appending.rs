//! Appending: entries go to the journal, and their publishers get the answers.

use std::{collections::BTreeMap, sync::Arc};

use tidings_shared::{Position, TopicName};

use super::{Driver, batch::Batch, following::Logs};
use crate::{
    hub::{outgoing::Waiting, publishing::PublishError, shared::is_same_set},
    journal::{Appended, Journal, JournalDraft, JournalError},
    moment::Moment,
    publication::Published,
    tenant_id::TenantId,
    tenant_log::TenantLog,
};

/// Entries of one append. The journal makes them durable together.
const APPEND_ENTRIES: usize = 1_024;

/// Bytes of one append.
const APPEND_BYTES: usize = 4 * 1024 * 1024;

/// Entries that wait until the pause of their tenant ends. Further ones are given up.
const MAX_HELD: usize = 1_024;

/// An append that has failed.
enum Failed {
    /// The journal has not said that it has these entries.
    Append(Batch, JournalError),
    /// The journal has the entries. It can't be followed.
    Follow(JournalError),
}

impl Driver {
    /// Appends the next entries. Their logs have them when their publishers get the answers.
    pub(super) fn append(&mut self, journal: &mut dyn Journal, now: Moment) -> Result<(), JournalError> {
        if self.batch.is_empty() {
            self.take_entries(journal, now)?;
        }
        let appended = self.append_taken(journal, now);
        self.tell_in_flight();
        appended
    }

    fn take_entries(&mut self, journal: &mut dyn Journal, now: Moment) -> Result<(), JournalError> {
        let host = Arc::clone(&self.shared.host);
        let pauses = |tenant: &TenantId| self.damaged.pauses(tenant, now.since_start);
        let (drafts, waiting) =
            self.outgoing()
                .take_entries(APPEND_ENTRIES, APPEND_BYTES, now.since_start, pauses, || host.new_key());
        self.batch = Batch::new(drafts, waiting);
        if self.outgoing().take_lost_by_somebody() {
            self.gaps_after = Some(None);
        }
        // Everybody gets a gap: some tenant has lost something.
        let room = APPEND_ENTRIES.saturating_sub(self.batch.drafts.len());
        let Some(after) = self.gaps_after.as_ref().filter(|_| room > 0) else { return Ok(()) };
        let tenants = journal.tenants(after.as_ref(), room)?;
        self.gaps_after = tenants.last().cloned().map(Some);
        for tenant in tenants {
            self.batch.drafts.push(JournalDraft::gap(tenant, Vec::new(), host.new_key()));
            self.batch.waiting.push(Waiting::announced(now.since_start));
        }
        Ok(())
    }

    /// Appends what was taken. The entries of a damaged tenant go alone, and wait for the end of its pause.
    fn append_taken(&mut self, journal: &mut dyn Journal, now: Moment) -> Result<(), JournalError> {
        let (failing, healthy) = self.batch.take().split(|draft, _| self.damaged.has(&draft.tenant));
        self.held.extend(failing);
        self.batch = healthy;
        for tenant in self.held.tenants() {
            if !self.damaged.pauses(&tenant, now.since_start) {
                let (its, others) = self.held.take().split(|draft, _| draft.tenant == tenant);
                self.held = others;
                self.append_apart(journal, its, now)?;
            }
        }
        let batch = self.batch.take();
        self.append_apart(journal, batch, now)?;
        let beyond = self.held.split_off(MAX_HELD);
        self.give_up(beyond);
        Ok(())
    }

    /// Appends entries. If some tenant is damaged, appends each half of the tenants alone. So one tenant stops no other.
    fn append_apart(
        &mut self,
        journal: &mut dyn Journal,
        batch: Batch,
        now: Moment,
    ) -> Result<(), JournalError> {
        let mut parts = vec![batch];
        let appended = self.append_parts(journal, &mut parts, now);
        // If the journal is away, these wait.
        parts.into_iter().for_each(|part| self.batch.extend(part));
        appended
    }

    fn append_parts(
        &mut self,
        journal: &mut dyn Journal,
        parts: &mut Vec<Batch>,
        now: Moment,
    ) -> Result<(), JournalError> {
        while let Some(part) = parts.pop() {
            let (part, error) = match self.append_part(journal, part, now) {
                Ok(()) => continue,
                Err(Failed::Follow(error)) => return Err(error),
                Err(Failed::Append(part, error)) => (part, error),
            };
            if !error.is_damage {
                parts.push(part);
                return Err(error);
            }
            let tenants = part.tenants();
            match tenants.first() {
                Some(tenant) if tenants.len() == 1 => {
                    self.held.extend(part);
                    self.fails(tenant, error, now)?;
                }
                _ => parts.extend(part.halves()),
            }
        }
        Ok(())
    }

    /// Appends entries together.
    fn append_part(&mut self, journal: &mut dyn Journal, batch: Batch, now: Moment) -> Result<(), Failed> {
        if batch.is_empty() {
            return Ok(());
        }
        let host = Arc::clone(&self.shared.host);
        let answers = match journal.append(&batch.drafts, now.unix_ms, &mut || host.new_epoch()) {
            Ok(answers) => answers,
            Err(error) => return Err(Failed::Append(batch, error)),
        };
        let mut answered = Vec::new();
        let mut reached: BTreeMap<TenantId, Position> = BTreeMap::new();
        let mut logs = Logs::new();
        for ((draft, waiting), answer) in batch.into_iter().zip(answers) {
            let log = self.shared.known_log(&draft.tenant).filter(TenantLog::is_loaded);
            let (Appended::New { position, .. } | Appended::Known { position, .. }) = &answer;
            // The entry of a known key may be an old one, also of an epoch that no log has any more.
            let is_new = matches!(answer, Appended::New { .. });
            if let Some(log) = log.filter(|log| is_new || log.head().epoch == position.epoch) {
                logs.insert(draft.tenant.clone(), log);
                let newest = reached.entry(draft.tenant.clone()).or_insert(*position);
                if position.offset > newest.offset {
                    *newest = *position;
                }
            }
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
        // The journal may have lost the head of a log, and these entries then follow on another one. So the log does not
        // take them from here. It takes them from the journal, which compares the head.
        let followed = self.follow_to(journal, logs, &reached, now);
        answered.into_iter().for_each(|(waiting, answer)| waiting.answer(answer));
        followed.map_err(Failed::Follow)
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
}
