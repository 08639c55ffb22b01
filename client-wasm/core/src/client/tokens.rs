//! Tokens: one for each connection, and a fresh one before the old one ends.
//!
//! The server refuses a token of another person for an open session, because the session's topics, and the data that was
//! loaded, were for the first person. The client takes such a token to a new session without a position, so that everything is
//! loaded again.

use tidings_shared::{Code, frame::ClientFrame};

use super::{Client, Now};
use crate::{
    ConnectionId, Error, Output, Payload,
    connection::{Connection, Stage},
    error::TOKEN_FAILED,
    refresh::Refresh,
};

impl<P: Payload> Client<P> {
    /// Reports the answer to [`Output::Token`]: a token, no token, or why there is none.
    ///
    /// Without a fresh token that the server accepts, an open session keeps its old token until the server ends it.
    pub fn handle_token(
        &mut self,
        connection: ConnectionId,
        token: Result<Option<String>, String>,
        now: Now,
    ) {
        match (&mut self.connection, token) {
            (Connection::Trying { id, stage: Stage::Token, .. }, token) if *id == connection => match token {
                Ok(token) => {
                    self.token = token;
                    self.open_socket(connection, now);
                }
                Err(message) => self.token_failed(message, now),
            },
            (Connection::Open { id, refresh, .. }, token) if *id == connection => match token {
                // A token that comes too late is still better than the old one.
                Ok(Some(token)) if self.token.as_ref() != Some(&token) && !refresh.is_sent(None) => {
                    self.last_ref += 1;
                    let r#ref = self.last_ref;
                    refresh.sent(r#ref);
                    self.token = Some(token.clone());
                    self.send(ClientFrame::Token { r#ref, token }, now);
                }
                Err(message) if refresh.is_asked() => self.token_failed(message, now),
                Ok(_) if refresh.is_asked() => refresh.plan(now),
                _ => {}
            },
            _ => {}
        }
    }

    /// Reports that the user gave no token, and plans another attempt.
    pub(super) fn token_failed(&mut self, message: String, now: Now) {
        self.out.push(Output::Error(Error::new(TOKEN_FAILED, message)));
        match self.connection.refresh_mut() {
            Some(refresh) => refresh.plan(now),
            None => self.wait_to_reconnect(now),
        }
    }

    /// Asks the user for a fresh token, if it is time.
    pub(super) fn refresh_token(&mut self, now: Now) {
        let Connection::Open { id, refresh, .. } = &mut self.connection else { return };
        if refresh.timeout_ms().is_none_or(|due| now.ms < due) {
            return;
        }
        if refresh.is_asked() {
            return self.token_failed(TOO_SLOW.to_owned(), now);
        }
        refresh.asked(now);
        self.out.push(Output::Token { connection: *id });
    }

    /// Handles the server's answer that a fresh token is accepted and lives for so long.
    pub(super) fn token_accepted(&mut self, r#ref: u64, life_ms: Option<u64>, now: Now) {
        if let Some(refresh) = self.connection.refresh_mut().filter(|refresh| refresh.is_sent(Some(r#ref))) {
            *refresh = Refresh::new(life_ms, now);
        }
    }

    /// Handles the server's answer that a fresh token is refused.
    pub(super) fn token_refused(&mut self, error: Error, now: Now) {
        if error.code == Code::Forbidden.as_str() {
            // It is the token of another person: data that was loaded for the first one must be loaded again.
            self.position = None;
            return self.reconnect(now);
        }
        self.out.push(Output::Error(error));
        if let Some(refresh) = self.connection.refresh_mut() {
            refresh.plan(now);
        }
    }
}

pub(super) const TOO_SLOW: &str = "The token callback took too long.";
