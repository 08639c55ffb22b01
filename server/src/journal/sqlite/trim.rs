//! Retention: what leaves a journal.

use std::time::Duration;

use rusqlite::{Transaction, params};
use tidings_hub::{
    TenantId,
    journal::{JournalLimits, REVOCATION_GRACE},
};
use tidings_shared::Position;
use uuid::Uuid;

use super::{fault::Fault, file::JournalFile, keys, tenants::Tenant};

/// Entries and keys that one call removes, as many revocations, and as many tenants. It takes some 20 milliseconds, and
/// publishes wait meanwhile. It is more than the driver appends in a turn, so a journal that is full stays within its bounds.
const TRIMMED: usize = 4_096;

/// Tenants that one call trims.
const TENANTS: usize = 64;

/// Damaged tenants that stay as they are. If there are more, trimming fails.
const UNTRIMMED: usize = 64;

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
        let trimmed = self.try_trim(limits, now);
        if !matches!(trimmed, Ok(true)) {
            self.tenants.age();
        }
        if self.log_bytes() >= CHECKPOINT_BYTES {
            self.checkpoint()?;
        }
        trimmed
    }

    fn try_trim(&mut self, limits: &JournalLimits, now: u64) -> Result<bool, Fault> {
        let keys = limits.keys();
        let bounds = [
            bound(limits.log.max_entries),
            bound(limits.log.max_bytes),
            ago(now, limits.log.max_age),
            bound(keys.max_bytes),
            ago(now, keys.max_age),
        ];
        let mut has_more = self.trim_tenants(&bounds)?;
        has_more |= self.trim_revocations(ago(now, REVOCATION_GRACE))?;
        // A client that was connected before this process began may come back for as long.
        if self.opened.elapsed() >= limits.log.max_age.max(keys.max_age) {
            has_more |= self.forget_tenants()?;
        }
        Ok(has_more)
    }

    /// Removes entries and keys beyond the bounds. A tenant that is damaged stops no other.
    fn trim_tenants(&mut self, bounds: &[i64; 5]) -> Result<bool, Fault> {
        let max = TENANTS + self.untrimmed.len();
        let beyond = self.read(|file| Tenant::beyond(&file.db, *bounds, max))?;
        let is_good = |(_, tenant): &(TenantId, Tenant)| !self.untrimmed.contains(&tenant.id);
        let beyond: Vec<_> = beyond.into_iter().filter(is_good).collect();
        let (count, mut left) = (beyond.len(), TRIMMED);
        for (name, mut tenant) in beyond {
            let id = tenant.id;
            let trimmed = self.write_lazily(|transaction, _| {
                let mut most = left;
                trim_entries(transaction, &mut tenant, bounds, &mut most)?;
                let [.., key_bytes, keys_since] = *bounds;
                most -= keys::trim(transaction, &mut tenant, key_bytes, keys_since, most)?;
                tenant.save(transaction)?;
                Ok((tenant, most))
            });
            match trimmed {
                Ok((tenant, most)) => {
                    left = most;
                    self.tenants.update(&name, tenant);
                }
                Err(fault) if fault.is_damage() && self.untrimmed.len() < UNTRIMMED => {
                    tracing::error!(tenant = %name, %fault, "the journal can't remove old entries of this tenant");
                    self.untrimmed.insert(id);
                }
                Err(fault) => return Err(fault),
            }
            if left == 0 {
                break;
            }
        }
        Ok(left == 0 || count >= TENANTS)
    }

    fn trim_revocations(&mut self, since: i64) -> Result<bool, Fault> {
        let has_expired = self.read(|file| {
            let mut select = file.db.prepare_cached("SELECT 1 FROM revocation WHERE until <= ?1 LIMIT 1")?;
            Ok(select.exists([since])?)
        })?;
        if !has_expired {
            return Ok(false);
        }
        let expired = self.write_lazily(|transaction, _| {
            let mut delete = transaction.prepare_cached(&format!(
                "DELETE FROM revocation WHERE number IN
                 (SELECT number FROM revocation WHERE until <= ?1 ORDER BY until LIMIT {TRIMMED})"
            ))?;
            Ok(delete.execute([since])?)
        })?;
        Ok(expired == TRIMMED)
    }

    /// Removes tenants without entries and keys that the hub does not use. If one of them comes again, it gets a new epoch.
    fn forget_tenants(&mut self) -> Result<bool, Fault> {
        let unused =
            self.read(|file| Tenant::unused(&file.db, |name| file.tenants.get(name).is_some(), TRIMMED))?;
        if !unused.is_empty() {
            self.write_lazily(|transaction, _| {
                let mut delete = transaction.prepare_cached("DELETE FROM tenant WHERE id = ?1")?;
                for id in &unused {
                    delete.execute([id])?;
                }
                Ok(())
            })?;
        }
        Ok(unused.len() == TRIMMED)
    }
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
