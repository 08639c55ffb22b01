//! Where a journal is: `memory`, `sqlite:PATH`, or `postgres://…`.

use std::{fmt, str::FromStr};

#[cfg(feature = "postgres")]
use crate::database_url;

/// Where a journal is. Parse it from `memory`, `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`.
///
/// It displays as a name without user, password and parameters.
///
/// ```
/// use tidings_server::JournalAddress;
///
/// let address: JournalAddress = "sqlite:data/events.journal".parse()?;
/// assert_eq!(address.to_string(), "sqlite:data/events.journal");
/// assert!("nats://localhost".parse::<JournalAddress>().is_err());
/// # Ok::<(), tidings_server::JournalAddressError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct JournalAddress(pub(super) Place);

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// In the process: a restart forgets it.
    Memory,
    /// In a file.
    #[cfg(all(unix, feature = "sqlite"))]
    Sqlite(std::path::PathBuf),
    /// In a database. This is the whole URL, with its secrets.
    #[cfg(feature = "postgres")]
    Postgres(String),
}

/// The text is not the address of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalAddressError(String);

impl FromStr for JournalAddress {
    type Err = JournalAddressError;

    fn from_str(text: &str) -> Result<Self, JournalAddressError> {
        match text.split_once(':') {
            None if text == "memory" => Ok(Self(Place::Memory)),
            Some(("sqlite", "")) => {
                Err(JournalAddressError("the journal `sqlite:` has no path; write sqlite:PATH".to_owned()))
            }
            #[cfg(all(unix, feature = "sqlite"))]
            Some(("sqlite", path)) => Ok(Self(Place::Sqlite(path.into()))),
            #[cfg(not(all(unix, feature = "sqlite")))]
            Some(("sqlite", _)) => Err(JournalAddressError(
                "this program was built without SQLite's journal; it needs the feature `sqlite` of tidings-server, and a Unix system"
                    .to_owned(),
            )),
            #[cfg(feature = "postgres")]
            Some(_) if database_url::is_postgres(text) => Ok(Self(Place::Postgres(text.to_owned()))),
            #[cfg(not(feature = "postgres"))]
            Some(("postgres" | "postgresql", _)) => Err(JournalAddressError(
                "this program was built without PostgreSQL's journal; it needs the feature `postgres` of tidings-server"
                    .to_owned(),
            )),
            // The rest may hold a password.
            found => {
                let kind = found.map_or(text, |(kind, _)| kind);
                Err(JournalAddressError(format!(
                    "a journal of the kind {kind:?} is not known; write memory, sqlite:PATH or postgres://…"
                )))
            }
        }
    }
}

impl fmt::Display for JournalAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Memory => f.write_str("memory"),
            #[cfg(all(unix, feature = "sqlite"))]
            Place::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            #[cfg(feature = "postgres")]
            Place::Postgres(url) => f.write_str(&database_url::public(url)),
        }
    }
}

/// Without the secrets.
impl fmt::Debug for JournalAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JournalAddress({self})")
    }
}

impl fmt::Display for JournalAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for JournalAddressError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_kind_or_an_empty_path_is_an_error_that_names_the_kinds() {
        for text in [
            "",
            "Memory",
            "memory:",
            "sqlite",
            "sqlite:",
            "events.journal",
            "nats://u:secret@h/d",
            "postgres:h",
        ] {
            let error = text.parse::<JournalAddress>().unwrap_err().to_string();
            assert!(error.contains("sqlite:PATH") && !error.contains("secret"), "{error}");
        }
    }
}
