//! One program at a time reads an outbox or the changes of a bridge. The others wait for their turn.
//!
//! The reader holds the lock of a file beside the database. Nothing in the application's file changes.

use std::{io, path::PathBuf};

use crate::{lock_file::LockFile, outbox::store::Taken};

/// The wait for the turn, or the turn.
#[derive(Debug)]
pub(crate) struct Turn {
    path: PathBuf,
    /// What is read, for the log.
    what: &'static str,
    /// `None` while another reader has its turn.
    lock: Option<LockFile>,
    is_told: bool,
}

impl Turn {
    /// Waits for the lock with this path.
    pub(crate) fn wait(path: PathBuf, what: &'static str) -> Self {
        Self { path, what, lock: None, is_told: false }
    }

    /// Waits for another lock, if this is another one.
    pub(crate) fn wait_for(&mut self, path: PathBuf) {
        if self.path != path {
            *self = Self::wait(path, self.what);
        }
    }

    /// Takes the turn if no other reader has it.
    ///
    /// # Errors
    /// The lock can't be taken. The message names the remedy.
    pub(crate) fn take(&mut self) -> Result<Taken, String> {
        if self.lock.as_ref().is_some_and(LockFile::is_there) {
            return Ok(Taken::Before);
        }
        // Somebody may have removed the file. Then the lock keeps nobody out.
        self.lock = None;
        self.lock = LockFile::take(&self.path).map_err(|error| self.fault(&error))?;
        if self.lock.is_none() && !self.is_told {
            tracing::info!(lock = %self.path.display(), "another server reads {}; waiting for its end", self.what);
        }
        self.is_told = self.lock.is_none();
        Ok(if self.lock.is_some() { Taken::Now } else { Taken::Not })
    }

    fn fault(&self, error: &io::Error) -> String {
        let remedy = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on the disk",
            io::ErrorKind::Unsupported => {
                "put the database on a disk of this machine: its file system has no locks"
            }
            _ => "give this user the right to write to the folder, and to this file if it is there",
        };
        format!("the lock {} can't be taken: {error}: {remedy}", self.path.display())
    }
}
