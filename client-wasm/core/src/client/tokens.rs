//! Tokens: one for each connection, and a fresh one before it ends.

use tidings_shared::{Code, frame::ClientFrame};

use super::{Client, Now};
use crate::{
    ConnectionId, Error, Output,
    connection::{Connection, Stage},
    error::TOKEN_FAILED,
    refresh::Refresh,
};

impl<P: Clone> Client<P> {
    /// The answer to [`Output::Token`]: a token, none, or what went wrong.
    ///
    /// A session that is open goes on with what it has when there is no other token, or none that the server takes, until
    /// the server ends it.
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
                // Late is better than never.
                Ok(Some(token)) if self.token.as_ref() != Some(&token) && !refresh.is_sent(None) => {
                    self.last_ref += 1;
                    let r#ref = self.last_ref;
                    refresh.sent(r#ref);
                    self.token = Some(token.clone());
                    self.send(ClientFrame::Token { r#ref, token }, now);
                }
                Err(message) if refresh.is_asked() => self.token_failed(message, now),
                Ok(_) if refresh.is_asked() => refresh.again(now),
                _ => {}
            },
            _ => {}
        }
    }

    /// The user has given no token in time, or an error.
    pub(super) fn token_failed(&mut self, message: String, now: Now) {
        self.out.push(Output::Error(Error::new(TOKEN_FAILED, message)));
        match self.connection.refresh_mut() {
            Some(refresh) => refresh.again(now),
            None => self.wait(now),
        }
    }

    /// Asks for a fresh token in time.
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

    /// The server has taken a fresh token that lives for so long.
    pub(super) fn token_accepted(&mut self, r#ref: u64, life_ms: Option<u64>, now: Now) {
        if let Some(refresh) = self.connection.refresh_mut().filter(|refresh| refresh.is_sent(Some(r#ref))) {
            *refresh = Refresh::new(life_ms, now);
        }
    }

    /// The server has not taken a fresh token.
    pub(super) fn token_refused(&mut self, error: Error, now: Now) {
        if error.code == Code::Forbidden.as_str() {
            // It is somebody else's: what was loaded so far was for another.
            self.position = None;
            return self.give_up(now);
        }
        self.out.push(Output::Error(error));
        if let Some(refresh) = self.connection.refresh_mut() {
            refresh.again(now);
        }
    }
}

pub(super) const TOO_SLOW: &str = "The token callback took too long.";
