//! A refusal that passes, as an answer from which a stream of events comes back. An `EventSource` takes every answer but a
//! stream for the end (HTML, section 9.2.3), and so would be silent for ever after a drain or a crowded moment.

use std::time::Duration;

use hyper::{
    HeaderMap, Method, Request, StatusCode,
    body::Incoming,
    header::{ACCEPT, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
};
use tidings_shared::{Code, limits};
use warp::{Reply, reply::Response};

use super::LAST_EVENT_ID;
use crate::{Gateway, event_body::stream_retry, events::refusal, problem::Problem, worker::random_part};

pub(super) const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

/// Middleware that compresses would gather events until it has a block of them, and caches would keep them.
pub(super) const UNTOUCHED: HeaderValue = HeaderValue::from_static("no-store, no-transform");

/// Somebody who asks for a stream of events, of this server or of the application that embeds it.
pub(super) struct Listener {
    drain_spread: Duration,
    last_event_id: Option<HeaderValue>,
}

impl Listener {
    /// Whoever says so, or has had such a stream. A tool that takes anything gets the refusal with its status.
    pub(super) fn of(gateway: &Gateway, request: &Request<Incoming>) -> Option<Self> {
        let headers = request.headers();
        let last_event_id = headers.get(LAST_EVENT_ID).cloned();
        let is_one = *request.method() == Method::GET && (last_event_id.is_some() || accepts_stream(headers));
        is_one.then(|| Self { drain_spread: gateway.settings().drain_spread, last_event_id })
    }
}

fn accepts_stream(headers: &HeaderMap) -> bool {
    let types = headers.get_all(ACCEPT).into_iter().filter_map(|line| line.to_str().ok());
    let mut types = types.flat_map(|line| line.split(',')).filter_map(|one| one.split(';').next());
    types.any(|one| one.trim().eq_ignore_ascii_case("text/event-stream"))
}

/// Room in a header for the last event's id, which a stream names when it comes back: its field with the longest position.
const LAST_EVENT_ID_BYTES: usize = 64;

/// Refuses a stream that could not come back, because its header would be too large then.
pub(super) fn check_room(gateway: &Gateway, request: &Request<Incoming>) -> Result<(), Problem> {
    let max = gateway.settings().max_header_bytes.max(limits::LEAST_HEADER_BYTES);
    let is_first = request.uri().path() == "/v1/events" && !request.headers().contains_key(LAST_EVENT_ID);
    if !is_first || head_bytes(request) + LAST_EVENT_ID_BYTES <= max {
        return Ok(());
    }
    let message = format!(
        "a request's header has at most {max} bytes (--max-header-bytes), and this one leaves no room for the Last-Event-ID \
         with which the stream comes back: name fewer topics"
    );
    Err(Problem::new(Code::TooManyTopics, message))
}

/// Bytes of a request's first line and header, as they are mostly written.
fn head_bytes(request: &Request<Incoming>) -> usize {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let first = request.method().as_str().len() + target + "  HTTP/1.1\r\n\r\n".len();
    let fields = request.headers().iter();
    first + fields.map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum::<usize>()
}

/// Notes on an answer what it refuses, if that passes.
pub(super) fn note(problem: &Problem, mut answer: Response) -> Response {
    // A fresh token is the page's to bring.
    if problem.code.may_retry() && problem.code != Code::TokenExpired {
        answer.extensions_mut().insert(problem.clone());
    }
    answer
}

/// What a listener is answered in place of a refusal that passes.
pub(super) fn instead(listener: Option<Listener>, mut answer: Response) -> Response {
    let Some(problem) = answer.extensions_mut().remove::<Problem>() else { return answer };
    let Some(listener) = listener else { return answer };
    let retry = if problem.code == Code::GoingAway {
        stream_retry() + random_part(listener.drain_spread)
    } else {
        limits::STREAM_RETRY_OVERLOADED + random_part(limits::STREAM_RETRY_OVERLOADED)
    };
    // Where a block has no id, the standard has a new stream forget the last one.
    let id = listener.last_event_id.as_ref().and_then(|id| id.to_str().ok());
    let block = refusal(&problem, retry, id).to_vec();
    *answer.body_mut() = block.into_response().into_body();
    *answer.status_mut() = StatusCode::OK;
    let headers = answer.headers_mut();
    headers.remove(RETRY_AFTER);
    headers.insert(CONTENT_TYPE, EVENT_STREAM);
    headers.insert(CACHE_CONTROL, UNTOUCHED);
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}
