use tidings_shared::{Segment, derive::{Payload, Topic}};
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
    views: u64,
    previous: Option<i128>,
    balances: Vec<i64>,
}

fn main() {}
