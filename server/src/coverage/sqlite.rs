//! Records the changes of SQLite connections, by temporary triggers.
//!
//! The triggers write into a database in memory that is attached to the connection. So a rolled-back transaction or savepoint
//! takes its records back, and another connection reads them after the commit. The file of the application stays as it is.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering::SeqCst},
    },
};

use rusqlite::{Connection, OpenFlags, TransactionBehavior, functions::FunctionFlags, types::ValueRef};
use serde_json::{Value, json};

use super::{
    CoverageError,
    judge::{Entry, Event, Kind, Row},
    recorded::{Moment, Recorded},
    table,
};
use crate::sqlite_table::{self, Column, Table, TableError, identifier, literal};

/// The most columns in one call: SQLite allows 127 arguments.
const MAX_COLUMNS: usize = 100;

/// The tables of the record. They have no constraints: the conflict clause of the application's statement would apply to
/// them.
const TABLES: &str = "
    CREATE TABLE tidings_coverage_entries(
        id INTEGER PRIMARY KEY, number INTEGER, table_name TEXT, kind TEXT, key TEXT, row TEXT);
    CREATE TABLE tidings_coverage_events(id INTEGER PRIMARY KEY, number INTEGER, event);
    CREATE TABLE tidings_coverage_replaced(table_name TEXT, row_number INTEGER, key TEXT, row TEXT);
";

/// What all connections of a coverage share.
#[derive(Debug)]
pub(super) struct Record {
    /// Keeps the database in memory.
    connection: Mutex<Connection>,
    /// The name with which other connections attach it.
    uri: String,
    clock: Arc<Clock>,
}

/// Counts transactions and commits.
#[derive(Debug, Default)]
struct Clock {
    /// The number of the newest transaction.
    transactions: AtomicI64,
    /// How many commits there were.
    commits: AtomicU64,
    /// The transactions that have committed, each with the number of its commit.
    committed: Mutex<Vec<(i64, u64)>>,
    /// How many commits there were when the record was last taken.
    taken: AtomicU64,
    /// How many rows were recorded since they were last taken.
    recorded: AtomicU64,
    /// The most rows.
    max: u64,
}

