//! Makes, checks and counts a journal.

use tokio_postgres::types::Type;
use uuid::Uuid;

use super::{
    column::column,
    refusal::{INIT, explained, forbidden, missing},
    schema,
};
use crate::postgres::{Database, Fault, Session};

/// The functions that a node calls.
const FUNCTIONS: [&str; 14] = [
    "append",
    "add_tenant",
    "tenant_names",
    "recent",
    "follow",
    "news",
    "renew",
    "revoke",
    "revocations",
    "trim",
    "journal_status",
    "journal_id",
    "sequence",
    "stop_sequencing",
];

/// How many of them are there, and whether this user may execute those.
const MAY_CALL: &str = "SELECT count(DISTINCT proname), \
    coalesce(bool_and(has_function_privilege(oid, 'EXECUTE') AND has_schema_privilege('tidings', 'USAGE')), true) \
    FROM pg_proc WHERE pronamespace = to_regnamespace('tidings') AND proname = ANY ($1)";

#[cfg(feature = "cli")]
const STATUS: &str =
    "SELECT tenants, entries, oldest_at, keys, revocations, bytes FROM tidings.journal_status()";

/// Checks that there is a journal that this version knows, and that this user may use. Returns the journal's id.
pub(super) async fn check(database: &Database, session: &Session) -> Result<Uuid, String> {
    let name = database.name();
    let found = match version(session).await {
        Ok(found) => found.ok_or_else(|| missing(name))?,
        Err(fault) => return Err(explained(database, session, fault).await),
    };
    let (version, oldest) = found;
    if oldest > schema::VERSION {
        return Err(format!(
            "{name}: the journal has version {version}, and this server knows version {}; use a newer tidings",
            schema::VERSION
        ));
    }
    let functions = FUNCTIONS.as_slice();
    let may = match session.query_one(MAY_CALL, &[(&functions, Type::TEXT_ARRAY)]).await {
        Ok(row) => row,
        Err(fault) => return Err(explained(database, session, fault).await),
    };
    if column::<i64>(&may, 0) != Some(FUNCTIONS.len() as i64) {
        return Err(format!("{name}: functions of the journal are missing; {INIT}"));
    }
    if column(&may, 1) != Some(true) {
        return Err(forbidden(database, session).await);
    }
    check_settings(name, session).await?;
    match session.query_one("SELECT tidings.journal_id()", &[]).await {
        Ok(row) => {
            column(&row, 0).ok_or_else(|| format!("{name}: the table tidings.journal is empty; {INIT}"))
        }
        Err(fault) => Err(explained(database, session, fault).await),
    }
}

async fn version(session: &Session) -> Result<Option<(i32, i32)>, Fault> {
    let statement = "SELECT version, oldest FROM tidings.versions WHERE part = 'journal'";
    let rows = session.query(statement, &[]).await?;
    Ok(rows.first().and_then(|row| column(row, 0).zip(column(row, 1))))
}

/// Refuses a database that changes texts on their way, and a database with another isolation level than read committed.
async fn check_settings(name: &str, session: &Session) -> Result<(), String> {
    let statement = "SELECT current_setting('server_encoding'), current_setting('transaction_isolation')";
    let row = session.query_one(statement, &[]).await.map_err(|fault| fault.message)?;
    let setting = |index| column::<&str>(&row, index).unwrap_or_default();
    let (encoding, isolation) = (setting(0), setting(1));
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
        Ok(Some((version, _))) if version > schema::VERSION => {
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
    let number = |index: usize| {
        column::<Option<i64>>(&row, index).flatten().and_then(|number| u64::try_from(number).ok())
    };
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
