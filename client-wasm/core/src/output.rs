//! What the client wants done, and what its user is to hear.

use std::collections::VecDeque;

use tidings_shared::{RawEvent, TopicName, frame::ClientFrame};
use uuid::Uuid;

use super::Error;

/// Names a subscription; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub u64);

/// Names a load of a watched subscription's data; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoadId(pub u64);

/// Names a publish; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublishId(pub u64);

/// Names a connection, or the attempt at one; never used again, so that what a dead connection still says is known as
/// such.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Where the client stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Nothing was asked of it yet, or nothing any more.
    Idle,
    /// On its way to a session.
    Connecting,
    /// The server has welcomed it.
    Open,
    /// Waiting before the next attempt.
    Waiting,
    /// For good.
    Closed,
}

impl Status {
    /// The name, for users.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Connecting => "connecting",
            Self::Open => "open",
            Self::Waiting => "waiting",
            Self::Closed => "closed",
        }
    }
}

/// A subscription, and those of its topics that something happened on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// The topics.
    pub topics: Vec<TopicName>,
}

/// Adds a topic to a subscription's delivery; they are by ascending id.
pub(crate) fn deliver(deliveries: &mut Vec<Delivery>, subscription: SubscriptionId, topic: &TopicName) {
    match deliveries.binary_search_by_key(&subscription, |delivery| delivery.subscription) {
        Ok(index) => deliveries[index].topics.push(topic.clone()),
        Err(index) => deliveries.insert(index, Delivery { subscription, topics: vec![topic.clone()] }),
    }
}

/// An event as it was published, once, whatever number of subscriptions gets it.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication<P> {
    /// Its place in the log; opaque.
    pub position: String,
    /// Its identity.
    pub key: String,
    /// When it was published, in milliseconds since 1970.
    pub at: u64,
    /// The mark that its publisher gave it.
    pub origin: Option<String>,
    /// The event.
    pub event: RawEvent<P>,
}

/// What to publish.
#[derive(Debug, Clone, PartialEq)]
pub struct Publish<P> {
    /// The event.
    pub event: RawEvent<P>,
    /// The topics, for events that don't say them.
    pub topics: Option<Vec<String>>,
    /// The idempotency key: made once, and sent with every attempt.
    pub key: Uuid,
    /// An opaque mark of who caused this.
    pub origin: Option<String>,
}

/// What is to be done or told. The first four are for whoever drives the client, the others for its user.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "an output that is not carried out is a frame that was not sent or an event that was not seen"]
pub enum Output<P> {
    /// Ask the user for a fresh token and hand it to `handle_token`.
    Token {
        /// The attempt that it is for, or the connection whose token ends soon.
        connection: ConnectionId,
    },
    /// Open a WebSocket, and tell the client by `handle_open` or `handle_closed`.
    Connect {
        /// What the WebSocket is called from now on.
        connection: ConnectionId,
    },
    /// Send a frame.
    Send {
        /// The WebSocket.
        connection: ConnectionId,
        /// The frame.
        frame: ClientFrame<P>,
    },
    /// Close the WebSocket. Nothing that it still says is of interest.
    Disconnect {
        /// The WebSocket.
        connection: ConnectionId,
    },
    /// The client stands somewhere else now.
    Status(Status),
    /// All topics of a subscription are in force: what is published from now on arrives.
    Ready {
        /// The subscription.
        subscription: SubscriptionId,
    },
    /// The connection was lost and is back, and nothing was missed: what happened meanwhile follows.
    Resumed {
        /// The subscription.
        subscription: SubscriptionId,
    },
    /// Load the data of a watched subscription, and tell the client by `handle_loaded`. A load that still runs for it
    /// counts for nothing any more. What is loaded is for all subscriptions that share their loads.
    Load {
        /// The subscription, or any one of those that share their loads.
        subscription: SubscriptionId,
        /// What this load is called.
        load: LoadId,
    },
    /// An event arrived. If the subscription is watched, whoever thinks that its data changed calls `handle_reload`.
    Event {
        /// Who gets it, each once.
        deliveries: Vec<Delivery>,
        /// The event.
        publication: Publication<P>,
    },
    /// A subscription may have missed something: its user loads again.
    Sync {
        /// The subscription, and the topics that it may have missed something on.
        delivery: Delivery,
        /// Everything after this follows.
        position: String,
    },
    /// A subscription lost a topic, or all of them, or has one that waits for room.
    Failed {
        /// The subscription.
        subscription: SubscriptionId,
        /// The topic; none when it is all of them.
        topic: Option<TopicName>,
        /// Why.
        error: Error,
        /// The topic is asked for again when there may be room for it. Once it is in force, an [`Output::Sync`] says so.
        waits: bool,
    },
    /// A publish was answered.
    Published {
        /// The publish.
        publish: PublishId,
        /// The publication's identity.
        key: String,
        /// Its place in the log.
        position: String,
        /// The whole fan-out.
        topics: Vec<String>,
    },
    /// A publish failed.
    PublishFailed {
        /// The publish.
        publish: PublishId,
        /// Why.
        error: Error,
    },
    /// Something went wrong that no subscription or publish stands for.
    Error(Error),
    /// A topic is in force whose domain neither the server nor this client knows; told once for each. It is a typo, unless
    /// what is published in it travels unchecked on purpose.
    UnknownDomain {
        /// The domain.
        domain: String,
        /// The one that may have been meant.
        nearest: Option<String>,
    },
    /// The server was compiled with other domains than this client; told once. It is no fault: what one side does not
    /// know travels as it is.
    OtherSchema {
        /// The fingerprint of the server's.
        server: String,
    },
}

/// The outputs that wait to be taken. What one input adds is bounded by the limits of subscriptions and publishes.
#[derive(Debug)]
pub(crate) struct Outputs<P>(VecDeque<Output<P>>);

impl<P> Default for Outputs<P> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<P> Outputs<P> {
    pub(crate) fn pop(&mut self) -> Option<Output<P>> {
        self.0.pop_front()
    }

    pub(crate) fn push(&mut self, output: Output<P>) {
        self.0.push_back(output);
    }
}
