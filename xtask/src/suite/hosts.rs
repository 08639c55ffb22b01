//! The suites of `tidings serve` against an application of axum that embeds the gateway: `tests/host`. It has the command
//! line of `tidings`, so the tests drive it as they drive `tidings`.

use anyhow::{Result, ensure};

use super::cargo;
use crate::cmd::Cmd;
use crate::project::Project;

/// The programs of `tests/host`: the gateway by `gateway.serve`, and by `gateway.service()` inside of `axum::serve`.
const HOSTS: [&str; 2] = ["host-serve", "host-service"];

/// The modules of `e2e` that run against them, with all of `conformance`.
const MODULES: [&str; 3] = ["drain::", "hostile::", "resume::"];

/// Runs the suites against each program.
pub(crate) fn run(project: &Project) -> Result<()> {
    // The same features as in the step `rust`, so nothing is compiled twice. This also builds the programs.
    let tests = ["--test", "own_routes", "--test", "conformance", "--test", "e2e"];
    cargo(project).args(["test", "--workspace", "--locked", "--no-run"]).args(tests).run()?;
    let known = cargo(project).args(TEST).args(["e2e", "--", "--list"]).read()?;
    for module in MODULES {
        let is_known = known.lines().any(|line| line.starts_with(module) && line.ends_with(": test"));
        ensure!(is_known, "`e2e` has no tests in `{module}`");
    }
    for host in HOSTS {
        suite(project, host, "conformance").run()?;
        suite(project, host, "e2e").arg("--").args(MODULES).run()?;
    }
    Ok(())
}

const TEST: [&str; 4] = ["test", "--workspace", "--locked", "--test"];

/// Returns the command that runs a suite against a program.
fn suite(project: &Project, host: &str, name: &str) -> Cmd {
    let program = project.target.join("debug").join(format!("{host}{}", std::env::consts::EXE_SUFFIX));
    cargo(project).args(TEST).arg(name).env("TIDINGS_BIN", program)
}
