//! Entries that are read from the database.

use serde_json::value::RawValue;
use tidings_hub::{
    TenantId,
    journal::{Content, Entry, JournalError},
};
use tidings_shared::{Position, RawEvent, TopicName};
use tokio_postgres::{Row, types::Type};
use uuid::Uuid;

use super::{
    column::column,
    connection::{Connection, signed},
};

/// The columns of [`Read::of`].
macro_rules! columns {
    () => {
        "number, \"offset\", at, key, may_come_again, origin, topics, domain, event, payload"
    };
}
pub(super) use columns;

/// Bytes of the entries of one query. Further entries come with the next one. An answer of this size must arrive within three
/// seconds, also from a database that is 200 kB/s away.
pub(super) const BYTES: i64 = 512 * 1024;

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
    /// Reads the columns from `first` on. `None`: a column is missing.
    pub(super) fn of(row: &Row, first: usize) -> Option<Self> {
        let key: Uuid = column(row, first + 3)?;
        let domain: Option<Vec<u8>> = column(row, first + 7)?;
        Some(Self {
            number: column(row, first)?,
            offset: column::<i64>(row, first + 1)?.unsigned_abs(),
            tag: Position::tag_of(key),
            at: column(row, first + 2)?,
            key,
            may_come_again: column(row, first + 4)?,
            origin: column(row, first + 5)?,
            topics: column(row, first + 6)?,
            event: domain.zip(column(row, first + 8)?),
            payload: column(row, first + 9)?,
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

/// Returns names of tenants, in order.
pub(super) fn tenants(
    connection: &mut Connection,
    after: Option<&TenantId>,
    max: usize,
) -> Result<Vec<TenantId>, JournalError> {
    let (after, max) = (after.map_or("", TenantId::as_str), signed(max));
    let values = [(&after as _, Type::TEXT), (&max as _, Type::INT8)];
    let rows = connection.query("SELECT tidings.tenant_names($1, $2)", &values)?;
    let names: Option<Vec<_>> = rows.iter().map(|row| column::<&str>(row, 0)?.parse().ok()).collect();
    names.ok_or_else(|| connection.fault("a tenant of the journal is damaged"))
}

/// Returns the error of an entry that is missing, or that no node can have written.
pub(super) fn damaged(connection: &Connection, tenant: &TenantId, offset: u64) -> JournalError {
    let what = format!("the entry of the tenant {tenant} at the offset {offset} is damaged or missing");
    JournalError::damage(connection.fault(&what).message)
}
