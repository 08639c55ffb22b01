//! CORS: which pages of other origins may send requests, and read the answers.

use hyper::{
    HeaderMap, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, HeaderName,
        HeaderValue, ORIGIN, VARY,
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

/// The method and headers that pages may send to a path.
///
/// A preflight allows every other header that it asks for, too. A tracing library adds headers to each request, and
/// without this its page would get no events. This is safe: only a page that is let in gets this answer.
#[derive(Clone, Copy)]
pub(super) struct Preflight {
    method: &'static str,
    headers: [&'static str; 2],
}

pub(super) const EVENTS: Preflight = Preflight { method: "GET", headers: ["authorization", "last-event-id"] };
pub(super) const PUBLISH: Preflight =
    Preflight { method: "POST", headers: ["authorization", "content-type"] };

/// The seconds for which a browser remembers the answer to a preflight. The rules do not change while a process runs.
const MAX_AGE: &str = "600";

/// The most headers that the answer to a preflight allows: several times as many as tracing libraries add. Further ones
/// are left out. Each name is compared with the others, so the number must be small.
const MAX_ASKED_HEADERS: usize = 64;

impl Preflight {
    /// Answers a preflight: a browser asks whether a page may send a request.
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
            // A malformed name is left out: a browser could not send it.
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

/// Marks an answer that pages may read. Only the gateway's own answers get it. An application decides for its answers.
#[derive(Debug, Clone, Copy)]
struct ForPages;

/// Marks an answer as readable by the page that sent the request.
pub(super) fn for_pages(mut answer: Response) -> Response {
    answer.extensions_mut().insert(ForPages);
    answer
}

/// A page that may read the answer to its request.
pub(super) struct Reader {
    origin: HeaderValue,
    /// A browser lets it read the answer to a request with cookies only if the answer says so.
    has_cookies: bool,
}

/// Returns the page that sent the request, if the page is let in.
pub(super) fn reader(gateway: &Gateway, headers: &HeaderMap) -> Option<Reader> {
    let rule = &gateway.settings().origins;
    let origin = headers.get(ORIGIN).filter(|_| rule.allows(headers)).cloned()?;
    Some(Reader { origin, has_cookies: rule.may_use_cookies(headers) })
}

/// Lets the page read the answer, if the answer is [for pages](for_pages).
pub(super) fn may_read(reader: Option<Reader>, mut answer: Response) -> Response {
    if answer.extensions_mut().remove::<ForPages>().is_some() {
        let headers = answer.headers_mut();
        headers.insert(VARY, HeaderValue::from_static("Origin"));
        if let Some(Reader { origin, has_cookies }) = reader {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            if has_cookies {
                headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            }
        }
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
