//! The `tidings` binary: its path, and commands that end by themselves.

use std::{
    env,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        OnceLock,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
};

use crate::DEADLINE;

/// Returns a command that runs the `tidings` binary, without settings from the tester's environment.
pub fn tidings() -> Command {
    unset(Command::new(path()))
}

/// Returns the same command for a process with a limit on open files and connections.
pub fn tidings_with_files(limit: usize) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {limit} && exec \"$@\""), "sh"]).arg(path());
    unset(command)
}

fn unset(mut command: Command) -> Command {
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("TIDINGS_") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command
}

/// Returns a command that runs an example of the workspace, without settings from the tester's environment. `cargo test` has
/// built all examples, with the features of the workspace.
pub fn example(name: &str) -> Command {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| Ok(build(&["--workspace", "--examples"])?.join("examples")));
    let folder = folder.as_ref().unwrap_or_else(|fault| panic!("{fault}"));
    unset(Command::new(folder.join(format!("{name}{}", env::consts::EXE_SUFFIX))))
}

/// Returns the path in `TIDINGS_BIN`, or else builds the workspace's own binary. `cargo test` does not build the binaries
/// of other packages, so that a test could run an old one.
fn path() -> &'static Path {
    static PATH: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = || {
        Ok(build(&["--package", "tidings-server", "--bin", "tidings"])?
            .join(format!("tidings{}", env::consts::EXE_SUFFIX)))
    };
    let path = PATH.get_or_init(|| env::var_os("TIDINGS_BIN").map_or_else(built, |path| Ok(path.into())));
    path.as_ref().unwrap_or_else(|fault| panic!("{fault}"))
}

/// Builds programs of the workspace. Returns the folder of the profile.
fn build(programs: &[&str]) -> Result<PathBuf, String> {
    let test = env::current_exe().expect("a test knows its own path");
    // <target>/<profile>/deps/<test>
    let profile = test.ancestors().nth(2).expect("a test lies in its target folder");
    let target = profile.parent().expect("a profile lies in a target folder");
    let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--quiet", "--offline"]).args(programs);
    build.current_dir(env!("CARGO_MANIFEST_DIR")).env("CARGO_TARGET_DIR", target);
    if profile.ends_with("release") {
        build.arg("--release");
    }
    if build.status().is_ok_and(|status| status.success()) {
        return Ok(profile.to_owned());
    }
    Err(format!("the server could not be built: try {build:?} (or name a binary in TIDINGS_BIN)"))
}

/// The result of a command.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code. `None` if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Runs a command until it ends by itself. After the deadline it is killed, and the test fails.
#[track_caller]
pub fn finish(command: &mut Command) -> Finished {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command starts");
    let (sender, ends) = mpsc::channel();
    let stdout = collect(child.stdout.take().expect("standard output is piped"), sender.clone());
    let stderr = collect(child.stderr.take().expect("standard error is piped"), sender);
    // The channel is disconnected when both outputs have ended, and the process with them.
    let has_ended = ends.recv_timeout(DEADLINE) == Err(RecvTimeoutError::Disconnected);
    if !has_ended {
        let _ = child.kill();
    }
    let status = child.wait().expect("it was not waited for");
    let text = |thread: JoinHandle<String>| thread.join().unwrap_or_default();
    let finished = Finished { code: status.code(), stdout: text(stdout), stderr: text(stderr) };
    assert!(has_ended, "still running after {DEADLINE:?}: {command:?}: {finished:?}");
    finished
}

fn collect(mut stream: impl Read + Send + 'static, until: Sender<()>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // After an error, the bytes before it are returned.
        let _ = stream.read_to_end(&mut bytes);
        drop(until);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
