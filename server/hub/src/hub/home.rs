//! The hub's own verbs. They act in the home tenant.

use tidings_shared::{Event, RawEvent, Topic, TopicName};
use uuid::Uuid;

use super::{Changes, Hub, Positioning, PublishOptions, Publishing, Revoking, Subscribing, Syncing};
use crate::{revocation::Revoke, tenant_log::Counters};

impl Hub {
    /// Publishes an event, to the topics that the event computes itself. The event is handed over at once, and not when
    /// the future is polled. Publications reach the log in the order of these calls. Dropping the future takes nothing
    /// back.
    ///
    /// ```
    /// use tidings_hub::{Hub, PublishError};
    /// use tidings_shared::domains::staff;
    ///
    /// async fn person_was_saved(hub: &Hub, person: staff::Person) -> Result<(), PublishError> {
    ///     let published = hub.publish(&staff::Event::PersonUpdated(person)).await?;
    ///     println!("{} reaches {} topics", published.position, published.topics.len());
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// The payload cannot be written, there are too many topics, or the key belongs to a publication with other topics.
    pub fn publish<E: Event>(&self, event: &E) -> Publishing {
        self.home.publish(event)
    }

    /// Does the same as [`Hub::publish`], with a key or an origin.
    ///
    /// ```
    /// use tidings_hub::{Hub, PublishError, PublishOptions};
    /// use tidings_shared::domains::staff;
    /// use uuid::Uuid;
    ///
    /// /// If this is called again with the same key, the event is still published once.
    /// async fn person_was_saved(hub: &Hub, person: staff::Person, key: Uuid) -> Result<(), PublishError> {
    ///     let options = PublishOptions::default().key(key);
    ///     hub.publish_with(&staff::Event::PersonUpdated(person), options).await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// The errors of [`Hub::publish`]. Also an error if the origin is too long.
    pub fn publish_with<E: Event>(&self, event: &E, options: PublishOptions) -> Publishing {
        self.home.publish_with(event, options)
    }

    /// Publishes an event to topics that the publisher names. Some domains need this, because their events do not
    /// compute all topics. The topics are of the event's own domain.
    ///
    /// ```
    /// use tidings_hub::{Hub, PublishError, PublishOptions};
    /// use tidings_shared::domains::crm;
    /// use uuid::Uuid;
    ///
    /// async fn interaction_was_deleted(hub: &Hub, uuid: Uuid, contact: Uuid) -> Result<(), PublishError> {
    ///     let event = crm::Event::InteractionDeleted(crm::Notice::to(uuid, []));
    ///     let topics = [crm::Topic::Interactions(contact)];
    ///     hub.publish_to(&event, &topics, PublishOptions::default()).await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// Topics of another domain do not compile:
    ///
    /// ```compile_fail,E0308
    /// # use tidings_hub::{Hub, PublishOptions};
    /// use tidings_shared::domains::{projects, staff};
    /// # fn publish(hub: &Hub, event: &staff::Event) {
    /// let _ = hub.publish_to(event, &[projects::Topic::All], PublishOptions::default());
    /// # }
    /// ```
    ///
    /// # Errors
    /// The errors of [`Hub::publish_with`]. Also an error if the domain computes its topics itself.
    pub fn publish_to<E: Event>(
        &self,
        event: &E,
        topics: &[E::Topic],
        options: PublishOptions,
    ) -> Publishing {
        self.home.publish_to(event, topics, options)
    }

    /// Publishes an event as it came over the wire. Its domain checks it, and undeclared keys of its payload stay. It
    /// goes to the `named` topics. With `None`, it goes to the topics that its domain computes.
    ///
    /// ```
    /// use tidings_hub::{Hub, PublishOptions};
    /// use tidings_shared::RawEvent;
    ///
    /// async fn pass_on(hub: &Hub, json: &str) -> Result<(), Box<dyn std::error::Error>> {
    ///     hub.publish_raw(RawEvent::parse(json)?, None, PublishOptions::default()).await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// The fault of the event or of its topics.
    pub fn publish_raw(
        &self,
        event: RawEvent,
        named: Option<&[TopicName]>,
        options: PublishOptions,
    ) -> Publishing {
        self.home.publish_raw(event, named, options)
    }

