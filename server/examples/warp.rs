//! An application of warp behind the gateway's own accept loop.
//!
//! The application listens too: it subscribes to all people in its own process, and `GET /last` shows the last event.

use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use tidings_server::{
    Delivery, DevAccess, Gateway, GatewaySettings, Hub, HubSettings, SystemHost, hub::Subscription,
};
use tidings_shared::domains::staff;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use warp::Filter;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hub = Hub::new(HubSettings::new("acme".parse()?), SystemHost::start());
    let last = Arc::new(Mutex::new("nothing yet".to_owned()));
    // Before anybody can publish: a subscription begins at the newest event.
    let people = hub.subscribe(&staff::Topic::People).await;
    tokio::spawn(listen(people, Arc::clone(&last)));

    let access = DevAccess::new(hub.home().clone());
    let gateway = Gateway::new(hub, access, GatewaySettings::development());
    let hello = warp::path!("hello").map(|| "world".to_owned());
    let app = warp::path!("last").map(move || last.lock().expect("nobody panics here").clone()).or(hello);

    let address = std::env::var("TIDINGS_LISTEN").unwrap_or_else(|_| "127.0.0.1:0".to_owned());
    let listener = TcpListener::bind(address).await?;
    let mut terminated = signal(SignalKind::terminate())?;
    println!("listening on http://{}", listener.local_addr()?);
    gateway
        .serve(listener, warp::service(app), async move {
            terminated.recv().await;
        })
        .await;
    Ok(())
}

async fn listen(mut people: Subscription, last: Arc<Mutex<String>>) {
    while let Some(delivery) = people.next().await {
        let text = match delivery {
            Delivery::Event { publication, .. } => {
                format!("{} {}", publication.event.event, publication.event.payload)
            }
            Delivery::Sync { .. } => "events may be missing: load again".to_owned(),
        };
        *last.lock().expect("nobody panics here") = text;
    }
}
