//! An application of axum that writes its events into an outbox, in the SQLite transaction of its data. So an event is
//! published if and only if its data is stored, even if this process is killed between the two.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, State};
use axum::routing::{get, put};
use axum::{Router, http::HeaderMap, http::StatusCode};
use rusqlite::{Connection, Result};
use tidings_server::{DevAccess, Gateway, GatewaySettings, Hub, HubSettings, Outbox, PublishOptions};
use tidings_server::{SystemHost, origin_of, outbox::sqlite};
use tidings_shared::domains::staff;
use tokio::{net::TcpListener, signal::unix, task::block_in_place};
use uuid::Uuid;

const TABLES: &str = "PRAGMA journal_mode = wal;
CREATE TABLE IF NOT EXISTS person(id TEXT PRIMARY KEY, name TEXT CHECK (name <> ''));";

#[derive(Debug, Clone)]
struct App(Arc<Mutex<Connection>>, Arc<Outbox>);

impl App {
    fn save(&self, uuid: Uuid, name: &str, options: PublishOptions) -> Result<()> {
        let mut database = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = database.transaction()?;
        let event = staff::Event::PersonUpdated(staff::Person { uuid });
        sqlite::insert(&transaction, None, &event, options)?;
        // If this fails, the transaction is rolled back, and its event with it.
        transaction.execute("REPLACE INTO person VALUES (?1, ?2)", (uuid.to_string(), name))?;
        transaction.commit()
    }
}

async fn save(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
    name: String,
) -> Result<(), StatusCode> {
    let options = PublishOptions::default().origin(origin_of(&headers));
    block_in_place(|| app.save(id, &name, options)).map_err(|_| StatusCode::UNPROCESSABLE_ENTITY)?;
    // The outbox notices a commit by itself, a few milliseconds later.
    app.1.wake();
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::var("DATABASE").unwrap_or("app.db".into());
    let database = Connection::open(&file)?;
    database.execute_batch(TABLES)?;
    database.execute_batch(sqlite::SCHEMA)?;
    let hub = Hub::new(HubSettings::new("acme".parse()?), SystemHost::start());
    let outbox = Arc::new(Outbox::start(&hub, &format!("sqlite:{file}").parse()?).await?);
    let app = App(Arc::new(Mutex::new(database)), Arc::clone(&outbox));
    let access = DevAccess::new(hub.home().clone());
    let gateway = Gateway::new(hub, access, GatewaySettings::development());
    let routes = Router::new().route("/people/{id}", put(save)).with_state(app);
    let routes = routes.route("/hello", get(|| async { "world" }));
    let listener = TcpListener::bind(std::env::var("TIDINGS_LISTEN").unwrap_or("127.0.0.1:0".into())).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let mut stop = unix::signal(unix::SignalKind::terminate())?;
    gateway.serve(listener, routes, async { stop.recv().await.unwrap_or(()) }).await;
    outbox.stop().await;
    Ok(())
}
