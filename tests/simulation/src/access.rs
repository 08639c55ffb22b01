//! The rights of the simulation, and the application that knows them.

use std::collections::BTreeMap;

use tidings_hub::{AccessError, Answer, Identity, Moment, Question, Rights, TenantId, TopicPattern};
use tidings_shared::TopicName;

/// A token, as text `TENANT SUBJECT RIGHTS ISSUED`. The rights have one bit for each topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) tenant: usize,
    pub(crate) subject: String,
    pub(crate) rights: u64,
    /// When it was issued, in milliseconds since 1970.
    pub(crate) issued: u64,
}

impl Token {
    pub(crate) fn parse(text: Option<&str>) -> Option<Self> {
        let mut words = text?.split(' ');
        let tenant = words.next()?.strip_prefix("tenant-")?.parse().ok()?;
        let (subject, rights) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
        Some(Self { tenant, subject, rights, issued: words.next()?.parse().ok()? })
    }

    pub(crate) fn text(&self) -> String {
        let Self { tenant, subject, rights, issued } = self;
        format!("tenant-{tenant} {subject} {rights} {issued}")
    }

    /// Returns a fresh token of the same owner.
    pub(crate) fn issued_at(&self, now: Moment) -> Self {
        Self { issued: now.unix_ms, ..self.clone() }
    }

    /// Returns the name of its owner for the server. No two tenants have the same.
    pub(crate) fn owner(&self) -> String {
        format!("{}/{}", self.tenant, self.subject)
    }

    pub(crate) fn allows(&self, topic: &TopicName) -> bool {
        allows(self.rights, topic)
    }
}

fn allows(rights: u64, topic: &TopicName) -> bool {
    topic.domain() == EXTRA || number(topic).is_some_and(|number| rights >> number & 1 == 1)
}

/// Returns the bits of the rights to these topics.
pub(crate) fn bits(topics: &[TopicName]) -> u64 {
    topics.iter().filter_map(number).fold(0, |bits, number| bits | 1 << number)
}

/// Returns the topic with this number.
pub(crate) fn topic(number: u64) -> TopicName {
    TopicName::from_segments(&["sim", &number.to_string()])
}

/// Returns all topics that the bits of a token name.
pub(crate) fn all_topics() -> impl Iterator<Item = TopicName> {
    (0..u64::from(u64::BITS)).map(topic)
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

/// Who decides about rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decides {
    /// The application's rows, which it reads for each question.
    Rows,
    /// The rows. The token is as old as a login.
    Login,
    /// The token, without the application.
    Token,
}

/// The application. It gives each subject the rights of its newest token, and may take some back.
#[derive(Debug)]
pub(crate) struct Application {
    pub(crate) decides: Decides,
    pub(crate) token_ms: Option<u64>,
    rows: BTreeMap<String, u64>,
}

impl Application {
    pub(crate) fn new(decides: Decides, token_ms: Option<u64>) -> Self {
        Self { decides, token_ms, rows: BTreeMap::new() }
    }

    /// Takes rights back.
    pub(crate) fn forbid(&mut self, subject: &str, topics: &[TopicName]) {
        self.rows.entry(subject.to_owned()).and_modify(|rights| *rights &= !bits(topics));
    }

    /// Answers a question of a session, as the rows are now.
    pub(crate) fn judge(&mut self, question: &Question, now: Moment) -> Answer {
        match question {
            Question::Authenticate { token } => Answer::Identity(self.authenticate(token.as_deref(), now)),
            Question::Subscribe { identity, topics } | Question::Publish { identity, topics } => {
                let rights = self.rows.get(&identity.subject).copied().unwrap_or_default();
                Answer::Topics(Ok(topics.iter().map(|topic| allows(rights, topic)).collect()))
            }
        }
    }

    fn authenticate(&mut self, token: Option<&str>, now: Moment) -> Result<Identity, AccessError> {
        let token = Token::parse(token).ok_or_else(|| AccessError::unauthorized("no such token"))?;
        self.rows.insert(token.owner(), token.rights);
        let expires_at = self.token_ms.map(|ms| now.unix_ms + ms);
        let identity = Identity::new(token.owner(), tenant(token.tenant)).expires_at(expires_at);
        Ok(match self.decides {
            Decides::Rows => identity,
            Decides::Login => identity.issued_at(token.issued),
            Decides::Token => {
                let named = all_topics().filter(|topic| token.allows(topic)).map(|topic| topic.to_string());
                let named = named.chain([format!("{EXTRA}:*")]);
                let patterns: Vec<TopicPattern> = named.filter_map(|text| text.parse().ok()).collect();
                let rights = Rights::default().subscribe(patterns.clone()).publish(patterns);
                identity.issued_at(token.issued).rights(rights)
            }
        })
    }
}
