//! Crates and modules depend in one direction only. The package `layers` holds the rules and checks them.

use anyhow::Result;

use crate::cmd::Cmd;
use crate::project::Project;

/// Checks all rules and reports every breach at once.
pub(crate) fn check(project: &Project) -> Result<()> {
    Cmd::new("cargo")
        .args(["run", "--quiet", "--locked", "--package", "layers", "--"])
        .arg(&project.root)
        .dir(&project.root)
        .remedy("the rules are in xtask/layers/src/rules.rs")
        .run()
}
