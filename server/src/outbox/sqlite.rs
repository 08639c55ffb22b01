//! The outbox in an application's SQLite database.
//!
//! Writers insert into `tidings_outbox` in the transaction of their data. The server reads the table with a connection of
//! its own. It notices the commits of other connections and other processes by `PRAGMA data_version`, which reads one
//! counter of the file.

mod dead_letters;
mod schema;
mod turn;
mod write;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rusqlite::{
    Connection, ErrorCode, OpenFlags, Row, Transaction, TransactionBehavior, config::DbConfig, params,
    types::ValueRef,
};
use tokio::time::sleep;

use self::turn::Turn;
pub use self::{
    schema::SCHEMA,
    write::{insert, insert_to},
};
use super::{
    row::{Field, OutboxRow, RowId},
    store::{
        Dead, DeadLetter, MAX_COUNTED, MAX_EVENT_BYTES, MAX_SHORT_BYTES, MAX_TOPICS_BYTES, READ_BYTES,
        READ_ROWS, Store, StoreError, Waiting, Which,
    },
};

/// Time between two looks for commits of others. One look takes some microseconds.
const POLL: Duration = Duration::from_millis(10);

/// The longest wait for a lock. Meanwhile the reader does nothing else. Most transactions of an application are shorter. A
/// longer transaction delays the deletions. If it locks out readers, it delays the events, too.
const BUSY_TIMEOUT: Duration = Duration::from_millis(100);

/// Time between two looks whether the open files still are at their paths. A restored copy may be another file.
const SAME_FILE_INTERVAL: Duration = Duration::from_secs(1);

/// The outbox of a SQLite file.
#[derive(Debug)]
pub(crate) struct SqliteStore {
    path: PathBuf,
    turn: Turn,
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

impl SqliteStore {
    /// Opens the outbox in an existing file.
    ///
    /// # Errors
    /// The file is not there, is no database, can't be written, or has no outbox.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let open = Open::new(path)?;
        Ok(Self { path: path.to_owned(), turn: Turn::wait(&open.main), open: Some(open) })
    }

    /// Succeeds while this reader is the one that reads the outbox.
    ///
    /// # Errors
    /// Another reader has its turn, which is a [turn](StoreError::turn) error. Or the lock can't be taken.
    pub(crate) fn take_turn(&mut self) -> Result<(), StoreError> {
        let shown = self.path.display();
        match self.turn.take() {
            Ok(true) => Ok(()),
            Ok(false) => Err(StoreError::turn(format_args!("sqlite:{shown}"))),
            Err(fault) => Err(StoreError::away(format!("sqlite:{shown}: {fault}"))),
        }
    }

    /// Makes the tables of an outbox in an existing file. Tables that are there stay as they are.
    ///
    /// # Errors
    /// The file is not there, is no database, or can't be written.
    pub(crate) fn init(path: &Path) -> Result<(), StoreError> {
        let mut connection = connect(path)?;
        let made = immediate(&mut connection).and_then(|transaction| {
            transaction.execute_batch(SCHEMA)?;
            transaction.commit()
        });
        made.map_err(|error| fault(path, &error))?;
        check_tables(path, &connection)
    }

