//! From a row to an event, or to a dead letter with its reason. Pure: it reads no clock and does no I/O.

use std::{fmt, time::Duration};

use tidings_hub::{PublishError, PublishOptions, RawPublish, TenantId};
use tidings_shared::{Code, Domains, EventError, RawEvent, TopicName};
use uuid::Uuid;

use super::row::{Field, OutboxRow};

/// Says whether the record of a change can be published. The error is a sentence for a person.
pub(crate) struct CheckRecord(Box<Check>);

type Check = dyn Fn(&RawEvent) -> Result<(), String> + Send;

impl CheckRecord {
    #[allow(dead_code, reason = "the sources of a bridge need it")]
    pub(crate) fn new(check: impl Fn(&RawEvent) -> Result<(), String> + Send + 'static) -> Self {
        Self(Box::new(check))
    }

    /// Checks the record of an event.
    ///
    /// # Errors
    /// The record is not what the subscribers expect.
    pub(crate) fn check(&self, event: &RawEvent) -> Result<(), String> {
        (self.0)(event)
    }
}

impl fmt::Debug for CheckRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CheckRecord").finish_non_exhaustive()
    }
}

/// A row that has waited for less time than this is published, even if the log keeps events for a shorter time. Otherwise a
/// server with a log that keeps no events would publish nothing.
const SHORTEST_MAX_AGE: Duration = Duration::from_secs(10);

/// Why a row can't be published, now or later. The row becomes a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    /// A sentence for the writer. It may quote the row.
    pub(crate) reason: String,
    pub(crate) gap: Gap,
}

/// Who must load again, because the row's event does not reach them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Gap {
    /// Nobody: the row names no tenant that can have subscribers.
    Nobody,
    /// The subscribers of these topics.
    Topics(TenantId, Vec<TopicName>),
    /// All subscribers of the tenant: nobody knows the topics.
    Tenant(TenantId),
}

/// Returns the tenant of a row that is too old to be published: it has waited for longer than `max_age`, for which the log
/// keeps events. A gap of the tenant stands for it, so its other columns do not matter. A row without a valid tenant becomes a
/// dead letter at any age.
pub(crate) fn too_old(
    row: &OutboxRow,
    home: Option<&TenantId>,
    waited: Duration,
    max_age: Duration,
) -> Option<TenantId> {
    if waited <= max_age.max(SHORTEST_MAX_AGE) { None } else { tenant(row, home).ok() }
}

/// Checks the form of a row. The hub checks the event itself. `home` is the tenant of rows that name none.
///
/// # Errors
/// The first fault of the row.
pub(crate) fn judge(row: &OutboxRow, home: Option<&TenantId>) -> Result<RawPublish, Refusal> {
    let tenant = tenant(row, home).map_err(|reason| refusal(Code::InvalidFrame, reason, Gap::Nobody))?;
    let named = named(row);
    // Faulty topics are reported last, but they decide who loads again.
    let gap = || match &named {
        Ok(Some(topics)) if !topics.is_empty() => Gap::Topics(tenant.clone(), topics.clone()),
        _ => Gap::Tenant(tenant.clone()),
    };
    let invalid = |reason| refusal(Code::InvalidFrame, reason, gap());
    let event = match &row.event {
        Field::Text(text) => {
            RawEvent::parse(text).map_err(|error| invalid(format!("the column `event`: {error}")))?
        }
        Field::TooLong(bytes) => {
            let reason =
                format!("the column `event` has {bytes} bytes, which is more than an event may have");
            return Err(refusal(Code::TooLarge, reason, gap()));
        }
        Field::Refused(reason) => return Err(refusal(Code::InvalidEvent, reason.clone(), gap())),
        other => return Err(invalid(not_text("event", other))),
    };
    let key = key(row).map_err(invalid)?;
    let origin = match &row.origin {
        Field::Null => None,
        Field::Text(text) => Some(text.clone()),
        other => return Err(invalid(not_text("origin", other))),
    };
    let named = named.map_err(|(code, reason)| refusal(code, reason, Gap::Tenant(tenant.clone())))?;
    let options = PublishOptions::default().key(key.unwrap_or_else(|| row.id.key())).origin(origin);
    Ok(RawPublish { tenant, event, named, options })
}

