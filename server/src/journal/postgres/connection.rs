//! The connection of a journal: it is opened when it is needed, and dropped after each failure.

use std::time::Duration;

use futures_util::future::try_join_all;
use tidings_hub::journal::JournalError;
use tidings_shared::Position;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::Row;

use super::refusal::explained;
use crate::postgres::{Database, Session, Values};

/// The longest time for a connection. The driver's thread waits for it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest wait for an answer. A call that is given up may still be done in the database. So the driver follows the
/// journal, and appends with the same keys again.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// A connection to the database of a journal.
#[derive(Debug)]
pub(super) struct Connection {
    database: Database,
    /// `None` after a failure, until the next call.
    session: Option<Session>,
    /// Whether a statement was answered since the last probe.
    has_answered: bool,
    /// Runs while a call waits: the thread is the driver's. `None` only in [`Drop`].
    runtime: Option<Runtime>,
}

impl Connection {
    /// Reads a URL. It connects later.
    pub(super) fn new(url: &str) -> Result<Self, JournalError> {
        let database = Database::parse(url, crate::database_url::public(url)).map_err(error)?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|reason| error(format!("no runtime: {reason}")))?;
        Ok(Self { database, session: None, has_answered: false, runtime: Some(runtime) })
    }

    /// Waits only for as long as the driver may wait, from now on. A start and a command wait longer for a busy database:
    /// they can't try again.
    pub(super) fn hasten(&mut self) {
        self.database = self.database.clone().timeouts(CONNECT_TIMEOUT, ANSWER_TIMEOUT);
        if let Some(session) = &mut self.session {
            session.set_answer_timeout(ANSWER_TIMEOUT);
        }
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    /// Runs one statement, and returns its rows.
    pub(super) fn query(&mut self, statement: &str, values: &Values<'_>) -> Result<Vec<Row>, JournalError> {
        let rows = self.run(async |database, session| match session.query(statement, values).await {
            Ok(rows) => Ok(rows),
            Err(fault) => Err(explained(database, session, fault).await),
        })?;
        self.has_answered = true;
        Ok(rows)
    }

    /// Runs one statement that reads the history of some tenants. If the database finds damage, one of them is damaged.
    pub(super) fn query_history(
        &mut self,
        statement: &str,
        values: &Values<'_>,
    ) -> Result<Vec<Row>, JournalError> {
        let rows = self.run(async |database, session| match session.query(statement, values).await {
            Ok(rows) => Ok(Ok(rows)),
            Err(fault) if fault.is_damage() => Ok(Err(fault.message)),
            Err(fault) => Err(explained(database, session, fault).await),
        })?;
        self.has_answered = true;
        rows.map_err(|message| JournalError::damage(error(message).message))
    }

    /// Runs one statement that returns at least one row.
    pub(super) fn query_one(&mut self, statement: &str, values: &Values<'_>) -> Result<Row, JournalError> {
        let first = self.query(statement, values)?.into_iter().next();
        first.ok_or_else(|| self.unexpected("a function of the journal gave no row"))
    }

    /// Runs one statement with each of these values, without a wait in between. Each run is a transaction of its own.
    pub(super) fn query_each(&mut self, statement: &str, each: &[&Values<'_>]) -> Result<(), JournalError> {
        self.run(async |database, session| {
            let runs = each.iter().map(|values| session.query(statement, values));
            match try_join_all(runs).await {
                Ok(_) => Ok(()),
                Err(fault) => Err(explained(database, session, fault).await),
            }
        })
    }

    /// Does something with an open session.
    pub(super) fn run<T>(
        &mut self,
        act: impl AsyncFnOnce(&Database, &Session) -> Result<T, String>,
    ) -> Result<T, JournalError> {
        let Self { database, session, runtime, .. } = self;
        let runtime = runtime.as_ref().expect("only `drop` takes it");
        let done = runtime.block_on(async {
            let open = match session.take().filter(|session| !session.is_closed()) {
                Some(open) => open,
                None => database.connect().await?,
            };
            act(database, session.insert(open)).await
        });
        done.map_err(|message| {
            (self.session, self.has_answered) = (None, false);
            error(message)
        })
    }

    /// Returns whether a statement was answered since this was last called.
    pub(super) fn has_answered(&mut self) -> bool {
        std::mem::take(&mut self.has_answered)
    }

    /// Returns an error: the tables have something that no function of the journal has written.
    pub(super) fn fault(&self, message: &str) -> JournalError {
        self.unexpected(&format!("{message}; restore the database"))
    }

    /// Returns an error: somebody else changes the tables at the same time. The call is made again.
    pub(super) fn unexpected(&self, message: &str) -> JournalError {
        error(format!("{}: {message}", self.database.name()))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Not its own `drop`: that would wait for a look-up of a name.
        if let Some(runtime) = self.runtime.take() {
            self.session = None;
            runtime.shutdown_background();
        }
    }
}

fn error(message: String) -> JournalError {
    JournalError::new(format!("the journal {message}"))
}

/// Returns a number as the database has it. Numbers beyond its range are as good as its largest.
pub(super) fn signed(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// Returns an age as the functions of the database take it.
pub(super) fn milliseconds(age: Duration) -> i64 {
    signed(age.as_millis())
}

/// Returns the epoch of a position as the database has it: the low bits of a random number.
pub(super) fn epoch(random: u64) -> i64 {
    signed(Position::new(random, 0, 0).epoch)
}
