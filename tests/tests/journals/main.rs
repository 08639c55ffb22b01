//! The kinds of journals, each by the contract of all, and by its own files; and the program with a journal.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod away;
mod commands;
mod full;
mod place;
mod postgres;
mod process;
mod restart;
mod sqlite;
