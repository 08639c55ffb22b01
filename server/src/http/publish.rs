//! Publishing by HTTP: one event, or a batch in one request.

use serde_json::{Value, json, value::RawValue};
use tidings_hub::{Identity, problem::Problem, publish::publish_as};
use tidings_shared::{Code, TopicName, frame::Publish, limits::MAX_BATCH};

use super::answers::body_of;
use crate::gateway::Gateway;

/// `POST /v1/publish/batch`: each item is published or refused on its own, in order.
pub(super) fn batch(gateway: &Gateway, identity: &Identity, body: &str) -> Result<Value, Problem> {
    let items: Vec<&RawValue> = serde_json::from_str(body).map_err(|error| {
        Problem::new(Code::InvalidFrame, format!("the body is not a list of publishes: {error}"))
    })?;
    if items.len() > MAX_BATCH {
        let message = format!("a batch has at most {MAX_BATCH} publishes, this one has {}", items.len());
        return Err(Problem::new(Code::TooLarge, message));
    }
    let answer = |item: &RawValue| {
        one(gateway, identity, item.get()).unwrap_or_else(|problem| {
            gateway.hub().metrics().refused(problem.code);
            body_of(&problem)
        })
    };
    Ok(items.into_iter().map(answer).collect())
}

/// `POST /v1/publish`.
pub(super) fn one(gateway: &Gateway, identity: &Identity, body: &str) -> Result<Value, Problem> {
    let publish = Publish::parse(body).map_err(|error| Problem::new(Code::InvalidFrame, error))?;
    let (hub, access) = (gateway.hub(), gateway.access());
    let published = publish_as(hub, &**access, identity, publish, hub.now())?;
    let topics: Vec<&str> = published.topics.iter().map(TopicName::as_str).collect();
    Ok(json!({ "position": published.position.to_string(), "topics": topics, "key": published.key }))
}
