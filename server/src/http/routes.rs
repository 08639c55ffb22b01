//! The gateway's paths: which methods each one takes, and what answers them.

use std::future::ready;

use futures_util::Stream;
use hyper::{
    HeaderMap, Method, StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
    upgrade::OnUpgrade,
};
use warp::{Buf, Filter, Rejection, Reply, path::Peek, reply::Response};

use super::{
    answers::{draining, not_found, refusal, text, wrong_method},
    events, page,
    post::{self, Act},
    refuse, upgrade,
};
use crate::{
    gateway::Gateway,
    net::{accept::Permit, worker::Purpose},
};

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
            ("GET", "v1/ws") => Self::WebSocket,
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

impl Gateway {
    /// Returns the gateway's routes as a filter: `/v1/ws`, `/v1/events`, `/v1/publish`, `/v1/publish/batch`,
    /// `/v1/admin/revoke`, `/health`, `/ready` and `/metrics`. Join it to an application's own filter with `or`, and
    /// serve both with [`Gateway::serve`]. It answers every method on these paths, and rejects every other path.
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
            .and(warp::header::headers_cloned())
            .and(warp::ext::optional::<OnUpgrade>())
            .and(warp::ext::optional::<Permit>())
            .and(warp::query::<Vec<(String, String)>>())
            .and(warp::body::stream())
            .then(answer)
    }
}

async fn answer<S, B, E>(
    gateway: Gateway,
    route: Route,
    headers: HeaderMap,
    upgrade: Option<OnUpgrade>,
    permit: Option<Permit>,
    query: Vec<(String, String)>,
    body: S,
) -> Response
where
    S: Stream<Item = Result<B, E>>,
    B: Buf,
{
    match route {
        Route::WebSocket => upgrade::answer(gateway, headers, upgrade, permit, upgrade::session),
        Route::Echo => upgrade::answer(gateway, headers, upgrade, permit, |_, _, _| Purpose::Echo),
        Route::Events => {
            let answer = events::answer(&gateway, &headers, permit, query).await;
            answer.unwrap_or_else(|problem| refuse(&gateway, &problem))
        }
        Route::Post(act) => post::answer(&gateway, &headers, permit.map(|permit| permit.peer()), body, act)
            .await
            .unwrap_or_else(|problem| refuse(&gateway, &problem)),
        Route::Preflight(preflight) => preflight.answer(&gateway, &headers),
        Route::Health => text(StatusCode::OK, "ok\n"),
        Route::Ready if gateway.is_draining() => refusal(&draining()),
        Route::Ready => text(StatusCode::OK, "ready\n"),
        Route::Metrics => metrics(&gateway, permit.as_ref()),
        Route::WrongMethod(allow) => wrong_method(allow),
    }
}

/// Answers with the metrics, to clients on this machine, and to all clients if the setting says so. Other clients get
/// the answer for an unknown path.
fn metrics(gateway: &Gateway, permit: Option<&Permit>) -> Response {
    let is_here = permit.is_some_and(|permit| permit.peer().is_loopback());
    if !is_here && !gateway.settings().open_metrics {
        return not_found();
    }
    let mut answer = gateway.metrics_page().into_response();
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS));
    answer
}

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
