//! The routes, as a warp filter. Only this module knows warp.

use std::{
    convert::Infallible,
    future::{Future, ready},
    sync::Arc,
    time::Duration,
};

use hyper::{
    HeaderMap, StatusCode,
    header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue},
    service::service_fn,
    upgrade::OnUpgrade,
};
use hyper_util::service::TowerToHyperService;
use tidings_hub::{AccessError, event_stream::EventStream, problem::Problem, revocation::Admitted};
use tidings_shared::{
    Code,
    frame::ORIGIN_HEADER,
    limits::{self, MAX_ORIGIN_BYTES},
};
use tokio::{
    net::TcpListener,
    time::{Instant, timeout_at},
};
use warp::{Filter, Rejection, Reply, http::header::AUTHORIZATION, path::Peek, reply::Response};

use crate::{
    gateway::Gateway,
    net::{
        accept::{self, Place},
        worker::Serves,
    },
};

mod answers;
mod comeback;
mod event_body;
mod front;
mod listen;
mod page;
mod post;
mod publish;
mod refusals;
mod unread;
mod upgrade;

use answers::{draining, not_found, problem, problem_body, refusal, text, wrong_method};
use listen::Asked;

/// What warp traces quotes requests as they came, and at their full length: how much of it a log may have.
#[cfg(feature = "cli")]
pub(crate) const LOG_FILTER: &str = "warp=warn";

impl Gateway {
    /// `/v1/ws`, `/v1/events`, `/v1/publish`, `/v1/publish/batch`, `/v1/admin/revoke`, `/health`, `/ready` and `/metrics`, as
    /// a filter to be joined to an application's own with `or`; [`Gateway::serve`] serves it. Other methods on these paths are answered too; what it rejects, it has not answered.
    pub fn routes(&self) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + use<> {
        let gateway = self.clone();
        let with_gateway = warp::any().map(move || gateway.clone());
        let ws = at("v1/ws")
            .and(warp::get())
            .and(with_gateway.clone())
            .and(warp::header::headers_cloned())
            .and(warp::ext::optional::<OnUpgrade>())
            .and(warp::ext::optional::<Place>())
            .map(|gateway, headers, upgrade, place| {
                upgrade::answer(gateway, &headers, upgrade, place, upgrade::session)
            });
        let echo_path = at("v1/echo").and(with_gateway.clone()).and_then(|gateway: Gateway| {
            ready(if gateway.settings().echo { Ok(gateway) } else { Err(warp::reject::not_found()) })
        });
        let echo = echo_path
            .clone()
            .and(warp::get())
            .and(warp::header::headers_cloned())
            .and(warp::ext::optional::<OnUpgrade>())
            .and(warp::ext::optional::<Place>())
            .map(|gateway, headers, upgrade, place| {
                upgrade::answer(gateway, &headers, upgrade, place, |_, _| Serves::Echo)
            });
        let post = |path, act: post::Act| {
            at(path)
                .and(warp::post())
                .and(with_gateway.clone())
                .and(warp::header::headers_cloned())
                .and(warp::body::stream())
                .then(move |gateway: Gateway, headers: HeaderMap, body| async move {
                    let answer = post::answer(&gateway, &headers, body, act).await;
                    answer.unwrap_or_else(|problem| refuse(&gateway, &problem))
                })
        };
        let publish = post("v1/publish", publish::one);
        let batch = post("v1/publish/batch", publish::batch);
        let revoke = post("v1/admin/revoke", post::revoke);
        let events = at("v1/events")
            .and(warp::get())
            .and(with_gateway.clone())
            .and(warp::header::headers_cloned())
            .and(warp::ext::optional::<Place>())
            .and(warp::query::<Vec<(String, String)>>())
            .map(|gateway: Gateway, headers: HeaderMap, place, query| {
                events(&gateway, &headers, place, query).unwrap_or_else(|problem| refuse(&gateway, &problem))
            });
        let preflight = |path, page: page::Preflight| {
            at(path)
                .and(warp::options())
                .and(with_gateway.clone())
                .and(warp::header::headers_cloned())
                .map(move |gateway: Gateway, headers: HeaderMap| page.answer(&gateway, &headers))
        };
        let publish_preflight = preflight("v1/publish", page::PUBLISH);
        let preflights = publish_preflight.or(preflight("v1/publish/batch", page::PUBLISH)).unify();
        let preflights = preflights.or(preflight("v1/events", page::EVENTS)).unify();
        let get_or_head = warp::get().or(warp::head()).unify();
        let health = at("health").and(get_or_head).map(|| text(StatusCode::OK, "ok\n"));
        let ready = at("ready").and(get_or_head).and(with_gateway.clone()).map(|gateway: Gateway| {
            if gateway.is_draining() { refusal(&draining()) } else { text(StatusCode::OK, "ready\n") }
        });
        let sockets = ws.or(echo).unify();
        let posts = publish.or(batch).unify().or(revoke).unify();
        let metrics = at("metrics")
            .and(get_or_head)
            .and(with_gateway.clone())
            .and(warp::ext::optional::<Place>())
            .map(|gateway: Gateway, place: Option<Place>| metrics(&gateway, place.as_ref()));
        let probes = health.or(ready).unify().or(metrics).unify();
        let answered = sockets.or(posts).unify().or(events).unify().or(preflights).unify().or(probes).unify();
        let get = at("v1/ws").or(echo_path.map(|_| ()).untuple_one()).unify().map(|| "GET");
        let get_or_head = at("health").or(at("ready")).unify().or(at("metrics")).unify();
        let get_or_head = get_or_head.map(|| "GET, HEAD");
        let post = at("v1/admin/revoke").map(|| "POST");
        let post_or_ask = at("v1/publish").or(at("v1/publish/batch")).unify().map(|| "POST, OPTIONS");
        let get_or_ask = at("v1/events").map(|| "GET, OPTIONS");
        let allow =
            get.or(get_or_head).unify().or(post).unify().or(post_or_ask).unify().or(get_or_ask).unify();
        answered.or(allow.map(wrong_method)).unify()
    }

