//! The rows of a table that wait, in the order of their ids: those of an outbox, or the changes of a bridge.

use std::time::{Duration, Instant};

use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};
use uuid::Uuid;

use super::recent::{Recent, Snapshot};
use crate::{
    outbox::{
        row::RowId,
        sequencer::Seen,
        store::{MAX_COUNTED, StoreError, Waiting},
    },
    postgres::Session,
};

/// The milliseconds since a row was written, by the database's clock. The owner may have set the time to `infinity`, which has
/// no difference to another time.
macro_rules! age {
    () => {
        "CASE WHEN isfinite(at) THEN (extract(epoch FROM clock_timestamp() - at) * 1000)::bigint ELSE 0 END"
    };
}
pub(super) use age;

/// The two columns of [`read_snapshot`]: those of the statement's own snapshot. Only transactions below a number are named.
macro_rules! snapshot {
    ($old:literal) => {
        concat!(
            "(SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint), \
            ARRAY(SELECT x::text::bigint FROM pg_snapshot_xip(pg_current_snapshot()) AS x WHERE x::text::bigint < ",
            $old,
            ")"
        )
    };
}
pub(crate) use snapshot;

/// The rows that wait, and what was read of them.
#[derive(Debug)]
pub(crate) struct Queue {
    has_new: String,
    look: String,
    count: String,
    recent: Recent,
    /// The rows that have been read, of those that may still be in the table.
    known: Vec<i64>,
}

/// Where a read begins.
#[derive(Debug)]
pub(crate) struct Begin<'a> {
    /// The id before the first row.
    pub(crate) after: i64,
    /// Rows that are known already.
    pub(crate) known: &'a [i64],
    /// The number below which [`snapshot!`] names transactions.
    pub(crate) old: i64,
}

/// What a read has found.
#[derive(Debug)]
pub(crate) struct Found<T> {
    pub(crate) rows: Vec<T>,
    /// All ids of the table that were read, in their order.
    pub(crate) ids: Vec<i64>,
    /// `None` without rows.
    pub(crate) snapshot: Option<Snapshot>,
}

impl Queue {
    /// Returns the queue of some tables, each with a condition: `tidings.outbox WHERE true`.
    pub(crate) fn new(rows: &str, dead_letters: &str, sequencers: &str) -> Self {
        let has_new = format!(
            "SELECT {}, (SELECT true FROM {rows} AND id > $1 AND NOT (id = ANY($2)) ORDER BY id LIMIT 1)",
            snapshot!("$3")
        );
        let look = format!(
            "SELECT {}, (SELECT {} FROM {rows} AND id > $1 AND NOT (id = ANY($2)) ORDER BY id LIMIT 1), \
             EXISTS (SELECT FROM {sequencers} AND node <> $4 \
                AND at BETWEEN clock_timestamp() - interval '500 ms' AND clock_timestamp() + interval '500 ms')",
            snapshot!("$3"),
            age!()
        );
        let count = format!(
            "SELECT (SELECT count(*) FROM (SELECT FROM {rows} AND id > $1 LIMIT $2) AS rows), \
             (SELECT {} FROM {rows} AND id > $1 ORDER BY id LIMIT 1), \
             (SELECT count(*) FROM (SELECT FROM {dead_letters} LIMIT $2) AS letters)",
            age!()
        );
        Self { has_new, look, count, recent: Recent::default(), known: Vec::new() }
    }

    /// Looks for a row that was not read. This costs the database less than a read.
    pub(crate) async fn has_no_new_row(&mut self, session: &Session) -> Result<bool, StoreError> {
        let now = Instant::now();
        let (after, old) = (self.recent.after(now), self.recent.old());
        let values: [(&(dyn ToSql + Sync), Type); 3] =
            [(&after, Type::INT8), (&self.known, Type::INT8_ARRAY), (&old, Type::INT8)];
        let row = session.query_one(&self.has_new, &values).await?;
        if row.get::<_, Option<bool>>(2).is_some() {
            return Ok(false);
        }
        Ok(self.recent.read(after, std::iter::empty(), read_snapshot(&row, 0), now, Instant::now()))
    }

    /// Looks for a row that is not among these, and for other nodes.
    pub(crate) async fn look(
        &mut self,
        session: &Session,
        waiting: &[i64],
        node: Uuid,
    ) -> Result<Seen, StoreError> {
        loop {
            let now = Instant::now();
            let (after, old) = (self.recent.after(now), self.recent.old());
            let values: [(&(dyn ToSql + Sync), Type); 4] =
                [(&after, Type::INT8), (&waiting, Type::INT8_ARRAY), (&old, Type::INT8), (&node, Type::UUID)];
            let row = session.query_one(&self.look, &values).await?;
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

    /// Reads the next rows that are not among `known`, by a statement that `read` runs. It runs again if others may have come
    /// before these rows.
    pub(crate) async fn read<T>(
        &mut self,
        known: Vec<i64>,
        mut read: impl AsyncFnMut(Begin<'_>) -> Result<Found<T>, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        self.known = known;
        loop {
            let now = Instant::now();
            let (after, old) = (self.recent.after(now), self.recent.old());
            let Found { rows, ids, snapshot } = read(Begin { after, known: &self.known, old }).await?;
            let Some(snapshot) = snapshot else { return Ok(rows) };
            if self.recent.read(after, ids.iter().copied(), snapshot, now, Instant::now()) {
                self.known.extend(ids);
                return Ok(rows);
            }
        }
    }

    /// Counts the rows with a larger id than `after`, and the dead letters.
    pub(crate) async fn waiting(&self, session: &Session, after: Option<i64>) -> Result<Waiting, StoreError> {
        let (after, max) = (after.unwrap_or(i64::MIN), MAX_COUNTED as i64);
        let row = session.query_one(&self.count, &[(&after, Type::INT8), (&max, Type::INT8)]).await?;
        let number = |index| usize::try_from(row.get::<_, i64>(index)).unwrap_or_default();
        let oldest = milliseconds(row.get::<_, Option<i64>>(1).unwrap_or_default());
        Ok(Waiting { rows: number(0), oldest, dead: number(2) })
    }

    /// Forgets what was seen: after a failover it is not what is there now.
    pub(crate) fn forget(&mut self) {
        self.recent = Recent::default();
    }
}

/// Reads the columns of [`snapshot!`], from this index on.
pub(crate) fn read_snapshot(row: &Row, index: usize) -> Snapshot {
    Snapshot { next: row.get(index), running: row.get(index + 1) }
}

/// Returns a time span of the database. It is negative if its clock went back.
pub(crate) fn milliseconds(number: i64) -> Duration {
    Duration::from_millis(number.try_into().unwrap_or_default())
}

/// Returns ids and nonces as two columns. A nonce of this database has 16 bytes.
pub(crate) fn columns_of<'a>(rows: impl Iterator<Item = &'a RowId>) -> (Vec<i64>, Vec<Uuid>) {
    rows.filter_map(|row| Some((row.id, Uuid::from_slice(&row.nonce).ok()?))).unzip()
}
