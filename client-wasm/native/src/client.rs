//! The client: a handle with the verbs of a program.

use std::{fmt, future::Future, sync::Arc};

use tidings_client_core::{self as core, Status};
use tidings_shared::{Code, Event, FanOut, RawEvent, Topic, TopicName};
use uuid::Uuid;

use crate::{
    Error, PublishOptions, Publishing, Settings, Statuses, Subscription, Watch,
    driver::Driver,
    shared::{Handle, Kind, Shared},
};

/// A client of a Tidings server. Clones are handles of the same client.
///
/// All its subscriptions, watches and publishes share one connection. It connects when the first of them needs it,
/// reconnects by itself, and resumes. 30 s after the last of them has ended, it closes the connection, and opens another when
/// it is needed.
///
/// A task on the tokio runtime does the work. When the last handle, subscription, watch and publish is dropped, the task ends.
/// A publish that nobody awaits still has 5 s for its answer.
#[derive(Clone)]
pub struct Client {
    handle: Arc<Handle>,
}

impl Client {
    /// Makes a client. It connects when it is used.
    ///
    /// ```
    /// use tidings_client::{Client, Settings};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let settings = Settings::new("https://tidings.example.com".parse()?).program("billing/1.4");
    /// let client = Client::new(settings);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// There is no tokio runtime.
    #[track_caller]
    pub fn new(settings: Settings) -> Self {
        let shared = Arc::new(Shared::new(settings));
        tokio::spawn(Driver::new(Arc::clone(&shared)).run());
        Self { handle: Arc::new(Handle { shared }) }
    }

    /// Subscribes to topics of one domain. The subscription is a stream of the events on these topics, in the order of the
    /// server's log. An event on several of the topics comes once.
    ///
    /// ```no_run
    /// use tidings_client::{Delivery, domains::staff};
    ///
    /// # async fn example(client: tidings_client::Client) -> Result<(), tidings_client::Error> {
    /// let mut people = client.subscribe::<staff::Event>(&[staff::Topic::People])?;
    /// people.ready().await?; // every event that is published from now on arrives
    /// while let Some(delivery) = people.next().await {
    ///     match delivery {
    ///         Ok(Delivery::Event { event: staff::Event::PersonUpdated(person), .. }) => println!("{}", person.uuid),
    ///         Ok(Delivery::Event { event, .. }) => println!("{event:?}"),
    ///         Ok(Delivery::Sync { topics, .. }) => println!("events may have been missed: load {topics:?} again"),
    ///         Err(error) => eprintln!("{error}"), // the stream goes on, unless it ends
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// There are no topics, there are too many, or the client is closed.
    pub fn subscribe<E: Event>(&self, topics: &[E::Topic]) -> Result<Subscription<E>, Error> {
        self.handle.shared.uses::<E>();
        let kind = Kind { is_watch: false, is_raw: false };
        self.new_subscription(&names(topics), kind, |raw| {
            raw.decode().map_err(|error| Error::passing(error.code().as_str(), error.to_string()))
        })
    }

    /// Subscribes to topics by their names, of any domains. Their events come as they were published, and the client does
    /// not check them.
    ///
    /// ```no_run
    /// use tidings_client::Delivery;
    ///
    /// # async fn example(client: tidings_client::Client) -> Result<(), tidings_client::Error> {
    /// let mut all = client.subscribe_raw(&["orders:open", "staff:people"])?;
    /// while let Some(delivery) = all.next().await {
    ///     if let Delivery::Event { event, publication, .. } = delivery? {
    ///         println!("{} {}: {}", publication.position, event.event, event.payload);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A text is not a topic, there are none or too many, or the client is closed.
    pub fn subscribe_raw(&self, topics: &[impl AsRef<str>]) -> Result<Subscription, Error> {
        self.new_subscription(topics, Kind { is_watch: false, is_raw: true }, |raw| Ok(raw.clone()))
    }