    /// Publishes an event on a best-effort basis: never fails, and never waits. The hub may refuse the event, for
    /// example because it reaches too many topics. Then the subscribers of its topics get a [sync](Hub::sync), so none of
    /// them is stale. The hub logs and counts the failure.
    ///
    /// With a journal, an announcement waits in this process until the journal has it. If the process is killed before, it is
    /// lost. An outbox loses nothing: write the event in the transaction of the data.
    ///
    /// ```
    /// use tidings_hub::Hub;
    /// use tidings_shared::domains::staff;
    ///
    /// /// Call this after the commit.
    /// fn person_was_saved(hub: &Hub, person: staff::Person) {
    ///     hub.announce(&staff::Event::PersonUpdated(person));
    /// }
    /// ```
    pub fn announce<E: Event>(&self, event: &E) {
        self.home.announce(event);
    }

    /// Does the same as [`Hub::announce`], with a key or an origin.
    ///
    /// ```
    /// use tidings_hub::{Hub, PublishOptions};
    /// use tidings_shared::domains::staff;
    ///
    /// /// The `origin` is the tag of the tab that caused the change.
    /// fn person_was_saved(hub: &Hub, person: staff::Person, origin: Option<String>) {
    ///     let options = PublishOptions::default().origin(origin);
    ///     hub.announce_with(&staff::Event::PersonUpdated(person), options);
    /// }
    /// ```
    pub fn announce_with<E: Event>(&self, event: &E, options: PublishOptions) {
        self.home.announce_with(event, options);
    }

    /// Does the same as [`Hub::announce`], to topics that the publisher names, as [`Hub::publish_to`] does. If the event
    /// is refused, the subscribers of the named and of the computed topics load again.
    ///
    /// ```
    /// use tidings_hub::{Hub, PublishOptions};
    /// use tidings_shared::domains::crm;
    /// use uuid::Uuid;
    ///
    /// fn interaction_was_deleted(hub: &Hub, uuid: Uuid, contact: Uuid) {
    ///     let event = crm::Event::InteractionDeleted(crm::Notice::to(uuid, []));
    ///     hub.announce_to(&event, &[crm::Topic::Interactions(contact)], PublishOptions::default());
    /// }
    /// ```
    pub fn announce_to<E: Event>(&self, event: &E, topics: &[E::Topic], options: PublishOptions) {
        self.home.announce_to(event, topics, options);
    }

    /// Returns a guard for the events of a transaction. It announces them after the commit. See [`Changes`] for the
    /// rules.
    ///
    /// ```
    /// use tidings_hub::Hub;
    /// use tidings_shared::domains::staff;
    ///
    /// # struct Transaction;
    /// # impl Transaction { fn commit(self) -> Result<(), std::io::Error> { Ok(()) } }
    /// fn rename(hub: &Hub, transaction: Transaction, person: staff::Person) -> Result<(), std::io::Error> {
    ///     let mut changes = hub.changes();
    ///     // Write in the transaction. Then note the event:
    ///     changes.add(&staff::Event::PersonUpdated(person));
    ///     transaction.commit()?;
    ///     changes.committed();
    ///     Ok(())
    /// }
    /// ```
    pub fn changes(&self) -> Changes {
        self.home.changes()
    }

    /// Tells the subscribers of these topics to load again. Use it for a change that no event describes, or that
    /// touches more topics than an event may reach. A subscriber that is away gets the sync when it comes back.
    ///
    /// ```
    /// use tidings_hub::Hub;
    /// use tidings_shared::domains::staff;
    ///
    /// fn people_were_imported(hub: &Hub) {
    ///     hub.sync(&[staff::Topic::People, staff::Topic::Teams]);
    /// }
    /// ```
    pub fn sync<T: Topic>(&self, topics: &[T]) -> Syncing {
        self.home.sync(topics)
    }

    /// Does the same as [`Hub::sync`], for topics of any domain. The log gets one entry for each 1,024 topics. The
    /// `key` must be new: it goes into the tag of the first entry's position. Without one, the hub makes a new key.
    ///
    /// ```
    /// use tidings_hub::Hub;
    /// use tidings_shared::{TopicError, TopicName};
    ///
    /// fn shop_was_imported(hub: &Hub) -> Result<(), TopicError> {
    ///     hub.sync_raw(&[TopicName::parse("shop:orders")?], None);
    ///     Ok(())
    /// }
    /// ```
    pub fn sync_raw(&self, topics: &[TopicName], key: Option<Uuid>) -> Syncing {
        self.home.sync_raw(topics, key)
    }

    /// Tells all subscribers of the home tenant to load again. Use it if nobody knows which topics a change touches.
    ///
    /// ```
    /// use tidings_hub::Hub;
    ///
    /// fn backup_was_restored(hub: &Hub) {
    ///     hub.sync_all();
    /// }
    /// ```
    pub fn sync_all(&self) -> Syncing {
        self.home.sync_all()
    }

