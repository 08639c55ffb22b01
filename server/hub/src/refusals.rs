//! Logs refused pages, hosts and tokens, with the reason and the remedy. The operator needs them, because the refused
//! page learns little. Texts of a peer are cut and escaped, and tokens are never logged. Any number of
//! refusals makes a bounded number of log lines, and takes bounded memory.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tidings_shared::limits::{REFUSALS_LOGGED, REFUSALS_PERIOD};

use crate::access::AccessError;

/// Bytes of a peer's text, or of an application's message about a token, in one line. A longer text is cut, so a peer
/// cannot fill the log.
pub const MAX_QUOTED: usize = 255;

/// The lines of the current period, by kind. Many refusals of one kind do not hide the others.
#[derive(Debug, Default)]
pub struct Refusals {
    pages: Mutex<Period>,
    requests: Mutex<Period>,
    clients: Mutex<Period>,
}

/// The lines of one period of [`REFUSALS_PERIOD`].
#[derive(Debug, Default)]
struct Period {
    since: Duration,
    /// At most [`REFUSALS_LOGGED`].
    lines: Vec<Line>,
    left_out: u64,
}

/// A line of the log. It quotes at most [`MAX_QUOTED`] bytes of what a peer wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Why it was refused.
    pub reason: String,
    /// What the operator can do.
    pub remedy: String,
}

impl Line {
    /// Returns a line of these texts.
    pub fn new(reason: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self { reason: reason.to_string(), remedy: remedy.to_string() }
    }
}

impl Period {
    /// Returns `None` if this line must not be logged now. Otherwise returns how many lines were left out since the
    /// last line.
    fn admit(&mut self, line: &Line, now: Duration) -> Option<u64> {
        if now.saturating_sub(self.since) >= REFUSALS_PERIOD {
            self.since = now;
            self.lines.clear();
        }
        if self.lines.contains(line) || self.lines.len() >= REFUSALS_LOGGED {
            self.left_out += 1;
            return None;
        }
        self.lines.push(line.clone());
        Some(std::mem::take(&mut self.left_out))
    }
}

impl Refusals {
    /// Logs that a page was refused because of its origin.
    pub fn page(&self, line: &Line, now: Duration) {
        if let Some(left_out) = admit(&self.pages, line, now) {
            let Line { reason, remedy } = line;
            tracing::warn!(reason, remedy, left_out, "a page was refused");
        }
    }

    /// Logs that a request was refused because of its host.
    pub fn request(&self, line: &Line, now: Duration) {
        if let Some(left_out) = admit(&self.requests, line, now) {
            let Line { reason, remedy } = line;
            tracing::warn!(reason, remedy, left_out, "a request was refused");
        }
    }

    /// Logs that a client was refused, by its token or login, or because the application could not tell. The error does
    /// not quote the token.
    pub fn client(&self, error: &AccessError, now: Duration) {
        let line = Line::new(printable(cut(&error.message)), "");
        if let Some(left_out) = admit(&self.clients, &line, now) {
            let code = error.code.as_str();
            tracing::warn!(code, reason = line.reason, left_out, "a client was refused");
        }
    }

    /// Returns the reasons of this period's lines about clients.
    #[cfg(test)]
    pub(crate) fn of_clients(&self) -> Vec<String> {
        let period = self.clients.lock().unwrap();
        period.lines.iter().map(|line| line.reason.clone()).collect()
    }
}

fn admit(period: &Mutex<Period>, line: &Line, now: Duration) -> Option<u64> {
    period.lock().unwrap_or_else(PoisonError::into_inner).admit(line, now)
}

/// Returns the beginning of a text, of at most [`MAX_QUOTED`] bytes.
fn cut(text: &str) -> &str {
    let ends = text.char_indices().map(|(start, c)| start + c.len_utf8());
    &text[..ends.take_while(|end| *end <= MAX_QUOTED).last().unwrap_or_default()]
}

/// Escapes the characters that are not visible. A terminal that shows the log would obey some of them.
fn printable(text: &str) -> String {
    let escape = |c: char| match c {
        '"' | '\'' | '\\' => c.to_string(),
        c => c.escape_debug().to_string(),
    };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn line(number: usize) -> Line {
        Line::new(format_args!("reason {number}"), "")
    }

    #[test]
    fn a_period_has_a_bounded_number_of_different_lines_and_the_next_counts_the_rest() {
        let mut period = Period::default();
        for number in 0..REFUSALS_LOGGED {
            assert_eq!(period.admit(&line(number), at(1)), Some(0));
        }
        for number in 0..1_000_000 {
            assert_eq!(period.admit(&line(number), at(59)), None);
        }
        assert_eq!(
            (period.lines.len(), period.lines.capacity() < 2 * REFUSALS_LOGGED),
            (REFUSALS_LOGGED, true)
        );
        assert_eq!(period.admit(&line(3), at(60)), Some(1_000_000));
        assert_eq!(period.admit(&line(3), at(61)), None, "the same is not said again");
        assert_eq!(period.admit(&line(4), at(61)), Some(1));
    }

    #[test]
    fn a_message_about_a_token_is_cut_at_a_character_and_escaped() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"é".repeat(200)).len(), 254);
        assert_eq!(printable("an \"é\\\u{1b}[31m\r\n\u{202e}"), "an \"é\\\\u{1b}[31m\\r\\n\\u{202e}");
    }
}
