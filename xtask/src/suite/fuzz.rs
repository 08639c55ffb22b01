//! The step `fuzz`: runs every fuzz target for a short time, if cargo-fuzz and a nightly compiler are installed. In any case
//! `tests/tests/corpus.rs` runs the targets on the seeds.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::cmd::{Cmd, which};
use crate::project::{Project, read};

/// Seconds for each target: enough to find faults near the seeds.
const SECONDS: u32 = 10;

/// The longest input in bytes: a few frames.
const MAX_BYTES: u32 = 4_000;

/// Fuzzes every target for a short time.
pub(crate) fn run(project: &Project) -> Result<()> {
    let folder = project.root.join("fuzz");
    // fuzz is its own workspace, and nothing else checks its lock file.
    Cmd::new("cargo")
        .args(["metadata", "--locked", "--format-version", "1"])
        .dir(&folder)
        .remedy("In fuzz, `cargo metadata` without `--locked` corrects its Cargo.lock.")
        .read()?;
    let has_nightly = Cmd::new("rustup").args(["run", "nightly", "rustc", "--version"]).read().is_ok();
    if which("cargo-fuzz").is_none() || !has_nightly {
        println!(
            "SKIPPED: there is no fuzzer here. `cargo install cargo-fuzz` and `rustup toolchain install nightly` \
             install one. The step `rust` replays the seeds in any case"
        );
        return Ok(());
    }
    let targets = targets(&read(&folder.join("Cargo.toml"))?);
    ensure!(!targets.is_empty(), "fuzz/Cargo.toml names no targets");
    for target in targets {
        let found = project.scratch("fuzz")?.join(&target);
        fs::create_dir_all(&found).with_context(|| format!("cannot make {}", found.display()))?;
        Cmd::new("rustup")
            .args(["run", "nightly", "cargo", "fuzz", "run", "--fuzz-dir", ".", &target])
            .args([found, folder.join("corpus").join(&target)])
            .args(["--", &format!("-max_total_time={SECONDS}"), &format!("-max_len={MAX_BYTES}")])
            .dir(&folder)
            .without_rust_env()
            .env("CARGO_TARGET_DIR", project.target.join("fuzz"))
            .remedy(format!(
                "The input is in fuzz/artifacts/{target}: fix the fault, and add the input to fuzz/corpus/{target}."
            ))
            .work()?;
        println!("{target}: {SECONDS} s without a fault");
    }
    Ok(())
}

/// The names of the programs in a manifest.
fn targets(manifest: &str) -> Vec<String> {
    let programs = manifest.split("[[bin]]").skip(1);
    let name = |program: &str| Some(program.split_once("name = \"")?.1.split_once('"')?.0.to_owned());
    programs.filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_targets_are_the_programs_of_the_manifest() {
        let manifest = "[package]\nname = \"x\"\n[[bin]]\nname = \"a\"\n\n[[bin]]\nname = \"b\"\n";
        assert_eq!(targets(manifest), ["a", "b"]);
    }
}
