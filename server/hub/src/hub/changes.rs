//! The events of a transaction, which are announced after its commit.

use std::sync::Arc;

use tidings_shared::{Event, RawEvent, Topic, TopicName};

use super::{
    announce::reach,
    observer::ChangesObserver,
    publishing::{PublishError, PublishOptions},
    tenant::{Tenant, encode, names},
};

/// The events of a transaction: a guard that announces them after the commit. [`Hub::changes`](crate::Hub::changes)
/// returns it.
///
/// ```
/// use tidings_hub::Hub;
/// use tidings_shared::domains::staff;
///
/// # struct Transaction;
/// # impl Transaction { async fn commit(self) -> Result<(), std::io::Error> { Ok(()) } }
/// # async fn begin() -> Result<Transaction, std::io::Error> { Ok(Transaction) }
/// async fn rename(hub: &Hub, person: staff::Person) -> Result<(), std::io::Error> {
///     let mut changes = hub.changes();
///     let transaction = begin().await?;
///     // Write here. Then note the event:
///     changes.add(&staff::Event::PersonUpdated(person));
///     transaction.commit().await?;
///     changes.committed();
///     Ok(())
/// }
/// ```
///
/// - After [`committed`](Changes::committed), the guard announces the events, in the order in which they were added.
/// - After [`rolled_back`](Changes::rolled_back), it announces nothing.
/// - If it is dropped without either, it announces the events too. This happens after an early `return` or `?`, in a
///   panic, and when the future of a request is dropped. Nobody knows then whether the commit takes effect, now or in a
///   moment. So the subscribers of these topics also get a [`sync`](crate::Hub::sync) after 5 s. A gateway sends it. A
///   program without a gateway calls [`Hub::handle_timeout`](crate::Hub::handle_timeout) once a second for it.
///
/// An event too many is harmless: a page loads again, and finds the same. An event too few is not: a page stays out of
/// date, and does not know it. So say `rolled_back` only when the database has confirmed it.
///
/// If a commit can take longer than 5 s and requests can be cancelled, let a task of its own run the transaction to its
/// end (`tokio::spawn`).
#[derive(Debug)]
#[must_use = "a guard that is dropped at once announces nothing: add the events of the transaction to it"]
pub struct Changes {
    tenant: Tenant,
    origin: Option<String>,
    added: Vec<Change>,
    has_committed: bool,
    /// Who hears of the events, and what it said when the guard was made.
    observer: Option<(Arc<dyn ChangesObserver>, u64)>,
}

/// An event that was added.
#[derive(Debug)]
struct Change {
    domain: &'static str,
    name: &'static str,
    /// The event as it is published, with its topics.
    event: Result<(RawEvent, Vec<TopicName>), PublishError>,
    /// The topics that load again if the event can't be published.
    reach: Vec<TopicName>,
    options: PublishOptions,
}

impl Tenant {
    /// Returns a guard for the events of a transaction. See [`Hub::changes`](crate::Hub::changes).
    pub fn changes(&self) -> Changes {
        let observer =
            self.shared.changes_observer.get().map(|observer| (Arc::clone(observer), observer.begun()));
        Changes { tenant: self.clone(), origin: None, added: Vec::new(), has_committed: false, observer }
    }
}

impl Changes {
    /// Sets the origin of all events that are added without one of their own. A handler of requests sets it once.
    pub fn origin(mut self, origin: impl Into<Option<String>>) -> Self {
        self.origin = origin.into();
        self
    }

    /// Adds an event. It goes to the topics that it computes itself. An event that can't be published becomes a
    /// [`sync`](crate::Hub::sync), as with [`Hub::announce`](crate::Hub::announce).
    pub fn add<E: Event>(&mut self, event: &E) {
        self.add_with(event, PublishOptions::default());
    }

    /// Adds an event with a key or an origin.
    pub fn add_with<E: Event>(&mut self, event: &E, options: PublishOptions) {
        let topics = event.fan_out();
        let encoded = encode(event).map(|raw| (raw, topics.clone()));
        self.push(event, encoded, topics, options);
    }

    /// Adds an event, with topics that the publisher names, see [`Hub::publish_to`](crate::Hub::publish_to).
    pub fn add_to<E: Event>(&mut self, event: &E, topics: &[E::Topic], options: PublishOptions) {
        let named = names(topics);
        let checked = self.tenant.fan_out(event, &named);
        self.push(event, checked, reach(event, named), options);
    }

    /// Says that the transaction has committed: announces the events.
    pub fn committed(mut self) {
        self.has_committed = true;
    }

    /// Says that the transaction was rolled back: announces nothing.
    pub fn rolled_back(mut self) {
        self.added.clear();
    }

    fn push<E: Event>(
        &mut self,
        event: &E,
        encoded: Result<(RawEvent, Vec<TopicName>), PublishError>,
        reach: Vec<TopicName>,
        mut options: PublishOptions,
    ) {
        if options.origin.is_none() {
            options.origin.clone_from(&self.origin);
        }
        let (domain, name) = (E::Topic::DOMAIN, event.name());
        self.added.push(Change { domain, name, event: encoded, reach, options });
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        if let Some((observer, mark)) = &self.observer {
            let events = self.added.iter().filter_map(|change| Some(change.event.as_ref().ok()?.0.clone()));
            observer.announcing(*mark, events.collect());
        }
        let Tenant { shared, id } = &self.tenant;
        let mut uncertain = Vec::new();
        for Change { domain, name, event, reach, options } in self.added.drain(..) {
            let now = shared.host.now();
            let announced =
                event.and_then(|(event, topics)| shared.announce(id, event, topics, options, now));
            if let Err(error) = announced {
                self.tenant.sync_instead(domain, name, &reach, &error);
            }
            if !self.has_committed {
                uncertain.extend(reach);
            }
        }
        if !uncertain.is_empty() {
            shared.sync_later(id, TopicName::each_once(uncertain));
        }
    }
}
