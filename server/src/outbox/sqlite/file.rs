//! An application's SQLite file, which the server reads and writes beside the application.
//!
//! The server notices the commits of other connections and other processes by `PRAGMA data_version`, which reads one counter
//! of the file. It also notices if somebody replaces the file.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior, config::DbConfig};
use tokio::time::sleep;

use crate::outbox::store::StoreError;

/// Time between two looks for commits of others. One look takes some microseconds.
const POLL: Duration = Duration::from_millis(10);

/// The longest wait for a lock. Meanwhile the reader does nothing else. Most transactions of an application are shorter. A
/// longer transaction delays the deletions. If it locks out readers, it delays the events, too.
const BUSY_TIMEOUT: Duration = Duration::from_millis(100);

/// Time between two looks whether the open files still are at their paths. A restored copy may be another file.
pub(super) const SAME_FILE_INTERVAL: Duration = Duration::from_secs(1);

/// A file that is there.
#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
    /// `None` after an error, until the file is opened again.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    /// The path of the database file without links.
    main: PathBuf,
    /// The counter of commits when the last read began.
    version: Option<i64>,
    /// What the database file is to the system.
    file: Option<Identity>,
    /// The paths of the write-ahead log and its index, and what they are to the system. `None`: there was none yet.
    logs: [(PathBuf, Option<Identity>); 2],
    /// When they were last compared.
    compared: Instant,
}

impl File {
    /// Opens an existing file.
    ///
    /// # Errors
    /// The file is not there, is no database, or can't be written.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let open = Open::new(path)?;
        Ok(Self { path: path.to_owned(), open: Some(open) })
    }

    /// Opens the file again: another one may be at the path now.
    ///
    /// # Errors
    /// The errors of [`File::open`].
    pub(crate) fn reopen(&mut self) -> Result<(), StoreError> {
        self.open = None;
        self.open = Some(Open::new(&self.path)?);
        Ok(())
    }

    /// Gives up the connection, until the file is opened again.
    pub(crate) fn close(&mut self) {
        self.open = None;
    }

    /// Returns the path that was opened.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of the database file without links. Locks are beside it.
    pub(crate) fn main(&self) -> &Path {
        self.open.as_ref().map_or(&self.path, |open| &open.main)
    }

    /// Calls `work` with the open connection.
    ///
    /// # Errors
    /// The file does not answer, or is another one now.
    pub(crate) fn with<T>(
        &mut self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.with_open(|open| work(&mut open.connection))
    }

    /// Does the same, and notes the time of the read: [`File::changed`] waits for a later commit.
    ///
    /// # Errors
    /// The errors of [`File::with`].
    pub(crate) fn read<T>(
        &mut self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.with_open(|open| {
            // Before the read: a commit in between is noticed again.
            open.version = Some(open.data_version()?);
            work(&mut open.connection)
        })
    }

    /// Waits until somebody may have written since the last [`read`](File::read) began. May be dropped before it is done.
    pub(crate) async fn changed(&mut self) {
        loop {
            sleep(POLL).await;
            let Some(open) = &mut self.open else { return };
            if !open.is_same_file(&self.path) {
                return;
            }
            // A lock is an answer, too: somebody writes. The next look finds what was written.
            match open.data_version() {
                Ok(version) if open.version == Some(version) => {}
                Err(error) if is_busy(&error) => {}
                _ => return,
            }
        }
    }

    fn with_open<T>(&mut self, work: impl FnOnce(&mut Open) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let Some(open) = &mut self.open else {
            return Err(StoreError::away(format!("sqlite:{} is not open", self.path.display())));
        };
        if !open.is_same_file(&self.path) {
            // Otherwise SQLite could write the old log into the file, and remove the new log.
            let _ = open.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
            self.open = None;
            let path = self.path.display();
            return Err(StoreError::away(format!(
                "somebody has replaced or removed {path}, or its -wal or -shm file"
            )));
        }
        work(open).map_err(|error| fault(&self.path, &error))
    }
}

