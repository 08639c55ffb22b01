//! Appends drafts.

use std::collections::HashMap;

use tidings_hub::{
    TenantId,
    journal::{Appended, Content, JournalDraft, JournalError},
    keys::key_cost,
};
use tidings_shared::{Position, TopicName};
use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};
use uuid::Uuid;

use super::{
    column::column,
    connection::{Connection, epoch, signed},
    entries::{joined, parted},
};

const APPEND: &str = "SELECT appended_at, offsets, draft_epochs, are_new, known_topics \
    FROM tidings.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

/// Drafts as the arrays of `tidings.append`: one element for each tenant, or one for each draft.
#[derive(Debug, Default)]
pub(crate) struct Columns<'a> {
    names: Vec<&'a str>,
    epochs: Vec<i64>,
    /// The place of each draft's tenant in `names`, from 1.
    tenants: Vec<i32>,
    keys: Vec<Uuid>,
    key_costs: Vec<Option<i32>>,
    origins: Vec<Option<&'a [u8]>>,
    topics: Vec<String>,
    domains: Vec<Option<&'a [u8]>>,
    events: Vec<Option<&'a [u8]>>,
    payloads: Vec<Option<&'a str>>,
    costs: Vec<i64>,
}

impl<'a> Columns<'a> {
    /// Makes the arrays of drafts. Each tenant gets an epoch, in case that it is new.
    pub(crate) fn new(drafts: &'a [JournalDraft], new_epoch: &mut dyn FnMut() -> u64) -> Self {
        let mut columns = Self::default();
        let mut places: HashMap<&TenantId, i32> = HashMap::new();
        for draft in drafts {
            let place = *places.entry(&draft.tenant).or_insert_with(|| {
                columns.names.push(draft.tenant.as_str());
                columns.epochs.push(epoch(new_epoch()));
                columns.names.len() as i32
            });
            columns.push(draft, place);
        }
        columns
    }

    fn push(&mut self, draft: &'a JournalDraft, place: i32) {
        let cost = i32::try_from(key_cost(&draft.topics)).unwrap_or(i32::MAX);
        self.tenants.push(place);
        self.keys.push(draft.key);
        self.key_costs.push(draft.may_come_again.then_some(cost));
        self.origins.push(draft.origin.as_deref().map(str::as_bytes));
        self.topics.push(joined(&draft.topics));
        let event = match &draft.content {
            Content::Event(event) => Some(event),
            Content::Gap => None,
        };
        self.domains.push(event.map(|event| event.domain.as_bytes()));
        self.events.push(event.map(|event| event.event.as_bytes()));
        self.payloads.push(event.map(|event| event.payload.get()));
        self.costs.push(signed(draft.content.cost(draft.topics.len())));
    }

    /// Returns the values of the parameters 1 to 11.
    pub(crate) fn values(&self) -> [(&(dyn ToSql + Sync), Type); 11] {
        [
            (&self.names, Type::TEXT_ARRAY),
            (&self.epochs, Type::INT8_ARRAY),
            (&self.tenants, Type::INT4_ARRAY),
            (&self.keys, Type::UUID_ARRAY),
            (&self.key_costs, Type::INT4_ARRAY),
            (&self.origins, Type::BYTEA_ARRAY),
            (&self.topics, Type::TEXT_ARRAY),
            (&self.domains, Type::BYTEA_ARRAY),
            (&self.events, Type::BYTEA_ARRAY),
            (&self.payloads, Type::TEXT_ARRAY),
            (&self.costs, Type::INT8_ARRAY),
        ]
    }
}

/// See [`Journal::append`](tidings_hub::journal::Journal::append).
pub(super) fn append(
    connection: &mut Connection,
    drafts: &[JournalDraft],
    new_epoch: &mut dyn FnMut() -> u64,
) -> Result<Vec<Appended>, JournalError> {
    if drafts.is_empty() {
        return Ok(Vec::new());
    }
    let row = connection.query_one(APPEND, &Columns::new(drafts, new_epoch).values())?;
    let answers: Option<Vec<Appended>> = answers(&row, drafts).map(Iterator::collect).unwrap_or_default();
    answers.ok_or_else(|| connection.unexpected("`tidings.append` gave no position for a draft"))
}

/// Reads the answers, in the order of the drafts. `None`: the outbox row of the draft is gone.
fn answers(row: &Row, drafts: &[JournalDraft]) -> Option<impl Iterator<Item = Option<Appended>>> {
    let at = u64::try_from(column::<i64>(row, 0)?).ok()?;
    let offsets: Vec<Option<i64>> = column(row, 1)?;
    let epochs: Vec<i64> = column(row, 2)?;
    let are_new: Vec<bool> = column(row, 3)?;
    let known_topics: Vec<Option<&str>> = column(row, 4)?;
    let answer = |index: usize| -> Option<Appended> {
        let draft = &drafts[index];
        let offset = u64::try_from((*offsets.get(index)?)?).ok()?;
        let epoch = u64::try_from(*epochs.get(index)?).ok()?;
        let position = Position::new(epoch, offset, Position::tag_of(draft.key));
        if *are_new.get(index)? {
            return Some(Appended::New { position, at });
        }
        let topics: Vec<TopicName> = match *known_topics.get(index)? {
            Some(topics) => parted(topics)?,
            None => draft.topics.clone(),
        };
        Some(Appended::Known { position, topics })
    };
    Some((0..drafts.len()).map(answer).collect::<Vec<_>>().into_iter())
}
