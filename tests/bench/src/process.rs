//! A server under load: started on its own core, and asked what it costs.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};

/// The core of the server; the load is made on the other.
const SERVER_CORE: &str = "0";
const LOAD_CORE: &str = "1";

/// What a server prints, with its address behind, once it accepts.
const LISTENING: &str = "listening on http://";

/// A running server, killed on drop.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Its address.
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts a program on the server's core and waits until it accepts.
    pub(crate) fn start(program: &Path, arguments: &[&str]) -> Result<Self> {
        let mut child = Command::new("taskset")
            .args(["-c", SERVER_CORE])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("`taskset` could not be started: it comes with util-linux")?;
        let stdout = child.stdout.take().context("its output is piped")?;
        let mut server = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        for line in BufReader::new(stdout).lines() {
            if let Some((_, address)) = line?.split_once(LISTENING) {
                server.address = address.trim().parse()?;
                return Ok(server);
            }
        }
        anyhow::bail!("{} ended before it listened", program.display())
    }

    /// The time that it has spent on a core, in user and system mode, over all of its threads.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            // The ticks of `stat` are 10 ms; this is the scheduler's own account, which they are made from.
            let account = fs::read_to_string(task?.path().join("schedstat"))?;
            let first = account.split(' ').next().context("schedstat has three numbers")?;
            nanoseconds += first.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// The memory that it has in use, in bytes: of its own, without what is in files.
    pub(crate) fn memory(&self) -> Result<usize> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).context("status names RssAnon")?;
        Ok(kib.parse::<usize>()? * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Keeps this process, and the threads that it will start, on the core of the load, and lets it and the servers open as
/// many files as the system allows.
pub(crate) fn prepare_load() -> Result<()> {
    let process = std::process::id().to_string();
    tool("taskset", &["-pc", LOAD_CORE, &process])?;
    let limits = fs::read_to_string("/proc/self/limits")?;
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let most = files.and_then(|limits| limits.split_whitespace().nth(1)).context("limits name open files")?;
    tool("prlimit", &["--pid", &process, &format!("--nofile={most}:{most}")])
}

fn tool(program: &str, arguments: &[&str]) -> Result<()> {
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).status();
    let status = status.with_context(|| format!("`{program}` comes with util-linux"))?;
    anyhow::ensure!(status.success(), "`{program} {}` failed", arguments.join(" "));
    Ok(())
}
