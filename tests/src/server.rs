//! A server process.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
};

use serde_json::Value;

use crate::{DEADLINE, Request, Response, tidings};

/// A running `tidings serve`. Dropping it ends it; when the test has failed its log is printed.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    /// Lines of its standard output; the end of them is the end of the process.
    lines: Mutex<Receiver<String>>,
    /// Lines that came after the first.
    rest: Vec<String>,
    log: Arc<Mutex<String>>,
}

impl Server {
    /// `tidings serve --dev` on a free port.
    #[track_caller]
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// The same with more flags.
    #[track_caller]
    pub fn with(flags: &[&str]) -> Self {
        let mut command = tidings();
        command.args(["serve", "--dev", "--listen", "127.0.0.1:0"]).args(flags);
        Self::run(command)
    }

    /// Runs a command that ends up serving, and waits until it does.
    #[track_caller]
    pub fn run(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the server starts");
        let (sender, lines) = mpsc::channel();
        let stdout = child.stdout.take().expect("standard output is piped");
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // A test that has ended hears nothing more.
                let _ = sender.send(line);
            }
        });
        let log = Arc::new(Mutex::new(String::new()));
        let mut stderr = child.stderr.take().expect("standard error is piped");
        let kept = Arc::clone(&log);
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = stderr.read(&mut chunk) {
                if let Ok(mut log) = kept.lock() {
                    log.push_str(&String::from_utf8_lossy(&chunk[..read]));
                }
            }
        });
        let mut server = Self {
            child,
            address: SocketAddr::from(([0; 4], 0)),
            lines: Mutex::new(lines),
            rest: Vec::new(),
            log,
        };
        let line = server.next_line();
        let line = line.unwrap_or_else(|error| panic!("no line came: {error}; its log:\n{}", server.log()));
        let address = line.strip_prefix("listening on http://").and_then(|address| address.parse().ok());
        server.address = address.unwrap_or_else(|| panic!("not what a server says: {line:?}"));
        server
    }

    fn next_line(&mut self) -> Result<String, RecvTimeoutError> {
        self.lines.get_mut().expect("nobody else reads lines").recv_timeout(DEADLINE)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it wrote to standard error so far.
    pub fn log(&self) -> String {
        self.log.lock().map(|log| log.clone()).unwrap_or_default()
    }

    /// Sends a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status();
        assert!(status.is_ok_and(|status| status.success()), "{kill}");
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        loop {
            match self.next_line() {
                Ok(line) => self.rest.push(line),
                Err(RecvTimeoutError::Disconnected) => {
                    return self.child.wait().expect("it was not waited for");
                }
                Err(RecvTimeoutError::Timeout) => panic!("the server still runs; its log:\n{}", self.log()),
            }
        }
    }

    /// What it wrote to standard output after its address, up to its end: see [`Server::wait`].
    pub fn rest_of_output(&self) -> Vec<String> {
        self.rest.clone()
    }

    /// Publishes over HTTP and returns the answer, whatever it is.
    #[track_caller]
    pub fn post(&self, body: &Value) -> Response {
        Request::post("/v1/publish").body(body.to_string()).send(self.address)
    }

    /// Publishes an event over HTTP, which must be accepted, and returns the answer.
    #[track_caller]
    pub fn publish(&self, event: &Value) -> Value {
        let answer = self.post(&serde_json::json!({ "event": event }));
        assert_eq!(answer.status, 200, "{event}: {answer:?}");
        answer.json()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
    }
}
