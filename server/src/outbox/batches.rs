//! From rows to the entries that one call appends, with what must wait. Pure: the time is an argument.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use tidings_hub::{Host as _, Hub, PublishError, RawPublish, TenantId, journal::JournalDraft};
use tidings_shared::{TopicName, limits::MAX_TOPICS_PER_PUBLICATION};

use super::{
    gaps::TenantGaps,
    judge::{CheckRecord, Gap, Refusal, check_record, is_unknown, judge, refused, too_old},
    row::{Field, OutboxRow, RowId},
    store::Dead,
    unsettled::Held,
};
use crate::SystemHost;

/// How long a row with an event that this server does not know waits for a newer server, by the database's clock. An update
/// of several servers takes less from the first newer server to its first event. Then the row becomes a dead letter.
pub(crate) const NEWER_SERVER: Duration = Duration::from_secs(60);

/// Rows that wait for a newer server. Beyond it, a row becomes a dead letter at once. Each read names the rows, with 8 bytes
/// each.
pub(crate) const MAX_UNKNOWN: usize = 8 * 1024;

/// Rows that wait for the gap of their tenant. Beyond it, no row is read until the first of them has its gap, which takes a
/// second at most. One batch may be over it. Each read names the rows, with 8 bytes each.
pub(crate) const MAX_HELD: usize = 8 * 1024;

/// What one call does with rows that are still there.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// An entry for each row: its event, or the gap that stands for it.
    pub(crate) drafts: Vec<JournalDraft>,
    /// The row of each entry.
    pub(crate) rows: Vec<RowId>,
    /// The rows that become dead letters. If nobody must load again, the row has no entry.
    pub(crate) dead: Vec<Dead>,
    /// Changes that have waited for too long. A gap stands for them.
    pub(crate) too_old: u64,
    /// What was read of the rows with events.
    events: Vec<OutboxRow>,
}

/// Makes batches.
#[derive(Debug)]
pub(super) struct Batches {
    /// The tenant of rows that name none.
    home: Option<TenantId>,
    /// The topic of all rows, and the check of their records, if they are changes of a table.
    changes: Option<(TopicName, CheckRecord)>,
    host: SystemHost,
    gaps: TenantGaps,
    /// Rows with an event that this server does not know, and until when each waits.
    unknown: Vec<(RowId, Instant)>,
    /// Rows that wait until their tenant may have a gap.
    held: Vec<(TenantId, Held)>,
    /// When the first of these tenants may have its gap.
    due: Option<Instant>,
    /// Rows with the key of another publication: the database has refused them.
    refused: Vec<(RowId, Refusal)>,
}

impl Batches {
    pub(super) fn new(home: Option<TenantId>) -> Self {
        let (changes, gaps, unknown, held, due, refused) = Default::default();
        Self { home, changes, host: SystemHost::start(), gaps, unknown, held, due, refused }
    }

    /// Says that the rows are changes of a table. What is lost becomes a gap of this topic.
    pub(super) fn of_changes(mut self, topic: TopicName, check: CheckRecord) -> Self {
        self.changes = Some((topic, check));
        self
    }

    /// Whether the rows are changes of a table.
    pub(super) fn are_of_changes(&self) -> bool {
        self.changes.is_some()
    }

    /// Makes a batch of rows. Rows that were waiting for a gap come with it.
    pub(super) fn next(&mut self, hub: &Hub, rows: Vec<OutboxRow>, now: Instant) -> Batch {
        let mut batch = Batch::default();
        for (id, refusal) in std::mem::take(&mut self.refused) {
            self.refuse(id, refusal, &mut batch);
        }
        let max_age = hub.log_limits().max_age;
        // All losses of one topic share a gap: their entries have the same key, so the journal appends one of them.
        let lost_key = self.host.new_key();
        for row in rows {
            let old = too_old(&row, self.home.as_ref(), row.age, max_age);
            match (&self.changes, &self.home, old) {
                (Some((topic, _)), Some(tenant), old) if old.is_some() || row.is_gap => {
                    batch.too_old += u64::from(!row.is_gap);
                    batch.push(JournalDraft::gap(tenant.clone(), vec![topic.clone()], lost_key), row.id);
                    continue;
                }
                (_, _, Some(tenant)) => {
                    self.held.push((tenant, Held::Old(row.id)));
                    continue;
                }
                _ => {}
            }
            match self.check(hub, &row) {
                Ok(draft) => {
                    batch.push(draft, row.id.clone());
                    batch.events.push(row);
                }
                Err(Unfit { is_unknown: true, .. })
                    if row.age < NEWER_SERVER && self.unknown.len() < MAX_UNKNOWN =>
                {
                    self.unknown.push((row.id, now + (NEWER_SERVER - row.age)));
                }
                Err(Unfit { refusal, .. }) => self.refuse(row.id, refusal, &mut batch),
            }
        }
        self.release(&mut batch, now);
        batch
    }

