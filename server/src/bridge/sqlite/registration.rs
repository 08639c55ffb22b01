//! The bridges of an application's file. A bridge that is registered has a row in `tidings_bridges`, a table of changes and
//! triggers. They outlive the program: while nobody reads, the changes wait.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::{
    record,
    table::{Fault, Table},
    triggers::{DONE, changes, create_changes, create_triggers, prefix, quoted},
};

/// The tables that all bridges of a file share.
///
/// - `AUTOINCREMENT`: the number of a bridge never comes again, so nobody takes its lock or its triggers for those of another
///   bridge.
/// - `tidings_bridge_dead_letters` has the records that can't be published as they are now.
const SCHEMA: &str = "\
CREATE TABLE IF NOT EXISTS tidings_bridges(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant TEXT NOT NULL,
  schema TEXT NOT NULL,
  topic TEXT NOT NULL,
  shape TEXT NOT NULL,
  UNIQUE(tenant, schema, topic)
);
CREATE TABLE IF NOT EXISTS tidings_bridge_dead_letters(
  bridge INTEGER NOT NULL,
  key TEXT NOT NULL,
  code TEXT NOT NULL,
  reason TEXT NOT NULL,
  refused_at INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)),
  PRIMARY KEY(bridge, key)
) WITHOUT ROWID;
";

/// What a bridge carries where.
#[derive(Debug, Clone)]
pub(super) struct Flow {
    pub(super) tenant: String,
    pub(super) schema: String,
    pub(super) topic: String,
    /// The table that has the records of the schema.
    pub(super) table: String,
}

/// A bridge in the file: its triggers note all changes of its table.
#[derive(Debug, Clone)]
pub(super) struct Registration {
    pub(super) id: i64,
    pub(super) table: Table,
    pub(super) sql: Sql,
}

/// The queries of a registration.
#[derive(Debug, Clone)]
pub(super) struct Sql {
    /// Changes with a number above the first parameter that are not done, at most as many as the second one says.
    pub(super) changes: String,
    /// The change with a number and a nonce.
    pub(super) change: String,
    /// The sizes of a record.
    pub(super) sizes: String,
    pub(super) record: String,
}

impl Registration {
    fn new(id: i64, table: Table) -> Self {
        let changes = record::select_changes(&changes(id), &table);
        let sql = Sql {
            change: format!("{changes} WHERE id = ?1 AND nonce = ?2"),
            changes: format!("{changes} WHERE id > ?1 AND gap IS NOT {DONE} ORDER BY id LIMIT ?2"),
            sizes: record::select_sizes(&table),
            record: record::select_record(&table),
        };
        Self { id, table, sql }
    }

    /// Registers a bridge, unless it is registered and its triggers are as they must be. A bridge that begins here does not
    /// know what was before, so its first row of changes is a gap.
    ///
    /// # Errors
    /// There is no such table, its changes can't be told, or the file can't be written.
    pub(super) fn install(connection: &mut Connection, flow: &Flow) -> Result<Self, Fault> {
        if let Some(registration) = Self::find(connection, flow)? {
            return Ok(registration);
        }
        // A statement that is cached would keep a table from being dropped.
        connection.flush_prepared_statement_cache();
        let transaction = immediate(connection)?;
        if let Some(registration) = Self::find(&transaction, flow)? {
            return Ok(registration);
        }
        let table = Table::describe(&transaction, &flow.table)?;
        let compiled_before = compile(&transaction, &table);
        transaction.execute_batch(SCHEMA)?;
        let mut last = 0;
        let id = match id_of(&transaction, flow)? {
            Some((id, _)) => {
                last = last_change(&transaction, id)?;
                drop_own(&transaction, id)?;
                transaction.execute(
                    "UPDATE tidings_bridges SET shape = ?1 WHERE id = ?2",
                    params![table.shape, id],
                )?;
                id
            }
            None => {
                let Flow { tenant, schema, topic, .. } = flow;
                let insert =
                    "INSERT INTO tidings_bridges(tenant, schema, topic, shape) VALUES (?1, ?2, ?3, ?4)";
                transaction.execute(insert, params![tenant, schema, topic, table.shape])?;
                transaction.last_insert_rowid()
            }
        };
        transaction.execute_batch(&create_changes(id, &table))?;
        for (_, sql) in create_triggers(id, &table) {
            transaction.execute_batch(&sql)?;
        }
        // The numbers go on: a reader has read up to the last one.
        let gap = format!("INSERT INTO {}(id, gap) VALUES (?1, 1)", changes(id));
        transaction.execute(&gap, [last.saturating_add(1)])?;
        if let Err(error) = compile(&transaction, &table) {
            // Triggers of the application may use functions that only the application has.
            let is_own_fault = compiled_before.is_ok() || table.has_expressions();
            if is_own_fault {
                let why = format!("the table {}: {error}: the triggers of a bridge can't use it", table.name);
                return Err(Fault::Refused(why));
            }
        }
        transaction.commit()?;
        Ok(Self::new(id, table))
    }