impl Open {
    fn new(path: &Path) -> Result<Self, StoreError> {
        // Before SQLite opens it: a file that replaces it meanwhile is noticed.
        let file = identity(path);
        let connection = connect(path)?;
        // SQLite keeps the log beside the file that a link names.
        let main = PathBuf::from(connection.path().unwrap_or_default());
        // The connection has read, so it has opened its log.
        let logs = ["-wal", "-shm"].map(|end| {
            let mut log = main.clone().into_os_string();
            log.push(end);
            let log = PathBuf::from(log);
            let is = identity(&log);
            (log, is)
        });
        Ok(Self { connection, main, version: None, file, logs, compared: Instant::now() })
    }

    fn data_version(&self) -> rusqlite::Result<i64> {
        self.connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
    }

    /// Returns whether the open files still are at their paths. Looks once in a while.
    ///
    /// While a connection is open, SQLite keeps its log. So somebody else has removed or replaced a log that changes. The
    /// connection would read the old one for ever.
    fn is_same_file(&mut self, path: &Path) -> bool {
        if self.compared.elapsed() < SAME_FILE_INTERVAL {
            return true;
        }
        let have_same_logs = self.logs.iter_mut().all(|(log, known)| {
            let now = identity(log);
            // The application may have begun to use a log.
            *known = known.or(now);
            *known == now
        });
        let is_same = have_same_logs && identity(path) == self.file;
        if is_same {
            // Otherwise the next call must say so, too.
            self.compared = Instant::now();
        }
        is_same
    }
}

/// Opens an existing file for reading and writing.
pub(crate) fn connect(path: &Path) -> Result<Connection, StoreError> {
    let shown = path.display();
    if !path.exists() {
        return Err(StoreError::away(format!(
            "sqlite:{shown}: there is no such file: let the application make its database first"
        )));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| fault(path, &error))?;
    let set = || {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        if connection.is_readonly("main")? {
            return Ok(false);
        }
        let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
        // A deletion that a power loss takes back is harmless: the rows are published again, with the same keys. In the
        // other modes, less than the default could damage the file.
        if mode == "wal" {
            connection.pragma_update(None, "synchronous", "NORMAL")?;
        }
        Ok(true)
    };
    match set() {
        Ok(true) => Ok(connection),
        Ok(false) => Err(StoreError::away(format!(
            "sqlite:{shown}: this user may not write the file, so published rows can't be deleted"
        ))),
        Err(error) => Err(fault(path, &error)),
    }
}

/// Whether this user may read an existing file, and may not write it.
pub(crate) fn is_read_only(path: &Path) -> bool {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
        .is_ok_and(|connection| connection.is_readonly("main") == Ok(true))
}

/// Begins a transaction that has the write lock from the start. Otherwise it could fail in its middle.
pub(crate) fn immediate(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

pub(crate) fn fault(path: &Path, error: &rusqlite::Error) -> StoreError {
    let shown = path.display();
    if is_busy(error) {
        return StoreError::busy(format!("sqlite:{shown} is locked by another program: {error}"));
    }
    let remedy = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => ": name the application's SQLite file",
        Some(ErrorCode::CannotOpen) => ": check the rights of the file and of its folder",
        Some(ErrorCode::DiskFull) => ": make room on the disk",
        Some(ErrorCode::SystemIoFailure) => ": check the disk and its free space",
        _ => "",
    };
    StoreError::away(format!("sqlite:{shown}: {error}{remedy}"))
}

/// Device and inode: they stay the same if the file gets another path.
type Identity = (u64, u64);

/// Returns the identity of the file at a path. Other systems than Unix have none: nobody can
/// replace an open file there.
fn identity(path: &Path) -> Option<Identity> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
    }
    #[cfg(not(unix))]
    {
        path.exists().then_some((0, 0))
    }
}

/// Returns the milliseconds since 1970. The application writes to its file on the same machine, so the rows' times are by the
/// same clock.
pub(crate) fn unix_time() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// Returns how long ago a row was written. A time that is still to come is now: somebody has set the clock back.
pub(crate) fn age(now: i64, at: Option<i64>) -> Duration {
    let age = at.map_or(0, |at| now.saturating_sub(at));
    Duration::from_millis(age.try_into().unwrap_or_default())
}
