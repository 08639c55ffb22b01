//! Where the `tidings` binary is.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// A command that runs the `tidings` binary, without the settings that the tester's environment may hold.
pub fn tidings() -> Command {
    let mut command = Command::new(path());
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("TIDINGS_") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command
}

/// The binary named by `TIDINGS_BIN`, or else the workspace's own, brought up to date: `cargo test` builds no binaries
/// of other packages, and an old one would be tested without a word.
fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| env::var_os("TIDINGS_BIN").map_or_else(build, PathBuf::from))
}

fn build() -> PathBuf {
    let test = env::current_exe().expect("a test knows its own path");
    // <target>/<profile>/deps/<test>
    let profile = test.ancestors().nth(2).expect("a test lies in its target folder");
    let target = profile.parent().expect("a profile lies in a target folder");
    let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--quiet", "--offline", "--package", "tidings-server", "--bin", "tidings"]);
    build.current_dir(env!("CARGO_MANIFEST_DIR")).env("CARGO_TARGET_DIR", target);
    if profile.ends_with("release") {
        build.arg("--release");
    }
    let is_built = build.status().is_ok_and(|status| status.success());
    assert!(is_built, "the server could not be built: see {build:?}, or name a binary in TIDINGS_BIN");
    profile.join(format!("tidings{}", env::consts::EXE_SUFFIX))
}
