//! The gateway as a layer over a router of axum, inside of `axum::serve`.
//!
//! A middleware tells the gateway who asks: so `/metrics` answers this machine. At the end the gateway drains before
//! axum stops.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    middleware::{self, Next},
    response::Response,
    routing::get,
};
use tidings_server::{DevAccess, Gateway, GatewaySettings, Hub, HubSettings, Peer, SystemHost};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::oneshot,
    time::sleep,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hub = Hub::new(HubSettings::new("acme".parse()?), SystemHost::start());
    let access = DevAccess::new(hub.home().clone());
    let gateway = Gateway::new(hub, access, GatewaySettings::development());
    let app = Router::new()
        .route("/hello", get(|| async { "world" }))
        .layer(gateway.service())
        .layer(middleware::from_fn(tell_peer))
        .into_make_service_with_connect_info::<SocketAddr>();

    let address = std::env::var("TIDINGS_LISTEN").unwrap_or_else(|_| "127.0.0.1:0".to_owned());
    let listener = TcpListener::bind(address).await?;
    let mut terminated = signal(SignalKind::terminate())?;
    println!("listening on http://{}", listener.local_addr()?);
    let (drained, is_drained) = oneshot::channel();
    let serve = axum::serve(listener, app).with_graceful_shutdown(async move {
        terminated.recv().await;
        gateway.drain().await;
        let _ = drained.send(());
    });
    // axum waits for each connection, also for one that never ends its request.
    let late = async {
        let _ = is_drained.await;
        sleep(Duration::from_secs(1)).await;
    };
    tokio::select! {
        served = serve.into_future() => served?,
        () = late => {}
    }
    Ok(())
}

async fn tell_peer(
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    request.extensions_mut().insert(Peer(address.ip()));
    next.run(request).await
}
