//! The newest entries of a tenant, in pages.

use tidings_hub::{
    LogLimits, TenantId,
    journal::{History, JournalError},
};
use tokio_postgres::{Row, types::Type};

use super::{
    column::column,
    connection::{Connection, milliseconds, signed},
    entries::{BYTES, Current, Read, columns, damaged, tail},
    stranger,
};

/// How often a history is read from its beginning, if entries leave it or its epoch changes between two pages.
const ATTEMPTS: usize = 3;

const RECENT: &str = concat!(
    "SELECT tenant, epoch, tail, tail_key, tail_number, head, ",
    columns!(),
    " FROM tidings.recent($1, $2, $3, $4, $5)"
);

/// Returns the newest entries of a tenant. `None` if there is no such tenant.
pub(super) fn recent(
    connection: &mut Connection,
    tenant: &TenantId,
    limits: &LogLimits,
) -> Result<Option<(History, Current)>, JournalError> {
    for _ in 0..ATTEMPTS {
        let Some(page) = first_page(connection, tenant, limits)? else { return Ok(None) };
        if let Some(whole) = whole(connection, tenant, page)? {
            return Ok(Some(whole));
        }
    }
    Err(connection.fault(&format!("the history of the tenant {tenant} changes while it is read")))
}

/// The beginning of a history, and where it ends.
struct Page {
    history: History,
    current: Current,
    head: u64,
}

fn first_page(
    connection: &mut Connection,
    tenant: &TenantId,
    limits: &LogLimits,
) -> Result<Option<Page>, JournalError> {
    let name = tenant.as_str();
    let [max_entries, max_bytes] = [limits.max_entries, limits.max_bytes].map(signed);
    let max_age = milliseconds(limits.max_age);
    let values = [
        (&name as _, Type::TEXT),
        (&max_entries as _, Type::INT8),
        (&max_bytes as _, Type::INT8),
        (&max_age as _, Type::INT8),
        (&BYTES as _, Type::INT8),
    ];
    let rows = connection.query(RECENT, &values)?;
    let Some((first, rows)) = rows.split_first() else { return Ok(None) };
    let mut page = page_of(first).ok_or_else(|| damaged(connection, tenant, 0))?;
    for row in rows {
        let offset = page.current.position.offset + 1;
        let read = Read::of(row, 6).filter(|read| read.offset == offset);
        let number = read.as_ref().map(|read| read.number);
        let entry = read.and_then(|read| read.entry(page.current.position.epoch));
        let (Some(number), Some(entry)) = (number, entry) else {
            return Err(damaged(connection, tenant, offset));
        };
        page.current = Current { position: entry.position, number, ..page.current };
        page.history.entries.push(entry);
    }
    Ok(Some(page))
}

fn page_of(first: &Row) -> Option<Page> {
    let tail = tail(column::<i64>(first, 1)?.unsigned_abs(), column(first, 2)?, column(first, 3)?);
    let number = column::<Option<i64>>(first, 4)?.unwrap_or_default();
    Some(Page {
        history: History { tail, entries: Vec::new() },
        current: Current { id: column(first, 0)?, position: tail, number },
        head: column::<i64>(first, 5)?.unsigned_abs(),
    })
}

/// Reads the other pages, up to the head that the first one names. Entries that came later have greater numbers than the row
/// of any cursor until now. `None`: the journal no longer has what follows.
fn whole(
    connection: &mut Connection,
    tenant: &TenantId,
    page: Page,
) -> Result<Option<(History, Current)>, JournalError> {
    let Page { mut history, mut current, head } = page;
    while current.position.offset < head {
        let max = usize::try_from(head - current.position.offset).unwrap_or(usize::MAX);
        match stranger::next(connection, tenant, current.position, max)? {
            Some((entries, newest)) if !entries.is_empty() => {
                history.entries.extend(entries);
                current = newest;
            }
            _ => return Ok(None),
        }
    }
    Ok(Some((history, current)))
}
