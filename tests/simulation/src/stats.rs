//! Counts of the events of a run. They show that no invariant holds only because nothing happened.

use tidings_shared::frame::{Outcome, ServerFrame};

/// How often each event was seen.
#[derive(Debug, Default, Clone)]
pub(crate) struct Stats(Vec<(&'static str, u64)>);

impl Stats {
    pub(crate) fn count(&mut self, what: &'static str) {
        self.add(what, 1);
    }

    fn add(&mut self, what: &'static str, times: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == what) {
            Some((_, count)) => *count += times,
            None => self.0.push((what, times)),
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|&(what, times)| self.add(what, times));
    }

    pub(crate) fn of(&self, what: &str) -> u64 {
        self.0.iter().find(|(known, _)| *known == what).map_or(0, |(_, count)| *count)
    }
}

impl Stats {
    /// Counts a frame of a server.
    pub(crate) fn seen(&mut self, frame: &ServerFrame) {
        match frame {
            ServerFrame::Subscribed { topics, .. } => {
                for topic in topics {
                    self.count(match topic.outcome {
                        Outcome::Live => "live",
                        Outcome::Resumed => "resumed",
                        Outcome::Sync => "synced at once",
                        _ => "refused",
                    });
                }
            }
            ServerFrame::Sync { .. } => self.count("synced later"),
            ServerFrame::Unsubscribed { r#ref: None, .. } => self.count("revoked"),
            ServerFrame::Ping { .. } => self.count("server ping"),
            ServerFrame::Degraded { .. } => self.count("degraded"),
            ServerFrame::Restored { .. } => self.count("restored"),
            ServerFrame::Goaway { .. } => self.count("goaway"),
            ServerFrame::Error { code, .. } if code == "token_expired" => self.count("token expired"),
            ServerFrame::Error { code, .. } if code == "rate_limited" => self.count("rate limited"),
            _ => {}
        }
    }
}
