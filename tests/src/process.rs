//! A process that a test started, and its output.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use crate::DEADLINE;

/// The longest time until a process has started. On a busy machine that takes long, and no fault hides behind it.
const START: Duration = Duration::from_secs(60);

/// A running process. Dropping it ends the process. If the test has failed, this also prints the standard error.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Its standard input, if it is open.
    input: Option<ChildStdin>,
    /// The lines of its standard output. They end when the process does.
    lines: Mutex<Receiver<String>>,
    log: Arc<Mutex<Vec<u8>>>,
    /// Disconnected when the standard error has ended, and all of it is in `log`.
    log_ends: Mutex<Receiver<()>>,
}

impl Process {
    /// Starts a command.
    #[track_caller]
    pub fn start(command: Command) -> Self {
        Self::start_with_log(command, Stdio::piped())
    }

    /// Starts a command with this standard error. [`Self::log`] then stays empty.
    #[track_caller]
    pub fn start_with_log(command: Command, stderr: Stdio) -> Self {
        Self::spawn(command, Stdio::null(), stderr)
    }

    /// Starts a command. Its standard input stays open until this value is dropped.
    #[track_caller]
    pub(crate) fn start_with_input(command: Command) -> Self {
        Self::spawn(command, Stdio::piped(), Stdio::piped())
    }

    #[track_caller]
    fn spawn(mut command: Command, stdin: Stdio, stderr: Stdio) -> Self {
        command.stdin(stdin).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().expect("the command starts");
        let input = child.stdin.take();
        // The command holds the other ends of the pipes.
        drop(command);
        let (sender, lines) = mpsc::channel();
        let stdout = child.stdout.take().expect("standard output is piped");
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // The test may have ended.
                let _ = sender.send(line);
            }
        });
        let log = Arc::<Mutex<Vec<u8>>>::default();
        let (is_open, log_ends) = mpsc::channel();
        if let Some(mut stderr) = child.stderr.take() {
            let kept = Arc::clone(&log);
            thread::spawn(move || {
                let mut chunk = [0; 4096];
                while let Ok(read @ 1..) = stderr.read(&mut chunk) {
                    if let Ok(mut log) = kept.lock() {
                        log.extend_from_slice(&chunk[..read]);
                    }
                }
                drop(is_open);
            });
        }
        Self { child, input, lines: Mutex::new(lines), log, log_ends: Mutex::new(log_ends) }
    }

    /// Returns the next line of its standard output.
    #[track_caller]
    pub fn next_line(&mut self) -> String {
        self.line_within(DEADLINE)
    }

    /// Returns the first line of its standard output: it has started.
    #[track_caller]
    pub fn first_line(&mut self) -> String {
        self.line_within(START)
    }

    #[track_caller]
    fn line_within(&mut self, time: Duration) -> String {
        match self.receive(time) {
            Ok(line) => line,
            Err(error) => panic!("no line came: {error}; on standard error:\n{}", self.log()),
        }
    }

    /// Returns a line of its standard output that has come already.
    pub fn try_line(&mut self) -> Option<String> {
        self.lines.get_mut().ok()?.try_recv().ok()
    }

    fn receive(&mut self, time: Duration) -> Result<String, RecvTimeoutError> {
        self.lines.get_mut().expect("nobody else reads lines").recv_timeout(time)
    }

    /// Returns the standard error until now. After [`Self::wait`], this is all of it. Before, a line may come late: wait
    /// for it with [`eventually`](crate::eventually).
    pub fn log(&self) -> String {
        self.log.lock().map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    /// Returns its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status();
        assert!(status.is_ok_and(|status| status.success()), "{kill}");
    }

    /// Returns the memory that it uses now (its resident set), in KiB.
    #[track_caller]
    pub fn memory_kib(&self) -> usize {
        let listed = Command::new("ps").args(["-o", "rss=", "-p", &self.child.id().to_string()]).output();
        let text = listed.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        text.ok().and_then(|text| text.parse().ok()).expect("`ps` tells the size of a process")
    }

    /// Returns the most memory that it has used, in KiB. Systems other than Linux tell only what it uses now.
    #[track_caller]
    pub fn peak_memory_kib(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|peak| peak.split_whitespace().next()?.parse().ok());
        kib.unwrap_or_else(|| self.memory_kib())
    }

    /// Returns the processor time that it has used. Only Linux tells it.
    #[track_caller]
    pub fn cpu_time(&self) -> Option<Duration> {
        let [user, system, ..] = cpu_times(self.child.id())?;
        Some(user + system)
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// Waits for its end. Returns its status, and the lines of standard output that were not read.
    #[track_caller]
    pub fn wait(&mut self) -> (ExitStatus, Vec<String>) {
        let mut rest = Vec::new();
        loop {
            match self.receive(DEADLINE) {
                Ok(line) => rest.push(line),
                Err(RecvTimeoutError::Disconnected) => {
                    let _ = self.log_ends.get_mut().expect("nobody else waits").recv_timeout(DEADLINE);
                    return (self.child.wait().expect("it was not waited for"), rest);
                }
                Err(RecvTimeoutError::Timeout) => panic!("still running; on standard error:\n{}", self.log()),
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.input.take().is_none() {
            // It may have ended by itself.
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("on standard error of process {}:\n{}", self.child.id(), self.log());
        }
    }
}

/// Returns the processor time of a process: in user mode, in system mode, and both of its children that have ended. Only
/// Linux tells it.
pub(crate) fn cpu_times(process: u32) -> Option<[Duration; 4]> {
    /// A constant of Linux's interface, which does not depend on the kernel's own clock.
    const TICKS_PER_SECOND: u64 = 100;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name may hold any character. It ends at the last bracket.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut time =
        || Some(Duration::from_millis(fields.next()?.parse::<u64>().ok()? * 1000 / TICKS_PER_SECOND));
    Some([time()?, time()?, time()?, time()?])
}
