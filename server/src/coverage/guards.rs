//! The guards of the observed hub: which commits were within their lives.

use std::collections::BTreeMap;

use tidings_shared::RawEvent;

use super::{
    CoverageError,
    judge::Event,
    recorded::{Moment, Recorded},
};

/// The guards of the observed hub.
#[derive(Debug, Default)]
pub(super) struct Guards {
    /// The number of guards until now.
    count: u64,
    /// The guards that have not ended, by their marks, and when each was made.
    open: BTreeMap<u64, Moment>,
    /// The guards that have ended since the last judgement.
    ended: Vec<Guard>,
    /// What was committed while a guard was open that has not ended. It is judged later.
    waiting: Recorded,
    /// Why a guard is not known. The next judgement returns it.
    fault: Option<CoverageError>,
}

/// The events of a guard, and when it was made and when it ended.
#[derive(Debug)]
struct Guard {
    begun: Moment,
    ended: Moment,
    events: Vec<RawEvent>,
}

impl Guard {
    /// Whether a commit was within the life of the guard.
    fn spans(&self, commit: u64) -> bool {
        self.ended.has(commit) && !self.begun.has(commit)
    }
}

impl Guards {
    /// Notes a guard that was made now. Returns its mark.
    pub(super) fn begin(&mut self, now: Result<Moment, CoverageError>) -> u64 {
        self.count += 1;
        match now {
            Ok(now) => drop(self.open.insert(self.count, now)),
            Err(fault) => self.fault = Some(fault),
        }
        self.count
    }

    /// Notes that the guard with this mark has ended now.
    pub(super) fn end(&mut self, mark: u64, now: Result<Moment, CoverageError>, events: Vec<RawEvent>) {
        let Some(begun) = self.open.remove(&mark) else { return };
        match now {
            Ok(ended) => self.ended.push(Guard { begun, ended, events }),
            Err(fault) => self.fault = Some(fault),
        }
    }

    /// Takes what was recorded. Returns what can be judged now, with the events of the guards that span each commit.
    ///
    /// # Errors
    /// A guard is not known, because the database did not answer.
    pub(super) fn settle(&mut self, recorded: Recorded) -> Result<Recorded, CoverageError> {
        let mut recorded = {
            self.waiting.append(recorded);
            std::mem::take(&mut self.waiting)
        };
        self.waiting = recorded.take_out(|commit| self.open.values().any(|begun| !begun.has(commit)));
        for guard in &self.ended {
            for (transaction, _) in recorded.committed.iter().filter(|(_, commit)| guard.spans(*commit)) {
                recorded
                    .events
                    .extend(guard.events.iter().filter_map(|event| Event::new(*transaction, event)));
            }
        }
        let waiting = &self.waiting.committed;
        self.ended.retain(|guard| waiting.iter().any(|(_, commit)| guard.spans(*commit)));
        self.fault.take().map_or(Ok(recorded), Err)
    }
}