    /// Keeps data up to date. The watch is a stream of the data: it subscribes to topics of one domain, then loads, and loads
    /// again after each event and whenever events may have been missed.
    ///
    /// - Only one load runs at a time. Events during a load cause one more load.
    /// - Loads begin at least 250 ms apart. All events during this time cause one load.
    /// - A reconnect that missed nothing loads nothing.
    /// - A load that fails is yielded as an error, and tried again with growing pauses. A load that takes longer than 30 s
    ///   fails.
    /// - If the server can't be reached, it loads after 3 s all the same, and again when the topics are in force.
    ///
    /// A load runs while the program waits for the next item. So the data is never older than the request for it.
    ///
    /// ```no_run
    /// use tidings_client::domains::staff;
    ///
    /// # async fn load_people() -> Result<Vec<String>, std::io::Error> { Ok(Vec::new()) }
    /// # async fn example(client: tidings_client::Client) -> Result<(), tidings_client::Error> {
    /// let mut people = client.watch(&[staff::Topic::People, staff::Topic::Teams], load_people)?;
    /// while let Some(loaded) = people.next().await {
    ///     match loaded {
    ///         Ok(people) => println!("{people:?}"),
    ///         Err(error) => eprintln!("{error}"), // the old data stays, and the watch goes on
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The server must publish an event after its write has committed. Then the last load has seen the last write:
    /// it began after the last event.
    ///
    /// # Errors
    /// As [`Client::subscribe`].
    pub fn watch<T, F, L, D, E>(&self, topics: &[T], load: F) -> Result<Watch<D, E>, Error>
    where
        T: Topic,
        F: FnMut() -> L + Send + 'static,
        L: Future<Output = Result<D, E>> + Send + 'static,
    {
        self.new_watch(&names(topics), false, load)
    }

    /// Does the same as [`Client::watch`], with topics by their names, of any domains.
    ///
    /// # Errors
    /// As [`Client::subscribe_raw`].
    pub fn watch_raw<F, L, D, E>(&self, topics: &[impl AsRef<str>], load: F) -> Result<Watch<D, E>, Error>
    where
        F: FnMut() -> L + Send + 'static,
        L: Future<Output = Result<D, E>> + Send + 'static,
    {
        self.new_watch(topics, true, load)
    }

    /// Publishes an event to the topics that it computes. The event is handed over when this is called; the future is
    /// the server's answer.
    ///
    /// Without a connection the publish waits, and after a reconnect it is sent again with the same key. So it is published
    /// once. At most 256 publishes wait; one more fails with `offline_full`. Dropping the future takes nothing back.
    ///
    /// ```no_run
    /// use tidings_client::domains::staff;
    ///
    /// # async fn example(client: tidings_client::Client) -> Result<(), tidings_client::Error> {
    /// # let uuid = uuid::Uuid::now_v7();
    /// let published = client.publish(&staff::Event::PersonUpdated(staff::Person { uuid })).await?;
    /// println!("{} reached {:?}", published.position, published.topics);
    /// # Ok(())
    /// # }
    /// ```
    pub fn publish<E: Event>(&self, event: &E) -> Publishing {
        self.publish_with(event, PublishOptions::default())
    }

    /// Does the same as [`Client::publish`], with a key or an origin.
    ///
    /// ```no_run
    /// use tidings_client::{PublishOptions, domains::staff};
    ///
    /// # async fn example(client: tidings_client::Client) -> Result<(), tidings_client::Error> {
    /// # let uuid = uuid::Uuid::now_v7();
    /// # let key = uuid::Uuid::now_v7();
    /// let event = staff::Event::PersonDeleted(staff::Person { uuid });
    /// let options = PublishOptions::default().key(key).origin("import-7");
    /// let first = client.publish_with(&event, options.clone()).await?;
    /// let again = client.publish_with(&event, options).await?; // publishes nothing
    /// assert_eq!(first, again);
    /// # Ok(())
    /// # }
    /// ```
    pub fn publish_with<E: Event>(&self, event: &E, options: PublishOptions) -> Publishing {
        // The topics of such an event are not in its payload, so the server can't compute them.
        let is_named = matches!(E::FAN_OUT, FanOut::Named);
        self.publish_typed(event, is_named.then(|| event.fan_out()), options)
    }