impl Record {
    /// Makes an empty record, which takes at most `max` rows.
    pub(super) fn new(max: u64) -> Result<Self, CoverageError> {
        let uri = format!("file:/tidings-coverage-{}?vfs=memdb", uuid::Uuid::new_v4());
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&uri, flags)?;
        connection.execute_batch(TABLES)?;
        let clock = Arc::new(Clock { max, ..Clock::default() });
        Ok(Self { connection: Mutex::new(connection), uri, clock })
    }

    /// Returns which transactions have committed until now.
    pub(super) fn now(&self) -> Moment {
        Moment { next: self.clock.commits.load(SeqCst), open: Vec::new() }
    }

    /// Records the changes of a connection from now on.
    pub(super) fn connect(
        &self,
        connection: &mut Connection,
        declared: &[table::Table],
    ) -> Result<(), CoverageError> {
        let names = sqlite_table::names(connection)?;
        let mut watched = Vec::new();
        for name in &names {
            let declared = declared.iter().find(|table| table.name.eq_ignore_ascii_case(name));
            if declared.is_some_and(|declared| declared.is_ignored) {
                continue;
            }
            let table = Table::read(connection, name).map_err(|error| match error {
                TableError::Database(error) => error.into(),
                _ => CoverageError(format!(
                    "the table `{name}` can't be watched: declare Table::ignore(\"{name}\")"
                )),
            })?;
            watched.push((table, declared.cloned()));
        }
        let columns = |(table, _): &(Table, _)| {
            (table.name.clone(), table.columns.iter().map(|column| column.name.clone()).collect())
        };
        table::check(declared, &names, &watched.iter().map(columns).collect::<Vec<_>>())?;
        let sql = "SELECT count(*) FROM main.sqlite_schema WHERE type = 'table' AND name = 'tidings_outbox'";
        let has_outbox = connection.query_row(sql, [], |row| row.get(0))?;
        self.record(connection, &watched, has_outbox)
    }

    fn record(
        &self,
        connection: &mut Connection,
        tables: &[(Table, Option<table::Table>)],
        has_outbox: bool,
    ) -> Result<(), CoverageError> {
        if !connection.is_autocommit() {
            return Err(CoverageError(
                "a transaction is open: connect the connection outside of a transaction".to_owned(),
            ));
        }
        connection.execute("ATTACH ?1 AS tidings_coverage", [&self.uri]).map_err(|error| {
            CoverageError(format!(
                "the connection can't attach the record ({error}): connect it once, and open it with SQLITE_OPEN_URI, as \
                 rusqlite does"
            ))
        })?;
        functions(connection, &self.clock)?;
        let mut sql = String::new();
        for (table, declared) in tables {
            sql += &triggers(table, declared.as_ref(), tables);
        }
        if has_outbox {
            sql += "CREATE TEMP TRIGGER \"tidings_coverage:outbox\" AFTER INSERT ON main.tidings_outbox BEGIN
                INSERT INTO tidings_coverage_events(number, event)
                    VALUES (tidings_coverage_number(), CAST(NEW.event AS BLOB));
            END;";
        }
        connection.execute_batch(&sql)?;
        Ok(())
    }

    /// Takes what was recorded of committed transactions.
    pub(super) fn take(&self) -> Result<Recorded, CoverageError> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let entries = read(
            &transaction,
            "SELECT number, table_name, kind, key, row FROM tidings_coverage_entries WHERE number IS NOT NULL ORDER BY id",
            |row| {
                let kind = match row.get_ref(2)?.as_str()? {
                    "before" => Kind::Before,
                    "after" => Kind::After,
                    _ => Kind::Shown,
                };
                let (key, values) =
                    (read_row(row.get_ref(3)?.as_str()?), read_row(row.get_ref(4)?.as_str()?));
                Ok(Entry { transaction: row.get(0)?, table: row.get(1)?, key, kind, row: values })
            },
        )?;
        let events: Vec<(i64, Vec<u8>)> = read(
            &transaction,
            "SELECT number, event FROM tidings_coverage_events
             WHERE number IS NOT NULL AND event IS NOT NULL ORDER BY id",
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        transaction
            .execute_batch("DELETE FROM tidings_coverage_entries; DELETE FROM tidings_coverage_events")?;
        transaction.commit()?;
        let numbers = entries.iter().map(|entry: &Entry| entry.transaction);
        let taken: HashSet<i64> = numbers.chain(events.iter().map(|(number, _)| *number)).collect();
        let mut committing = self.clock.committed.lock().unwrap_or_else(PoisonError::into_inner);
        let taken_before = self.clock.taken.swap(self.clock.commits.load(SeqCst), SeqCst);
        let (committed, others): (_, Vec<_>) =
            committing.drain(..).partition(|(number, _)| taken.contains(number));
        // The hook runs before the commit is visible: the next call may find the rows.
        committing.extend(others.into_iter().filter(|(_, commit)| *commit >= taken_before));
        drop(committing);
        let recorded = self.clock.recorded.swap(0, SeqCst);
        let max = self.clock.max;
        if recorded > max {
            return Err(CoverageError::too_many(max));
        }
        let parse = |(number, event): (i64, Vec<u8>)| Event::parse(number, str::from_utf8(&event).ok()?);
        let events = events.into_iter().filter_map(parse).collect();
        Ok(Recorded { entries, events, committed })
    }
}

fn read<T>(
    connection: &Connection,
    sql: &str,
    read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare(sql)?.query_map([], read)?.collect()
}

