//! The step `packaging` and its soak: the packed npm package in projects of strangers, `tests/packaging`.

use anyhow::Result;

use super::{require_tests, server};
use crate::cmd::Cmd;
use crate::package;
use crate::project::Project;
use crate::setup::{self, Need, browser};

/// What the cases of each `cargo xtask test` need.
pub(super) const NEEDS: &[Need] = &[
    setup::WASM_TARGET,
    setup::BINDGEN,
    setup::NPM_PACKAGE,
    setup::NPM_BROWSER_TESTS,
    setup::NPM_PACKAGING,
    setup::BROWSER,
];

/// Runs the cases of each `cargo xtask test`.
pub(super) fn run(project: &Project) -> Result<()> {
    test(project, "test")
}

/// Runs all cases, so many times.
pub(crate) fn soak(project: &Project, times: u64) -> Result<()> {
    setup::ensure(project, &[NEEDS, &[setup::NPM_PACKAGING_SOAK]].concat())?;
    for _ in 0..times {
        test(project, "soak")?;
    }
    Ok(())
}

fn test(project: &Project, script: &str) -> Result<()> {
    let folder = project.packaging_tests();
    require_tests(&folder)?;
    let tarball = package::build(project)?;
    let server = server::binary(project, "tidings-server", "tidings")?;
    // The scripts run the Node.js that runs npm. Their `node` would be one of the versions that the cases use.
    Cmd::new("npm")
        .args(["run", script])
        .dir(folder)
        .env("TIDINGS_TARBALL", tarball)
        .env("TIDINGS_BIN", server)
        .env("CHROME", browser::find()?.chrome)
        .remedy("`TIDINGS_CASES=NAME` runs only the cases with that in their name.")
        .run()
}
