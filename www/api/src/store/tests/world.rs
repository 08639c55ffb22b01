//! What the tests write to, and how they hear of it.

use std::sync::Arc;

use futures_util::StreamExt;
use rusqlite::{Connection, Transaction};
use serde::Serialize;
use serde_json::{Value, json};
use tidings_server::{
    Delivery, Hub, Outbox,
    hub::{Publication, Subscription},
};
use tidings_shared::{TopicName, domains::store};
use uuid::Uuid;

use crate::{
    coverage::Covered,
    database::Database,
    events::Events,
    fault::Fault,
    table::Body,
    testing::{Folder, new_hub, open},
};

type Create<T> = fn(&Transaction<'_>, &Body, &Events<'_>) -> Result<T, Fault>;
type Update<T> = fn(&Transaction<'_>, Uuid, &Body, &Events<'_>) -> Result<T, Fault>;
type Delete = fn(&Transaction<'_>, Uuid, &Events<'_>) -> Result<(), Fault>;

/// What the store answers.
pub(super) trait Record: Serialize + Send + 'static {}
impl<T: Serialize + Send + 'static> Record for T {}

/// The topic of the markers. Each subscription has it, see [`World::publications`].
const MARKERS: &str = "store:markers";

/// A database, its outbox, and a hub that somebody listens to.
pub(super) struct World {
    pub(super) database: Database,
    pub(super) outbox: Arc<Outbox>,
    hub: Hub,
    pub(super) covered: Covered,
    pub(super) folder: Folder,
}

impl World {
    /// A new one.
    pub(super) async fn new() -> Self {
        Self::start(Folder::new(), new_hub()).await
    }

    pub(super) async fn start(folder: Folder, hub: Hub) -> Self {
        let (database, outbox, covered) = open(&folder, &hub).await;
        Self { database, outbox, hub, covered, folder }
    }

    pub(super) fn hub(&self) -> &Hub {
        &self.hub
    }

    pub(super) async fn create<T: Record>(&self, create: Create<T>, body: Value) -> Result<Uuid, Fault> {
        let body = object(body);
        let made = self.database.write(None, move |tx, events| create(tx, &body, events)).await?;
        Ok(uuid_of(&json!(made)))
    }

    pub(super) async fn update<T: Record>(
        &self,
        update: Update<T>,
        uuid: Uuid,
        body: Value,
    ) -> Result<Value, Fault> {
        let body = object(body);
        let updated = self.database.write(None, move |tx, events| update(tx, uuid, &body, events)).await?;
        Ok(json!(updated))
    }

    pub(super) async fn delete(&self, delete: Delete, uuid: Uuid) -> Result<(), Fault> {
        self.database.write(None, move |tx, events| delete(tx, uuid, events)).await
    }

    pub(super) async fn read<T: Record>(
        &self,
        read: fn(&Connection, Uuid) -> Result<T, Fault>,
        uuid: Uuid,
    ) -> Value {
        json!(self.database.read(move |db| read(db, uuid)).await.unwrap())
    }

    /// Subscribes to these topics, for the writes from now on.
    pub(super) async fn hear(&self, topics: &[String]) -> Subscription {
        let mut subscription = hear(&self.hub, topics);
        // The events of earlier writes may still be in the outbox.
        self.publications(&mut subscription).await;
        subscription
    }

    /// The events of all writes until now, each with its name and topics.
    pub(super) async fn heard(&self, subscription: &mut Subscription) -> Vec<(String, Vec<String>)> {
        let publications = self.publications(subscription).await;
        publications.iter().map(|p| (p.event.event.clone(), topics_of(p))).collect()
    }

    /// The publications of all writes until now. The outbox keeps their order, so they come before a marker that is
    /// written last.
    pub(super) async fn publications(&self, subscription: &mut Subscription) -> Vec<Arc<Publication>> {
        let key = Uuid::now_v7().to_string();
        let marker = store::Deleted { schema: store::Schema::parse("markers").unwrap(), key: key.clone() };
        let marker = store::Event::<Value>::Deleted(marker);
        self.database.write(None, move |_, events| events.add(&marker)).await.unwrap();
        let mut publications = Vec::new();
        while let Some(delivery) = subscription.next().await {
            let Delivery::Event { publication, .. } = delivery else { panic!("a sync: {delivery:?}") };
            if topics_of(&publication) != [MARKERS] {
                publications.push(publication);
            } else if publication.event.payload.get().contains(&key) {
                return publications;
            }
        }
        panic!("the hub has ended")
    }
}

/// Subscribes to these topics.
pub(super) fn hear(hub: &Hub, topics: &[String]) -> Subscription {
    let topics = topics.iter().map(String::as_str).chain([MARKERS]);
    let topics: Vec<TopicName> = topics.map(|topic| topic.parse().unwrap()).collect();
    hub.subscribe_raw(&topics).now_or_never().unwrap()
}

fn topics_of(publication: &Publication) -> Vec<String> {
    publication.topics.iter().map(ToString::to_string).collect()
}

pub(super) fn object(body: Value) -> Body {
    body.as_object().unwrap().clone()
}

pub(super) fn uuid_of(record: &Value) -> Uuid {
    record["uuid"].as_str().unwrap().parse().unwrap()
}
