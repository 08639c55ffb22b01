//! The newest entries of tenants, in pages.

use tidings_hub::{
    LogLimits, TenantId,
    journal::{Entry, History, JournalError},
};
use tokio_postgres::{Row, types::Type};

use super::{
    column::column,
    connection::{Connection, epoch, milliseconds, signed},
    entries::{BYTES, Current, Read, columns, damaged, tail},
    stranger,
};
use crate::postgres::Values;

/// How often a history is read from its beginning, if entries leave it or its epoch changes between two pages.
const ATTEMPTS: usize = 3;

const RECENT: &str = concat!(
    "SELECT n.place::integer, tenant, epoch, tail, tail_key, tail_number, head, ",
    columns!(),
    " FROM unnest($1) WITH ORDINALITY AS n(name, place), \
     LATERAL tidings.recent(n.name, $2, $3, $4, $5) WITH ORDINALITY AS r ORDER BY n.place, r.ordinality"
);

/// Returns the newest entries of the first ones of these tenants, in their order: of one tenant at least, and of further ones
/// until there are [`BYTES`]. A tenant that the journal does not know is added with a new epoch.
pub(super) fn recent(
    connection: &mut Connection,
    tenants: &[TenantId],
    limits: &LogLimits,
    new_epoch: &mut dyn FnMut() -> u64,
) -> Result<Vec<(History, Current)>, JournalError> {
    let mut pages = first_pages(connection, tenants, limits)?;
    if pages.iter().any(Option::is_none) {
        let unknown = tenants.iter().zip(&pages).filter(|(_, page)| page.is_none());
        add(connection, unknown.map(|(tenant, _)| tenant), new_epoch)?;
        pages = first_pages(connection, tenants, limits)?;
    }
    let (mut found, mut bytes) = (Vec::with_capacity(tenants.len()), 0);
    for (tenant, page) in tenants.iter().zip(pages) {
        let page = page.ok_or_else(|| connection.fault("a tenant that was just added is gone"))?;
        let (history, current) = whole(connection, tenant, limits, page)?;
        bytes += history.entries.iter().map(cost).sum::<usize>();
        found.push((history, current));
        if signed(bytes) >= BYTES {
            break;
        }
    }
    Ok(found)
}

fn cost(entry: &Entry) -> usize {
    entry.content.cost(entry.topics.len())
}

/// The beginning of a history, and where it ends.
struct Page {
    history: History,
    current: Current,
    head: u64,
}

/// Returns the beginning of each tenant's history, together about [`BYTES`]. `None`: there is no such tenant.
fn first_pages(
    connection: &mut Connection,
    tenants: &[TenantId],
    limits: &LogLimits,
) -> Result<Vec<Option<Page>>, JournalError> {
    let names: Vec<&str> = tenants.iter().map(TenantId::as_str).collect();
    let [max_entries, max_bytes] = [limits.max_entries, limits.max_bytes].map(signed);
    let max_age = milliseconds(limits.max_age);
    let page_bytes = BYTES / signed(tenants.len().max(1));
    let values = [
        (&names as _, Type::TEXT_ARRAY),
        (&max_entries as _, Type::INT8),
        (&max_bytes as _, Type::INT8),
        (&max_age as _, Type::INT8),
        (&page_bytes as _, Type::INT8),
    ];
    let rows = connection.query(RECENT, &values)?;
    let mut places = rows.chunk_by(|row, next| column::<i32>(row, 0) == column(next, 0)).peekable();
    let pages = (1_i32..).zip(tenants).map(|(place, tenant)| {
        let of_tenant = places.next_if(|rows| rows.first().and_then(|row| column(row, 0)) == Some(place));
        of_tenant.map(|rows| page(connection, tenant, rows)).transpose()
    });
    pages.collect()
}

fn page(connection: &Connection, tenant: &TenantId, rows: &[Row]) -> Result<Page, JournalError> {
    let first = rows.first().and_then(page_of);
    let mut page = first.ok_or_else(|| damaged(connection, tenant, 0))?;
    for row in rows.iter().skip(1) {
        let offset = page.current.position.offset + 1;
        let read = Read::of(row, 7).filter(|read| read.offset == offset);
        let number = read.as_ref().map(|read| read.number);
        let entry = read.and_then(|read| read.entry(page.current.position.epoch));
        let (Some(number), Some(entry)) = (number, entry) else {
            return Err(damaged(connection, tenant, offset));
        };
        page.current = Current { position: entry.position, number, ..page.current };
        page.history.entries.push(entry);
    }
    Ok(page)
}

fn page_of(first: &Row) -> Option<Page> {
    let tail = tail(column::<i64>(first, 2)?.unsigned_abs(), column(first, 3)?, column(first, 4)?);
    let number = column::<Option<i64>>(first, 5)?.unwrap_or_default();
    Some(Page {
        history: History { tail, entries: Vec::new() },
        current: Current { id: column(first, 1)?, position: tail, number },
        head: column::<i64>(first, 6)?.unsigned_abs(),
    })
}

/// Adds tenants, each in a transaction of its own: two nodes may add the same ones in another order.
fn add<'a>(
    connection: &mut Connection,
    tenants: impl Iterator<Item = &'a TenantId>,
    new_epoch: &mut dyn FnMut() -> u64,
) -> Result<(), JournalError> {
    let added: Vec<(&str, i64)> = tenants.map(|tenant| (tenant.as_str(), epoch(new_epoch()))).collect();
    let values: Vec<[_; 2]> =
        added.iter().map(|(name, epoch)| [(name as _, Type::TEXT), (epoch as _, Type::INT8)]).collect();
    let each: Vec<&Values<'_>> = values.iter().map(|values| &values[..]).collect();
    connection.query_each("SELECT tidings.add_tenant($1, $2)", &each)
}

/// Reads a history to its end.
fn whole(
    connection: &mut Connection,
    tenant: &TenantId,
    limits: &LogLimits,
    mut first: Page,
) -> Result<(History, Current), JournalError> {
    for attempt in 1.. {
        if let Some(whole) = other_pages(connection, tenant, first)? {
            return Ok(whole);
        }
        let again = first_pages(connection, std::slice::from_ref(tenant), limits)?.pop().flatten();
        match again {
            Some(page) if attempt < ATTEMPTS => first = page,
            _ => break,
        }
    }
    Err(connection.fault(&format!("the history of the tenant {tenant} changes while it is read")))
}

/// Reads the other pages, up to the head that the first one names. Entries that came later have greater numbers than the row
/// of any cursor until now. `None`: the journal no longer has what follows.
fn other_pages(
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
