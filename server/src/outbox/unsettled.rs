//! The rows that the reader has read and that are still in the table.

use std::time::{Duration, Instant};

use super::{judge::Gap, row::RowId, source::Dead};

/// Rows that were read and are still in the table, at most. Beyond it, the reader waits until the database takes the
/// deletion. Each has some 100 bytes.
pub(crate) const MAX_UNSETTLED: usize = 8 * 1024;

/// The time from an answer to the deletion of its row. So a busy application meets the reader's write lock twice a second.
/// After a crash, the rows of this time are published again with the same keys.
pub(crate) const SETTLE_AFTER: Duration = Duration::from_millis(500);

/// Rows after which the reader deletes at once.
pub(crate) const SETTLE_ROWS: usize = 1024;

/// Rows that were read and are still in the table.
#[derive(Debug, Default)]
pub(crate) struct Unsettled {
    /// All of them, by ascending id.
    ids: Vec<RowId>,
    /// Those that the hub has published.
    published: Vec<RowId>,
    /// The dead letters with an announced gap.
    dead: Vec<Dead>,
    /// The dead letters that wait for their gap.
    held: Vec<(Gap, Dead)>,
    /// When the database should take the deletion.
    due: Option<Instant>,
}

impl Unsettled {
    /// Notes rows that were read.
    pub(crate) fn read(&mut self, ids: impl Iterator<Item = RowId>) {
        self.ids.extend(ids);
        self.ids.sort_unstable_by_key(|row| row.id);
    }

    /// Notes that the hub has published a row.
    pub(crate) fn published(&mut self, id: RowId, now: Instant) {
        self.published.push(id);
        self.note(now);
    }

    /// Notes a dead letter with an announced gap.
    pub(crate) fn dead(&mut self, dead: Dead, now: Instant) {
        self.dead.push(dead);
        self.note(now);
    }

    /// Notes a dead letter that waits for its gap.
    pub(crate) fn hold(&mut self, gap: Gap, dead: Dead) {
        self.held.push((gap, dead));
    }

    /// Takes the dead letters that wait for a gap.
    pub(crate) fn take_held(&mut self) -> Vec<(Gap, Dead)> {
        std::mem::take(&mut self.held)
    }

    /// Forgets the rows that have left the table.
    pub(crate) fn settled(&mut self) {
        let mut gone: Vec<RowId> = self.published.drain(..).collect();
        gone.extend(self.dead.drain(..).map(|dead| dead.id));
        gone.sort_unstable_by_key(|row| row.id);
        self.ids.retain(|row| gone.binary_search_by_key(&row.id, |gone| gone.id).is_err());
        self.due = None;
    }

    /// Forgets the rows that were read and that nobody has answered. They are read again.
    pub(crate) fn give_back(&mut self, rows: impl Iterator<Item = RowId>) {
        let rows: Vec<RowId> = rows.collect();
        self.ids.retain(|id| !rows.contains(id));
    }

    /// Says that the database did not take the deletion: it is due again later.
    pub(crate) fn put_off(&mut self, until: Instant) {
        self.due = Some(until);
    }

    /// Returns when the database should take the deletion.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Returns whether there is so much that the reader should read no more.
    pub(crate) fn is_full(&self) -> bool {
        self.ids.len() >= MAX_UNSETTLED
    }

    /// Returns all rows, by ascending id.
    pub(crate) fn ids(&self) -> &[RowId] {
        &self.ids
    }

    /// Returns the rows to delete, and those to move.
    pub(crate) fn answered(&self) -> (&[RowId], &[Dead]) {
        (&self.published, &self.dead)
    }

    /// Returns the largest id of an answered row. The rows after it wait.
    pub(crate) fn last_answered(&self) -> Option<i64> {
        self.published.iter().chain(self.dead.iter().map(|dead| &dead.id)).map(|row| row.id).max()
    }

    fn note(&mut self, now: Instant) {
        let is_many = self.published.len() + self.dead.len() >= SETTLE_ROWS;
        let due = if is_many { now } else { now + SETTLE_AFTER };
        self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
    }
}
