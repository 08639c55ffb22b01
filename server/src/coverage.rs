//! Write coverage, for tests and for development: which committed changes have no event.
//!
//! A page hears of a change by its event. A write that forgets its event leaves pages out of date, and no other test finds it.
//! A [`Coverage`] records the changes of an application's SQLite connections, or of its PostgreSQL database. It finds each
//! changed row that no event of the same transaction names. These are the events of a transaction:
//!
//! - the rows that it inserts into the outbox, also by the triggers of `tidings watch-table` or `tidings.watch`,
//! - the events of a [guard](crate::Hub::changes) that was made before the commit, and ended after it.
//!
#![cfg_attr(feature = "sqlite", doc = "```")]
#![cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
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
//! let coverage = Coverage::sqlite([Table::new("person").named(By::domain("staff").field("uuid", "id"))])?;
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
//! With PostgreSQL, one call watches a database. It sees the writes of all programs:
//!
#![cfg_attr(feature = "postgres", doc = "```no_run")]
#![cfg_attr(not(feature = "postgres"), doc = "```ignore")]
//! use tidings_server::coverage::{By, Coverage, Table};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let people = Table::new("person").named(By::domain("staff").field("uuid", "id"));
//! let coverage = Coverage::postgres("postgres://owner:secret@localhost/shop_test", [people])?;
//! // The test writes.
//! coverage.assert_complete();
//! # Ok(())
//! # }
//! ```
//!
//! What counts is the row before and after a transaction. So a write that is rolled back needs no event, and neither does a row
//! that the same transaction makes and deletes. Deletions by a cascade and rows that `REPLACE` or `TRUNCATE` removes are
//! changes.
//!
//! In development, a program may call [`Coverage::missing`] once a second, and write the answer into its log.
//!
//! Nothing of it stays in the database. In SQLite, the triggers and the record belong to the connection. In PostgreSQL, they
//! depend on temporary objects of one session. PostgreSQL drops them when the [`Coverage`] is dropped, and also when its
//! process is killed. If PostgreSQL itself crashes, they stay until another session has the same number, or until the next
//! coverage. Until then, writes go on, and at most a million changes are recorded.

mod guards;
mod judge;
#[cfg(feature = "postgres")]
mod postgres;
mod recorded;
#[cfg(feature = "sqlite")]
mod sqlite;
mod table;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tidings_hub::{ChangesObserver, Hub};
use tidings_shared::RawEvent;

use self::{
    guards::Guards,
    judge::judge,
    recorded::{MAX_RECORDED, Moment, Recorded},
};
pub use self::{
    judge::{Change, Missing},
    table::{By, Table},
};

/// Finds committed changes that no event of their transaction names. See the [module](self).
///
/// It watches all tables of the application. A [`Table`] says how an event names the rows of a table, or that a table needs
/// no events. Tables that are made later are not watched.
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

/// Who records the changes.
#[derive(Debug)]
enum Record {
    #[cfg(feature = "sqlite")]
    Sqlite(sqlite::Record),
    #[cfg(feature = "postgres")]
    Postgres(Box<postgres::Record>),
}

/// The coverage can't be used. The message says why, and the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoverageError(String);

impl Coverage {
    /// Makes a coverage of SQLite connections, with these declarations. A table without one has the [default](Table).
    /// [`Coverage::connect`] begins to record.
    ///
    /// # Errors
    /// SQLite has no memory for it.
    #[cfg(feature = "sqlite")]
    pub fn sqlite(tables: impl IntoIterator<Item = Table>) -> Result<Self, CoverageError> {
        let record = Record::Sqlite(sqlite::Record::new(MAX_RECORDED)?);
        Ok(Self::new(tables.into_iter().collect(), record))
    }

    /// Records the changes of a connection of the application from now on, and the rows that it inserts into `tidings_outbox`.
    /// Each connection that writes needs this, before its first write and after the migrations.
    ///
    /// The connection gets temporary triggers and an attached database in memory. Its commit hook is used: the application must
    /// have none.
    ///
    /// # Errors
    /// A declaration names a table or a column that is not there, a transaction is open, or the connection is connected
    /// already. Or this is a coverage of PostgreSQL.
    #[cfg(feature = "sqlite")]
    pub fn connect(&self, connection: &mut rusqlite::Connection) -> Result<(), CoverageError> {
        match &self.shared.record {
            Record::Sqlite(record) => record.connect(connection, &self.shared.tables),
            #[cfg(feature = "postgres")]
            Record::Postgres(_) => Err(CoverageError(
                "this is a coverage of PostgreSQL: make one for SQLite by Coverage::sqlite".to_owned(),
            )),
        }
    }

