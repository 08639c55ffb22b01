//! What went wrong with a database, and the remedy.

use std::error::Error as _;

use tokio_postgres::{Error, error::SqlState};

/// The remedy for a server that can't be reached.
pub(super) const IS_IT_THERE: &str = ": is a PostgreSQL server there? Check the host and the port";

/// What tokio-postgres says of a server that takes no writes.
pub(crate) const READ_ONLY: &str = "database does not allow writes";

/// Describes an error in a sentence without secrets.
pub(super) fn describe(name: &str, error: &Error) -> String {
    let reason = reason(error);
    format!("{name}: {reason}{}", remedy(error, &reason))
}

/// Returns what the innermost cause says. The outer ones only say during what it happened.
fn reason(error: &Error) -> String {
    if let Some(refusal) = error.as_db_error() {
        let hint = refusal.hint().map(|hint| format!(": {hint}"));
        return format!("{}{}", refusal.message(), hint.unwrap_or_default());
    }
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        reason = inner.to_string();
        cause = inner.source();
    }
    reason
}

/// Whether nobody answers, or a server that is not ready: the same settings may be right later.
pub(super) fn is_away(error: &Error) -> bool {
    match error.code() {
        Some(code) => *code == SqlState::TOO_MANY_CONNECTIONS || *code == SqlState::CANNOT_CONNECT_NOW,
        // A standby may become the primary.
        None => {
            let reason = reason(error);
            remedy(error, &reason) == IS_IT_THERE || reason == READ_ONLY || error.is_closed()
        }
    }
}

fn remedy(error: &Error, reason: &str) -> &'static str {
    let Some(code) = error.code() else {
        return match reason {
            _ if reason.contains("certificate") => {
                ": name the certificate of its authority by sslrootcert=FILE in the URL"
            }
            _ if reason.contains("TLS") => {
                ": configure TLS in the server, or write sslmode=disable in the URL"
            }
            _ if reason == READ_ONLY => ": name the primary server",
            _ if error.is_closed() => "",
            _ => IS_IT_THERE,
        };
    };
    match *code {
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            ": check the user and the password in the URL"
        }
        SqlState::INVALID_CATALOG_NAME => ": create the database, or correct its name in the URL",
        // PostgreSQL names the role or the database.
        SqlState::TOO_MANY_CONNECTIONS if reason.contains("for role") || reason.contains("for database") => {
            ": raise its CONNECTION LIMIT"
        }
        SqlState::READ_ONLY_SQL_TRANSACTION => {
            ": name the primary server, or remove default_transaction_read_only from the settings of this user and database"
        }
        SqlState::LOCK_NOT_AVAILABLE => {
            ": another transaction holds a lock on this table: look at pg_locks, and end it or try again later"
        }
        SqlState::QUERY_CANCELED if reason.contains("statement timeout") => {
            ": remove statement_timeout from the settings of this user and database, or raise it to 10 s"
        }
        SqlState::TOO_MANY_CONNECTIONS => ": raise max_connections, or use a pool such as pgbouncer",
        _ => "",
    }
}
