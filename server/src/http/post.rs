//! What is posted: by whom, within the bounds of a body, and what is answered.

use std::time::Duration;

use futures_util::{Stream, StreamExt};
use hyper::{
    HeaderMap, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_LENGTH},
};
use serde_json::Value;
use tidings_hub::{Identity, Revoke, problem::Problem};
use tidings_shared::Code;
use tokio::time::timeout;
use warp::{Buf, reply::Response};

use super::{
    answers::{answer_json, encoded, late},
    authenticate,
};
use crate::{
    gateway::Gateway,
    host::Clock,
    text::{fault_of, without_mark},
};

/// For so long after a look at a token nobody looks again: most bodies come with their request.
const JUDGED_FOR: Duration = Duration::from_millis(100);

/// What is done with a body for somebody who is let in.
pub(super) type Act = fn(&Gateway, &Identity, &str) -> Result<Value, Problem>;

/// Answers a `POST`.
pub(super) async fn answer<S, B, E>(
    gateway: &Gateway,
    headers: &HeaderMap,
    body: S,
    act: Act,
) -> Result<Response, Problem>
where
    S: Stream<Item = Result<B, E>>,
    B: Buf,
{
    let mut identity = authenticate(gateway, headers)?.identity;
    let (clock, settings) = (Clock::of(gateway.hub()), gateway.settings());
    let judged = clock.now().since_start;
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
    // It may have been taken back, or have ended, while the body was on its way.
    if clock.now().since_start > judged + JUDGED_FOR {
        identity = authenticate(gateway, headers)?.identity;
    }
    let answer = act(gateway, &identity, body)?;
    Ok(answer_json(StatusCode::OK, "application/json", answer.to_string()))
}

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

/// `POST /v1/admin/revoke`: takes back what a subject or a session was given.
pub(super) fn revoke(gateway: &Gateway, identity: &Identity, body: &str) -> Result<Value, Problem> {
    if !gateway.access().may_revoke(identity) {
        return Err(Problem::new(Code::Forbidden, "revoking takes a token with the claim `admin`"));
    }
    let (revoke, answer) = Revoke::parse(body)?;
    gateway.hub().revoke(&identity.tenant, &revoke).map_err(|error| Problem::new(Code::Overloaded, error))?;
    Ok(answer)
}
