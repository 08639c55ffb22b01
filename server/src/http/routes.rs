//! The gateway's paths: which methods each one takes, and what answers them.

use std::{future::ready, net::IpAddr, time::Instant};

use futures_util::Stream;
use hyper::{
    Method, Request, StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
    upgrade::OnUpgrade,
};
use tidings_hub::{Health, problem::Problem};
use tidings_shared::Code;
use warp::{Buf, Filter, Rejection, Reply, path::Peek, reply::Response};

use super::{
    answers::{draining, not_found, refusal, text, wrong_method},
    events,
    front::Front,
    head::{Head, head},
    page,
    post::{self, Act},
    refuse, upgrade,
};
use crate::{gateway::Gateway, net::worker::Purpose, silence::NOT_READY_AFTER};

/// The route of a request on one of the gateway's paths.
enum Route {
    WebSocket,
    Echo,
    Events,
    Post(Act),
    Preflight(page::Preflight),
    Health,
    Ready,
    Metrics,
    /// The path takes these methods, and no others.
    WrongMethod(&'static str),
}

impl Route {
    /// Returns the route of a path, without the first slash. A path with a trailing slash is another path.
    fn of(method: &str, path: &str, has_echo: bool) -> Option<Self> {
        Some(match (method, path) {
            // HTTP/2 asks for a WebSocket with CONNECT, and is refused with a reason.
            ("GET" | "CONNECT", "v1/ws") => Self::WebSocket,
            (_, "v1/ws") => Self::WrongMethod("GET"),
            ("GET", "v1/echo") if has_echo => Self::Echo,
            (_, "v1/echo") if has_echo => Self::WrongMethod("GET"),
            ("GET", "v1/events") => Self::Events,
            ("OPTIONS", "v1/events") => Self::Preflight(page::EVENTS),
            (_, "v1/events") => Self::WrongMethod("GET, OPTIONS"),
            ("POST", "v1/publish") => Self::Post(Act::Publish),
            ("POST", "v1/publish/batch") => Self::Post(Act::PublishBatch),
            ("OPTIONS", "v1/publish" | "v1/publish/batch") => Self::Preflight(page::PUBLISH),
            (_, "v1/publish" | "v1/publish/batch") => Self::WrongMethod("POST, OPTIONS"),
            ("POST", "v1/admin/revoke") => Self::Post(Act::Revoke),
            (_, "v1/admin/revoke") => Self::WrongMethod("POST"),
            ("GET" | "HEAD", "health") => Self::Health,
            ("GET" | "HEAD", "ready") => Self::Ready,
            ("GET" | "HEAD", "metrics") => Self::Metrics,
            (_, "health" | "ready" | "metrics") => Self::WrongMethod("GET, HEAD"),
            _ => return None,
        })
    }
}

/// Returns whether a request is for one of the gateway's own paths.
pub(super) fn is_own<B>(gateway: &Gateway, request: &Request<B>) -> bool {
    let path = request.uri().path().strip_prefix('/').unwrap_or_default();
    Route::of(request.method().as_str(), path, gateway.settings().echo).is_some()
}

impl Gateway {
    /// Returns the gateway's routes as a filter of warp: `/v1/ws`, `/v1/events`, `/v1/publish`, `/v1/publish/batch`,
    /// `/v1/admin/revoke`, `/health`, `/ready` and `/metrics`. It answers every method on these paths, and rejects every
    /// other path.
    ///
    /// It is for `warp::serve`, joined to an application's own filter with `or`, or below a path of its own. This is
    /// another server than the gateway's, so the parts that [`Gateway::service`] lists under "What only `serve` does"
    /// have no effect there. [`Gateway::serve`] adds these routes by itself.
    pub fn routes(&self) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + use<> {
        let gateway = self.clone();
        let route = move |method: Method, path: Peek| {
            let route = Route::of(method.as_str(), path.as_str(), gateway.settings().echo);
            ready(route.map(|route| (gateway.clone(), route)).ok_or_else(warp::reject::not_found))
        };
        // The body is taken from the request only when the path is one of these.
        warp::method()
            .and(warp::path::peek())
            .and_then(route)
            .untuple_one()
            .and(head())
            .and(warp::ext::optional::<OnUpgrade>())
            .and(warp::query::<Vec<(String, String)>>())
            .and(warp::body::stream())
            .then(answer)
    }
}

async fn answer<S, B, E>(
    gateway: Gateway,
    route: Route,
    head: Head,
    upgrade: Option<OnUpgrade>,
    query: Vec<(String, String)>,
    body: S,
) -> Response
where
    S: Stream<Item = Result<B, E>>,
    B: Buf,
{
    gateway.keep_time();
    let Head { method, target, headers, permit, .. } = &head;
    let front = Front::of(&gateway, method, target, headers);
    let answer = match front.refusal(&gateway, target, headers, permit.as_ref()) {
        Some(refusal) => refusal,
        None => answer_route(gateway, route, head, upgrade, query, body).await,
    };
    front.complete(answer)
}

async fn answer_route<S, B, E>(
    gateway: Gateway,
    route: Route,
    head: Head,
    upgrade: Option<OnUpgrade>,
    query: Vec<(String, String)>,
    body: S,
) -> Response
where
    S: Stream<Item = Result<B, E>>,
    B: Buf,
{
    match route {
        Route::WebSocket => upgrade::answer(gateway, head, upgrade, upgrade::session),
        Route::Echo => upgrade::answer(gateway, head, upgrade, |_, _, _, _| Purpose::Echo),
        Route::Events => {
            let answer = events::answer(&gateway, head, query).await;
            answer.unwrap_or_else(|problem| refuse(&gateway, &problem))
        }
        Route::Post(act) => post::answer(&gateway, &head.headers, head.peer, body, act)
            .await
            .unwrap_or_else(|problem| refuse(&gateway, &problem)),
        Route::Preflight(preflight) => preflight.answer(&gateway, &head.headers),
        Route::Health => text(StatusCode::OK, "ok\n"),
        Route::Ready if gateway.is_draining() => refusal(&draining()),
        Route::Ready => ready_answer(&gateway),
        Route::Metrics => metrics(&gateway, head.peer),
        Route::WrongMethod(allow) => wrong_method(allow),
    }
}

/// Answers whether new clients should come here.
fn ready_answer(gateway: &Gateway) -> Response {
    if gateway.settings().ready_ignores_journal {
        return text(StatusCode::OK, "ready\n");
    }
    let outbox_silence = gateway.outbox_silences().longest(Instant::now());
    let message = match gateway.hub().health() {
        Health::Degraded { since } => {
            let silence = gateway.hub().now().since_start.saturating_sub(since.since_start).as_secs();
            format!("nothing has come through from the journal for {silence} s")
        }
        // Its name may say where the database is, and anybody may ask.
        Health::Good if outbox_silence >= NOT_READY_AFTER => {
            format!("an outbox has not answered for {} s: the log names it", outbox_silence.as_secs())
        }
        Health::Good => return text(StatusCode::OK, "ready\n"),
    };
    refusal(&Problem::new(Code::Overloaded, message))
}

/// Answers with the metrics, to clients on this machine, and to all clients if the setting says so. Other clients get
/// the answer for an unknown path.
fn metrics(gateway: &Gateway, peer: Option<IpAddr>) -> Response {
    let is_here = peer.is_some_and(|peer| peer.to_canonical().is_loopback());
    if !is_here && !gateway.settings().open_metrics {
        return not_found();
    }
    let mut answer = gateway.metrics_page().into_response();
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS));
    answer
}

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tidings_hub::{Hub, HubSettings};

    use super::*;
    use crate::{DevAccess, GatewaySettings, SystemHost, silence::Silence};

    #[test]
    fn a_server_with_an_outbox_that_does_not_answer_is_not_ready() {
        for ignores_journal in [false, true] {
            let hub = Hub::new(HubSettings::new("acme".parse().unwrap()), SystemHost::start());
            let access = DevAccess::new(hub.home().clone());
            let settings = GatewaySettings::development().ready_ignores_journal(ignores_journal);
            let gateway = Gateway::new(hub.clone(), access, settings);
            let silence = Silence::of(&hub, "sqlite:secret.db");
            let silent_for = |time: Duration| {
                silence.asked(Instant::now().checked_sub(time).unwrap());
                let (ready, page) = (ready_answer(&gateway).status(), gateway.metrics_page());
                silence.answered();
                (ready.as_u16(), page)
            };
            assert_eq!(silent_for(NOT_READY_AFTER - Duration::from_secs(1)).0, 200);
            let (ready, page) = silent_for(NOT_READY_AFTER);
            assert_eq!(ready, if ignores_journal { 200 } else { 503 });
            assert!(
                page.contains("tidings_outbox_silence_seconds{outbox=\"sqlite:secret.db\"} 10."),
                "{page}"
            );
            assert_eq!(silent_for(Duration::ZERO).0, 200, "it answers again");
        }
    }
}
