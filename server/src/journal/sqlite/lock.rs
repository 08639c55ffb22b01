//! One process has a journal: a lock on the file PATH-lock. The system takes it back when the process ends.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use super::{fault::Fault, paths::OWNER_ONLY, stamp::Stamp};

/// Time between two tries.
const PAUSE: Duration = Duration::from_millis(50);

const IN_USE: &str = "another process has it open; stop that process, or name another file";

/// The lock of a journal. Dropping it lets another process in.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    path: PathBuf,
    is_new: bool,
}

/// Why there is no lock.
#[derive(Debug)]
enum LockError {
    /// Another process has it.
    InUse,
    /// The file can't be made, or the system has no locks.
    Failed(io::Error),
}

impl Lock {
    /// Waits for the lock for so long, at most.
    pub(super) fn wait(path: &Path, wait: Duration) -> Result<Self, Fault> {
        let start = Instant::now();
        let mut is_told = false;
        loop {
            match Self::try_new(path) {
                Ok(lock) => return Ok(lock),
                Err(LockError::InUse) if start.elapsed() < wait => {}
                Err(LockError::InUse) => return Err(Fault::said(IN_USE)),
                Err(LockError::Failed(error)) => return Err(error.into()),
            }
            if !is_told {
                tracing::info!(lock = %path.display(), "another process has the journal; waiting for its end");
                is_told = true;
            }
            thread::sleep(PAUSE);
        }
    }

    fn try_new(path: &Path) -> Result<Self, LockError> {
        let is_new = !path.exists();
        let file = File::options().create(true).truncate(false).write(true).mode(OWNER_ONLY).open(path);
        let file = file.map_err(LockError::Failed)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(LockError::InUse),
            Err(TryLockError::Error(error)) => return Err(LockError::Failed(error)),
            Ok(()) => {}
        }
        let lock = Self { file, path: path.to_owned(), is_new };
        // Somebody may have removed the file between the two steps.
        if lock.is_there() { Ok(lock) } else { Err(LockError::InUse) }
    }

    /// Returns whether the path still is the locked file.
    pub(super) fn is_there(&self) -> bool {
        let own = self.file.metadata().ok().map(|own| Stamp::of(&own));
        own.zip(Stamp::at(&self.path)).is_some_and(|(own, there)| own.is_same_file(&there))
    }

    /// Gives the lock up, and leaves no file that was not there before.
    pub(super) fn abandon(self) {
        if self.is_new {
            let _ = fs::remove_file(&self.path);
        }
    }
}
