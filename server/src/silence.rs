//! Whether the outboxes of a hub answer, for `/ready` and the metrics.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use tidings_hub::{Hub, metrics::OutboxMetrics};
use tidings_shared::limits::DEGRADED_AFTER;

/// A server with an outbox that has not answered for this long is not ready, as one that hears nothing from its journal.
pub(crate) const NOT_READY_AFTER: Duration = DEGRADED_AFTER;

/// An answer that takes less than this is no silence.
const SLOW_ANSWER: Duration = Duration::from_secs(1);

/// The silence of an outbox with an error, at least: the first error counts, too.
const LEAST: Duration = Duration::from_millis(50);

/// The silences of a hub's outboxes. It is an [extension](Hub::extension) of the hub.
#[derive(Debug, Default)]
pub(crate) struct Silences(Mutex<Vec<Weak<Silence>>>);

/// Whether one outbox answers.
#[derive(Debug)]
#[cfg_attr(
    not(any(feature = "postgres", feature = "sqlite")),
    allow(dead_code, reason = "there is no outbox")
)]
pub(crate) struct Silence {
    metrics: OutboxMetrics,
    unanswered: Mutex<Option<Unanswered>>,
}

/// Calls that an outbox has not answered.
#[derive(Debug, Clone, Copy)]
struct Unanswered {
    /// When the first of them began.
    since: Instant,
    has_failed: bool,
}

impl Silences {
    /// Returns how long the most silent outbox has been silent.
    pub(crate) fn longest(&self, now: Instant) -> Duration {
        self.existing().iter().map(|silence| silence.lasts(now)).max().unwrap_or_default()
    }

    /// Brings the metrics of all outboxes up to date.
    pub(crate) fn measure(&self, now: Instant) {
        for silence in self.existing() {
            silence.metrics.set_silence(silence.lasts(now));
        }
    }

    /// Returns those of outboxes that have not ended.
    fn existing(&self) -> Vec<Arc<Silence>> {
        let mut all = self.lock();
        all.retain(|silence| silence.strong_count() > 0);
        all.iter().filter_map(Weak::upgrade).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Silence>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg_attr(
    not(any(feature = "postgres", feature = "sqlite")),
    allow(dead_code, reason = "there is no outbox")
)]
impl Silence {
    /// Returns that of an outbox. `outbox` is its name for the metrics, without secrets.
    pub(crate) fn of(hub: &Hub, outbox: &str) -> Arc<Self> {
        let metrics = hub.metrics().outbox(outbox);
        let silence = Arc::new(Self { metrics, unanswered: Mutex::default() });
        hub.extension::<Silences>().lock().push(Arc::downgrade(&silence));
        silence
    }

    /// Notes a call of the outbox.
    pub(crate) fn asked(&self, now: Instant) {
        self.lock().get_or_insert(Unanswered { since: now, has_failed: false });
    }

    /// Notes that a call has failed.
    pub(crate) fn failed(&self, now: Instant) {
        self.lock().get_or_insert(Unanswered { since: now, has_failed: true }).has_failed = true;
    }

    /// Notes that the outbox answers, or that another server reads it.
    pub(crate) fn answered(&self) {
        *self.lock() = None;
    }

    fn lasts(&self, now: Instant) -> Duration {
        let Some(Unanswered { since, has_failed }) = *self.lock() else { return Duration::ZERO };
        match now.saturating_duration_since(since) {
            lasts if has_failed => lasts.max(LEAST),
            lasts if lasts < SLOW_ANSWER => Duration::ZERO,
            lasts => lasts,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Unanswered>> {
        self.unanswered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        self.metrics.set_silence(Duration::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use tidings_hub::HubSettings;

    use super::*;
    use crate::SystemHost;

    #[test]
    fn an_outbox_is_silent_from_the_first_call_without_an_answer() {
        let hub = Hub::new(HubSettings::new("acme".parse().expect("a tenant's name")), SystemHost::start());
        let silences = hub.extension::<Silences>();
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        assert_eq!(silences.longest(start), Duration::ZERO, "there is no outbox");
        let (silence, other) = (Silence::of(&hub, "a"), Silence::of(&hub, "b"));
        // It hangs.
        silence.asked(start);
        assert_eq!(silences.longest(start + second / 2), Duration::ZERO);
        assert_eq!(silences.longest(start + 10 * second), 10 * second);
        // It fails, and is called again.
        silence.failed(start + 10 * second);
        silence.asked(start + 11 * second);
        other.asked(start + 11 * second);
        assert_eq!(silences.longest(start + 12 * second), 12 * second);
        // Another server reads it.
        silence.answered();
        assert_eq!(silences.longest(start + 13 * second), 2 * second);
        drop(other);
        assert_eq!(silences.longest(start + 13 * second), Duration::ZERO);
        silence.failed(start + 14 * second);
        assert_eq!(silences.longest(start + 14 * second), LEAST);
        silence.answered();
        assert_eq!(silences.longest(start + 15 * second), Duration::ZERO);
    }
}
