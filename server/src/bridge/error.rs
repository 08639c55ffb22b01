//! Why there is no feed, or no bridge.

use std::fmt;

/// Why there is no feed. The message says why, and the remedy. It has no secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceError {
    /// The store can't tell of its changes: a copy that nobody may write to, for example.
    NotSupported(String),
    /// The store does not answer, or a right is missing. The same may succeed later.
    Failed(String),
    /// What was asked for can't be.
    Invalid(String),
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::NotSupported(message) | Self::Failed(message) | Self::Invalid(message)) = self;
        f.write_str(message)
    }
}

impl std::error::Error for SourceError {}
