//! An application of axum with logins by cookie. For each subscribe, SQLite says which topics the user may see. The first
//! user is `anna`: her rows are in `axum.sql`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router, http::HeaderMap, http::StatusCode, response::Result};
use rusqlite::{Connection, Params};
use tidings_server::{AccessError, Authorize, Credentials, Gateway, GatewaySettings, Hub, HubSettings};
use tidings_server::{Identity, PublishOptions, SystemHost, hub::Revoke, origin_of};
use tidings_shared::{TopicName, domains::staff};
use tokio::{net::TcpListener, signal::unix, sync::Mutex, task::block_in_place};
use uuid::Uuid;

const AWAY: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

#[derive(Debug, Clone)]
struct App(Hub, Arc<Mutex<Connection>>);

impl App {
    /// Runs a statement, and returns the first column of its rows. A request that is dropped stops at an `await`: before
    /// the statement, or after the code that directly follows it. So each change is announced.
    async fn sql(&self, sql: &str, values: impl Params) -> Result<Vec<String>, AccessError> {
        let database = self.1.lock().await;
        let run =
            || database.prepare(sql)?.query_map(values, |row| row.get(0))?.collect::<rusqlite::Result<_>>();
        block_in_place(run).map_err(|_| AccessError::unavailable("the database is away"))
    }

    async fn user(&self, headers: HeaderMap) -> Result<String, StatusCode> {
        let user = self.authenticate(&Credentials::of(headers)).await;
        user.map(|user| user.subject).map_err(|_| StatusCode::UNAUTHORIZED)
    }
}

impl Authorize for App {
    async fn authenticate(&self, credentials: &Credentials) -> Result<Identity, AccessError> {
        let login = credentials.cookie("login").unwrap_or_default();
        let user = self.sql("SELECT user FROM login WHERE id = ?1", [login]).await?.pop();
        let user = user.ok_or_else(|| AccessError::unauthorized("log in first"))?;
        // The login is good now, so a revocation of the user before this moment does not concern it.
        Ok(Identity::new(user, self.0.home().clone()).issued_at(credentials.now_unix_ms))
    }

    async fn may_subscribe(&self, user: &Identity, topics: &[TopicName]) -> Result<Vec<bool>, AccessError> {
        let seen = self.sql("SELECT topic FROM member WHERE user = ?1", [&user.subject]).await?;
        Ok(topics.iter().map(|topic| seen.iter().any(|seen| seen == topic.as_str())).collect())
    }
}

/// A real application checks a password first. Behind TLS its cookie is also `Secure`.
async fn log_in(State(app): State<App>, Path(user): Path<String>) -> Result<[(&'static str, String); 1]> {
    let login = Uuid::new_v4().to_string();
    app.sql("INSERT INTO login VALUES (?1, ?2)", [&login, &user]).await.map_err(|_| AWAY)?;
    Ok([("set-cookie", format!("login={login}; HttpOnly; SameSite=Lax; Path=/"))])
}

/// Logs the user out on every device.
async fn log_out(State(app): State<App>, headers: HeaderMap) -> Result<()> {
    let user = app.user(headers).await?;
    app.sql("DELETE FROM login WHERE user = ?1", [&user]).await.map_err(|_| AWAY)?;
    Ok(app.0.revoke(&Revoke::Subject(user)).await.map_err(|_| AWAY)?)
}

async fn people(State(app): State<App>, headers: HeaderMap) -> Result<Json<Vec<String>>> {
    app.user(headers).await?;
    Ok(Json(app.sql("SELECT name FROM person ORDER BY name", []).await.map_err(|_| AWAY)?))
}

async fn save(State(app): State<App>, Path(id): Path<Uuid>, headers: HeaderMap, name: String) -> Result<()> {
    let options = PublishOptions::default().origin(origin_of(&headers));
    app.user(headers).await?;
    app.sql("REPLACE INTO person VALUES (?1, ?2)", [&id.to_string(), &name]).await.map_err(|_| AWAY)?;
    app.0.announce_with(&staff::Event::PersonUpdated(staff::Person { uuid: id }), options);
    Ok(())
}

/// Takes a right away, and ends the subscriptions that it gave.
async fn leave(State(app): State<App>, Path(topic): Path<TopicName>, headers: HeaderMap) -> Result<()> {
    let user = app.user(headers).await?;
    let member = [&user, topic.as_str()];
    app.sql("DELETE FROM member WHERE user = ?1 AND topic = ?2", member).await.map_err(|_| AWAY)?;
    Ok(app.0.revoke_topics(&user, &[topic]).await.map_err(|_| AWAY)?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let database = Connection::open_in_memory()?;
    database.execute_batch(include_str!("axum.sql"))?;
    let hub = Hub::new(HubSettings::new("acme".parse()?), SystemHost::start());
    let app = App(hub.clone(), Arc::new(database.into()));
    let gateway = Gateway::new(hub, app.clone(), GatewaySettings::development());
    let routes = Router::new().route("/login/{user}", post(log_in)).route("/logout", post(log_out));
    let routes = routes.route("/people", get(people)).route("/people/{id}", put(save));
    let routes = routes.route("/topics/{topic}", delete(leave)).with_state(app);
    let listener = TcpListener::bind(std::env::var("TIDINGS_LISTEN").unwrap_or("127.0.0.1:0".into())).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let mut stop = unix::signal(unix::SignalKind::terminate())?;
    gateway.serve(listener, routes, async { stop.recv().await.unwrap_or(()) }).await;
    Ok(())
}
