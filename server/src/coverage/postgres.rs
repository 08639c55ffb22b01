//! Records the changes of a PostgreSQL database, by triggers that are dropped with this session.

use std::{
    collections::{BTreeSet, HashMap},
    panic::resume_unwind,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{runtime::Runtime, time::sleep};

use super::{
    CoverageError, MAX_RECORDED,
    judge::{Entry, Event, Kind, Row},
    recorded::{Moment, Recorded},
    table,
};
use crate::{
    database_url,
    postgres::{Database, Fault, Session},
};

/// The longest wait for another coverage of the database, which ends.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);

/// Time between two tries.
const TURN_INTERVAL: Duration = Duration::from_millis(20);

/// The longest wait for an answer: for a record with all its rows, too.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// The lock of the session that has the coverage of a database.
const TAKE_TURN: &str = "SELECT pg_try_advisory_lock(8388346184940876549)";

/// Waits for writers of a table, but not for ever. A table that waits for this lock holds up all others who want it.
const BEGIN: &str = "BEGIN; SET LOCAL lock_timeout = '5s'";

/// Removes what is left after a crash of the database server: it drops no temporary objects then.
const REMOVE_OLD: &str = "
    DO $$
    DECLARE
      old record;
    BEGIN
      FOR old IN SELECT t.tgname AS name, t.tgrelid::regclass AS of FROM pg_trigger t
        WHERE starts_with(t.tgname, 'tidings_coverage') AND t.tgparentid = 0
      LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', old.name, old.of);
      END LOOP;
    END
    $$;
    DROP SCHEMA IF EXISTS tidings_coverage CASCADE";

const TABLES: &str = include_str!("postgres/tables.sql");
const RECORD: &str = include_str!("postgres/record.sql");

const HAS_OUTBOX: &str = "SELECT to_regclass('tidings.outbox') IS NOT NULL";

const NOW: &str = "SELECT pg_snapshot_xmax(s)::text::bigint, ARRAY(SELECT x::text::bigint FROM pg_snapshot_xip(s) AS x) \
    FROM pg_current_snapshot() AS s";

const TAKE: &str = "WITH taken AS (DELETE FROM tidings_coverage.record RETURNING *) \
    SELECT transaction::text::bigint, kind, coalesce(name, ''), value FROM taken ORDER BY number";

/// Returns how many rows were recorded, and begins to count again.
const COUNT: &str =
    "SELECT n.last_value, setval('tidings_coverage.numbers', 1, false) FROM tidings_coverage.numbers n";

/// The session that has the record.
#[derive(Debug)]
pub(super) struct Record {
    /// `None` at the end.
    open: Mutex<Option<Open>>,
    tables: Vec<Watched>,
}

#[derive(Debug)]
struct Open {
    runtime: Runtime,
    session: Session,
}

/// A table of the database.
#[derive(Debug)]
struct Watched {
    name: String,
    /// For SQL.
    quoted: String,
    columns: Vec<String>,
    /// Without a primary key, they are all columns.
    key: Vec<String>,
    /// The tables that have its rows: itself, or its partitions. They are for SQL.
    parts: Vec<String>,
}

impl Record {
    /// Makes the triggers and the record.
    pub(super) fn start(url: &str, declared: &[table::Table]) -> Result<Self, CoverageError> {
        let database = Database::parse(url, database_url::public(url)).map_err(CoverageError)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.map_err(|error| CoverageError(format!("the coverage has no runtime: {error}")))?;
        let started = wait(&runtime, async || start(&database, declared).await);
        match started {
            Ok((session, tables)) => Ok(Self { open: Mutex::new(Some(Open { runtime, session })), tables }),
            Err(error) => {
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    /// Returns which transactions have committed until now.
    pub(super) fn now(&self) -> Result<Moment, CoverageError> {
        self.ask(async |session| {
            let row = session.query_one(NOW, &[]).await?;
            let open = row.get::<_, Vec<i64>>(1).into_iter().map(i64::cast_unsigned).collect();
            Ok(Moment { next: row.get::<_, i64>(0).cast_unsigned(), open })
        })
    }

    /// Takes what was recorded of committed transactions.
    pub(super) fn take(&self) -> Result<Recorded, CoverageError> {
        let (rows, count) = self.ask(async |session| {
            let rows = session.query(TAKE, &[]).await?;
            Ok((rows, session.query_one(COUNT, &[]).await?.get::<_, i64>(0)))
        })?;
        if count.cast_unsigned() >= MAX_RECORDED {
            return Err(CoverageError::too_many(MAX_RECORDED));
        }
        let mut recorded = Recorded::default();
        let mut commits = BTreeSet::new();
        // Transactions in which everybody who shows the table loads again.
        let mut told = BTreeSet::new();
        let mut states = Vec::new();
        for row in &rows {
            let (transaction, kind, name, value): (i64, &str, &str, &str) =
                (row.get(0), row.get(1), row.get(2), row.get(3));
            commits.insert(transaction);
            let kind = match kind {
                "event" => {
                    match self.truncated(value) {
                        Some(table) => drop(told.insert((transaction, table.name.as_str()))),
                        None => recorded.events.extend(Event::parse(transaction, value)),
                    }
                    continue;
                }
                "before" => Kind::Before,
                "after" => Kind::After,
                _ => Kind::Shown,
            };
            states.push(State { transaction, table: name, kind, row: value });
        }
        states.retain(|state| !told.contains(&(state.transaction, state.table)));
        recorded.entries = ends(states).filter_map(|state| self.entry(state)).collect();
        recorded.committed =
            commits.into_iter().map(|transaction| (transaction, transaction.cast_unsigned())).collect();
        Ok(recorded)
    }

    fn entry(&self, state: State<'_>) -> Option<Entry> {
        let row: Row = serde_json::from_str(state.row).ok()?;
        let table = self.tables.iter().find(|table| table.name == state.table)?;
        let value = |column: &String| (column.clone(), row.get(column).cloned().unwrap_or(Value::Null));
        let key = table.key.iter().map(value).collect();
        Some(Entry {
            transaction: state.transaction,
            table: state.table.to_owned(),
            key,
            kind: state.kind,
            row,
        })
    }

    /// Returns the table, if a trigger of `tidings.watch` has written this into the outbox before TRUNCATE: it becomes a `sync`
    /// for everybody.
    fn truncated(&self, event: &str) -> Option<&Watched> {
        let (table, _) = event.strip_prefix("TRUNCATE on ")?.split_once(" has no event for each row")?;
        self.tables.iter().find(|watched| watched.quoted == table)
    }

    fn ask<T: Send>(
        &self,
        work: impl AsyncFnOnce(&Session) -> Result<T, Fault> + Send,
    ) -> Result<T, CoverageError> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Open { runtime, session }) = &*open else {
            return Err(CoverageError("the coverage has ended".to_owned()));
        };
        Ok(wait(runtime, async || work(session).await)?)
    }
}

/// A state of a row, as a trigger has told it.
struct State<'a> {
    transaction: i64,
    table: &'a str,
    kind: Kind,
    /// As JSON.
    row: &'a str,
}

impl<'a> State<'a> {
    fn place(&self) -> (i64, &'a str, &'a str) {
        (self.transaction, self.table, self.row)
    }

    /// Returns how many rows of this state the write has made.
    fn change(&self) -> i64 {
        match self.kind {
            Kind::Before => -1,
            Kind::After => 1,
            Kind::Shown => 0,
        }
    }
}

/// Returns the states before and after each transaction. It leaves out a state that one write of the transaction has made and
/// another write has ended. The order in the record does not show which states these are: if a trigger of the application
/// writes to the row again, the record has that write first.
fn ends(states: Vec<State<'_>>) -> impl Iterator<Item = State<'_>> {
    let mut made: HashMap<_, i64> = HashMap::new();
    for state in &states {
        *made.entry(state.place()).or_default() += state.change();
    }
    let (before, others): (Vec<_>, Vec<_>) = states.into_iter().partition(|state| state.kind == Kind::Before);
    before.into_iter().chain(others).filter(move |state| {
        let change = state.change();
        let Some(made) = made.get_mut(&state.place()) else { return false };
        let is_end = change == 0 || made.signum() == change;
        if is_end {
            *made -= change;
        }
        is_end
    })
}

/// Blocks until the work is done. A thread of its own runs it: this one may be in another runtime.
fn wait<T: Send>(runtime: &Runtime, work: impl AsyncFnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        scope.spawn(|| runtime.block_on(work())).join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// PostgreSQL would drop everything with the session, some time after its end. The next test may want it now.
impl Drop for Record {
    fn drop(&mut self) {
        let open = self.open.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Open { runtime, session }) = open else { return };
        wait(&runtime, async || {
            let dropped =
                session.batch(&format!("{BEGIN}; DISCARD TEMP; DROP SCHEMA tidings_coverage; COMMIT")).await;
            if let Err(fault) = dropped {
                tracing::warn!("the triggers of the coverage are dropped later: {}", fault.message);
            }
            drop(session);
        });
        runtime.shutdown_background();
    }
}

async fn start(
    database: &Database,
    declared: &[table::Table],
) -> Result<(Session, Vec<Watched>), CoverageError> {
    let mut session = database.connect().await.map_err(CoverageError)?;
    session.set_answer_timeout(ANSWER_TIMEOUT);
    take_turn(database, &session).await?;
    session.batch(BEGIN).await?;
    session.batch(REMOVE_OLD).await?;
    let rows = session.query(TABLES, &[]).await?;
    let read = |row: &tokio_postgres::Row| {
        let (columns, mut key): (Vec<String>, Vec<String>) = (row.get(2), row.get(3));
        if key.is_empty() {
            key.clone_from(&columns);
        }
        Watched { name: row.get(0), quoted: row.get(1), columns, key, parts: row.get(4) }
    };
    let mut tables: Vec<Watched> = rows.iter().map(read).collect();
    let names: Vec<String> = tables.iter().map(|table| table.name.clone()).collect();
    let declaration = |of: &Watched| declared.iter().find(|table| table.name.eq_ignore_ascii_case(&of.name));
    tables.retain(|table| !declaration(table).is_some_and(|declared| declared.is_ignored));
    let columns: Vec<_> = tables.iter().map(|table| (table.name.clone(), table.columns.clone())).collect();
    table::check(declared, &names, &columns)?;
    session.batch(&RECORD.replace("{max}", &MAX_RECORDED.to_string())).await?;
    for table in &tables {
        let made = session.batch(&triggers(table, declaration(table), &tables)).await;
        made.map_err(|fault| {
            let (name, reason) = (&table.name, fault.message);
            CoverageError(format!(
                "the table `{name}` can't be watched: {reason}; connect as its owner, or declare Table::ignore(\"{name}\")"
            ))
        })?;
    }
    if session.query_one(HAS_OUTBOX, &[]).await?.get(0) {
        session
            .batch(&trigger("tidings_coverage", "AFTER INSERT", "tidings.outbox", "ROW", "announced", &[]))
            .await?;
    }
    session.batch("COMMIT").await?;
    Ok((session, tables))
}

/// Waits for the end of another coverage of the database.
async fn take_turn(database: &Database, session: &Session) -> Result<(), CoverageError> {
    let end = Instant::now() + TURN_TIMEOUT;
    while !session.query_one(TAKE_TURN, &[]).await?.get::<_, bool>(0) {
        if Instant::now() > end {
            return Err(CoverageError(format!(
                "{} has a coverage already: drop it first, and give each test a database of its own",
                database.name()
            )));
        }
        sleep(TURN_INTERVAL).await;
    }
    Ok(())
}

/// Returns the SQL of the triggers of a table.
fn triggers(table: &Watched, declared: Option<&table::Table>, tables: &[Watched]) -> String {
    let when = "AFTER INSERT OR UPDATE OR DELETE";
    let mut sql = trigger("tidings_coverage", when, &table.quoted, "ROW", "changed", &[&table.name]);
    for part in &table.parts {
        sql += &trigger(
            "tidings_coverage_truncate",
            "BEFORE TRUNCATE",
            part,
            "STATEMENT",
            "truncated",
            &[&table.name],
        );
    }
    let Some(declared) = declared else { return sql };
    let Some(key) = table.key.first() else { return sql };
    let quoted = |name: &String| format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""));
    let without = declared.without.iter().map(quoted).collect::<Vec<_>>().join(",");
    for (number, (other, column)) in declared.shown_in.iter().enumerate() {
        let Some(other) = tables.iter().find(|table| table.name.eq_ignore_ascii_case(other)) else {
            continue;
        };
        let arguments = [&other.quoted, &other.name, column, key, &format!("{{{without}}}")];
        let name = format!("tidings_coverage_shown_{number}");
        sql += &trigger(&name, "AFTER UPDATE", &table.quoted, "ROW", "shown", &arguments);
    }
    sql
}

fn trigger(name: &str, when: &str, table: &str, each: &str, function: &str, arguments: &[&String]) -> String {
    let literal = |text: &&String| format!("'{}'", text.replace('\'', "''"));
    let arguments = arguments.iter().map(literal).collect::<Vec<_>>().join(", ");
    format!(
        "CREATE TRIGGER {name} {when} ON {table} FOR EACH {each} EXECUTE FUNCTION pg_temp.tidings_coverage_{function}({arguments});\n"
    )
}

impl From<Fault> for CoverageError {
    fn from(fault: Fault) -> Self {
        Self(fault.message)
    }
}
