//! What the command line does with an outbox: makes its tables, and looks after its dead letters.

use std::time::{Duration, Instant};

use uuid::Uuid;

use super::{
    OutboxAddress, OutboxError,
    address::Database,
    store::{DeadLetters, StoreError},
};
pub(crate) use super::{
    row::Field,
    store::{DeadLetter, Which},
};

/// How long a command, or the start of a server, waits for a lock of another program.
const LOCK_TIMEOUT: Duration = Duration::from_secs(8);

/// The pause between two tries.
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// Calls an asynchronous closure with the store of an address, opened for it.
macro_rules! with_store {
    ($address:expr, |$store:ident| $work:expr) => {
        match &$address.0 {
            #[cfg(feature = "sqlite")]
            Database::Sqlite(path) => {
                let mut $store = patiently(async || super::sqlite::SqliteStore::open(path)).await?;
                $work.await.map_err(OutboxError::from)
            }
            #[cfg(feature = "postgres")]
            Database::Postgres(url) => {
                let mut $store = super::postgres::PostgresStore::open(url, $address.to_string()).await?;
                $work.await.map_err(OutboxError::from)
            }
            #[allow(unreachable_patterns, reason = "each feature takes its kind away")]
            _ => Err(OutboxError::not_built_in($address)),
        }
    };
}

/// Returns the SQL that makes the tables.
pub(crate) fn schema(address: &OutboxAddress) -> Result<&'static str, OutboxError> {
    match &address.0 {
        #[cfg(feature = "sqlite")]
        Database::Sqlite(_) => Ok(super::sqlite::SCHEMA),
        #[cfg(feature = "postgres")]
        Database::Postgres(_) => Ok(super::postgres::SCHEMA),
        #[allow(unreachable_patterns, reason = "each feature takes its kind away")]
        _ => Err(OutboxError::not_built_in(address)),
    }
}

/// Makes the tables. Tables that are there stay as they are. Returns what the owner has to know.
pub(crate) async fn init(address: &OutboxAddress) -> Result<Vec<String>, OutboxError> {
    match &address.0 {
        #[cfg(feature = "sqlite")]
        Database::Sqlite(path) => {
            patiently(async || super::sqlite::SqliteStore::init(path)).await?;
            Ok(Vec::new())
        }
        #[cfg(feature = "postgres")]
        Database::Postgres(url) => Ok(super::postgres::PostgresStore::init(url, address.to_string()).await?),
        #[allow(unreachable_patterns, reason = "each feature takes its kind away")]
        _ => Err(OutboxError::not_built_in(address)),
    }
}

/// Checks that an outbox can be used.
pub(crate) async fn check(address: &OutboxAddress) -> Result<(), OutboxError> {
    with_store!(address, |store| async {
        let _ = &mut store;
        Ok::<(), StoreError>(())
    })
}

/// Checks that a server with this journal may read an outbox. `journal` is the outbox in its database, if it has one.
pub(crate) async fn check_journal(
    address: &OutboxAddress,
    journal: Option<&OutboxAddress>,
) -> Result<(), OutboxError> {
    match &address.0 {
        #[cfg(feature = "postgres")]
        Database::Postgres(url) => {
            let mut store = super::postgres::PostgresStore::open(url, address.to_string()).await?;
            let id = store.journal_id().await?;
            if let (Some(id), Some(journal)) = (id, journal)
                && journal_id(journal).await? == Some(id)
            {
                return Ok(());
            }
            Ok(store.expect_no_journal().await?)
        }
        _ => {
            let _ = journal;
            Ok(())
        }
    }
}

/// Returns the id of the journal in the database of an outbox, if there is one.
pub(crate) async fn journal_id(address: &OutboxAddress) -> Result<Option<Uuid>, OutboxError> {
    match &address.0 {
        #[cfg(feature = "postgres")]
        Database::Postgres(url) => {
            let store = super::postgres::PostgresStore::open(url, address.to_string()).await?;
            Ok(store.journal_id().await?)
        }
        _ => Ok(None),
    }
}

/// Returns the dead letters with a larger id than `after`, at most `max`.
pub(crate) async fn dead_letters(
    address: &OutboxAddress,
    after: i64,
    max: usize,
) -> Result<Vec<DeadLetter>, OutboxError> {
    with_store!(address, |store| patiently(async || store.dead_letters(after, max).await))
}

/// Moves dead letters back into the outbox. Returns how many.
pub(crate) async fn retry(address: &OutboxAddress, which: &Which) -> Result<u64, OutboxError> {
    with_store!(address, |store| patiently(async || store.retry(which).await))
}

/// Deletes dead letters. Returns how many.
pub(crate) async fn delete(address: &OutboxAddress, which: &Which) -> Result<u64, OutboxError> {
    with_store!(address, |store| patiently(async || store.delete_dead_letters(which).await))
}

/// Calls `work` until it finds no lock, within a bound.
pub(crate) async fn patiently<T>(
    mut work: impl AsyncFnMut() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let start = Instant::now();
    loop {
        match work().await {
            Err(error) if error.is_busy && start.elapsed() < LOCK_TIMEOUT => {
                tokio::time::sleep(LOCK_PAUSE).await
            }
            result => return result,
        }
    }
}
