//! Attempts to connect that fail, and when the client reports them to its user.

use tidings_shared::code::close;

use super::{Client, Now};
use crate::{
    ConnectionId, Error, Output, Payload,
    connection::{Connection, Stage},
    error::CONNECT_FAILED,
    limits::{QUIET_ATTEMPTS, QUIET_ATTEMPTS_OF_A_KNOWN_SERVER},
};

/// The failed attempts since the last session, or since the start.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    /// Attempts that failed and for which the server gave no reason.
    attempts: u32,
    /// The client has reported it.
    is_reported: bool,
    /// The client had a session before.
    knows_server: bool,
}

impl Outage {
    /// Ends the outage: the server has welcomed this client.
    pub(crate) fn end(&mut self) {
        *self = Self { knows_server: true, ..Self::default() };
    }

    /// Forgets the attempts, because nobody needs a connection any more.
    pub(crate) fn forget(&mut self) {
        *self = Self { knows_server: self.knows_server, ..Self::default() };
    }

    /// Counts a failed attempt. Returns the number of attempts if the client must report them: once, after some attempts or
    /// after one that took long.
    fn failed(&mut self, took_long: bool) -> Option<u32> {
        self.attempts = self.attempts.saturating_add(1);
        let quiet = if self.knows_server { QUIET_ATTEMPTS_OF_A_KNOWN_SERVER } else { QUIET_ATTEMPTS };
        let is_due = (took_long || self.attempts >= quiet) && !self.is_reported;
        self.is_reported |= is_due;
        is_due.then_some(self.attempts)
    }
}

impl<P: Payload> Client<P> {
    /// Reports an error of a WebSocket. If the WebSocket never opened, the attempt ends, because some environments then
    /// report no close. After an error of an open one, its close follows.
    pub fn handle_error(&mut self, connection: ConnectionId, now: Now) {
        if matches!(&self.connection, Connection::Trying { id, stage: Stage::Socket, .. } if *id == connection)
        {
            self.attempt_failed(None);
            self.reconnect(now);
        }
    }

    /// Reports that the environment refuses to open a WebSocket, for this reason.
    pub fn handle_refused(&mut self, connection: ConnectionId, reason: &str, now: Now) {
        if self.connection.socket() == Some(connection) {
            if !std::mem::replace(&mut self.outage.is_reported, true) {
                self.out.push(Output::Error(Error::connect_failed(reason.to_owned())));
            }
            self.connection_lost(close::ABNORMAL, now);
        }
    }

    /// Counts the current attempt as failed, and reports it to the user if that is due.
    pub(super) fn attempt_failed(&mut self, ended: Option<Ended>) {
        let Connection::Trying { stage, .. } = &self.connection else { return };
        if self.server_error.is_some() {
            // The server gave a reason, which the user has heard.
            return;
        }
        let opened = matches!(stage, Stage::Welcome);
        let took_long = matches!(ended, Some(Ended::Timeout));
        let Some(attempts) = self.outage.failed(took_long) else { return };
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

/// How an attempt to connect ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ended {
    /// The WebSocket was closed with this code.
    Code(u16),
    /// The server took too long.
    Timeout,
}
