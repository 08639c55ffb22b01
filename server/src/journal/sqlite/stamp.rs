//! What the system says of a file. While only this process writes a file, a changed stamp means that somebody else has
//! written or replaced it.

use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::Path,
};

/// Device, inode, size, and the times of the last changes, with nanoseconds. Nobody can set the last of them back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(file: &Metadata) -> Self {
        Self {
            file: (file.dev(), file.ino()),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }

    /// Returns the stamp of the file at this path, if there is one.
    pub(super) fn at(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|file| Self::of(&file))
    }

    /// Returns the stamp without the time of the last change: if a reader of the user `root` opens a log, SQLite sets the
    /// log's owner again.
    pub(super) fn of_content(self) -> Self {
        Self { changed: (0, 0), ..self }
    }

    pub(super) fn is_same_file(&self, other: &Self) -> bool {
        self.file == other.file
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }
}
