use tidings_shared::{Segment, derive::Topic};

#[derive(Debug, Clone, PartialEq, Eq, Topic)]
#[topic(domain = "helpdesk")]
enum Topic {
    #[topic("queue:{name}")]
    Queue(Segment),
    #[topic("queue:{title}")]
    Title(Segment),
}

fn main() {}
