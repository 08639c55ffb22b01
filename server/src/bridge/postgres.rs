//! A table of PostgreSQL as a source of changes.

mod history;
mod registration;
mod schema;
mod store;

use std::{collections::BTreeMap, fmt};

use futures_util::{FutureExt, future::BoxFuture};
use uuid::Uuid;

pub use self::schema::SCHEMA;
#[cfg(feature = "cli")]
pub(crate) use self::schema::init;
use self::{registration::Registration, store::ChangesStore};
use super::{
    alarm::Alarm,
    error::SourceError,
    source::{Feed, Request, Source},
};
use crate::{
    database_url,
    outbox::{
        control::Table,
        postgres::{journal_id, no_journal::NoJournal},
        reader::Reader,
        sequencer::Sequencer,
        store::StoreError,
        thread::Thread,
    },
    postgres::Database,
};

/// The tables of a PostgreSQL database. Each is a schema of this source: a bridge publishes the changes of its rows, whoever
/// writes them, in any language.
///
/// ```no_run
/// use serde::Deserialize;
/// use tidings_server::{
///     Hub, HubSettings, SystemHost,
///     bridge::{Bridge, PostgresSource},
/// };
/// use tidings_shared::domains::store;
///
/// #[derive(Deserialize)]
/// struct Link {
///     id: i64,
///     url: String,
/// }
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let hub = Hub::new(HubSettings::new("acme".parse()?), SystemHost::start());
/// let source = PostgresSource::new("postgres://app:secret@db.example.com/shop")?.table("links", "shop.links");
/// let topic = store::Topic::schema("links")?;
/// let bridge = Bridge::<Link>::start(&hub.tenant(hub.home()), source, "links", &topic).await?;
/// # Ok(())
/// # }
/// ```
///
/// **Before the first start**, `tidings journal init` makes the part `bridge` of the schema `tidings`, with `--outbox` or with
/// `--journal`. The user of the URL needs the role `tidings_node`. The owner of a table calls `tidings.bridge` once, and so
/// lets nodes publish its records. If the user of the URL has the rights of the owner, the first start calls it:
///
/// ```sql
/// SELECT tidings.bridge('shop.links');
/// ```
///
/// **What is published.** A trigger records the key of each changed row, in the transaction of the change. The node reads the
/// record when it publishes the event, so an event never has an older record than the event before it. Several changes of one
/// record may become one event. The record is what `row_to_json` makes of the row: integers as they are, `json` and `jsonb` as
/// they are, `bytea` as text in hexadecimal, times in UTC. The key is the primary key as text: of several columns a JSON list,
/// as `["a",1]`. If the key of a row changes, the old one is `deleted` and the new one is `upserted`. The bridge
/// compares keys as text: a change from `1.0` to `1.00` is another key, though PostgreSQL takes both for equal.
///
/// **Several nodes** may have the same bridge. If the journal of the hub is in this database, all of them take changes, and each
/// change is published once. Otherwise one node at a time reads them, and the others wait until it ends. While a node waits, its
/// subscribers get a `sync` after changes, at most one a second, unless the nodes share a journal elsewhere. A database that has
/// another journal than the hub has no bridge for this hub: the nodes of that journal take the changes.
///
/// **Stop and crash.** A node is registered in the database. A [stop](super::Bridge::stop) ends its registration. When the last
/// node stops, the triggers record nothing more. A crash ends no registration: the changes wait, and the next start goes on
/// with them. Changes that wait for longer than the log keeps events become one `sync`.
///
/// **A `sync` of the topic** stands for what no trigger can tell: `TRUNCATE`, a changed column, type or partition, a key of more
/// than 64 kB, and the time in which triggers were off. The node notices these within 10 s. While the triggers are off, the
/// bridge publishes nothing, and the log says so, until the owner calls `tidings.bridge` again. Triggers that are on, but not
/// `ENABLE ALWAYS`, count as off: `ALTER TABLE … ENABLE TRIGGER ALL` makes them so. If the node's user has the rights of the
/// owner, the node calls `tidings.bridge` itself. A record that does not decode is in `tidings.bridge_dead_letters` until it does.
///
/// **A new cast is no such change.** After `CREATE CAST (t AS json)`, records with a column of type `t` may look different.
/// Nothing tells the bridge of it, so there is no `sync`. Send one yourself: [`Tenant::sync`](tidings_hub::Tenant::sync).
///
/// **Not supported**: a table without a primary key, a view, a temporary or an unlogged table, a table with `FORCE ROW LEVEL
/// SECURITY`, and a standby. Rows of child tables (`INHERITS`) are not rows of this table; partitions are.
pub struct PostgresSource {
    database: Database,
    name: String,
    /// The tables of schemas that have another name.
    tables: BTreeMap<String, String>,
    /// Names this source among the nodes of the database.
    node: Uuid,
}