/// Checks the record of a change.
///
/// # Errors
/// The record is not what the subscribers expect.
pub(crate) fn check_record(draft: RawPublish, check: &CheckRecord) -> Result<RawPublish, Refusal> {
    let Err(reason) = check.check(&draft.event) else { return Ok(draft) };
    let gap = match draft.named {
        Some(topics) if !topics.is_empty() => Gap::Topics(draft.tenant, topics),
        _ => Gap::Tenant(draft.tenant),
    };
    Err(refusal(Code::InvalidEvent, reason, gap))
}

/// Returns the refusal of an event that the hub does not take.
pub(crate) fn refused(draft: RawPublish, error: &PublishError, domains: &Domains) -> Refusal {
    let RawPublish { tenant, event, named, .. } = draft;
    let computed = domains.fan_out(&event, None);
    let is_hidden = computed.is_err() && domains.computes_topics(&event.domain);
    // The writer may have meant the topics that it named, and those that the event computes.
    let topics = TopicName::each_once(named.into_iter().flatten().chain(computed.into_iter().flatten()));
    let gap = match topics.is_empty() || is_hidden {
        true => Gap::Tenant(tenant),
        false => Gap::Topics(tenant, topics),
    };
    refusal(error.code(), error.to_string(), gap)
}

/// Whether a newer server may take an event that the hub does not take: its domains may have more events, or there may be
/// more domains that compute their topics.
#[cfg_attr(
    not(feature = "postgres"),
    allow(dead_code, reason = "servers of two versions share a PostgreSQL database")
)]
pub(crate) fn is_unknown(draft: &RawPublish, error: &PublishError, domains: &Domains) -> bool {
    match error {
        PublishError::Event(EventError::Unknown { .. }) => true,
        PublishError::Event(_) if draft.named.is_none() && !domains.knows(&draft.event.domain) => {
            // With a topic of its domain, the event would be valid. So only its topics are unknown.
            TopicName::parse(&draft.event.domain)
                .is_ok_and(|topic| domains.fan_out(&draft.event, Some(&[topic])).is_ok())
        }
        _ => false,
    }
}

fn refusal(code: Code, reason: String, gap: Gap) -> Refusal {
    Refusal { code, reason, gap }
}

fn tenant(row: &OutboxRow, home: Option<&TenantId>) -> Result<TenantId, String> {
    match &row.tenant {
        Field::Null => home.cloned().ok_or_else(|| {
            "the column `tenant` is NULL, and this server has many tenants: name the tenant".to_owned()
        }),
        Field::Text(text) => TenantId::parse(text).map_err(|error| format!("the column `tenant`: {error}")),
        other => Err(not_text("tenant", other)),
    }
}

fn key(row: &OutboxRow) -> Result<Option<Uuid>, String> {
    match &row.key {
        Field::Null => Ok(None),
        Field::Text(text) => {
            text.parse().map(Some).map_err(|error| format!("the column `key` is not a UUID: {error}"))
        }
        other => Err(not_text("key", other)),
    }
}

fn named(row: &OutboxRow) -> Result<Option<Vec<TopicName>>, (Code, String)> {
    let text = match &row.topics {
        Field::Null => return Ok(None),
        Field::Text(text) => text,
        Field::TooLong(bytes) => {
            return Err((
                Code::TooLarge,
                format!("the column `topics` has {bytes} bytes: name fewer topics"),
            ));
        }
        other => return Err((Code::InvalidFrame, not_text("topics", other))),
    };
    let topics: Vec<String> = serde_json::from_str(text).map_err(|error| {
        (Code::InvalidFrame, format!("the column `topics` is not a JSON list of texts: {error}"))
    })?;
    let parse = |topic: &String| {
        TopicName::parse(topic).map_err(|error| (Code::InvalidTopic, format!("topic {topic:?}: {error}")))
    };
    topics.iter().map(parse).collect::<Result<_, _>>().map(Some)
}

fn not_text(column: &str, field: &Field) -> String {
    match field {
        Field::Null => format!("the column `{column}` is NULL"),
        Field::NotText(kind) => format!("the column `{column}` is {kind}, not a text"),
        Field::Refused(reason) => format!("the column `{column}`: {reason}"),
        Field::NotUtf8 => format!("the column `{column}` is not UTF-8"),
        Field::TooLong(bytes) => format!("the column `{column}` has {bytes} bytes"),
        // Callers use a text, and report only the others.
        Field::Text(_) => format!("the column `{column}`"),
    }
}

#[cfg(test)]
mod tests;
