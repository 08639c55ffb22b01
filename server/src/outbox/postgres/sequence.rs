//! The outbox in the database of the hub's journal: rows go into the journal in one call, and no hub is between.

use std::time::{Duration, Instant};

use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::{PostgresStore, age, columns_of, milliseconds, read_snapshot, refusals_of, snapshot, turn};
use crate::{
    journal::Columns,
    outbox::{
        batches::Batch,
        row::{OutboxRow, RowId},
        store::StoreError,
    },
};

/// What a look has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::outbox) struct Seen {
    /// The time since the first row was written, if there is one.
    pub(in crate::outbox) age: Option<Duration>,
    /// Whether another node took rows a moment ago.
    pub(in crate::outbox) is_another_at_work: bool,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::outbox) struct Sequenced {
    /// Rows with events that were still there, and now are published.
    pub(in crate::outbox) published: u64,
    /// Rows that were too old, and have a gap now.
    pub(in crate::outbox) too_old: u64,
    /// Rows that became dead letters.
    pub(in crate::outbox) buried: u64,
    /// Rows with the key of another publication. They are still there.
    pub(in crate::outbox) refused: Vec<i64>,
}

const LOOK: &str = concat!(
    "SELECT ",
    snapshot!("$4"),
    ", (SELECT ",
    age!(),
    " FROM tidings.outbox WHERE id > $1 AND NOT (id = ANY($2)) ORDER BY id LIMIT 1), \
    EXISTS (SELECT FROM tidings.sequencer WHERE node <> $3 \
        AND at BETWEEN clock_timestamp() - interval '500 ms' AND clock_timestamp() + interval '500 ms')"
);

const SEQUENCE: &str = "SELECT published, too_old, buried, refused FROM tidings.sequence(\
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";

impl PostgresStore {
    /// Returns the id of the journal in this database, if there is one that this user may use.
    ///
    /// # Errors
    /// The database does not answer.
    pub(in crate::outbox) async fn journal_id(&self) -> Result<Option<Uuid>, StoreError> {
        match self.session()?.query_one("SELECT tidings.journal_id()", &[]).await {
            Ok(row) => Ok(row.get(0)),
            Err(fault) if fault.is_missing() || fault.is_forbidden() => Ok(None),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Returns whether a server without this journal reads the outbox.
    ///
    /// # Errors
    /// The database does not answer.
    pub(in crate::outbox) async fn has_reader(&self) -> Result<bool, StoreError> {
        Ok(self.session()?.query_one(turn::IS_TAKEN, &[]).await?.get(0))
    }

    /// Looks for a row that is not among these. This costs the database less than a read.
    ///
    /// # Errors
    /// The database does not answer.
    pub(in crate::outbox) async fn look(
        &mut self,
        waiting: &[RowId],
        node: Uuid,
    ) -> Result<Seen, StoreError> {
        let ids: Vec<i64> = waiting.iter().map(|row| row.id).collect();
        loop {
            let now = Instant::now();
            let (after, old) = (self.recent.after(now), self.recent.old());
            let values: [(&(dyn ToSql + Sync), Type); 4] =
                [(&after, Type::INT8), (&ids, Type::INT8_ARRAY), (&node, Type::UUID), (&old, Type::INT8)];
            let row = self.session()?.query_one(LOOK, &values).await?;
            let seen =
                Seen { age: row.get::<_, Option<i64>>(2).map(milliseconds), is_another_at_work: row.get(3) };
            let snapshot = read_snapshot(&row, 0);
            // A read follows on a row that was seen. It looks at the transactions itself.
            if seen.age.is_some()
                || self.recent.read(after, std::iter::empty(), snapshot, now, Instant::now())
            {
                return Ok(seen);
            }
        }
    }

    /// Reads the next rows that are not among these.
    ///
    /// # Errors
    /// The database does not answer.
    pub(in crate::outbox) async fn next_rows(
        &mut self,
        waiting: &[RowId],
    ) -> Result<Vec<OutboxRow>, StoreError> {
        self.rows(waiting).await
    }

    /// Appends a batch to the journal and deletes its rows, in one transaction.
    ///
    /// # Errors
    /// The database does not answer. Nothing has changed, or everything.
    pub(in crate::outbox) async fn sequence(
        &mut self,
        node: Uuid,
        batch: &Batch,
        new_epoch: &mut dyn FnMut() -> u64,
    ) -> Result<Sequenced, StoreError> {
        let (ids, nonces) = columns_of(batch.rows.iter());
        let (dead_ids, dead_nonces) = columns_of(batch.dead.iter().map(|dead| &dead.id));
        let (codes, reasons) = refusals_of(&batch.dead);
        let columns = Columns::new(&batch.drafts, new_epoch);
        let mut values: Vec<(&(dyn ToSql + Sync), Type)> = vec![
            (&node, Type::UUID),
            (&dead_ids, Type::INT8_ARRAY),
            (&dead_nonces, Type::UUID_ARRAY),
            (&codes, Type::TEXT_ARRAY),
            (&reasons, Type::TEXT_ARRAY),
        ];
        values.extend(columns.values());
        values.extend([(&ids as &(dyn ToSql + Sync), Type::INT8_ARRAY), (&nonces, Type::UUID_ARRAY)]);
        let row = self.session()?.query_one(SEQUENCE, &values).await?;
        let number = |index| row.get::<_, i64>(index).unsigned_abs();
        Ok(Sequenced { published: number(0), too_old: number(1), buried: number(2), refused: row.get(3) })
    }

    /// Says that this node takes no more rows: the others need not wait.
    ///
    /// # Errors
    /// The database does not answer.
    pub(in crate::outbox) async fn stop_sequencing(&self, node: Uuid) -> Result<(), StoreError> {
        self.session()?.query("SELECT tidings.stop_sequencing($1)", &[(&node, Type::UUID)]).await?;
        Ok(())
    }
}
