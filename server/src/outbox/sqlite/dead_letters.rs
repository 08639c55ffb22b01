//! The dead letters of a SQLite file, for the command line.

use rusqlite::{Connection, params};

use super::{column_limits, columns, immediate, nonce, read_row};
use crate::outbox::store::{DeadLetter, Which};

const LIST: &str = concat!(
    "SELECT outbox_id, ",
    columns!(),
    ", id, code, reason, refused_at FROM tidings_dead_letters WHERE id > ?1 ORDER BY id LIMIT ?5"
);

pub(super) fn list(connection: &Connection, after: i64, max: usize) -> rusqlite::Result<Vec<DeadLetter>> {
    let [short, event, topics] = column_limits();
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(LIST)?;
    let letters = statement.query_map(params![after, short, event, topics, max], |row| {
        Ok(DeadLetter {
            row: read_row(row)?,
            id: row.get("id")?,
            code: row.get("code")?,
            reason: row.get("reason")?,
            at: row.get("refused_at")?,
        })
    })?;
    letters.collect()
}

const INSERT: &str = "INSERT INTO tidings_outbox(tenant, event, key, origin, topics) \
    SELECT tenant, event, key, origin, topics FROM tidings_dead_letters WHERE ?1 IS NULL OR id = ?1 ORDER BY id";

const DELETE: &str = "DELETE FROM tidings_dead_letters WHERE ?1 IS NULL OR id = ?1";

/// Moves dead letters back, the oldest first. They get a new id and a new nonce from the table. Returns how many, or the id
/// that is not there.
pub(super) fn retry(connection: &mut Connection, which: &Which) -> rusqlite::Result<Result<u64, i64>> {
    for_each(connection, which, &[INSERT, DELETE])
}

/// Deletes dead letters. Returns how many, or the id that is not there.
pub(super) fn delete(connection: &mut Connection, which: &Which) -> rusqlite::Result<Result<u64, i64>> {
    for_each(connection, which, &[DELETE])
}

/// Runs statements for each of the dead letters, or once for all of them with `NULL`. Does all of it, or nothing.
fn for_each(
    connection: &mut Connection,
    which: &Which,
    statements: &[&str],
) -> rusqlite::Result<Result<u64, i64>> {
    let transaction = immediate(connection)?;
    let run = |id: Option<i64>| -> rusqlite::Result<usize> {
        let mut changed = 0;
        for statement in statements {
            changed = transaction.prepare_cached(statement)?.execute([id])?;
        }
        Ok(changed)
    };
    let mut count = 0;
    match which {
        Which::All => count += run(None)?,
        Which::These(ids) => {
            for &id in ids {
                match run(Some(id))? {
                    0 => return Ok(Err(id)),
                    changed => count += changed,
                }
            }
        }
    }
    transaction.commit()?;
    Ok(Ok(count as u64))
}
