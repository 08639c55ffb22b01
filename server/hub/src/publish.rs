//! A client's publish, over WebSocket or HTTP.

use tidings_shared::{Code, EventError, RawEvent, TopicName, frame::Publish};

use crate::{
    access::AccessError,
    hub::{Hub, PublishError, PublishOptions, Publishing},
    moment::Moment,
    problem::Problem,
    tenant_id::TenantId,
};

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        Self::new(error.code(), error)
    }
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        Self::new(error.code, error.message)
    }
}

/// An event with its topics, before the client's rights are known.
#[derive(Debug)]
pub struct Checked {
    event: RawEvent,
    topics: Vec<TopicName>,
    options: PublishOptions,
}

impl Checked {
    /// Checks an event and computes its topics.
    ///
    /// # Errors
    /// The fault of the event or of its topics.
    pub fn new(hub: &Hub, publish: Publish) -> Result<Self, Problem> {
        let Publish { event, topics, key, origin } = publish;
        let parse = |topic: &String| {
            TopicName::parse(topic).map_err(|error| EventError::Topic(format!("topic {topic:?}: {error}")))
        };
        let named: Option<Vec<TopicName>> = topics
            .map(|topics| topics.iter().map(parse).collect())
            .transpose()
            .map_err(PublishError::from)?;
        let topics = hub.domains().fan_out(&event, named.as_deref()).map_err(PublishError::from)?;
        Ok(Self { event, topics, options: PublishOptions { key, origin } })
    }

    /// Returns the topics that the event reaches, each once.
    pub fn topics(&self) -> &[TopicName] {
        &self.topics
    }

    /// Hands the event over to the hub if the client has the right to every topic. `allowed` has the answer for each topic, in
    /// order. Otherwise publishes nothing.
    ///
    /// # Errors
    /// A right is missing, or the hub refuses the event.
    pub fn publish(
        self,
        hub: &Hub,
        tenant: &TenantId,
        allowed: &[bool],
        now: Moment,
    ) -> Result<Publishing, Problem> {
        let Self { event, topics, options } = self;
        if allowed.len() < topics.len() || !allowed.iter().all(|allowed| *allowed) {
            let message = "publishing takes the right to every topic that the event reaches";
            return Err(Problem::new(Code::Forbidden, message));
        }
        Ok(hub.hand_over(tenant, event, topics, options, now)?)
    }
}
