//! The kinds of journals, each by the contract of all, and by its own files.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod place;
mod sqlite;
