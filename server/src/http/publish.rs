//! Publishing by HTTP: one event, or a batch in one request.

use std::collections::HashMap;

use serde_json::{Value, json, value::RawValue};
use tidings_hub::{
    PublishError, Published, Publishing, problem::Problem, publish::Checked, revocation::Admitted,
};
use tidings_shared::{Code, TopicName, frame::Publish, limits::MAX_BATCH};

use super::answers::body_of;
use crate::gateway::Gateway;

/// `POST /v1/publish`.
pub(super) async fn one(gateway: &Gateway, admitted: &Admitted, body: &str) -> Result<Value, Problem> {
    let checked = check(gateway, body)?;
    let allowed = gateway.questions().may_publish(admitted, checked.topics()).await?;
    answer(publish(gateway, admitted, checked, &allowed)?.await)
}

/// `POST /v1/publish/batch`: each item is published or refused on its own, in order. The rights to all topics are one
/// question.
pub(super) async fn batch(gateway: &Gateway, admitted: &Admitted, body: &str) -> Result<Value, Problem> {
    let items: Vec<&RawValue> = serde_json::from_str(body).map_err(|error| {
        Problem::new(Code::InvalidFrame, format!("the body is not a list of publishes: {error}"))
    })?;
    if items.len() > MAX_BATCH {
        let message = format!("a batch has at most {MAX_BATCH} publishes, this one has {}", items.len());
        return Err(Problem::new(Code::TooLarge, message));
    }
    let items: Vec<_> = items.into_iter().map(|item| check(gateway, item.get())).collect();
    let topics = TopicName::each_once(items.iter().flatten().flat_map(Checked::topics).cloned());
    let allowed = gateway.questions().may_publish(admitted, &topics).await?;
    let allowed: HashMap<TopicName, bool> = topics.into_iter().zip(allowed).collect();
    let hand_over = |checked: Result<Checked, Problem>| {
        let checked = checked?;
        let allowed: Vec<bool> =
            checked.topics().iter().map(|topic| allowed.get(topic) == Some(&true)).collect();
        publish(gateway, admitted, checked, &allowed)
    };
    // All are handed over before the first answer: a journal takes them together.
    let handed_over: Vec<_> = items.into_iter().map(hand_over).collect();
    let mut answers = Vec::with_capacity(handed_over.len());
    for publishing in handed_over {
        let published = match publishing {
            Ok(publishing) => answer(publishing.await),
            Err(problem) => Err(problem),
        };
        answers.push(published.unwrap_or_else(|problem| {
            gateway.hub().metrics().refused(problem.code);
            body_of(&problem)
        }));
    }
    Ok(answers.into())
}

fn check(gateway: &Gateway, body: &str) -> Result<Checked, Problem> {
    let publish = Publish::parse(body).map_err(|error| Problem::new(Code::InvalidFrame, error))?;
    Checked::new(gateway.hub(), publish)
}

fn publish(
    gateway: &Gateway,
    admitted: &Admitted,
    checked: Checked,
    allowed: &[bool],
) -> Result<Publishing, Problem> {
    let hub = gateway.hub();
    checked.publish(hub, &admitted.identity.tenant, allowed, hub.now())
}

fn answer(published: Result<Published, PublishError>) -> Result<Value, Problem> {
    let published = published?;
    let topics: Vec<&str> = published.topics.iter().map(TopicName::as_str).collect();
    Ok(json!({ "position": published.position.to_string(), "topics": topics, "key": published.key }))
}
