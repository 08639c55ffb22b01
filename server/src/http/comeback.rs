//! Temporary refusals of event streams. If an `EventSource` gets an answer that is not a stream, it closes for good
//! (HTML, section 9.2.3). So a drain or an overload would silence it for ever. Therefore such a refusal is a stream of
//! one block, and the client comes back after it.
//!
//! An `EventSource` would also come back if the server closed the connection without an answer. But then a proxy
//! would answer 502, and the `EventSource` would close for good.

use std::time::Duration;

use hyper::{
    HeaderMap, Method, StatusCode, Uri,
    header::{
        ACCEPT, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
        WWW_AUTHENTICATE,
    },
};
use tidings_hub::{event_stream::refusal, problem::Problem};
use tidings_shared::{Code, limits};
use warp::{Reply, reply::Response};

use super::{head::Target, listen::last_event_id};
use crate::{gateway::Gateway, net::worker::random_part};

pub(super) const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

/// Compressing middleware would hold events back until it has gathered a block of them. A cache would keep them.
pub(super) const UNTOUCHED: HeaderValue = HeaderValue::from_static("no-store, no-transform");

pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Returns the pause of one stream, drawn at random.
pub(super) fn retry() -> Duration {
    limits::STREAM_RETRY + random_part(limits::STREAM_RETRY)
}

/// A client that asks for an event stream, from this server or from the application that embeds it.
pub(super) struct Listener {
    drain_spread: Duration,
    last_event_id: Option<String>,
}

impl Listener {
    /// Returns the client if it accepts a stream by name, or has had a stream before. A client that only sends
    /// `Accept: */*` gets the plain refusal.
    pub(super) fn of(gateway: &Gateway, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        let named = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
        let last_event_id = named.or_else(|| last_event_id(uri.query()?)).map(str::to_owned);
        let is_one = *method == Method::GET && (last_event_id.is_some() || accepts_stream(headers));
        is_one.then(|| Self { drain_spread: gateway.settings().drain_spread, last_event_id })
    }
}

fn accepts_stream(headers: &HeaderMap) -> bool {
    let types = headers.get_all(ACCEPT).into_iter().filter_map(|line| line.to_str().ok());
    let mut types = types.flat_map(|line| line.split(',')).filter_map(|one| one.split(';').next());
    types.any(|one| one.trim().eq_ignore_ascii_case("text/event-stream"))
}

/// The bytes of a `Last-Event-ID` header with the longest position. A client adds this header when it reconnects.
const LAST_EVENT_ID_BYTES: usize = 64;

/// Refuses a stream if its request head would be too large when the client reconnects.
pub(super) fn check_room(gateway: &Gateway, target: &Target, headers: &HeaderMap) -> Result<(), Problem> {
    let max = gateway.settings().max_header_bytes.max(limits::LEAST_HEADER_BYTES);
    let uri = &target.uri;
    let is_back = headers.contains_key(LAST_EVENT_ID) || uri.query().and_then(last_event_id).is_some();
    if is_back || uri.path() != "/v1/events" || head_bytes(uri, headers) + LAST_EVENT_ID_BYTES <= max {
        return Ok(());
    }
    let message = format!(
        "a request head has at most {max} bytes (--max-header-bytes), and this one leaves no room for the Last-Event-ID \
         that the client adds when it reconnects: name fewer topics"
    );
    Err(Problem::new(Code::TooManyTopics, message))
}

/// Returns the bytes of the head of a `GET`, if the client wrote it in the usual way.
fn head_bytes(uri: &Uri, headers: &HeaderMap) -> usize {
    let target = uri.path_and_query().map_or(0, |target| target.as_str().len());
    let first = target + "GET  HTTP/1.1\r\n\r\n".len();
    let fields = headers.iter();
    first + fields.map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum::<usize>()
}

/// Attaches a temporary refusal to its answer.
pub(super) fn note(problem: &Problem, mut answer: Response) -> Response {
    // The client would repeat the request with the same expired token. The page has to open another stream.
    if problem.code.may_retry() && problem.code != Code::TokenExpired {
        answer.extensions_mut().insert(problem.clone());
    }
    answer
}

/// Replaces a temporary refusal by a stream of one block, if the client asked for a stream.
pub(super) fn instead(listener: Option<Listener>, mut answer: Response) -> Response {
    let Some(problem) = answer.extensions_mut().remove::<Problem>() else { return answer };
    let Some(listener) = listener else { return answer };
    let retry = if problem.code == Code::GoingAway {
        self::retry() + random_part(listener.drain_spread)
    } else {
        limits::STREAM_RETRY_OVERLOADED + random_part(limits::STREAM_RETRY_OVERLOADED)
    };
    // By the standard, a block without an id makes the client forget its last one.
    let block = refusal(&problem, retry, listener.last_event_id.as_deref()).text().to_vec();
    *answer.body_mut() = block.into_response().into_body();
    *answer.status_mut() = StatusCode::OK;
    let headers = answer.headers_mut();
    headers.remove(RETRY_AFTER);
    headers.remove(WWW_AUTHENTICATE);
    headers.insert(CONTENT_TYPE, EVENT_STREAM);
    headers.insert(CACHE_CONTROL, UNTOUCHED);
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}
