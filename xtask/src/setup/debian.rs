//! Debian's packages.

use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

use crate::cmd::{Cmd, which};

/// Whether this process has updated the lists of packages. Its lock is held while apt-get runs: a second apt-get would fail.
static IS_UPDATED: Mutex<bool> = Mutex::new(false);

/// Installs packages. Fails rather than removes others.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    which("apt-get").context("there is no apt-get here, and the set-up knows no other package manager")?;
    let mut is_updated = IS_UPDATED.lock().unwrap_or_else(PoisonError::into_inner);
    if !*is_updated {
        apt_get(&["update"])?;
        *is_updated = true;
    }
    let options = ["install", "--yes", "--no-install-recommends", "--no-remove"];
    apt_get(&[&options[..], packages].concat())
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    as_root("env")?
        .args(["DEBIAN_FRONTEND=noninteractive", "apt-get"])
        .args(arguments)
        .remedy("Install the packages by hand, or run the set-up as root or as a user with sudo.")
        .quiet()
}

/// A command that runs as root: directly if this process is root, else through sudo.
pub(super) fn as_root(program: &str) -> Result<Cmd> {
    if Cmd::new("id").arg("-u").read()?.trim() == "0" {
        return Ok(Cmd::new(program));
    }
    which("sudo").context(
        "installing packages needs root, and there is no sudo here: run `cargo xtask setup` as root",
    )?;
    Ok(Cmd::new("sudo").arg(program))
}
