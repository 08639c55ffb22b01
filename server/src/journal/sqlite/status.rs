//! What is in a journal's file, for `tidings journal status`. It changes nothing, and a running server may have the journal.

use std::{
    fs::{self, File, TryLockError},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

use super::{
    super::Status,
    fault::Fault,
    open::check,
    paths::{Paths, resolved},
};

/// The longest wait for a lock of another program.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads what is in the journal at this path.
pub(super) fn read(path: &Path) -> Result<Status, Fault> {
    let path = resolved(path)?;
    if !check(&path)? {
        return Err(Fault::said("there is no journal yet; `tidings serve --journal` makes it"));
    }
    let paths = Paths::new(path);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(&paths.file, flags)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    let transaction = db.transaction()?;
    let number = |sql: &str| {
        let number: Option<i64> = transaction.query_row(sql, [], |row| row.get(0))?;
        Ok::<_, rusqlite::Error>(number.and_then(|number| u64::try_from(number).ok()))
    };
    let count = |table: &str| number(&format!("SELECT count(*) FROM {table}")).map(Option::unwrap_or_default);
    let size = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    Ok(Status {
        is_in_use: Some(is_in_use(&paths.lock)),
        tenants: count("tenant")?,
        entries: count("entry")?,
        oldest_at: number("SELECT min(oldest_at) FROM tenant")?,
        keys: count("key")?,
        revocations: count("revocation")?,
        bytes: size(&paths.file) + size(&paths.log),
    })
}

fn is_in_use(lock: &Path) -> bool {
    // A shared lock: two of these commands do not see each other.
    let locked = File::open(lock).map(|file| file.try_lock_shared());
    matches!(locked, Ok(Err(TryLockError::WouldBlock)))
}
