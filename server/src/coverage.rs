//! Write coverage, for tests and for development: which committed changes have no event.
//!
//! A page hears of a change by its event. A write that forgets its event leaves pages out of date, and no other test finds it.
//! A [`Coverage`] records the changes of an application's SQLite connections. It finds each changed row that no event of
//! the same transaction names. These are the events of a transaction:
//!
//! - the rows that it inserts into `tidings_outbox`, also by the triggers of `tidings watch-table`,
//! - the events of a [guard](crate::Hub::changes) that was made before the commit, and ended after it.
//!
//! ```
//! use rusqlite::Connection;
//! use tidings_server::{
//!     PublishOptions,
//!     coverage::{By, Coverage, Table},
//!     outbox::sqlite,
//! };
//! use tidings_shared::domains::staff;
//! use uuid::Uuid;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut database = Connection::open_in_memory()?;
//! database.execute_batch(sqlite::SCHEMA)?;
//! database.execute_batch("CREATE TABLE person(id TEXT PRIMARY KEY, name TEXT)")?;
//!
//! let coverage = Coverage::new([Table::new("person").named(By::domain("staff").field("uuid", "id"))])?;
//! coverage.connect(&mut database)?;
//!
//! let uuid = Uuid::from_u128(1);
//! let transaction = database.transaction()?;
//! transaction.execute("INSERT INTO person VALUES (?1, 'Ada')", [uuid.to_string()])?;
//! let event = staff::Event::PersonCreated(staff::Person { uuid });
//! sqlite::insert(&transaction, None, &event, PublishOptions::default())?;
//! transaction.commit()?;
//! coverage.assert_complete();
//!
//! database.execute("UPDATE person SET name = 'Grace'", [])?; // without an event
//! let missing = coverage.missing()?;
//! assert_eq!((missing[0].table.as_str(), &missing[0].key), ("person", &uuid.to_string()));
//! # Ok(())
//! # }
//! ```
//!
//! What counts is the row before and after a transaction. So a write that is rolled back needs no event, and neither does a row
//! that the same transaction makes and deletes. Deletions by a cascade and rows that `REPLACE` removes are changes.
//!
//! In development, a program may call [`Coverage::missing`] once a second, and write the answer into its log.
//!
//! It is for SQLite only. There the record follows each connection from its first statement to its commit, and a test needs
//! nothing in the application's file. In PostgreSQL the same needs triggers in the database itself, which all of its users
//! would run.

mod judge;
mod record;
mod table;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rusqlite::Connection;
use tidings_hub::{ChangesObserver, Hub};
use tidings_shared::{RawEvent, nearest};

pub use self::{
    judge::{Change, Missing},
    table::{By, Table},
};
use self::{
    judge::{Entry, Event, judge},
    record::{Record, Recorded},
};
use crate::sqlite_table::{self, TableError};

/// Finds committed changes that no event of their transaction names. See the [module](self).
///
/// It watches all tables of the application. A [`Table`] says how an event names the rows of a table, or that a table needs
/// no events.
///
/// Clones are handles to the same coverage.
#[derive(Debug, Clone)]
pub struct Coverage {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    tables: Vec<Table>,
    record: Record,
    guards: Mutex<Guards>,
}

/// The guards of the observed hub.
#[derive(Debug, Default)]
struct Guards {
    /// The numbers of commits when each guard was made that has not ended.
    open: Vec<u64>,
    /// The guards that have ended since the last judgement.
    ended: Vec<Guard>,
    /// What was committed while a guard was open that has not ended. It is judged later.
    waiting: Recorded,
}

/// The events of a guard, and the numbers of commits when it was made and when it ended.
#[derive(Debug, Clone)]
struct Guard {
    begun: u64,
    ended: u64,
    events: Vec<RawEvent>,
}

/// The coverage can't be used. The message says why, and the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoverageError(String);

impl Coverage {
    /// Makes a coverage with these declarations. A table without one has the [default](Table).
    ///
    /// # Errors
    /// SQLite has no memory for it.
    pub fn new(tables: impl IntoIterator<Item = Table>) -> Result<Self, CoverageError> {
        let tables = tables.into_iter().collect();
        let record = Record::new(record::MAX_RECORDED)?;
        Ok(Self { shared: Arc::new(Shared { tables, record, guards: Mutex::default() }) })
    }

    /// Records the changes of a connection of the application from now on, and the rows that it inserts into `tidings_outbox`.
    /// Each connection that writes needs this, before its first write and after the migrations. Tables that are made later
    /// are not watched.
    ///
    /// The connection gets temporary triggers and an attached database in memory. Its commit hook is used: the application must
    /// have none.
    ///
    /// # Errors
    /// A declaration names a table or a column that is not there, a transaction is open, or the connection is connected
    /// already.
    pub fn connect(&self, connection: &mut Connection) -> Result<(), CoverageError> {
        let names = sqlite_table::names(connection)?;
        let mut watched = Vec::new();
        for name in &names {
            let declared = self.shared.tables.iter().find(|table| table.name.eq_ignore_ascii_case(name));
            if declared.is_some_and(|declared| declared.is_ignored) {
                continue;
            }
            let table = sqlite_table::Table::read(connection, name).map_err(|error| match error {
                TableError::Database(error) => error.into(),
                _ => CoverageError(format!(
                    "the table `{name}` can't be watched: declare Table::ignore(\"{name}\")"
                )),
            })?;
            watched.push((table, declared.cloned()));
        }
        self.check(&names, &watched)?;
        let sql = "SELECT count(*) FROM main.sqlite_schema WHERE type = 'table' AND name = 'tidings_outbox'";
        let has_outbox = connection.query_row(sql, [], |row| row.get(0))?;
        self.shared.record.connect(connection, &watched, has_outbox)
    }