    /// Accepts connections and serves them with `routes` until `shutdown` is done, then drains: sessions are sent
    /// away and the call returns when all are gone, at the latest after the drain's deadline. Meanwhile `/health`,
    /// `/ready` and `/metrics` are answered, and everything else is refused.
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
            linger: limits::DRAIN_LINGER.min(settings.drain_timeout / 2),
            max_header_bytes: settings.max_header_bytes,
            write_timeout: settings.write_timeout,
        };
        let drain = async {
            let deadline = Instant::now() + settings.drain_timeout;
            (self.drain().await, deadline)
        };
        let ((is_drained, deadline), places) = tokio::select! {
            done = accept::run(listener, service, limits, shutdown, drain) => done,
            () = self.evict_aged() => return,
        };
        let left = timeout_at(deadline, places.all_free()).await;
        if !is_drained || left.is_err() {
            tracing::warn!("not every connection ended before the drain's deadline");
        }
    }

    /// While the server drains, and beyond the cap, everything but what operators ask is refused.
    fn gate(&self) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + use<> {
        let gateway = self.clone();
        warp::path::peek()
            .and(warp::ext::optional::<Place>())
            .and_then(move |path: Peek, place: Option<Place>| {
                let problem = if matches!(path.as_str(), "health" | "ready" | "metrics") {
                    None
                } else if gateway.is_draining() {
                    Some(draining())
                } else {
                    place.filter(Place::is_beyond_cap).map(|_| Problem::new(Code::Overloaded, NO_PLACE))
                };
                let refused = problem.map(|problem| refuse(&gateway, &problem));
                ready(refused.ok_or_else(warp::reject::not_found))
            })
            .map(|mut answer: Response| {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                answer
            })
    }

    /// Lets old publications go also where nothing is published.
    async fn evict_aged(&self) {
        let mut every_second = tokio::time::interval(Duration::from_secs(1));
        loop {
            every_second.tick().await;
            self.hub().handle_timeout(self.hub().now());
        }
    }
}

/// This path, and nothing before or after it: not a trailing slash either.
fn at(path: &'static str) -> impl Filter<Extract = (), Error = Rejection> + Copy {
    let is_here =
        move |rest: Peek| ready(if rest.as_str() == path { Ok(()) } else { Err(warp::reject::not_found()) });
    warp::path::peek().and_then(is_here).untuple_one()
}

/// The tag of whoever caused a request to the application's own API, for [`PublishOptions`](crate::PublishOptions): the
/// tab that sent it finds its own change among the events by it. It is none where the header `Tidings-Origin` is absent
/// or no good tag: a request does not fail for its sake. It is not authenticated, and every subscriber sees it.
///
/// ```
/// use tidings_server::{Hub, PublishOptions, origin_tag};
/// use tidings_shared::domains::staff;
/// use uuid::Uuid;
/// use warp::{Filter, Rejection, Reply};
///
/// fn save(hub: Hub) -> impl Filter<Extract = (impl Reply,), Error = Rejection> + Clone {
///     warp::path!("people" / Uuid).and(warp::put()).and(origin_tag()).map(move |uuid, origin| {
///         // Once the write has committed:
///         let event = staff::Event::PersonUpdated(staff::Person { uuid });
///         hub.announce_with(&event, PublishOptions { origin, ..PublishOptions::default() });
///         "saved"
///     })
/// }
/// ```
pub fn origin_tag() -> impl Filter<Extract = (Option<String>,), Error = Infallible> + Clone {
    warp::header::headers_cloned().map(|headers: HeaderMap| tag_of(&headers))
}

