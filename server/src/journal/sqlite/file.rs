//! The open file of a journal: its transactions, its checkpoints, and whether it still is the file that this process left.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    time::Instant,
};

use rusqlite::{Connection, Transaction, TransactionBehavior, config::DbConfig};
use tidings_hub::TenantId;

use super::{
    super::Synchronous, fault::Fault, known::Known, pairing::Pairing, paths::Paths, stamp::Stamp,
    tenants::Tenant,
};

/// The open file of a journal.
#[derive(Debug)]
pub(super) struct JournalFile {
    // It is closed before `file`, which must not give up its locks.
    pub(super) db: Connection,
    file: File,
    paths: Paths,
    pairing: Pairing,
    synchronous: Synchronous,
    /// Whether the next transaction begins a log.
    begins_log: bool,
    /// What this process left: the database file after the last checkpoint, the log after the last transaction.
    left: Left,
    /// The tenants that the hub has used lately, as they are in the file.
    pub(super) tenants: Known,
    /// Since when this process has the file open.
    pub(super) opened: Instant,
    /// Tenants with entries that can't be trimmed, because they are damaged.
    pub(super) untrimmed: HashSet<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Left {
    file: Stamp,
    log: Option<Stamp>,
}

impl Left {
    fn at(paths: &Paths) -> Result<Self, Fault> {
        let file = Stamp::at(&paths.file).ok_or(Fault::Replaced)?;
        Ok(Self { file, log: Stamp::at(&paths.log).map(Stamp::of_content) })
    }
}

fn set_synchronous(db: &Connection, synchronous: Synchronous) -> rusqlite::Result<()> {
    let value = match synchronous {
        Synchronous::Full => "FULL",
        Synchronous::Normal => "NORMAL",
    };
    db.pragma_update(None, "synchronous", value)
}

impl JournalFile {
    /// Takes over a file that was opened, and writes its log into it.
    pub(super) fn begin(
        db: Connection,
        file: File,
        paths: Paths,
        pairing: Pairing,
        synchronous: Synchronous,
    ) -> Result<Self, Fault> {
        set_synchronous(&db, synchronous)?;
        let left = Left::at(&paths)?;
        if !left.file.is_same_file(&Stamp::of(&file.metadata()?)) {
            return Err(Fault::Replaced);
        }
        let begins_log = !paths.has_log();
        let mut opened = Self {
            db,
            file,
            paths,
            pairing,
            synchronous,
            begins_log,
            left,
            tenants: Known::default(),
            opened: Instant::now(),
            untrimmed: HashSet::new(),
        };
        opened.checkpoint()?;
        Ok(opened)
    }

    /// Checks that nobody else has written or replaced the file.
    fn check(&self) -> Result<(), Fault> {
        if Left::at(&self.paths)? == self.left { Ok(()) } else { Err(Fault::Replaced) }
    }

    /// Reads. What it returns comes from the file at the journal's path.
    pub(super) fn read<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        self.check()?;
        let read = read(self);
        self.check()?;
        read
    }

    /// Writes in a transaction. When this returns, the transaction is durable, and is in the file at the journal's path.
    pub(super) fn write<T>(
        &mut self,
        write: impl FnOnce(&Transaction<'_>, &Known) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.check()?;
        let written = self.commit(write);
        // Also a transaction that failed may have written to the log.
        let now = Left::at(&self.paths)?;
        let is_same_log = match (self.left.log, now.log) {
            (Some(left), Some(now)) => left.is_same_file(&now),
            (left, _) => left.is_none(),
        };
        if now.file != self.left.file || !is_same_log {
            return Err(Fault::Replaced);
        }
        self.left.log = now.log;
        written
    }

    /// Writes in a transaction that need not be durable at once. A power loss may undo it, but nothing that came before.
    pub(super) fn write_lazily<T>(
        &mut self,
        write: impl FnOnce(&Transaction<'_>, &Known) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        set_synchronous(&self.db, Synchronous::Normal)?;
        let written = self.write(write);
        set_synchronous(&self.db, self.synchronous)?;
        written
    }

    fn commit<T>(
        &mut self,
        write: impl FnOnce(&Transaction<'_>, &Known) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let begun = if self.begins_log { Some(self.pairing.begin(&transaction, &self.file)?) } else { None };
        let written = write(&transaction, &self.tenants)?;
        transaction.commit()?;
        if let Some(begun) = begun {
            self.pairing = begun;
            self.begins_log = false;
        }
        Ok(written)
    }

    /// Returns the bytes of the log.
    pub(super) fn log_bytes(&self) -> u64 {
        self.left.log.map_or(0, |log| log.size())
    }

    /// Writes the log into the database file, and empties the log. While another program reads, the log stays.
    pub(super) fn checkpoint(&mut self) -> Result<(), Fault> {
        if !self.pairing.is_in_checkpoint() || self.begins_log {
            self.pairing.generation = self.write_lazily(|transaction, _| Ok(Pairing::draw(transaction)?))?;
        }
        self.check()?;
        let is_busy = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
        let now = Left::at(&self.paths)?;
        if !now.file.is_same_file(&self.left.file) {
            return Err(Fault::Replaced);
        }
        self.left = now;
        self.begins_log = !is_busy?;
        Ok(())
    }

    /// Closes the file, and writes nothing to it. Returns the tenants that were known.
    pub(super) fn into_tenants(self) -> HashMap<TenantId, Tenant> {
        self.tenants.into_all()
    }

    /// Closes the file. Everything is in the database file then, and the log is removed.
    pub(super) fn close(mut self) -> Result<(), Fault> {
        self.checkpoint()?;
        self.db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        Ok(())
    }
}
