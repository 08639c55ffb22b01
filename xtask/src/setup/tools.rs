//! Tools that cargo builds from crates.io.
//!
//! Each tool works for a second at most, so all are built without optimisation. That halves the time to build them.

use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::cmd::{Cmd, which};
use crate::project::Project;
use crate::stamp::{self, Inputs};
use crate::version::version_in;

/// A package of crates.io with programs that `cargo install` installs.
pub(super) struct Tool {
    package: &'static str,
    programs: &'static [&'static str],
    version: fn(&Project) -> Result<String>,
    options: &'static [&'static str],
}

/// The wasm-bindgen command line and its test runner, at exactly the version of the library.
pub(super) const WASM_BINDGEN_CLI: Tool = Tool {
    package: "wasm-bindgen-cli",
    programs: &["wasm-bindgen", "wasm-bindgen-test-runner"],
    version: |project| project.locked_version("wasm-bindgen"),
    // Not `--locked`: its lock file once named versions that had been yanked.
    // The default features are TLS. The test runner needs none, because it talks to a driver on this machine.
    options: &["--no-default-features", "--bin", "wasm-bindgen", "--bin", "wasm-bindgen-test-runner"],
};

/// Runs the tests of the browser client in a browser.
pub(super) const WASM_PACK: Tool = Tool {
    package: "wasm-pack",
    programs: &["wasm-pack"],
    version: |_| Ok("0.15.1".to_owned()),
    options: &["--locked"],
};

/// Checks the licences and sources of dependencies.
pub(super) const CARGO_DENY: Tool = Tool {
    package: "cargo-deny",
    programs: &["cargo-deny"],
    version: |_| Ok("0.20.2".to_owned()),
    options: &["--locked"],
};

/// Drives Firefox, also newer versions of it.
pub(super) const GECKODRIVER: Tool = Tool {
    package: "geckodriver",
    programs: &["geckodriver"],
    version: |_| Ok("0.37.1".to_owned()),
    options: &["--locked"],
};

impl Tool {
    /// Names the programs and their version, or returns `None` if one is missing or has another version.
    pub(super) fn find(&self, project: &Project) -> Result<Option<String>> {
        let version = (self.version)(project)?;
        let is_there = self.programs.iter().all(|program| is_version(program, &version));
        Ok(is_there.then(|| format!("{} {version}", self.programs.join(", "))))
    }

    /// Builds and installs the programs, in place of other versions.
    pub(super) fn install(&self, project: &Project) -> Result<()> {
        let version = (self.version)(project)?;
        Cmd::new("cargo")
            .args(["install", self.package, "--version", &format!("={version}"), "--force", "--debug"])
            .args(self.options)
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            // The tools have many dependencies in common. The workspace's own folder would be locked by other builds.
            .env("CARGO_TARGET_DIR", build_folder(project))
            .remedy("It comes from crates.io: is that reachable?")
            .quiet()
    }
}

/// Deletes the folder in which [`Tool::install`] builds: about 1 GB.
pub(super) fn remove_build_folder(project: &Project) {
    // It may not exist. If it cannot be deleted, it only costs space.
    let _ = fs::remove_dir_all(build_folder(project));
}

fn build_folder(project: &Project) -> PathBuf {
    project.target.join("xtask/tools")
}

/// The source of [`own_bindgen`].
pub(crate) const BINDGEN_SOURCE: &str = "xtask/src/bin/bindgen.rs";

/// Describes a program that binds WebAssembly to JavaScript, or returns `None` if it has to be built.
pub(super) fn find_bindgen(project: &Project) -> Result<Option<String>> {
    let own = own_bindgen(project);
    let is_built = own.is_file() && stamp::is_fresh(&bindgen_stamp(project)?, &bindgen_digest(project)?);
    let program = installed_bindgen(project)?.or(is_built.then_some(own));
    Ok(program.map(|program| program.display().to_string()))
}

/// Builds [`own_bindgen`], in half the time that `wasm-bindgen` takes.
pub(super) fn build_bindgen(project: &Project) -> Result<()> {
    Cmd::new("cargo")
        .args(["build", "--locked", "--package", "xtask", "--features", "bindgen", "--bin", "bindgen"])
        .dir(&project.root)
        .remedy("Its dependencies come from crates.io: is that reachable?")
        .quiet()?;
    stamp::write(&bindgen_stamp(project)?, &bindgen_digest(project)?)
}

/// The installed `wasm-bindgen`, if it has the version of the library.
pub(crate) fn installed_bindgen(project: &Project) -> Result<Option<PathBuf>> {
    let version = project.locked_version("wasm-bindgen")?;
    Ok(which("wasm-bindgen").filter(|_| is_version("wasm-bindgen", &version)))
}

/// The program that does the same with `wasm-bindgen` as a library.
pub(crate) fn own_bindgen(project: &Project) -> PathBuf {
    project.target.join("debug").join(format!("bindgen{EXE_SUFFIX}"))
}

fn bindgen_stamp(project: &Project) -> Result<PathBuf> {
    Ok(project.scratch("bindgen")?.join("stamp"))
}

fn bindgen_digest(project: &Project) -> Result<String> {
    let version = project.locked_version("wasm-bindgen")?;
    Ok(Inputs::default().text(&version).path(&project.root, BINDGEN_SOURCE)?.digest())
}

/// The path of an installed program.
pub(crate) fn path_of(program: &str) -> Result<PathBuf> {
    which(program).with_context(|| format!("`{program}` is not installed: run `cargo xtask setup`"))
}

fn is_version(program: &str, version: &str) -> bool {
    let said = which(program).and_then(|path| Cmd::new(path).arg("--version").read().ok());
    said.is_some_and(|said| version_in(&said) == Some(version))
}