    /// Notes that a row of this batch has the key of another publication. The next batch makes it a dead letter.
    pub(super) fn has_other_key(&mut self, hub: &Hub, batch: &Batch, row: &RowId) {
        let Some(row) = batch.events.iter().find(|event| event.id == *row) else { return };
        let refusal = match judge(row, self.home.as_ref()) {
            Ok(draft) => refused(draft, &PublishError::Key, hub.domains()),
            Err(refusal) => refusal,
        };
        self.refused.push((row.id.clone(), refusal));
    }

    /// Returns the rows that a read should leave out, by ascending id.
    pub(super) fn waiting(&mut self, now: Instant) -> Vec<RowId> {
        self.unknown.retain(|(_, until)| now < *until);
        let held = self.held.iter().map(|(_, held)| held.row());
        let refused = self.refused.iter().map(|(id, _)| id);
        let mut rows: Vec<RowId> =
            self.unknown.iter().map(|(id, _)| id).chain(held).chain(refused).cloned().collect();
        rows.sort_unstable_by_key(|row| row.id);
        rows
    }

    /// Returns when a batch is due, also without new rows.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        if self.refused.is_empty() { self.due } else { Some(now) }
    }

    /// Whether so many rows wait for a gap that no more should be read before a batch is [due](Self::due).
    pub(super) fn is_full(&self) -> bool {
        self.held.len() >= MAX_HELD
    }

    /// Forgets the rows that wait. They are read again.
    pub(super) fn forget(&mut self) {
        (self.unknown, self.held, self.refused, self.due) = Default::default();
    }

    fn check(&self, hub: &Hub, row: &OutboxRow) -> Result<JournalDraft, Unfit> {
        let judged = judge(row, self.home.as_ref()).and_then(|draft| match &self.changes {
            Some((_, check)) => check_record(draft, check),
            None => Ok(draft),
        });
        let draft = judged.map_err(|refusal| Unfit { refusal, is_unknown: false })?;
        let RawPublish { tenant, event, named, options } = &draft;
        match hub.tenant(tenant).check_raw(event.clone(), named.as_deref(), options.clone()) {
            // The row goes with the append. So a key that was made for it does not come again.
            Ok(checked) => Ok(JournalDraft { may_come_again: row.key != Field::Null, ..checked }),
            Err(error) => {
                let is_unknown = is_unknown(&draft, &error, hub.domains());
                Err(Unfit { refusal: refused(draft, &error, hub.domains()), is_unknown })
            }
        }
    }

    fn refuse(&mut self, id: RowId, Refusal { code, reason, gap }: Refusal, batch: &mut Batch) {
        let dead = Dead { id, code, reason };
        let gap = match (gap, &self.changes) {
            (Gap::Tenant(tenant), Some((topic, _))) => Gap::Topics(tenant, vec![topic.clone()]),
            (gap, _) => gap,
        };
        match gap {
            Gap::Nobody => batch.dead.push(dead),
            Gap::Topics(tenant, topics) if topics.len() <= MAX_TOPICS_PER_PUBLICATION => {
                batch.push(JournalDraft::gap(tenant, topics, self.host.new_key()), dead.id.clone());
                batch.dead.push(dead);
            }
            Gap::Topics(tenant, _) | Gap::Tenant(tenant) => self.held.push((tenant, Held::Dead(dead))),
        }
    }

    /// Puts the rows into a batch that waited for the gap of their tenant, if the tenant may have one. They share it: their
    /// entries have the same key, so the journal appends one of them.
    fn release(&mut self, batch: &mut Batch, now: Instant) {
        let mut of_tenants: BTreeMap<TenantId, Vec<Held>> = BTreeMap::new();
        for (tenant, held) in std::mem::take(&mut self.held) {
            of_tenants.entry(tenant).or_default().push(held);
        }
        self.due = None;
        for (tenant, all) in of_tenants {
            match self.gaps.take(&tenant, now) {
                Err(due) => {
                    self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
                    self.held.extend(all.into_iter().map(|held| (tenant.clone(), held)));
                }
                Ok(()) => {
                    let key = self.host.new_key();
                    for held in all {
                        batch.push(JournalDraft::gap(tenant.clone(), Vec::new(), key), held.row().clone());
                        if let Held::Dead(dead) = held {
                            batch.dead.push(dead);
                        }
                    }
                }
            }
        }
    }
}

/// Why a row can't be published.
struct Unfit {
    refusal: Refusal,
    /// Whether a newer server may take it.
    is_unknown: bool,
}

impl Batch {
    /// Whether there is nothing to do.
    pub(super) fn is_empty(&self) -> bool {
        self.drafts.is_empty() && self.dead.is_empty()
    }

    fn push(&mut self, draft: JournalDraft, row: RowId) {
        self.drafts.push(draft);
        self.rows.push(row);
    }
}

#[cfg(test)]
mod tests;
