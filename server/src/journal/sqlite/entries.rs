//! Entries: append, read, and new epochs.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde_json::value::RawValue;
use tidings_hub::{
    LogLimits, TenantId,
    journal::{Appended, Content, Entry, Followed, History, JournalDraft},
};
use tidings_shared::{Position, RawEvent};
use uuid::Uuid;

use super::{
    fault::{DAMAGED, Fault},
    file::JournalFile,
    keys,
    tenants::Tenant,
    topics::{joined, parted},
};

impl JournalFile {
    /// See [`Journal::append`](tidings_hub::journal::Journal::append).
    pub(super) fn append(
        &mut self,
        drafts: &[JournalDraft],
        now: u64,
        new_epoch: &mut dyn FnMut() -> u64,
    ) -> Result<Vec<Appended>, Fault> {
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        let (answers, changed) = self.write(|transaction, known| {
            let mut changed: HashMap<&TenantId, Tenant> = HashMap::new();
            let mut answers = Vec::with_capacity(drafts.len());
            for draft in drafts {
                let tenant = match changed.entry(&draft.tenant) {
                    std::collections::hash_map::Entry::Occupied(tenant) => tenant.into_mut(),
                    std::collections::hash_map::Entry::Vacant(place) => {
                        place.insert(match known.get(&draft.tenant) {
                            Some(tenant) => tenant.clone(),
                            None => match Tenant::find(transaction, &draft.tenant)? {
                                Some(tenant) => tenant,
                                None => Tenant::add(transaction, &draft.tenant, new_epoch())?,
                            },
                        })
                    }
                };
                answers.push(append_one(transaction, tenant, draft, now)?);
            }
            for tenant in changed.values() {
                tenant.save(transaction)?;
            }
            Ok((answers, changed))
        })?;
        for (name, tenant) in changed {
            self.tenants.insert(name.clone(), tenant);
        }
        Ok(answers)
    }

    /// Returns a tenant, and adds it if there is none. A tenant without entries need not be durable at once: if a power loss
    /// takes its epoch, its clients get a sync.
    fn tenant_or_new(&mut self, name: &TenantId, new_epoch: u64) -> Result<Tenant, Fault> {
        if let Some(tenant) = self.tenant(name)? {
            return Ok(tenant);
        }
        let added = self.write_lazily(|transaction, _| Tenant::add(transaction, name, new_epoch))?;
        self.tenants.insert(name.clone(), added.clone());
        Ok(added)
    }

    fn tenant(&mut self, name: &TenantId) -> Result<Option<Tenant>, Fault> {
        if let Some(tenant) = self.tenants.used(name) {
            return Ok(Some(tenant.clone()));
        }
        let found = self.read(|file| Tenant::find(&file.db, name))?;
        if let Some(tenant) = &found {
            self.tenants.insert(name.clone(), tenant.clone());
        }
        Ok(found)
    }

    /// See [`Journal::recent`](tidings_hub::journal::Journal::recent).
    pub(super) fn recent(
        &mut self,
        name: &TenantId,
        limits: &LogLimits,
        now: u64,
        new_epoch: u64,
    ) -> Result<History, Fault> {
        let since = now.saturating_sub(u64::try_from(limits.max_age.as_millis()).unwrap_or(u64::MAX));
        let tenant = self.tenant_or_new(name, new_epoch)?;
        self.read(|file| {
            let mut select = file.db.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM entry WHERE tenant = ?1 ORDER BY offset DESC"
            ))?;
            let mut rows = select.query([tenant.id])?;
            let (mut entries, mut bytes, mut tail) = (Vec::new(), 0_u64, tenant.tail);
            while let Some(row) = rows.next()? {
                bytes = bytes.saturating_add(row.get::<_, i64>("cost")? as u64);
                let is_beyond = entries.len() >= limits.max_entries
                    || bytes > limits.max_bytes as u64
                    || (row.get::<_, i64>("at")? as u64) < since;
                if is_beyond {
                    tail = position_of(tenant.head.epoch, row)?;
                    break;
                }
                entries.push(entry_of(tenant.head.epoch, row)?);
            }
            entries.reverse();
            Ok(History { tail, entries })
        })
    }

    /// See [`Journal::follow`](tidings_hub::journal::Journal::follow).
    pub(super) fn follow(
        &mut self,
        held: &[(TenantId, Position)],
        max: usize,
    ) -> Result<Vec<(TenantId, Followed)>, Fault> {
        let mut left = max;
        let mut all = Vec::new();
        for (name, held) in held {
            let tenant = self.tenant(name)?;
            // This process is the only one that appends.
            if tenant.as_ref().is_some_and(|tenant| tenant.head == *held) {
                continue;
            }
            let followed = match tenant {
                Some(tenant) => after(&self.db, &tenant, *held, left)?,
                None => Followed::RolledBack,
            };
            match &followed {
                Followed::Entries(entries) if entries.is_empty() => continue,
                Followed::Entries(entries) => left -= entries.len(),
                Followed::Trimmed | Followed::RolledBack => {}
            }
            all.push((name.clone(), followed));
        }
        self.read(|_| Ok(all))
    }

    /// Gives a new epoch to each of these tenants that had another history before the file was replaced.
    pub(super) fn renew_strangers(&mut self, before: &HashMap<TenantId, Tenant>) -> Result<(), Fault> {
        for (name, before) in before {
            let Some(mut tenant) = self.tenant(name)? else { continue };
            if has_position(&self.db, &tenant, before.head)? != Some(true) {
                let new = Uuid::new_v4().as_u64_pair().0;
                self.write(|transaction, _| renew(transaction, &mut tenant, new))?;
                self.tenants.insert(name.clone(), tenant);
            }
        }
        Ok(())
    }

    /// See [`Journal::renew`](tidings_hub::journal::Journal::renew).
    pub(super) fn renew(&mut self, name: &TenantId, old: u64, new: u64) -> Result<(), Fault> {
        let Some(mut tenant) = self.tenant(name)?.filter(|tenant| tenant.head.epoch == old) else {
            return Ok(());
        };
        self.write(|transaction, _| renew(transaction, &mut tenant, new))?;
        self.tenants.insert(name.clone(), tenant);
        Ok(())
    }
}

