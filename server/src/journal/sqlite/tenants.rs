//! A tenant's row: its epoch, its head, its tail, and how much it has.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use tidings_hub::TenantId;
use tidings_shared::Position;

use super::fault::{DAMAGED, Fault};

/// A tenant, as it is in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tenant {
    pub(super) id: i64,
    pub(super) head: Position,
    /// The position before the first entry.
    pub(super) tail: Position,
    /// The cost of the entries.
    pub(super) bytes: i64,
    /// When the oldest entry was appended.
    pub(super) oldest_at: Option<i64>,
    /// The cost of the keys of trimmed entries.
    pub(super) key_bytes: i64,
    /// When the entry of the oldest of these keys was appended.
    pub(super) oldest_key_at: Option<i64>,
}

fn named(name: &str) -> Result<TenantId, Fault> {
    name.parse().map_err(|_| Fault::said(DAMAGED))
}

const COLUMNS: &str = "id, epoch, head, head_tag, tail, tail_tag, bytes, oldest_at, key_bytes, oldest_key_at";

impl Tenant {
    pub(super) fn find(db: &Connection, name: &TenantId) -> Result<Option<Self>, Fault> {
        let mut select = db.prepare_cached(&format!("SELECT {COLUMNS} FROM tenant WHERE name = ?1"))?;
        Ok(select.query_row([name.as_str()], Self::of).optional()?)
    }

    /// Returns the names of tenants after this one, in order.
    pub(super) fn names(
        db: &Connection,
        after: Option<&TenantId>,
        max: usize,
    ) -> Result<Vec<TenantId>, Fault> {
        let mut select =
            db.prepare_cached("SELECT name FROM tenant WHERE name > ?1 ORDER BY name LIMIT ?2")?;
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        let after = after.map_or("", TenantId::as_str);
        let names = select.query_map(params![after, max], |row| row.get::<_, String>(0))?;
        names.map(|name| named(&name?)).collect()
    }

    /// Returns the numbers of some tenants without entries and keys that nobody uses.
    pub(super) fn unused(
        db: &Connection,
        is_used: impl Fn(&TenantId) -> bool,
        max: usize,
    ) -> Result<Vec<i64>, Fault> {
        let mut select =
            db.prepare_cached("SELECT id, name FROM tenant WHERE head = tail AND oldest_key_at IS NULL")?;
        let mut rows = select.query([])?;
        let mut unused = Vec::new();
        while let (Some(row), true) = (rows.next()?, unused.len() < max) {
            if !is_used(&named(&row.get::<_, String>("name")?)?) {
                unused.push(row.get("id")?);
            }
        }
        Ok(unused)
    }

    /// Returns some tenants beyond these bounds.
    pub(super) fn beyond(
        db: &Connection,
        [entries, bytes, since, key_bytes, keys_since]: [i64; 5],
        max: usize,
    ) -> Result<Vec<(TenantId, Self)>, Fault> {
        let mut select = db.prepare_cached(&format!(
            "SELECT {COLUMNS}, name FROM tenant WHERE head - tail > ?1 OR bytes > ?2 OR oldest_at < ?3 \
             OR key_bytes > ?4 OR oldest_key_at < ?5 LIMIT {max}"
        ))?;
        let rows = select.query_map([entries, bytes, since, key_bytes, keys_since], |row| {
            Ok((row.get::<_, String>("name")?, Self::of(row)?))
        })?;
        let named = |row: rusqlite::Result<(String, Self)>| {
            let (name, tenant) = row?;
            Ok((self::named(&name)?, tenant))
        };
        rows.map(named).collect()
    }

    fn of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let epoch = row.get::<_, i64>("epoch")? as u64;
        let position = |offset, tag| -> rusqlite::Result<Position> {
            Ok(Position::new(epoch, row.get::<_, i64>(offset)? as u64, row.get(tag)?))
        };
        Ok(Self {
            id: row.get("id")?,
            head: position("head", "head_tag")?,
            tail: position("tail", "tail_tag")?,
            bytes: row.get("bytes")?,
            oldest_at: row.get("oldest_at")?,
            key_bytes: row.get("key_bytes")?,
            oldest_key_at: row.get("oldest_key_at")?,
        })
    }

    /// Adds a tenant.
    pub(super) fn add(transaction: &Transaction<'_>, name: &TenantId, epoch: u64) -> Result<Self, Fault> {
        let start = Position::new(epoch, 0, 0);
        let mut insert = transaction.prepare_cached(
            "INSERT INTO tenant (name, epoch, head, head_tag, tail, tail_tag, bytes, key_bytes)
             VALUES (?1, ?2, 0, 0, 0, 0, 0, 0)",
        )?;
        insert.execute(params![name.as_str(), start.epoch as i64])?;
        let id = transaction.last_insert_rowid();
        Ok(Self {
            id,
            head: start,
            tail: start,
            bytes: 0,
            oldest_at: None,
            key_bytes: 0,
            oldest_key_at: None,
        })
    }

    pub(super) fn save(&self, transaction: &Transaction<'_>) -> Result<(), Fault> {
        let mut update = transaction.prepare_cached(
            "UPDATE tenant SET epoch = ?2, head = ?3, head_tag = ?4, tail = ?5, tail_tag = ?6, bytes = ?7,
             oldest_at = ?8, key_bytes = ?9, oldest_key_at = ?10 WHERE id = ?1",
        )?;
        update.execute(params![
            self.id,
            self.head.epoch as i64,
            self.head.offset as i64,
            self.head.tag,
            self.tail.offset as i64,
            self.tail.tag,
            self.bytes,
            self.oldest_at,
            self.key_bytes,
            self.oldest_key_at,
        ])?;
        Ok(())
    }
}
