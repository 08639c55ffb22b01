//! npm packages, exactly as the lock files name them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::cmd::{Cmd, which};
use crate::stamp::{self, Inputs};
use crate::version::{is_at_least, version_in};

/// The oldest Node.js that the tools support.
const NODE: (u32, u32) = (20, 19);

/// Describes the packages of `folder`, or returns `None` if its lock file was not installed.
pub(crate) fn find(folder: &Path) -> Result<Option<String>> {
    check_node()?;
    let is_installed = stamp::is_fresh(&stamp_of(folder), &digest(folder)?);
    let modules = folder.join("node_modules");
    Ok(is_installed.then(|| format!("{} matches the lock file", modules.display())))
}

/// Installs the packages that the lock file of `folder` names.
pub(crate) fn install(folder: &Path) -> Result<()> {
    Cmd::new("npm")
        .args(["ci", "--no-audit", "--no-fund"])
        // By default npm repeats failed requests for minutes.
        .args(["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"])
        .dir(folder)
        .remedy("Is the npm registry reachable, and does package-lock.json fit package.json?")
        .quiet()?;
    std::fs::create_dir_all(folder.join("node_modules")).context("cannot create node_modules")?;
    stamp::write(&stamp_of(folder), &digest(folder)?)
}

/// Inside `node_modules`, so that a deletion of that folder deletes the stamp too.
fn stamp_of(folder: &Path) -> PathBuf {
    folder.join("node_modules/.tidings-lock")
}

fn digest(folder: &Path) -> Result<String> {
    let lock = folder.join("package-lock.json");
    ensure!(
        lock.is_file(),
        "{} is missing: `npm install --package-lock-only` in that folder writes it; commit it",
        lock.display()
    );
    let inputs = Inputs::default().path(folder, "package.json")?.path(folder, "package-lock.json")?;
    Ok(inputs.digest())
}

fn check_node() -> Result<()> {
    let remedy = format!("install Node.js {}.{} or later, with npm: https://nodejs.org", NODE.0, NODE.1);
    for program in ["node", "npm"] {
        which(program).with_context(|| format!("`{program}` is not installed: {remedy}"))?;
    }
    let said = Cmd::new("node").arg("--version").read()?;
    let is_new_enough = version_in(&said).is_some_and(|version| is_at_least(version, NODE));
    ensure!(is_new_enough, "Node.js is {}: {remedy}", said.trim());
    Ok(())
}
