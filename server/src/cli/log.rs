//! The log. A thread of its own writes it to standard error: no other thread waits for the log's reader, and a line that
//! can't be written ends nothing. The crate tracing-appender does the same, but with a full queue it prints to standard output
//! at the end, and panics if that is closed.

use std::{
    collections::VecDeque,
    io::{self, IsTerminal, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use clap::ValueEnum;
use tidings_shared::limits::LOG_LINES;
use tracing_subscriber::EnvFilter;

use crate::http::LOG_FILTER;

/// How the log is written.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum LogFormat {
    /// A line of text for people
    Text,
    /// A JSON object on each line
    Json,
}

/// At the end of the process, the time for lines that wait.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Lines on their way to standard error.
#[derive(Debug, Clone, Default)]
pub(super) struct Log(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    /// The first one stays until it is written.
    waiting: VecDeque<Vec<u8>>,
    /// Since it was last said.
    lost: usize,
}

impl Log {
    /// Logs as much as `RUST_LOG` says.
    pub(super) fn start(format: LogFormat) -> Self {
        let log = Self::default();
        let writer = log.clone();
        // Without the thread there is no log, and everything else.
        let _ =
            thread::Builder::new().name("log".to_owned()).spawn(move || writer.write_on(&mut io::stderr()));
        let says = std::env::var("RUST_LOG").ok().filter(|says| !says.is_empty());
        let filter = EnvFilter::try_new(format!("{},{LOG_FILTER}", says.as_deref().unwrap_or("info")));
        let filter = filter.unwrap_or_else(|_| EnvFilter::new("info"));
        let queue = log.clone();
        let subscriber = tracing_subscriber::fmt().with_env_filter(filter).log_internal_errors(false);
        let subscriber = subscriber.with_writer(move || queue.clone());
        match format {
            LogFormat::Text => subscriber.with_ansi(io::stderr().is_terminal()).init(),
            LogFormat::Json => subscriber.json().flatten_event(true).init(),
        }
        log
    }

    /// Waits for what is to be written, but not for long.
    pub(super) fn finish(&self) {
        let is_waiting = |lines: &mut Lines| !lines.waiting.is_empty();
        let _ = self.0.changed.wait_timeout_while(self.lock(), LAST_LINES, is_waiting);
    }

    fn write_on(&self, to: &mut impl Write) {
        loop {
            let lines = self.0.changed.wait_while(self.lock(), |lines| lines.waiting.is_empty());
            let mut lines = lines.unwrap_or_else(PoisonError::into_inner);
            let line = lines.waiting.front_mut().map(std::mem::take).unwrap_or_default();
            drop(lines);
            let is_written = to.write_all(&line).is_ok();
            let mut lines = self.lock();
            lines.waiting.pop_front();
            lines.lost += usize::from(!is_written);
            // Once the queue is empty: such a line in between would take the place of another.
            let lost =
                if lines.waiting.is_empty() && is_written { std::mem::take(&mut lines.lost) } else { 0 };
            drop(lines);
            self.0.changed.notify_all();
            if lost > 0 {
                tracing::warn!(lost, "lines of the log were lost: standard error did not take them in time");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line comes in one piece.
impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut lines = self.lock();
        if lines.waiting.len() < LOG_LINES {
            lines.waiting.push_back(line.to_vec());
            self.0.changed.notify_all();
        } else {
            lines.lost += 1;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_lines_wait_and_what_comes_then_is_lost_and_counted() {
        let mut log = Log::default();
        for number in 0..LOG_LINES + 3 {
            let line = format!("{number}\n");
            assert_eq!(log.write(line.as_bytes()).unwrap(), line.len(), "nobody waits, nobody fails");
        }
        let lines = log.lock();
        assert_eq!((lines.waiting.len(), lines.lost), (LOG_LINES, 3));
        assert_eq!((&lines.waiting[0][..], &lines.waiting[LOG_LINES - 1][..]), (&b"0\n"[..], &b"4095\n"[..]));
    }
}
