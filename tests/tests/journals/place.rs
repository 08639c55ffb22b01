//! A place for a journal in a folder of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tidings_hub::journal::{Journal, JournalError};
use tidings_server::journal::{SqliteJournal, Synchronous};
use tidings_tests::{DEADLINE, journal_contract::Place};

/// A folder with a journal. Dropping it removes the folder.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tidings-journal-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.join("events.journal")
    }

    pub(crate) fn file(&self, suffix: &str) -> PathBuf {
        self.0.join(format!("events.journal{suffix}"))
    }

    pub(crate) fn try_open(&self) -> Result<SqliteJournal, JournalError> {
        SqliteJournal::open(&self.path(), Synchronous::Full, Duration::ZERO)
    }

    /// Opens the journal. A program that another test starts at this moment may have a copy of the lock.
    pub(crate) fn journal(&self) -> SqliteJournal {
        SqliteJournal::open(&self.path(), Synchronous::Full, DEADLINE).unwrap()
    }

    /// Returns the files of the journal with their bytes.
    pub(crate) fn bytes(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let files = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> =
            files.filter(|path| path.is_file()).map(|path| (path.clone(), fs::read(path).unwrap())).collect();
        files.sort();
        files
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// How an old copy comes back.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Restore {
    /// Another file takes the path.
    Rename,
    /// The same file gets the old bytes.
    Overwrite,
}

impl Restore {
    pub(crate) fn put(self, bytes: &[u8], path: &Path) {
        match self {
            Self::Rename => {
                let new = path.with_extension("new");
                fs::write(&new, bytes).unwrap();
                fs::rename(new, path).unwrap();
            }
            Self::Overwrite => fs::write(path, bytes).unwrap(),
        }
    }
}

/// A place whose copies come back in one of the ways.
#[derive(Debug)]
pub(crate) struct SqlitePlace(pub(crate) Folder, pub(crate) Restore);

impl Place for SqlitePlace {
    fn open(&self) -> Box<dyn Journal> {
        Box::new(self.0.journal())
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn copy(&self) -> Box<dyn Fn()> {
        let (path, restore) = (self.0.path(), self.1);
        let copy = fs::read(&path).ok();
        Box::new(move || match &copy {
            Some(copy) => restore.put(copy, &path),
            None => fs::remove_file(&path).unwrap(),
        })
    }
}
