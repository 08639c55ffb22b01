//! The bridge: the changes of a data store become events.
//!
//! A [`Source`] is a store that tells of its changes. A [`Bridge`] hears the changes of one schema, and publishes them as events
//! of the domain `store`: `upserted` with the record, and `deleted`. For the tables of a database, `SqliteSource` and
//! `PostgresSource` are the sources (features `sqlite` and `postgres`). An own store implements [`Source`]:
//!
//! ```
//! use std::sync::{Arc, Mutex};
//!
//! use futures_util::{FutureExt, StreamExt, future::BoxFuture};
//! use serde::{Deserialize, Serialize};
//! use tidings_server::{
//!     Delivery, Hub, HubSettings, SystemHost,
//!     bridge::{Bridge, Change, Changes, Feed, Request, Source, SourceError},
//! };
//! use tidings_shared::domains::store;
//!
//! #[derive(Serialize, Deserialize)]
//! struct Link {
//!     url: String,
//! }
//!
//! /// A store in memory, with one callback for its links.
//! #[derive(Clone, Default)]
//! struct Links(Arc<Mutex<Option<Changes>>>);
//!
//! impl Links {
//!     fn write(&self, key: &str, link: &Link) -> Result<(), serde_json::Error> {
//!         // Write here. Then tell of it. This never blocks.
//!         if let Some(changes) = &*self.0.lock().unwrap() {
//!             changes.push(Change::upserted(key, link)?);
//!         }
//!         Ok(())
//!     }
//! }
//!
//! impl Source for Links {
//!     fn name(&self) -> String {
//!         "links in memory".to_owned()
//!     }
//!
//!     fn subscribe(&self, request: Request) -> BoxFuture<'_, Result<Feed, SourceError>> {
//!         *self.0.lock().unwrap() = Some(request.changes());
//!         let links = self.clone();
//!         let stop = async move { *links.0.lock().unwrap() = None };
//!         async { Ok(Feed::new(stop)) }.boxed()
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = Hub::new(HubSettings::new("acme".parse()?), SystemHost::start());
//! let links = Links::default();
//! let topic = store::Topic::schema("links")?;
//! let bridge = Bridge::<Link>::start(&hub.tenant(hub.home()), links.clone(), "links", &topic).await?;
//!
//! let mut events = hub.subscribe(&topic).await;
//! links.write("7", &Link { url: "https://example.com".to_owned() })?;
//! let Some(Delivery::Event { publication, .. }) = events.next().await else { panic!("an event") };
//! assert_eq!(publication.event.event, "upserted");
//! bridge.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! **What a subscriber gets.** Each change, in the order in which the source told of it, or a `sync` of the topic:
//!
//! | what happens | what subscribers get |
//! |---|---|
//! | the bridge starts | a `sync`: nobody knows what has changed before. Not after a [resumed](Feed::resumed) feed |
//! | the source tells of more than the hand-off holds | one `sync`, after what the hand-off holds |
//! | the source says that it has [lost](Changes::lost) something | a `sync` |
//! | the feed [fails](Changes::failed) | a `sync`, when there is a feed again. Not after a [resumed](Feed::resumed) feed. Until then, nothing |
//! | a record does not decode as `R`, or the hub refuses the event | a `sync`. The record of a table is also a dead letter |
//! | the journal does not answer | the events, in their order, when it answers again |
//!
//! **Several servers** may bridge the same table. If the journal of their hubs is in the table's database, all of them read its
//! changes. Otherwise one of them reads, and the others wait until it ends. A server that waits and does not share the journal of
//! the one that reads looks for changes once a second. If there were some, its subscribers get a `sync`.
//!
//! **Start the bridges before the hub listens.** If a subscriber loads a table before its bridge has started, it may miss changes
//! that another server has read meanwhile: a bridge sends no `sync` for them while its tenant has no publication.
//!
//! **Do not switch the triggers of a SQLite connection off**: nobody hears what it writes. In PostgreSQL, the time in which
//! triggers were off is a `sync`.
//!
//! The bridge is a task of the runtime of tokio that started it first. So a slow hub or journal never holds up the store:
//! [`Changes::push`] only puts the change into a bounded queue.
//!
//! - `source` is what a store implements, and `changes` is the hand-off from the store to the bridge.
//! - `worker` is the task, and `backoff` has its pauses. `event` makes an event of a change.
//! - `registry` has the bridges of a hub.
//! - `sqlite` and `postgres` are sources for the tables of a database.

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod alarm;
mod backoff;
mod changes;
mod error;
mod event;
#[cfg(feature = "postgres")]
pub mod postgres;
mod registry;
mod source;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(test)]
mod tests;
mod worker;

use std::{any::type_name, fmt, marker::PhantomData, sync::Arc};

