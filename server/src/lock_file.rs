//! A lock between processes: a file that one of them has locked. The system takes the lock back when the process ends.

use std::{
    fs::{self, File, Metadata, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
};

/// A locked file. Dropping it lets another process in. The file stays.
#[derive(Debug)]
pub(crate) struct LockFile {
    file: File,
    path: PathBuf,
    is_new: bool,
}

impl LockFile {
    /// Takes the lock of this path. Returns `None` if another process has it, or another part of this one.
    ///
    /// # Errors
    /// The file can't be made, something else is at the path, or the system has no locks.
    pub(crate) fn take(path: &Path) -> io::Result<Option<Self>> {
        Self::lock(path, File::try_lock)
    }

    /// Takes a share of the lock of this path: many may have one, and then nobody can [take](Self::take) the lock. Returns
    /// `None` if somebody has taken it.
    ///
    /// # Errors
    /// The errors of [`take`](Self::take).
    #[cfg(feature = "sqlite")]
    pub(crate) fn share(path: &Path) -> io::Result<Option<Self>> {
        Self::lock(path, File::try_lock_shared)
    }

    fn lock(path: &Path, lock: fn(&File) -> Result<(), TryLockError>) -> io::Result<Option<Self>> {
        let there = fs::metadata(path).ok();
        if there.as_ref().is_some_and(|there| !there.is_file()) {
            // To open a named pipe would wait for a reader.
            return Err(io::Error::other(format!("{} is no regular file: remove it", path.display())));
        }
        let is_new = there.is_none();
        let file = options().open(path)?;
        match lock(&file) {
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
            Ok(()) => {}
        }
        let lock = Self { file, path: path.to_owned(), is_new };
        // Somebody may have removed the file between the two steps.
        Ok(Some(lock).filter(Self::is_there))
    }

    /// Returns whether the path still is the locked file.
    pub(crate) fn is_there(&self) -> bool {
        let there = fs::metadata(&self.path).ok();
        self.file.metadata().ok().zip(there).is_some_and(|(own, there)| is_same(&own, &there))
    }

    /// Gives the lock up, and leaves no file. Somebody who has opened the file meanwhile notices it.
    #[cfg(feature = "sqlite")]
    pub(crate) fn remove(self) {
        let _ = fs::remove_file(&self.path);
    }

    /// Gives the lock up, and leaves no file that was not there before.
    #[cfg(unix)]
    pub(crate) fn abandon(self) {
        if self.is_new {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn options() -> OpenOptions {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Returns whether both are of the same file. Elsewhere than on Unix, nobody can remove or replace an open file.
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        (one.dev(), one.ino()) == (other.dev(), other.ino())
    }
    #[cfg(not(unix))]
    {
        let _ = (one, other);
        true
    }
}
