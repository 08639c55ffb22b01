//! Tries that clippy refuses a clock and I/O in the pure crates. Each has a `clippy.toml` for that.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::rules::PURE;

/// Code that clippy must refuse in a pure crate, and the rule that it breaks.
const PLANTED: [(&str, &str); 17] = [
    ("pub fn f() { let _ = std::time::Instant::now(); }", "a pure crate reads no clock"),
    ("pub fn f() { let _ = std::time::SystemTime::now(); }", "a pure crate reads no clock"),
    ("pub fn f(x: std::time::Instant) { let _ = x.elapsed(); }", "a pure crate reads no clock"),
    ("pub fn f(x: std::time::SystemTime) { let _ = x.elapsed(); }", "a pure crate reads no clock"),
    ("pub fn f() { std::thread::sleep(std::time::Duration::ZERO); }", "a pure crate does not wait"),
    ("pub fn f() { std::thread::spawn(|| ()); }", "a pure crate starts no thread"),
    ("pub fn f() { std::thread::scope(|_| ()); }", "a pure crate starts no thread"),
    ("pub fn f() { let _ = std::net::TcpStream::connect(\"a:1\"); }", "a pure crate does no I/O"),
    ("pub fn f() { let _ = std::net::TcpListener::bind(\"a:1\"); }", "a pure crate does no I/O"),
    ("pub fn f() { let _ = std::net::UdpSocket::bind(\"a:1\"); }", "a pure crate does no I/O"),
    ("pub fn f() { let _ = std::fs::File::open(\"a\"); }", "a pure crate does no I/O"),
    ("pub fn f() { let _ = std::fs::read(\"a\"); }", "a pure crate does no I/O"),
    ("pub fn f() { let _ = std::io::stdin(); }", "a pure crate does no I/O"),
    ("pub fn f() { println!(); }", "a pure crate does no I/O"),
    ("pub fn f() { let _ = std::process::Command::new(\"a\"); }", "a pure crate does no I/O"),
    ("pub fn f() { let _ = std::env::var(\"a\"); }", "a pure crate takes settings as arguments"),
    ("pub fn f() { let _ = std::process::id(); }", "a pure crate takes randomness as an argument"),
];

/// Checks that the pure crates have one and the same `clippy.toml`, and that clippy refuses all of `PLANTED` by it.
pub(crate) fn breaches(root: &Path) -> Result<Vec<String>> {
    let read = |folder: &str| {
        let file = root.join(folder).join("clippy.toml");
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
    };
    let first = read(PURE[0])?;
    let mut breaches = Vec::new();
    for folder in &PURE[1..] {
        if read(folder)? != first {
            breaches.push(format!(
                "{folder}/clippy.toml differs from {}/clippy.toml\n  Rule: clippy refuses the same in all pure \
                 crates.\n  Remedy: copy one over the other.",
                PURE[0]
            ));
        }
    }
    let refused = refused_lines(&root.join(PURE[0]))?;
    for (line, (code, says)) in (1..).zip(&PLANTED) {
        if !refused.contains(&line) {
            breaches.push(format!(
                "{}/clippy.toml: clippy accepts `{code}`\n  Rule: {says}.\n  \
                 Remedy: name it in `disallowed-methods`, `disallowed-types` or `disallowed-macros` there.",
                PURE[0]
            ));
        }
    }
    Ok(breaches)
}

/// Returns the lines of `PLANTED` that clippy refuses by the `clippy.toml` in this folder.
fn refused_lines(folder: &Path) -> Result<Vec<usize>> {
    let scratch = std::env::temp_dir().join(format!("tidings-layers-{}", std::process::id()));
    fs::create_dir_all(&scratch).with_context(|| format!("cannot write {}", scratch.display()))?;
    let code: Vec<_> =
        (1..).zip(&PLANTED).map(|(line, (code, _))| code.replace("f(", &format!("f{line}("))).collect();
    let file = scratch.join("planted.rs");
    let run = fs::write(&file, code.join("\n")).and_then(|()| {
        Command::new("clippy-driver")
            .args([
                "--edition",
                "2024",
                "--crate-type",
                "lib",
                "--emit",
                "metadata",
                "--error-format",
                "short",
            ])
            .args(["--deny", "clippy::disallowed_methods", "--deny", "clippy::disallowed_types"])
            .args(["--deny", "clippy::disallowed_macros", "planted.rs"])
            .env("CLIPPY_CONF_DIR", folder)
            .current_dir(&scratch)
            .output()
    });
    let removed = fs::remove_dir_all(&scratch);
    let output = run.context("cannot start `clippy-driver`, which comes with clippy")?;
    removed.with_context(|| format!("cannot remove {}", scratch.display()))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    let refused = errors.lines().filter(|line| line.contains("use of a disallowed"));
    let lines: Vec<usize> = refused
        .filter_map(|line| line.strip_prefix("planted.rs:")?.split(':').next()?.parse().ok())
        .collect();
    ensure!(!lines.is_empty(), "clippy refuses nothing by {}/clippy.toml:\n{errors}", folder.display());
    Ok(lines)
}
