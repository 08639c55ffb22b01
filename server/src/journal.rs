//! Journals: where a hub's history lives beyond its process.

#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "sqlite")]
pub use self::sqlite::{SqliteJournal, Synchronous};
