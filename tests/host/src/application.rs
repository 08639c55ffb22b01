//! The application: its routes, and the gateway beside them.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, Request, State},
    middleware::{self, Next},
    response::Response,
    routing::get,
    serve::ListenerExt,
};
use tidings_server::{Authorize, Gateway, Peer, cli::Application};
use tokio::{net::TcpListener, sync::oneshot, time::sleep};

use crate::{Mode, looked_up::LookedUp, rights::Table};

/// The time for what is left on connections after the drain of the gateway.
const GRACE: Duration = Duration::from_secs(1);

/// The application.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) mode: Mode,
    pub(crate) rights: Table,
    pub(crate) are_final: bool,
}

impl Application for Host {
    fn access(&self, rules: impl Authorize) -> impl Authorize {
        LookedUp { rules, rights: self.rights.clone(), are_final: self.are_final }
    }

    async fn serve(
        self,
        gateway: Gateway,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) {
        let app = self.routes(&gateway);
        match self.mode {
            Mode::Serve => gateway.serve(listener, app, stop).await,
            Mode::Service => {
                let app = app.layer(gateway.service()).layer(middleware::from_fn(tell_peer));
                let app = app.into_make_service_with_connect_info::<SocketAddr>();
                let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
                let (drained, is_drained) = oneshot::channel();
                let drain = async move {
                    stop.await;
                    gateway.drain().await;
                    let _ = drained.send(());
                };
                // axum waits for all connections, also for one that never ends its request.
                let late = async {
                    let _ = is_drained.await;
                    sleep(GRACE).await;
                };
                tokio::select! {
                    served = axum::serve(listener, app).with_graceful_shutdown(drain).into_future() => {
                        served.expect("`axum::serve` returns no error");
                    }
                    () = late => {}
                }
            }
        }
    }
}

impl Host {
    /// Returns the application's own routes. Every other path is answered as by `tidings`.
    fn routes(&self, gateway: &Gateway) -> Router {
        Router::new()
            .route("/host/looked-up", get(looked_up))
            .with_state(self.rights.clone())
            .fallback_service(gateway.service())
    }
}

/// Returns how many frames were looked up in the table of rights.
async fn looked_up(State(rights): State<Table>) -> String {
    rights.looked_up().to_string()
}

/// Tells the gateway who asks.
async fn tell_peer(
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    request.extensions_mut().insert(Peer(address.ip()));
    next.run(request).await
}
