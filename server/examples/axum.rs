//! An application of axum behind the gateway's own accept loop: one port, with the gateway's deadlines and permits.
//!
//! `POST /people/{uuid}` saves a person and announces it. The page that sent the request recognizes its own change.

use axum::{
    Router,
    extract::{Path, State},
    http::HeaderMap,
    routing::{get, post},
};
use tidings_server::{
    DevAccess, Gateway, GatewaySettings, Hub, HubSettings, PublishOptions, SystemHost, origin_of,
};
use tidings_shared::domains::staff;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use uuid::Uuid;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hub = Hub::new(HubSettings::new("acme".parse()?), SystemHost::start());
    let access = DevAccess::new(hub.home().clone());
    let gateway = Gateway::new(hub.clone(), access, GatewaySettings::development());
    let app = Router::new()
        .route("/hello", get(|| async { "world" }))
        .route("/people/{uuid}", post(save))
        .with_state(hub);

    let address = std::env::var("TIDINGS_LISTEN").unwrap_or_else(|_| "127.0.0.1:0".to_owned());
    let listener = TcpListener::bind(address).await?;
    let mut terminated = signal(SignalKind::terminate())?;
    println!("listening on http://{}", listener.local_addr()?);
    gateway
        .serve(listener, app, async move {
            terminated.recv().await;
        })
        .await;
    Ok(())
}

async fn save(State(hub): State<Hub>, Path(uuid): Path<Uuid>, headers: HeaderMap) -> &'static str {
    // Write the person to your store here, and commit. Then:
    let event = staff::Event::PersonUpdated(staff::Person { uuid });
    hub.announce_with(&event, PublishOptions::default().origin(origin_of(&headers)));
    "saved\n"
}
