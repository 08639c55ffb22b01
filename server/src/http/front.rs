//! Checks each request before the routes, and completes each answer after them. The routes of an application that
//! embeds the hub are among them.

use std::convert::Infallible;

use hyper::{Request, body::Incoming, service::Service};
use tidings_hub::problem::Problem;
use tidings_shared::Code;
use warp::reply::Response;

use super::{
    comeback::{self, Listener},
    page,
    refusals::{LOOPBACK_HOST, line_of_host},
    refuse,
    unread::{IsRead, RequestBody},
};
use crate::{gateway::Gateway, origin::HostFault};

/// Lets the routes answer a request, or refuses it.
pub(super) fn answer<S>(
    gateway: &Gateway,
    routes: &S,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response, Infallible>> + Send + use<S>
where
    S: Service<Request<RequestBody>, Response = Response, Error = Infallible>,
    S::Future: Send,
{
    let reader = page::reader(gateway, request.headers());
    let listener = Listener::of(gateway, &request);
    let checked = check(gateway, &request);
    let (is_read, request) = IsRead::watch(request);
    let answer = checked.map(|()| routes.call(request)).map_err(|problem| refuse(gateway, &problem));
    async move {
        let answer = match answer {
            Ok(answer) => answer.await?,
            Err(refusal) => refusal,
        };
        Ok(is_read.tell(page::may_read(reader, comeback::instead(listener, answer))))
    }
}

/// Refuses requests that no route may see.
fn check(gateway: &Gateway, request: &Request<Incoming>) -> Result<(), Problem> {
    // A target may have no path (`CONNECT a:1`, `GET a:1`). Such a request ends here, because routes expect a path.
    if request.uri().path_and_query().is_none() {
        return Err(Problem::new(Code::InvalidFrame, "the request's target has no path"));
    }
    let origins = &gateway.settings().origins;
    origins.check_host(request.version(), request.uri(), request.headers()).map_err(|fault| {
        let hub = gateway.hub();
        let line = line_of_host(fault, request.uri(), request.headers());
        hub.refusals().request(&line, hub.now().since_start);
        let (code, message) = match fault {
            HostFault::IllFormed => (
                Code::InvalidFrame,
                "a request must have exactly one Host: a name or an address, with or without a port",
            ),
            HostFault::Elsewhere => (Code::Forbidden, LOOPBACK_HOST),
        };
        Problem::new(code, message)
    })?;
    comeback::check_room(gateway, request)
}
