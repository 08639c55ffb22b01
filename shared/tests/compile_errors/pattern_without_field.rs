use tidings_shared::derive::Topic;
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Eq, Topic)]
#[topic(domain = "helpdesk")]
enum Topic {
    #[topic("ticket")]
    Ticket(Uuid),
}

fn main() {}
