//! `POST /v1/admin/revoke`.

use futures_util::Stream;
use hyper::{HeaderMap, StatusCode};
use tidings_shared::Code;
use warp::{Buf, reply::Response};

use super::{answer_json, authenticate, body::read};
use crate::{Gateway, Revoke, problem::Problem};

/// Takes back what a subject or a session was given.
pub(super) async fn answer<S, B, E>(
    gateway: &Gateway,
    headers: &HeaderMap,
    body: S,
) -> Result<Response, Problem>
where
    S: Stream<Item = Result<B, E>>,
    B: Buf,
{
    let identity = authenticate(gateway, headers)?.identity;
    if !gateway.access().may_revoke(&identity) {
        return Err(Problem::new(Code::Forbidden, "revoking takes a token with the claim `admin`"));
    }
    let (revoke, answer) = Revoke::parse(&read(gateway, body).await?)?;
    gateway.hub().revoke(&identity.tenant, &revoke).map_err(|error| Problem::new(Code::Overloaded, error))?;
    Ok(answer_json(StatusCode::OK, "application/json", answer.to_string()))
}
