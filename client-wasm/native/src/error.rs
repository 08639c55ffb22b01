//! The error of everything that the client does.

use std::{borrow::Cow, fmt};

use tidings_client_core as core;

/// What is wrong: a code for programs, and a sentence for people.
///
/// The code is the server's, or one of the client's own: `closed`, `offline_full`, `token_failed`, `connect_failed` and
/// `load_failed`. PROTOCOL.md lists the codes of the server. A newer server may send others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    code: Cow<'static, str>,
    message: Cow<'static, str>,
    is_final: bool,
}

/// A load took longer than the core allows.
pub(crate) const LOAD_FAILED: &str = "load_failed";

impl Error {
    /// A fault of the program, which comes again.
    pub(crate) fn of_program(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: code.into(), message: message.into(), is_final: true }
    }

    pub(crate) fn closed() -> Self {
        Self::of_program(core::error::CLOSED, "The client was closed: make a new one.")
    }

    /// The client goes on.
    pub(crate) fn passing(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: code.into(), message: message.into(), is_final: false }
    }

    /// The client goes on after this error, and tries again by itself where that makes sense.
    pub(crate) fn not_final(error: core::Error) -> Self {
        Self { code: error.code, message: error.message, is_final: false }
    }

    /// The client has given up what this error is about.
    pub(crate) fn of_end(error: core::Error) -> Self {
        Self { is_final: true, ..Self::not_final(error) }
    }

    /// An error of a request, which is final if the same request would fail again.
    pub(crate) fn of_request(error: core::Error) -> Self {
        Self { is_final: !error.may_retry(), ..Self::not_final(error) }
    }

    pub(crate) fn with_hint(mut self, hint: &str) -> Self {
        self.message = format!("{} {hint}", self.message).into();
        self
    }

    /// Returns the code, for programs.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Returns what is wrong and what to do, for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns whether the error is final: the topic is refused, the same request would fail again, or the client is closed.
    /// After any other error the client goes on, or the same request may succeed later.
    pub fn is_final(&self) -> bool {
        self.is_final
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Error {}
