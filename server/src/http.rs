//! Requests and their answers: the gateway's routes, and how an application serves them.
//!
//! Only this folder knows warp.
//!
//! ```text
//! request ─▶ service ─┬ own path ─▶ routes ─▶ front ─▶ the route ─▶ front ─▶ answer
//!                     └ any other path ─▶ the application (under `serve`, after the checks of `front`)
//! ```
//!
//! `front` checks host, origin and whether the server drains or is full, and completes the answer.

use std::{convert::Infallible, error::Error, net::IpAddr, sync::Arc};

use bytes::Bytes;
use http_body::Body;
use hyper::{HeaderMap, Request, Response, body::Incoming, header::AUTHORIZATION, service::service_fn};
use tidings_hub::{AccessError, problem::Problem, revocation::Admitted};
use tidings_shared::{Code, limits};
use tokio::{
    net::TcpListener,
    time::{Instant, timeout_at},
};
use tower_layer::Layer;
use tower_service::Service;
use warp::reply;

use crate::{
    gateway::Gateway,
    net::accept::{self, Permit},
    questions::Caller,
};

mod answers;
mod comeback;
mod events;
mod front;
mod head;
mod listen;
mod origin_tag;
mod page;
mod post;
mod publish;
mod refusals;
mod routes;
mod service;
mod unread;
mod upgrade;

use self::answers::{draining, refusal};
pub use self::{
    head::Peer,
    origin_tag::{origin_of, origin_tag},
    service::{GatewayBody, GatewayService, NotFound},
    unread::RequestBody,
};

/// The log's filter for warp. Below this level, warp logs whole requests as they came.
#[cfg(feature = "cli")]
pub(crate) const LOG_FILTER: &str = "warp=warn";

impl Gateway {
    /// Accepts connections, and serves the gateway's own paths and an application on them. The application is any service
    /// of HTTP requests: a `Router` of axum, `warp::service(filter)`, or `tower::service_fn`. The gateway's paths come
    /// first. An application without paths of its own is [`self.service()`](Gateway::service). As with `axum::serve`, the
    /// application turns its errors into answers.
    ///
    /// Connections have deadlines, permits and limits of addresses ([`GatewaySettings`](crate::GatewaySettings)), and
    /// speak HTTP/1.1. Each request has the address of its connection as an extension ([`Peer`]).
    ///
    /// When `shutdown` completes, it [drains](Gateway::drain) the gateway and returns when all connections are gone, or
    /// when the drain's deadline has passed. During the drain it answers `/health`, `/ready` and `/metrics`, and refuses
    /// everything else.
    ///
    /// ```no_run
    /// # async fn run(gateway: tidings_server::Gateway) -> std::io::Result<()> {
    /// let app = axum::Router::new().route("/hello", axum::routing::get(|| async { "world" }));
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    /// gateway.serve(listener, app, async { tokio::signal::ctrl_c().await.unwrap_or(()) }).await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn serve<S, B>(&self, listener: TcpListener, app: S, shutdown: impl Future<Output = ()>)
    where
        S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        self.keep_time();
        let service = self.service().layer(app);
        let service = service_fn(move |mut request: Request<Incoming>| {
            let peer = request.extensions().get::<Permit>().map(|permit| Peer(permit.peer()));
            if let Some(peer) = peer {
                request.extensions_mut().insert(peer);
            }
            let version = request.version();
            let (is_read, request) = RequestBody::watch(request);
            let answer = service.clone().call(request);
            async move { Ok::<_, Infallible>(is_read.tell(version, answer.await?)) }
        });
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
        let ((is_drained, deadline), pool) = accept::run(listener, service, limits, shutdown, drain).await;
        let left = timeout_at(deadline, pool.all_free()).await;
        if !is_drained || left.is_err() {
            tracing::warn!("not every connection ended before the drain's deadline");
        }
    }
}

/// Answers with a problem, and counts it.
fn refuse(gateway: &Gateway, problem: &Problem) -> reply::Response {
    gateway.hub().metrics().refused(problem.code);
    comeback::note(problem, refusal(problem))
}

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
    let token = bearer(headers)?.inspect_err(|error| hub.refusals().client(error, hub.now().since_start))?;
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
