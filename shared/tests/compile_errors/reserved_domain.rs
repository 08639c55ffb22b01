use tidings_shared::derive::Topic;

#[derive(Debug, Clone, PartialEq, Eq, Topic)]
#[topic(domain = "tidings")]
enum Topic {
    #[topic("all")]
    All,
}

fn main() {}
