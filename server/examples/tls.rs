//! TLS in process: a router of axum with the gateway as a layer, on connections of `tokio-rustls`.
//!
//! The certificate is made at the start, for `localhost`. Browsers do not trust it: `curl --insecure` does.

use std::{sync::Arc, time::Duration};

use axum::{Router, routing::get};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tidings_server::{DevAccess, Gateway, GatewaySettings, Hub, HubSettings, SystemHost};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hub = Hub::new(HubSettings::new("acme".parse()?), SystemHost::start());
    let access = DevAccess::new(hub.home().clone());
    let gateway = Gateway::new(hub, access, GatewaySettings::development());
    let app = Router::new().route("/hello", get(|| async { "world" })).layer(gateway.service());

    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let key = own.signing_key.serialize_der().try_into()?;
    let mut config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![own.cert.into()], key)?;
    // A browser opens a WebSocket on a connection of HTTP/1.1, and loads the rest over HTTP/2.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));

    let address = std::env::var("TIDINGS_LISTEN").unwrap_or_else(|_| "127.0.0.1:0".to_owned());
    let listener = TcpListener::bind(address).await?;
    let mut terminated = signal(SignalKind::terminate())?;
    println!("listening on https://{}", listener.local_addr()?);
    let connections = GracefulShutdown::new();
    let accept = async {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let (acceptor, app, watcher) = (acceptor.clone(), app.clone(), connections.watcher());
            tokio::spawn(async move {
                let handshake = timeout(Duration::from_secs(5), acceptor.accept(stream));
                let Ok(Ok(stream)) = handshake.await else { return };
                let server = auto::Builder::new(TokioExecutor::new());
                let (stream, service) = (TokioIo::new(stream), TowerToHyperService::new(app));
                let _ = watcher.watch(server.serve_connection_with_upgrades(stream, service)).await;
            });
        }
    };
    tokio::select! {
        () = accept => {}
        _ = async {
            terminated.recv().await;
            gateway.drain().await
        } => {}
    }
    // A peer that takes no answer must not keep the process.
    let _ = timeout(Duration::from_secs(10), connections.shutdown()).await;
    Ok(())
}