    /// Publishes an event to topics that the program names, for events that do not compute all their topics.
    ///
    /// ```no_run
    /// use tidings_client::{PublishOptions, domains::store};
    ///
    /// # async fn example(client: tidings_client::Client, event: store::Event) -> Result<(), Box<dyn std::error::Error>> {
    /// let topics = [store::Topic::schema("invoices")?, store::Topic::schema("invoices.2026")?];
    /// client.publish_to(&event, &topics, PublishOptions::default()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn publish_to<E: Event>(
        &self,
        event: &E,
        topics: &[E::Topic],
        options: PublishOptions,
    ) -> Publishing {
        self.publish_typed(event, Some(names(topics)), options)
    }

    /// Publishes an event of any domain. `topics` is empty if the event's domain computes them.
    ///
    /// ```no_run
    /// use tidings_client::{PublishOptions, RawEvent};
    ///
    /// # async fn example(client: tidings_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let event = RawEvent::parse(r#"{"domain":"orders","event":"paid","payload":{"cents":1999}}"#)?;
    /// client.publish_raw(event, &["orders:open"], PublishOptions::default()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn publish_raw(&self, event: RawEvent, topics: &[&str], options: PublishOptions) -> Publishing {
        let topics = topics.iter().map(|&topic| topic.to_owned()).collect();
        self.hand_over(event, Some(topics).filter(|topics: &Vec<_>| !topics.is_empty()), options)
    }

    /// Returns the status of the connection.
    pub fn status(&self) -> Status {
        *self.handle.shared.status.borrow()
    }

    /// Returns a stream of the status: the status now, and then each change of it. A slow reader gets only the latest one.
    ///
    /// ```no_run
    /// # async fn example(client: tidings_client::Client) {
    /// let mut statuses = client.statuses();
    /// while let Some(status) = statuses.next().await {
    ///     println!("{}", status.as_str());
    /// }
    /// # }
    /// ```
    pub fn statuses(&self) -> Statuses {
        Statuses::new(self.handle.shared.status.subscribe())
    }

    /// Closes the client for good, for all its handles. Streams end, and publishes that wait fail with `closed`. Waits until
    /// the connection is closed, a second at most.
    pub async fn close(&self) {
        let mut has_ended = self.handle.shared.has_ended.subscribe();
        self.handle.shared.close();
        // It fails if the driver is gone.
        let _ = has_ended.wait_for(|has_ended| *has_ended).await;
    }

    /// Returns whether the client ever had a connection. If not, it has sent nothing.
    pub fn has_connected(&self) -> bool {
        self.handle.shared.lock().has_connected
    }

    /// Explains for a person why there is no connection, and what to check. Returns `None` while there is one.
    pub fn no_connection(&self) -> Option<String> {
        self.handle.shared.no_connection()
    }

    fn new_subscription<E>(
        &self,
        topics: &[impl AsRef<str>],
        kind: Kind,
        decode: fn(&RawEvent) -> Result<E, Error>,
    ) -> Result<Subscription<E>, Error> {
        let (id, inbox) = self.handle.shared.subscribe(topics, kind)?;
        Ok(Subscription::new(id, inbox, Arc::clone(&self.handle), decode))
    }

    fn new_watch<F, L, D, E>(
        &self,
        topics: &[impl AsRef<str>],
        is_raw: bool,
        mut load: F,
    ) -> Result<Watch<D, E>, Error>
    where
        F: FnMut() -> L + Send + 'static,
        L: Future<Output = Result<D, E>> + Send + 'static,
    {
        let (id, inbox) = self.handle.shared.subscribe(topics, Kind { is_watch: true, is_raw })?;
        let load = Box::new(move || -> crate::watch::Loading<D, E> { Box::pin(load()) });
        Ok(Watch::new(id, inbox, Arc::clone(&self.handle), load))
    }

    fn publish_typed<E: Event>(
        &self,
        event: &E,
        topics: Option<Vec<TopicName>>,
        options: PublishOptions,
    ) -> Publishing {
        self.handle.shared.uses::<E>();
        let topics = topics.map(|topics| topics.iter().map(TopicName::to_string).collect());
        match RawEvent::from_event(event) {
            Ok(event) => self.hand_over(event, topics, options),
            Err(error) => {
                let message = format!("The payload can't be written as JSON: {error}");
                Publishing::failed(Error::of_program(Code::InvalidEvent.as_str(), message))
            }
        }
    }

    fn hand_over(&self, event: RawEvent, topics: Option<Vec<String>>, options: PublishOptions) -> Publishing {
        let text = serde_json::to_string(&event).unwrap_or_default();
        let PublishOptions { key, origin } = options;
        let publish = core::Publish { event, topics, key: key.unwrap_or_else(Uuid::now_v7), origin };
        match self.handle.shared.publish(publish, &text) {
            Ok(answer) => Publishing::waiting(answer, Arc::clone(&self.handle)),
            Err(error) => Publishing::failed(error),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.shared.fmt(f)
    }
}

fn names<T: Topic>(topics: &[T]) -> Vec<TopicName> {
    topics.iter().map(Topic::name).collect()
}
