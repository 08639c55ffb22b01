//! A short run of every fuzz target, where a fuzzer and a nightly compiler are installed. Where they are not, the seeds
//! still go through the targets' bodies, in `tests/tests/corpus.rs`.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::cmd::{Cmd, which};
use crate::project::{Project, read};

/// Seconds for each target: enough to find what is near the seeds.
const SECONDS: u32 = 10;

/// Bytes of an input: a few frames.
const MAX_BYTES: u32 = 4_000;

/// Fuzzes every target for a short while.
pub(crate) fn run(project: &Project) -> Result<()> {
    let folder = project.root.join("fuzz");
    // It is a workspace of its own, whose lock file nothing else would miss.
    Cmd::new("cargo")
        .args(["metadata", "--locked", "--format-version", "1"])
        .dir(&folder)
        .remedy("In fuzz, `cargo metadata` without `--locked` mends its Cargo.lock.")
        .read()?;
    let has_nightly = Cmd::new("rustup").args(["run", "nightly", "rustc", "--version"]).read().is_ok();
    if which("cargo-fuzz").is_none() || !has_nightly {
        println!(
            "SKIPPED: no fuzzer here. `cargo install cargo-fuzz` and `rustup toolchain install nightly` bring one; \
             the step `rust` replays the seeds in any case"
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
                "The input that broke it is in fuzz/artifacts/{target}: fix it, and add it to the seeds."
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
