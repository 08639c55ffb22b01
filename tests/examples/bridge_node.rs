//! A server of an application with a bridge, for tests that end or freeze its process: `bridge_node SOURCE JOURNAL`.
//!
//! It publishes the changes of the table `links` on the topic `store:links`. SOURCE is the path of a SQLite file, or
//! `postgres://…`. JOURNAL is as in `tidings serve --journal`.

use serde::Deserialize;
use tidings_server::{
    DevAccess, Gateway, GatewaySettings, HubSettings, JournalAddress,
    bridge::{Bridge, postgres::PostgresSource, sqlite::SqliteSource},
    open_hub,
};
use tidings_shared::domains::store;
use tokio::{net::TcpListener, signal::unix};

/// A row of the table.
#[derive(Debug, Deserialize)]
struct Link {
    #[allow(dead_code, reason = "only its type matters")]
    id: i64,
    #[allow(dead_code, reason = "only its type matters")]
    v: i64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, journal] = &arguments[..] else { return Err("bridge_node SOURCE JOURNAL".into()) };
    let journal: JournalAddress = journal.parse()?;
    let (hub, journal) = open_hub(HubSettings::new("acme".parse()?), journal).await?;
    let (tenant, topic) = (hub.tenant(hub.home()), store::Topic::schema("links")?);
    match source.contains("://") {
        true => Bridge::<Link>::start(&tenant, PostgresSource::new(source)?, "links", &topic).await?,
        false => Bridge::<Link>::start(&tenant, SqliteSource::new(source), "links", &topic).await?,
    };

    let access = DevAccess::new(hub.home().clone());
    let gateway = Gateway::new(hub, access, GatewaySettings::development());
    let listener = TcpListener::bind(std::env::var("TIDINGS_LISTEN").unwrap_or("127.0.0.1:0".into())).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let mut stop = unix::signal(unix::SignalKind::terminate())?;
    gateway.serve(listener, gateway.service(), async { stop.recv().await.unwrap_or(()) }).await;
    journal.stop().await;
    Ok(())
}
