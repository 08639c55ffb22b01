//! A journal in a file of SQLite, for one process.
//!
//! ```text
//! append ─▶ one transaction ─▶ PATH-wal ──checkpoint──▶ PATH
//! ```
//!
//! - `open` opens the file or refuses it, `lock` keeps other processes out, `schema` has the tables.
//! - `file` has transactions and checkpoints. `stamp` tells whether somebody else has written the file, and `pairing` tells
//!   which state of the file a log belongs to.
//! - `known` has the tenants that the hub uses, `tenants`, `entries`, `keys`, `revocations` and `trim` are what a journal does.
//!
//! **An old copy of the file may come back under the running process**, by a rename or by a copy onto it. Before and after
//! each transaction, the journal compares what the system says of the files with what it left there. If they differ, it
//! acknowledges nothing, closes the file without writing to it, and opens what is there. If that
//! history does not have a tenant's head, the tenant gets a new epoch. So no client resumes in a wrong history.

mod entries;
mod fault;
mod file;
mod keys;
mod known;
mod lock;
mod open;
mod pairing;
mod paths;
mod revocations;
mod schema;
mod stamp;
#[cfg(feature = "cli")]
mod status;
mod tenants;
mod topics;
mod trim;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tidings_hub::{
    LogLimits, TenantId,
    journal::{
        Appended, Followed, History, Journal, JournalDraft, JournalError, JournalLimits, JournalRevocation,
    },
};
use tidings_shared::Position;

use self::{fault::Fault, file::JournalFile, paths::Paths, stamp::Stamp, tenants::Tenant};
use super::Synchronous;
use crate::lock_file::LockFile;

/// How long the files must stay as they are before a replaced file is opened: a copy takes its time.
const SETTLE: Duration = Duration::from_millis(250);

/// How often the driver looks whether the file was replaced. Together with [`SETTLE`] it is below a second.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Bytes of the write-ahead log after which an append also writes the log into the file. Usually
/// [`trim`](Journal::trim) does, long before.
const MAX_LOG_BYTES: u64 = 64 * 1024 * 1024;

/// A journal in a file of SQLite. Its files are PATH, PATH-wal, PATH-shm and PATH-lock. One process has it open.
///
/// Dropping it closes the file, and lets another process in.
#[derive(Debug)]
pub struct SqliteJournal {
    /// The name for messages.
    name: String,
    paths: Paths,
    synchronous: Synchronous,
    /// `None` after the file was replaced, until what is there is opened.
    file: Option<JournalFile>,
    /// The tenants that were known when the file was replaced.
    before: HashMap<TenantId, Tenant>,
    /// What is at the paths of file and log, and since when. It must settle before it is opened.
    seen: Option<([Option<Stamp>; 2], Instant)>,
    /// The last field: the file is closed before.
    lock: LockFile,
}

impl SqliteJournal {
    /// Opens a journal. If there is no file at the path, or an empty one, makes a new journal. If another process has the
    /// journal, waits for so long.
    ///
    /// # Errors
    /// There can't be a journal at this path: something else is there, another process has it, the folder is missing, or
    /// the file can't be written. The message says so, and what to do. Nothing of the file was changed.
    pub fn open(path: &Path, synchronous: Synchronous, wait: Duration) -> Result<Self, JournalError> {
        let name = format!("sqlite:{}", path.display());
        let absolute = match path.as_os_str().as_encoded_bytes() {
            b"" | b":memory:" => Err(Fault::said("it has no path; write sqlite:PATH")),
            _ => paths::resolved(path).map_err(Fault::from),
        };
        let opened = absolute.and_then(|path| Self::try_open(name.clone(), path, synchronous, wait));
        opened.map_err(|fault| error(&name, &fault))
    }

    /// Checks what is at a path, without the lock.
    #[cfg(feature = "cli")]
    pub(super) fn check(path: &Path) -> Result<(), JournalError> {
        open::check(path).map(drop).map_err(|fault| error(&format!("sqlite:{}", path.display()), &fault))
    }

    /// Returns what is in the journal at a path. A running server may have it.
    #[cfg(feature = "cli")]
    pub(super) fn status(path: &Path) -> Result<super::Status, JournalError> {
        status::read(path).map_err(|fault| error(&format!("sqlite:{}", path.display()), &fault))
    }

    fn try_open(
        name: String,
        path: PathBuf,
        synchronous: Synchronous,
        wait: Duration,
    ) -> Result<Self, Fault> {
        let paths = Paths::new(path);
        // First without the lock, so that no lock file appears beside a file that is no journal.
        open::check(&paths.file)?;
        let lock = lock::wait(&paths.lock, wait)?;
        match open::open(&paths, synchronous) {
            Ok(file) => {
                let (file, before) = (Some(file), HashMap::new());
                Ok(Self { name, paths, synchronous, file, before, seen: None, lock })
            }
            Err(fault) => {
                lock.abandon();
                Err(fault)
            }
        }
    }

