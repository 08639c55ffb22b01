//! When to load the data of a watched subscription.
//!
//! The first load begins when the topics are in force. So the client hears of every event that is published after the load
//! began. All events that come during a load cause exactly one more load after it. So the last load began after the last
//! event, and its data is what is stored (see ARCHITECTURE.md for the proof).
//!
//! There is a least interval between loads. The first load begins at once. All events before the end of the interval cause
//! one load at its end.

use super::{
    LoadId, Now, SubscriptionId,
    backoff::Backoff,
    limits::{LOAD_TIMEOUT_MS, MIN_LOAD_INTERVAL_MS, PATIENCE_MS},
};

/// How to load the data of a watched subscription.
#[derive(Debug, Clone, Copy)]
pub struct Watching {
    /// The least number of milliseconds from the start of one load to the start of the next. Events meanwhile cause one load
    /// at its end. A reload by [`Client::handle_reload`](crate::Client::handle_reload) does not wait.
    pub min_interval_ms: u64,
    /// A watched subscription to the same topics with the same data. One load is for both. If it has ended, or is not
    /// watched, the new subscription has its own loads.
    pub shares: Option<SubscriptionId>,
}

impl Default for Watching {
    fn default() -> Self {
        Self { min_interval_ms: MIN_LOAD_INTERVAL_MS, shares: None }
    }
}

/// The loads of one view: a watched subscription, or several that share their loads.
#[derive(Debug)]
pub(crate) struct Watch {
    state: State,
    /// The data may have changed since the last load began.
    stale: bool,
    backoff: Backoff,
    min_interval_ms: u64,
    /// No load begins before this time.
    not_before_ms: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// Waits until this time at most: for the topics to be in force, or for the retry of a load.
    Waiting { until_ms: u64 },
    /// No load runs or is planned. A new one begins when the data may have changed.
    Settled,
    /// A load runs. At this time another replaces it.
    Loading { load: LoadId, until_ms: u64 },
}

/// How a load ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loaded {
    /// It has loaded the data.
    Done,
    /// It failed, and a retry may succeed.
    Retry,
    /// It failed, and a retry makes no sense before the next event.
    Failed,
}

impl Watch {
    pub(crate) fn new(min_interval_ms: u64, now: Now) -> Self {
        // The page must not stay empty because the client cannot reach the server.
        let state = State::Waiting { until_ms: now.ms.saturating_add(PATIENCE_MS) };
        Self { state, stale: false, backoff: Backoff::default(), min_interval_ms, not_before_ms: 0 }
    }

    /// Handles that all topics are in force, except refused ones.
    pub(crate) fn in_force(&mut self) {
        self.reload();
    }

    /// Notes that the data may have changed. A load that waits for its retry covers this.
    pub(crate) fn outdated(&mut self) {
        self.stale = true;
    }

    /// Handles that another subscription shares the loads. It gets its first data after the default interval at most.
    pub(crate) fn joined(&mut self) {
        self.outdated();
        let began_ms = self.not_before_ms.saturating_sub(self.min_interval_ms);
        self.not_before_ms = self.not_before_ms.min(began_ms.saturating_add(MIN_LOAD_INTERVAL_MS));
    }

    /// Loads again without waiting for the topics or for a retry.
    pub(crate) fn reload(&mut self) {
        self.outdated();
        if let State::Waiting { .. } = self.state {
            self.state = State::Settled;
        }
    }

    /// Loads again at once, because the user asks for it.
    pub(crate) fn reload_now(&mut self) {
        self.reload();
        self.not_before_ms = 0;
    }

    /// Makes the wait for a retry short, because the load may succeed now.
    pub(crate) fn wake(&mut self, now: Now) {
        if let State::Waiting { until_ms } = &mut self.state
            && self.backoff.has_failed()
        {
            self.backoff.reset();
            *until_ms = self.backoff.next_ms(now);
        }
    }

    /// Handles the end of a load. Ignores one that was replaced by another.
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

    /// Returns when [`Self::begin`] has something to do.
    pub(crate) fn timeout_ms(&self) -> Option<u64> {
        let due = match self.state {
            State::Waiting { until_ms } | State::Loading { until_ms, .. } => Some(until_ms),
            State::Settled => self.stale.then_some(0),
        };
        due.map(|due| due.max(self.not_before_ms))
    }

    /// Begins a load with this number, if it is time for one. Returns whether it did.
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
