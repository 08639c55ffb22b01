//! Logs which pages, hosts and tokens were refused, why, and the remedy: the operator can mend it, and the refused page sees
//! little of the reason. What a peer wrote is cut and escaped, and tokens are left out. A crowd of peers can fill neither the
//! log nor the memory.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use hyper::{
    HeaderMap, Uri,
    header::{HOST, ORIGIN},
};
use tidings_shared::limits::{REFUSALS_LOGGED, REFUSALS_PERIOD};

use crate::{
    AccessError, OriginRule,
    origin::{HostFault, check_as_browsers_write, is_host},
};

/// Bytes of what a peer wrote, or an application says of its token, in one line.
const MAX_QUOTED: usize = 255;

/// The latest lines of each kind. A flood of one kind does not hide the others.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    origins: Mutex<Said>,
    hosts: Mutex<Said>,
    tokens: Mutex<Said>,
}

/// The lines of one period.
#[derive(Debug, Default)]
struct Said {
    since: Duration,
    /// At most [`REFUSALS_LOGGED`].
    lines: Vec<Line>,
    left_out: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    reason: String,
    remedy: String,
}

impl Line {
    fn new(reason: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self { reason: reason.to_string(), remedy: remedy.to_string() }
    }
}

impl Said {
    /// Whether to say this now, and then how many others were not said since the last time.
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
    /// A page was refused for its origin.
    pub(crate) fn origin(&self, rule: &OriginRule, headers: &HeaderMap, now: Duration) {
        let line = line_of_origin(rule, headers);
        if let Some(left_out) = admit(&self.origins, &line, now) {
            let Line { reason, remedy } = &line;
            tracing::warn!(reason, remedy, left_out, "a page was refused");
        }
    }

    /// A request was refused for its host.
    pub(crate) fn host(&self, fault: HostFault, uri: &Uri, headers: &HeaderMap, now: Duration) {
        let line = line_of_host(fault, uri, headers);
        if let Some(left_out) = admit(&self.hosts, &line, now) {
            let Line { reason, remedy } = &line;
            tracing::warn!(reason, remedy, left_out, "a request was refused");
        }
    }

    /// A token was refused. Its error does not quote it.
    pub(crate) fn token(&self, error: &AccessError, now: Duration) {
        let line = Line::new(printable(cut(&error.message)), "");
        if let Some(left_out) = admit(&self.tokens, &line, now) {
            let code = error.code.as_str();
            tracing::warn!(code, reason = line.reason, left_out, "a token was refused");
        }
    }
}

fn admit(said: &Mutex<Said>, line: &Line, now: Duration) -> Option<u64> {
    said.lock().unwrap_or_else(PoisonError::into_inner).admit(line, now)
}

