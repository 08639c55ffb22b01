//! In the database of a journal, rows go from table to table. A server with another history must not take them away.

use std::time::{Duration, Instant};

use crate::{outbox::store::StoreError, postgres::Session};

/// Time between two looks for a journal in a database that one server at a time reads.
const INTERVAL: Duration = Duration::from_secs(1);

const HAS_JOURNAL: &str = "SELECT EXISTS (SELECT FROM tidings.versions WHERE part = 'journal')";

/// What is read without a journal in its database, and when the database last had none.
#[derive(Debug)]
pub(crate) struct NoJournal {
    /// The end of the message: which servers the rows are for, and the remedy.
    otherwise: &'static str,
    seen: Option<Instant>,
}

impl NoJournal {
    /// Of an outbox.
    pub(crate) fn for_outbox() -> Self {
        Self::new(
            "its rows are for the servers that use it: start this server with --journal and this URL, or put the outbox \
             into a database without a journal",
        )
    }

    /// Of the changes of a bridged table.
    pub(crate) fn for_bridge() -> Self {
        Self::new(
            "the changes of its tables are for the servers that use it: open the hub with this journal, or bridge a table \
             of a database without a journal",
        )
    }

    fn new(otherwise: &'static str) -> Self {
        Self { otherwise, seen: None }
    }

    /// Succeeds while the database has no journal. Looks once in a while. `name` is the database, without secrets.
    ///
    /// # Errors
    /// There is a journal, so the rows are for the servers that have it. Or the database does not answer.
    pub(crate) async fn expect(&mut self, session: &Session, name: &str) -> Result<(), StoreError> {
        if self.seen.is_some_and(|seen| seen.elapsed() < INTERVAL) {
            return Ok(());
        }
        match session.query_one(HAS_JOURNAL, &[]).await {
            Ok(row) if row.get(0) => {
                Err(StoreError::away(format!("{name}: this database has a journal, and {}", self.otherwise)))
            }
            // Without the schema there is no journal. Whoever reads its tables says what is missing.
            Err(fault) if !fault.is_missing() => Err(fault.into()),
            _ => {
                self.seen = Some(Instant::now());
                Ok(())
            }
        }
    }

    /// Looks again at the next call.
    pub(crate) fn forget(&mut self) {
        self.seen = None;
    }
}
