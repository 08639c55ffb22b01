//! Where a read of the outbox begins.
//!
//! It could always begin at the smallest id. But while a long transaction is open somewhere in the database, vacuum removes
//! no deleted row, and such a read visits all of them. So most reads skip the ids that were read some seconds ago. Only a
//! transaction that is older than this can still commit such an id, and a read from the beginning finds it.

use std::time::{Duration, Instant};

/// Transactions that are older than this are found by the reads from the beginning.
const RECENT: Duration = Duration::from_secs(5);

/// Time between two reads from the beginning, but [`BEGINNING_SHARE`] times as long as the last one took.
const BEGINNING_INTERVAL: Duration = Duration::from_secs(1);

/// So reads from the beginning take a twentieth of the time at most.
const BEGINNING_SHARE: u32 = 20;

/// The ids that were read.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// The largest id that was read [`RECENT`] ago or earlier. `None`: reads begin at the beginning.
    before: Option<i64>,
    /// A time, and the largest id that had been read then. It becomes `before`.
    next: Option<(Instant, i64)>,
    /// The largest id that was read.
    largest: Option<i64>,
    /// When a read from the beginning is due. `None` is at once.
    due: Option<Instant>,
}

impl Recent {
    /// Returns the id after which a read begins.
    pub(super) fn after(&self, now: Instant) -> i64 {
        let is_due = self.due.is_none_or(|due| due <= now);
        self.before.filter(|_| !is_due).unwrap_or(i64::MIN)
    }

    /// Notes the ids that a read after `after` has returned, in their order.
    pub(super) fn read(
        &mut self,
        after: i64,
        ids: impl Iterator<Item = i64>,
        began: Instant,
        ended: Instant,
    ) {
        let mut ids = ids.peekable();
        if ids.peek().is_some_and(|first| Some(*first) <= self.before) {
            // More may follow behind `before`: a long transaction may have many rows, and ids may have begun again.
            *self = Self::default();
        }
        if after == i64::MIN {
            self.due = Some(ended + BEGINNING_INTERVAL.max(BEGINNING_SHARE * (ended - began)));
        }
        self.largest = self.largest.max(ids.last());
        let Some(largest) = self.largest else { return };
        match self.next {
            Some((since, id)) if ended - since >= RECENT => {
                self.before = Some(id);
                self.next = Some((ended, largest));
            }
            Some(_) => {}
            None => self.next = Some((ended, largest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads at these seconds, each with the ids that it returns, and returns where each began.
    fn reads(reads: &[(u64, &[i64])]) -> Vec<i64> {
        let (start, mut recent) = (Instant::now(), Recent::default());
        let begin = |&(second, ids): &(u64, &[i64])| {
            let now = start + Duration::from_secs(second);
            let after = recent.after(now);
            recent.read(after, ids.iter().copied(), now, now);
            after
        };
        reads.iter().map(begin).collect()
    }

    #[test]
    fn a_read_skips_what_was_read_some_seconds_ago_apart_from_one_a_second() {
        let rows: &[(u64, &[i64])] =
            &[(0, &[1, 2]), (0, &[3]), (5, &[4]), (5, &[]), (6, &[]), (6, &[]), (10, &[5]), (10, &[])];
        let min = i64::MIN;
        assert_eq!(reads(rows), [min, min, min, 2, min, 2, min, 4]);
    }

    #[test]
    fn after_a_late_id_all_reads_begin_at_the_beginning_until_it_is_old() {
        let rows: &[(u64, &[i64])] =
            &[(0, &[7, 8]), (5, &[9]), (5, &[]), (6, &[3]), (6, &[4, 5]), (6, &[]), (11, &[]), (11, &[])];
        let min = i64::MIN;
        assert_eq!(reads(rows), [min, min, 8, min, min, min, min, 3]);
    }
}