    /// Records the changes of a PostgreSQL database from now on, by all who write to it, and the rows of `tidings.outbox`. A
    /// table without a declaration has the [default](Table). A table of a schema that is not in the search path has the name
    /// `schema.table`. In a table without a primary key, all columns are the key.
    ///
    /// `url` names the owner of the tables. A database has one coverage at a time: another one waits for its end, for five
    /// seconds at most. So give each test a database of its own, and connect after the migrations.
    ///
    /// The tables get triggers, and the schema `tidings_coverage` has the record. PostgreSQL drops both with the session of this
    /// coverage. So the connection must go to the server itself: a pool such as pgbouncer keeps the session. Don't use it in
    /// production: each write of the database takes longer, and other transactions wait while the triggers are made and
    /// dropped. A table with a [bridge](crate::bridge) needs [`Table::ignore`], because the bridge makes its events. Rows that a
    /// replication brings are not recorded, and neither are those of a partition that is attached.
    ///
    /// This and the other calls block the thread while the database answers.
    ///
    /// # Errors
    /// A declaration names a table or a column that is not there. The database can't be reached, or does not let the user
    /// make the triggers. Or a transaction has written to a table and was open for more than five seconds.
    #[cfg(feature = "postgres")]
    pub fn postgres(url: &str, tables: impl IntoIterator<Item = Table>) -> Result<Self, CoverageError> {
        let tables: Vec<Table> = tables.into_iter().collect();
        let record = Record::Postgres(Box::new(postgres::Record::start(url, &tables)?));
        Ok(Self::new(tables, record))
    }

    fn new(tables: Vec<Table>, record: Record) -> Self {
        Self { shared: Arc::new(Shared { tables, record, guards: Mutex::default() }) }
    }

    /// Also counts the events of the guards of a hub ([`Hub::changes`]) that are made from now on. Returns `false` if the hub
    /// has another coverage already.
    ///
    /// With PostgreSQL, each guard then asks the database when it is made and when it ends.
    pub fn observe(&self, hub: &Hub) -> bool {
        hub.observe_changes(Arc::clone(&self.shared) as Arc<dyn ChangesObserver>)
    }

    /// Returns the committed changes that no event names, and forgets them. A change is judged when all guards have ended that
    /// were open at its commit.
    ///
    /// With SQLite, call it while this thread has no transaction open: it waits for open transactions, for five seconds at
    /// most.
    ///
    /// # Errors
    /// A transaction of SQLite was open for longer, or PostgreSQL does not answer. Or more than a million changes were recorded
    /// since the last call.
    pub fn missing(&self) -> Result<Vec<Missing>, CoverageError> {
        let mut guards = self.shared.lock_guards();
        let recorded = self.shared.record.take()?;
        let Recorded { entries, events, .. } = guards.settle(recorded)?;
        drop(guards);
        Ok(judge(&entries, &events, &self.shared.tables))
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

impl Shared {
    fn lock_guards(&self) -> MutexGuard<'_, Guards> {
        self.guards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ChangesObserver for Shared {
    fn begun(&self) -> u64 {
        let mut guards = self.lock_guards();
        guards.begin(self.record.now())
    }

    fn announcing(&self, mark: u64, events: Vec<RawEvent>) {
        let mut guards = self.lock_guards();
        guards.end(mark, self.record.now(), events);
    }
}

impl Record {
    /// Returns which transactions have committed until now.
    fn now(&self) -> Result<Moment, CoverageError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(record) => Ok(record.now()),
            #[cfg(feature = "postgres")]
            Self::Postgres(record) => record.now(),
        }
    }

    /// Takes what was recorded of committed transactions.
    fn take(&self) -> Result<Recorded, CoverageError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(record) => record.take(),
            #[cfg(feature = "postgres")]
            Self::Postgres(record) => record.take(),
        }
    }
}

impl CoverageError {
    fn too_many(max: u64) -> Self {
        Self(format!(
            "more than {max} changes were recorded, and the later ones are not: ask earlier for what is missing"
        ))
    }
}

impl fmt::Display for CoverageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CoverageError {}
