//! Whether the hub hears its journal.
//!
//! A page must not show old data without knowing it. So a hub that has heard nothing for [`DEGRADED_AFTER`] is degraded,
//! and each of its sessions tells its client.
//!
//! ```text
//! journal's driver ─answered─▶ hub ─watch─▶ shards ─handle_health─▶ sessions
//! once a second   ───look────▶
//! ```
//!
//! A session compares the hub's health with what it has told its client. So no order of these calls loses a change.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tidings_shared::limits::DEGRADED_AFTER;

use crate::{
    moment::Moment,
    watch::{Changes, Watch},
};

/// Whether a hub hears its journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It does, or it has no journal.
    Good,
    /// It has heard nothing for [`DEGRADED_AFTER`], or the journal's driver has ended: events come late.
    Degraded {
        /// When it heard the journal last.
        since: Moment,
    },
}

/// What a hub has heard of its journal.
#[derive(Debug, Default)]
pub(crate) struct Hearing {
    heard: Mutex<Heard>,
    changes: Arc<Changes>,
}

#[derive(Debug, Default)]
struct Heard {
    /// When the journal answered last. `None` without a journal.
    last: Option<Moment>,
    is_degraded: bool,
}

impl Hearing {
    /// Notes that the journal has answered, and that the logs have everything that it had.
    pub(crate) fn answered(&self, now: Moment) {
        let mut heard = self.lock();
        heard.last = Some(now);
        if std::mem::take(&mut heard.is_degraded) {
            drop(heard);
            tracing::info!("the journal is heard again");
            self.changes.tell();
        }
    }

    /// Looks whether the journal has been silent for too long. A journal may hang, so its failures alone do not say it.
    pub(crate) fn look(&self, now: Moment) {
        let mut heard = self.lock();
        let Some(last) = heard.last else { return };
        let silence = now.since_start.saturating_sub(last.since_start);
        if silence >= DEGRADED_AFTER && !std::mem::replace(&mut heard.is_degraded, true) {
            drop(heard);
            tracing::error!(?silence, "nothing comes through from the journal: the clients are told");
            self.changes.tell();
        }
    }

    /// Notes that nothing will come from the journal any more.
    pub(crate) fn ended(&self) {
        let mut heard = self.lock();
        if heard.last.is_some() && !std::mem::replace(&mut heard.is_degraded, true) {
            drop(heard);
            self.changes.tell();
        }
    }

    pub(crate) fn health(&self) -> Health {
        let heard = self.lock();
        let since = heard.last.filter(|_| heard.is_degraded);
        since.map_or(Health::Good, |since| Health::Degraded { since })
    }

    /// Returns how long the journal has been silent. Without a journal it is zero.
    pub(crate) fn silence(&self, now: Moment) -> Duration {
        self.lock().last.map_or(Duration::ZERO, |last| now.since_start.saturating_sub(last.since_start))
    }

    pub(crate) fn watch(&self) -> Watch {
        self.changes.watch()
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a session or an event stream has told its client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Told {
    #[default]
    Good,
    Degraded,
    /// That it is degraded. It is restored when it has everything up to this offset.
    Restoring {
        offset: u64,
    },
}

impl Told {
    /// Returns whether the hub's health is another one than the client knows.
    pub(crate) fn is_outdated(self, health: Health) -> bool {
        match health {
            Health::Good => self == Self::Degraded,
            Health::Degraded { .. } => self != Self::Degraded,
        }
    }

    /// Compares with the hub's health. `head` is the newest offset of the log. Returns since when the hub is degraded, if the
    /// client has to hear it.
    pub(crate) fn look(&mut self, health: Health, head: u64) -> Option<Moment> {
        match (*self, health) {
            (Self::Good, Health::Degraded { since }) => {
                *self = Self::Degraded;
                Some(since)
            }
            // The client has not heard that it was restored.
            (Self::Restoring { .. }, Health::Degraded { .. }) => {
                *self = Self::Degraded;
                None
            }
            (Self::Degraded, Health::Good) => {
                *self = Self::Restoring { offset: head };
                None
            }
            _ => None,
        }
    }

    /// Notes that the client has everything up to this offset. Returns whether it has to hear that it is restored.
    pub(crate) fn reached(&mut self, offset: u64) -> bool {
        let is_restored = matches!(self, Self::Restoring { offset: awaited } if *awaited <= offset);
        if is_restored {
            *self = Self::Good;
        }
        is_restored
    }
}

#[cfg(test)]
mod tests;
