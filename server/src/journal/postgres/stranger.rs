//! Tenants that the cursor does not know: their positions are compared with the journal.

use tidings_hub::{
    TenantId,
    journal::{Entry, Followed, JournalError},
};
use tidings_shared::Position;
use tokio_postgres::{Row, types::Type};

use super::{
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

/// Adds what follows these positions to `all`, at most `left` entries. If all entries of a
/// tenant came, the cursor then knows the tenant.
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
        let names: Vec<&str> = some.iter().map(|(tenant, _)| tenant.as_str()).collect();
        let offsets: Vec<i64> = some.iter().map(|(_, held)| signed(held.offset)).collect();
        let max = signed(left.min(ENTRIES));
        let values = [
            (&names as _, Type::TEXT_ARRAY),
            (&offsets as _, Type::INT8_ARRAY),
            (&max as _, Type::INT8),
            (&BYTES as _, Type::INT8),
        ];
        let rows = connection.query(FOLLOW, &values)?;
        let (mut looked_at, mut partly) = (0, None);
        for ((tenant, held), rows) in some.iter().zip(by_place(&rows)) {
            looked_at += 1;
            let (followed, current) = judge(rows, *held).ok_or_else(|| damaged(connection))?;
            let is_all = current.is_some();
            if let Some(current) = current {
                cursor.insert(tenant, current);
            }
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

/// Returns the rows of each tenant.
fn by_place(rows: &[Row]) -> impl Iterator<Item = &[Row]> {
    rows.chunk_by(|row, next| row.get::<_, i32>(0) == next.get::<_, i32>(0))
}

/// Compares a position with the journal. Returns what follows, and the tenant's newest entry if that came, too. `None` if an
/// entry is damaged.
fn judge(rows: &[Row], held: Position) -> Option<(Followed, Option<Current>)> {
    let (first, rows) = rows.split_first()?;
    let rolled_back = Some((Followed::RolledBack, None));
    let Some(id) = first.get::<_, Option<i64>>(1) else { return rolled_back };
    let epoch = first.get::<_, i64>(2).unsigned_abs();
    let tail = tail(epoch, first.get(3), first.get(4));
    let head = first.get::<_, i64>(5).unsigned_abs();
    if held.epoch != epoch || held.offset > head {
        return rolled_back;
    }
    if held.offset < tail.offset {
        return Some((Followed::Trimmed, None));
    }
    let mut reads = rows.iter().filter_map(|row| Read::of(row, 6)).peekable();
    let mut current = Current { id, position: held, number: 0 };
    if held.offset == tail.offset {
        if held != tail {
            return rolled_back;
        }
    } else {
        match reads.next() {
            Some(read) if (read.offset, read.tag) == (held.offset, held.tag) => current.number = read.number,
            _ => return rolled_back,
        }
    }
    let mut entries: Vec<Entry> = Vec::new();
    for read in reads {
        if read.offset != current.position.offset + 1 {
            return None;
        }
        current.number = read.number;
        let entry = read.entry(epoch)?;
        current.position = entry.position;
        entries.push(entry);
    }
    let is_all = current.position.offset == head;
    Some((Followed::Entries(entries), is_all.then_some(current)))
}
