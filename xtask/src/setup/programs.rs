//! Programs of Debian that the tests run: nginx and Caddy in front of a server, and curl, as the README does.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::{announce, apt_install};
use crate::cmd::which;

/// The names of the programs, and of Debian's packages.
const NAMES: [&str; 3] = ["nginx", "caddy", "curl"];

/// Finds them, or installs Debian's.
pub(crate) fn ensure() -> Result<String> {
    let missing: Vec<&str> = NAMES.into_iter().filter(|name| locate(name).is_none()).collect();
    if !missing.is_empty() {
        announce(&format!(
            "installing Debian's {} (nginx and Caddy bring a service, which the tests don't use)",
            missing.join(" and ")
        ));
        apt_install(&missing).context(
            "the tests of a server behind a proxy need nginx and Caddy, and those of the README need curl.\n\
             Remedy: install them so that they are on the path.",
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
