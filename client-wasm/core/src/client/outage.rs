//! Attempts to connect that fail, and when the user hears of them.

use super::{Client, Now};
use crate::{
    ConnectionId, Error, Output,
    connection::{Connection, Stage},
    error::CONNECT_FAILED,
    limits::{QUIET_ATTEMPTS, QUIET_ATTEMPTS_OF_A_KNOWN_SERVER},
};

/// The time since the last session, or since the start.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    /// Attempts that failed although the server did not say why.
    attempts: u32,
    /// The user has heard of it.
    is_told: bool,
    /// There was a session before.
    knows_server: bool,
}

impl Outage {
    /// The server has welcomed this client.
    pub(crate) fn over(&mut self) {
        *self = Self { knows_server: true, ..Self::default() };
    }

    /// Nobody wants a connection any more.
    pub(crate) fn forget(&mut self) {
        *self = Self { knows_server: self.knows_server, ..Self::default() };
    }

    /// Counts an attempt that failed. Returns their number when the user is to hear of it, once: after some, or after one
    /// that took long.
    fn failed(&mut self, took_long: bool) -> Option<u32> {
        self.attempts = self.attempts.saturating_add(1);
        let quiet = if self.knows_server { QUIET_ATTEMPTS_OF_A_KNOWN_SERVER } else { QUIET_ATTEMPTS };
        let is_due = (took_long || self.attempts >= quiet) && !self.is_told;
        self.is_told |= is_due;
        is_due.then_some(self.attempts)
    }
}

impl<P: Clone> Client<P> {
    /// The WebSocket reported an error. It ends one that never opened: some environments report no close then. An error
    /// of an open one is followed by its close.
    pub fn handle_error(&mut self, connection: ConnectionId, now: Now) {
        if matches!(&self.connection, Connection::Trying { id, stage: Stage::Socket, .. } if *id == connection)
        {
            self.attempt_failed(None);
            self.give_up(now);
        }
    }

    /// The environment refuses to make a WebSocket at all, for this reason.
    pub fn handle_refused(&mut self, connection: ConnectionId, reason: &str, now: Now) {
        if self.connection.socket() == Some(connection) {
            if !std::mem::replace(&mut self.outage.is_told, true) {
                self.out.push(Output::Error(Error::connect_failed(reason.to_owned())));
            }
            self.lost(super::NO_CLOSE_CODE, now);
        }
    }

    /// The present attempt has failed: with this close code, or with none, or because nothing came in time.
    pub(super) fn attempt_failed(&mut self, ended: Option<Ended>) {
        let Connection::Trying { stage, .. } = &self.connection else { return };
        // What the server said was told.
        let has_said_why = self.complaint.is_some();
        let opened = matches!(stage, Stage::Welcome);
        let took_long = matches!(ended, Some(Ended::Timeout));
        let Some(attempts) = (if has_said_why { None } else { self.outage.failed(took_long) }) else {
            return;
        };
        let how = match (opened, ended) {
            (false, Some(Ended::Timeout)) => "did not open in time",
            (false, _) => "never opened",
            (true, Some(Ended::Code(code))) => {
                &*format!("opened and was closed with code {code} before the server's welcome")
            }
            (true, _) => "opened, and the server's welcome did not come in time",
        };
        let (s, last) = if attempts == 1 { ("", "") } else { ("s", "in the last one ") };
        let message = format!("{attempts} attempt{s} to connect failed: {last}the WebSocket {how}.");
        self.out.push(Output::Error(Error::new(CONNECT_FAILED, message)));
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ended {
    /// By a close with this code.
    Code(u16),
    /// The server took too long.
    Timeout,
}
