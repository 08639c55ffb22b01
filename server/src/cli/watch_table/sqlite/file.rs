//! Installs the triggers in a file, removes them, and checks them.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior};
use tidings_shared::Domains;

use super::{
    super::{
        declaration::{Declaration, Operation},
        schema,
    },
    Trigger, made,
    triggers::{ENDS, name},
};
use crate::sqlite_table::{Table, identifier, literal};

/// The longest wait for a lock of the application.
const LOCK_TIMEOUT: Duration = Duration::from_secs(8);

/// The tables beside the outbox.
///
/// - `tidings_watches` has the declarations. A migration that makes a table again loses its triggers without a word, and
///   the check finds this by the declarations.
/// - `tidings_replaced` has the events of the rows that the current statement may replace.
const TABLES: &str = "\
CREATE TABLE IF NOT EXISTS tidings_watches(
  table_name TEXT NOT NULL,
  domain TEXT NOT NULL,
  arguments TEXT NOT NULL,
  PRIMARY KEY (table_name, domain)
);
CREATE TABLE IF NOT EXISTS tidings_replaced(
  watch TEXT NOT NULL,
  row_number INTEGER,
  tenant TEXT,
  event TEXT NOT NULL
);
";

/// Opens an application's file that has an outbox.
///
/// # Errors
/// The file is not there, is no database, or has no outbox.
pub(in crate::cli) fn open(path: &Path) -> Result<Connection, String> {
    if !path.exists() {
        return Err("there is no such file: let the application make its database first".to_owned());
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(LOCK_TIMEOUT)?;
        let has_outbox = has_table(&connection, "tidings_outbox")?;
        Ok((connection, has_outbox))
    };
    let (connection, has_outbox) = opened().map_err(|error: rusqlite::Error| error.to_string())?;
    if !has_outbox {
        return Err(format!(
            "there is no outbox: run `tidings journal init --outbox sqlite:{}`",
            path.display()
        ));
    }
    Ok(connection)
}

fn has_table(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    connection.query_row(sql, [name], |row| row.get(0))
}

/// Returns the SQL that installs a declaration. It takes the place of an earlier one of the same table and domain.
pub(in crate::cli) fn watch_sql(declaration: &Declaration, triggers: &[Trigger]) -> String {
    let (table, domain) = (declaration.table(), declaration.domain());
    let arguments = serde_json::Value::from(declaration.arguments()).to_string();
    let mut sql = TABLES.to_owned();
    for end in ENDS {
        sql += &format!("DROP TRIGGER IF EXISTS {};\n", identifier(&name(table, domain, end)));
    }
    for (_, trigger) in triggers {
        sql += &format!("{trigger};\n");
    }
    sql += &format!(
        "INSERT OR REPLACE INTO tidings_watches(table_name, domain, arguments) VALUES ({}, {}, {});\n",
        literal(table),
        literal(domain),
        literal(&arguments)
    );
    sql
}

/// Returns the SQL that removes the declarations of a table, or that of one domain.
///
/// # Errors
/// There is none, or the file can't be read.
pub(in crate::cli) fn remove_sql(
    connection: &Connection,
    table: &str,
    domain: Option<&str>,
) -> Result<String, String> {
    let is_meant = |found: (&str, &str)| {
        found.0.eq_ignore_ascii_case(table) && domain.is_none_or(|domain| domain == found.1)
    };
    let mut sql = String::new();
    for name in trigger_names(connection).map_err(|error| error.to_string())? {
        if parts(&name).is_some_and(is_meant) {
            sql += &format!("DROP TRIGGER {};\n", identifier(&name));
        }
    }
    for (table, domain, _) in recorded(connection)? {
        if is_meant((&table, &domain)) {
            sql += &format!(
                "DELETE FROM tidings_watches WHERE table_name = {} AND domain = {};\n",
                literal(&table),
                literal(&domain)
            );
        }
    }
    if sql.is_empty() {
        return Err(format!(
            "nothing watches the table `{table}`: without a table, this command lists what is watched"
        ));
    }
    Ok(sql)
}

/// Executes the SQL in one transaction. If a write of the application would fail then, nothing changes.
///
/// # Errors
/// What the database says.
pub(in crate::cli) fn execute(
    connection: &mut Connection,
    sql: &str,
    table: Option<&Table>,
) -> Result<(), String> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(|error| error.to_string())?;
    let done = || {
        transaction.execute_batch(sql)?;
        if let Some(table) = table {
            compile_writes(&transaction, table)?;
        }
        transaction.commit()
    };
    done().map_err(|error: rusqlite::Error| error.to_string())
}

