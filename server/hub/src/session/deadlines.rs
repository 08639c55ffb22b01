//! What a session does when its time comes.

use std::time::Duration;

use tidings_shared::{Code, code::close, frame::ServerFrame};

use super::{Output, Session, State};
use crate::Moment;

impl Session {
    /// Acts on what [`Session::poll_timeout`] announced.
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
                // What this position stands for is in the outbox already, ahead of the ping. While more topics are to
                // start there, it says nothing of those.
                let position = self.paused_until.is_none().then(|| follower.passed().to_string());
                self.send(&ServerFrame::Ping { position });
                self.last_told = now;
                self.outbox.push_back(Output::Ping);
                self.pinged = Some(now);
            }
            _ => {}
        }
    }

    /// Ends a session whose time is over, because its token has ended or no hello came, and a pause: a part of
    /// [`Session::handle_timeout`], for sessions that have so much to say that it does not come to that.
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

    /// When [`Session::handle_timeout`] has something to do, as time since the clock's start.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let alive = matches!(self.state, State::Open { .. }).then(|| {
            self.pinged.map_or_else(|| self.ping_due(), |pinged| pinged + self.settings.ping_timeout)
        });
        self.poll_expiry().into_iter().chain(alive).chain(self.paused_until).min()
    }

    /// When [`Session::handle_expiry`] has something to do.
    pub fn poll_expiry(&self) -> Option<Duration> {
        match self.state {
            State::AwaitsHello => Some(self.started + self.settings.hello_timeout),
            State::Open { .. } => self.expires.map(|expires| expires.since_start),
            State::Closed => None,
        }
    }

    /// A ping keeps a silent server visible to the client and a silent client to the server, and keeps the client's
    /// position from ageing out of the log where nothing of its topics happens.
    fn ping_due(&self) -> Duration {
        self.last_told.min(self.last_heard) + self.settings.heartbeat
    }
}
