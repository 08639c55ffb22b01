//! npm packages, exactly as the lock files name them.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::announce;
use crate::cmd::{Cmd, which};
use crate::stamp::{self, Inputs};
use crate::version::{is_at_least, version_in};

/// The oldest Node.js that the tools support.
const NODE: (u32, u32) = (20, 19);

/// Installs the packages of `folder` unless its lock file has been installed already.
pub(crate) fn ensure(folder: &Path) -> Result<String> {
    check_node()?;
    let lock = folder.join("package-lock.json");
    ensure!(
        lock.is_file(),
        "{} is missing: `npm install --package-lock-only` in that folder writes it, and it belongs in the repository",
        lock.display()
    );
    let digest = Inputs::default().path(folder, "package.json")?.path(folder, "package-lock.json")?.digest();
    // Inside node_modules, so that it goes when they go.
    let stamp = folder.join("node_modules/.tidings-lock");
    if !stamp::is_fresh(&stamp, &digest) {
        announce(&format!("installing the npm packages of {}", folder.display()));
        Cmd::new("npm")
            .args(["ci", "--no-audit", "--no-fund"])
            .dir(folder)
            .remedy("Is the npm registry reachable, and does package-lock.json fit package.json?")
            .work()?;
        std::fs::create_dir_all(folder.join("node_modules")).context("cannot create node_modules")?;
        stamp::write(&stamp, &digest)?;
    }
    Ok(format!("{} holds what its lock file names", folder.join("node_modules").display()))
}

fn check_node() -> Result<()> {
    let remedy = format!("install Node.js {}.{} or later, with npm: https://nodejs.org", NODE.0, NODE.1);
    for program in ["node", "npm"] {
        which(program).with_context(|| format!("`{program}` is not installed: {remedy}"))?;
    }
    let said = Cmd::new("node").arg("--version").read()?;
    let is_enough = version_in(&said).is_some_and(|version| is_at_least(version, NODE));
    ensure!(is_enough, "Node.js is {}: {remedy}", said.trim());
    Ok(())
}
