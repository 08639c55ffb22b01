//! A client's publish, over WebSocket or HTTP.

use tidings_shared::{Code, EventError, TopicName, frame::Publish};

use crate::{
    access::{Authorize, Identity},
    hub::{Hub, PublishError, PublishOptions},
    moment::Moment,
    problem::Problem,
    publication::Published,
};

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        Self::new(error.code(), error)
    }
}

/// Publishes an event for a client that has the right to publish to all of its topics. Otherwise publishes nothing.
pub fn publish_as(
    hub: &Hub,
    access: &dyn Authorize,
    identity: &Identity,
    publish: Publish,
    now: Moment,
) -> Result<Published, Problem> {
    let Publish { event, topics, key, origin } = publish;
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
