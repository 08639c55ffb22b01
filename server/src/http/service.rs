//! The gateway as a service and as a layer of tower, for any server.

use std::{
    convert::Infallible,
    error::Error,
    future::{Future, ready},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Either;
use hyper::{Request, Response, Version, header::HOST};
use tower_layer::Layer;
use tower_service::Service;
use warp::reply;

use super::{answers::not_found, front::Front, head::Target, routes::is_own, unread::RequestBody};
use crate::{gateway::Gateway, net::accept::Permit};

/// Answers the gateway's own paths, and passes every other request on to an application's service. See
/// [`Gateway::service`].
#[derive(Debug, Clone)]
pub struct GatewayService<S = NotFound> {
    gateway: Gateway,
    app: S,
}

/// Answers every request with 404 and problem details.
#[derive(Debug, Clone)]
pub struct NotFound(Gateway);

impl Gateway {
    /// Returns the gateway as a service of HTTP requests, for a server of the application: `axum::serve`, or hyper.
    ///
    /// By itself, it answers `/v1/ws`, `/v1/events`, `/v1/publish`, `/v1/publish/batch`, `/v1/admin/revoke`, `/health`,
    /// `/ready` and `/metrics`, and every other path with 404. It is also a [`Layer`]: over an application's service, it
    /// answers these paths first, and passes every other request on as it is.
    ///
    /// A router may also nest it below a path of its own, in axum with `nest_service("/live", gateway.service())`. The
    /// clients then use `/live/v1/ws`. Nest the service itself: in a nested router, axum asks a layer only about
    /// the routes of that router. A middleware outside of the gateway sees the gateway's answers too: it must leave event streams as
    /// they are, as the compression of tower-http does.
    ///
    /// `/metrics` answers only if the application [says who asks](crate::Peer), or with
    /// [`GatewaySettings::open_metrics`](crate::GatewaySettings::open_metrics).
    ///
    /// The server must allow upgrades, as `axum::serve` does (hyper: `with_upgrades`, or
    /// `serve_connection_with_upgrades`). WebSockets need HTTP/1.1, everything else works with HTTP/2 too. Call the
    /// service inside of a tokio runtime with I/O and time. The first WebSocket or event stream decides on which runtime
    /// [`Authorize`](crate::Authorize) answers sessions: let that runtime live as long as the gateway.
    ///
    /// # What only `serve` does
    ///
    /// The connections belong to the server of the application. So these settings have an effect with
    /// [`Gateway::serve`] only:
    ///
    /// - deadlines of request heads (`header_timeout`, `keep_alive_timeout`) and their size (`max_header_bytes`);
    /// - permits of connections, and the answers of a full server. `max_connections` still bounds the WebSockets and
    ///   event streams at a time; the server refuses more with `overloaded`;
    /// - limits of addresses (`max_connections_per_address`, `trusted_proxies`);
    /// - the write deadline of HTTP answers and event streams (`write_timeout`). A stalled event stream loses its place
    ///   in the shard. Its connection, with hyper's buffer of up to 400 KB, stays until the server ends it. WebSockets
    ///   keep their write deadline;
    /// - the end of an event stream that gets more than 1 MiB from its client;
    /// - the checks of requests to the application: hosts with [`OriginRule::Loopback`](crate::OriginRule::Loopback),
    ///   and refusals during a drain.
    ///
    /// # Draining
    ///
    /// Drain the gateway before the server stops:
    ///
    /// ```no_run
    /// # async fn run(gateway: tidings_server::Gateway, stop: impl Future<Output = ()> + Send + 'static) -> std::io::Result<()> {
    /// let app = axum::Router::new().layer(gateway.service());
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    /// axum::serve(listener, app)
    ///     .with_graceful_shutdown(async move {
    ///         stop.await;
    ///         gateway.drain().await;
    ///     })
    ///     .await
    /// # }
    /// ```
    ///
    /// Then axum waits for its connections, and it has no deadline: a client that does not end its request, or takes no
    /// answer, holds it up.
    /// `server/examples/axum_serve.rs` bounds this time.
    pub fn service(&self) -> GatewayService {
        GatewayService { gateway: self.clone(), app: NotFound(self.clone()) }
    }
}

impl<S> Layer<S> for GatewayService {
    type Service = GatewayService<S>;

    fn layer(&self, app: S) -> GatewayService<S> {
        GatewayService { gateway: self.gateway.clone(), app }
    }
}

impl<S, B, R> Service<Request<B>> for GatewayService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<Either<GatewayBody, R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    /// Is always ready: the application's service is asked only for its own requests.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let gateway = self.gateway.clone();
        gateway.keep_time();
        if is_own(&gateway, &request) {
            return Box::pin(async move { Ok(answer(&gateway, request).await.map(Either::Left)) });
        }
        // In another server, the application gets its requests without these checks.
        if let Some(permit) = request.extensions().get::<Permit>() {
            let target = Target::of(&request);
            let front = Front::of(&gateway, request.method(), &target, request.headers());
            if let Some(refusal) = front.refusal(&gateway, &target, request.headers(), Some(permit)) {
                let refusal = front.complete(refusal).map(GatewayBody);
                return Box::pin(async { Ok(refusal.map(Either::Left)) });
            }
        }
        let mut app = self.app.clone();
        Box::pin(async move {
            std::future::poll_fn(|cx| app.poll_ready(cx)).await?;
            Ok(app.call(request).await?.map(Either::Right))
        })
    }
}

/// Answers a request on one of the gateway's own paths.
async fn answer<B>(gateway: &Gateway, mut request: Request<B>) -> Response<GatewayBody>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let target = Target::of(&request);
    let version = request.version();
    if version >= Version::HTTP_2
        && !request.headers().contains_key(HOST)
        && let Some(host) = target.uri.authority().and_then(|host| host.as_str().parse().ok())
    {
        // HTTP/2 names the host in the target. The checks and the application read the header.
        request.headers_mut().insert(HOST, host);
    }
    request.extensions_mut().insert(target);
    let (is_read, request) = RequestBody::watch(request.map(Box::pin));
    let Ok(answer) = warp::service(gateway.routes()).call(request).await;
    is_read.tell(version, answer).map(GatewayBody)
}

impl<B: Send + 'static> Service<Request<B>> for NotFound {
    type Response = Response<GatewayBody>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let front = Front::of(&self.0, request.method(), &Target::of(&request), request.headers());
        ready(Ok(front.complete(not_found()).map(GatewayBody)))
    }
}

/// The body of an answer from the gateway.
#[derive(Debug)]
pub struct GatewayBody(<reply::Response as HasBody>::Body);

/// Names the type of warp's bodies, which warp does not export.
trait HasBody {
    type Body;
}

impl<B> HasBody for Response<B> {
    type Body = B;
}

impl Body for GatewayBody {
    type Data = Bytes;
    type Error = warp::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, warp::Error>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