use serde::de::DeserializeOwned;
use tidings_hub::{PublishOptions, Tenant};
use tidings_shared::{Topic, domains::store::Schema};
use tokio::runtime::Handle;

#[cfg(feature = "postgres")]
pub use self::postgres::PostgresSource;
#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteSource;
pub use self::{
    changes::{Change, Changes, HAND_OFF_BYTES, HAND_OFF_CHANGES},
    error::SourceError,
    event::MAX_RECORD_BYTES,
    registry::MAX_BRIDGES,
    source::{Feed, Request, Source},
};
use self::{
    event::event,
    registry::{Bridges, Key, Life, Record, Started},
    source::Check,
    worker::Worker,
};

/// Publishes the changes of one schema of a [`Source`], until it is stopped. See the [module](self) for an example.
///
/// This is a handle, and clones are cheap. `R` is the type of the records: a record that does not decode as `R` is not
/// published.
///
/// **One bridge for all.** A hub has one bridge for each tenant, source, schema and topic. [`start`](Self::start) returns the
/// one that is there, also if many start it at once. So each part of a program, or each view that is opened, may start the
/// bridge that it needs. Two sources are the same if they have the same [name](Source::name).
///
/// **It goes on without its handles**, and without subscribers: the hub holds it. It ends with [`stop`](Self::stop), with the
/// hub, or with the runtime that started it. The end of the hub or of the runtime is no stop: a source that has a
/// registration in its store keeps it. After the end of the runtime, the next start begins with a `sync`.
pub struct Bridge<R> {
    life: Arc<Life>,
    record: PhantomData<fn() -> R>,
}

impl<R: DeserializeOwned + 'static> Bridge<R> {
    /// Starts the bridge, or returns the one that is there. `schema` is the name of the records in the source, a table for
    /// example. Subscribers subscribe to `topic` as to any other.
    ///
    /// The future may be dropped: the bridge starts nevertheless.
    ///
    /// # Errors
    /// - [`SourceError::NotSupported`] and [`SourceError::Failed`]: what the source said of its first feed. There is no bridge
    ///   then, and the next start asks the source again.
    /// - [`SourceError::Invalid`]: the schema's name breaks the grammar of topics, or the topic takes events of another domain;
    ///   the bridge is there with another type of records; the hub has [`MAX_BRIDGES`]; or no runtime of tokio calls this.
    pub async fn start(
        tenant: &Tenant,
        source: impl Source,
        schema: &str,
        topic: &impl Topic,
    ) -> Result<Self, SourceError> {
        let (topic, source) = (topic.name(), Arc::new(source));
        let invalid = |error: &dyn fmt::Display| SourceError::Invalid(error.to_string());
        let schema = Schema::parse(schema)
            .map_err(|error| SourceError::Invalid(format!("the schema {schema:?}: {error}")))?;
        let sample = event(&schema, "", None).map_err(|error| invalid(&error))?;
        tenant
            .check_raw(sample, Some(std::slice::from_ref(&topic)), PublishOptions::default())
            .map_err(|error| invalid(&error))?;
        let runtime = Handle::try_current().map_err(|_| invalid(&"start a bridge in a runtime of tokio"))?;
        let (hub, record) = (tenant.hub(), Record::of::<R>());
        let bridges: Arc<Bridges> = hub.extension();
        let key = Key { tenant: tenant.id().clone(), source: source.name(), schema, topic };
        loop {
            let (life, is_new) = bridges.get(&key, record)?;
            if is_new {
                let source: Arc<dyn Source> = source.clone();
                let worker = Worker::new(&hub, source, Arc::clone(&life), Check::of::<R>());
                runtime.spawn(worker.run());
            }
            match life.started().await {
                Started::Runs => return Ok(Self { life, record: PhantomData }),
                Started::Refused(error) => return Err(error),
                Started::Ended => {}
            }
        }
    }
}

impl<R> Bridge<R> {
    /// Stops the bridge for all: ends the feed, publishes what the source has handed over, and waits for the answers. After
    /// it has returned, this bridge publishes nothing more. A bridge that is stopped already returns when it has ended.
    ///
    /// Subscribers stay subscribed, and get no more changes. The next [`start`](Self::start) begins with one `sync`.
    ///
    /// Do not stop bridges because the program ends: a source that has a registration in its store would give it up, and the
    /// next start begins with a `sync`.
    ///
    /// It waits for 12 s at most. A journal that does not answer for so long may still take what was handed over.
    pub async fn stop(&self) {
        self.life.stop();
        self.life.ended().await;
    }
}

impl<R> Clone for Bridge<R> {
    fn clone(&self) -> Self {
        Self { life: Arc::clone(&self.life), record: PhantomData }
    }
}

impl<R> fmt::Debug for Bridge<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridge").field("records", &type_name::<R>()).field("life", &self.life).finish()
    }
}
