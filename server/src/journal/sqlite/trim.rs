//! Retention: what leaves a journal.

use std::time::Duration;

use rusqlite::{Transaction, params};
use tidings_hub::journal::JournalLimits;
use tidings_shared::Position;
use uuid::Uuid;

use super::{fault::Fault, file::JournalFile, keys, tenants::Tenant};

/// Entries and keys that one call removes, and as many revocations. It takes some 20 milliseconds, and publishes wait
/// meanwhile. It is more than the driver appends in a turn, so a journal that is full stays within its bounds.
const TRIMMED: usize = 4_096;

/// Tenants that one call looks at.
const TENANTS: usize = 64;

/// Bytes of the log from which a call writes it into the database file.
const CHECKPOINT_BYTES: u64 = 16 * 1024 * 1024;

fn bound(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn ago(now: u64, age: Duration) -> i64 {
    let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
    i64::try_from(now.saturating_sub(age)).unwrap_or(i64::MAX)
}

impl JournalFile {
    /// See [`Journal::trim`](tidings_hub::journal::Journal::trim).
    pub(super) fn trim(&mut self, limits: &JournalLimits, now: u64) -> Result<bool, Fault> {
        let keys = limits.keys();
        let bounds = [
            bound(limits.log.max_entries),
            bound(limits.log.max_bytes),
            ago(now, limits.log.max_age),
            bound(keys.max_bytes),
            ago(now, keys.max_age),
        ];
        let beyond = self.read(|file| Tenant::beyond(&file.db, bounds, TENANTS))?;
        let has_expired = self.read(|file| {
            let mut select = file.db.prepare_cached("SELECT 1 FROM revocation WHERE until <= ?1 LIMIT 1")?;
            Ok(select.exists([bound_time(now)])?)
        })?;
        let mut has_more = false;
        if !beyond.is_empty() || has_expired {
            let mut left = TRIMMED;
            has_more = beyond.len() == TENANTS;
            let (trimmed, expired) = self.write_lazily(|transaction, _| {
                let mut trimmed = Vec::new();
                for (name, mut tenant) in beyond {
                    trim_entries(transaction, &mut tenant, &bounds, &mut left)?;
                    let [.., key_bytes, keys_since] = bounds;
                    left -= keys::trim(transaction, &mut tenant, key_bytes, keys_since, left)?;
                    tenant.save(transaction)?;
                    trimmed.push((name, tenant));
                }
                let expired = transaction.prepare_cached(&format!(
                    "DELETE FROM revocation WHERE number IN
                     (SELECT number FROM revocation WHERE until <= ?1 ORDER BY until LIMIT {TRIMMED})"
                ))?;
                Ok((trimmed, { expired }.execute([bound_time(now)])?))
            })?;
            has_more |= left == 0 || expired == TRIMMED;
            self.tenants.extend(trimmed);
        }
        if self.log_bytes() >= CHECKPOINT_BYTES {
            self.checkpoint()?;
        }
        Ok(has_more)
    }
}

fn bound_time(now: u64) -> i64 {
    i64::try_from(now).unwrap_or(i64::MAX)
}

fn trim_entries(
    transaction: &Transaction<'_>,
    tenant: &mut Tenant,
    [max_entries, max_bytes, since, ..]: &[i64; 5],
    left: &mut usize,
) -> Result<(), Fault> {
    let mut select = transaction
        .prepare_cached("SELECT offset, at, key, cost FROM entry WHERE tenant = ?1 ORDER BY offset")?;
    let mut rows = select.query([tenant.id])?;
    let mut tail = tenant.tail;
    tenant.oldest_at = None;
    while let Some(row) = rows.next()? {
        let (offset, at, key, cost): (i64, i64, [u8; 16], i64) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let entries = tenant.head.offset as i64 - tail.offset as i64;
        let is_beyond = entries > *max_entries || tenant.bytes > *max_bytes || at < *since;
        if !is_beyond || *left == 0 {
            tenant.oldest_at = Some(at);
            break;
        }
        tail = Position::new(tail.epoch, offset as u64, Position::tag_of(Uuid::from_bytes(key)));
        tenant.bytes -= cost;
        *left -= 1;
    }
    if tail != tenant.tail {
        keys::keep(transaction, tenant, tail.offset)?;
        let mut delete =
            transaction.prepare_cached("DELETE FROM entry WHERE tenant = ?1 AND offset <= ?2")?;
        delete.execute(params![tenant.id, tail.offset as i64])?;
        tenant.tail = tail;
    }
    Ok(())
}
