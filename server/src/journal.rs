//! Journals: where a hub's history lives beyond its process.
//!
//! [`open_hub`] opens a hub with a journal. `tidings serve --journal` does the same. After a restart, each client goes on
//! from its position, and revocations and idempotency keys are still there.
//!
//! - `address` says where a journal is. [`SqliteJournal`] and `PostgresJournal` (feature `postgres`) are two kinds.
//! - `running` is the thread that moves entries between the hub and its journal.

mod address;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg_attr(
    not(any(feature = "postgres", feature = "sqlite")),
    allow(dead_code, reason = "each kind of journal runs there")
)]
mod running;
#[cfg(all(unix, feature = "sqlite"))]
mod sqlite;

use std::time::Duration;

#[cfg(feature = "cli")]
use tidings_hub::journal::{Journal, JournalLimits};
use tidings_hub::{Hub, HubSettings, journal::JournalError};

use self::address::Place;
#[cfg(feature = "postgres")]
pub(crate) use self::postgres::Columns;
#[cfg(feature = "postgres")]
pub use self::postgres::{PostgresJournal, SCHEMA as POSTGRES_SCHEMA};
#[cfg(all(unix, feature = "sqlite"))]
pub use self::sqlite::SqliteJournal;
pub use self::{
    address::{JournalAddress, JournalAddressError},
    running::HubJournal,
};
use crate::SystemHost;

/// How long a start waits for another process that has the journal. The old process of a restart may still drain.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// When an entry is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Synchronous {
    /// Before it is acknowledged: a power loss loses nothing
    #[default]
    Full,
    /// A moment later: a power loss may lose the last acknowledged events, and their subscribers get a sync
    Normal,
}

/// Where a hub's journal is, and how it writes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JournalSettings {
    /// Where the journal is.
    pub address: JournalAddress,
    /// When an entry is on the disk. With [`Synchronous::Normal`], only a power loss or a crash of the operating system
    /// loses entries. A crash of the process loses none.
    pub synchronous: Synchronous,
    /// How long to wait for another process that has the journal.
    pub lock_timeout: Duration,
}

impl JournalSettings {
    /// Returns the default settings for a journal at this address.
    pub fn new(address: JournalAddress) -> Self {
        Self { address, synchronous: Synchronous::default(), lock_timeout: LOCK_TIMEOUT }
    }

    /// Sets when an entry is on the disk.
    pub fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.synchronous = synchronous;
        self
    }

    /// Sets how long to wait for another process that has the journal.
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }
}

impl From<JournalAddress> for JournalSettings {
    fn from(address: JournalAddress) -> Self {
        Self::new(address)
    }
}

/// Opens a hub whose history is in a journal. It returns when the hub is ready.
///
/// Stop the journal after the gateway has drained. If you don't, nothing is lost: the next start reads more.
///
/// ```no_run
/// use tidings_server::{DevAccess, Gateway, GatewaySettings, HubSettings, JournalAddress, open_hub};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let address: JournalAddress = "sqlite:events.journal".parse()?;
/// let (hub, journal) = open_hub(HubSettings::new("acme".parse()?), address).await?;
/// let access = DevAccess::new(hub.home().clone());
/// let gateway = Gateway::new(hub, access, GatewaySettings::development());
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:7700").await?;
/// gateway.serve(listener, gateway.service(), async { let _ = tokio::signal::ctrl_c().await; }).await;
/// journal.stop().await;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// There can't be a journal at this address. The message names the journal and the remedy. Nothing there was changed.
pub async fn open_hub(
    settings: HubSettings,
    journal: impl Into<JournalSettings>,
) -> Result<(Hub, HubJournal), JournalError> {
    let journal = journal.into();
    match &journal.address.0 {
        Place::Memory => Ok((Hub::new(settings, SystemHost::start()), HubJournal::none())),
        #[cfg(all(unix, feature = "sqlite"))]
        Place::Sqlite(path) => {
            let (path, JournalSettings { synchronous, lock_timeout, .. }) = (path.clone(), journal);
            running::start(settings, move || SqliteJournal::open(&path, synchronous, lock_timeout)).await
        }
        #[cfg(feature = "postgres")]
        Place::Postgres(url) => {
            let url = url.clone();
            running::start(settings, move || PostgresJournal::open(&url)).await
        }
    }
}

