//! The programs that have one bridge of a file. One of them reads its changes. The last one that stops ends it.
//!
//! Two files beside the database are locks, which the system takes back when a program ends:
//!
//! - PATH-bridge-HASH-lock is the reader's. Its [bookmark](super::bookmark) is PATH-bridge-HASH-reader.
//! - PATH-bridge-HASH-users is shared by all programs that have the bridge. A program that can lock it exclusively is the last one.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::registration::Flow;
use crate::lock_file::LockFile;

/// The path of the lock of a bridge's reader.
pub(super) fn turn(database: &Path, flow: &Flow) -> PathBuf {
    beside(database, flow, "lock")
}

/// The path of the bookmark of a bridge's reader.
pub(super) fn bookmark(database: &Path, flow: &Flow) -> PathBuf {
    beside(database, flow, "reader")
}

/// The path of the lock that all programs with a bridge share. `database` may be a link. `None`: there is no such file.
pub(super) fn users(database: &Path, flow: &Flow) -> Option<PathBuf> {
    fs::canonicalize(database).ok().map(|main| beside(&main, flow, "users"))
}

/// A program's part in a bridge.
#[derive(Debug)]
pub(super) struct User {
    lock: LockFile,
    database: PathBuf,
    flow: Flow,
}

/// The exclusive lock: no other program uses the bridge.
#[derive(Debug)]
pub(super) struct Last {
    lock: LockFile,
    turn: PathBuf,
    bookmark: PathBuf,
}

impl User {
    /// Takes part in a bridge. Returns `None` while another program ends it.
    ///
    /// # Errors
    /// The lock can't be taken.
    pub(super) fn join(database: &Path, flow: &Flow) -> io::Result<Option<Self>> {
        let lock = LockFile::share(&beside(database, flow, "users"))?;
        Ok(lock.map(|lock| Self { lock, database: database.to_owned(), flow: flow.clone() }))
    }

    /// Leaves the bridge. Returns whether this was the last program that had it.
    pub(super) fn leave(self) -> Option<Last> {
        let Self { lock, database, flow } = self;
        drop(lock);
        let lock = LockFile::take(&beside(&database, &flow, "users")).ok()??;
        Some(Last { lock, turn: turn(&database, &flow), bookmark: bookmark(&database, &flow) })
    }
}

impl Last {
    /// Removes the files.
    pub(super) fn remove(self) {
        let _ = fs::remove_file(self.bookmark);
        let _ = fs::remove_file(self.turn);
        self.lock.remove();
    }
}

/// Names a file beside the database. A topic has characters that not every file system takes in a name, so the name has 64 bits
/// of a hash.
fn beside(database: &Path, Flow { tenant, schema, topic, .. }: &Flow, end: &str) -> PathBuf {
    let hash = Sha256::digest(format!("{tenant}\n{schema}\n{topic}"));
    let hash: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let mut path = database.as_os_str().to_owned();
    path.push(OsStr::new(&format!("-bridge-{hash}-{end}")));
    path.into()
}
