//! Errors, as the user of a client gets them.

use std::{borrow::Cow, fmt};

use tidings_shared::{Code, TopicError, TopicName};

/// The client is closed: its user closed it, or an error did that makes a reconnect useless.
pub const CLOSED: &str = "closed";
/// Too many publishes wait for an answer ([`MAX_PUBLISHES`](crate::limits::MAX_PUBLISHES)).
pub const OFFLINE_FULL: &str = "offline_full";
/// The user's token callback failed or took too long.
pub const TOKEN_FAILED: &str = "token_failed";
/// The client cannot connect. Either attempts fail and the server gives no reason, or the environment refuses to open a
/// WebSocket, for example an insecure one from a secure page. The client keeps trying.
pub const CONNECT_FAILED: &str = "connect_failed";

/// An error with a code. The code is the server's, or one of the client's own: [`CLOSED`], [`OFFLINE_FULL`],
/// [`TOKEN_FAILED`] and [`CONNECT_FAILED`]. A newer server may send codes that this client does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The kind of error, for programs.
    pub code: Cow<'static, str>,
    /// What is wrong and what to do, for people.
    pub message: Cow<'static, str>,
}

impl Error {
    #[inline]
    pub(crate) fn new(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: code.into(), message: message.into() }
    }

    /// An error for a code that the server sent without a message.
    pub(crate) fn of_code(code: Option<String>) -> Self {
        let code = code.unwrap_or_else(|| Code::Forbidden.as_str().to_owned());
        let message = match known(&code) {
            Some(Code::Forbidden) => "Not allowed, or it does not exist: the answer is the same.",
            Some(code) => code.meaning(),
            None => "The server refused it.",
        };
        Self::new(code, message)
    }

    /// Returns the same error with the topic's name before its message.
    pub(crate) fn about(&self, topic: &TopicName) -> Self {
        Self::new(self.code.clone(), format!("`{topic}`: {}", self.message))
    }

    /// The error that the code of a Close frame stands for, if any.
    pub(crate) fn of_close(close: u16) -> Option<Self> {
        let code = Code::ALL.iter().find(|code| code.close() == Some(close))?;
        let is_revoked = *code == Code::Forbidden;
        Some(Self::new(code.as_str(), if is_revoked { "The session was revoked." } else { code.meaning() }))
    }

    #[inline]
    pub(crate) fn closed() -> Self {
        Self::new(CLOSED, "The client was closed: make a new one.")
    }

    /// Makes the error for an event that is invalid, or is not what its domain declares.
    #[inline]
    pub fn invalid_event(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::InvalidEvent.as_str(), message)
    }

    /// Makes the error for a client that cannot connect.
    #[inline]
    pub fn connect_failed(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(CONNECT_FAILED, message)
    }

    pub(crate) fn of_topic(topic: &str, error: &TopicError) -> Self {
        Self::new(Code::InvalidTopic.as_str(), format!("`{topic}` is not a topic: {error}"))
    }

    /// Returns whether the same request may succeed later, unchanged.
    pub fn may_retry(&self) -> bool {
        match &*self.code {
            OFFLINE_FULL | TOKEN_FAILED | CONNECT_FAILED => true,
            code => known(code).is_some_and(Code::may_retry),
        }
    }
}

fn known(code: &str) -> Option<Code> {
    Code::ALL.iter().copied().find(|known| known.as_str() == code)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_whether_to_retry_without_matching_on_text() {
        assert!(Error::of_code(Some("rate_limited".to_owned())).may_retry());
        assert!(!Error::of_code(Some("invalid_event".to_owned())).may_retry());
        assert!(!Error::of_code(Some("a_code_of_next_year".to_owned())).may_retry());
        assert!(!Error::closed().may_retry());
        assert!(Error::new(OFFLINE_FULL, "").may_retry());
        assert!(Error::connect_failed("").may_retry());
    }

    #[test]
    fn close_codes_become_the_codes_of_the_table() {
        let code = |close| Error::of_close(close).map(|error| error.code.into_owned());
        assert_eq!(code(4400).as_deref(), Some("invalid_frame"));
        assert_eq!(code(4401).as_deref(), Some("unauthorized"));
        assert_eq!(code(4403).as_deref(), Some("forbidden"));
        assert_eq!(code(1006), None);
    }
}
