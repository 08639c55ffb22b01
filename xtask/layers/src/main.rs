//! Checks in which direction the crates and modules of Tidings depend. `cargo xtask test layers` runs it.
//!
//! - [`manifests`]: the packages that a package reaches.
//! - [`read`], [`syntax`], [`tree`]: the modules of a crate, their declarations, and the paths that they name.
//! - [`resolve`], [`edges`]: the edges between modules, `pub use` followed, and the edges that break a rule.
//! - [`purity`]: clippy refuses a clock and I/O in the pure crates.
//! - [`words`]: names that stand in some files only, and the length of files.
//! - [`rules`]: the rules, as data.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::words::File;

mod edges;
mod manifests;
mod purity;
mod read;
mod resolve;
mod rules;
mod syntax;
#[cfg(test)]
mod tests;
mod tree;
mod words;

/// Folders that hold no source code of ours.
const NOT_SOURCES: [&str; 5] = ["node_modules", "dist", "pkg", "target", ".git"];

fn main() -> ExitCode {
    let root = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("."), PathBuf::from);
    let root = root.canonicalize().with_context(|| format!("there is no folder {}", root.display()));
    match root.and_then(|root| check(&root)) {
        Ok(breaches) if breaches.is_empty() => ExitCode::SUCCESS,
        Ok(breaches) => {
            eprintln!("{}", breaches.join("\n\n"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Checks all rules on the repository in `root` and returns every breach.
fn check(root: &Path) -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    for rule in rules::REACH {
        breaches.extend(manifests::breaches(root, rule)?);
    }
    let crates = crates(root)?;
    for Target { package, file, is_library } in &crates {
        let read_file = |path: &Path| fs::read_to_string(root.join(path)).ok();
        let tree = read::read(&read_file, file, is_library.then(|| package.replace('-', "_")))?;
        let edges = edges::find(&tree);
        breaches.extend(edges::circles(&tree, package, &edges));
        for rule in rules::LAYERS.iter().filter(|rule| *is_library && rule.package == package) {
            breaches.extend(edges::outward(&tree, rule, &edges));
        }
    }
    for rule in rules::LAYERS {
        let is_known = crates.iter().any(|target| target.package == rule.package);
        ensure!(is_known, "the workspace has no package {}: mend `LAYERS`", rule.package);
    }
    breaches.extend(purity::breaches(root)?);
    let files = source_files(root)?;
    for rule in rules::WORDS {
        breaches.extend(words::breaches(&files, rule));
    }
    breaches.extend(files.iter().filter_map(words::length_breach));
    println!(
        "{} crates and {} files; {} rules about packages, {} about layers, {} about words",
        crates.len(),
        files.len(),
        rules::REACH.len(),
        rules::LAYERS.len(),
        rules::WORDS.len(),
    );
    Ok(breaches)
}

/// A library or a program of the workspace.
struct Target {
    package: String,
    /// The file of the root module, relative to the repository.
    file: PathBuf,
    is_library: bool,
}

fn crates(root: &Path) -> Result<Vec<Target>> {
    let output = Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1", "--locked"])
        .current_dir(root)
        .output()
        .context("cannot start `cargo metadata`")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).context("`cargo metadata` wrote no JSON")?;
    let mut crates = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        for target in package["targets"].as_array().into_iter().flatten() {
            let is = |kind: &str| target["kind"].as_array().into_iter().flatten().any(|known| known == kind);
            let (Some(package), Some(file)) = (package["name"].as_str(), target["src_path"].as_str()) else {
                continue;
            };
            if !["bench", "custom-build", "example", "test"].into_iter().any(is) {
                let file = Path::new(file);
                let file = file.strip_prefix(root).unwrap_or(file).to_owned();
                crates.push(Target { package: package.to_owned(), file, is_library: !is("bin") });
            }
        }
    }
    Ok(crates)
}

/// All files of Rust, TypeScript and JavaScript.
fn source_files(root: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for folder in ["client-wasm", "fuzz", "server", "shared", "tests", "www", "xtask"] {
        collect(root, &root.join(folder), &mut files)?;
    }
    files.sort();
    Ok(files)
}

fn collect(root: &Path, path: &Path, files: &mut Vec<File>) -> Result<()> {
    let cannot_read = || format!("cannot read {}", path.display());
    if path.is_dir() {
        for entry in fs::read_dir(path).with_context(cannot_read)? {
            let path = entry.with_context(cannot_read)?.path();
            if !NOT_SOURCES.iter().any(|name| path.ends_with(name)) {
                collect(root, &path, files)?;
            }
        }
        return Ok(());
    }
    let extension = path.extension().unwrap_or_default();
    if ["rs", "ts", "mts", "tsx", "js", "mjs"].iter().any(|known| extension == *known) {
        let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/");
        files.push((name, fs::read_to_string(path).with_context(cannot_read)?));
    }
    Ok(())
}
