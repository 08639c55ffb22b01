//! Publishing by HTTP: one event, or some in one request.

use futures_util::Stream;
use hyper::{HeaderMap, StatusCode};
use serde_json::{json, value::RawValue};
use tidings_shared::{Code, TopicName, frame::ClientFrame, limits::MAX_BATCH};
use warp::{Buf, reply::Response};

use super::{answer_json, authenticate, body::read};
use crate::{
    Gateway, Identity,
    problem::{Problem, PublishRequest, publish_as},
};

/// `POST /v1/publish`.
pub(super) async fn one<S, B, E>(gateway: &Gateway, headers: &HeaderMap, body: S) -> Result<Response, Problem>
where
    S: Stream<Item = Result<B, E>>,
    B: Buf,
{
    let identity = authenticate(gateway, headers)?.identity;
    let answer = publish(gateway, &identity, &read(gateway, body).await?)?;
    Ok(answer_json(StatusCode::OK, "application/json", answer.to_string()))
}

/// `POST /v1/publish/batch`: each item is published or refused on its own, in order.
pub(super) async fn batch<S, B, E>(
    gateway: &Gateway,
    headers: &HeaderMap,
    body: S,
) -> Result<Response, Problem>
where
    S: Stream<Item = Result<B, E>>,
    B: Buf,
{
    let identity = authenticate(gateway, headers)?.identity;
    let body = read(gateway, body).await?;
    let items: Vec<&RawValue> = serde_json::from_str(&body).map_err(|error| {
        Problem::new(Code::InvalidFrame, format!("the body is no list of publishes: {error}"))
    })?;
    if items.len() > MAX_BATCH {
        let message = format!("a batch has at most {MAX_BATCH} publishes, this one has {}", items.len());
        return Err(Problem::new(Code::TooLarge, message));
    }
    let publish =
        |item: &RawValue| publish(gateway, &identity, item.get()).unwrap_or_else(|problem| problem.body());
    let answers: Vec<_> = items.into_iter().map(publish).collect();
    Ok(answer_json(StatusCode::OK, "application/json", json!(answers).to_string()))
}

fn publish(gateway: &Gateway, identity: &Identity, text: &str) -> Result<serde_json::Value, Problem> {
    let frame =
        ClientFrame::parse_publish_body(text).map_err(|error| Problem::new(Code::InvalidFrame, error))?;
    let ClientFrame::Publish { event, topics, key, origin, .. } = frame else {
        return Err(Problem::new(Code::Internal, "a publish became something else"));
    };
    let request = PublishRequest { event, topics, key, origin };
    let (hub, access) = (gateway.hub(), gateway.access());
    let published = publish_as(hub, &**access, identity, request, hub.clock().now())?;
    let topics: Vec<&str> = published.topics.iter().map(TopicName::as_str).collect();
    Ok(json!({ "position": published.position.to_string(), "topics": topics, "key": published.key }))
}
