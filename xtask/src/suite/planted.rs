//! The step `planted`: plants the bugs of `tests/planted` in a copy of the sources, and runs the simulation against each.
//!
//! All bugs are compiled into one copy. A switch that belongs to the thread decides which of them a test has.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use self::bugs::Bug;
use crate::cmd::Cmd;
use crate::project::{Project, read};
use crate::stamp::sources;

mod bugs;
mod mutate;

/// The package whose tests look for the bugs.
const PACKAGE: &str = "tidings-simulation";
/// The folder of the bugs.
const BUGS: &str = "tests/planted";
/// The crate that gets the switch, because all others depend on it.
const SHARED: &str = "shared/src";
/// The tests, one for each bug, which `planted.rs` of the simulation includes.
const TESTS: &str = "tests/simulation/src/planted/bugs.rs";
/// Names the only bug to test.
const ONE: &str = "TIDINGS_BUG";
/// Files at the root that cargo and rustup read.
const ROOT_FILES: [&str; 3] = ["Cargo.lock", "clippy.toml", "rust-toolchain.toml"];

/// Makes the copy, and runs the tests of the planted bugs in it.
pub(crate) fn run(project: &Project) -> Result<()> {
    let bugs = bugs::read_all(&project.root.join(BUGS))?;
    let one = std::env::var(ONE).ok();
    if let Some(one) = &one {
        ensure!(bugs.iter().any(|bug| bug.name == *one), "{ONE} names `{one}`, and {BUGS} has no such bug");
    }
    let folder = project.scratch("planted")?;
    write_copy(&folder, &copy(project, &bugs)?)?;
    println!("{} bugs are planted in {}", bugs.len(), folder.display());
    Cmd::new("cargo")
        .args(["test", "--package", PACKAGE, "--features", "planted-bugs", "--target-dir"])
        // Not the project's folder: cargo takes crates with the same path in two workspaces for the same crate.
        .arg(folder.join("target"))
        .arg(one.map_or("planted".to_owned(), |one| format!("planted::{one}")))
        // The runs take several times as long as the compiler. With 52 bugs this halves the CPU time of the step.
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
        .dir(&folder)
        .remedy(format!("{BUGS}/README.md describes the bugs. `{ONE}=NAME` runs only one of them."))
        .run()
}

/// Returns the files of the copy by their path from the root.
fn copy(project: &Project, bugs: &[Bug]) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for folder in folders(project)? {
        for file in sources(&folder)? {
            let path = file.strip_prefix(&project.root).context("a file beside the repository")?;
            let content = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            files.insert(path.to_owned(), content);
        }
    }
    for path in ROOT_FILES {
        files.insert(path.into(), read(&project.root.join(path))?.into_bytes());
    }
    let manifest = manifest(&read(&project.root.join("Cargo.toml"))?)?;
    files.insert("Cargo.toml".into(), manifest.into_bytes());

    for (path, text) in mutate::plant_all(&project.root, bugs)? {
        let planted = files.insert(path.clone().into(), text.into_bytes());
        ensure!(planted.is_some(), "{path} has planted bugs, but {PACKAGE} does not depend on its crate");
    }
    let lib = Path::new(SHARED).join("lib.rs");
    files.entry(lib).or_default().extend(b"\npub mod planted;\n");
    files.insert(Path::new(SHARED).join("planted.rs"), switch(bugs).into_bytes());
    files.insert(TESTS.into(), tests(bugs).into_bytes());
    Ok(files)
}

/// Returns the folders of the simulation and of the crates that it depends on.
fn folders(project: &Project) -> Result<Vec<PathBuf>> {
    let metadata = ["metadata", "--no-deps", "--format-version", "1"];
    let text = Cmd::new("cargo").args(metadata).dir(&project.root).read()?;
    let metadata: Value = serde_json::from_str(&text).context("`cargo metadata` wrote no JSON")?;
    let packages = metadata["packages"].as_array().context("`cargo metadata` names no packages")?;
    let mut names = vec![PACKAGE];
    let mut folders = Vec::new();
    while let Some(name) = names.pop() {
        let package = packages.iter().find(|package| package["name"] == name);
        let package = package.with_context(|| format!("the workspace has no package {name}"))?;
        let manifest = package["manifest_path"].as_str().map(Path::new).and_then(Path::parent);
        let folder = manifest.context("`cargo metadata` names no manifest")?.to_owned();
        if folders.contains(&folder) {
            continue;
        }
        folders.push(folder);
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        names.extend(
            dependencies.filter(|one| one["path"].is_string()).filter_map(|one| one["name"].as_str()),
        );
    }
    Ok(folders)
}

/// Returns the root's manifest for the copy: with fewer members, and without warnings about the switches.
fn manifest(root: &str) -> Result<String> {
    let start = root.find("\nmembers = [").context("the root's Cargo.toml names no members")?;
    let end =
        root[start..].find(']').context("the root's Cargo.toml does not end its list of members")? + start;
    // The crates that it depends on become members by themselves.
    let copied = format!("{}\nmembers = [\"tests/simulation\"{}", &root[..start], &root[end..]);
    Ok(copied.replace("[workspace.lints.rust]", "[workspace.lints.rust]\nwarnings = \"allow\""))
}

/// Returns the module that says which bug a thread has.
fn switch(bugs: &[Bug]) -> String {
    let names: String = bugs.iter().map(|bug| format!("    {},\n", bug.name)).collect();
    format!(
        "\
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {{
{names}}}

std::thread_local! {{
    static PLANTED: std::cell::Cell<Option<Bug>> = const {{ std::cell::Cell::new(None) }};
}}

/// Plants a bug in this thread.
pub fn plant(bug: Bug) {{
    PLANTED.set(Some(bug));
}}

/// Returns whether this bug is planted in this thread.
pub fn is(bug: Bug) -> bool {{
    PLANTED.get() == Some(bug)
}}
"
    )
}

/// Returns the arguments of the macro that makes the tests.
fn tests(bugs: &[Bug]) -> String {
    let line = |bug: &Bug| {
        let runs = bug.found.iter().map(|found| format!("{} by [{}]", found.runs, found.by.join(", ")));
        format!("    {}: {};\n", bug.name, runs.collect::<Vec<_>>().join(", "))
    };
    format!("planted! {{\n{}}}\n", bugs.iter().map(line).collect::<String>())
}

/// Writes the files that differ, so that cargo compiles no more than it must, and removes all others.
fn write_copy(folder: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) -> Result<()> {
    for file in sources(folder)? {
        if !files.contains_key(file.strip_prefix(folder)?) {
            fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
        }
    }
    for (path, content) in files {
        let path = folder.join(path);
        if fs::read(&path).is_ok_and(|old| old == *content) {
            continue;
        }
        let parent = path.parent().context("a file has a folder")?;
        fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is in the repository")
    }

    /// The step tells the same, but takes longer.
    #[test]
    fn every_bug_can_be_planted() -> Result<()> {
        let bugs = bugs::read_all(&root().join(BUGS))?;
        assert!(!bugs.is_empty());
        mutate::plant_all(root(), &bugs).map(drop)
    }

    #[test]
    fn the_copy_has_one_member_and_no_warnings() -> Result<()> {
        let copied = manifest(&read(&root().join("Cargo.toml"))?)?;
        assert!(copied.contains("\nmembers = [\"tests/simulation\"]\n"), "{copied}");
        assert!(copied.contains("\n[workspace.lints.rust]\nwarnings = \"allow\"\n"), "{copied}");
        Ok(())
    }
}
