//! The bridge of a SQLite table: whoever writes, what a page holds in the end is what is in the table.

mod cost;
mod lives;
mod page;
mod random;
mod refused;
mod shell;

use serde_json::Value;
use tidings_server::{
    Hub, HubSettings, SystemHost,
    bridge::{Bridge, SourceError, sqlite::SqliteSource},
};
use tidings_shared::domains::store;
use tidings_tests::AppFile;

/// A file with the table `t` of the statement.
fn file(mode: &str, schema: &str) -> AppFile {
    let file = AppFile::without_outbox(mode);
    file.open().execute_batch(schema).unwrap();
    file
}

fn hub() -> Hub {
    Hub::new(HubSettings::new("acme".parse().unwrap()), SystemHost::start())
}

/// The topic of all bridges here.
fn topic() -> store::Topic {
    store::Topic::schema("t").unwrap()
}

/// Starts the bridge of the table `t`.
async fn start(hub: &Hub, file: &AppFile) -> Result<Bridge<Value>, SourceError> {
    Bridge::start(&hub.tenant(hub.home()), SqliteSource::new(file.path()), "t", &topic()).await
}
