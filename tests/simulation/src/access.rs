//! The rights of the simulation. A token carries the rights of its owner.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use tidings_hub::{AccessError, Answer, Identity, Moment, Question, TenantId};
use tidings_shared::TopicName;

/// A token, as text `TENANT SUBJECT RIGHTS`. The rights have one bit for each topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) tenant: usize,
    pub(crate) subject: String,
    pub(crate) rights: u64,
}

impl Token {
    pub(crate) fn parse(text: Option<&str>) -> Option<Self> {
        let mut words = text?.split(' ');
        let tenant = words.next()?.strip_prefix("tenant-")?.parse().ok()?;
        let (subject, rights) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
        Some(Self { tenant, subject, rights })
    }

    pub(crate) fn text(&self) -> String {
        format!("tenant-{} {} {}", self.tenant, self.subject, self.rights)
    }

    pub(crate) fn allows(&self, topic: &TopicName) -> bool {
        topic.domain() == EXTRA || number(topic).is_some_and(|number| self.rights >> number & 1 == 1)
    }
}

/// Returns the topic with this number.
pub(crate) fn topic(number: u64) -> TopicName {
    TopicName::from_segments(&["sim", &number.to_string()])
}

/// The domain of topics that nobody subscribes to.
const EXTRA: &str = "extra";

/// Returns so many topics that a publication to them is read from the log by each session.
pub(crate) fn extra_topics() -> impl Iterator<Item = TopicName> {
    (0..130).map(|number| TopicName::from_segments(&[EXTRA, &format!("{number:x}")]))
}

fn number(topic: &TopicName) -> Option<u32> {
    topic.as_str().strip_prefix("sim:")?.parse().ok().filter(|&number| number < u64::BITS)
}

pub(crate) fn tenant(index: usize) -> TenantId {
    TenantId::parse(&format!("tenant-{index}")).expect("a tenant's name")
}

/// Gives each subject the rights of its newest token.
#[derive(Debug, Default)]
pub(crate) struct ByToken {
    pub(crate) token_ms: Option<u64>,
    rights: Mutex<BTreeMap<String, Token>>,
}

impl ByToken {
    pub(crate) fn new(token_ms: Option<u64>) -> Self {
        Self { token_ms, ..Self::default() }
    }

    fn allows(&self, identity: &Identity, topic: &TopicName) -> bool {
        let rights = self.rights.lock().unwrap_or_else(PoisonError::into_inner);
        rights.get(&identity.subject).is_some_and(|token| token.allows(topic))
    }
}

impl ByToken {
    /// Answers a question of a session.
    pub(crate) fn answer(&self, question: &Question, now: Moment) -> Answer {
        match question {
            Question::Authenticate { token } => Answer::Identity(self.authenticate(token.as_deref(), now)),
            Question::Subscribe { identity, topics } | Question::Publish { identity, topics } => {
                Answer::Topics(Ok(topics.iter().map(|topic| self.allows(identity, topic)).collect()))
            }
        }
    }

    fn authenticate(&self, token: Option<&str>, now: Moment) -> Result<Identity, AccessError> {
        let token = Token::parse(token).ok_or_else(|| AccessError::unauthorized("no such token"))?;
        let subject = format!("{}/{}", token.tenant, token.subject);
        let identity =
            Identity::new(subject, tenant(token.tenant)).expires_at(self.token_ms.map(|ms| now.unix_ms + ms));
        let mut rights = self.rights.lock().unwrap_or_else(PoisonError::into_inner);
        rights.insert(identity.subject.clone(), token);
        Ok(identity)
    }
}
