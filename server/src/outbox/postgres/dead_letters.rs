//! The dead letters in PostgreSQL, for the command line.

use tokio_postgres::types::Type;

use super::{column_limits, columns, read_row, sizes};
use crate::{
    outbox::store::{DeadLetter, Which},
    postgres::{Fault, Session},
};

const LIST: &str = concat!(
    "SELECT outbox_id, ",
    columns!(),
    ", id, code, reason, (extract(epoch FROM refused_at) * 1000)::bigint FROM (SELECT *, ",
    sizes!(),
    " FROM tidings.dead_letters WHERE id > $4 ORDER BY id LIMIT $5) AS letters ORDER BY id"
);

/// Moves dead letters back, the oldest first. The table gives them a new id and a new nonce.
const RETRY: &str = "WITH gone AS (DELETE FROM tidings.dead_letters WHERE $1::bigint[] IS NULL OR id = ANY($1) RETURNING *), \
    back AS (INSERT INTO tidings.outbox(tenant, event, key, origin, topics) \
        SELECT tenant, event, key, origin, topics FROM gone ORDER BY id) \
    SELECT count(*) FROM gone";

const DELETE: &str = "WITH gone AS (DELETE FROM tidings.dead_letters WHERE $1::bigint[] IS NULL OR id = ANY($1) RETURNING id) \
    SELECT count(*) FROM gone";

/// The first of some dead letters that is not there.
const MISSING: &str = "SELECT min(named.id) FROM unnest($1) AS named(id) \
    WHERE NOT EXISTS (SELECT FROM tidings.dead_letters AS letter WHERE letter.id = named.id)";

pub(super) async fn list(session: &Session, after: i64, max: usize) -> Result<Vec<DeadLetter>, Fault> {
    let [short, event, topics] = column_limits();
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let values: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 5] = [
        (&short, Type::INT8),
        (&event, Type::INT8),
        (&topics, Type::INT8),
        (&after, Type::INT8),
        (&max, Type::INT8),
    ];
    let rows = session.query(LIST, &values).await?;
    Ok(rows
        .iter()
        .map(|row| DeadLetter {
            id: row.get(11),
            row: read_row(row),
            code: row.get(12),
            reason: row.get(13),
            at: row.get(14),
        })
        .collect())
}

pub(super) async fn retry(session: &Session, which: &Which) -> Result<u64, String> {
    change(session, RETRY, which).await
}

pub(super) async fn delete(session: &Session, which: &Which) -> Result<u64, String> {
    change(session, DELETE, which).await
}

/// Does all of it or nothing. Returns how many dead letters are gone.
async fn change(session: &Session, statement: &str, which: &Which) -> Result<u64, String> {
    let ids = match which {
        Which::All => None,
        Which::These(ids) => Some(ids),
    };
    let message = |fault: Fault| fault.message;
    session.batch("BEGIN").await.map_err(message)?;
    let changed = async {
        if let Some(ids) = ids {
            let missing = session.query_one(MISSING, &[(ids, Type::INT8_ARRAY)]).await.map_err(message)?;
            if let Some(id) = missing.get::<_, Option<i64>>(0) {
                return Err(format!("there is no dead letter {id}"));
            }
        }
        let row = session.query_one(statement, &[(&ids, Type::INT8_ARRAY)]).await.map_err(message)?;
        Ok(row.get::<_, i64>(0).unsigned_abs())
    };
    let changed = changed.await;
    let end = if changed.is_ok() { "COMMIT" } else { "ROLLBACK" };
    session.batch(end).await.map_err(message)?;
    changed
}
