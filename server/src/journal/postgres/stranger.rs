//! Tenants that the cursor does not know: their positions are compared with the journal.

use tidings_hub::{
    TenantId,
    journal::{Entry, Followed, JournalError},
};
use tidings_shared::Position;
use tokio_postgres::{Row, types::Type};

use super::{
    column::column,
    connection::{Connection, signed},
    cursor::Cursor,
    entries::{BYTES, Current, Read, columns, damaged, tail},
};

/// Tenants of one query.
const TENANTS: usize = 1_000;

/// Entries of one query.
const ENTRIES: usize = 4_096;

const FOLLOW: &str = concat!(
    "SELECT place, tenant, epoch, tail, tail_key, head, ",
    columns!(),
    " FROM tidings.follow($1, $2, $3, $4)"
);

/// Adds what follows these positions to `all`, at most `left` entries. When a tenant's last entry has arrived, the cursor
/// follows the tenant.
pub(super) fn follow(
    connection: &mut Connection,
    strangers: &[(&TenantId, Position)],
    mut left: usize,
    cursor: &mut Cursor,
    all: &mut Vec<(TenantId, Followed)>,
) -> Result<(), JournalError> {
    let mut rest = strangers.to_vec();
    while !rest.is_empty() && left > 0 {
        let some = &rest[..rest.len().min(TENANTS)];
        let rows = ask(connection, some, left)?;
        let (mut looked_at, mut partly) = (0, None);
        for ((tenant, held), rows) in some.iter().zip(by_place(&rows)) {
            looked_at += 1;
            let answer = judge(rows, *held).map_err(|offset| damaged(connection, tenant, offset))?;
            let is_all = matches!(answer, Answer::Entries { is_all: true, .. });
            let followed = match answer {
                Answer::RolledBack => Followed::RolledBack,
                Answer::Trimmed => Followed::Trimmed,
                Answer::Entries { entries, newest, is_all } => {
                    if is_all {
                        cursor.insert(tenant, newest);
                    }
                    Followed::Entries(entries)
                }
            };
            let known = all.last_mut().filter(|(known, _)| known == *tenant).map(|(_, known)| known);
            match (followed, known) {
                (Followed::Entries(entries), known) => {
                    left = left.saturating_sub(entries.len());
                    // The entries of one query have a bound in bytes.
                    partly = entries.last().filter(|_| !is_all).map(|last| (*tenant, last.position));
                    match known {
                        Some(Followed::Entries(known)) => known.extend(entries),
                        _ if entries.is_empty() => {}
                        _ => all.push(((*tenant).clone(), Followed::Entries(entries))),
                    }
                }
                (followed, None) => all.push(((*tenant).clone(), followed)),
                // The next read tells what has happened in between.
                (_, Some(_)) => {}
            }
        }
        rest.drain(..looked_at);
        rest.extend(partly);
        if partly.is_some() {
            rest.rotate_right(1);
        }
    }
    Ok(())
}

/// Returns a page of what follows a position, at most `max` entries, and the newest entry among them. `None`: the journal no
/// longer has the position.
pub(super) fn next(
    connection: &mut Connection,
    tenant: &TenantId,
    held: Position,
    max: usize,
) -> Result<Option<(Vec<Entry>, Current)>, JournalError> {
    let rows = ask(connection, &[(tenant, held)], max)?;
    match judge(&rows, held).map_err(|offset| damaged(connection, tenant, offset))? {
        Answer::Entries { entries, newest, .. } => Ok(Some((entries, newest))),
        Answer::RolledBack | Answer::Trimmed => Ok(None),
    }
}

fn ask(
    connection: &mut Connection,
    some: &[(&TenantId, Position)],
    max: usize,
) -> Result<Vec<Row>, JournalError> {
    let names: Vec<&str> = some.iter().map(|(tenant, _)| tenant.as_str()).collect();
    let offsets: Vec<i64> = some.iter().map(|(_, held)| signed(held.offset)).collect();
    let max = signed(max.min(ENTRIES));
    let values = [
        (&names as _, Type::TEXT_ARRAY),
        (&offsets as _, Type::INT8_ARRAY),
        (&max as _, Type::INT8),
        (&BYTES as _, Type::INT8),
    ];
    connection.query_history(FOLLOW, &values)
}

/// Returns the rows of each tenant.
fn by_place(rows: &[Row]) -> impl Iterator<Item = &[Row]> {
    rows.chunk_by(|row, next| column::<i32>(row, 0) == column(next, 0))
}

/// What the journal has after a position.
enum Answer {
    /// It does not have the position.
    RolledBack,
    /// It has removed entries that follow.
    Trimmed,
    /// `newest` is the last of the entries, or the position. `is_all`: it is the tenant's head.
    Entries { entries: Vec<Entry>, newest: Current, is_all: bool },
}

/// The first row of a tenant.
struct Header {
    id: i64,
    epoch: u64,
    tail: Position,
    head: u64,
}

impl Header {
    fn of(row: &Row) -> Option<Self> {
        let epoch = column::<i64>(row, 2)?.unsigned_abs();
        Some(Self {
            id: column(row, 1)?,
            epoch,
            tail: tail(epoch, column(row, 3)?, column(row, 4)?),
            head: column::<i64>(row, 5)?.unsigned_abs(),
        })
    }
}

/// Compares a position with the journal. The error is the offset of an entry that is damaged or missing.
fn judge(rows: &[Row], held: Position) -> Result<Answer, u64> {
    // Without a first row, or with an empty one, there is no such tenant.
    let Some((first, rows)) = rows.split_first() else { return Ok(Answer::RolledBack) };
    let Some(Header { id, epoch, tail, head }) = Header::of(first) else { return Ok(Answer::RolledBack) };
    if held.epoch != epoch || held.offset > head {
        return Ok(Answer::RolledBack);
    }
    if held.offset < tail.offset {
        return Ok(Answer::Trimmed);
    }
    let mut newest = Current { id, position: held, number: 0 };
    let mut rows = rows.iter();
    if held.offset == tail.offset {
        if held != tail {
            return Ok(Answer::RolledBack);
        }
    } else {
        match rows.next().and_then(|row| Read::of(row, 6)) {
            Some(read) if (read.offset, read.tag) == (held.offset, held.tag) => newest.number = read.number,
            _ => return Ok(Answer::RolledBack),
        }
    }
    let mut entries: Vec<Entry> = Vec::with_capacity(rows.len());
    for row in rows {
        let offset = newest.position.offset + 1;
        let read = Read::of(row, 6).filter(|read| read.offset == offset).ok_or(offset)?;
        newest.number = read.number;
        let entry = read.entry(epoch).ok_or(offset)?;
        newest.position = entry.position;
        entries.push(entry);
    }
    let is_all = newest.position.offset == head;
    Ok(Answer::Entries { entries, newest, is_all })
}
