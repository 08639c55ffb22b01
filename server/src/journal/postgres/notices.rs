//! Hears of news: the database tells each node when something was appended.
//!
//! A thread with a connection of its own listens, because the driver's thread sleeps between two turns. It only says that
//! there is something: the driver then follows the journal. Through a pool in transaction mode no notice comes, and nothing
//! says so. Then the driver finds the news when it looks by itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    thread::{self, Thread},
    time::Duration,
};

use tidings_hub::journal::JournalError;
use tokio::{runtime::Builder, sync::oneshot, time::sleep};

use crate::postgres::Database;

/// Time between two checks that the connection is still there.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// The pause before a new connection.
const PAUSE: Duration = Duration::from_secs(1);

/// The thread that listens. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Notices {
    newest: Arc<AtomicI64>,
    _stop: oneshot::Sender<()>,
}

impl Notices {
    /// Starts listening. A notice wakes the thread that calls this.
    pub(super) fn start(database: Database) -> Result<Self, JournalError> {
        let no_thread = |error| JournalError::new(format!("no thread for the journal's notices: {error}"));
        let runtime = Builder::new_current_thread().enable_all().build().map_err(no_thread)?;
        let newest = Arc::new(AtomicI64::new(0));
        let (stop, stopped) = oneshot::channel();
        let (number, driver) = (Arc::clone(&newest), thread::current());
        let run = move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = listen(&database, &number, &driver) => {}
                }
            });
            runtime.shutdown_background();
        };
        thread::Builder::new().name("tidings-notices".to_owned()).spawn(run).map_err(no_thread)?;
        Ok(Self { newest, _stop: stop })
    }

    /// Returns the number of the last notice since this was last called, or 0.
    pub(super) fn take(&self) -> i64 {
        self.newest.swap(0, Relaxed)
    }
}

async fn listen(database: &Database, newest: &Arc<AtomicI64>, driver: &Thread) {
    loop {
        let (newest, driver) = (Arc::clone(newest), driver.clone());
        let notified = move |number: &str| {
            newest.store(number.parse().unwrap_or(i64::MAX), Relaxed);
            driver.unpark();
        };
        if let Ok(session) = database.connect_and(notified).await
            && session.batch("LISTEN tidings_log").await.is_ok()
        {
            // The driver looks by itself every few milliseconds: it misses nothing of what came before.
            while !session.is_closed() && session.batch("SELECT").await.is_ok() {
                sleep(CHECK_INTERVAL).await;
            }
        }
        sleep(PAUSE).await;
    }
}
