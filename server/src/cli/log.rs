//! The log. A thread of its own writes it to standard error. No other thread waits for a slow reader of the log, and a
//! line that can't be written ends nothing. The crate tracing-appender is not used: if a process ends with a full
//! queue, that crate prints to standard output, and panics if standard output is closed.

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

/// The format of the log.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum LogFormat {
    /// A line of text for people
    Text,
    /// A JSON object on each line
    Json,
}

/// At the end of the process, the log has this time to write the waiting lines. The rest is lost.
const LAST_LINES: Duration = Duration::from_secs(1);

/// A bounded queue of lines for standard error. A full queue drops new lines and counts them.
#[derive(Debug, Clone, Default)]
pub(super) struct Log(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    /// At most [`LOG_LINES`]. The first line stays until it is written.
    waiting: VecDeque<Vec<u8>>,
    /// Lines that were lost since the log last reported a loss.
    lost: usize,
}

impl Log {
    /// Starts the log's thread, and makes this the log of the process. `RUST_LOG` is the filter.
    pub(super) fn start(format: LogFormat) -> Self {
        let log = Self::default();
        let writer = log.clone();
        // If the thread can't be started, the process runs without a log.
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

    /// Waits until all lines are written, at most for [`LAST_LINES`].
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
            // The report of lost lines waits for an empty queue: in a full queue it would push out another line.
            let lost =
                if lines.waiting.is_empty() && is_written { std::mem::take(&mut lines.lost) } else { 0 };
            drop(lines);
            self.0.changed.notify_all();
            if lost > 0 {
                tracing::warn!(lost, "log lines were lost: standard error did not accept them in time");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The subscriber calls `write` once for each line.
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
    fn a_full_queue_drops_new_lines_and_counts_them() {
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
