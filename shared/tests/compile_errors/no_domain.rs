use tidings_shared::derive::Topic;

#[derive(Debug, Clone, PartialEq, Eq, Topic)]
enum Topic {
    #[topic("all")]
    All,
}

fn main() {}
