//! The paths of a journal's files.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

/// The rights to a new file: events are nobody else's business. SQLite gives its other files the same rights.
pub(super) const OWNER_ONLY: u32 = 0o600;

/// Bytes of a write-ahead log without entries: its header.
const EMPTY_LOG_BYTES: u64 = 32;

/// The paths of a journal's files. They all begin with the path of the database file.
#[derive(Debug, Clone)]
pub(super) struct Paths {
    pub(super) file: PathBuf,
    /// The write-ahead log: what is not in the file yet.
    pub(super) log: PathBuf,
    /// SQLite's index of the log.
    index: PathBuf,
    pub(super) lock: PathBuf,
}

/// Returns the path of the database file. SQLite keeps its log beside the file that a link names, so the lock must be there,
/// too. Then all paths to one journal lead to one lock.
///
/// # Errors
/// The path is a link to nothing.
pub(super) fn resolved(path: &Path) -> io::Result<PathBuf> {
    // SQLite gives a meaning to some relative paths.
    let path = std::path::absolute(path)?;
    if path.is_symlink() { fs::canonicalize(path) } else { Ok(path) }
}

impl Paths {
    pub(super) fn new(file: PathBuf) -> Self {
        let with = |suffix| {
            let mut path = OsString::from(&file);
            path.push(suffix);
            PathBuf::from(path)
        };
        let (log, index, lock) = (with("-wal"), with("-shm"), with("-lock"));
        Self { file, log, index, lock }
    }

    /// Removes the log, with its index.
    pub(super) fn remove_log(&self) {
        let _ = fs::remove_file(&self.log);
        let _ = fs::remove_file(&self.index);
    }

    /// Returns whether the log has entries.
    pub(super) fn has_log(&self) -> bool {
        fs::metadata(&self.log).is_ok_and(|log| log.len() > EMPTY_LOG_BYTES)
    }
}