fn tag_of(headers: &HeaderMap) -> Option<String> {
    let mut tags = headers.get_all(ORIGIN_HEADER).iter();
    let (Some(tag), None) = (tags.next(), tags.next()) else { return None };
    let is_good = (1..=MAX_ORIGIN_BYTES).contains(&tag.len());
    let text = tag.to_str().ok().filter(|text| text.bytes().all(|b| b.is_ascii_graphic()));
    text.filter(|_| is_good).map(ToOwned::to_owned)
}

/// For this machine, or for all where the setting says so; to others nothing is there.
fn metrics(gateway: &Gateway, place: Option<&Place>) -> Response {
    let is_here = place.is_some_and(|place| place.peer().is_loopback());
    if !is_here && !gateway.settings().open_metrics {
        return not_found();
    }
    let mut answer = gateway.metrics_page().into_response();
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS));
    answer
}

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers with a problem, and counts it.
fn refuse(gateway: &Gateway, problem: &Problem) -> Response {
    gateway.hub().metrics().refused(problem.code);
    comeback::note(problem, refusal(problem))
}

const NO_PLACE: &str = "all connections are taken, try later";

/// Who asks, if anybody is let in just now.
fn authenticate(gateway: &Gateway, headers: &HeaderMap) -> Result<Admitted, Problem> {
    page::check_origin(gateway, headers)?;
    if gateway.is_draining() {
        return Err(draining());
    }
    let hub = gateway.hub();
    let now = hub.now();
    let admitted =
        bearer(headers)?.and_then(|token| hub.revocations().admit(&**gateway.access(), token, now));
    admitted.map_err(|error| {
        hub.refusals().token(&error, now.since_start);
        Problem::new(error.code, error.message)
    })
}

fn events(
    gateway: &Gateway,
    headers: &HeaderMap,
    place: Option<Place>,
    query: Vec<(String, String)>,
) -> Result<Response, Problem> {
    let admitted = authenticate(gateway, headers)?;
    let address =
        place.as_ref().map(|place| upgrade::forwarded(gateway, headers, place)).transpose()?.flatten();
    let Asked { topics, last_event_id } = Asked::parse(query)?;
    // What is no text is no position, and of two nobody knows which holds.
    let mut ids = headers.get_all(LAST_EVENT_ID).iter();
    let since = match (ids.next(), ids.next()) {
        (id, None) => id.map(|id| id.to_str().unwrap_or_default()),
        _ => Some(""),
    };
    let since = since.or(last_event_id.as_deref());
    let (hub, settings) = (gateway.hub(), gateway.settings().session);
    let now = hub.now();
    let stream = EventStream::open(hub, &**gateway.access(), settings, admitted, &topics, since, now)?;
    let unknown = stream.unknown_domains().and_then(|names| HeaderValue::try_from(names).ok());
    let mut response =
        warp::reply::stream(event_body::body(stream, gateway.clone(), place, address)).into_response();
    let answer = response.headers_mut();
    answer.insert(CONTENT_TYPE, comeback::EVENT_STREAM);
    answer.insert(CACHE_CONTROL, comeback::UNTOUCHED);
    // The connection ends with the stream. A proxy must not keep it for another request.
    answer.insert(CONNECTION, HeaderValue::from_static("close"));
    // Proxies that gather answers would hold events back.
    answer.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    if let Some(unknown) = unknown {
        answer.insert(HeaderName::from_static("tidings-unknown-domains"), unknown);
    }
    Ok(page::for_pages(response))
}

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The token of an `Authorization: Bearer …`, if there is one. Of two, a proxy may have looked at the other.
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
    let message = "the header is `Authorization: Bearer <token>`";
    Ok(token.map(Some).ok_or_else(|| AccessError { code: Code::Unauthorized, message: message.to_owned() }))
}

/// What no route wanted.
async fn answer_rejection(rejection: Rejection) -> Result<Response, Infallible> {
    let is_wrong_method = rejection.find::<warp::reject::MethodNotAllowed>().is_some();
    Ok(match (rejection.is_not_found(), is_wrong_method) {
        (true, _) => not_found(),
        (_, true) => {
            let (status, title) =
                (StatusCode::METHOD_NOT_ALLOWED, "The path is right and the method is not.");
            problem(status, problem_body(status, "method_not_allowed", title, "another method is needed"))
        }
        _ => {
            let message = "the request is not one that this server understands";
            refusal(&Problem::new(Code::InvalidFrame, message))
        }
    })
}

#[cfg(test)]
mod tests;