/// What is in a journal.
#[cfg(feature = "cli")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    /// Whether a process has the journal open. `None`: nobody knows, and any number may have it.
    pub(crate) is_in_use: Option<bool>,
    pub(crate) tenants: u64,
    pub(crate) entries: u64,
    /// When the oldest entry was appended, in milliseconds since 1970.
    pub(crate) oldest_at: Option<u64>,
    /// Keys of entries that were trimmed.
    pub(crate) keys: u64,
    pub(crate) revocations: u64,
    /// Bytes of its files or tables.
    pub(crate) bytes: u64,
}

/// Returns what is in a journal. A running server may have it.
///
/// # Errors
/// There is no journal at this address.
#[cfg(feature = "cli")]
pub(crate) fn status(address: &JournalAddress) -> Result<Status, JournalError> {
    match &address.0 {
        Place::Memory => Err(in_memory()),
        Place::Sqlite(path) => SqliteJournal::status(path),
        Place::Postgres(url) => PostgresJournal::status(url),
    }
}

/// Removes what is beyond these bounds from a journal. No process may have a journal of SQLite open.
///
/// # Errors
/// There is no journal at this address, or a process has it.
#[cfg(feature = "cli")]
pub(crate) fn trim(
    address: &JournalAddress,
    limits: &JournalLimits,
    now_unix_ms: u64,
) -> Result<(), JournalError> {
    let mut journal: Box<dyn Journal> = match &address.0 {
        Place::Memory => return Err(in_memory()),
        Place::Sqlite(path) => {
            SqliteJournal::status(path)?;
            Box::new(SqliteJournal::open(path, Synchronous::Full, Duration::ZERO)?)
        }
        Place::Postgres(url) => Box::new(PostgresJournal::open(url)?),
    };
    while journal.trim(limits, now_unix_ms)? {}
    Ok(())
}

#[cfg(feature = "cli")]
fn in_memory() -> JournalError {
    JournalError::new(
        "the journal memory: it is in the process that has it, and nowhere else; write sqlite:PATH or postgres://…",
    )
}

/// Checks a journal's address as far as that needs no lock: another process may have the journal.
///
/// # Errors
/// The errors of [`open_hub`].
#[cfg(feature = "cli")]
pub(crate) fn check(address: &JournalAddress) -> Result<(), JournalError> {
    match &address.0 {
        Place::Memory => Ok(()),
        Place::Sqlite(path) => SqliteJournal::check(path),
        Place::Postgres(url) => PostgresJournal::check(url),
    }
}

/// Does something with a journal on a thread that may wait for it.
#[cfg(feature = "cli")]
pub(crate) async fn blocking<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(act)
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// Returns the URL of a journal in PostgreSQL, with its secrets.
#[cfg(feature = "cli")]
pub(crate) fn postgres_url(address: &JournalAddress) -> Option<&str> {
    match &address.0 {
        Place::Postgres(url) => Some(url),
        Place::Memory | Place::Sqlite(_) => None,
    }
}

/// Makes the tables of a journal. The database has an outbox already.
///
/// # Errors
/// The database can't be reached, or the user may not do it, or this kind of journal needs no such command.
#[cfg(feature = "cli")]
pub(crate) fn init(address: &JournalAddress) -> Result<(), JournalError> {
    match &address.0 {
        Place::Memory => Err(in_memory()),
        Place::Sqlite(_) => {
            Err(JournalError::new(format!("the journal {address}: `tidings serve --journal` makes its file")))
        }
        Place::Postgres(url) => PostgresJournal::init(url),
    }
}
