//! A database that does not answer: pauses between the tries, and one line in the log.

use std::time::{Duration, Instant};

use super::source::SourceError;

/// The first pause after an error. Each further pause is twice as long.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause after an error: a database or a journal that is back is noticed within it.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A lock that lasts longer than this is logged.
pub(super) const LONG_LOCK: Duration = Duration::from_secs(5);

/// The outage of an outbox, if there is one.
#[derive(Debug, Default)]
pub(super) struct Outage(Option<Current>);

#[derive(Debug)]
struct Current {
    since: Instant,
    pause: Duration,
    is_logged: bool,
}

impl Outage {
    /// Notes an error of the outbox with this name. Returns the pause before the next try.
    pub(super) fn note(&mut self, outbox: &str, error: &SourceError) -> Duration {
        let first = || Current { since: Instant::now(), pause: FIRST_PAUSE, is_logged: false };
        let current = self.0.get_or_insert_with(first);
        let is_long = !error.is_busy || current.since.elapsed() > LONG_LOCK;
        if is_long && !std::mem::replace(&mut current.is_logged, true) {
            tracing::error!(outbox, %error, "the outbox can't be read: its events wait until it can");
        }
        let pause = current.pause;
        current.pause = (2 * pause).min(LONGEST_PAUSE);
        pause
    }

    /// Notes that the outbox answers.
    pub(super) fn end(&mut self, outbox: &str) {
        if self.0.take().is_some_and(|current| current.is_logged) {
            tracing::info!(outbox, "the outbox can be read again");
        }
    }
}
