//! What is revoked, as a program or a request says it, and as a journal keeps it.

use std::{fmt, time::Duration};

use serde_json::{Value, json};
use tidings_shared::{
    Code, TopicName,
    limits::{
        MAX_REVOCATIONS, MAX_REVOCATIONS_PER_TENANT, MAX_SUBJECT_BYTES, MAX_TOPICS_PER_PUBLICATION,
        REVOCATION_MAX_AGE,
    },
};
use uuid::Uuid;

use crate::{
    journal::{JournalRevocation, Revoked},
    moment::Moment,
    problem::Problem,
    tenant_id::TenantId,
};

/// What a tenant takes back: all rights of a subject, those of a session, or a subject's rights to topics.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Revoke {
    /// Every session of this subject, and every token of it that was issued up to now. A token without a time of issue
    /// is revoked too.
    Subject(String),
    /// This session, and the token that it came with.
    Session(Uuid),
    /// The rights of a subject to these topics. Its subscriptions to them end. Tokens of it that were issued up to now,
    /// or without a time of issue, give no right to these topics any more. If the application looks up rights for each
    /// question, its next answer decides.
    Topics {
        /// The subject.
        subject: String,
        /// The topics, at most [`MAX_TOPICS_PER_PUBLICATION`].
        topics: Vec<TopicName>,
    },
}

impl Revoke {
    /// Returns how many entries of the list it takes.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Subject(_) | Self::Session(_) => 1,
            Self::Topics { topics, .. } => topics.len(),
        }
    }

    /// Parses a request's body: `{"sub":…}`, `{"session":…}` or `{"sub":…,"topics":[…]}`. Also returns the request as
    /// JSON, without unknown fields.
    pub fn parse(body: &str) -> Result<(Self, Value), Problem> {
        let fault = |reason: &str| Problem::new(Code::InvalidFrame, reason);
        let body: Value = serde_json::from_str(body).map_err(|error| fault(&error.to_string()))?;
        match (&body["sub"], &body["session"], &body["topics"]) {
            (Value::String(subject), Value::Null, topics)
                if (1..=MAX_SUBJECT_BYTES).contains(&subject.len()) =>
            {
                let topics = match topics {
                    Value::Null => return Ok((Self::Subject(subject.clone()), json!({ "sub": subject }))),
                    Value::Array(topics) => parse_topics(topics)?,
                    _ => return Err(fault("`topics` is a list of topics")),
                };
                let answer = json!({ "sub": subject, "topics": topics.iter().map(TopicName::as_str).collect::<Vec<_>>() });
                Ok((Self::Topics { subject: subject.clone(), topics }, answer))
            }
            (Value::Null, Value::String(session), Value::Null) => {
                let session = session.parse().map_err(|_| fault("`session` is a UUID, as in `welcome`"))?;
                Ok((Self::Session(session), json!({ "session": session })))
            }
            _ => Err(fault(
                "the body is {\"sub\":\"…\"}, {\"session\":\"…\"} or {\"sub\":\"…\",\"topics\":[\"…\"]}",
            )),
        }
    }
}

/// Parses the topics of a request. The right to a topic has the same spelling as the topic.
fn parse_topics(topics: &[Value]) -> Result<Vec<TopicName>, Problem> {
    if topics.is_empty() {
        let message = "`topics` names no topic; leave it out to revoke all rights of the subject";
        return Err(Problem::new(Code::InvalidFrame, message));
    }
    if topics.len() > MAX_TOPICS_PER_PUBLICATION {
        let message =
            format!("`topics` names at most {MAX_TOPICS_PER_PUBLICATION} topics: send several requests");
        return Err(Problem::new(Code::TooManyTopics, message));
    }
    let parse = |topic: &Value| {
        let text = topic.as_str().ok_or_else(|| Problem::new(Code::InvalidTopic, "a topic is a string"))?;
        TopicName::parse(text)
            .map_err(|error| Problem::new(Code::InvalidTopic, format!("topic {text:?}: {error}")))
    };
    topics.iter().map(parse).collect::<Result<_, _>>().map(|topics: Vec<_>| TopicName::each_once(topics))
}

/// Why a revocation failed. A retry may help later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevokeError {
    /// The list of this tenant is full.
    Tenant,
    /// The list of all tenants is full.
    Node,
    /// The journal does not answer. The rights are taken back on this node, until it restarts: try again later.
    Journal,
}

impl fmt::Display for RevokeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scope, max) = match self {
            Self::Journal => {
                return f.write_str(
                    "the journal does not answer: the rights are taken back on this server until it restarts; try again \
                     later",
                );
            }
            Self::Tenant => ("of this tenant", MAX_REVOCATIONS_PER_TENANT),
            Self::Node => ("of all tenants", MAX_REVOCATIONS),
        };
        let days = REVOCATION_MAX_AGE.as_secs() / (24 * 60 * 60);
        write!(
            f,
            "{max} revocations {scope} are remembered already, each for {days} days; try again later, or change the \
             key that tokens are signed with"
        )
    }
}

impl std::error::Error for RevokeError {}

impl From<Revoke> for Revoked {
    fn from(revoke: Revoke) -> Self {
        match revoke {
            Revoke::Subject(subject) => Self::Subject(subject),
            Revoke::Session(session) => Self::Session(session),
            Revoke::Topics { subject, topics } => Self::Topics { subject, topics },
        }
    }
}

impl JournalRevocation {
    /// Returns a revocation that begins now.
    pub(crate) fn of(tenant: TenantId, revoked: Revoked, now: Moment) -> Self {
        Self::until(tenant, revoked, now.unix_ms, now.since_start + REVOCATION_MAX_AGE, now)
    }

    pub(super) fn until(tenant: TenantId, revoked: Revoked, at: u64, until: Duration, now: Moment) -> Self {
        let left = until.saturating_sub(now.since_start).as_millis();
        let until = now.unix_ms.saturating_add(u64::try_from(left).unwrap_or(u64::MAX));
        Self { tenant, revoked, at, until }
    }
}
