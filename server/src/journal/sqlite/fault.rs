//! What goes wrong with a journal's file, and the remedy.

use std::{fmt, io};

use rusqlite::ErrorCode;

/// What went wrong.
#[derive(Debug)]
pub(super) enum Fault {
    /// SQLite's error.
    Sqlite(rusqlite::Error),
    /// The system's error.
    Io(io::Error),
    /// Somebody has written or replaced the file under this process.
    Replaced,
    /// What is wrong, and the remedy.
    Said(String),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Fault {
    /// Returns whether what is in the file is damaged. Other parts of it may be good.
    pub(super) fn is_damage(&self) -> bool {
        match self {
            Self::Said(text) => text.starts_with(DAMAGED),
            Self::Sqlite(error) => match error.sqlite_error_code() {
                Some(code) => {
                    matches!(code, ErrorCode::DatabaseCorrupt | ErrorCode::ConstraintViolation)
                }
                // A value has another type.
                None => true,
            },
            Self::Io(_) | Self::Replaced => false,
        }
    }

    pub(super) fn said(text: impl Into<String>) -> Self {
        Self::Said(text.into())
    }
}

/// Goes on from the name of the journal.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(text) => f.write_str(text),
            Self::Replaced => f.write_str(
                "somebody has written or replaced its file under the running server; it is read again in a moment",
            ),
            Self::Io(error) => write!(f, "{}: {error}", remedy_of(error.kind())),
            Self::Sqlite(error) => write!(f, "{}: {error}", remedy(error)),
        }
    }
}

fn remedy(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => FULL,
        Some(ErrorCode::ReadOnly) => READ_ONLY,
        Some(ErrorCode::CannotOpen) => {
            "it can't be opened; check its folder and the rights of this user there"
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => DAMAGED,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program has locked it; end that program, or its transaction"
        }
        Some(ErrorCode::SystemIoFailure) => "reading or writing it fails; check the disk and its free space",
        _ => "SQLite fails",
    }
}

fn remedy_of(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FULL,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => READ_ONLY,
        _ => "its file can't be used; check its folder and the rights of this user there",
    }
}

const FULL: &str = "the disk is full; make room, and publishing goes on";
const READ_ONLY: &str =
    "it can't be written; give this user the right to write to the file and to its folder";
pub(super) const DAMAGED: &str =
    "it is damaged; put a good copy there, or move the file away to begin with an empty journal";
