//! The newest entries of tenants. A long history is read in pages.

use tidings_hub::{
    LogLimits, TenantId,
    journal::{History, JournalError},
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

/// The time of the database for one query, in milliseconds. A query looks at each entry of a history to find its bounds. After
/// this time it looks at no further tenant. Appends of other tenants wait for the query.
const MAX_TIME: i64 = 25;

const RECENT: &str = concat!(
    "SELECT place, tenant, epoch, tail, tail_key, tail_number, head, ",
    columns!(),
    " FROM tidings.recent($1, $2, $3, $4, $5, $6)"
);

/// A history that is read in pages, one with each call.
#[derive(Debug)]
pub(super) struct Reading {
    tenant: TenantId,
    page: Page,
    attempts: usize,
}

/// A whole history, or `None` if it has more pages.
pub(super) type Answer = Option<(History, Current)>;

/// Returns the newest entries of tenants: see [`Journal::recent_of`](tidings_hub::journal::Journal::recent_of). A tenant that
/// the journal does not know is added with a new epoch.
pub(super) fn recent(
    connection: &mut Connection,
    reading: &mut Option<Reading>,
    tenants: &[TenantId],
    limits: &LogLimits,
    new_epoch: &mut dyn FnMut() -> u64,
) -> Result<Vec<Answer>, JournalError> {
    let mut pages = match (tenants, reading.take()) {
        ([tenant], Some(begun)) if begun.tenant == *tenant => {
            return Ok(vec![read_on(connection, reading, begun, limits)?]);
        }
        // Another tenant has its turn.
        _ => first_pages(connection, tenants, limits)?,
    };
    if pages.iter().any(Option::is_none) {
        let unknown = tenants.iter().zip(&pages).filter(|(_, page)| page.is_none());
        add(connection, unknown.map(|(tenant, _)| tenant), new_epoch)?;
        // The second query may have time for more tenants, which may be unknown, too.
        pages = first_pages(connection, &tenants[..pages.len()], limits)?;
    }
    let mut answers = Vec::with_capacity(pages.len());
    for (tenant, page) in tenants.iter().zip(pages) {
        let page = page.ok_or_else(|| connection.unexpected("a tenant that was just added is gone"))?;
        if page.is_last() {
            answers.push(Some((page.history, page.current)));
            continue;
        }
        answers.push(None);
        if tenants.len() == 1 {
            *reading = Some(Reading { tenant: tenant.clone(), page, attempts: 1 });
        }
    }
    Ok(answers)
}

/// Reads the next page. Entries that came later than the first page have greater numbers than the row of any cursor until now.
fn read_on(
    connection: &mut Connection,
    reading: &mut Option<Reading>,
    begun: Reading,
    limits: &LogLimits,
) -> Result<Answer, JournalError> {
    let Reading { tenant, mut page, mut attempts } = begun;
    let max = usize::try_from(page.head - page.current.position.offset).unwrap_or(usize::MAX);
    match stranger::next(connection, &tenant, page.current.position, max)? {
        Some((entries, newest)) if !entries.is_empty() => {
            page.history.entries.extend(entries);
            page.current = newest;
        }
        // The journal no longer has what follows.
        _ => {
            attempts += 1;
            let again = first_pages(connection, std::slice::from_ref(&tenant), limits)?.pop().flatten();
            page = match again {
                Some(page) if attempts <= ATTEMPTS => page,
                _ => {
                    let message = format!("the history of the tenant {tenant} changes while it is read");
                    return Err(connection.unexpected(&message));
                }
            };
        }
    }
    if page.is_last() {
        return Ok(Some((page.history, page.current)));
    }
    *reading = Some(Reading { tenant, page, attempts });
    Ok(None)
}

/// The beginning of a history, and the offset of its last entry.
#[derive(Debug)]
struct Page {
    history: History,
    current: Current,
    head: u64,
}

impl Page {
    fn is_last(&self) -> bool {
        self.current.position.offset >= self.head
    }
}

/// Returns the beginning of the histories of the first tenants, about [`BYTES`] in all. A page of several tenants is a whole
/// history, or empty. `None`: there is no such tenant.
fn first_pages(
    connection: &mut Connection,
    tenants: &[TenantId],
    limits: &LogLimits,
) -> Result<Vec<Option<Page>>, JournalError> {
    let names: Vec<&str> = tenants.iter().map(TenantId::as_str).collect();
    let [max_entries, max_bytes] = [limits.max_entries, limits.max_bytes].map(signed);
    let max_age = milliseconds(limits.max_age);
    let values = [
        (&names as _, Type::TEXT_ARRAY),
        (&max_entries as _, Type::INT8),
        (&max_bytes as _, Type::INT8),
        (&max_age as _, Type::INT8),
        (&BYTES as _, Type::INT8),
        (&MAX_TIME as _, Type::INT8),
    ];
    let rows = connection.query_history(RECENT, &values)?;
    let pages = rows.chunk_by(|row, next| column::<i32>(row, 0) == column(next, 0));
    tenants.iter().zip(pages).map(|(tenant, rows)| page(connection, tenant, rows)).collect()
}

fn page(connection: &Connection, tenant: &TenantId, rows: &[Row]) -> Result<Option<Page>, JournalError> {
    let Some(first) = rows.first() else { return Ok(None) };
    let Some(id) = column::<Option<i64>>(first, 1).flatten() else { return Ok(None) };
    let mut page = page_of(first, id).ok_or_else(|| damaged(connection, tenant, 0))?;
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
    Ok(Some(page))
}

fn page_of(first: &Row, id: i64) -> Option<Page> {
    let tail = tail(column::<i64>(first, 2)?.unsigned_abs(), column(first, 3)?, column(first, 4)?);
    let number = column::<Option<i64>>(first, 5)?.unwrap_or_default();
    Some(Page {
        history: History { tail, entries: Vec::new() },
        current: Current { id, position: tail, number },
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
