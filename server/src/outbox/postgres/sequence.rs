//! The outbox in the database of the hub's journal: rows go into the journal in one call, and no hub is between.

use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::{PostgresStore, columns_of, refusals_of, session};
use crate::{
    journal::Columns,
    outbox::{
        batches::Batch,
        row::{OutboxRow, RowId},
        sequencer::{Seen, Sequence, Sequenced},
        store::StoreError,
    },
    postgres::Session,
};

const SEQUENCE: &str = "SELECT published, too_old, buried, refused FROM tidings.sequence(\
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";

impl PostgresStore {
    /// Returns the id of the journal in this database, if there is one that this user may use.
    ///
    /// # Errors
    /// The database does not answer.
    pub(in crate::outbox) async fn journal_id(&self) -> Result<Option<Uuid>, StoreError> {
        journal_id(self.session()?).await
    }
}

impl Sequence for PostgresStore {
    async fn look(&mut self, waiting: &[RowId], node: Uuid) -> Result<Seen, StoreError> {
        let ids: Vec<i64> = waiting.iter().map(|row| row.id).collect();
        self.queue.look(session(&self.open, &self.database)?, &ids, node).await
    }

    async fn next_rows(&mut self, waiting: &[RowId]) -> Result<Vec<OutboxRow>, StoreError> {
        self.rows(waiting).await
    }

    async fn sequence(
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

    async fn stop_sequencing(&self, node: Uuid) -> Result<(), StoreError> {
        self.session()?.query("SELECT tidings.stop_sequencing($1)", &[(&node, Type::UUID)]).await?;
        Ok(())
    }
}

/// Returns the id of the journal in a database, if there is one that this user may use.
///
/// # Errors
/// The database does not answer.
pub(crate) async fn journal_id(session: &Session) -> Result<Option<Uuid>, StoreError> {
    match session.query_one("SELECT tidings.journal_id()", &[]).await {
        Ok(row) => Ok(row.get(0)),
        Err(fault) if fault.is_missing() || fault.is_forbidden() => Ok(None),
        Err(fault) => Err(fault.into()),
    }
}
