//! What the owner of an outbox asks its reader to do.

use std::{
    fmt,
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, watch},
    time::{sleep_until, timeout},
};

/// What a loop reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    Outbox,
    /// The changes of a table, for a bridge.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "sqlite")),
        allow(dead_code, reason = "there is no bridge of a table")
    )]
    Changes,
}

/// Its name in the log.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Outbox => "outbox",
            Self::Changes => "table of changes",
        })
    }
}

/// Asks a reader to do something.
#[derive(Debug)]
pub(crate) struct Control {
    /// The end of the time that the reader has to stop.
    pub(crate) stop: watch::Sender<Option<Instant>>,
    /// Somebody has just committed.
    pub(crate) wake: Notify,
}

impl Control {
    pub(crate) fn new() -> Self {
        Self { stop: watch::Sender::new(None), wake: Notify::new() }
    }

    /// Whether somebody stops the reader.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.borrow().is_some()
    }

    /// Waits until somebody stops the reader. Returns when the reader must have ended.
    pub(crate) async fn stopping(&self) -> Option<Instant> {
        let mut stop = self.stop.subscribe();
        stop.wait_for(Option::is_some).await.ok().and_then(|end| *end)
    }

    /// Waits for this time, or until somebody stops the reader.
    pub(crate) async fn pause(&self, time: Duration) {
        let _ = timeout(time, self.stopping()).await;
    }

    /// Waits until the time to stop has passed.
    pub(crate) async fn end_of_stop(&self) {
        at(self.stopping().await).await;
    }
}

/// Waits until an instant. With `None` it waits for ever.
pub(crate) async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}
