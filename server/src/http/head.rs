//! A request without its body.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
};

use hyper::{HeaderMap, Method, Request, Uri, Version};
use warp::{Filter, path::FullPath};

use crate::net::accept::Permit;

/// The address that a request is from: a client's or a proxy's. It is an extension of requests.
///
/// [`Gateway::serve`](crate::Gateway::serve) sets it. In another server, an application may set it with a middleware, before the gateway sees
/// the request. Without it the gateway does not know who asks, and answers `/metrics` only with
/// [`GatewaySettings::open_metrics`](crate::GatewaySettings::open_metrics).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// A request without its body: what it asks for, and who sends it over which connection.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) headers: HeaderMap,
    /// The address that the connection is from, if it is known.
    pub(super) peer: Option<IpAddr>,
    /// The permit of a connection of our own accept loop. In the server of an application there is none.
    pub(super) permit: Option<Permit>,
}

/// The parts of a request that warp's filters don't extract. It is an extension of requests to the gateway's routes.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) version: Version,
    pub(super) uri: Uri,
}

impl Target {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        Self { version: request.version(), uri: request.uri().clone() }
    }
}

/// Extracts everything but the body of a request.
pub(super) fn head() -> impl Filter<Extract = (Head,), Error = Infallible> + Clone {
    let known_peer = warp::ext::optional::<Peer>().and(warp::addr::remote()).map(
        |known: Option<Peer>, remote: Option<SocketAddr>| match known {
            Some(Peer(peer)) => Some(peer),
            None => remote.map(|remote| remote.ip()),
        },
    );
    warp::method()
        .and(target())
        .and(warp::header::headers_cloned())
        .and(known_peer)
        .and(warp::ext::optional::<Permit>())
        .map(|method, target, headers, peer, permit| Head { method, target, headers, peer, permit })
}

/// Extracts the version and the target of a request. In `warp::serve`, warp tells only the path and the query.
fn target() -> impl Filter<Extract = (Target,), Error = Infallible> + Clone {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::ext::optional::<Target>().and(warp::path::full()).and(query).map(
        |known: Option<Target>, path: FullPath, query: String| {
            let told = || Uri::try_from(format!("{}?{query}", path.as_str())).unwrap_or_default();
            known.unwrap_or_else(|| Target { version: Version::HTTP_11, uri: told() })
        },
    )
}
