use tidings_shared::derive::Topic;

#[derive(Debug, Clone, PartialEq, Eq, Topic)]
#[topic(domain = "helpdesk")]
enum Topic {
    #[topic("my queue")]
    Queue,
}

fn main() {}