/// Makes the functions that the triggers call.
fn functions(connection: &mut Connection, clock: &Arc<Clock>) -> rusqlite::Result<()> {
    // The number of the transaction that is open, or 0. A transaction that is rolled back leaves its number to the next one.
    let current = Arc::new(AtomicI64::new(0));
    let (for_commit, clock_of_commit) = (Arc::clone(&current), Arc::clone(clock));
    connection.commit_hook(Some(move || {
        let number = for_commit.swap(0, SeqCst);
        if number != 0 {
            let clock = &clock_of_commit;
            let commit = clock.commits.fetch_add(1, SeqCst);
            clock.committed.lock().unwrap_or_else(PoisonError::into_inner).push((number, commit));
        }
        false
    }))?;
    let clock = Arc::clone(clock);
    connection.create_scalar_function(
        "tidings_coverage_number",
        0,
        FunctionFlags::SQLITE_UTF8,
        move |_| {
            if clock.recorded.fetch_add(1, SeqCst) >= clock.max {
                return Ok(None);
            }
            if current.load(SeqCst) == 0 {
                current.store(clock.transactions.fetch_add(1, SeqCst) + 1, SeqCst);
            }
            Ok(Some(current.load(SeqCst)))
        },
    )?;
    connection.create_scalar_function("tidings_coverage_row", -1, FunctionFlags::SQLITE_UTF8, |context| {
        let names: Vec<String> = serde_json::from_str(&context.get::<String>(0)?).unwrap_or_default();
        let values = (1..context.len()).map(|index| json_of(context.get_raw(index)));
        Ok(Value::from(names.into_iter().zip(values).collect::<Row>()).to_string())
    })
}

fn json_of(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) if number.is_finite() => number.into(),
        ValueRef::Real(number) => number.to_string().into(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
        ValueRef::Blob(bytes) => {
            json!({ "blob": bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>() })
        }
    }
}

/// Reads the text that the triggers have made.
fn read_row(text: &str) -> Row {
    serde_json::Deserializer::from_str(text).into_iter::<Row>().flatten().flatten().collect()
}

/// Returns the calls that make the text of these columns of a row: one JSON object after the other.
fn row_of<'a>(columns: impl Iterator<Item = &'a str>, row: &str) -> String {
    let columns: Vec<&str> = columns.collect();
    let call = |columns: &[&str]| {
        let names = literal(&Value::from(columns).to_string());
        let values: String = columns.iter().map(|column| format!(", {row}.{}", identifier(column))).collect();
        format!("tidings_coverage_row({names}{values})")
    };
    columns.chunks(MAX_COLUMNS).map(call).collect::<Vec<_>>().join(" || ")
}

struct Triggers<'a> {
    table: &'a Table,
    name: String,
}

