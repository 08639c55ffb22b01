//! The crates as crates.io would have them.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cmd::Cmd;
use crate::project::{Project, read};

/// What each crate has from the repository's root.
const FROM_ROOT: [&str; 3] = ["LICENSE-APACHE", "LICENSE-MIT", "README.md"];

/// A crate that is published, packed and unpacked.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
}

/// Packs the crates that are published, and unpacks them as a user gets them.
///
/// # Errors
/// When one can't be packed, or lacks its licences or the README.
pub(crate) fn pack(project: &Project) -> Result<Vec<Packed>> {
    let published = published(project)?;
    let packages = published.iter().flat_map(|(name, _)| ["--package", name]);
    Cmd::new("cargo")
        // Without the lock file cargo resolves nothing, and so asks no registry.
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
        // As of now (`-m`): the times in the archive are older than any build.
        Cmd::new("tar").arg("-xmzf").arg(&file).arg("-C").arg(&folder).read()?;
        let folder = folder.join(format!("{name}-{version}"));
        for file in FROM_ROOT {
            let is_same = read(&folder.join(file)).ok() == Some(read(&project.root.join(file))?);
            ensure!(is_same, "the packed crate {name} has no {file}, or another than the repository");
        }
        packed.push(Packed { name, folder });
    }
    Ok(packed)
}

/// The names and versions of the crates that are published.
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
