//! When the data of a watched subscription is loaded.
//!
//! The first load begins once the topics are in force, so that whatever is published after it has begun is heard of.
//! Everything that is heard of while a load runs makes exactly one more follow it. So the last load began after the last
//! thing that was heard of, and what it brought is what is stored (see ARCHITECTURE.md for the proof).
//!
//! Loads keep a pause: the first begins at once, and what is heard of before the pause is over causes one load at its end.

use super::{
    LoadId, Now, SubscriptionId,
    backoff::Backoff,
    limits::{LOAD_TIMEOUT_MS, MIN_LOAD_INTERVAL_MS, PATIENCE_MS},
};

/// How the data of a watched subscription is loaded.
#[derive(Debug, Clone, Copy)]
pub struct Watching {
    /// Milliseconds from the begin of one load to that of the next, at the least. What happens meanwhile causes one load
    /// when they are over. A reload that the user asks for does not wait for it.
    pub min_interval_ms: u64,
    /// A watched subscription to the same topics that wants the same data: one load is for both. If it is gone, or is not
    /// watched, this one has loads of its own.
    pub shares: Option<SubscriptionId>,
}

impl Default for Watching {
    fn default() -> Self {
        Self { min_interval_ms: MIN_LOAD_INTERVAL_MS, shares: None }
    }
}

/// What is known of the data of one view: of a watched subscription, or of several that share their loads.
#[derive(Debug)]
pub(crate) struct Watch {
    state: State,
    /// Something may have changed since the last load began.
    stale: bool,
    backoff: Backoff,
    min_interval_ms: u64,
    /// No load begins before.
    not_before_ms: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// For the topics to be in force, or after a load that failed: until then at the most.
    Waiting { until_ms: u64 },
    /// Up to date, as far as is known.
    Settled,
    /// A load runs; one that takes longer is given up for another.
    Loading { load: LoadId, until_ms: u64 },
}

/// How a load ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loaded {
    /// The data is there.
    Done,
    /// It failed, and may succeed later.
    Retry,
    /// It failed, and will fail until something happens.
    Failed,
}

impl Watch {
    pub(crate) fn new(min_interval_ms: u64, now: Now) -> Self {
        // A server that can't be reached shall not keep a page empty for long.
        let state = State::Waiting { until_ms: now.ms.saturating_add(PATIENCE_MS) };
        Self { state, stale: false, backoff: Backoff::default(), min_interval_ms, not_before_ms: 0 }
    }

    /// All topics that were not refused are in force.
    pub(crate) fn in_force(&mut self) {
        self.reload();
    }

    /// Something may have changed. While a failed load waits for its retry, that is soon enough.
    pub(crate) fn outdated(&mut self) {
        self.stale = true;
    }

    /// Another subscription shares the loads. Its first data waits no longer than the usual pause.
    pub(crate) fn joined(&mut self) {
        self.outdated();
        let began_ms = self.not_before_ms.saturating_sub(self.min_interval_ms);
        self.not_before_ms = self.not_before_ms.min(began_ms.saturating_add(MIN_LOAD_INTERVAL_MS));
    }

    /// Something may have changed, and a wait is over.
    pub(crate) fn reload(&mut self) {
        self.outdated();
        if let State::Waiting { .. } = self.state {
            self.state = State::Settled;
        }
    }

    /// The user wants it now: there is nothing to wait for.
    pub(crate) fn reload_now(&mut self) {
        self.reload();
        self.not_before_ms = 0;
    }

    /// What a load failed for may be over: the wait for its retry becomes a short one.
    pub(crate) fn wake(&mut self, now: Now) {
        if let State::Waiting { until_ms } = &mut self.state
            && self.backoff.has_failed()
        {
            self.backoff.reset();
            *until_ms = self.backoff.next_ms(now);
        }
    }

    /// A load has ended; one that was given up counts for nothing.
    pub(crate) fn loaded(&mut self, which: LoadId, how: Loaded, now: Now) {
        if !matches!(self.state, State::Loading { load, .. } if load == which) {
            return;
        }
        self.state = match how {
            Loaded::Retry => State::Waiting { until_ms: self.backoff.next_ms(now) },
            Loaded::Done | Loaded::Failed => {
                self.backoff.reset();
                State::Settled
            }
        };
    }

    /// When [`Self::begin`] has something to do.
    pub(crate) fn timeout_ms(&self) -> Option<u64> {
        let due = match self.state {
            State::Waiting { until_ms } | State::Loading { until_ms, .. } => Some(until_ms),
            State::Settled => self.stale.then_some(0),
        };
        due.map(|due| due.max(self.not_before_ms))
    }

    /// Begins a load, if it is time for one, by this name.
    pub(crate) fn begin(&mut self, load: LoadId, now: Now) -> bool {
        let is_due = self.timeout_ms().is_some_and(|due| due <= now.ms);
        if is_due {
            self.stale = false;
            self.not_before_ms = now.ms.saturating_add(self.min_interval_ms);
            self.state = State::Loading { load, until_ms: now.ms.saturating_add(LOAD_TIMEOUT_MS) };
        }
        is_due
    }
}
