//! What browsers ask on behalf of pages of another origin (CORS): which of them may send, and read the answer.

use hyper::{
    HeaderMap, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, HeaderName, HeaderValue, ORIGIN, VARY,
    },
};
use tidings_hub::problem::Problem;
use tidings_shared::Code;
use warp::{
    Reply,
    reply::{Response, with_status},
};

use super::{refusals::line_of_origin, refuse};
use crate::gateway::Gateway;

/// What pages may send to a path beyond what they always may: these headers, and every other header that they ask for.
/// A library that traces requests adds some to each, and a page whose requests were refused for that would go without
/// events. It costs nothing: a header that is not known is passed over, and none but the token gives a right.
#[derive(Clone, Copy)]
pub(super) struct Preflight {
    method: &'static str,
    headers: [&'static str; 2],
}

pub(super) const EVENTS: Preflight = Preflight { method: "GET", headers: ["authorization", "last-event-id"] };
pub(super) const PUBLISH: Preflight =
    Preflight { method: "POST", headers: ["authorization", "content-type"] };

/// Seconds for which a browser need not ask again: the rules of a process don't change.
const MAX_AGE: &str = "600";

/// Headers that one preflight may name: several times as many as tracing libraries add, and few enough to compare.
const MAX_ASKED_HEADERS: usize = 64;

impl Preflight {
    /// Answers a browser that asks whether a page may send.
    pub(super) fn answer(self, gateway: &Gateway, headers: &HeaderMap) -> Response {
        if let Err(problem) = check_origin(gateway, headers) {
            return refuse(gateway, &problem);
        }
        let mut answer = for_pages(with_status("", StatusCode::NO_CONTENT).into_response());
        let allows = answer.headers_mut();
        allows.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(self.method));
        allows.insert(ACCESS_CONTROL_ALLOW_HEADERS, self.allowed_headers(headers));
        allows.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
        answer
    }

    fn allowed_headers(self, asks: &HeaderMap) -> HeaderValue {
        let mut names: Vec<HeaderName> = self.headers.map(HeaderName::from_static).into();
        let lines = asks.get_all(ACCESS_CONTROL_REQUEST_HEADERS).into_iter();
        for name in lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')) {
            // What is no name is not a header that a browser could send.
            if let Ok(name) = HeaderName::from_bytes(name.trim_ascii())
                && !names.contains(&name)
                && names.len() < MAX_ASKED_HEADERS
            {
                names.push(name);
            }
        }
        let names: Vec<&str> = names.iter().map(HeaderName::as_str).collect();
        HeaderValue::try_from(names.join(", ")).unwrap_or(HeaderValue::from_static("authorization"))
    }
}

/// Marks an answer that pages may read. Those of an application are its own.
#[derive(Debug, Clone, Copy)]
struct ForPages;

/// Says of an answer that the page that asked may read it.
pub(super) fn for_pages(mut answer: Response) -> Response {
    answer.extensions_mut().insert(ForPages);
    answer
}

/// The origin of the page that asks, if it is one that is let in.
pub(super) fn reader(gateway: &Gateway, headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(ORIGIN).filter(|_| gateway.settings().origins.allows(headers)).cloned()
}

/// Lets the page that asked read the answer, if it is [for pages](for_pages).
pub(super) fn may_read(reader: Option<HeaderValue>, mut answer: Response) -> Response {
    if answer.extensions_mut().remove::<ForPages>().is_some() {
        let headers = answer.headers_mut();
        headers.insert(VARY, HeaderValue::from_static("Origin"));
        headers.extend(reader.map(|origin| (ACCESS_CONTROL_ALLOW_ORIGIN, origin)));
    }
    answer
}

/// Refuses pages of origins that are not let in.
pub(super) fn check_origin(gateway: &Gateway, headers: &HeaderMap) -> Result<(), Problem> {
    let (rule, hub) = (&gateway.settings().origins, gateway.hub());
    if rule.allows(headers) {
        return Ok(());
    }
    hub.refusals().page(&line_of_origin(rule, headers), hub.now().since_start);
    Err(Problem::new(Code::Forbidden, "pages of this origin are not let in"))
}
