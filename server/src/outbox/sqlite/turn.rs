//! One server at a time reads the outbox of a file. The others wait for their turn.
//!
//! The reader holds the lock of a file beside the database, PATH-outbox-lock. Nothing in the application's file changes.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::lock_file::LockFile;

/// The wait for the turn, or the turn.
#[derive(Debug)]
pub(super) struct Turn {
    path: PathBuf,
    /// `None` while another reader has its turn.
    lock: Option<LockFile>,
    is_told: bool,
}

impl Turn {
    /// Waits for the outbox of the database with this path.
    pub(super) fn wait(database: &Path) -> Self {
        Self { path: lock_of(database), lock: None, is_told: false }
    }

    /// Waits for the outbox of another database, if this is another one.
    pub(super) fn wait_for(&mut self, database: &Path) {
        if self.path != lock_of(database) {
            *self = Self::wait(database);
        }
    }

    /// Takes the turn if no other reader has it. Returns whether this reader has it now.
    ///
    /// # Errors
    /// The lock can't be taken. The message names the remedy.
    pub(super) fn take(&mut self) -> Result<bool, String> {
        if self.lock.as_ref().is_some_and(LockFile::is_there) {
            return Ok(true);
        }
        // Somebody may have removed the file. Then the lock keeps nobody out.
        self.lock = None;
        self.lock = LockFile::take(&self.path).map_err(|error| self.fault(&error))?;
        if self.lock.is_none() && !self.is_told {
            tracing::info!(lock = %self.path.display(), "another server reads the outbox; waiting for its end");
        }
        self.is_told = self.lock.is_none();
        Ok(self.lock.is_some())
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

fn lock_of(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push("-outbox-lock");
    path.into()
}
