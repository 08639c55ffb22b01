//! The outputs of the client: tasks for its driver, and messages for its user.

use std::{collections::VecDeque, fmt};

use serde_json::value::RawValue;
use tidings_shared::{RawEvent, TopicName, frame::ClientFrame};
use uuid::Uuid;

use super::Error;

/// The number of a subscription. A client uses it once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub u64);

/// The number of a load of a watched subscription's data. A client uses it once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoadId(pub u64);

/// The number of a publish. A client uses it once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublishId(pub u64);

/// The number of a connection or of an attempt to connect. A client uses it once. So it can ignore inputs that belong to an
/// old connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// The status of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It has no connection and needs none.
    Idle,
    /// It is connecting.
    Connecting,
    /// It has a session.
    Open,
    /// It has a session, but the server has heard nothing from its journal for a while. So events may be late, and data may be
    /// out of date. Loads and publishes go on, and a publish may fail with `overloaded`. [`Self::Open`] follows when
    /// everything has arrived.
    Degraded,
    /// It lost its connection, or could not connect, and waits before the next attempt.
    Reconnecting,
    /// It is closed for good.
    Closed,
}

impl Status {
    /// The name of the status, for users.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Connecting => "connecting",
            Self::Open => "open",
            Self::Degraded => "degraded",
            Self::Reconnecting => "reconnecting",
            Self::Closed => "closed",
        }
    }
}

/// A subscription, and those of its topics that an output is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// The topics.
    pub topics: Vec<TopicName>,
}

/// Adds a topic to the delivery of a subscription. The deliveries are sorted by the subscription's id.
pub(crate) fn deliver(deliveries: &mut Vec<Delivery>, subscription: SubscriptionId, topic: &TopicName) {
    match deliveries.binary_search_by_key(&subscription, |delivery| delivery.subscription) {
        Ok(index) => deliveries[index].topics.push(topic.clone()),
        Err(index) => deliveries.insert(index, Delivery { subscription, topics: vec![topic.clone()] }),
    }
}

/// A type of payloads. It also says in which form an event reaches the user.
pub trait Payload: fmt::Debug + Clone {
    /// An event that arrived. A native driver keeps a [`Publication`]. A browser keeps the frame as JavaScript has parsed it.
    type Publication: fmt::Debug;
}

/// JSON text, as it stood in the frame.
impl Payload for Box<RawValue> {
    type Publication = Publication<Self>;
}

/// An event with its position, as the server delivers it: once for all subscriptions.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication<P> {
    /// Its position in the log; opaque.
    pub position: String,
    /// Its idempotency key.
    pub key: String,
    /// When it was published, in milliseconds since 1970.
    pub at: u64,
    /// The mark of who caused it, if its publisher gave one.
    pub origin: Option<String>,
    /// The event.
    pub event: RawEvent<P>,
}

/// A publish: an event, and how to publish it.
#[derive(Debug, Clone, PartialEq)]
pub struct Publish<P> {
    /// The event.
    pub event: RawEvent<P>,
    /// The topics, for events that do not determine them.
    pub topics: Option<Vec<String>>,
    /// The idempotency key. The client sends the same one with every attempt.
    pub key: Uuid,
    /// An opaque mark of who caused the event.
    pub origin: Option<String>,
}

/// An output of the client. The first four are tasks for the driver. The others are for the user.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "an output that is dropped is a frame that is not sent or an event that nobody sees"]
pub enum Output<P: Payload> {
    /// Ask the user for a fresh token, and pass it to `handle_token`.
    Token {
        /// The attempt that needs the token, or the connection whose token ends soon.
        connection: ConnectionId,
    },
    /// Open a WebSocket. Report the result by `handle_open` or `handle_closed`.
    Connect {
        /// The number of the WebSocket from now on.
        connection: ConnectionId,
    },
    /// Send a frame.
    Send {
        /// The WebSocket.
        connection: ConnectionId,
        /// The frame.
        frame: ClientFrame<P>,
    },
    /// Close the WebSocket. The client ignores everything that still comes from it.
    Disconnect {
        /// The WebSocket.
        connection: ConnectionId,
    },
    /// The status of the client changed.
    Status(Status),
    /// All topics of a subscription are in force: events that are published from now on arrive.
    Ready {
        /// The subscription.
        subscription: SubscriptionId,
    },
    /// A subscription was resumed after a reconnect and has missed nothing. The events of the meantime follow.
    Resumed {
        /// The subscription.
        subscription: SubscriptionId,
    },
    /// Load the data of a watched subscription, and report the result by `handle_loaded`. The client ignores the result of
    /// an older load that still runs. The data is for all subscriptions that share the load.
    Load {
        /// The subscription, or one of those that share the load.
        subscription: SubscriptionId,
        /// The number of this load.
        load: LoadId,
    },
    /// An event arrived. If it concerns the data of a watched subscription, report that by `handle_outdated`.
    Event {
        /// The subscriptions that get it, each once.
        deliveries: Vec<Delivery>,
        /// What the driver keeps of it.
        publication: P::Publication,
    },
    /// A subscription may have missed something: load its data again.
    Sync {
        /// The subscription, and the topics on which it may have missed something.
        delivery: Delivery,
        /// All events after this position follow.
        position: String,
    },
    /// A subscription lost one topic or all topics, or one topic waits for room.
    Failed {
        /// The subscription.
        subscription: SubscriptionId,
        /// The topic, or `None` for all topics.
        topic: Option<TopicName>,
        /// Why.
        error: Error,
        /// The client subscribes to the topic again when there may be room for it. Then an [`Output::Sync`] says that it is
        /// in force.
        waits: bool,
    },
    /// The server has published an event.
    Published {
        /// The publish.
        publish: PublishId,
        /// The publication's idempotency key.
        key: String,
        /// The publication's position in the log.
        position: String,
        /// All topics that the event reaches.
        topics: Vec<String>,
    },
    /// A publish failed.
    PublishFailed {
        /// The publish.
        publish: PublishId,
        /// Why.
        error: Error,
    },
    /// An error that belongs to no subscription or publish.
    Error(Error),
    /// A topic is in force, but neither the server nor this client knows its domain. That is a typo, or a domain whose
    /// events nobody checks. The client reports each domain once.
    UnknownDomain {
        /// The domain.
        domain: String,
        /// A domain with a similar name that the server knows.
        nearest: Option<String>,
    },
    /// The server has a domain in another form than this client. The client reports each domain once. It is not an error:
    /// an event that only one side knows travels unchecked.
    OtherDomain {
        /// The domain.
        domain: String,
    },
}

/// The outputs that the driver has not taken yet. The limits of subscriptions and publishes bound how many one input adds.
#[derive(Debug)]
pub(crate) struct Outputs<P: Payload>(VecDeque<Output<P>>);

impl<P: Payload> Default for Outputs<P> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<P: Payload> Outputs<P> {
    pub(crate) fn pop(&mut self) -> Option<Output<P>> {
        self.0.pop_front()
    }

    pub(crate) fn push(&mut self, output: Output<P>) {
        self.0.push_back(output);
    }
}
