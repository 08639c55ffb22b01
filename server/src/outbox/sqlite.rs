//! The outbox in an application's SQLite database.
//!
//! Writers insert into `tidings_outbox` in the transaction of their data. The server reads the table with a connection of
//! its own.

mod dead_letters;
pub(crate) mod file;
mod schema;
pub(crate) mod turn;
mod write;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, Row, params, types::ValueRef};

use self::{
    file::{File, age, immediate, unix_time},
    turn::Turn,
};
pub use self::{
    schema::SCHEMA,
    write::{insert, insert_to},
};
use super::{
    row::{Field, OutboxRow, RowId},
    store::{
        Dead, DeadLetter, DeadLetters, Last, Look, MAX_COUNTED, MAX_EVENT_BYTES, MAX_SHORT_BYTES,
        MAX_TOPICS_BYTES, READ_BYTES, READ_ROWS, Store, StoreError, Taken, Waiting, Which,
    },
};

/// The outbox of a SQLite file.
#[derive(Debug)]
pub(crate) struct SqliteStore {
    file: File,
    turn: Turn,
}

impl SqliteStore {
    /// Opens the outbox in an existing file.
    ///
    /// # Errors
    /// The file is not there, is no database, can't be written, or has no outbox.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let mut file = File::open(path)?;
        check_tables(&mut file)?;
        Ok(Self { turn: Turn::wait(lock_of(file.main()), "the outbox"), file })
    }

    /// Does what [`Store::turn`] does.
    ///
    /// # Errors
    /// The lock can't be taken.
    pub(crate) fn look(&mut self) -> Result<Look, StoreError> {
        match self.turn.take() {
            Ok(Taken::Before) => Ok(Look::Own),
            Ok(Taken::Now) => Ok(Look::Begins(Last::default())),
            Ok(Taken::Not) => Ok(Look::Others(Last::default())),
            Err(fault) => Err(StoreError::away(format!("sqlite:{}: {fault}", self.file.path().display()))),
        }
    }

    /// Makes the tables of an outbox in an existing file. Tables that are there stay as they are.
    ///
    /// # Errors
    /// The file is not there, is no database, or can't be written.
    pub(crate) fn init(path: &Path) -> Result<(), StoreError> {
        let mut file = File::open(path)?;
        file.with(|connection| {
            let transaction = immediate(connection)?;
            transaction.execute_batch(SCHEMA)?;
            transaction.commit()
        })?;
        check_tables(&mut file)
    }
}

impl SqliteStore {
    fn of_dead_letters(
        &mut self,
        which: &Which,
        work: impl FnOnce(&mut Connection, &Which) -> rusqlite::Result<Result<u64, i64>>,
    ) -> Result<u64, StoreError> {
        let done = self.file.with(|connection| work(connection, which))?;
        done.map_err(|id| {
            StoreError::away(format!("sqlite:{}: there is no dead letter {id}", self.file.path().display()))
        })
    }
}

impl Store for SqliteStore {
    async fn turn(&mut self) -> Result<Look, StoreError> {
        self.look()
    }

    async fn read(&mut self, unsettled: &[RowId]) -> Result<Vec<OutboxRow>, StoreError> {
        let after = unsettled.last().map_or(i64::MIN, |row| row.id);
        let now = unix_time();
        self.file.read(|connection| {
            let mut statement = connection.prepare_cached(READ)?;
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
        self.file.with(|connection| {
            let transaction = immediate(connection)?;
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
        self.file.changed().await;
    }

    async fn reopen(&mut self) -> Result<(), StoreError> {
        self.file.reopen()?;
        self.turn.wait_for(lock_of(self.file.main()));
        check_tables(&mut self.file).inspect_err(|_| self.file.close())
    }

    async fn waiting(&mut self, after: Option<i64>) -> Result<Waiting, StoreError> {
        let after = after.unwrap_or(i64::MIN);
        let now = unix_time();
        self.file.with(|connection| {
            let mut count = connection.prepare_cached(COUNT)?;
            let (rows, oldest, dead): (i64, Option<i64>, i64) = count
                .query_row(params![after, MAX_COUNTED as i64], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })?;
            let number = |count: i64| usize::try_from(count).unwrap_or_default();
            Ok(Waiting { rows: number(rows), oldest: age(now, oldest), dead: number(dead) })
        })
    }
}

impl DeadLetters for SqliteStore {
    async fn dead_letters(&mut self, after: i64, max: usize) -> Result<Vec<DeadLetter>, StoreError> {
        self.file.with(|connection| dead_letters::list(connection, after, max))
    }

    async fn retry(&mut self, which: &Which) -> Result<u64, StoreError> {
        self.of_dead_letters(which, dead_letters::retry)
    }

    async fn delete_dead_letters(&mut self, which: &Which) -> Result<u64, StoreError> {
        self.of_dead_letters(which, dead_letters::delete)
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

/// Returns the path of the lock of the outbox's reader.
fn lock_of(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push("-outbox-lock");
    path.into()
}

/// Checks that both tables are there, with their columns.
fn check_tables(file: &mut File) -> Result<(), StoreError> {
    for (table, columns) in schema::TABLES {
        let found = file.with(|connection| columns_of(connection, table))?;
        let shown = file.path().display();
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

#[cfg(test)]
mod tests;
