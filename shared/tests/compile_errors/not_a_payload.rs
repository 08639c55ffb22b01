use tidings_shared::{Segment, derive::{Event, Payload, Topic}};
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Eq, Topic)]
#[topic(domain = "helpdesk")]
enum Topic {
    #[topic("queue:{name}")]
    Queue(Segment),
    #[topic("ticket:{uuid}")]
    Ticket(Uuid),
}

#[derive(Debug, Payload)]
#[payload(reaches(Ticket(uuid)))]
struct Ticket {
    uuid: Uuid,
}

#[derive(Debug, Event)]
enum Event {
    Opened(Ticket),
    Closed { uuid: Uuid },
}

fn main() {}
