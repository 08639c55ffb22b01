//! Records the changes of a connection, by temporary triggers.
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
    judge::{Entry, Kind, Row},
    table,
};
use crate::sqlite_table::{Column, Table, identifier, literal};

/// The most rows that are recorded before somebody asks. A test writes less. Beyond it, nothing is recorded, and the answer is
/// an error.
pub(super) const MAX_RECORDED: u64 = 1_000_000;

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

/// What was recorded.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    pub(super) entries: Vec<RecordedEntry>,
    /// The events of outboxes, each with its transaction.
    pub(super) events: Vec<(i64, Vec<u8>)>,
    /// The transactions that have committed, each with the number of its commit.
    pub(super) committed: Vec<(i64, u64)>,
}

/// An entry as the triggers have written it.
#[derive(Debug)]
pub(super) struct RecordedEntry {
    transaction: i64,
    table: String,
    kind: String,
    key: String,
    row: String,
}

impl Recorded {
    /// Adds what was recorded later.
    pub(super) fn append(&mut self, later: Self) {
        self.entries.extend(later.entries);
        self.events.extend(later.events);
        self.committed.extend(later.committed);
    }

    /// Returns the numbers of the commits.
    pub(super) fn commits(&self) -> impl Iterator<Item = u64> {
        self.committed.iter().map(|(_, commit)| *commit)
    }

    /// Takes out the transactions from this commit on.
    pub(super) fn split_off(&mut self, commit: u64) -> Self {
        let (before, committed) = self.committed.drain(..).partition(|(_, of)| *of < commit);
        self.committed = before;
        let is_before = |transaction: i64| self.committed.iter().any(|(before, _)| *before == transaction);
        let (before, entries) = self.entries.drain(..).partition(|entry| is_before(entry.transaction));
        let (events_before, events) =
            self.events.drain(..).partition(|(transaction, _)| is_before(*transaction));
        (self.entries, self.events) = (before, events_before);
        Self { entries, events, committed }
    }
}

impl RecordedEntry {
    pub(super) fn read(self) -> Option<Entry> {
        let kind = match self.kind.as_str() {
            "before" => Kind::Before,
            "after" => Kind::After,
            _ => Kind::Shown,
        };
        let (key, row) = (read_row(&self.key)?, read_row(&self.row)?);
        Some(Entry { transaction: self.transaction, table: self.table, key, kind, row })
    }
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

    /// Returns the number of commits until now.
    pub(super) fn commits(&self) -> u64 {
        self.clock.commits.load(SeqCst)
    }

    /// Records the changes of a connection from now on.
    pub(super) fn connect(
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
                Ok(RecordedEntry {
                    transaction: row.get(0)?,
                    table: row.get(1)?,
                    kind: row.get(2)?,
                    key: row.get(3)?,
                    row: row.get(4)?,
                })
            },
        )?;
        let events = read(
            &transaction,
            "SELECT number, event FROM tidings_coverage_events
             WHERE number IS NOT NULL AND event IS NOT NULL ORDER BY id",
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        transaction
            .execute_batch("DELETE FROM tidings_coverage_entries; DELETE FROM tidings_coverage_events")?;
        transaction.commit()?;
        let numbers = entries.iter().map(|entry: &RecordedEntry| entry.transaction);
        let taken: HashSet<i64> = numbers.chain(events.iter().map(|(number, _)| *number)).collect();
        let mut committing = self.clock.committed.lock().unwrap_or_else(PoisonError::into_inner);
        let taken_before = self.clock.taken.swap(self.commits(), SeqCst);
        let (committed, others): (_, Vec<_>) =
            committing.drain(..).partition(|(number, _)| taken.contains(number));
        // The hook runs before the commit is visible: the next call may find the rows.
        committing.extend(others.into_iter().filter(|(_, commit)| *commit >= taken_before));
        drop(committing);
        let recorded = self.clock.recorded.swap(0, SeqCst);
        let max = self.clock.max;
        if recorded > max {
            return Err(CoverageError(format!(
                "more than {max} changes were recorded, and the later ones are not: ask earlier for what is missing"
            )));
        }
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
fn read_row(text: &str) -> Option<Row> {
    let mut all = Row::new();
    for row in serde_json::Deserializer::from_str(text).into_iter::<Row>() {
        all.extend(row.ok()?);
    }
    Some(all)
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
