//! Packs the published crates as crates.io would have them.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cmd::Cmd;
use crate::project::{Project, read};

/// The profile of the workspace, for a `.cargo/config.toml`.
pub(crate) const PROFILE: &str =
    "[profile.dev]\ndebug = \"line-tables-only\"\n\n[profile.dev.package.\"*\"]\ndebug = false\n";

/// Files of the repository's root that each packed crate contains.
const LICENCES: [&str; 2] = ["LICENSE-APACHE", "LICENSE-MIT"];

/// A published crate, packed and unpacked.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) name: String,
    /// The packed file.
    pub(crate) archive: PathBuf,
    /// The folder of the unpacked files.
    pub(crate) folder: PathBuf,
}

/// Packs the published crates, and unpacks them into `target/xtask/crates`.
///
/// # Errors
/// If a crate can't be packed, or lacks the licences.
pub(crate) fn pack(project: &Project) -> Result<Vec<Packed>> {
    let published = published(project)?;
    let name = |package: &Value| package["name"].as_str().unwrap_or_default().to_owned();
    Cmd::new("cargo")
        // Without a lock file cargo does not resolve versions, so it needs no registry.
        .args(["package", "--no-verify", "--allow-dirty", "--exclude-lockfile", "--target-dir"])
        .arg(&project.target)
        .args(published.iter().flat_map(|package| ["--package".to_owned(), name(package)]))
        .dir(&project.root)
        .read()?;
    let folder = folder(project)?;
    fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut packed = Vec::new();
    for package in &published {
        let name = name(package);
        let full_name = format!("{name}-{}", package["version"].as_str().unwrap_or_default());
        let archive = project.target.join(format!("package/{full_name}.crate"));
        // `-m` gives the files the current time. Cargo would not rebuild files with the old times of the archive.
        Cmd::new("tar").arg("-xmzf").arg(&archive).arg("-C").arg(&folder).read()?;
        let folder = folder.join(full_name);
        for file in LICENCES {
            let is_same = read(&folder.join(file)).ok() == Some(read(&project.root.join(file))?);
            ensure!(is_same, "the packed crate {name} has no {file}, or not the one of the repository");
        }
        packed.push(Packed { name, archive, folder });
    }
    Ok(packed)
}

/// The folder of the unpacked crates.
pub(crate) fn folder(project: &Project) -> Result<PathBuf> {
    project.scratch("crates")
}

/// Lets a cargo command build in a workspace that uses the packed crates and [`PROFILE`]. Its programs go to the target folder
/// `own-domain`. Everything else goes to the folder where the workspace is built, so that no dependency is compiled twice:
/// jemalloc and AWS-LC take a minute. A cargo before 1.91 compiles them again.
pub(crate) fn building(project: &Project, cmd: Cmd) -> Cmd {
    cmd.env("CARGO_TARGET_DIR", target(project)).env("CARGO_BUILD_BUILD_DIR", &project.target)
}

/// The folder of the programs that use the packed crates.
pub(crate) fn target(project: &Project) -> PathBuf {
    project.target.join("own-domain")
}

/// Returns what `cargo metadata` says of each published crate.
pub(crate) fn published(project: &Project) -> Result<Vec<Value>> {
    let text = Cmd::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .dir(&project.root)
        .read()?;
    let metadata: Value = serde_json::from_str(&text).context("`cargo metadata` wrote no JSON")?;
    let packages = metadata["packages"].as_array().context("`cargo metadata` names no packages")?;
    Ok(packages.iter().filter(|package| package["publish"].is_null()).cloned().collect())
}