fn append_one(
    transaction: &Transaction<'_>,
    tenant: &mut Tenant,
    draft: &JournalDraft,
    now: u64,
) -> Result<Appended, Fault> {
    if let Some((position, topics)) = keys::known(transaction, tenant, draft.key)? {
        return Ok(Appended::Known { position, topics });
    }
    let Position { epoch, offset, .. } = tenant.head;
    let position = Position::new(epoch, offset + 1, Position::tag_of(draft.key));
    let (at, cost) = (now as i64, draft.content.cost(draft.topics.len()) as i64);
    let (domain, event, payload) = match &draft.content {
        Content::Event(RawEvent { domain, event, payload }) => {
            (Some(domain.as_str()), Some(event.as_str()), Some(payload.get()))
        }
        Content::Gap => (None, None, None),
    };
    let mut insert = transaction.prepare_cached(
        "INSERT INTO entry (tenant, offset, at, key, may_come_again, origin, topics, domain, event, payload, cost)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    insert.execute(params![
        tenant.id,
        position.offset as i64,
        at,
        draft.key.as_bytes(),
        draft.may_come_again,
        draft.origin,
        joined(&draft.topics),
        domain,
        event,
        payload,
        cost,
    ])?;
    tenant.head = position;
    tenant.bytes += cost;
    tenant.oldest_at.get_or_insert(at);
    Ok(Appended::New { position, at: now })
}

const COLUMNS: &str = "offset, at, key, may_come_again, origin, topics, domain, event, payload, cost";

fn position_of(epoch: u64, row: &Row<'_>) -> rusqlite::Result<Position> {
    let key = Uuid::from_bytes(row.get("key")?);
    Ok(Position::new(epoch, row.get::<_, i64>("offset")? as u64, Position::tag_of(key)))
}

fn entry_of(epoch: u64, row: &Row<'_>) -> Result<Entry, Fault> {
    let content = match row.get::<_, Option<String>>("payload")? {
        None => Content::Gap,
        Some(payload) => Content::Event(RawEvent {
            domain: row.get("domain")?,
            event: row.get("event")?,
            payload: RawValue::from_string(payload).map_err(|_| Fault::said(DAMAGED))?,
        }),
    };
    Ok(Entry {
        position: position_of(epoch, row)?,
        at: row.get::<_, i64>("at")? as u64,
        key: Uuid::from_bytes(row.get("key")?),
        may_come_again: row.get("may_come_again")?,
        origin: row.get("origin")?,
        topics: parted(row.get_ref("topics")?.as_str().map_err(|_| Fault::said(DAMAGED))?)?,
        content,
    })
}

/// Returns whether a tenant has had this position. `None` if the entry was trimmed, so that nobody knows.
pub(super) fn has_position(db: &Connection, tenant: &Tenant, held: Position) -> Result<Option<bool>, Fault> {
    if held.epoch != tenant.head.epoch || held.offset > tenant.head.offset {
        return Ok(Some(false));
    }
    if held.offset <= tenant.tail.offset {
        return Ok((held.offset == tenant.tail.offset).then_some(held == tenant.tail));
    }
    let mut select = db.prepare_cached("SELECT key, offset FROM entry WHERE tenant = ?1 AND offset = ?2")?;
    let found = select
        .query_row(params![tenant.id, held.offset as i64], |row| position_of(tenant.head.epoch, row))
        .optional()?;
    Ok(Some(found == Some(held)))
}

fn after(db: &Connection, tenant: &Tenant, held: Position, max: usize) -> Result<Followed, Fault> {
    match has_position(db, tenant, held)? {
        Some(true) => {}
        Some(false) => return Ok(Followed::RolledBack),
        None => return Ok(Followed::Trimmed),
    }
    let mut select = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM entry WHERE tenant = ?1 AND offset > ?2 ORDER BY offset LIMIT ?3"
    ))?;
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let mut rows = select.query(params![tenant.id, held.offset as i64, max])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push(entry_of(tenant.head.epoch, row)?);
    }
    Ok(Followed::Entries(entries))
}

/// Gives a tenant a new epoch. Its entries go, and the keys that publishers know stay.
pub(super) fn renew(transaction: &Transaction<'_>, tenant: &mut Tenant, new: u64) -> Result<(), Fault> {
    keys::keep(transaction, tenant, tenant.head.offset)?;
    transaction.prepare_cached("DELETE FROM entry WHERE tenant = ?1")?.execute([tenant.id])?;
    tenant.head = Position::new(new, tenant.head.offset, tenant.head.tag);
    tenant.tail = tenant.head;
    tenant.bytes = 0;
    tenant.oldest_at = None;
    tenant.save(transaction)
}
