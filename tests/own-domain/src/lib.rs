//! A help desk: tickets that wait in queues and are answered.

use tidings_shared::{
    Segment,
    derive::{Choice, Event, Payload, Topic},
};
use uuid::Uuid;

/// The topics of tickets.
#[derive(Debug, Clone, PartialEq, Eq, Topic)]
#[topic(domain = "helpdesk")]
pub enum Topic {
    /// The tickets of a queue.
    #[topic("queue:{name}")]
    Queue(Segment),
    /// The tickets of an agent.
    #[topic("agent:{uuid}")]
    Agent(Uuid),
    /// One ticket.
    #[topic("ticket:{uuid}")]
    Ticket(Uuid),
}

/// A ticket.
#[derive(Debug, Clone, PartialEq, Payload)]
#[payload(reaches(Queue(queue), Ticket(uuid), Agent(assignee)))]
pub struct Ticket {
    /// The ticket's id.
    pub uuid: Uuid,
    /// The queue of the ticket.
    pub queue: Segment,
    /// Who works on it. Absent if nobody does yet.
    pub assignee: Option<Uuid>,
    /// From 0, which can wait, to 255.
    pub priority: u8,
    /// Words to find it by.
    pub tags: Vec<String>,
}

/// An answer to a ticket.
#[derive(Debug, Clone, PartialEq, Payload)]
#[payload(reaches(Ticket(uuid)))]
pub struct Reply {
    /// The ticket.
    pub uuid: Uuid,
    /// The author of the answer.
    pub author: String,
    /// Who may read the answer.
    pub audience: Audience,
    /// The hours that it took, if they were counted.
    pub hours: Option<f64>,
}

/// Who may read an answer.
#[derive(Debug, Clone, PartialEq, Eq, Choice)]
pub enum Audience {
    /// The customer and all agents.
    Customer,
    /// Agents only.
    Agents,
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