impl PostgresSource {
    /// Returns the tables of a database, `postgres://USER:PASSWORD@HOST/DATABASE`. The schema of a bridge is the name of a
    /// table, as SQL has it: `links` or `shop.links`. This connects to nothing.
    ///
    /// # Errors
    /// [`SourceError::Invalid`]: the text is no such URL. The message has no password.
    pub fn new(url: &str) -> Result<Self, SourceError> {
        if !database_url::is_postgres(url) {
            return Err(SourceError::Invalid(
                "the URL of the source is no postgres://USER:PASSWORD@HOST/DATABASE".to_owned(),
            ));
        }
        let name = database_url::public(url);
        let database = Database::parse(url, name.clone()).map_err(SourceError::Invalid)?;
        Ok(Self { database, name, tables: BTreeMap::new(), node: Uuid::new_v4() })
    }

    /// Says which table a schema is: `shop.links`, or `"Odd Name"` in quotation marks.
    #[must_use]
    pub fn table(mut self, schema: impl Into<String>, table: impl Into<String>) -> Self {
        self.tables.insert(schema.into(), table.into());
        self
    }

    async fn start(&self, request: Request) -> Result<Feed, SourceError> {
        let gone = || SourceError::Failed("the hub has ended".to_owned());
        let hub = request.hub().ok_or_else(gone)?;
        let schema = request.schema().to_owned();
        let registration = Registration {
            database: self.database.clone(),
            table: self.tables.get(&schema).unwrap_or(&schema).clone(),
            tenant: request.tenant().to_string(),
            topic: request.topic().to_string(),
            schema,
            node: self.node,
            max_age: hub.log_limits().max_age,
        };
        // This tells why a table is not supported. The thread connects by itself.
        let session = registration.connect().await?;
        let failed = |error: StoreError| SourceError::Failed(error.message);
        let is_in_journal =
            hub.journal_id().is_some() && journal_id(&session).await.map_err(failed)? == hub.journal_id();
        if !is_in_journal {
            NoJournal::for_bridge().expect(&session, &self.name).await.map_err(failed)?;
        }
        let bridge = registration.register_on(&session).await?;
        drop(session);
        let store = ChangesStore::new(registration.clone(), is_in_journal, bridge);
        let (tenant, topic, check) =
            (Some(request.tenant().clone()), request.topic().clone(), request.check_events());
        let name = format!("{}#{}", self.name, request.schema());
        let (for_thread, hub) = (name.clone(), hub.downgrade());
        let registered = store.registered();
        let alarm = Alarm::new(request.changes());
        let thread = Thread::spawn(name, Table::Changes, async move |control| {
            let mut store = store;
            store.open().await?;
            let hub = hub.upgrade().ok_or_else(|| StoreError::away("the hub has ended"))?;
            let work = match is_in_journal {
                true => Sequencer::new(store, &hub, tenant, for_thread, control)
                    .of_changes(topic, check)
                    .run()
                    .boxed_local(),
                false => Reader::new(store, &hub, tenant, for_thread, control)
                    .of_changes(topic, check)
                    .run()
                    .boxed_local(),
            };
            let watched = async move {
                let _alarm = alarm;
                work.await;
            };
            Ok(watched.boxed_local())
        });
        let thread = thread.await.map_err(|error| SourceError::Failed(error.message))?;
        let stop = async move {
            thread.stop().await;
            if let Err(error) = registration.stop(registered.get()).await {
                let table = &registration.table;
                tracing::warn!(
                    table,
                    error,
                    "the end of a bridge is not in the database: its changes wait there"
                );
            }
        };
        Ok(Feed::new(stop).resumed())
    }
}

impl Source for PostgresSource {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn subscribe(&self, request: Request) -> BoxFuture<'_, Result<Feed, SourceError>> {
        self.start(request).boxed()
    }
}

/// The clone is another node: each hub needs one.
impl Clone for PostgresSource {
    fn clone(&self) -> Self {
        Self {
            database: self.database.clone(),
            name: self.name.clone(),
            tables: self.tables.clone(),
            node: Uuid::new_v4(),
        }
    }
}

/// Without the secrets.
impl fmt::Debug for PostgresSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresSource")
            .field("name", &self.name)
            .field("tables", &self.tables)
            .finish_non_exhaustive()
    }
}
