//! What was refused and why, before it becomes an `error` frame or an HTTP problem.

use std::fmt;

use tidings_shared::{Code, EventError, TopicName};
use uuid::Uuid;

use crate::{Authorize, Hub, Identity, Moment, PublishError, PublishOptions, Published};
use tidings_shared::RawEvent;

/// A refusal: a code and a sentence that names the fault and the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) code: Code,
    pub(crate) message: String,
}

impl Problem {
    pub(crate) fn new(code: Code, message: impl fmt::Display) -> Self {
        Self { code, message: message.to_string() }
    }
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        Self::new(error.code(), error)
    }
}

/// A publish as it was asked for, in a frame or in a request's body.
#[derive(Debug)]
pub(crate) struct PublishRequest {
    pub(crate) event: RawEvent,
    pub(crate) topics: Option<Vec<String>>,
    pub(crate) key: Option<Uuid>,
    pub(crate) origin: Option<String>,
}

/// Publishes what somebody asked for, if they may: all of its topics or nothing.
pub(crate) fn publish_as(
    hub: &Hub,
    access: &dyn Authorize,
    identity: &Identity,
    request: PublishRequest,
    now: Moment,
) -> Result<Published, Problem> {
    let PublishRequest { event, topics, key, origin } = request;
    let parse = |topic: &String| {
        TopicName::parse(topic).map_err(|error| EventError::Topic(format!("topic {topic:?}: {error}")))
    };
    let topics: Option<Vec<TopicName>> =
        topics.map(|topics| topics.iter().map(parse).collect()).transpose().map_err(PublishError::from)?;
    let fan_out = hub.domains().fan_out(&event, topics.as_deref()).map_err(PublishError::from)?;
    if fan_out.iter().any(|topic| !access.may_publish(identity, topic)) {
        return Err(Problem::new(
            Code::Forbidden,
            "publishing takes the right to every topic that the event reaches",
        ));
    }
    Ok(hub.append(&identity.tenant, event, fan_out, PublishOptions { key, origin }, now)?)
}
