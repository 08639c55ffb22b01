//! The gateway as a layer over a function, on a loop of hyper. Connections may speak HTTP/1.1 or HTTP/2.

use std::{convert::Infallible, time::Duration};

use http_body_util::Full;
use hyper::{Request, Response, StatusCode, body::Bytes};
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
use tower::{Layer, service_fn};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hub = Hub::new(HubSettings::new("acme".parse()?), SystemHost::start());
    let access = DevAccess::new(hub.home().clone());
    let gateway = Gateway::new(hub, access, GatewaySettings::development());
    let service = TowerToHyperService::new(gateway.service().layer(service_fn(answer)));

    let address = std::env::var("TIDINGS_LISTEN").unwrap_or_else(|_| "127.0.0.1:0".to_owned());
    let listener = TcpListener::bind(address).await?;
    let mut terminated = signal(SignalKind::terminate())?;
    println!("listening on http://{}", listener.local_addr()?);
    let connections = GracefulShutdown::new();
    let accept = async {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let (service, watcher) = (service.clone(), connections.watcher());
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service);
                let _ = watcher.watch(connection).await;
            });
        }
    };
    tokio::select! {
        () = accept => {}
        // New connections are accepted until the gateway is drained, so that their clients get an answer.
        _ = async {
            terminated.recv().await;
            gateway.drain().await
        } => {}
    }
    // A peer that takes no answer must not keep the process.
    let _ = timeout(Duration::from_secs(10), connections.shutdown()).await;
    Ok(())
}

async fn answer<B>(request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, text) = match request.uri().path() {
        "/hello" => (StatusCode::OK, "world"),
        _ => (StatusCode::NOT_FOUND, "nothing is here\n"),
    };
    let mut answer = Response::new(text.into());
    *answer.status_mut() = status;
    Ok(answer)
}
