//! A client as a stream of typed deliveries, for a program with one subscription.

use futures_util::{
    FutureExt, StreamExt,
    stream::{self, BoxStream},
};
use tidings_shared::{Event, TopicName};

use crate::{Client, Error, Output, Payload, Publication};

/// An item of [`Client::into_stream`].
#[derive(Debug, Clone)]
pub enum Typed<E> {
    /// An event arrived.
    Event {
        /// The event, decoded.
        event: E,
        /// The event as it was published, with its position and key.
        publication: Publication<Payload>,
    },
    /// Something on these topics may have been missed: load their data again.
    Sync {
        /// The topics.
        topics: Vec<TopicName>,
        /// All events after this position follow.
        position: String,
    },
}

impl Client {
    /// Subscribes to topics, and turns the client into a stream of their deliveries.
    ///
    /// An error in the stream does not end it: the client lost a topic, received an event that `E` does not know, or cannot
    /// connect and keeps trying. The stream ends when no topic is left, or when the client is closed for good.
    ///
    /// ```no_run
    /// use futures_util::StreamExt;
    /// use tidings_client::{Client, Settings, Typed};
    /// use tidings_shared::domains::staff;
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = Client::new(Settings::new("https://tidings.example.com".parse()?));
    /// let mut people = client.into_stream::<staff::Event>(&["staff:people"])?;
    /// while let Some(delivery) = people.next().await {
    ///     match delivery {
    ///         Ok(Typed::Event { event: staff::Event::PersonUpdated(person), .. }) => println!("{}", person.uuid),
    ///         Ok(Typed::Event { event, .. }) => println!("{event:?}"),
    ///         Ok(Typed::Sync { topics, .. }) => println!("load {topics:?} again"),
    ///         Err(error) => eprintln!("{error}"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When a text is not a topic, when there are too many, or when the client is closed.
    pub fn into_stream<E: Event + 'static>(
        mut self,
        topics: &[impl AsRef<str>],
    ) -> Result<BoxStream<'static, Result<Typed<E>, Error>>, Error> {
        self.subscribe(topics)?;
        let deliveries = stream::unfold(self, async |mut client: Self| {
            loop {
                let output = if client.is_wanted() {
                    client.next().await?
                } else {
                    // Only the reports about the lost topics are left.
                    client.next().now_or_never()??
                };
                if let Some(delivery) = typed(output) {
                    return Some((delivery, client));
                }
            }
        });
        Ok(deliveries.boxed())
    }
}

/// Converts an output, if the reader of a stream should see it.
fn typed<E: Event>(output: Output<Payload>) -> Option<Result<Typed<E>, Error>> {
    match output {
        Output::Event { publication, .. } => Some(match publication.event.decode() {
            Ok(event) => Ok(Typed::Event { event, publication }),
            Err(error) => Err(Error::invalid_event(error.to_string())),
        }),
        Output::Sync { delivery, position } => Some(Ok(Typed::Sync { topics: delivery.topics, position })),
        Output::Failed { error, .. } | Output::Error(error) => Some(Err(error)),
        _ => None,
    }
}
