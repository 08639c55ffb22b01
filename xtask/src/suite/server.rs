//! A real server process for tests.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cmd::Cmd;
use crate::project::{Project, read};

/// The server prints this when it accepts connections.
const LISTENING: &str = "listening on ";

/// The longest time that a server may take to start.
const START: Duration = Duration::from_secs(20);

/// A running `tidings serve --dev`. Dropping it kills the process.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// The base URL.
    pub(crate) url: String,
}

impl Server {
    /// Builds the server and starts it on a free port.
    pub(crate) fn start(project: &Project) -> Result<Self> {
        let program = binary(project, "tidings-server", "tidings")?;
        Self::run(project, &program, &[])
    }

    /// Starts a built server on a free port, with more flags.
    pub(crate) fn run(project: &Project, program: &Path, flags: &[&str]) -> Result<Self> {
        let log = project.scratch("logs")?.join("tidings-serve.log");
        let log_file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut child = Cmd::new(program)
            .args(["serve", "--dev", "--listen", "127.0.0.1:0"])
            .args(flags)
            .into_inner()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let stdout = child.stdout.take();
        let mut server = Self { child, url: String::new() };
        server.url = stdout.and_then(first_url).with_context(|| {
            let said = read(&log).unwrap_or_default();
            format!(
                "`tidings serve --dev` did not say `{LISTENING}http://…` within {START:?}; its log:\n{said}"
            )
        })?;
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already. `wait` removes the process in either case.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Builds a program of the workspace without optimisation, and returns its path.
pub(crate) fn binary(project: &Project, package: &str, name: &str) -> Result<PathBuf> {
    let options = ["build", "--locked", "--package", package, "--bin", name];
    Cmd::new("cargo").args(options).dir(&project.root).run()?;
    Ok(project.target.join("debug").join(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
}

/// Waits for the line with the URL. A thread keeps reading, so that the server never writes into a closed pipe.
fn first_url(stdout: ChildStdout) -> Option<String> {
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some(url) = url_in(&line) {
                // Only the first URL has a receiver.
                let _ = sender.try_send(url.to_owned());
            }
        }
    });
    receiver.recv_timeout(START).ok()
}

fn url_in(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once(LISTENING)?;
    rest.split_whitespace().next().filter(|url| url.starts_with("http://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_read_from_the_line_that_the_server_prints() {
        assert_eq!(url_in("listening on http://127.0.0.1:41234"), Some("http://127.0.0.1:41234"));
        assert_eq!(url_in("listening on http://127.0.0.1:41234 (dev)"), Some("http://127.0.0.1:41234"));
        assert_eq!(url_in("listening on nothing"), None);
        assert_eq!(url_in("starting"), None);
    }
}
