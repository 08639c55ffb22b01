//! nginx and Caddy, which the tests put in front of a server.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::{announce, apt_install};
use crate::cmd::which;

/// The names of both: of the programs and of Debian's packages.
const NAMES: [&str; 2] = ["nginx", "caddy"];

/// Finds both, or installs Debian's.
pub(crate) fn ensure() -> Result<String> {
    let missing: Vec<&str> = NAMES.into_iter().filter(|name| locate(name).is_none()).collect();
    if !missing.is_empty() {
        announce(&format!(
            "installing Debian's {}; with the package comes a service, which the tests don't use",
            missing.join(" and ")
        ));
        apt_install(&missing).context(
            "nginx and Caddy are needed for the tests of a server behind a proxy.\n\
             Remedy: install both so that they are on the path.",
        )?;
    }
    let there = NAMES.into_iter().map(|name| {
        let program = locate(name).with_context(|| format!("{name} was installed and is not on the path"))?;
        Ok(program.display().to_string())
    });
    Ok(there.collect::<Result<Vec<_>>>()?.join(" and "))
}

/// On the path, or where Debian keeps it from the path of ordinary users.
fn locate(name: &str) -> Option<PathBuf> {
    which(name).or_else(|| Some(PathBuf::from("/usr/sbin").join(name)).filter(|program| program.is_file()))
}