fn line_of_origin(rule: &OriginRule, headers: &HeaderMap) -> Line {
    let mut origins = headers.get_all(ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else {
        return Line::new("there are several Origin headers", "look for a proxy that adds one");
    };
    match origin.to_str().ok().filter(|origin| origin.len() <= MAX_QUOTED) {
        Some("null") => Line::new(
            "the page has no origin of its own (null): it is a file, or in a sandboxed frame",
            "serve it over http or https, and allow that origin",
        ),
        Some(origin) if check_as_browsers_write(origin).is_ok() => {
            let reason = format!("the origin {origin} is not allowed");
            match rule {
                OriginRule::Exact(_) => Line::new(reason, format_args!("--allow-origin {origin}")),
                OriginRule::Loopback => Line::new(
                    reason,
                    format_args!(
                        "for development pages of this machine (http://localhost) are let in, and no others; for others run \
                         with keys instead of --dev, and with --allow-origin {origin}"
                    ),
                ),
            }
        }
        _ => Line::new("the Origin header is none that a browser writes", "look for what sets it"),
    }
}

fn line_of_host(fault: HostFault, uri: &Uri, headers: &HeaderMap) -> Line {
    let no_host = "it has no Host, or several, or one that is none";
    if fault == HostFault::IllFormed {
        return Line::new(no_host, "look for the client or the proxy that writes it");
    }
    let hosts: Vec<&[u8]> = headers.get_all(HOST).iter().map(|host| host.as_bytes()).collect();
    let named = uri.authority().map(|authority| authority.as_str().as_bytes());
    let host = match (named, &hosts[..]) {
        (None, [host]) => Some(*host),
        (named, _) => named,
    };
    let host = host.filter(|host| is_host(host) && host.len() <= MAX_QUOTED);
    let remedy = "a server for development is asked as localhost, or by an address of loopback; behind another name, run \
                  with keys instead of --dev";
    match host.and_then(|host| str::from_utf8(host).ok()) {
        Some(host) => Line::new(format_args!("the host {host} is not this machine"), remedy),
        None => Line::new(no_host, remedy),
    }
}

/// The begin of a text.
fn cut(text: &str) -> &str {
    let ends = text.char_indices().map(|(start, c)| start + c.len_utf8());
    &text[..ends.take_while(|end| *end <= MAX_QUOTED).last().unwrap_or_default()]
}

/// A text whose characters all show: a reader's terminal takes orders from the others, also out of JSON.
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
    fn a_minute_has_so_many_lines_of_a_kind_each_once_and_the_next_counts_what_was_left_out() {
        let mut said = Said::default();
        for number in 0..REFUSALS_LOGGED {
            assert_eq!(said.admit(&line(number), at(1)), Some(0));
        }
        for number in 0..1_000_000 {
            assert_eq!(said.admit(&line(number), at(59)), None);
        }
        assert_eq!((said.lines.len(), said.lines.capacity() < 2 * REFUSALS_LOGGED), (REFUSALS_LOGGED, true));
        assert_eq!(said.admit(&line(3), at(60)), Some(1_000_000));
        assert_eq!(said.admit(&line(3), at(61)), None, "the same is not said again");
        assert_eq!(said.admit(&line(4), at(61)), Some(1));
    }

    fn said_of(rule: &OriginRule, origins: &[&[u8]]) -> Line {
        let mut headers = HeaderMap::new();
        for origin in origins {
            headers.append(ORIGIN, hyper::header::HeaderValue::from_bytes(origin).unwrap());
        }
        line_of_origin(rule, &headers)
    }

    #[test]
    fn the_remedy_spells_the_origin_and_nothing_that_is_none_is_quoted() {
        let exact = OriginRule::Exact(vec![]);
        for origin in ["https://app.example.com", "http://localhost:5173", "tauri://localhost"] {
            let line = said_of(&exact, &[origin.as_bytes()]);
            assert_eq!(line.remedy, format!("--allow-origin {origin}"));
            assert!(line.reason.contains(origin), "{line:?}");
            assert!(said_of(&OriginRule::Loopback, &[origin.as_bytes()]).remedy.contains("--dev"));
        }
        assert!(said_of(&exact, &[b"null"]).reason.contains("null"));
        let long = format!("https://{}", "x".repeat(MAX_QUOTED));
        for odd in [
            &b"secret"[..],
            b"https://secret/",
            b"https://user:secret@a",
            b"https://a secret",
            b"\xffsecret",
            long.as_bytes(),
        ] {
            let line = said_of(&exact, &[odd]);
            assert!(
                !format!("{line:?}").contains("secret") && line.reason.contains("none that a browser"),
                "{line:?}"
            );
        }
        assert!(said_of(&exact, &[b"https://secret.com", b"https://b.com"]).reason.contains("several"));
    }

    #[test]
    fn what_an_application_says_of_a_token_is_cut_at_a_character_and_shows() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"é".repeat(200)).len(), 254);
        assert_eq!(printable("an \"é\\\u{1b}[31m\r\n\u{202e}"), "an \"é\\\\u{1b}[31m\\r\\n\\u{202e}");
    }
}