impl Triggers<'_> {
    /// Returns the expressions of a row's key and of the row.
    fn row(&self, row: &str) -> (String, String) {
        let columns = self.table.columns.iter().map(|column| column.name.as_str());
        let mut key: Vec<&str> = self.table.key().map(|column| column.name.as_str()).collect();
        if key.is_empty() {
            key.extend(self.table.rowid);
        }
        (row_of(key.into_iter(), row), row_of(columns, row))
    }

    fn record(&self, kind: &str, row: &str) -> String {
        let (key, values) = self.row(row);
        let name = &self.name;
        format!(
            "INSERT INTO tidings_coverage_entries(number, table_name, kind, key, row)
             SELECT tidings_coverage_number(), {name}, '{kind}', {key}, {values};"
        )
    }

    fn trigger(&self, end: &str, when: &str, condition: &str, body: &str) -> String {
        let name = identifier(&format!("tidings_coverage:{}:{end}", self.table.name));
        let table = identifier(&self.table.name);
        format!("CREATE TEMP TRIGGER {name} {when} ON main.{table} {condition} BEGIN {body} END;\n")
    }

    /// The rows that have gone because of REPLACE, which runs no trigger of theirs.
    fn record_replaced(&self) -> String {
        let (name, table) = (&self.name, identifier(&self.table.name));
        let has_gone = self.table.rowid.map_or_else(String::new, |rowid| {
            format!(
                " AND (r.row_number = NEW.{rowid} OR NOT EXISTS
                 (SELECT 1 FROM main.{table} AS t WHERE t.{rowid} = r.row_number))"
            )
        });
        format!(
            "INSERT INTO tidings_coverage_entries(number, table_name, kind, key, row)
             SELECT tidings_coverage_number(), {name}, 'before', r.key, r.row FROM tidings_coverage_replaced AS r
             WHERE r.table_name = {name}{has_gone};
             DELETE FROM tidings_coverage_replaced WHERE table_name = {name};"
        )
    }

    fn note_replaced(&self, condition: &str) -> String {
        let (key, values) = self.row("t");
        let (name, table) = (&self.name, identifier(&self.table.name));
        let number = self.table.rowid.map_or("NULL".to_owned(), |rowid| format!("t.{rowid}"));
        format!(
            "DELETE FROM tidings_coverage_replaced WHERE table_name = {name};
             INSERT INTO tidings_coverage_replaced(table_name, row_number, key, row)
             SELECT {name}, {number}, {key}, {values} FROM main.{table} AS t WHERE {condition};"
        )
    }

    /// The rows of other tables that show the row NEW.
    fn record_shown(&self, declared: &table::Table, tables: &[(Table, Option<table::Table>)]) -> String {
        let Some(Column { name: key, .. }) = self.table.key().next() else { return String::new() };
        let record = |(name, column): &(String, String)| {
            let other =
                tables.iter().map(|(table, _)| table).find(|table| table.name.eq_ignore_ascii_case(name));
            let Some(table) = other else { return String::new() };
            let other = Triggers { table, name: literal(&table.name) };
            let record = other.record("shown", "t");
            let (table, column, key) = (identifier(&table.name), identifier(column), identifier(key));
            format!("{} FROM main.{table} AS t WHERE t.{column} = NEW.{key};", record.trim_end_matches(';'))
        };
        declared.shown_in.iter().map(record).collect()
    }
}

fn triggers(
    table: &Table,
    declared: Option<&table::Table>,
    tables: &[(Table, Option<table::Table>)],
) -> String {
    let all = Triggers { table, name: literal(&table.name) };
    let is_left_out = |column: &&Column| {
        let without = declared.map_or(&[] as &[_], |declared| &declared.without);
        !without.iter().any(|name| name.eq_ignore_ascii_case(&column.name))
    };
    let changed = table.columns.iter().filter(is_left_out).map(|Column { name, .. }| {
        let name = identifier(name);
        // A column may have a collation for which upper and lower case are the same.
        format!("OLD.{name} IS NOT NEW.{name} COLLATE BINARY")
    });
    let changed = changed.collect::<Vec<_>>().join(" OR ");
    let changed = if changed.is_empty() { "WHEN false".to_owned() } else { format!("WHEN {changed}") };
    let shown = declared.map_or_else(String::new, |declared| all.record_shown(declared, tables));
    let mut sql = String::new();
    let mut replaced = String::new();
    if let Some(condition) = table.replaced_by_new() {
        let not_old = format!("({condition}) AND {}", table.is_not_old());
        sql += &all.trigger("before_insert", "BEFORE INSERT", "", &all.note_replaced(&condition));
        sql += &all.trigger("before_update", "BEFORE UPDATE", &changed, &all.note_replaced(&not_old));
        replaced = all.record_replaced();
    }
    sql += &all.trigger("insert", "AFTER INSERT", "", &(replaced.clone() + &all.record("after", "NEW")));
    let update = [replaced, all.record("before", "OLD"), all.record("after", "NEW"), shown].concat();
    sql += &all.trigger("update", "AFTER UPDATE", &changed, &update);
    sql += &all.trigger("delete", "AFTER DELETE", "", &all.record("before", "OLD"));
    sql
}

impl From<rusqlite::Error> for CoverageError {
    fn from(error: rusqlite::Error) -> Self {
        Self(format!("the coverage can't record the changes: {error}"))
    }
}

#[cfg(test)]
mod tests;
