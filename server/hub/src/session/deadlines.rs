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
        let (ping_due, hears_no_pong) = (self.ping_due(), self.hears_no_pong());
        let State::Open { follower, .. } = &mut self.state else { return };
        match self.pinged {
            Some(pinged) if !hears_no_pong && now >= pinged + self.settings.ping_timeout => {
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

    /// Ends a session if its token has expired, or if its hello did not come in time. Ends a pause, and the wait for an answer that
    /// is late. This is a part of [`Session::handle_timeout`], for sessions that are busy sending.
    pub fn handle_expiry(&mut self, now: Moment) {
        self.handle_late_answer(now);
        self.end_late_pause(now.since_start);
        let is_token_over = self.expires.is_some_and(|expires| expires.has_come(now));
        if self.is_closed() || !is_token_over && self.poll_expiry().is_none_or(|at| now.since_start < at) {
            return;
        }
        if self.awaits_hello() {
            let message = format!("no hello came within {:?}", self.settings.hello_timeout);
            self.end(None, Code::HelloTimeout, message);
        } else {
            let message = "the token has expired; come back with a fresh one".to_owned();
            self.end(None, Code::TokenExpired, message);
        }
    }

    /// Returns when [`Session::handle_timeout`] has something to do, as time since the clock's start.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let alive = match (&self.state, self.pinged) {
            (State::Open { .. }, None) => Some(self.ping_due()),
            (State::Open { .. }, Some(pinged)) if !self.hears_no_pong() => {
                Some(pinged + self.settings.ping_timeout)
            }
            _ => None,
        };
        let paused_until = self.paused_until.filter(|_| self.asking.is_none());
        self.poll_expiry().into_iter().chain(alive).chain(paused_until).min()
    }

    /// Returns whether the session reads nothing, because a question is open, or because too many publishes wait for the
    /// journal. Then it can't read the answer to a ping.
    fn hears_no_pong(&self) -> bool {
        self.asking.is_some() || self.publishing.is_full()
    }

    /// Returns when [`Session::handle_expiry`] has something to do.
    pub fn poll_expiry(&self) -> Option<Duration> {
        let due = match self.state {
            State::AwaitsHello if self.asking.is_some() => None,
            State::AwaitsHello => Some(self.started + self.settings.hello_timeout),
            State::Open { .. } => self.expires.map(|expires| expires.since_start),
            State::Closed => None,
        };
        self.answer_due().into_iter().chain(due).min()
    }

    /// Returns when the next ping is due. A ping shows the client that the server is there, and the answer shows that
    /// the client is there. It also tells the client a newer position. Otherwise, while its topics are quiet,
    /// the log would evict the entries after the client's position.
    fn ping_due(&self) -> Duration {
        self.last_told.min(self.last_heard) + self.settings.heartbeat
    }
}
