//! Tools that cargo installs from crates.io.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::announce;
use crate::cmd::{Cmd, cargo_bin, which};
use crate::project::Project;
use crate::version::version_in;

/// The wasm-pack that runs the tests in a browser.
const WASM_PACK: &str = "0.15.1";

/// The cargo-deny that checks licences and sources.
const CARGO_DENY: &str = "0.20.2";

/// The wasm-bindgen CLI and its test runner, at exactly the version of the library.
pub(crate) fn wasm_bindgen(project: &Project) -> Result<String> {
    let version = project.locked_version("wasm-bindgen")?;
    // Its lock file has named versions that are no longer to be had: cargo resolves afresh.
    ensure_tool("wasm-bindgen-cli", &["wasm-bindgen", "wasm-bindgen-test-runner"], &version, &[])
}

/// wasm-pack.
pub(crate) fn wasm_pack(_: &Project) -> Result<String> {
    ensure_tool("wasm-pack", &["wasm-pack"], WASM_PACK, &["--locked"])
}

/// cargo-deny.
pub(crate) fn cargo_deny(_: &Project) -> Result<String> {
    ensure_tool("cargo-deny", &["cargo-deny"], CARGO_DENY, &["--locked"])
}

/// The path of an installed tool.
pub(crate) fn tool(program: &str) -> Result<PathBuf> {
    which(program).with_context(|| format!("`{program}` is not installed: run `cargo xtask setup`"))
}

fn ensure_tool(package: &str, programs: &[&str], version: &str, options: &[&str]) -> Result<String> {
    if !programs.iter().all(|program| is_version(program, version)) {
        announce(&format!("installing {package} {version} from source (one to two minutes)"));
        Cmd::new("cargo")
            .args(["install", package, "--version", &format!("={version}"), "--force"])
            .args(options)
            // Its own temporary folder: the workspace's would be locked by other builds.
            .without_env("CARGO_TARGET_DIR")
            .remedy("It comes from crates.io: is that reachable?")
            .work()?;
        for program in programs {
            let folder = cargo_bin().unwrap_or_default();
            ensure!(
                is_version(program, version),
                "{package} {version} was installed, but `{program}` on the path is another version: \
                 is {} on the path?",
                folder.display()
            );
        }
    }
    Ok(format!("{} {version}", programs.join(", ")))
}

fn is_version(program: &str, version: &str) -> bool {
    let said = which(program).and_then(|path| Cmd::new(path).arg("--version").read().ok());
    said.is_some_and(|said| version_in(&said) == Some(version))
}
