//! `GET /v1/ws` and `/v1/echo`: from a request to a WebSocket in a shard.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hyper::{
    HeaderMap, StatusCode, Version,
    header::{
        CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
        SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
    },
    upgrade::OnUpgrade,
};
use tidings_hub::{Moment, Session, problem::Problem};
use tidings_shared::{Code, frame::SUBPROTOCOL};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use uuid::Uuid;
use warp::reply::Response;

use super::{
    answers::{draining, problem, problem_body},
    front::NO_PERMIT,
    head::Head,
    page, refuse,
};
use crate::{
    gateway::Gateway,
    net::{
        accept::Permit,
        addresses::AddressPermit,
        transport::Transport,
        worker::{Arrival, Permits, Purpose},
    },
    questions::Caller,
};

/// Answers a WebSocket handshake. The connection then goes to a shard.
pub(super) fn answer(
    gateway: Gateway,
    head: Head,
    upgrade: Option<OnUpgrade>,
    purpose: fn(&Gateway, HeaderMap, Option<IpAddr>, Option<&Permit>) -> Purpose,
) -> Response {
    let Head { target, headers, peer, permit, .. } = head;
    if target.version >= Version::HTTP_2 {
        let message = "a WebSocket needs a connection with HTTP/1.1, and this one has HTTP/2";
        return refuse(&gateway, &Problem::new(Code::InvalidFrame, message));
    }
    let subprotocol = match check_handshake(&gateway, &headers) {
        Ok(subprotocol) => subprotocol,
        Err(answer) => return *answer,
    };
    let (Some(key), Some(upgrade)) = (headers.get(SEC_WEBSOCKET_KEY), upgrade) else {
        let message = "a WebSocket handshake needs a Sec-WebSocket-Key, and a server that allows upgrades";
        return refuse(&gateway, &Problem::new(Code::InvalidFrame, message));
    };
    let permits = match permits(&gateway, &headers, permit) {
        Ok(permits) => permits,
        Err(problem) => return refuse(&gateway, &problem),
    };
    let accept = derive_accept_key(key.as_bytes());
    tokio::spawn(async move {
        let taken = match upgrade.await {
            Ok(upgraded) => Transport::take_over(upgraded).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match taken {
            Ok((transport, early)) => {
                let purpose = purpose(&gateway, headers, peer, permits.0.as_ref());
                if let Some(workers) = gateway.workers() {
                    workers.send(Arrival { transport, early, purpose, permits }).await;
                }
            }
            Err(error) => tracing::debug!(%error, "an upgrade failed"),
        }
    });
    let mut response = Response::default();
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let answer = response.headers_mut();
    answer.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::try_from(accept) {
        answer.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    if subprotocol {
        answer.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    response
}

/// Takes the permits of a connection that goes to a shard, if there is a shard. In the server of an application there is
/// no permit, so the sessions and event streams are counted instead.
pub(super) fn permits(
    gateway: &Gateway,
    headers: &HeaderMap,
    permit: Option<Permit>,
) -> Result<Permits, Problem> {
    if gateway.workers().is_none() {
        return Err(Problem::new(Code::Overloaded, "the server could not start a thread for connections"));
    }
    let address = permit.as_ref().map(|permit| forwarded(gateway, headers, permit)).transpose()?.flatten();
    let presence = gateway.presence();
    if permit.is_none() && gateway.sessions() > gateway.settings().max_connections {
        return Err(Problem::new(Code::Overloaded, NO_PERMIT));
    }
    Ok((permit, address, presence))
}

/// Takes an address permit for a client behind a trusted proxy. The proxy wrote the last entry of `X-Forwarded-For`;
/// the client may have written the entries before it. All clients without an address in the last entry count as one
/// client.
fn forwarded(
    gateway: &Gateway,
    headers: &HeaderMap,
    permit: &Permit,
) -> Result<Option<AddressPermit>, Problem> {
    if !gateway.settings().trusted_proxies.contains(&permit.peer()) {
        return Ok(None);
    }
    let Some(line) = headers.get_all(FORWARDED_FOR).iter().next_back() else { return Ok(None) };
    let last = line.as_bytes().rsplit(|byte| *byte == b',').next().unwrap_or_default();
    let address = str::from_utf8(last).ok().and_then(|text| address_of(text.trim()));
    let permit = gateway.addresses().take(address.unwrap_or(permit.peer()));
    permit.map(Some).ok_or_else(|| {
        Problem::new(Code::Overloaded, "this address has no permit left for another connection: close one")
    })
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Reads an address as proxies write it, perhaps with a port.
fn address_of(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(|ip: Ipv6Addr| ip.into());
    let with_port = || text.parse().ok().map(|socket: SocketAddr| socket.ip());
    text.parse().ok().or_else(with_port).or_else(bracketed)
}

/// Returns a new session for a WebSocket.
pub(super) fn session(
    gateway: &Gateway,
    headers: HeaderMap,
    peer: Option<IpAddr>,
    permit: Option<&Permit>,
) -> Purpose {
    let hub = gateway.hub().clone();
    let now = hub.now();
    // The time for the hello began with the first byte of the request. So a stranger that sends its request slowly
    // does not stay much longer. But a slow network is no fault, so at least half of the time is left.
    let age = permit.map_or(Duration::ZERO, Permit::age).min(gateway.settings().session.hello_timeout / 2);
    let now = Moment { since_start: now.since_start.saturating_sub(age), ..now };
    let session = Session::new(Uuid::now_v7(), hub, gateway.settings().session, now);
    let caller = Caller::new(headers, peer, &gateway.settings().origins);
    Purpose::Client { protocol: Box::new(session).into(), caller: Some(Arc::new(caller)) }
}

/// Checks a handshake. Returns whether the answer confirms the subprotocol, or a refusal.
fn check_handshake(gateway: &Gateway, headers: &HeaderMap) -> Result<bool, Box<Response>> {
    let has_token =
        |name: HeaderName, token: &str| list(headers, name).any(|t| t.eq_ignore_ascii_case(token));
    let refuse = |code, message: &str| Box::new(refuse(gateway, &Problem::new(code, message)));
    if !has_token(CONNECTION, "upgrade") || !has_token(UPGRADE, "websocket") {
        return Err(Box::new(upgrade_required("this is a WebSocket endpoint: ask for an upgrade")));
    }
    // RFC 6455, sections 11.3.1 and 11.3.5. A proxy may have checked only one of two headers, so two are refused.
    for name in [SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION] {
        if headers.get_all(&name).iter().nth(1).is_some() {
            return Err(refuse(Code::InvalidFrame, &format!("{name} is given twice: send one")));
        }
    }
    // The server would read a body as WebSocket frames, so a body is refused.
    let is_empty = headers.get_all(CONTENT_LENGTH).iter().all(|length| length == "0");
    if !is_empty || headers.contains_key(TRANSFER_ENCODING) {
        return Err(refuse(Code::InvalidFrame, "a WebSocket handshake has no body"));
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let mut answer = upgrade_required("the WebSocket version must be 13");
        answer.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return Err(Box::new(answer));
    }
    if !headers.get(SEC_WEBSOCKET_KEY).is_some_and(is_nonce) {
        return Err(refuse(Code::InvalidFrame, "Sec-WebSocket-Key must be the base64 of 16 bytes"));
    }
    page::check_origin(gateway, headers).map_err(|problem| Box::new(super::refuse(gateway, &problem)))?;
    let offers = headers.contains_key(SEC_WEBSOCKET_PROTOCOL);
    if offers && !list(headers, SEC_WEBSOCKET_PROTOCOL).any(|offer| offer == SUBPROTOCOL) {
        let message = format!("the subprotocol must be {SUBPROTOCOL}; a handshake may also offer none");
        return Err(refuse(Code::InvalidFrame, &message));
    }
    if gateway.is_draining() {
        return Err(Box::new(super::refuse(gateway, &draining())));
    }
    Ok(offers)
}

fn upgrade_required(detail: &str) -> Response {
    let code = Code::InvalidFrame;
    let status = StatusCode::UPGRADE_REQUIRED;
    let mut answer = problem(status, problem_body(status, code.as_str(), code.meaning(), detail));
    // RFC 9110, sections 15.5.22 and 7.8.
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
    answer
}

/// Returns the tokens of a comma-separated header, over all its lines.
fn list(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// Returns whether this is base64 of 16 bytes: RFC 6455, section 4.2.1.
fn is_nonce(key: &HeaderValue) -> bool {
    let is_base64 = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    matches!(key.as_bytes(), [text @ .., b'=', b'='] if text.len() == 22 && text.iter().all(is_base64))
}
