//! A row of an outbox, as the database has it: any writer in any language may have written it.

use std::{borrow::Cow, time::Duration};

use tidings_shared::{Event, FanOut};
use uuid::{Builder, Uuid};

/// The identity of a row. A later row with the same id has another nonce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowId {
    /// The number of the row. A restored copy of the database, or a table that was made again, gives a number a second
    /// time.
    pub(crate) id: i64,
    /// The 16 random bytes that the database gave the row. Fewer, if a writer set the column.
    pub(crate) nonce: Vec<u8>,
}

/// A row of an outbox, before anybody has checked it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OutboxRow {
    pub(crate) id: RowId,
    /// The tenant's name. `NULL` is the home tenant of the server.
    pub(crate) tenant: Field,
    /// The event, `{"domain":…,"event":…,"payload":{…}}`.
    pub(crate) event: Field,
    /// The idempotency key, a UUID.
    pub(crate) key: Field,
    /// The tag that names the cause of the event.
    pub(crate) origin: Field,
    /// The topics, a JSON list.
    pub(crate) topics: Field,
    /// How long ago the row was written when it was read, by the clock of the database. Zero if a writer has set the time
    /// to something that is no time.
    pub(crate) age: Duration,
    /// Whether the row stands for a loss: a gap of its topics takes the place of an event. Only changes of a table have such
    /// rows. Nobody reads the other columns.
    pub(crate) is_gap: bool,
}

/// A column of a row. SQLite stores a value of any type in any column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Field {
    Null,
    Text(String),
    /// A value that is no text, with its type: `a blob`, `a number`.
    #[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "columns of other databases have types"))]
    NotText(&'static str),
    /// A text with bytes that are not UTF-8.
    NotUtf8,
    /// A value that the store has judged: it can't be published. The text says why.
    #[cfg_attr(
        not(feature = "sqlite"),
        allow(dead_code, reason = "only some stores make the event themselves")
    )]
    Refused(String),
    /// A value with so many bytes, more than the store reads. The store has not read it.
    TooLong(u64),
}

/// Returns the topics of a typed event if its row must name them: the payload does not contain them.
pub(crate) fn topics_to_name<E: Event>(event: &E) -> Option<Vec<E::Topic>> {
    (E::FAN_OUT == FanOut::Named).then(|| event.topics())
}

impl RowId {
    /// Returns the key of a row that names none. The database drew the nonce at random, so no two rows have the same key.
    pub(crate) fn key(&self) -> Uuid {
        self.uuid(0)
    }

    /// Returns the key of the gap that stands for this row. A later retry of the row publishes with the row's own key, so
    /// the gap needs another one.
    pub(crate) fn gap_key(&self) -> Uuid {
        self.uuid(u128::MAX)
    }

    fn uuid(&self, mask: u128) -> Uuid {
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(&self.nonce).for_each(|(byte, nonce)| *byte = *nonce);
        // The id is there for writers that set the nonce themselves, to the same bytes for each row.
        let mixed = u128::from_be_bytes(bytes) ^ u128::from(self.id.cast_unsigned()) ^ mask;
        Builder::from_custom_bytes(mixed.to_be_bytes()).into_uuid()
    }
}

impl Field {
    /// Reads a column of bytes that should be UTF-8.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        str::from_utf8(bytes).map_or(Self::NotUtf8, |text| Self::Text(text.to_owned()))
    }

    #[cfg(feature = "sqlite")]
    /// Returns the bytes that it keeps in memory.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            _ => 0,
        }
    }

    /// Returns the text, for people.
    #[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "it serves the command line"))]
    pub(crate) fn shown(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Null => None,
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::NotText(kind) => Some(Cow::Owned(format!("({kind})"))),
            Self::NotUtf8 => Some(Cow::Borrowed("(not UTF-8)")),
            Self::Refused(reason) => Some(Cow::Owned(format!("({reason})"))),
            Self::TooLong(bytes) => Some(Cow::Owned(format!("({bytes} bytes)"))),
        }
    }
}

impl OutboxRow {
    #[cfg(feature = "sqlite")]
    /// Returns a row that is in no table and stands for a loss.
    pub(crate) fn loss() -> Self {
        let [tenant, event, key, origin, topics] = [const { Field::Null }; 5];
        let id = RowId { id: i64::MIN, nonce: Uuid::new_v4().as_bytes().to_vec() };
        Self { id, tenant, event, key, origin, topics, age: Duration::ZERO, is_gap: true }
    }

    #[cfg(feature = "sqlite")]
    /// Returns the bytes of the row's texts.
    pub(crate) fn bytes(&self) -> usize {
        [&self.tenant, &self.event, &self.key, &self.origin, &self.topics].map(Field::bytes).iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(id: i64, nonce: &[u8]) -> RowId {
        RowId { id, nonce: nonce.to_vec() }
    }

    #[test]
    fn a_row_has_the_same_key_each_time_and_no_other_row_has_it() {
        let row = id(7, &[9; 16]);
        assert_eq!(row.key(), id(7, &[9; 16]).key());
        let others = [
            id(8, &[9; 16]).key(),
            id(7, &[8; 16]).key(),
            id(7, &[9; 15]).key(),
            id(7, &[]).key(),
            row.gap_key(),
        ];
        assert!(!others.contains(&row.key()), "{others:?}");
        assert_eq!(row.key().get_version_num(), 8);
    }
}