/// Lets SQLite compile a write of each kind, and so the triggers.
fn compile_writes(connection: &Connection, table: &Table) -> rusqlite::Result<()> {
    let name = identifier(&table.name);
    connection.prepare(&format!("INSERT INTO {name} DEFAULT VALUES"))?;
    connection.prepare(&format!("DELETE FROM {name}"))?;
    // The key is no generated column.
    let column = table.key().next().map(|column| identifier(&column.name));
    let column = column.or_else(|| table.rowid.map(str::to_owned)).unwrap_or_default();
    connection.prepare(&format!("UPDATE {name} SET {column} = {column}"))?;
    Ok(())
}

/// A declaration in the file, and what is wrong with it.
#[derive(Debug)]
pub(in crate::cli) struct Watched {
    pub(in crate::cli) table: String,
    pub(in crate::cli) domain: String,
    pub(in crate::cli) arguments: Vec<String>,
    pub(in crate::cli) fault: Option<String>,
}

/// Compares the declarations in the file with its tables and triggers.
///
/// # Errors
/// The file can't be read.
pub(in crate::cli) fn check(connection: &Connection, domains: &Domains) -> Result<Vec<Watched>, String> {
    let mut watched = Vec::new();
    for (table, domain, arguments) in recorded(connection)? {
        let read: Result<Vec<String>, _> = serde_json::from_str(&arguments);
        let arguments =
            read.map_err(|error| format!("the arguments of `{table}` in tidings_watches: {error}"))?;
        let fault = fault_of(connection, &table, &domain, &arguments, domains).err();
        watched.push(Watched { table, domain, arguments, fault });
    }
    Ok(watched)
}

fn fault_of(
    connection: &Connection,
    table: &str,
    domain: &str,
    arguments: &[String],
    domains: &Domains,
) -> Result<(), String> {
    let declaration = Declaration::parse(arguments)?;
    let triggers = made(connection, &declaration, schema(domains, domain)?)?;
    let mut differ = 0;
    for end in ENDS {
        let expected = triggers.iter().find(|(of, _)| *of == end).map(|(_, sql)| sql);
        let sql = "SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND name = ?1";
        let found: Option<String> = connection
            .query_row(sql, [name(table, domain, end)], |row| row.get(0))
            .optional()
            .map_err(|error| error.to_string())?;
        match (expected, found) {
            (Some(_), None) => {
                return Err("its triggers are gone: somebody has made the table again".to_owned());
            }
            (expected, found) if expected != found.as_ref() => differ += 1,
            _ => {}
        }
    }
    if differ > 0 {
        Err("its triggers are not those of this declaration and this version".to_owned())
    } else {
        Ok(())
    }
}

/// Returns the first declaration that lacks a trigger, so that some changes of its table are not announced: the table, the
/// domain and the arguments. It needs no schema: another program may know the domain, and another version may have made the
/// triggers.
///
/// # Errors
/// The file can't be read.
pub(in crate::cli) fn lost(connection: &Connection) -> Result<Option<(String, String, Vec<String>)>, String> {
    let names = trigger_names(connection).map_err(|error| error.to_string())?;
    for (table, domain, arguments) in recorded(connection)? {
        let arguments: Vec<String> = serde_json::from_str(&arguments).unwrap_or_default();
        let Ok(declaration) = Declaration::parse(&arguments) else { continue };
        let has_lost = declaration.events().any(|(operation, _)| {
            let end = match operation {
                Operation::Created => "insert",
                Operation::Updated => "update",
                Operation::Deleted => "delete",
            };
            !names.contains(&name(&table, &domain, end))
        });
        if has_lost {
            return Ok(Some((table, domain, arguments)));
        }
    }
    Ok(None)
}

fn recorded(connection: &Connection) -> Result<Vec<(String, String, String)>, String> {
    let read = || {
        if !has_table(connection, "tidings_watches")? {
            return Ok(Vec::new());
        }
        let sql = "SELECT table_name, domain, arguments FROM tidings_watches ORDER BY table_name, domain";
        let mut statement = connection.prepare(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        rows.collect()
    };
    read().map_err(|error: rusqlite::Error| error.to_string())
}

fn trigger_names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger' ORDER BY name")?;
    let names = statement.query_map([], |row| row.get(0))?;
    names.collect()
}

/// Returns the table and the domain in the name of a trigger.
fn parts(name: &str) -> Option<(&str, &str)> {
    let (rest, _) = name.strip_prefix("tidings:")?.rsplit_once(':')?;
    rest.rsplit_once(':')
}
