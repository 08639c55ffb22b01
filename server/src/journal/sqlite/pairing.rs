//! Which state of the database file a write-ahead log belongs to.
//!
//! SQLite does not check that. If somebody puts an old copy of the database file back and leaves PATH-wal there, SQLite
//! mixes the two, and the database is damaged. So the journal writes down which file its log continues, and looks before it
//! lets SQLite read both:
//!
//! 1. Before a checkpoint, a transaction draws a new `generation`. The checkpoint carries it into the database file.
//! 2. The first transaction of the next log writes `base = generation`, and the header of the database file.
//!
//! A log belongs to the file if `base` is the file's generation and the header is the file's header. A copy by `VACUUM INTO`
//! has the same generation, and another header. In the middle of a checkpoint, the file has the generation of `base`, or
//! already the next one.

use std::{fs::File, io, os::unix::fs::FileExt};

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::fault::Fault;

/// Bytes of a database file's header. SQLite's documentation of the file format says what is where.
pub(super) const HEADER_BYTES: usize = 100;

/// What a journal says about its file and its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pairing {
    pub(super) generation: i64,
    base: i64,
    header: Vec<u8>,
}

impl Pairing {
    pub(super) fn read(db: &Connection) -> rusqlite::Result<Option<Self>> {
        let pairing = db.query_row("SELECT generation, base, header FROM paired", [], |row| {
            Ok(Self { generation: row.get(0)?, base: row.get(1)?, header: row.get(2)? })
        });
        pairing.optional()
    }

    /// Returns whether a log with this pairing belongs to a file with that generation and header.
    pub(super) fn fits(&self, generation: i64, header: &[u8]) -> bool {
        if self.is_in_checkpoint() {
            generation == self.base || generation == self.generation
        } else {
            generation == self.base && header == self.header
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
        let begun =
            Self { generation: self.generation, base: self.generation, header: header_of(file)?.to_vec() };
        transaction.execute("UPDATE paired SET base = ?1, header = ?2", params![begun.base, begun.header])?;
        Ok(begun)
    }
}

/// Reads the header of a database file.
pub(super) fn header_of(file: &File) -> io::Result<[u8; HEADER_BYTES]> {
    let mut header = [0; HEADER_BYTES];
    file.read_exact_at(&mut header, 0)?;
    Ok(header)
}
