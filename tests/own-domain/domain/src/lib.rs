//! A help desk: tickets that wait in queues and are answered.

use tidings_shared::{
    Segment,
    derive::{Event, Payload, Topic},
};
use uuid::Uuid;

/// The topics of tickets.
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
    /// The ticket's id.
    pub uuid: Uuid,
    /// The queue of the ticket.
    pub queue: Segment,
}

/// An answer to a ticket.
#[derive(Debug, Clone, PartialEq, Payload)]
#[payload(reaches(Ticket(uuid)))]
pub struct Reply {
    /// The ticket.
    pub uuid: Uuid,
    /// The author of the answer.
    pub author: String,
    /// Whether the answer is hidden from the customer.
    pub internal: bool,
}

/// The changes of tickets.
#[derive(Debug, Clone, PartialEq, Event)]
pub enum Event {
    /// A customer opened a ticket.
    Opened(Ticket),
    /// Somebody answered a ticket.
    Replied(Reply),
    /// A ticket was closed.
    Closed(Ticket),
}
