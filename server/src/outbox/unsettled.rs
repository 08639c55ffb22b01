//! The rows that the reader has read and that are still in the table.

use std::time::{Duration, Instant};

use super::{judge::Gap, row::RowId, store::Dead};

/// Rows that were read and are still in the table, at most. Beyond it, the reader waits until the database takes the
/// deletion. Each has some 100 bytes.
pub(crate) const MAX_UNSETTLED: usize = 8 * 1024;

/// The time from an answer to the deletion of its row. So a busy application meets the reader's write lock twice a second.
/// After a crash, the rows of this time are published again with the same keys.
pub(crate) const SETTLE_AFTER: Duration = Duration::from_millis(500);

/// Rows after which the reader deletes at once.
pub(crate) const SETTLE_ROWS: usize = 1024;

/// A row that is not published, and waits for its gap.
#[derive(Debug)]
pub(crate) enum Held {
    /// It becomes a dead letter.
    Dead(Dead),
    /// It is too old, and is deleted.
    Old(RowId),
    /// It stands for a loss, and is deleted.
    Lost(RowId),
}

impl Held {
    #[cfg(feature = "postgres")]
    /// Returns the row.
    pub(crate) fn row(&self) -> &RowId {
        match self {
            Self::Dead(dead) => &dead.id,
            Self::Old(row) | Self::Lost(row) => row,
        }
    }
}

/// Rows that were read and are still in the table.
#[derive(Debug, Default)]
pub(crate) struct Unsettled {
    /// All of them, by ascending id.
    ids: Vec<RowId>,
    /// The rows that the hub has published, and those with a gap in the journal that were too old or stand for a loss.
    done: Vec<RowId>,
    /// The dead letters with an announced gap.
    dead: Vec<Dead>,
    /// Those that wait for their gap.
    held: Vec<(Gap, Held)>,
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
        self.done.push(id);
        self.note(now);
    }

    /// Notes that the gap of a row is announced.
    pub(crate) fn announced(&mut self, held: Held, now: Instant) {
        match held {
            Held::Dead(dead) => self.dead.push(dead),
            Held::Old(id) | Held::Lost(id) => self.done.push(id),
        }
        self.note(now);
    }

    /// Notes a row that waits for its gap.
    pub(crate) fn hold(&mut self, gap: Gap, held: Held) {
        self.held.push((gap, held));
    }

    /// Takes the rows that wait for a gap.
    pub(crate) fn take_held(&mut self) -> Vec<(Gap, Held)> {
        std::mem::take(&mut self.held)
    }

    /// Forgets the rows that have left the table.
    pub(crate) fn settled(&mut self) {
        let mut gone: Vec<RowId> = self.done.drain(..).collect();
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

    /// Notes that the database has refused the deletion. It is due again at this time.
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
        (&self.done, &self.dead)
    }

    /// Returns the largest id of an answered row. The rows after it wait.
    pub(crate) fn last_answered(&self) -> Option<i64> {
        self.done.iter().chain(self.dead.iter().map(|dead| &dead.id)).map(|row| row.id).max()
    }

    fn note(&mut self, now: Instant) {
        let is_many = self.done.len() + self.dead.len() >= SETTLE_ROWS;
        let due = if is_many { now } else { now + SETTLE_AFTER };
        self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
    }
}
