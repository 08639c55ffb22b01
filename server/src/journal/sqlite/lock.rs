//! One process has a journal: a lock on the file PATH-lock.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use super::fault::Fault;
use crate::lock_file::LockFile;

/// Time between two tries.
const PAUSE: Duration = Duration::from_millis(50);

const IN_USE: &str = "another process has it open; stop that process, or name another file";

/// Waits for the lock for so long, at most.
pub(super) fn wait(path: &Path, wait: Duration) -> Result<LockFile, Fault> {
    let start = Instant::now();
    let mut is_told = false;
    loop {
        if let Some(lock) = LockFile::take(path)? {
            return Ok(lock);
        }
        if start.elapsed() >= wait {
            return Err(Fault::said(IN_USE));
        }
        if !is_told {
            tracing::info!(lock = %path.display(), "another process has the journal; waiting for its end");
            is_told = true;
        }
        thread::sleep(PAUSE);
    }
}
