//! Child processes. The error of a failed one shows its command line, its output, and a remedy.

use std::ffi::OsStr;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Variables that choose a Rust compiler or its flags. Cargo and rustup set some of them for this process.
const RUST_ENVIRONMENT: [&str; 8] = [
    "CARGO",
    "RUSTC",
    "RUSTDOC",
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "RUSTUP_TOOLCHAIN",
];

/// A child process that was not started yet.
#[derive(Debug)]
pub(crate) struct Cmd {
    inner: Command,
    remedy: Option<String>,
}

impl Cmd {
    /// Runs `program`, found on the path.
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        Self { inner: Command::new(program), remedy: None }
    }

    /// Appends an argument.
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.inner.arg(arg);
        self
    }

    /// Appends arguments.
    pub(crate) fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.inner.args(args);
        self
    }

    /// Runs the child in `dir`.
    pub(crate) fn dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.inner.current_dir(dir);
        self
    }

    /// Sets a variable of the child's environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.inner.env(name, value);
        self
    }

    /// Removes a variable from the child's environment.
    pub(crate) fn without_env(mut self, name: &str) -> Self {
        self.inner.env_remove(name);
        self
    }

    /// Removes the variables that choose a Rust compiler or its flags, so that the child does not inherit our choice.
    pub(crate) fn without_rust_env(self) -> Self {
        RUST_ENVIRONMENT.iter().fold(self, |cmd, name| cmd.without_env(name))
    }

    /// Adds to the error what a person can do about it.
    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Runs the child to its end. Its output is shown as it comes.
    pub(crate) fn run(mut self) -> Result<()> {
        println!("$ {}", self.shown());
        let status = self.inner.status().with_context(|| self.not_started())?;
        if !status.success() {
            bail!(self.failed(&status.to_string(), ""));
        }
        Ok(())
    }

    /// Runs long work. A terminal shows its output; in a pipe the output is kept back, and shown if the work fails.
    pub(crate) fn work(self) -> Result<()> {
        if std::io::stdout().is_terminal() { self.run() } else { self.quiet() }
    }

    /// Runs work beside other work. Its output is kept back, and shown if it fails.
    pub(crate) fn quiet(self) -> Result<()> {
        println!("$ {}", self.shown());
        self.read().map(drop)
    }

    /// Runs the child and returns its standard output. Shows nothing.
    pub(crate) fn read(mut self) -> Result<String> {
        let output = self.inner.stdin(Stdio::null()).output().with_context(|| self.not_started())?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            bail!(self.failed(&output.status.to_string(), &format!("{stdout}{stderr}")));
        }
        Ok(stdout)
    }

    /// Replaces this process by the child, so that it receives the signals of this process. Without Unix, runs it.
    pub(crate) fn exec(self) -> Result<()> {
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt;
            println!("$ {}", self.shown());
            let not_started = self.not_started();
            Err(self.into_inner().exec()).context(not_started)
        }
        #[cfg(not(unix))]
        self.run()
    }

    /// Returns the command, for a caller that starts the child itself.
    pub(crate) fn into_inner(self) -> Command {
        self.inner
    }

    fn shown(&self) -> String {
        let words = std::iter::once(self.inner.get_program()).chain(self.inner.get_args());
        let line = words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
        match self.inner.get_current_dir() {
            Some(dir) => format!("{line}   (in {})", dir.display()),
            None => line,
        }
    }

    fn not_started(&self) -> String {
        let program = self.inner.get_program().to_string_lossy();
        let remedy = self.remedy.as_deref().unwrap_or("is it installed and on the path?");
        format!("`{program}` could not be started: {remedy}")
    }

    fn failed(&self, status: &str, output: &str) -> String {
        let mut text = format!("`{}` failed ({status})", self.shown());
        if !output.trim().is_empty() {
            text.push_str(&format!("; it said:\n{}", output.trim_end()));
        }
        if let Some(remedy) = &self.remedy {
            text.push_str(&format!("\n{remedy}"));
        }
        text
    }
}

/// Finds `program` in cargo's folder of binaries, or else on the path.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = cargo_bin().into_iter().chain(std::env::split_paths(&path));
    let file = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    folders.map(|folder| folder.join(&file)).find(|file| file.is_file())
}

/// The folder into which `cargo install` writes programs.
pub(crate) fn cargo_bin() -> Option<PathBuf> {
    cargo_home().map(|home| home.join("bin"))
}

/// Cargo's home folder.
pub(crate) fn cargo_home() -> Option<PathBuf> {
    let named = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    named.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
}

/// The path with cargo's folder of programs in front, for children that start tools themselves.
pub(crate) fn path_with_cargo_bin() -> Result<std::ffi::OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = cargo_bin().into_iter().chain(std::env::split_paths(&path));
    std::env::join_paths(folders).context("a folder of PATH has a name that PATH cannot hold")
}
