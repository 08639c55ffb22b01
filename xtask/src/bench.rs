//! `cargo xtask bench`: measures the server and its peers under load, the parts of the hot path, and the browser client.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::cmd::Cmd;
use crate::package;
use crate::project::Project;
use crate::setup;

/// Runs the benchmarks that `arguments` name.
pub(crate) fn run(project: &Project, arguments: &[String]) -> Result<()> {
    match arguments.split_first() {
        Some((name, filter)) if name == "micro" => bench(project, "micro", filter),
        Some((name, rounds)) if name == "journal" => bench(project, name, rounds),
        Some((name, options)) if name == "bridge" || name == "nodes" => {
            setup::ensure(project, &[setup::POSTGRES])?;
            bench(project, name, options)
        }
        Some((name, [])) if name == "wasm" => wasm(project),
        Some((name, [])) if name == "browser" => browser(project),
        _ => load(project, arguments),
    }
}

/// Builds all servers and runs the load in place of this process; `arguments` go to the load.
fn load(project: &Project, arguments: &[String]) -> Result<()> {
    if let Err(error) = setup::ensure(project, &[setup::NPM_BENCH_PEERS]) {
        eprintln!("\nCONTINUES WITHOUT ws AND bun, the peers from npm: {error:#}\n");
    }
    // One after the other: in one build, the features that the peers enable in warp would slow the server too.
    for package in ["tidings-server", "tidings-test-host", "tidings-bench"] {
        let build = ["build", "--release", "--locked", "--package", package];
        Cmd::new("cargo").args(build).dir(&project.root).work()?;
    }
    Cmd::new(project.target.join("release/tidings-bench")).args(arguments).exec()
}

/// Runs a benchmark that is a program of its own.
fn bench(project: &Project, name: &str, arguments: &[String]) -> Result<()> {
    let bench = ["bench", "--locked", "--package", "tidings-bench", "--bench", name, "--"];
    Cmd::new("cargo").args(bench).args(arguments).dir(&project.root).exec()
}

/// Measures the packed browser client in Node.
fn wasm(project: &Project) -> Result<()> {
    let folder = unpacked(project)?;
    Cmd::new("node").arg(project.bench_peers().join("client.mjs")).arg(folder).exec()
}

/// Measures the packed browser client in Chromium, beside a bare WebSocket.
fn browser(project: &Project) -> Result<()> {
    setup::ensure(project, &[setup::BROWSER, setup::NPM_BROWSER_TESTS])?;
    let folder = unpacked(project)?;
    let build = ["build", "--release", "--locked", "--package", "tidings-server"];
    Cmd::new("cargo").args(build).dir(&project.root).work()?;
    let server = project.target.join("release/tidings");
    Cmd::new("node").arg(project.bench_peers().join("browser.mjs")).arg(folder).arg(server).exec()
}

/// Builds the npm package, and returns a folder that it is unpacked into.
fn unpacked(project: &Project) -> Result<PathBuf> {
    setup::ensure(project, setup::BUILD)?;
    let tarball = package::build(project)?;
    let folder = project.scratch("bench-wasm")?;
    fs::create_dir_all(folder.join("node_modules")).context("cannot create node_modules")?;
    package::unpack_into(project, &tarball, &folder)?;
    Ok(folder)
}
