//! What is looked at before the routes, those of an application that embeds the hub among them.

use hyper::Request;
use tidings_shared::Code;

use crate::problem::Problem;

/// Refuses what no route may see.
pub(super) fn check<B>(request: &Request<B>) -> Result<(), Problem> {
    // Of a target without a path (`CONNECT a:1`, `GET a:1`) a route can't ask for one.
    if request.uri().path_and_query().is_none() {
        return Err(Problem::new(Code::InvalidFrame, "the request's target has no path"));
    }
    Ok(())
}
