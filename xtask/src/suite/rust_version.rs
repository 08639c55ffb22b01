//! The step `rust-version`: the published crates compile with the oldest Rust that they promise, `rust-version` in the
//! workspace's manifest, with all features. No dependency asks for a newer one, and README.md says the same. The soak of the
//! same name compiles them with each feature alone.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cmd::Cmd;
use crate::crates;
use crate::project::{Project, read};
use crate::setup::wasm::{self, TARGET};
use crate::version::numbers;

/// The crate that is empty on other targets than [`TARGET`].
const FOR_BROWSERS: &str = "tidings-client-wasm";

/// Checks the text, the dependencies, and the crates with all features.
pub(crate) fn run(project: &Project) -> Result<()> {
    check(project, all_features)
}

/// Checks the text, the dependencies, and the crates with no feature and with each feature alone.
pub(crate) fn soak(project: &Project, _: u64) -> Result<()> {
    check(project, combinations)
}

/// `commands` returns the options of each `cargo check`.
fn check(project: &Project, commands: fn(&[Value]) -> Vec<Vec<String>>) -> Result<()> {
    let published = crates::published(project)?;
    let promised = published.first().and_then(|package| package["rust_version"].as_str());
    let promised = promised.context("the workspace's manifest has no `rust-version`")?;
    let words = format!("Rust {promised} or newer");
    ensure!(read(&project.root.join("README.md"))?.contains(&words), "README.md does not say `{words}`");
    check_dependencies(project, promised)?;
    let [major, minor, patch] = numbers(promised);
    let compiler = Compiler::find(&format!("{major}.{minor}.{patch}"));
    for options in commands(&published) {
        compiler.check(project, &options)?;
    }
    Ok(())
}

/// Fails if a package of the lock file needs a newer Rust than ours.
fn check_dependencies(project: &Project, promised: &str) -> Result<()> {
    let options = ["metadata", "--locked", "--all-features", "--format-version", "1"];
    let text = Cmd::new("cargo").args(options).dir(&project.root).read()?;
    let metadata: Value = serde_json::from_str(&text).context("`cargo metadata` wrote no JSON")?;
    let packages = metadata["packages"].as_array().context("`cargo metadata` names no packages")?;
    let newer = newer_than(promised, packages);
    ensure!(
        newer.is_empty(),
        "we promise Rust {promised}, and these dependencies need a newer one: {}. Take an older version of them \
         (`cargo update NAME --precise VERSION`), or promise less: `rust-version` in Cargo.toml, and README.md",
        newer.join(", ")
    );
    Ok(())
}

