//! Checks a request before its route, and completes the answer after it.

use hyper::{
    HeaderMap, Method, Version,
    header::{CONNECTION, HeaderValue},
};
use tidings_hub::problem::Problem;
use tidings_shared::Code;
use warp::reply::Response;

use super::{
    answers::draining,
    comeback::{self, Listener},
    head::Target,
    page,
    refusals::{LOOPBACK_HOST, line_of_host},
    refuse,
};
use crate::{gateway::Gateway, net::accept::Permit, origin::HostFault};

/// The facts of a request that complete its answer.
pub(super) struct Front {
    /// The page that may read the answer.
    reader: Option<page::Reader>,
    listener: Option<Listener>,
    version: Version,
}

impl Front {
    pub(super) fn of(gateway: &Gateway, method: &Method, target: &Target, headers: &HeaderMap) -> Self {
        Self {
            reader: page::reader(gateway, headers),
            listener: Listener::of(gateway, method, &target.uri, headers),
            version: target.version,
        }
    }

    /// Returns the refusal of a request that no route may see. A connection of our own accept loop has a permit, and is
    /// refused while the server drains or is full.
    pub(super) fn refusal(
        &self,
        gateway: &Gateway,
        target: &Target,
        headers: &HeaderMap,
        permit: Option<&Permit>,
    ) -> Option<Response> {
        if let Err(problem) = check_host(gateway, target, headers) {
            return Some(refuse(gateway, &problem));
        }
        let permit = permit?;
        if let Err(problem) = comeback::check_room(gateway, target, headers) {
            return Some(refuse(gateway, &problem));
        }
        let problem = match target.uri.path() {
            "/health" | "/ready" | "/metrics" => return None,
            _ if gateway.is_draining() => draining(),
            _ if permit.is_overflow() => Problem::new(Code::Overloaded, NO_PERMIT),
            _ => return None,
        };
        let mut refusal = refuse(gateway, &problem);
        refusal.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        Some(refusal)
    }

    /// Completes an answer of the gateway.
    pub(super) fn complete(self, answer: Response) -> Response {
        let mut answer = page::may_read(self.reader, comeback::instead(self.listener, answer));
        if self.version >= Version::HTTP_2 {
            // RFC 9113, section 8.2.2.
            answer.headers_mut().remove(CONNECTION);
        }
        answer
    }
}

/// The message to a client for which there is no permit.
pub(super) const NO_PERMIT: &str = "the server has no permit for another connection; try again later";

fn check_host(gateway: &Gateway, target: &Target, headers: &HeaderMap) -> Result<(), Problem> {
    let Target { version, uri } = target;
    // A target may have no path (`CONNECT a:1`, `GET a:1`). Such a request ends here, because routes expect a path.
    if uri.path_and_query().is_none() {
        return Err(Problem::new(Code::InvalidFrame, "the request's target has no path"));
    }
    gateway.settings().origins.check_host(*version, uri, headers).map_err(|fault| {
        let hub = gateway.hub();
        let line = line_of_host(fault, uri, headers);
        hub.refusals().request(&line, hub.now().since_start);
        let (code, message) = match fault {
            HostFault::IllFormed => (
                Code::InvalidFrame,
                "a request must have exactly one Host: a name or an address, with or without a port",
            ),
            HostFault::Elsewhere => (Code::Forbidden, LOOPBACK_HOST),
        };
        Problem::new(code, message)
    })
}
