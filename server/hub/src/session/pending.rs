//! The frames that wait for an answer: of the application, or of the journal.

use tidings_shared::{Code, TopicName, frame::Fingerprints};

use super::named_topics::NamedTopics;
use crate::{publish::Checked, revocation::Admitted};

/// The frame that waits for an answer.
#[derive(Debug)]
pub(super) enum Pending {
    Hello {
        token: Option<String>,
        domains: Fingerprints,
        client: Option<String>,
    },
    Token {
        r#ref: u64,
        token: String,
    },
    /// A new token was accepted. Which of the session's topics does it allow?
    Rights {
        r#ref: u64,
        fresh: Admitted,
        topics: Vec<TopicName>,
    },
    Subscribe(Subscribe),
    /// A client was let in, and its tenant's history is not here yet.
    Welcome {
        admitted: Admitted,
        domains: Fingerprints,
        client: Option<String>,
    },
    /// The rights of a subscribe are known. Its `since` is ahead of this node.
    Resume {
        subscribe: Subscribe,
        allowed: Result<Vec<bool>, Code>,
    },
    Publish {
        r#ref: u64,
        publish: Checked,
    },
}

/// A subscribe that waits for the answer about its rights.
#[derive(Debug)]
pub(super) struct Subscribe {
    pub(super) r#ref: u64,
    pub(super) topics: NamedTopics,
    pub(super) since: Option<String>,
    pub(super) more: bool,
}
