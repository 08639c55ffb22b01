//! `POST` requests: checks who sends, reads the body within its bounds, and answers.

use std::{net::IpAddr, time::Duration};

use futures_util::{Stream, StreamExt};
use hyper::{
    HeaderMap, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_LENGTH},
};
use serde_json::Value;
use tidings_hub::{Revoke, problem::Problem, revocation::Admitted};
use tidings_shared::Code;
use tokio::time::timeout;
use warp::{Buf, reply::Response};

use super::{
    answers::{answer_json, encoded, late},
    authenticate, publish,
};
use crate::{
    gateway::Gateway,
    host::Clock,
    text::{fault_of, without_mark},
};

/// The server checks a token before it reads the body. If the body takes longer than this, it checks the token again.
/// Most bodies arrive with their request and need one check.
const CHECK_HOLDS_FOR: Duration = Duration::from_millis(100);

/// The action of a `POST`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    Publish,
    PublishBatch,
    Revoke,
}

/// Answers a `POST`.
pub(super) async fn answer<S, B, E>(
    gateway: &Gateway,
    headers: &HeaderMap,
    peer: Option<IpAddr>,
    body: S,
    act: Act,
) -> Result<Response, Problem>
where
    S: Stream<Item = Result<B, E>>,
    B: Buf,
{
    let mut admitted = authenticate(gateway, headers, peer).await?;
    let (clock, settings) = (Clock::of(gateway.hub()), gateway.settings());
    let checked_at = clock.now().since_start;
    let max = settings.max_body_bytes;
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|announced| announced > max as u64) {
        return Err(too_large(max));
    }
    let codings = headers.get_all(CONTENT_ENCODING).iter();
    if codings
        .into_iter()
        .any(|coding| !coding.is_empty() && !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return Ok(encoded());
    }
    let Ok(body) = timeout(settings.body_timeout, gather(body, max)).await else {
        return Ok(late());
    };
    let body = body?;
    let body = str::from_utf8(&body)
        .map_err(|_| invalid(&format!("the body can't be read: {}", fault_of(&body))))?;
    // RFC 8259, section 8.1.
    let body = without_mark(body);
    // The token may have expired, or somebody may have revoked it, while the body arrived.
    if clock.now().since_start > checked_at + CHECK_HOLDS_FOR {
        admitted = authenticate(gateway, headers, peer).await?;
    }
    let answer = match act {
        Act::Publish => publish::one(gateway, &admitted, body).await?,
        Act::PublishBatch => publish::batch(gateway, &admitted, body).await?,
        Act::Revoke => revoke(gateway, &admitted, body).await?,
    };
    Ok(answer_json(StatusCode::OK, "application/json", answer.to_string()))
}

/// Reads a body to its end, and keeps at most `max` bytes.
async fn gather<S, B, E>(body: S, max: usize) -> Result<Vec<u8>, Problem>
where
    S: Stream<Item = Result<B, E>>,
    B: Buf,
{
    let mut bytes = Vec::new();
    let mut body = std::pin::pin!(body);
    while let Some(chunk) = body.next().await {
        let mut chunk = chunk.map_err(|_| invalid("the body ended early"))?;
        if bytes.len() + chunk.remaining() > max {
            return Err(too_large(max));
        }
        while chunk.has_remaining() {
            bytes.extend_from_slice(chunk.chunk());
            chunk.advance(chunk.chunk().len());
        }
    }
    Ok(bytes)
}

fn too_large(max: usize) -> Problem {
    Problem::new(Code::TooLarge, format!("a body has at most {max} bytes (`--max-body-bytes`)"))
}

fn invalid(reason: &str) -> Problem {
    Problem::new(Code::InvalidFrame, reason)
}

/// `POST /v1/admin/revoke`: takes a subject's or a session's rights back.
async fn revoke(gateway: &Gateway, admitted: &Admitted, body: &str) -> Result<Value, Problem> {
    gateway.questions().check_may_revoke(admitted).await?;
    let (revoke, answer) = Revoke::parse(body)?;
    gateway
        .hub()
        .tenant(&admitted.identity.tenant)
        .revoke(&revoke)
        .await
        .map_err(|error| Problem::new(Code::Overloaded, error))?;
    Ok(answer)
}