    /// Calls `work` with the open connection.
    fn with<T>(&mut self, work: impl FnOnce(&mut Open) -> rusqlite::Result<T>) -> Result<T, StoreError> {
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

impl SqliteStore {
    fn of_dead_letters(
        &mut self,
        which: &Which,
        work: impl FnOnce(&mut Connection, &Which) -> rusqlite::Result<Result<u64, i64>>,
    ) -> Result<u64, StoreError> {
        let done = self.with(|open| work(&mut open.connection, which))?;
        done.map_err(|id| {
            StoreError::away(format!("sqlite:{}: there is no dead letter {id}", self.path.display()))
        })
    }
}

impl Store for SqliteStore {
    async fn read(&mut self, unsettled: &[RowId]) -> Result<Vec<OutboxRow>, StoreError> {
        self.take_turn()?;
        let after = unsettled.last().map_or(i64::MIN, |row| row.id);
        let now = unix_time();
        self.with(|open| {
            // Before the read: a commit in between is noticed again.
            open.version = Some(open.data_version()?);
            let mut statement = open.connection.prepare_cached(READ)?;
            let [short, event, topics] = column_limits();
            let values = params![after, short, event, topics, READ_ROWS as i64];
            let (mut rows, mut bytes) = (Vec::new(), 0);
            let mut found = statement.query(values)?;
            while let Some(row) = found.next()? {
                let row = OutboxRow { age: age(now, row.get("at")?), ..read_row(row)? };
                bytes += row.bytes();
                rows.push(row);
                if bytes >= READ_BYTES {
                    break;
                }
            }
            Ok(rows)
        })
    }

    async fn settle(&mut self, done: &[RowId], dead: &[Dead]) -> Result<(), StoreError> {
        self.with(|open| {
            let transaction = immediate(&mut open.connection)?;
            {
                let mut bury = transaction.prepare_cached(BURY)?;
                for Dead { id: RowId { id, nonce }, code, reason } in dead {
                    bury.execute(params![id, nonce, code.as_str(), reason])?;
                }
                let mut delete = transaction.prepare_cached(DELETE)?;
                for RowId { id, nonce } in done.iter().chain(dead.iter().map(|dead| &dead.id)) {
                    delete.execute(params![id, nonce])?;
                }
            }
            transaction.commit()
        })
    }

    async fn changed(&mut self) {
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

    async fn reopen(&mut self) -> Result<(), StoreError> {
        self.open = None;
        let open = Open::new(&self.path)?;
        self.turn.wait_for(&open.main);
        self.open = Some(open);
        Ok(())
    }

    async fn waiting(&mut self, after: Option<i64>) -> Result<Waiting, StoreError> {
        let after = after.unwrap_or(i64::MIN);
        let now = unix_time();
        self.with(|open| {
            let mut count = open.connection.prepare_cached(COUNT)?;
            let (rows, oldest, dead): (i64, Option<i64>, i64) = count
                .query_row(params![after, MAX_COUNTED as i64], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })?;
            let number = |count: i64| usize::try_from(count).unwrap_or_default();
            Ok(Waiting { rows: number(rows), oldest: age(now, oldest), dead: number(dead) })
        })
    }

    async fn dead_letters(&mut self, after: i64, max: usize) -> Result<Vec<DeadLetter>, StoreError> {
        self.with(|open| dead_letters::list(&open.connection, after, max))
    }

    async fn retry(&mut self, which: &Which) -> Result<u64, StoreError> {
        self.of_dead_letters(which, dead_letters::retry)
    }

    async fn delete_dead_letters(&mut self, which: &Which) -> Result<u64, StoreError> {
        self.of_dead_letters(which, dead_letters::delete)
    }
}

impl Open {
    fn new(path: &Path) -> Result<Self, StoreError> {
        // Before SQLite opens it: a file that replaces it meanwhile is noticed.
        let file = identity(path);
        let connection = connect(path)?;
        check_tables(path, &connection)?;
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

/// A nonce, also where a writer has set it to something else.
macro_rules! nonce {
    () => {
        "ifnull(substr(CAST(nonce AS BLOB), 1, 16), x'')"
    };
}

/// The nonce and the texts of a row. A value that is too long is not read: `octet_length` needs the head of a row only.
macro_rules! columns {
    () => {
        concat!(
            nonce!(),
            ", octet_length(tenant), iif(octet_length(tenant) <= ?2, tenant, NULL)",
            ", octet_length(event), iif(octet_length(event) <= ?3, event, NULL)",
            ", octet_length(key), iif(octet_length(key) <= ?2, key, NULL)",
            ", octet_length(origin), iif(octet_length(origin) <= ?2, origin, NULL)",
            ", octet_length(topics), iif(octet_length(topics) <= ?4, topics, NULL)"
        )
    };
}

use {columns, nonce};

/// The time of a row. A writer may have set it to something that is no number.
macro_rules! at {
    () => {
        "iif(typeof(at) = 'integer', at, NULL) AS at"
    };
}

const READ: &str = concat!(
    "SELECT id, ",
    columns!(),
    ", ",
    at!(),
    " FROM tidings_outbox WHERE id > ?1 ORDER BY id LIMIT ?5"
);

const DELETE: &str = concat!("DELETE FROM tidings_outbox WHERE id = ?1 AND ", nonce!(), " = ?2");

const BURY: &str = concat!(
    "INSERT INTO tidings_dead_letters(outbox_id, nonce, tenant, event, key, origin, topics, at, code, reason) \
     SELECT id, nonce, tenant, event, key, origin, topics, at, ?3, ?4 FROM tidings_outbox WHERE id = ?1 AND ",
    nonce!(),
    " = ?2"
);

const COUNT: &str = concat!(
    "SELECT (SELECT count(*) FROM (SELECT 1 FROM tidings_outbox WHERE id > ?1 LIMIT ?2)), (SELECT ",
    at!(),
    " FROM tidings_outbox WHERE id > ?1 ORDER BY id LIMIT 1), \
     (SELECT count(*) FROM (SELECT 1 FROM tidings_dead_letters LIMIT ?2))"
);

/// The bounds of the columns, in the order of the parameters 2 to 4.
fn column_limits() -> [i64; 3] {
    [MAX_SHORT_BYTES, MAX_EVENT_BYTES, MAX_TOPICS_BYTES].map(|limit| limit as i64)
}

/// Reads a row that begins with its id and goes on with [`columns`].
fn read_row(row: &Row<'_>) -> rusqlite::Result<OutboxRow> {
    let field = |index: usize| -> rusqlite::Result<Field> {
        let Some(bytes) = row.get::<_, Option<i64>>(index)? else { return Ok(Field::Null) };
        Ok(match row.get_ref(index + 1)? {
            ValueRef::Null => Field::TooLong(bytes.unsigned_abs()),
            ValueRef::Text(text) => Field::from_bytes(text),
            ValueRef::Blob(_) => Field::NotText("a blob"),
            ValueRef::Integer(_) | ValueRef::Real(_) => Field::NotText("a number"),
        })
    };
    Ok(OutboxRow {
        id: RowId { id: row.get(0)?, nonce: row.get(1)? },
        tenant: field(2)?,
        event: field(4)?,
        key: field(6)?,
        origin: field(8)?,
        topics: field(10)?,
        age: Duration::ZERO,
        is_gap: false,
    })
}

/// Returns the milliseconds since 1970. The application writes to its file on the same machine, so the rows' times are by the
/// same clock.
fn unix_time() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// Returns how long ago a row was written. A time that is still to come is now: somebody has set the clock back.
fn age(now: i64, at: Option<i64>) -> Duration {
    let age = at.map_or(0, |at| now.saturating_sub(at));
    Duration::from_millis(age.try_into().unwrap_or_default())
}

/// Opens an existing file for reading and writing.
fn connect(path: &Path) -> Result<Connection, StoreError> {
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
            "sqlite:{shown}: this user may not write the file, so published rows can't leave the outbox"
        ))),
        Err(error) => Err(fault(path, &error)),
    }
}

/// Checks that both tables are there, with their columns.
fn check_tables(path: &Path, connection: &Connection) -> Result<(), StoreError> {
    let shown = path.display();
    for (table, columns) in schema::TABLES {
        let found = columns_of(connection, table).map_err(|error| fault(path, &error))?;
        if found.is_empty() {
            return Err(StoreError::away(format!(
                "sqlite:{shown} has no table {table}: run `tidings journal init --outbox sqlite:{shown}`"
            )));
        }
        if let Some(missing) = columns.iter().find(|column| !found.iter().any(|found| found == *column)) {
            return Err(StoreError::away(format!(
                "sqlite:{shown}: the table {table} has no column `{missing}`: add it as in \
                 `tidings journal init --outbox sqlite:{shown} --print`"
            )));
        }
    }
    Ok(())
}

fn columns_of(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
    statement.query_map([table], |row| row.get(0))?.collect()
}

/// Begins a transaction that has the write lock from the start. Otherwise it could fail in its middle.
fn immediate(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn fault(path: &Path, error: &rusqlite::Error) -> StoreError {
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

#[cfg(test)]
mod tests;
