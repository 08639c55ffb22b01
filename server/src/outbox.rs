//! The outbox: events that an application writes in the transaction of its data. They are published if and only if the
//! transaction commits.
//!
//! A writer in any language inserts a row into the table `tidings_outbox` of the application's database. [`Outbox`] reads
//! the table and publishes each row on a hub. `tidings serve --outbox` does the same.
//!
//! - `row` is what a writer has written, `judge` makes an event or a refusal of it.
//! - `store` says what a database must do, and `sqlite` and `postgres` do it.
//! - `reader` is the loop, with `unsettled` and `gaps` as its memory. `handover` says what its subscribers have missed while another
//!   server had the turn to read. `thread`, `control` and `outage` are what each loop needs.
//! - `sequencer` is the loop of an outbox in the database of the hub's journal, with `batches` as its memory.
//!
//! | column | what |
//! |---|---|
//! | `tenant` | the tenant's name; `NULL` is the home tenant of the hub |
//! | `event` | the event as JSON text, `{"domain":…,"event":…,"payload":{…}}` |
//! | `key` | the idempotency key, a UUID as text; `NULL` lets the server make one for the row |
//! | `origin` | the tag that subscribers get with the event, or `NULL` |
//! | `topics` | the topics as a JSON list, or `NULL` if the domain computes them |
//!
//! Events are published in the order of their ids. A row that can't be published becomes a dead letter: it moves to the
//! table `tidings_dead_letters`, with the reason. The subscribers of its topics get a `sync`, so none of them is stale.

mod address;
#[cfg_attr(not(feature = "cli"), allow(dead_code, unused_imports, reason = "it serves the command line"))]
pub(crate) mod admin;
#[cfg(feature = "postgres")]
pub(crate) mod batches;
pub(crate) mod control;
pub(crate) mod gaps;
pub(crate) mod handover;
pub(crate) mod judge;
pub(crate) mod outage;
#[cfg(feature = "postgres")]
pub mod postgres;
pub(crate) mod reader;
pub(crate) mod row;
#[cfg(feature = "postgres")]
pub(crate) mod sequencer;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub(crate) mod store;
pub(crate) mod thread;
pub(crate) mod unsettled;

use std::fmt;

use futures_util::FutureExt;
use tidings_hub::{Hub, TenantId};

pub use self::address::{OutboxAddress, OutboxAddressError};

#[cfg(feature = "postgres")]
use self::sequencer::Sequencer;
use self::{address::Database, control::Table, reader::Reader, store::StoreError, thread::Thread};

/// Publishes the rows of a database's outbox on a hub, until it is dropped or stopped. One outbox has one reader: a second
/// one, also in another process, waits until the first has ended. While it waits, its subscribers hear nothing of the outbox,
/// unless the two hubs share a journal. When it takes over, those of the home tenant get one `sync`.
///
/// ```no_run
/// use tidings_server::{Hub, HubSettings, Outbox, SystemHost};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let hub = Hub::new(HubSettings::new("acme".parse()?), SystemHost::start());
/// let outbox = Outbox::start(&hub, &"sqlite:app.db".parse()?).await?;
/// // Serve here.
/// outbox.stop().await;
/// # Ok(())
/// # }
/// ```
///
/// It has a thread of its own. When the database is away, the rows wait in it, and the reader tries again until it is back.
///
/// If the hub's journal is in the same PostgreSQL database, the rows go from table to table, in one transaction. Then the
/// readers of all processes that have the journal work at the same time, and should have the same home tenant. Start one in
/// each process: when one ends, the others go on. If a hub has another journal, its reader does not start. It would take
/// rows that the subscribers of this journal then do not get. If a journal is made in the database later, such a reader takes no
/// more rows, and logs it.
#[derive(Debug)]
#[must_use = "an outbox that is dropped publishes nothing"]
pub struct Outbox {
    thread: Thread,
    /// The readers do not keep it.
    _hub: Hub,
}

/// The outbox can't be used. The message says why, and the remedy. It has no password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxError(String);

impl Outbox {
    /// Opens the outbox and starts to publish its rows. A row without a tenant is for the [home](Hub::home) tenant.
    ///
    /// # Errors
    /// There is no such database, it has no outbox, it has a journal that is not the hub's, or the system has no thread.
    pub async fn start(hub: &Hub, address: &OutboxAddress) -> Result<Self, OutboxError> {
        Self::start_with(hub, address, Some(hub.home().clone())).await
    }

    /// Does the same. A row without a tenant is for the tenant `home`. With `None`, each row must name its tenant.
    ///
    /// # Errors
    /// The errors of [`Outbox::start`].
    pub async fn start_with(
        hub: &Hub,
        address: &OutboxAddress,
        home: Option<TenantId>,
    ) -> Result<Self, OutboxError> {
        let (hub, name) = (hub.clone(), address.to_string());
        let kept = hub.clone();
        let thread = match &address.0 {
            #[cfg(feature = "sqlite")]
            Database::Sqlite(path) => {
                let path = path.clone();
                Thread::spawn(address.to_string(), Table::Outbox, async move |control| {
                    let mut store = admin::patiently(async || sqlite::SqliteStore::open(&path)).await?;
                    // Whether the lock can be taken. While another reader has it, this server serves, and its outbox waits.
                    store.look()?;
                    Ok(Reader::new(store, &hub, home, name, control).run().boxed_local())
                })
                .await
            }
            #[cfg(feature = "postgres")]
            Database::Postgres(url) => {
                let url = url.clone();
                Thread::spawn(address.to_string(), Table::Outbox, async move |control| {
                    let mut store = postgres::PostgresStore::open(&url, name.clone()).await?;
                    if hub.journal_id().is_some() && store.journal_id().await? == hub.journal_id() {
                        return Ok(Sequencer::new(store, &hub, home, name, control).run().boxed_local());
                    }
                    store.expect_no_journal().await?;
                    Ok(Reader::new(store, &hub, home, name, control).run().boxed_local())
                })
                .await
            }
            #[allow(unreachable_patterns, reason = "each feature takes its kind away")]
            _ => return Err(OutboxError::not_built_in(address)),
        };
        Ok(Self { thread: thread?, _hub: kept })
    }

    /// Says that a transaction has just committed, so that its events are published at once. Without it, the reader notices
    /// the commit within some milliseconds.
    pub fn wake(&self) {
        self.thread.wake();
    }

    /// Stops: reads no more rows, and waits for what the hub has not answered yet, for 5 s at most. Rows without an answer
    /// stay in the outbox.
    pub async fn stop(&self) {
        self.thread.stop().await;
    }
}

impl OutboxError {
    fn not_built_in(address: &OutboxAddress) -> Self {
        Self(format!("{address}: this program was built without this kind of database"))
    }
}

impl From<StoreError> for OutboxError {
    fn from(error: StoreError) -> Self {
        Self(error.message)
    }
}

impl fmt::Display for OutboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OutboxError {}
