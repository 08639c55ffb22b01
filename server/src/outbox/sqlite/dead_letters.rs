//! The dead letters of a SQLite file, for the command line.

use rusqlite::{Connection, Transaction, params};

use super::{column_limits, columns, immediate, nonce, read_row};
use crate::outbox::source::{DeadLetter, Which};

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

/// Moves dead letters back, the oldest first. They get a new id and a new nonce from the table.
pub(super) fn retry(connection: &mut Connection, which: &Which) -> rusqlite::Result<u64> {
    let insert = "INSERT INTO tidings_outbox(tenant, event, key, origin, topics) \
        SELECT tenant, event, key, origin, topics FROM tidings_dead_letters";
    for_each(connection, which, |transaction, which| match which {
        None => transaction.execute(&format!("{insert} ORDER BY id"), []),
        Some(id) => transaction.execute(&format!("{insert} WHERE id = ?1"), [id]),
    })
}

pub(super) fn delete(connection: &mut Connection, which: &Which) -> rusqlite::Result<u64> {
    for_each(connection, which, |_, _| Ok(0))
}

/// Calls `before` for each of the dead letters, or once for all of them, and deletes them. Does all of it or nothing.
fn for_each(
    connection: &mut Connection,
    which: &Which,
    before: impl Fn(&Transaction<'_>, Option<i64>) -> rusqlite::Result<usize>,
) -> rusqlite::Result<u64> {
    let transaction = immediate(connection)?;
    let mut count = 0;
    match which {
        Which::All => {
            before(&transaction, None)?;
            count += transaction.execute("DELETE FROM tidings_dead_letters", [])?;
        }
        Which::These(ids) => {
            for &id in ids {
                before(&transaction, Some(id))?;
                let deleted = transaction.execute("DELETE FROM tidings_dead_letters WHERE id = ?1", [id])?;
                if deleted == 0 {
                    return Err(rusqlite::Error::InvalidParameterName(format!(
                        "there is no dead letter {id}"
                    )));
                }
                count += deleted;
            }
        }
    }
    transaction.commit()?;
    Ok(count as u64)
}
