//! Entries that are read from the database.

use serde_json::value::RawValue;
use tidings_hub::{
    LogLimits, TenantId,
    journal::{Content, Entry, History, JournalError},
};
use tidings_shared::{Position, RawEvent, TopicName};
use tokio_postgres::{Row, types::Type};
use uuid::Uuid;

use super::connection::{Connection, signed};

/// The columns of [`Read::of`].
macro_rules! columns {
    () => {
        "number, \"offset\", at, key, may_come_again, origin, topics, domain, event, payload"
    };
}
pub(super) use columns;

/// Bytes of the entries of one query. Further entries come with the next one.
pub(super) const BYTES: i64 = 4 * 1024 * 1024;

/// Joins topics in a column. No topic has a space.
const SEPARATOR: &str = " ";

/// Returns the column of these topics.
pub(super) fn joined(topics: &[TopicName]) -> String {
    let names: Vec<&str> = topics.iter().map(TopicName::as_str).collect();
    names.join(SEPARATOR)
}

/// Returns the topics of a column. `None` if one is not a topic.
pub(super) fn parted(topics: &str) -> Option<Vec<TopicName>> {
    topics.split(SEPARATOR).filter(|name| !name.is_empty()).map(|name| name.parse().ok()).collect()
}

/// What a node knows of a tenant up to some number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Current {
    /// The tenant's number in the database.
    pub(super) id: i64,
    /// The position of the tenant's newest entry.
    pub(super) position: Position,
    /// The number of that entry. 0 if it was removed.
    pub(super) number: i64,
}

/// A row of the log. It is an entry with its number. If its payload was not read, only its place is known.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) number: i64,
    pub(super) offset: u64,
    pub(super) tag: u32,
    at: i64,
    key: Uuid,
    may_come_again: bool,
    origin: Option<Vec<u8>>,
    topics: String,
    event: Option<(Vec<u8>, Vec<u8>)>,
    payload: Option<String>,
}

impl Read {
    /// Reads the columns from `first` on. `None`: this row has no entry.
    pub(super) fn of(row: &Row, first: usize) -> Option<Self> {
        let number = row.get::<_, Option<i64>>(first)?;
        let key: Uuid = row.get(first + 3);
        let domain: Option<Vec<u8>> = row.get(first + 7);
        Some(Self {
            number,
            offset: row.get::<_, i64>(first + 1).unsigned_abs(),
            tag: Position::tag_of(key),
            at: row.get(first + 2),
            key,
            may_come_again: row.get(first + 4),
            origin: row.get(first + 5),
            topics: row.get(first + 6),
            event: domain.zip(row.get(first + 8)),
            payload: row.get(first + 9),
        })
    }

    /// Returns the entry. `None` if it is damaged.
    pub(super) fn entry(self, epoch: u64) -> Option<Entry> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).ok();
        let content = match (self.event, self.payload) {
            (None, None) => Content::Gap,
            (Some((domain, event)), Some(payload)) => Content::Event(RawEvent {
                domain: text(domain)?,
                event: text(event)?,
                payload: RawValue::from_string(payload).ok()?,
            }),
            _ => return None,
        };
        Some(Entry {
            position: Position::new(epoch, self.offset, self.tag),
            at: self.at.unsigned_abs(),
            key: self.key,
            may_come_again: self.may_come_again,
            origin: match self.origin {
                Some(origin) => Some(text(origin)?),
                None => None,
            },
            topics: parted(&self.topics)?,
            content,
        })
    }
}

/// Returns the position of a tail: before the first entry there is no key.
pub(super) fn tail(epoch: u64, offset: i64, key: Option<Uuid>) -> Position {
    Position::new(epoch, offset.unsigned_abs(), key.map_or(0, Position::tag_of))
}

const RECENT: &str = concat!(
    "SELECT tenant, epoch, tail, tail_key, tail_number, ",
    columns!(),
    " FROM tidings.recent($1, $2, $3, $4)"
);

/// Returns the newest entries of a tenant. `None` if there is no such tenant.
pub(super) fn recent(
    connection: &mut Connection,
    tenant: &TenantId,
    limits: &LogLimits,
    since: u64,
) -> Result<Option<(History, Current)>, JournalError> {
    let (name, since) = (tenant.as_str(), signed(since));
    let [max_entries, max_bytes] = [limits.max_entries, limits.max_bytes].map(signed);
    let values = [
        (&name as _, Type::TEXT),
        (&max_entries as _, Type::INT8),
        (&max_bytes as _, Type::INT8),
        (&since as _, Type::INT8),
    ];
    let rows = connection.query(RECENT, &values)?;
    let Some(first) = rows.first() else { return Ok(None) };
    let epoch = first.get::<_, i64>(1).unsigned_abs();
    let tail = tail(epoch, first.get(2), first.get(3));
    let mut current = Current {
        id: first.get(0),
        position: tail,
        number: first.get::<_, Option<i64>>(4).unwrap_or_default(),
    };
    let mut entries = Vec::with_capacity(rows.len() - 1);
    for read in rows[1..].iter().filter_map(|row| Read::of(row, 5)) {
        let number = read.number;
        let entry = read.entry(epoch).ok_or_else(|| damaged(connection))?;
        current = Current { position: entry.position, number, ..current };
        entries.push(entry);
    }
    Ok(Some((History { tail, entries }, current)))
}

/// Returns names of tenants, in order.
pub(super) fn tenants(
    connection: &mut Connection,
    after: Option<&TenantId>,
    max: usize,
) -> Result<Vec<TenantId>, JournalError> {
    let (after, max) = (after.map_or("", TenantId::as_str), signed(max));
    let values = [(&after as _, Type::TEXT), (&max as _, Type::INT8)];
    let rows = connection.query("SELECT tidings.tenant_names($1, $2)", &values)?;
    let names: Option<Vec<_>> = rows.iter().map(|row| row.get::<_, &str>(0).parse().ok()).collect();
    names.ok_or_else(|| connection.fault("a tenant of the journal is damaged"))
}

/// The database has an entry of some tenant that no node has appended.
pub(super) fn damaged(connection: &Connection) -> JournalError {
    JournalError::damage(connection.fault("an entry of the journal is damaged").message)
}
