//! Paths of the repository and of cargo's target folder, and the versions in the lock file.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::cmd::Cmd;

/// The repository and its target folder.
#[derive(Debug)]
pub(crate) struct Project {
    /// The folder of the virtual manifest.
    pub(crate) root: PathBuf,
    /// Cargo's target folder, which `CARGO_TARGET_DIR` and the configuration may set.
    pub(crate) target: PathBuf,
}

impl Project {
    /// Asks cargo for the workspace of the current folder.
    pub(crate) fn find() -> Result<Self> {
        let text = Cmd::new("cargo")
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .remedy("run `cargo xtask` inside the repository")
            .read()?;
        let metadata: Value = serde_json::from_str(&text).context("`cargo metadata` wrote no JSON")?;
        let folder = |key: &str| {
            let path = metadata[key].as_str().map(PathBuf::from);
            path.with_context(|| format!("`cargo metadata` names no {key}"))
        };
        Ok(Self { root: folder("workspace_root")?, target: folder("target_directory")? })
    }

    /// The hand-written npm package of the browser client.
    pub(crate) fn npm_package(&self) -> PathBuf {
        self.root.join("client-wasm/npm")
    }

    /// The demo application.
    pub(crate) fn www(&self) -> PathBuf {
        self.root.join("www")
    }

    /// The tests that drive a browser from Node.
    pub(crate) fn browser_tests(&self) -> PathBuf {
        self.root.join("tests/browser")
    }

    /// The tests of the packed npm package in projects of strangers.
    pub(crate) fn packaging_tests(&self) -> PathBuf {
        self.root.join("tests/packaging")
    }

    /// The tests of the npm package in three engines.
    pub(crate) fn engine_tests(&self) -> PathBuf {
        self.root.join("tests/engines")
    }

    /// The scripts of the benchmarks, and the peers that are npm packages.
    pub(crate) fn bench_peers(&self) -> PathBuf {
        self.root.join("tests/bench/peers")
    }

    /// The folders that contain our TypeScript and JavaScript.
    pub(crate) fn npm_folders(&self) -> [PathBuf; 6] {
        let web = self.own_domain().join("web");
        let (browser, engines) = (self.browser_tests(), self.engine_tests());
        [self.npm_package(), self.www(), browser, engines, self.packaging_tests(), web]
    }

    /// The workspace of the guide to an own domain.
    pub(crate) fn own_domain(&self) -> PathBuf {
        self.root.join("tests/own-domain")
    }

    /// Returns a folder for xtask's own files, under the target folder. Creates it if it is missing.
    pub(crate) fn scratch(&self, name: &str) -> Result<PathBuf> {
        let folder = self.target.join("xtask").join(name);
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create the folder {}", folder.display()))?;
        Ok(folder)
    }

    /// The version of `package` in Cargo.lock.
    pub(crate) fn locked_version(&self, package: &str) -> Result<String> {
        let path = self.root.join("Cargo.lock");
        locked_version(&read(&path)?, package)
            .with_context(|| format!("{} holds no package `{package}`", path.display()))
    }
}

/// Reads a text file; the error names it.
pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Reads a JSON file; the error names it.
pub(crate) fn read_json(path: &Path) -> Result<Value> {
    serde_json::from_str(&read(path)?).with_context(|| format!("{} is not JSON", path.display()))
}

/// Finds the version of `package` in the text of a Cargo.lock.
fn locked_version(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let after = lock.lines().skip_while(|line| *line != name).nth(1)?;
    let version = after.strip_prefix("version = \"")?.strip_suffix('"')?;
    Some(version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "version = 4\n\n[[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\nsource = \"x\"\n\n\
        [[package]]\nname = \"wasm-bindgen-macro\"\nversion = \"0.2.131\"\n";

    #[test]
    fn the_lock_file_gives_the_version_of_exactly_the_named_package() {
        assert_eq!(locked_version(LOCK, "wasm-bindgen").as_deref(), Some("0.2.130"));
        assert_eq!(locked_version(LOCK, "wasm-bindgen-macro").as_deref(), Some("0.2.131"));
        assert_eq!(locked_version(LOCK, "wasm"), None);
    }
}
