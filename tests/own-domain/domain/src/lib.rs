//! A help desk: tickets that wait in queues and are answered.

use tidings_shared::{
    Segment,
    derive::{Event, Payload, Topic},
};
use uuid::Uuid;

/// Where tickets appear.
#[derive(Debug, Clone, PartialEq, Eq, Topic)]
#[topic(domain = "helpdesk")]
pub enum Topic {
    /// The tickets of a queue.
    #[topic("queue:{name}")]
    Queue(Segment),
    /// One ticket.
    #[topic("ticket:{uuid}")]
    Ticket(Uuid),
}

/// A ticket.
#[derive(Debug, Clone, PartialEq, Payload)]
#[payload(reaches(Queue(queue), Ticket(uuid)))]
pub struct Ticket {
    /// Which one.
    pub uuid: Uuid,
    /// The queue that it is in.
    pub queue: Segment,
}

/// An answer to a ticket.
#[derive(Debug, Clone, PartialEq, Payload)]
#[payload(reaches(Ticket(uuid)))]
pub struct Reply {
    /// The ticket.
    pub uuid: Uuid,
    /// Who wrote it.
    pub author: String,
    /// Whether the customer must not see it.
    pub internal: bool,
}

/// What happens to tickets.
#[derive(Debug, Clone, PartialEq, Event)]
pub enum Event {
    /// A ticket is new.
    Opened(Ticket),
    /// Somebody answered.
    Replied(Reply),
    /// A ticket is done.
    Closed(Ticket),
}
