//! The timeouts of a session.

use std::time::Duration;

use tidings_shared::{Code, code::close, frame::ServerFrame};

use super::{Output, Session, State};
use crate::Moment;

impl Session {
    /// Sends a ping or ends the session, if that is due. [`Session::poll_timeout`] says when.
    pub fn handle_timeout(&mut self, now: Moment) {
        self.handle_expiry(now);
        let now = now.since_start;
        let ping_due = self.ping_due();
        let State::Open { follower, .. } = &mut self.state else { return };
        match self.pinged {
            Some(pinged) if now >= pinged + self.settings.ping_timeout => {
                self.close(close::AWAY, "no answer to a ping");
            }
            None if now >= ping_due => {
                // Every event up to this position is in the outbox, ahead of the ping. While a subscribe has more
                // frames to come, the ping names no position, because the topics of those frames start at the session's
                // position.
                let position = self.paused_until.is_none().then(|| follower.passed().to_string());
                self.send(&ServerFrame::Ping { position });
                self.last_told = now;
                self.outbox.push_back(Output::Ping);
                self.pinged = Some(now);
            }
            _ => {}
        }
    }

    /// Ends a session whose token has expired or whose hello did not come, and ends a pause. This is a part of
    /// [`Session::handle_timeout`], for sessions that are busy sending.
    pub fn handle_expiry(&mut self, now: Moment) {
        self.end_late_pause(now.since_start);
        let is_token_over = self.expires.is_some_and(|expires| expires.has_come(now));
        if !is_token_over && self.poll_expiry().is_none_or(|at| now.since_start < at) {
            return;
        }
        if matches!(self.state, State::AwaitsHello) {
            let message = format!("no hello came within {:?}", self.settings.hello_timeout);
            self.end(None, Code::HelloTimeout, message);
        } else {
            let message = "the token has expired; come back with a fresh one".to_owned();
            self.end(None, Code::TokenExpired, message);
        }
    }

    /// Returns when [`Session::handle_timeout`] has something to do, as time since the clock's start.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let alive = matches!(self.state, State::Open { .. }).then(|| {
            self.pinged.map_or_else(|| self.ping_due(), |pinged| pinged + self.settings.ping_timeout)
        });
        self.poll_expiry().into_iter().chain(alive).chain(self.paused_until).min()
    }

    /// Returns when [`Session::handle_expiry`] has something to do.
    pub fn poll_expiry(&self) -> Option<Duration> {
        match self.state {
            State::AwaitsHello => Some(self.started + self.settings.hello_timeout),
            State::Open { .. } => self.expires.map(|expires| expires.since_start),
            State::Closed => None,
        }
    }

    /// Returns when the next ping is due. A ping shows the client that the server is there, and the answer shows that
    /// the client is there. It also tells the client a newer position: without it, the log would evict past the
    /// position of a client whose topics are quiet.
    fn ping_due(&self) -> Duration {
        self.last_told.min(self.last_heard) + self.settings.heartbeat
    }
}
