//! A database that does not answer: pauses between the tries, one line in the log, and a server that is not ready.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tidings_hub::Hub;

use super::{control::Table, store::StoreError};
use crate::silence::Silence;

/// The first pause after an error. Each further pause is twice as long.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause after an error: a database or a journal that is back is noticed within it.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A lock that lasts longer than this is logged.
pub(crate) const LONG_LOCK: Duration = Duration::from_secs(5);

/// The outage of an outbox, if there is one.
#[derive(Debug)]
pub(crate) struct Outage {
    /// The outbox for the log, without secrets.
    outbox: String,
    table: Table,
    current: Option<Current>,
    silence: Arc<Silence>,
}

#[derive(Debug)]
struct Current {
    since: Instant,
    pause: Duration,
    is_logged: bool,
}

impl Outage {
    /// No outage of an outbox of this hub, with this name.
    pub(crate) fn none(outbox: &str, hub: &Hub) -> Self {
        Self {
            outbox: outbox.to_owned(),
            table: Table::Outbox,
            current: None,
            silence: Silence::of(hub, outbox),
        }
    }

    /// Says that it is a table of changes.
    pub(crate) fn of_changes(&mut self) {
        self.table = Table::Changes;
    }

    /// Notes that the outbox is called. It may hang, so its errors alone do not say that it is silent.
    pub(crate) fn ask(&self, now: Instant) {
        self.silence.asked(now);
    }

    /// Notes an error of the outbox. Returns the pause before the next try.
    pub(crate) fn note(&mut self, error: &StoreError, now: Instant) -> Duration {
        let first = || Current { since: now, pause: FIRST_PAUSE, is_logged: false };
        let current = self.current.get_or_insert_with(first);
        if error.is_turn {
            // Another server publishes the events.
            current.since = now;
        }
        let lasts = now.saturating_duration_since(current.since);
        if error.is_turn {
            self.silence.answered()
        } else {
            self.silence.failed(now)
        }
        let is_long = !error.is_busy || lasts > LONG_LOCK;
        if is_long && !std::mem::replace(&mut current.is_logged, true) {
            let table = self.table;
            tracing::error!(outbox = self.outbox, %error, "the {table} can't be read: its events wait until it can");
        }
        let pause = current.pause;
        current.pause = (2 * pause).min(LONGEST_PAUSE);
        pause
    }

    /// Notes that the outbox answers.
    pub(crate) fn end(&mut self) {
        self.silence.answered();
        let Some(current) = self.current.take() else { return };
        if current.is_logged {
            tracing::info!(outbox = self.outbox, "the {} can be read again", self.table);
        }
    }
}

#[cfg(test)]
mod tests {
    use tidings_hub::HubSettings;

    use super::*;
    use crate::SystemHost;

    #[test]
    fn a_long_lock_is_logged_and_the_turn_of_another_server_is_not() {
        let hub = Hub::new(HubSettings::new("acme".parse().expect("a tenant's name")), SystemHost::start());
        let mut outage = Outage::none("sqlite:app.db", &hub);
        let (start, hour) = (Instant::now(), Duration::from_secs(3600));
        let is_logged = |outage: &Outage| outage.current.as_ref().is_some_and(|current| current.is_logged);
        let turn = StoreError::turn();
        assert_eq!(outage.note(&turn, start), FIRST_PAUSE);
        outage.note(&turn, start + hour);
        assert!(!is_logged(&outage), "another server reads");
        let lock = StoreError::busy("locked");
        outage.note(&lock, start + hour + LONG_LOCK);
        assert!(!is_logged(&outage), "the lock began after the turn");
        outage.note(&lock, start + hour + LONG_LOCK + Duration::from_millis(1));
        assert!(is_logged(&outage));
        outage.end();
        outage.note(&StoreError::away("no such table"), start + 2 * hour);
        assert!(is_logged(&outage), "no lock is waited out");
    }

    /// Collects the log.
    #[cfg(feature = "cli")]
    #[derive(Debug, Clone, Default)]
    struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

    #[cfg(feature = "cli")]
    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no panic").extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[cfg(feature = "cli")]
    #[test]
    fn the_log_of_a_bridge_names_no_outbox() {
        let hub = Hub::new(HubSettings::new("acme".parse().expect("a tenant's name")), SystemHost::start());
        let (log, mut outage) = (Log::default(), Outage::none("sqlite:app.db store:links", &hub));
        outage.of_changes();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            outage.note(&StoreError::away("no such table"), Instant::now());
            outage.end();
        });
        let log = String::from_utf8(log.0.lock().expect("no panic").clone()).expect("UTF-8");
        assert!(log.contains("the table of changes can't be read"), "{log}");
        assert!(log.contains("the table of changes can be read again"), "{log}");
    }
}
