//! One server at a time reads an outbox. The others wait for their turn.
//!
//! The reader holds a lock in a transaction of a connection of its own, and that transaction stays open. The lock goes with
//! the connection, so after a crash another server has its turn at once. A lock of a session would not do: through pgbouncer
//! in transaction mode, it stays with a connection that somebody else then uses. The transaction holds no snapshot and no
//! number between its statements, so it does not delay vacuum.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinHandle, time::sleep};

use crate::{
    outbox::store::Taken,
    postgres::{Database, Fault, Session},
};

/// Time between two statements of the open transaction.
const KEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Begins the transaction. The database ends it when it hears nothing for 30 s: the reader's machine may be gone.
const BEGIN: &str = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '30s'";

/// The number of the lock of an outbox. A lock is in one database, so it needs no name of it.
pub(super) const OUTBOX: &str = "8388346184940876546";

/// The connection that waits for the turn, or has it.
#[derive(Debug)]
pub(crate) struct Turn {
    session: Arc<Session>,
    /// The statement that takes the lock.
    take: String,
    /// Keeps the transaction open. `None` while another server has its turn.
    keeper: Option<JoinHandle<()>>,
}

impl Turn {
    /// Opens a connection that has no turn yet. `lock` is one number of PostgreSQL's advisory locks, or two.
    pub(crate) async fn wait(database: &Database, lock: &str) -> Result<Self, String> {
        let take = format!("SELECT pg_try_advisory_xact_lock({lock})");
        Ok(Self { session: Arc::new(database.connect().await?), take, keeper: None })
    }

    /// Takes the turn if no other server has it.
    ///
    /// # Errors
    /// The connection is lost, and with it the turn.
    pub(crate) async fn take(&mut self) -> Result<Taken, Fault> {
        if self.keeper.is_some() && !self.is_lost() {
            return Ok(Taken::Before);
        }
        self.session.batch(BEGIN).await?;
        if !self.session.query_one(&self.take, &[]).await?.get::<_, bool>(0) {
            self.session.batch("ROLLBACK").await?;
            return Ok(Taken::Not);
        }
        let session = Arc::clone(&self.session);
        self.keeper = Some(tokio::spawn(async move {
            while session.batch("SELECT").await.is_ok() {
                sleep(KEEP_INTERVAL).await;
            }
        }));
        Ok(Taken::Now)
    }
}

impl Turn {
    /// Whether this server had its turn, and may have it no more.
    pub(crate) fn is_lost(&self) -> bool {
        self.keeper.as_ref().is_some_and(|keeper| keeper.is_finished() || self.session.is_closed())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(keeper) = &self.keeper {
            keeper.abort();
        }
    }
}
