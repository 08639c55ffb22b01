//! The outbox: events that an application writes in the transaction of its data. They are published if and only if the
//! transaction commits.
//!
//! A writer in any language inserts a row into the table `tidings_outbox` of the application's database. [`Outbox`] reads
//! the table and publishes each row on a hub. `tidings serve --outbox` does the same.
//!
//! - `row` is what a writer has written, `judge` makes an event or a refusal of it.
//! - `source` says what a database must do, and `sqlite` and `postgres` do it.
//! - `reader` is the loop, with `unsettled` and `gaps` as its memory. `control` and `outage` are what each loop needs.
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
mod batches;
mod control;
mod gaps;
mod judge;
mod outage;
#[cfg(feature = "postgres")]
pub mod postgres;
mod reader;
mod row;
#[cfg(feature = "postgres")]
mod sequencer;
mod source;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod unsettled;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::LocalBoxFuture};
use tidings_hub::{Hub, TenantId};
use tokio::sync::{oneshot, watch};

pub use self::address::{OutboxAddress, OutboxAddressError};
#[cfg(feature = "postgres")]
use self::sequencer::Sequencer;
use self::{address::Database, control::Control, reader::Reader, source::SourceError};

/// The longest time of [`Outbox::stop`]: for answers that are on their way, and for the last deletion.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// What the log says when servers with different journals may read one outbox.
#[cfg(feature = "postgres")]
const ONE_JOURNAL: &str = "the database of this outbox has a journal, and not all servers use it: then each row reaches the \
    subscribers of some servers only. Start all servers with --journal, and the URL of this database";

/// Publishes the rows of a database's outbox on a hub, until it is dropped or stopped. One outbox has one reader: a second
/// one, also in another process, waits until the first has ended.
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
/// each process: when one ends, the others go on.
#[derive(Debug)]
#[must_use = "an outbox that is dropped publishes nothing"]
pub struct Outbox {
    control: Arc<Control>,
    /// Closes with the end of the thread.
    ended: watch::Receiver<()>,
}

/// The outbox can't be used. The message says why, and the remedy. It has no password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxError(String);

impl Outbox {
    /// Opens the outbox and starts to publish its rows. A row without a tenant is for the [home](Hub::home) tenant.
    ///
    /// # Errors
    /// There is no such database, it has no outbox, or the system has no thread.
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
        match &address.0 {
            #[cfg(feature = "sqlite")]
            Database::Sqlite(path) => {
                let path = path.clone();
                Self::spawn(address, async move |control| {
                    let mut source = admin::patiently(async || sqlite::SqliteSource::open(&path)).await?;
                    // While another reader has its turn, this server serves, and its outbox waits.
                    source.take_turn().or_else(|error| if error.is_busy { Ok(()) } else { Err(error) })?;
                    Ok(Reader::new(source, hub, home, name, control).run().boxed_local())
                })
                .await
            }
            #[cfg(feature = "postgres")]
            Database::Postgres(url) => {
                let url = url.clone();
                Self::spawn(address, async move |control| {
                    let source = postgres::PostgresSource::open(&url, name.clone()).await?;
                    let journal = source.journal_id().await?;
                    let is_hubs = journal.is_some() && journal == hub.journal_id();
                    if journal.is_some() && (!is_hubs || source.has_reader().await?) {
                        tracing::error!(outbox = name, "{ONE_JOURNAL}");
                    }
                    if is_hubs {
                        return Ok(Sequencer::new(source, hub, home, name, control).run().boxed_local());
                    }
                    Ok(Reader::new(source, hub, home, name, control).run().boxed_local())
                })
                .await
            }
            #[allow(unreachable_patterns, reason = "each feature takes its kind away")]
            _ => Err(OutboxError::not_built_in(address)),
        }
    }

    /// Starts the thread, and waits until `open` has returned the loop of the reader.
    async fn spawn(
        address: &OutboxAddress,
        open: impl AsyncFnOnce(Arc<Control>) -> Result<LocalBoxFuture<'static, ()>, SourceError> + Send + 'static,
    ) -> Result<Self, OutboxError> {
        let control = Arc::new(Control::new());
        let (end, ended) = watch::channel(());
        let (opened, is_open) = oneshot::channel();
        let (name, for_reader) = (address.to_string(), Arc::clone(&control));
        let work = move || {
            let _end = end;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => return drop(opened.send(Err(SourceError::away(error.to_string())))),
            };
            runtime.block_on(async {
                match open(for_reader).await {
                    Ok(reader) => {
                        let _ = opened.send(Ok(()));
                        let _running = Running(name);
                        reader.await;
                    }
                    Err(error) => drop(opened.send(Err(error))),
                }
            });
        };
        let thread = std::thread::Builder::new().name("tidings-outbox".to_owned()).spawn(work);
        thread.map_err(|error| OutboxError(format!("the thread of an outbox can't be started: {error}")))?;
        match is_open.await {
            Ok(Ok(())) => Ok(Self { control, ended }),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(OutboxError(format!("{address} can't be opened"))),
        }
    }

    /// Says that a transaction has just committed, so that its events are published at once. Without it, the reader notices
    /// the commit within some milliseconds.
    pub fn wake(&self) {
        self.control.wake.notify_one();
    }

    /// Stops: reads no more rows, and waits for what the hub has not answered yet, for 5 s at most. Rows without an answer
    /// stay in the outbox.
    pub async fn stop(&self) {
        self.end(STOP_TIMEOUT);
        // The thread sends nothing: this ends with the channel. A database that does not answer may hold the thread for longer.
        let _ = tokio::time::timeout(STOP_TIMEOUT, self.ended.clone().changed()).await;
    }

    fn end(&self, within: Duration) {
        let end = Instant::now() + within;
        self.control.stop.send_if_modified(|stop| {
            let is_first = stop.is_none();
            stop.get_or_insert(end);
            is_first
        });
    }
}

/// Says in the log if a reader ends by a fault of its own.
struct Running(String);

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(
                outbox = self.0,
                "the reader of an outbox has panicked: its events wait for a restart"
            );
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.end(STOP_TIMEOUT);
    }
}

impl OutboxError {
    fn not_built_in(address: &OutboxAddress) -> Self {
        Self(format!("{address}: this program was built without this kind of database"))
    }
}

impl From<SourceError> for OutboxError {
    fn from(error: SourceError) -> Self {
        Self(error.message)
    }
}

impl fmt::Display for OutboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OutboxError {}