/// Names the packages that need a newer Rust.
fn newer_than(promised: &str, packages: &[Value]) -> Vec<String> {
    let is_newer = |package: &&Value| {
        package["rust_version"].as_str().is_some_and(|needed| numbers(needed) > numbers(promised))
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    packages
        .iter()
        .filter(is_newer)
        .map(|package| {
            format!(
                "{} {} ({})",
                text(&package["name"]),
                text(&package["version"]),
                text(&package["rust_version"])
            )
        })
        .collect()
}

/// One command for the crates of this machine, and one for browsers. With each feature alone, AWS-LC would be compiled twice.
fn all_features(published: &[Value]) -> Vec<Vec<String>> {
    let options =
        published.iter().map(|package| format!("--package={}", package["name"].as_str().unwrap_or_default()));
    let (browsers, machine): (Vec<String>, Vec<String>) =
        options.partition(|option| option.ends_with(FOR_BROWSERS));
    [machine, browsers].map(|packages| [packages, vec!["--all-features".to_owned()]].concat()).into()
}

/// One command for all crates without features, and for the others one for no feature and one for each.
fn combinations(published: &[Value]) -> Vec<Vec<String>> {
    let mut plain = Vec::new();
    let mut others = Vec::new();
    for package in published {
        let option = format!("--package={}", package["name"].as_str().unwrap_or_default());
        let features = package["features"].as_object().into_iter().flatten().map(|(feature, _)| feature);
        let features: Vec<&String> = features.filter(|feature| *feature != "default").collect();
        if features.is_empty() {
            plain.push(option);
            continue;
        }
        others.push(vec![option.clone(), "--no-default-features".to_owned()]);
        others.extend(features.iter().map(|feature| {
            vec![option.clone(), "--no-default-features".to_owned(), format!("--features={feature}")]
        }));
    }
    others.insert(0, plain);
    others
}

/// What compiles the crates.
#[derive(Debug)]
enum Compiler {
    /// The toolchain of that version.
    Oldest(String),
    /// The toolchain that builds everything else.
    Active,
}

impl Compiler {
    /// Finds the toolchain of that version, or lets rustup install it.
    fn find(version: &str) -> Self {
        let rustup = |words: &[&str]| {
            // Without a network, fail at once.
            let rustup = Cmd::new("rustup").args(words).without_rust_env();
            rustup.env("RUSTUP_MAX_RETRIES", "0").env("RUST_BACKTRACE", "0").read()
        };
        let install =
            ["toolchain", "install", version, "--profile", "minimal", "--target", TARGET, "--no-self-update"];
        let probe = || rustup(&["run", version, "rustc", "--print", "target-libdir", "--target", TARGET]);
        let is_there = || probe().is_ok_and(|folder| fs::exists(folder.trim()).unwrap_or(false));
        if is_there() {
            return Self::Oldest(version.to_owned());
        }
        match rustup(&install) {
            Ok(_) => Self::Oldest(version.to_owned()),
            Err(error) => {
                println!(
                    "(rustup can't install Rust {version}, so the active compiler checks the features. What holds the \
                     version here is clippy's `incompatible_msrv` and the versions of the dependencies. {error:#})"
                );
                Self::Active
            }
        }
    }

    fn check(&self, project: &Project, options: &[String]) -> Result<()> {
        let is_for_browsers = options.iter().any(|option| option.ends_with(FOR_BROWSERS));
        let cargo = match self {
            Self::Oldest(version) => Cmd::new("rustup").args(["run", version, "cargo"]).without_rust_env(),
            Self::Active if is_for_browsers => wasm::find(project)
                .context("no compiler for WebAssembly: run `cargo xtask setup`")?
                .apply(Cmd::new("cargo")),
            Self::Active => Cmd::new("cargo"),
        };
        let cargo = cargo.args(["check", "--locked"]).args(options).dir(&project.root);
        let cargo = if is_for_browsers { cargo.args(["--target", TARGET]) } else { cargo };
        cargo
            .env("CARGO_TARGET_DIR", project.target.join("rust-version"))
            // An empty library: nothing is linked, and to compile jemalloc takes half a minute.
            .env("JEMALLOC_OVERRIDE", empty_library(project)?)
            .env("RUSTFLAGS", "-Dwarnings")
            .run()
    }
}

fn empty_library(project: &Project) -> Result<std::path::PathBuf> {
    let path = project.scratch("rust-version")?.join("libjemalloc.a");
    fs::write(&path, "").with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_dependency_that_needs_a_newer_rust_is_named() {
        let packages = [
            json!({ "name": "old", "version": "1.0.0", "rust_version": "1.9" }),
            json!({ "name": "same", "version": "1.0.0", "rust_version": "1.89.0" }),
            json!({ "name": "silent", "version": "1.0.0", "rust_version": null }),
            json!({ "name": "new", "version": "1.0.0", "rust_version": "1.89.1" }),
            json!({ "name": "newer", "version": "2.0.0", "rust_version": "1.100" }),
        ];
        assert_eq!(newer_than("1.89", &packages), ["new 1.0.0 (1.89.1)", "newer 2.0.0 (1.100)"]);
    }

    #[test]
    fn all_features_are_checked_together_and_browsers_have_their_own_command() {
        let published = [json!({ "name": "a" }), json!({ "name": FOR_BROWSERS }), json!({ "name": "b" })];
        let commands: Vec<String> =
            all_features(&published).iter().map(|options| options.join(" ")).collect();
        let expected =
            ["--package=a --package=b --all-features", "--package=tidings-client-wasm --all-features"];
        assert_eq!(commands, expected);
    }

    #[test]
    fn each_feature_is_checked_alone_and_so_is_none() {
        let published = [
            json!({ "name": "a", "features": {} }),
            json!({ "name": "b", "features": { "default": ["x"], "x": [], "y": [] } }),
            json!({ "name": "c", "features": {} }),
        ];
        let combinations: Vec<String> =
            combinations(&published).iter().map(|options| options.join(" ")).collect();
        let expected = [
            "--package=a --package=c",
            "--package=b --no-default-features",
            "--package=b --no-default-features --features=x",
            "--package=b --no-default-features --features=y",
        ];
        assert_eq!(combinations, expected);
    }
}