    /// Checks that the tables and columns of the declarations are there.
    fn check(
        &self,
        names: &[String],
        watched: &[(sqlite_table::Table, Option<Table>)],
    ) -> Result<(), CoverageError> {
        for Table { name, .. } in &self.shared.tables {
            known("table", name, names.iter().map(String::as_str))?;
        }
        let columns = |table: &sqlite_table::Table| -> Vec<String> {
            table.columns.iter().map(|column| column.name.clone()).collect()
        };
        for (table, declared) in watched {
            let Some(Table { name, named, without, shown_in, .. }) = declared else { continue };
            let own = columns(table);
            let fields = named.iter().flat_map(|by| by.fields.iter().map(|field| &field.column));
            for column in fields.chain(without) {
                known(&format!("column of `{name}`"), column, own.iter().map(String::as_str))?;
            }
            for (other, column) in shown_in {
                let watched = watched.iter().map(|(table, _)| table);
                known("watched table", other, watched.clone().map(|table| table.name.as_str()))?;
                for other in watched.filter(|table| table.name.eq_ignore_ascii_case(other)) {
                    let what = format!("column of `{}`", other.name);
                    known(&what, column, columns(other).iter().map(String::as_str))?;
                }
            }
        }
        Ok(())
    }

    /// Also counts the events of the guards of a hub ([`Hub::changes`]) that are made from now on. Returns `false` if the hub
    /// has another coverage already.
    pub fn observe(&self, hub: &Hub) -> bool {
        hub.observe_changes(Arc::clone(&self.shared) as Arc<dyn ChangesObserver>)
    }

    /// Returns the committed changes that no event names, and forgets them. A change is judged when all guards have ended that
    /// were open at its commit.
    ///
    /// Call it while this thread has no transaction open: it waits for open transactions, for five seconds at most.
    ///
    /// # Errors
    /// A transaction was open for longer, or more than a million changes were recorded since the last call.
    pub fn missing(&self) -> Result<Vec<Missing>, CoverageError> {
        let mut guards = self.lock_guards();
        let mut recorded = std::mem::take(&mut guards.waiting);
        recorded.append(self.shared.record.take()?);
        if let Some(first_open) = guards.open.iter().min() {
            guards.waiting = recorded.split_off(*first_open);
        }
        let ended = std::mem::take(&mut guards.ended);
        guards.ended = ended
            .iter()
            .filter(|guard| guards.waiting.commits().any(|commit| guard.spans(commit)))
            .map(Guard::clone)
            .collect();
        drop(guards);
        let Recorded { entries, events, committed } = recorded;
        let entries: Vec<Entry> = entries.into_iter().filter_map(record::RecordedEntry::read).collect();
        // An outbox may also have rows that are no events. Nobody hears of them.
        let read = |(transaction, event): (i64, Vec<u8>)| {
            let event = RawEvent::parse(str::from_utf8(&event).ok()?).ok()?;
            event_of(transaction, &event)
        };
        let mut events: Vec<Event> = events.into_iter().filter_map(read).collect();
        for guard in &ended {
            for (transaction, _) in committed.iter().filter(|(_, commit)| guard.spans(*commit)) {
                events.extend(guard.events.iter().filter_map(|event| event_of(*transaction, event)));
            }
        }
        Ok(judge(&entries, &events, &self.shared.tables))
    }

    fn lock_guards(&self) -> MutexGuard<'_, Guards> {
        self.shared.guards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the changes until now: those of a fixture, for example.
    ///
    /// # Errors
    /// The errors of [`Coverage::missing`].
    pub fn forget(&self) -> Result<(), CoverageError> {
        self.missing().map(drop)
    }

    /// Checks that each committed change has its event.
    ///
    /// # Panics
    /// It has not, and the message lists the changes. Or [`Coverage::missing`] has an error.
    #[track_caller]
    #[expect(clippy::panic, reason = "it is for tests")]
    pub fn assert_complete(&self) {
        match self.missing() {
            Ok(missing) if missing.is_empty() => {}
            Ok(missing) => {
                let list: String = missing.iter().map(|missing| format!("\n- {missing}")).collect();
                panic!("{} changes have no event:{list}", missing.len())
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn event_of(transaction: i64, event: &RawEvent) -> Option<Event> {
    Some(Event {
        transaction,
        domain: event.domain.clone(),
        name: event.event.clone(),
        payload: serde_json::from_str(event.payload.get()).ok()?,
    })
}

fn known<'a>(
    what: &str,
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Result<(), CoverageError> {
    if known.clone().any(|known| known.eq_ignore_ascii_case(name)) {
        return Ok(());
    }
    let meant = nearest(name, known).map_or_else(String::new, |meant| format!(" (do you mean `{meant}`?)"));
    Err(CoverageError(format!("a declaration names `{name}`, and there is no such {what}{meant}")))
}

impl Guard {
    /// Whether a commit was within the life of the guard.
    fn spans(&self, commit: u64) -> bool {
        (self.begun..self.ended).contains(&commit)
    }
}

impl ChangesObserver for Shared {
    fn begun(&self) -> u64 {
        let mut guards = self.guards.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = self.record.commits();
        guards.open.push(begun);
        begun
    }

    fn announcing(&self, begun: u64, events: Vec<RawEvent>) {
        let mut guards = self.guards.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = guards.open.iter().position(|open| *open == begun) {
            guards.open.swap_remove(at);
        }
        guards.ended.push(Guard { begun, ended: self.record.commits(), events });
    }
}

impl From<rusqlite::Error> for CoverageError {
    fn from(error: rusqlite::Error) -> Self {
        Self(format!("the coverage can't record the changes: {error}"))
    }
}

impl fmt::Display for CoverageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CoverageError {}

#[cfg(test)]
mod tests;
