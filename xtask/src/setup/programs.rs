//! Programs that tests run.
//!
//! - nginx and Caddy are proxies of a server. pgbouncer is a proxy of a database.
//! - curl runs the README's commands.
//! - Python writes into an outbox. The shell of SQLite writes to a table.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::debian;
use crate::cmd::which;

/// The names of the programs, and of Debian's packages.
const NAMES: [&str; 6] = ["nginx", "caddy", "pgbouncer", "curl", "python3", "sqlite3"];

/// Names the programs, or returns `None` if one is missing.
pub(super) fn find() -> Option<String> {
    let found: Option<Vec<PathBuf>> = NAMES.into_iter().map(locate).collect();
    Some(found?.iter().map(|program| program.display().to_string()).collect::<Vec<_>>().join(", "))
}

/// Installs Debian's packages of the missing programs.
pub(super) fn install() -> Result<()> {
    let missing: Vec<&str> = NAMES.into_iter().filter(|name| locate(name).is_none()).collect();
    debian::install(&missing).context(
        "the tests of a server behind a proxy need nginx and Caddy, those of a journal pgbouncer, those of the README \
         curl, those of the outbox python3, and those of the store bridge sqlite3.\n\
         Remedy: install them, and put them on the path.",
    )
}

/// Finds a program on the path, or where Debian puts programs that are not on the path of ordinary users.
fn locate(name: &str) -> Option<PathBuf> {
    which(name).or_else(|| Some(PathBuf::from("/usr/sbin").join(name)).filter(|program| program.is_file()))
}
