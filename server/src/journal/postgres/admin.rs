//! Makes, checks and counts a journal.

use uuid::Uuid;

use super::schema;
use crate::postgres::{Database, Fault, Session};

const NODE_FUNCTIONS: &str = "SELECT coalesce(bool_and(has_function_privilege(oid, 'EXECUTE')), false) FROM pg_proc \
    WHERE pronamespace = 'tidings'::regnamespace AND proname = ANY (ARRAY['append', 'add_tenant', 'tenant_names', 'recent', 'follow', \
    'news', 'renew', 'revoke', 'revocations', 'trim', 'journal_status', 'journal_id', \
    'sequence', 'stop_sequencing'])";

#[cfg(feature = "cli")]
const STATUS: &str =
    "SELECT tenants, entries, oldest_at, keys, revocations, bytes FROM tidings.journal_status()";

/// Checks that there is a journal that this version knows, and that this user may use. Returns the journal's id.
pub(super) async fn check(database: &Database, session: &Session) -> Result<Uuid, String> {
    let name = database.name();
    let missing = || {
        format!(
            "{name}: there is no journal; run `tidings journal init --journal postgres://…` as the owner of the database"
        )
    };
    let forbidden = || {
        let user = database.user();
        format!(
            "{name}: the user {user} may not use the journal; let the owner run `GRANT tidings_node TO {user}`"
        )
    };
    let refused = |fault: Fault| match fault {
        fault if fault.is_missing() => missing(),
        fault if fault.is_forbidden() => forbidden(),
        fault => fault.message,
    };
    let (version, oldest) = version(session).await.map_err(refused)?.ok_or_else(missing)?;
    if oldest > schema::VERSION {
        return Err(format!(
            "{name}: the journal has version {version}, and this server knows version {}; use a newer tidings",
            schema::VERSION
        ));
    }
    if !session.query_one(NODE_FUNCTIONS, &[]).await.map_err(refused)?.get::<_, bool>(0) {
        return Err(forbidden());
    }
    check_settings(name, session).await?;
    Ok(session.query_one("SELECT tidings.journal_id()", &[]).await.map_err(refused)?.get(0))
}

async fn version(session: &Session) -> Result<Option<(i32, i32)>, Fault> {
    let statement = "SELECT version, oldest FROM tidings.versions WHERE part = 'journal'";
    let rows = session.query(statement, &[]).await?;
    Ok(rows.first().map(|row| (row.get(0), row.get(1))))
}

/// Refuses a database that changes texts on their way, or that lets a function see only what was there when it was called.
async fn check_settings(name: &str, session: &Session) -> Result<(), String> {
    let statement = "SELECT current_setting('server_encoding'), current_setting('transaction_isolation')";
    let row = session.query_one(statement, &[]).await.map_err(|fault| fault.message)?;
    let (encoding, isolation): (&str, &str) = (row.get(0), row.get(1));
    if encoding != "UTF8" {
        return Err(format!(
            "{name}: it has the encoding {encoding}; a journal needs a database with the encoding UTF8"
        ));
    }
    if isolation != "read committed" {
        return Err(format!(
            "{name}: default_transaction_isolation is {isolation}; a journal needs `read committed` for this user"
        ));
    }
    Ok(())
}

/// Makes the tables and functions that are missing.
#[cfg(feature = "cli")]
pub(super) async fn init(database: &Database, session: &Session) -> Result<(), String> {
    let name = database.name();
    match version(session).await {
        Ok(Some((version, oldest))) if oldest > schema::VERSION => {
            return Err(format!(
                "{name}: a newer tidings has made the journal, with version {version}; use a newer tidings"
            ));
        }
        Ok(_) => {}
        Err(fault) if fault.is_missing() => {}
        Err(fault) => return Err(cannot_init(fault)),
    }
    check_settings(name, session).await?;
    session.batch(schema::SCHEMA).await.map_err(cannot_init)?;
    check(database, session).await.map(drop)
}

#[cfg(feature = "cli")]
fn cannot_init(fault: Fault) -> String {
    if !fault.is_forbidden() {
        return fault.message;
    }
    format!(
        "{}; run this as the owner of the database, or let the owner run the SQL that `--print` prints",
        fault.message
    )
}

/// Counts what is in the journal.
#[cfg(feature = "cli")]
pub(super) async fn status(_: &Database, session: &Session) -> Result<super::super::Status, String> {
    let row = session.query_one(STATUS, &[]).await.map_err(|fault| fault.message)?;
    let number =
        |index: usize| row.get::<_, Option<i64>>(index).and_then(|number| u64::try_from(number).ok());
    let count = |index| number(index).unwrap_or_default();
    Ok(super::super::Status {
        is_in_use: None,
        tenants: count(0),
        entries: count(1),
        oldest_at: number(2),
        keys: count(3),
        revocations: count(4),
        bytes: count(5),
    })
}
