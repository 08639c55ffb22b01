//! Where an outbox is: `sqlite:PATH`, or `postgres://…`.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use crate::database_url;

/// Where an outbox is. Parse it from `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`.
///
/// It displays as a name without user, password and parameters.
///
/// ```
/// use tidings_server::OutboxAddress;
///
/// let address: OutboxAddress = "postgres://app:secret@db.example.com/shop?sslmode=require".parse()?;
/// assert_eq!(address.to_string(), "postgres://db.example.com/shop");
/// assert!("mysql://db.example.com/shop".parse::<OutboxAddress>().is_err());
/// # Ok::<(), tidings_server::OutboxAddressError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct OutboxAddress(pub(super) Database);

/// The database of an outbox.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Database {
    /// The application's file.
    Sqlite(PathBuf),
    /// The whole URL, with its secrets.
    Postgres(String),
}

/// The text is not the address of an outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxAddressError(String);

#[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "it serves the command line"))]
impl OutboxAddress {
    /// Returns the path of a SQLite file.
    pub(crate) fn sqlite_path(&self) -> Option<&Path> {
        if let Database::Sqlite(path) = &self.0 { Some(path) } else { None }
    }

    /// Returns the URL of a PostgreSQL database, with its secrets.
    pub(crate) fn postgres_url(&self) -> Option<&str> {
        if let Database::Postgres(url) = &self.0 { Some(url) } else { None }
    }
}

impl FromStr for OutboxAddress {
    type Err = OutboxAddressError;

    fn from_str(text: &str) -> Result<Self, OutboxAddressError> {
        let kind = text.split(':').next().unwrap_or_default();
        match (kind, text.strip_prefix("sqlite:")) {
            (_, Some("")) => Err(OutboxAddressError("`sqlite:` needs a path: write sqlite:PATH".to_owned())),
            (_, Some(path)) => Ok(Self(Database::Sqlite(path.into()))),
            _ if database_url::is_postgres(text) => Ok(Self(Database::Postgres(text.to_owned()))),
            // The text may hold a password, so the message names the kind only.
            _ => Err(OutboxAddressError(format!(
                "an outbox of the kind {kind:?} is not known: write sqlite:PATH or postgres://…"
            ))),
        }
    }
}

impl fmt::Display for OutboxAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Database::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Database::Postgres(url) => f.write_str(&database_url::public(url)),
        }
    }
}

/// Without the secrets.
impl fmt::Debug for OutboxAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutboxAddress({self})")
    }
}

impl fmt::Display for OutboxAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OutboxAddressError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_no_secret() {
        let name = |text: &str| text.parse::<OutboxAddress>().map(|address| format!("{address} {address:?}"));
        for (text, expected) in [
            ("sqlite:data/app.db", "sqlite:data/app.db"),
            ("postgres://h/d", "postgres://h/d"),
            ("postgres://h", "postgres://h"),
            ("postgresql://u:p%40@h:5432/d?password=secret", "postgres://h:5432/d"),
            ("postgres://u:p@ss@h?password=secret", "postgres://h"),
            ("postgres://u:se?cret@h/d", "postgres://…"),
            ("postgres://u:se/cret@h/d", "postgres://…"),
            ("postgres://h/d?password=se@cret", "postgres://…"),
        ] {
            assert_eq!(name(text).unwrap(), format!("{expected} OutboxAddress({expected})"));
        }
    }

    #[test]
    fn an_unknown_kind_or_an_empty_path_is_an_error_that_names_the_kinds() {
        for text in ["", "app.db", "sqlite", "sqlite:", "postgres:h", "mysql://u:secret@h/d"] {
            let error = text.parse::<OutboxAddress>().unwrap_err().to_string();
            assert!(error.contains("sqlite:PATH") && !error.contains("secret"), "{error}");
        }
    }
}
