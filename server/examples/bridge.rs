//! Publishes each committed change of the table `links` in a SQLite file. Any program may write to it. `--db FILE` names the
//! file.
//!
//! Pages subscribe to the topic `store:links`. This program does, too, and prints what it gets.

use axum::{Router, routing::get};
use futures_util::StreamExt;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tidings_server::bridge::{Bridge, SqliteSource};
use tidings_server::hub::Subscription;
use tidings_server::{Delivery, DevAccess, Gateway, GatewaySettings, Hub, HubSettings, SystemHost};
use tidings_shared::{RawEvent, domains::store};
use tokio::{net::TcpListener, signal::unix};

const TABLE: &str = "PRAGMA journal_mode = wal;
CREATE TABLE IF NOT EXISTS links(id INTEGER PRIMARY KEY, url TEXT NOT NULL, tags JSON NOT NULL DEFAULT '[]');";

/// A row of the table. A row that does not decode is not published: the subscribers load again.
#[derive(Debug, Serialize, Deserialize)]
struct Link {
    id: i64,
    url: String,
    tags: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some("--db"), Some(file)) = (arguments.next().as_deref(), arguments.next()) else {
        return Err("name the SQLite file: --db FILE".into());
    };
    Connection::open(&file)?.execute_batch(TABLE)?;
    let hub = Hub::new(HubSettings::new("acme".parse()?), SystemHost::start());
    let topic = store::Topic::schema("links")?;
    let changes = hub.subscribe(&topic).await;
    // It goes on as long as the hub. While no such program runs, the changes wait in the file.
    Bridge::<Link>::start(&hub.tenant(hub.home()), SqliteSource::new(file), "links", &topic).await?;

    let access = DevAccess::new(hub.home().clone());
    let gateway = Gateway::new(hub, access, GatewaySettings::development());
    let routes = Router::new().route("/hello", get(|| async { "world" }));
    let listener = TcpListener::bind(std::env::var("TIDINGS_LISTEN").unwrap_or("127.0.0.1:0".into())).await?;
    println!("listening on http://{}", listener.local_addr()?);
    tokio::spawn(print(changes));
    let mut stop = unix::signal(unix::SignalKind::terminate())?;
    gateway.serve(listener, routes, async { stop.recv().await.unwrap_or(()) }).await;
    Ok(())
}

async fn print(mut changes: Subscription) {
    while let Some(delivery) = changes.next().await {
        match delivery {
            Delivery::Event { publication, .. } => {
                println!("{}", text(&publication.event).unwrap_or_else(|error| error.to_string()));
            }
            Delivery::Sync { .. } => println!("load the links: some changes may be missing"),
        }
    }
}

fn text(event: &RawEvent) -> Result<String, Box<dyn std::error::Error>> {
    Ok(match event.decode()? {
        store::Event::Upserted(store::Upserted { record: Link { id, url, tags }, .. }) => {
            format!("link {id} is {url}, with the tags {tags:?}")
        }
        store::Event::Deleted(store::Deleted { key, .. }) => format!("link {key} is deleted"),
    })
}
