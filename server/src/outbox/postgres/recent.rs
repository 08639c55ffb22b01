//! Where a read of the outbox begins.
//!
//! It could always begin at the smallest id. But while a long transaction is open somewhere in the database, vacuum removes
//! no deleted row, and such a read visits all of them. So most reads skip the ids that were read some seconds ago. Only a
//! transaction that ran at that time, and still runs, can commit such an id. When one of them has ended, a read begins at
//! the beginning. Without it, a later transaction of the same writer could come first.

use std::time::{Duration, Instant};

/// Transactions that are older than this may commit an id that a read skips.
const RECENT: Duration = Duration::from_secs(5);

/// Time between two reads from the beginning, or [`BEGINNING_SHARE`] times the duration of the last one, if that is longer.
/// A transaction may draw a row's id before it has a number. Only a read from the beginning finds such a row.
const BEGINNING_INTERVAL: Duration = Duration::from_secs(1);

/// So reads from the beginning take a twentieth of the time at most.
const BEGINNING_SHARE: u32 = 20;

/// The ids that were read.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// The largest id that was read [`RECENT`] ago or earlier. `None`: reads begin at the beginning.
    before: Option<Mark>,
    /// A time, and the largest id that had been read then. It becomes `before`.
    next: Option<(Instant, Mark)>,
    /// The largest id that was read.
    largest: Option<i64>,
    /// The transactions that ran at the last read, with a number below [`Self::old`].
    running: Vec<i64>,
    /// When a read from the beginning is due. `None` is at once.
    due: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    id: i64,
    /// The first number that no transaction had when the id was read.
    transaction: i64,
}

/// The transactions of a read's snapshot.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    /// The first number that no transaction had.
    pub(crate) next: i64,
    /// Those that were running, and have a number below [`Recent::old`].
    pub(crate) running: Vec<i64>,
}

impl Recent {
    /// Returns the id after which a read begins.
    pub(super) fn after(&self, now: Instant) -> i64 {
        let is_due = self.due.is_none_or(|due| due <= now);
        self.before.filter(|_| !is_due).map_or(i64::MIN, |before| before.id)
    }

    /// Returns the number below which a read should name the running transactions.
    pub(super) fn old(&self) -> i64 {
        let mark = self.next.map(|(_, next)| next).or(self.before);
        mark.map_or(i64::MIN, |mark| mark.transaction)
    }

    /// Notes the ids that a read after `after` has returned, in their order. Returns false if the read may lack rows with
    /// smaller ids: then the next read begins at the beginning, and these rows do not count.
    #[must_use]
    pub(super) fn read(
        &mut self,
        after: i64,
        ids: impl Iterator<Item = i64>,
        snapshot: Snapshot,
        began: Instant,
        ended: Instant,
    ) -> bool {
        let has_ended = |transaction: &i64| {
            self.before.is_some_and(|before| *transaction < before.transaction)
                && !snapshot.running.contains(transaction)
        };
        let is_complete = after == i64::MIN || !self.running.iter().any(has_ended);
        self.running = snapshot.running;
        if !is_complete {
            self.due = None;
            return false;
        }
        let mut ids = ids.peekable();
        if ids.peek().is_some_and(|first| self.before.is_some_and(|before| *first <= before.id)) {
            // More may follow behind `before`: a long transaction may have many rows, and ids may have begun again.
            *self = Self::default();
        }
        if after == i64::MIN {
            self.due = Some(ended + BEGINNING_INTERVAL.max(BEGINNING_SHARE * (ended - began)));
        }
        self.largest = self.largest.max(ids.last());
        let Some(id) = self.largest else { return true };
        let mark = Mark { id, transaction: snapshot.next };
        match self.next {
            Some((since, next)) if ended - since >= RECENT => {
                self.before = Some(next);
                self.next = Some((ended, mark));
            }
            Some(_) => {}
            None => self.next = Some((ended, mark)),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A read at a second that returns these ids, while these transactions run. The next one has the number of the second.
    type Read<'a> = (u64, &'a [i64], &'a [i64]);

    /// Does these reads, and returns where each began. A read that is not complete is negative.
    fn reads(reads: &[Read<'_>]) -> Vec<i64> {
        let (start, mut recent) = (Instant::now(), Recent::default());
        let begin = |&(second, ids, running): &Read<'_>| {
            let now = start + Duration::from_secs(second);
            let after = recent.after(now);
            let old = recent.old();
            let running = running.iter().copied().filter(|number| *number < old).collect();
            let snapshot = Snapshot { next: 100 + second.cast_signed(), running };
            match recent.read(after, ids.iter().copied(), snapshot, now, now) {
                true => after,
                false => -after,
            }
        };
        reads.iter().map(begin).collect()
    }

    #[test]
    fn a_read_skips_what_was_read_some_seconds_ago_apart_from_one_a_second() {
        let rows: &[Read<'_>] = &[
            (0, &[1, 2], &[]),
            (0, &[3], &[]),
            (5, &[4], &[]),
            (5, &[], &[]),
            (6, &[], &[]),
            (6, &[], &[]),
            (10, &[5], &[]),
            (10, &[], &[]),
        ];
        let min = i64::MIN;
        assert_eq!(reads(rows), [min, min, min, 2, min, 2, min, 4]);
    }

    #[test]
    fn after_a_late_id_all_reads_begin_at_the_beginning_until_it_is_old() {
        let rows: &[Read<'_>] = &[
            (0, &[7, 8], &[]),
            (5, &[9], &[]),
            (5, &[], &[]),
            (6, &[3], &[]),
            (6, &[4, 5], &[]),
            (6, &[], &[]),
            (11, &[], &[]),
            (11, &[], &[]),
        ];
        let min = i64::MIN;
        assert_eq!(reads(rows), [min, min, 8, min, min, min, min, 3]);
    }

    #[test]
    fn a_read_after_the_end_of_an_old_transaction_does_not_count_and_the_next_begins_at_the_beginning() {
        let min = i64::MIN;
        // Transaction 90 has the id 2, and ends before the last two reads. Its writer then commits the id 9.
        let rows: &[Read<'_>] = &[
            (0, &[1, 3], &[90]),
            (5, &[4], &[90, 104]),
            (5, &[], &[90, 104]),
            (5, &[9], &[104]),
            (5, &[2, 9], &[]),
        ];
        assert_eq!(reads(rows), [min, min, 3, -3, min]);
        // Transaction 104 is too young to have an id that was skipped.
        let rows: &[Read<'_>] = &[(0, &[1, 3], &[]), (5, &[4], &[104]), (5, &[], &[104]), (5, &[9], &[])];
        assert_eq!(reads(rows), [min, min, 3, 3]);
    }
}
