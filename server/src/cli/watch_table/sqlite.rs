//! The triggers of SQLite. They write rows of `tidings_outbox` in the transaction of the application's write.

mod file;
mod triggers;

use rusqlite::Connection;
use tidings_hub::TenantId;
use tidings_shared::{Domains, RawEvent, schema::DomainSchema};

pub(super) use self::file::{Watched, check, execute, lost, open, remove_sql, watch_sql};
use self::triggers::triggers;
use super::{
    declaration::Declaration,
    event::{Row, event, tenant},
    plan::{Column, Event, Holds, Plan, plan, unknown},
};
use crate::sqlite_table::{self, Table, TableError, identifier};

/// Rows of the table that are tried before the triggers are made.
const TRIED_ROWS: usize = 1_000;

/// A trigger, with the end of its name.
type Trigger = (&'static str, String);

/// What a declaration comes to.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) table: Table,
    pub(super) triggers: Vec<Trigger>,
    /// What the user should know.
    pub(super) notes: Vec<String>,
}

/// Makes the triggers of a declaration, and tries its events with rows that are there.
///
/// # Errors
/// The first fault of the declaration, with its remedy.
pub(super) fn declared(
    connection: &Connection,
    declaration: &Declaration,
    domain: &DomainSchema,
    domains: &Domains,
) -> Result<Declared, String> {
    let (table, mut plan) = planned(connection, declaration, domain)?;
    let mut notes = std::mem::take(&mut plan.notes);
    for each in &plan.events {
        notes.extend(tried(connection, &table, &plan, each, domain, domains)?);
    }
    if declaration.deleted.is_some() {
        for index in &table.opaque_indexes {
            notes.push(format!(
                "if REPLACE removes a row because of the index `{index}`, nobody hears of it: the index is of an expression, \
                 or of a part of the table"
            ));
        }
    }
    let triggers = triggers(&table, domain, &plan);
    Ok(Declared { table, triggers, notes })
}

/// Makes the triggers of a declaration.
fn made(
    connection: &Connection,
    declaration: &Declaration,
    domain: &DomainSchema,
) -> Result<Vec<Trigger>, String> {
    planned(connection, declaration, domain).map(|(table, plan)| triggers(&table, domain, &plan))
}

fn planned(
    connection: &Connection,
    declaration: &Declaration,
    domain: &DomainSchema,
) -> Result<(Table, Plan), String> {
    let table = read(connection, declaration.table())?;
    let columns: Vec<Column> = table.columns.iter().map(column).collect();
    let plan = plan(declaration, domain, &columns)?;
    Ok((table, plan))
}

fn read(connection: &Connection, name: &str) -> Result<Table, String> {
    Table::read(connection, name).map_err(|error| match error {
        TableError::Missing => match sqlite_table::names(connection) {
            Ok(names) => unknown("there is no table", name, names.iter().map(String::as_str)),
            Err(error) => error.to_string(),
        },
        TableError::NoTable(kind) if kind == "own" => {
            format!("`{name}` is a table of SQLite or of Tidings: name a table of the application")
        }
        TableError::NoTable(kind) => {
            format!("`{name}` is a {kind}, which has no such triggers: name the table with the rows")
        }
        TableError::NoRowid => format!(
            "the table `{name}` has columns named rowid, _rowid_ and oid, so a trigger can't name a row: rename one of them"
        ),
        TableError::Database(error) => error.to_string(),
    })
}

fn column(column: &sqlite_table::Column) -> Column {
    let sqlite_table::Column { name, declared, is_not_null, is_in_key, .. } = column;
    Column {
        name: name.clone(),
        declared: if declared.is_empty() { "of any type".to_owned() } else { declared.clone() },
        may_be_null: !is_not_null && !is_in_key,
        holds: holds(declared),
    }
}

/// A column of a type that SQLite does not know may have any value.
fn holds(declared: &str) -> Holds {
    let declared = declared.to_ascii_uppercase();
    let kinds: [(&[&str], Holds); 8] = [
        (&["JSON"], Holds::Json),
        (&["UUID", "GUID", "UNIQUEIDENTIFIER"], Holds::Uuids),
        (&["BOOL"], Holds::Bools),
        // From here on in the order of SQLite's own rules.
        (&["INT"], Holds::Integers),
        (&["CHAR", "CLOB", "TEXT"], Holds::Texts),
        (&["BLOB", "BINARY"], Holds::Bytes),
        (&["REAL", "FLOA", "DOUB"], Holds::Reals),
        (&["NUMERIC", "DECIMAL"], Holds::Numerics),
    ];
    let has = |parts: &[&str]| parts.iter().any(|part| declared.contains(part));
    kinds.into_iter().find(|(parts, _)| has(parts)).map_or(Holds::Anything, |(_, holds)| holds)
}

/// Makes the event of some rows that are there, as if they had changed. Returns a note if the server would refuse some.
///
/// # Errors
/// The server would refuse all of them, so the declaration is wrong.
fn tried(
    connection: &Connection,
    table: &Table,
    plan: &Plan,
    each: &Event,
    domain: &DomainSchema,
    domains: &Domains,
) -> Result<Option<String>, String> {
    let row = Row::as_if(each.operation);
    let sql = format!(
        "SELECT {}, {} FROM {} AS t LIMIT {TRIED_ROWS}",
        tenant(&plan.tenant, "t"),
        event(domain.name, each, row),
        identifier(&table.name)
    );
    let fault = |error: rusqlite::Error| format!("the rows of `{}` can't be read: {error}", table.name);
    let mut statement = connection.prepare(&sql).map_err(fault)?;
    let mut rows = statement.query([]).map_err(fault)?;
    let (mut count, mut refused, mut first) = (0, 0, None);
    while let Some(row) = rows.next().map_err(fault)? {
        count += 1;
        let tried = match (row.get::<_, Option<String>>(0), row.get::<_, String>(1)) {
            (Ok(tenant), Ok(event)) => judge(tenant, &event, domains),
            _ => Err("a text of the row is not UTF-8".to_owned()),
        };
        if let Err(reason) = tried {
            refused += 1;
            first.get_or_insert(reason);
        }
    }
    let Some(reason) = first else { return Ok(None) };
    let all = format!("{refused} of the first {count} rows of `{}`", table.name);
    if refused == count {
        return Err(format!("the event `{}` can't be published for {all}: {reason}", each.name));
    }
    Ok(Some(format!("the event `{}` would become a dead letter for {all}. The first: {reason}", each.name)))
}

fn judge(tenant: Option<String>, event: &str, domains: &Domains) -> Result<(), String> {
    tenant.map_or(Ok(()), |name| TenantId::parse(&name).map(drop).map_err(|error| error.to_string()))?;
    let event = RawEvent::parse(event).map_err(|error| error.to_string())?;
    domains.fan_out(&event, None).map(drop).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