    /// Subscribes to a topic, from now on. The subscription has begun when the future is ready. Without a journal, it begins
    /// at once. With a journal, the tenant's history is loaded first: this waits while the journal is away.
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use tidings_hub::{Delivery, Hub};
    /// use tidings_shared::domains::staff;
    ///
    /// async fn follow_people(hub: &Hub) {
    ///     let mut people = hub.subscribe(&staff::Topic::People).await;
    ///     while let Some(delivery) = people.next().await {
    ///         match delivery {
    ///             Delivery::Event { publication, .. } => {
    ///                 let event = publication.event.decode::<staff::Event>();
    ///                 println!("at {}: {event:?}", publication.position);
    ///             }
    ///             Delivery::Sync { .. } => println!("events were lost: load everything again"),
    ///         }
    ///     }
    /// }
    /// ```
    pub fn subscribe<T: Topic>(&self, topic: &T) -> Subscribing {
        self.home.subscribe(topic)
    }

    /// Subscribes to several topics, from now on. An event that reaches several of them is delivered once.
    ///
    /// ```
    /// use tidings_hub::{Hub, Subscription};
    /// use tidings_shared::{TopicError, TopicName};
    ///
    /// async fn follow(hub: &Hub) -> Result<Subscription, TopicError> {
    ///     let topics = [TopicName::parse("staff:people")?, TopicName::parse("shop:orders")?];
    ///     Ok(hub.subscribe_raw(&topics).await)
    /// }
    /// ```
    pub fn subscribe_raw(&self, topics: &[TopicName]) -> Subscribing {
        self.home.subscribe_raw(topics)
    }

    /// Returns the newest position. Take it before you load data for a page. A client that subscribes with this
    /// position as `since` gets every event after it, or a `sync`.
    ///
    /// ```
    /// use tidings_hub::Hub;
    ///
    /// async fn first_page(hub: &Hub) -> String {
    ///     let position = hub.position().await;
    ///     // Load the data now.
    ///     format!(r#"<body data-since="{position}">"#)
    /// }
    /// ```
    pub fn position(&self) -> Positioning {
        self.home.position()
    }

    /// Revokes a subject or a session: its sessions and event streams end within a moment, and its tokens are refused.
    /// One exception remains: if the issuer's clock is ahead, a token that was not in use can seem to be issued after
    /// the revocation, and is accepted. The revocation lasts for
    /// [`REVOCATION_MAX_AGE`](tidings_shared::limits::REVOCATION_MAX_AGE), or until the token expires. It takes effect on
    /// this hub at once. With a journal it survives a restart and reaches other nodes, once the future is ready.
    ///
    /// ```
    /// use tidings_hub::{Hub, Revoke, RevokeError};
    ///
    /// async fn user_was_locked(hub: &Hub, user: String) -> Result<(), RevokeError> {
    ///     hub.revoke(&Revoke::Subject(user)).await
    /// }
    /// ```
    ///
    /// # Errors
    /// Too many revocations are remembered already, or the journal does not answer.
    pub fn revoke(&self, revoke: &Revoke) -> Revoking {
        self.home.revoke(revoke)
    }

    /// Takes a subject's rights to these topics back. Its sessions lose their subscriptions to the topics within a moment:
    /// each gets `unsubscribed` with `forbidden`. An event stream of such a topic ends.
    ///
    /// Call this after a change that ends a right, for example after a row was deleted that said "anna may see this
    /// project". If the application looks up rights for each frame, its next answer decides. If a token has the rights, it
    /// gives no right to these topics any more, unless it was issued after this call.
    ///
    /// ```
    /// use tidings_hub::{Hub, RevokeError};
    /// use tidings_shared::{Topic, domains::projects};
    ///
    /// async fn member_was_removed(hub: &Hub, user: &str, project: uuid::Uuid) -> Result<(), RevokeError> {
    ///     hub.revoke_topics(user, &[projects::Topic::Project(project).name()]).await
    /// }
    /// ```
    ///
    /// # Errors
    /// Too many revocations are remembered already, or the journal does not answer.
    pub fn revoke_topics(&self, subject: &str, topics: &[TopicName]) -> Revoking {
        self.home.revoke_topics(subject, topics)
    }

    /// Returns the current counts of the home tenant.
    pub fn counters(&self) -> Counters {
        self.home.counters()
    }
}
