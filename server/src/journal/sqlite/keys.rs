//! The keys of entries, and of entries that were trimmed.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use tidings_hub::keys::key_cost;
use tidings_shared::{Position, TopicName};
use uuid::Uuid;

use super::{fault::Fault, tenants::Tenant, topics::parted};

/// Returns the position and the topics of the entry with this key, if the journal remembers it.
pub(super) fn known(
    db: &Connection,
    tenant: &Tenant,
    key: Uuid,
) -> Result<Option<(Position, Vec<TopicName>)>, Fault> {
    let found = |row: &rusqlite::Row<'_>| -> rusqlite::Result<(u64, u64, String)> {
        Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64, row.get(2)?))
    };
    let mut entry =
        db.prepare_cached("SELECT ?3, offset, topics FROM entry WHERE tenant = ?1 AND key = ?2")?;
    let mut known =
        entry.query_row(params![tenant.id, key.as_bytes(), tenant.head.epoch as i64], found).optional()?;
    if known.is_none() {
        let mut trimmed =
            db.prepare_cached("SELECT epoch, offset, topics FROM key WHERE tenant = ?1 AND key = ?2")?;
        known = trimmed.query_row(params![tenant.id, key.as_bytes()], found).optional()?;
    }
    let Some((epoch, offset, topics)) = known else { return Ok(None) };
    Ok(Some((Position::new(epoch, offset, Position::tag_of(key)), parted(&topics)?)))
}

/// Keeps the keys that publishers know, of the entries up to this offset. The caller removes the entries.
pub(super) fn keep(transaction: &Transaction<'_>, tenant: &mut Tenant, up_to: u64) -> Result<(), Fault> {
    let mut select = transaction.prepare_cached(
        "SELECT key, offset, at, topics FROM entry
         WHERE tenant = ?1 AND offset <= ?2 AND may_come_again ORDER BY offset",
    )?;
    let mut insert = transaction.prepare_cached(
        "INSERT INTO key (tenant, key, epoch, offset, at, topics) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let mut rows = select.query(params![tenant.id, up_to as i64])?;
    while let Some(row) = rows.next()? {
        let (key, offset, at, topics): ([u8; 16], i64, i64, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        insert.execute(params![tenant.id, key, tenant.head.epoch as i64, offset, at, topics])?;
        tenant.key_bytes += key_cost(&parted(&topics)?) as i64;
        tenant.oldest_key_at.get_or_insert(at);
    }
    Ok(())
}

/// Removes the oldest keys while they are beyond the bounds, at most so many. Returns how many.
pub(super) fn trim(
    transaction: &Transaction<'_>,
    tenant: &mut Tenant,
    max_bytes: i64,
    since: i64,
    max: usize,
) -> Result<usize, Fault> {
    let mut select =
        transaction.prepare_cached("SELECT offset, at, topics FROM key WHERE tenant = ?1 ORDER BY offset")?;
    let mut rows = select.query([tenant.id])?;
    let (mut removed, mut last) = (0, None);
    tenant.oldest_key_at = None;
    while let Some(row) = rows.next()? {
        let (offset, at, topics): (i64, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let is_beyond = tenant.key_bytes > max_bytes || at < since;
        if !is_beyond || removed == max {
            tenant.oldest_key_at = Some(at);
            break;
        }
        tenant.key_bytes -= key_cost(&parted(&topics)?) as i64;
        last = Some(offset);
        removed += 1;
    }
    if let Some(last) = last {
        let mut delete = transaction.prepare_cached("DELETE FROM key WHERE tenant = ?1 AND offset <= ?2")?;
        delete.execute(params![tenant.id, last])?;
    }
    Ok(removed)
}
