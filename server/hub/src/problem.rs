//! A refusal, before it becomes an `error` frame or an HTTP problem.

use std::fmt;

use tidings_shared::Code;

/// A refusal: a code and a sentence that names the fault and the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The code on the wire.
    pub code: Code,
    /// A sentence for people.
    pub message: String,
}

impl Problem {
    /// Returns a refusal with this code and message.
    pub fn new(code: Code, message: impl fmt::Display) -> Self {
        Self { code, message: message.to_string() }
    }
}