    /// Does something with the file. If somebody has replaced it, the next calls open what is there.
    fn with<T>(&mut self, act: impl FnOnce(&mut JournalFile) -> Result<T, Fault>) -> Result<T, JournalError> {
        let done = match self.opened() {
            Ok(file) => act(file),
            // If the file can't be opened, no tenant can be read.
            Err(fault) => return Err(JournalError::new(error(&self.name, &fault).message)),
        };
        if matches!(done, Err(Fault::Replaced))
            && let Some(file) = self.file.take()
        {
            tracing::error!(
                journal = self.name,
                "somebody has written or replaced the file under the running server; what is there now is opened"
            );
            self.before.extend(file.into_tenants());
            self.seen = None;
        }
        done.map_err(|fault| error(&self.name, &fault))
    }

    fn opened(&mut self) -> Result<&mut JournalFile, Fault> {
        if !self.lock.is_there() {
            self.lock = lock::wait(&self.paths.lock, Duration::ZERO)?;
        }
        if self.file.is_none() {
            let now = [Stamp::at(&self.paths.file), Stamp::at(&self.paths.log)];
            match self.seen {
                Some((seen, since)) if seen == now && since.elapsed() >= SETTLE => {}
                Some((seen, _)) if seen == now => return Err(Fault::Replaced),
                _ => {
                    self.seen = Some((now, Instant::now()));
                    return Err(Fault::Replaced);
                }
            }
            let mut file = open::open(&self.paths, self.synchronous)?;
            file.renew_strangers(&self.before)?;
            self.before.clear();
            self.file = Some(file);
        }
        Ok(self.file.as_mut().expect("it was opened above"))
    }
}

fn error(name: &str, fault: &Fault) -> JournalError {
    let message = format!("the journal {name}: {fault}");
    if fault.is_damage() { JournalError::damage(message) } else { JournalError::new(message) }
}

impl Journal for SqliteJournal {
    fn append(
        &mut self,
        drafts: &[JournalDraft],
        now_unix_ms: u64,
        new_epoch: &mut dyn FnMut() -> u64,
    ) -> Result<Vec<Appended>, JournalError> {
        self.with(|file| {
            let answers = file.append(drafts, now_unix_ms, new_epoch)?;
            if file.log_bytes() >= MAX_LOG_BYTES {
                // The entries are durable already. If this fails, a later call fails, and says so.
                let _ = file.checkpoint();
            }
            Ok(answers)
        })
    }

    fn recent(
        &mut self,
        tenant: &TenantId,
        limits: &LogLimits,
        now_unix_ms: u64,
        new_epoch: u64,
    ) -> Result<History, JournalError> {
        self.with(|file| file.recent(tenant, limits, now_unix_ms, new_epoch))
    }

    fn follow(
        &mut self,
        held: &[(TenantId, Position)],
        max: usize,
    ) -> Result<Vec<(TenantId, Followed)>, JournalError> {
        self.with(|file| file.follow(held, max))
    }

    fn renew(&mut self, tenant: &TenantId, old: u64, new: u64) -> Result<(), JournalError> {
        self.with(|file| file.renew(tenant, old, new))
    }

    fn tenants(&mut self, after: Option<&TenantId>, max: usize) -> Result<Vec<TenantId>, JournalError> {
        self.with(|file| file.read(|file| Tenant::names(&file.db, after, max)))
    }

    fn revoke(&mut self, revocations: &[JournalRevocation]) -> Result<Vec<u64>, JournalError> {
        self.with(|file| file.revoke(revocations))
    }

    fn revocations(
        &mut self,
        after: u64,
        max: usize,
        now_unix_ms: u64,
    ) -> Result<Vec<(u64, JournalRevocation)>, JournalError> {
        self.with(|file| file.revocations(after, max, now_unix_ms))
    }

    fn trim(&mut self, limits: &JournalLimits, now_unix_ms: u64) -> Result<bool, JournalError> {
        self.with(|file| file.trim(limits, now_unix_ms))
    }

    fn probe(&mut self) -> Result<(), JournalError> {
        self.with(|file| file.read(|_| Ok(())))
    }

    fn poll_interval(&self) -> Duration {
        POLL_INTERVAL
    }
}

impl Drop for SqliteJournal {
    fn drop(&mut self) {
        let Some(file) = self.file.take() else { return };
        if let Err(fault) = file.close() {
            // Nothing is lost: the next process reads the log.
            tracing::warn!(journal = self.name, %fault, "the journal was closed without a last checkpoint");
        }
    }
}