    /// Returns the registration of a bridge if all of it is there and fits the table.
    ///
    /// # Errors
    /// There is no such table, or its changes can't be told.
    pub(super) fn find(connection: &Connection, flow: &Flow) -> Result<Option<Self>, Fault> {
        let table = Table::describe(connection, &flow.table)?;
        let Some((id, shape)) = id_of(connection, flow)? else { return Ok(None) };
        if shape != table.shape {
            return Ok(None);
        }
        let mut wanted: BTreeMap<String, String> = create_triggers(id, &table).into_iter().collect();
        wanted.insert(changes(id), create_changes(id, &table));
        Ok((own(connection, id)? == wanted).then(|| Self::new(id, table)))
    }

    /// Removes a bridge, and the changes that wait. If it is not there, nothing happens.
    ///
    /// # Errors
    /// The file can't be written.
    pub(super) fn remove(connection: &mut Connection, flow: &Flow) -> rusqlite::Result<()> {
        connection.flush_prepared_statement_cache();
        let transaction = immediate(connection)?;
        if let Some((id, _)) = id_of(&transaction, flow)? {
            drop_own(&transaction, id)?;
            transaction.execute("DELETE FROM tidings_bridge_dead_letters WHERE bridge = ?1", [id])?;
            transaction.execute("DELETE FROM tidings_bridges WHERE id = ?1", [id])?;
        }
        transaction.commit()
    }
}

impl Table {
    fn has_expressions(&self) -> bool {
        let is_one = |term: &super::table::Term| matches!(term.what, super::table::What::Expression(_));
        self.uniques.iter().any(|unique| unique.filter.is_some() || unique.terms.iter().any(is_one))
    }
}

/// Returns the number of a bridge, and the shape of the table when it was registered.
fn id_of(connection: &Connection, flow: &Flow) -> rusqlite::Result<Option<(i64, String)>> {
    if !connection.table_exists(Some("main"), "tidings_bridges")? {
        return Ok(None);
    }
    let find = "SELECT id, shape FROM tidings_bridges WHERE tenant = ?1 AND schema = ?2 AND topic = ?3";
    let Flow { tenant, schema, topic, .. } = flow;
    connection.query_row(find, [tenant, schema, topic], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

/// Returns the table and the triggers that a bridge has, with their SQL.
fn own(connection: &Connection, id: i64) -> rusqlite::Result<BTreeMap<String, String>> {
    let mut statement = connection.prepare(
        "SELECT name, sql FROM sqlite_schema WHERE (type = 'table' AND name = ?1) \
         OR (type = 'trigger' AND substr(name, 1, length(?2)) = ?2)",
    )?;
    let own = statement.query_map([changes(id), prefix(id)], |row| Ok((row.get(0)?, row.get(1)?)))?;
    own.collect()
}

/// Returns the number of the last change that waits.
fn last_change(connection: &Connection, id: i64) -> rusqlite::Result<i64> {
    if !connection.table_exists(Some("main"), &changes(id))? {
        return Ok(0);
    }
    connection.query_row(&format!("SELECT ifnull(max(id), 0) FROM {}", changes(id)), [], |row| row.get(0))
}

fn drop_own(transaction: &Transaction<'_>, id: i64) -> rusqlite::Result<()> {
    let table = changes(id);
    // Triggers first: those of the table of changes go with it.
    for name in own(transaction, id)?.into_keys().filter(|name| *name != table) {
        transaction.execute_batch(&format!("DROP TRIGGER {}", quoted(&name)))?;
    }
    transaction.execute_batch(&format!("DROP TABLE IF EXISTS {table}"))
}

/// Compiles a statement of each kind, with all triggers of the table. Nothing is executed.
fn compile(connection: &Connection, table: &Table) -> rusqlite::Result<()> {
    let name = quoted(&table.name);
    connection.prepare(&format!("INSERT INTO {name} DEFAULT VALUES"))?;
    connection.prepare(&format!("DELETE FROM {name}"))?;
    let key = quoted(&table.key[0].name);
    connection.prepare(&format!("UPDATE {name} SET {key} = {key}"))?;
    Ok(())
}

/// Begins a transaction that has the write lock from the start. Otherwise it could fail in its middle.
fn immediate(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}
