//! Requests and their answers. Only this folder knows warp.
//!
//! A request passes `front` (host, origin, body), then the gate (is the server draining or full?), then `routes`, then
//! the application's own routes. Its answer passes `front` again.

use std::{
    convert::Infallible,
    future::{Future, ready},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use hyper::{
    HeaderMap,
    header::{CONNECTION, HeaderValue},
    service::service_fn,
};
use hyper_util::service::TowerToHyperService;
use tidings_hub::{AccessError, problem::Problem, revocation::Admitted};
use tidings_shared::{Code, limits};
use tokio::{
    net::TcpListener,
    time::{Instant, timeout_at},
};
use warp::{Filter, Rejection, Reply, http::header::AUTHORIZATION, path::Peek, reply::Response};

use crate::{
    gateway::Gateway,
    net::accept::{self, Permit},
    questions::Caller,
};

mod answers;
mod comeback;
mod events;
mod front;
mod listen;
mod origin_tag;
mod page;
mod post;
mod publish;
mod refusals;
mod routes;
mod unread;
mod upgrade;

use self::answers::{draining, method_not_allowed, not_found, refusal};
pub use self::origin_tag::origin_tag;

/// The log's filter for warp. Below this level, warp logs whole requests as they came.
#[cfg(feature = "cli")]
pub(crate) const LOG_FILTER: &str = "warp=warn";

impl Gateway {
    /// Accepts connections and serves them with `routes`. When `shutdown` completes, it [drains](Gateway::drain) the
    /// gateway and returns when all connections are gone, or when the drain's deadline has passed. During the drain it
    /// answers `/health`, `/ready` and `/metrics`, and refuses everything else.
    pub async fn serve<F>(&self, listener: TcpListener, routes: F, shutdown: impl Future<Output = ()>)
    where
        F: Filter<Error = Rejection> + Clone + Send + Sync + 'static,
        F::Extract: Reply,
        F::Future: Send,
    {
        let routes =
            TowerToHyperService::new(warp::service(self.gate().or(routes).recover(answer_rejection)));
        let gateway = self.clone();
        let service = service_fn(move |request| front::answer(&gateway, &routes, request));
        let settings = self.settings();
        let limits = accept::Limits {
            max_connections: settings.max_connections,
            shards: settings.shard_count(),
            addresses: self.addresses().clone(),
            trusted_proxies: Arc::clone(&settings.trusted_proxies),
            header_timeout: settings.header_timeout,
            keep_alive_timeout: settings.keep_alive_timeout,
            keep_idle: limits::DRAIN_LINGER.min(settings.drain_timeout / 2),
            max_header_bytes: settings.max_header_bytes,
            write_timeout: settings.write_timeout,
        };
        let drain = async {
            let deadline = Instant::now() + settings.drain_timeout;
            (self.drain().await, deadline)
        };
        let ((is_drained, deadline), pool) = tokio::select! {
            done = accept::run(listener, service, limits, shutdown, drain) => done,
            () = self.evict_aged() => return,
        };
        let left = timeout_at(deadline, pool.all_free()).await;
        if !is_drained || left.is_err() {
            tracing::warn!("not every connection ended before the drain's deadline");
        }
    }

    /// Refuses every request while the server drains, and every request of an overflow connection. `/health`, `/ready`
    /// and `/metrics` still get their answers.
    fn gate(&self) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + use<> {
        let gateway = self.clone();
        warp::path::peek()
            .and(warp::ext::optional::<Permit>())
            .and_then(move |path: Peek, permit: Option<Permit>| {
                let problem = if matches!(path.as_str(), "health" | "ready" | "metrics") {
                    None
                } else if gateway.is_draining() {
                    Some(draining())
                } else {
                    permit.filter(Permit::is_overflow).map(|_| Problem::new(Code::Overloaded, NO_PERMIT))
                };
                let refused = problem.map(|problem| refuse(&gateway, &problem));
                ready(refused.ok_or_else(warp::reject::not_found))
            })
            .map(|mut answer: Response| {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                answer
            })
    }

    /// Evicts old publications every second, because a log without new publications would keep them.
    async fn evict_aged(&self) {
        let mut every_second = tokio::time::interval(Duration::from_secs(1));
        loop {
            every_second.tick().await;
            self.hub().handle_timeout(self.hub().now());
        }
    }
}

/// Answers with a problem, and counts it.
fn refuse(gateway: &Gateway, problem: &Problem) -> Response {
    gateway.hub().metrics().refused(problem.code);
    comeback::note(problem, refusal(problem))
}

const NO_PERMIT: &str = "the server has no permit for another connection; try again later";

/// Checks the origin of a request and who sent it.
async fn authenticate(
    gateway: &Gateway,
    headers: &HeaderMap,
    peer: Option<IpAddr>,
) -> Result<Admitted, Problem> {
    page::check_origin(gateway, headers)?;
    if gateway.is_draining() {
        return Err(draining());
    }
    let hub = gateway.hub();
    let token = bearer(headers)?.inspect_err(|error| hub.refusals().token(error, hub.now().since_start))?;
    let caller = Caller::new(headers.clone(), peer, &gateway.settings().origins);
    gateway.questions().admit(token, caller).await
}

/// Returns the token of an `Authorization: Bearer …` header. Two such headers are refused: a proxy may have checked the
/// other one.
fn bearer(headers: &HeaderMap) -> Result<Result<Option<&str>, AccessError>, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (values.next(), values.next()) else {
        return Err(Problem::new(Code::InvalidFrame, "Authorization is given twice: send one"));
    };
    let Some(value) = value else { return Ok(Ok(None)) };
    let token = value.to_str().ok().and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let message = "the header must be `Authorization: Bearer <token>`";
    Ok(token.map(Some).ok_or_else(|| AccessError::unauthorized(message)))
}

/// Answers a request that every route rejected, also the application's routes.
async fn answer_rejection(rejection: Rejection) -> Result<Response, Infallible> {
    let is_wrong_method = rejection.find::<warp::reject::MethodNotAllowed>().is_some();
    Ok(match (rejection.is_not_found(), is_wrong_method) {
        (true, _) => not_found(),
        (_, true) => method_not_allowed("the path takes another method"),
        _ => refusal(&Problem::new(Code::InvalidFrame, "this server does not understand the request")),
    })
}
