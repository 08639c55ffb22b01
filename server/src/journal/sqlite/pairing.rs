//! Which state of the database file a write-ahead log belongs to.
//!
//! SQLite does not check that. If somebody puts an old copy of the database file back and leaves PATH-wal there, SQLite
//! mixes the two, and the database is damaged. So the journal writes down which file its log continues, and looks before it
//! lets SQLite read both:
//!
//! 1. Before a checkpoint, a transaction draws a new `generation`. The checkpoint carries it into the database file.
//! 2. The first transaction of the next log writes `base = generation`, and the file's schema cookie.
//!
//! A log belongs to the file if the file has the generation `base` and this cookie. A copy by `VACUUM INTO` has the same
//! generation, and the next cookie; its pages are in another order. In the middle of a checkpoint, the file has the
//! generation `base`, or already the next one.

use std::{fs::File, io, os::unix::fs::FileExt};

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::fault::Fault;

/// Where the schema cookie is in a database file. SQLite's documentation of the file format says it.
const COOKIE_AT: u64 = 40;

/// What a journal says about its file and its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pairing {
    pub(super) generation: i64,
    base: i64,
    cookie: u32,
}

impl Pairing {
    pub(super) fn read(db: &Connection) -> rusqlite::Result<Option<Self>> {
        let pairing = db.query_row("SELECT generation, base, cookie FROM paired", [], |row| {
            Ok(Self { generation: row.get(0)?, base: row.get(1)?, cookie: row.get(2)? })
        });
        pairing.optional()
    }

    /// Returns whether a log with this pairing belongs to a file with that generation and cookie.
    pub(super) fn fits(&self, generation: i64, cookie: u32) -> bool {
        if self.is_in_checkpoint() {
            generation == self.base || generation == self.generation
        } else {
            generation == self.base && cookie == self.cookie
        }
    }

    /// Returns whether the log has drawn the generation of the next checkpoint.
    pub(super) fn is_in_checkpoint(&self) -> bool {
        self.generation != self.base
    }

    /// Draws the generation of the next checkpoint.
    pub(super) fn draw(transaction: &Transaction<'_>) -> rusqlite::Result<i64> {
        let generation = (uuid::Uuid::new_v4().as_u64_pair().0 >> 1) as i64;
        transaction.execute("UPDATE paired SET generation = ?1", [generation])?;
        Ok(generation)
    }

    /// Begins a log after a checkpoint.
    pub(super) fn begin(&self, transaction: &Transaction<'_>, file: &File) -> Result<Self, Fault> {
        let begun = Self { generation: self.generation, base: self.generation, cookie: cookie_of(file)? };
        transaction.execute("UPDATE paired SET base = ?1, cookie = ?2", params![begun.base, begun.cookie])?;
        Ok(begun)
    }
}

/// Reads the schema cookie of a database file, without its log.
pub(super) fn cookie_of(file: &File) -> io::Result<u32> {
    let mut cookie = [0; 4];
    file.read_exact_at(&mut cookie, COOKIE_AT)?;
    Ok(u32::from_be_bytes(cookie))
}
