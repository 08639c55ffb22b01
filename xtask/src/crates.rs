//! Packs the published crates as crates.io would have them.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cmd::Cmd;
use crate::project::{Project, read};

/// Files of the repository's root that each packed crate contains.
const FROM_ROOT: [&str; 3] = ["LICENSE-APACHE", "LICENSE-MIT", "README.md"];

/// A published crate, packed and unpacked.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
}

/// Packs the published crates, and unpacks them into `target/xtask/crates`.
///
/// # Errors
/// If a crate can't be packed, or lacks the licences or the README.
pub(crate) fn pack(project: &Project) -> Result<Vec<Packed>> {
    let published = published(project)?;
    let packages = published.iter().flat_map(|(name, _)| ["--package", name]);
    Cmd::new("cargo")
        // Without a lock file cargo does not resolve versions, so it needs no registry.
        .args(["package", "--no-verify", "--allow-dirty", "--exclude-lockfile", "--target-dir"])
        .arg(&project.target)
        .args(packages)
        .dir(&project.root)
        .read()?;
    let folder = project.scratch("crates")?;
    fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut packed = Vec::new();
    for (name, version) in published {
        let file = project.target.join(format!("package/{name}-{version}.crate"));
        // `-m` gives the files the current time. Cargo would not rebuild files with the old times of the archive.
        Cmd::new("tar").arg("-xmzf").arg(&file).arg("-C").arg(&folder).read()?;
        let folder = folder.join(format!("{name}-{version}"));
        for file in FROM_ROOT {
            let is_same = read(&folder.join(file)).ok() == Some(read(&project.root.join(file))?);
            ensure!(is_same, "the packed crate {name} has no {file}, or not the one of the repository");
        }
        packed.push(Packed { name, folder });
    }
    Ok(packed)
}

/// Returns the names and versions of the published crates.
fn published(project: &Project) -> Result<Vec<(String, String)>> {
    let metadata = ["metadata", "--no-deps", "--format-version", "1"];
    let text = Cmd::new("cargo").args(metadata).dir(&project.root).read()?;
    let metadata: Value = serde_json::from_str(&text).context("`cargo metadata` wrote no JSON")?;
    let packages = metadata["packages"].as_array().context("`cargo metadata` names no packages")?;
    let published = packages.iter().filter(|package| package["publish"].is_null()).map(|package| {
        let text = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
        (text("name"), text("version"))
    });
    Ok(published.collect())
}
