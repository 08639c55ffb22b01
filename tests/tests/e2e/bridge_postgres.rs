//! The bridge of a table in PostgreSQL, and tables that announce events of other domains.

mod attacks;
mod definitions;
mod nodes;
mod records;
mod retention;
mod rights;
mod schedules;
mod turns;
mod watched;

use std::time::Duration;

use ::postgres::Client as Database;
use futures_util::StreamExt;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tidings_server::{
    Delivery, Hub, HubSettings, JournalAddress, SystemHost,
    bridge::{Bridge, SourceError, postgres::PostgresSource},
    hub::Subscription,
    journal::HubJournal,
    open_hub,
};
use tidings_shared::domains::store;
use tidings_tests::{DEADLINE, Postgres, finish, postgres::connect, tidings};
use tokio::{runtime::Runtime, time::timeout};

/// A record that has these columns at least.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Link {
    id: i64,
    v: i64,
}

/// The table of most tests.
const LINKS: &str = "CREATE TABLE links(id bigint PRIMARY KEY, v bigint)";

/// Returns the URL of a new database with a journal, an outbox and the part `bridge`.
#[track_caller]
fn new_journal() -> String {
    init("--journal")
}

/// Returns the URL of a new database with an outbox and the part `bridge`.
#[track_caller]
fn new_outbox() -> String {
    init("--outbox")
}

#[track_caller]
fn init(flag: &str) -> String {
    let url = Postgres::shared().database();
    let made = finish(tidings().args(["journal", "init", flag, &url]));
    assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""), "{made:?}");
    run(&mut connect(&url), COUNTED);
    url
}

/// Gives tables and bridges the ids 1, 2, … instead of random ones. So a test knows them.
const COUNTED: &str = "CREATE SEQUENCE tidings.test_tables; CREATE SEQUENCE tidings.test_bridges;
    ALTER TABLE tidings.bridged_tables ALTER id SET DEFAULT nextval('tidings.test_tables');
    ALTER TABLE tidings.bridges ALTER id SET DEFAULT nextval('tidings.test_bridges')";

/// What a subscriber gets.
#[derive(Debug, Clone, PartialEq)]
enum Told {
    Upserted(String, Value),
    Deleted(String),
    Sync,
}

/// A node with a bridge and a subscriber. Dropping it is a crash: nothing is stopped.
struct Node {
    bridge: Option<Bridge<Value>>,
    events: Subscription,
    source: PostgresSource,
    hub: Hub,
    _journal: Option<HubJournal>,
    runtime: Runtime,
}

impl Node {
    /// Starts a node without a bridge. With `has_journal`, its journal is in the database.
    fn new(url: &str, has_journal: bool) -> Self {
        let runtime = Runtime::new().unwrap();
        let settings = HubSettings::new("acme".parse().unwrap());
        let (hub, journal) = match has_journal {
            true => {
                let address: JournalAddress = url.parse().unwrap();
                let (hub, journal) = runtime.block_on(open_hub(settings, address)).unwrap();
                (hub, Some(journal))
            }
            false => (Hub::new(settings, SystemHost::start()), None),
        };
        let events = runtime.block_on(hub.subscribe(&store::Topic::schema("links").unwrap()));
        let source = PostgresSource::new(url).unwrap();
        Self { bridge: None, events, source, hub, _journal: journal, runtime }
    }

    /// Starts a node with the bridge of the table `links`.
    fn bridged(url: &str, has_journal: bool) -> Self {
        let mut node = Self::new(url, has_journal);
        node.bridge = Some(node.start("links").unwrap());
        node
    }

    /// Starts the bridge of a table.
    fn start<R: DeserializeOwned + 'static>(&self, table: &str) -> Result<Bridge<R>, SourceError> {
        let (tenant, topic) = (self.hub.tenant(self.hub.home()), store::Topic::schema("links").unwrap());
        let source = self.source.clone().table("links", table);
        self.runtime.block_on(Bridge::start(&tenant, source, "links", &topic))
    }

    fn stop(&mut self) {
        let bridge = self.bridge.take().unwrap();
        self.runtime.block_on(bridge.stop());
    }

    /// Returns what the subscriber gets next.
    #[track_caller]
    fn next(&mut self) -> Told {
        let next = self.within(DEADLINE);
        next.expect("an event or a sync within the deadline")
    }

    /// Returns what the subscriber gets within a time.
    fn within(&mut self, time: Duration) -> Option<Told> {
        let next = self.runtime.block_on(async { timeout(time, self.events.next()).await });
        Some(match next.ok()?.unwrap() {
            Delivery::Sync { .. } => Told::Sync,
            Delivery::Event { publication, .. } => {
                let payload: Value = serde_json::from_str(publication.event.payload.get()).unwrap();
                assert_eq!(payload["schema"], "links");
                let key = payload["key"].as_str().unwrap().to_owned();
                match publication.event.event.as_str() {
                    "upserted" => Told::Upserted(key, payload["record"].clone()),
                    _ => Told::Deleted(key),
                }
            }
        })
    }

    /// Reads until an event has this value of `v`, and returns everything before it.
    #[track_caller]
    fn until(&mut self, v: i64) -> Vec<Told> {
        let mut told = Vec::new();
        loop {
            let next = self.next();
            if matches!(&next, Told::Upserted(_, record) if record["v"] == v) {
                return told;
            }
            told.push(next);
        }
    }
}

/// Says that a link was written.
fn link(id: i64, v: i64) -> Told {
    Told::Upserted(id.to_string(), serde_json::json!({ "id": id, "v": v }))
}

fn run(database: &mut Database, statements: &str) {
    database.batch_execute(statements).unwrap_or_else(|error| panic!("{statements}: {error:?}"));
}

/// Returns a new database with a table of links.
fn with_links(has_journal: bool) -> (String, Database) {
    let url = if has_journal { new_journal() } else { new_outbox() };
    let mut database = connect(&url);
    run(&mut database, LINKS);
    (url, database)
}
