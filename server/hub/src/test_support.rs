//! Helpers of the unit tests.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;
use tidings_shared::{RawEvent, TopicName};
use uuid::Uuid;

use crate::{
    AccessError, Answer, Host, Hub, Identity, Moment, Question, Rights, Session, SessionSettings, TenantId,
    log::{Log, LogLimits},
    publication::Draft,
};

/// The moment `seconds` after the start.
pub(crate) fn at(seconds: u64) -> Moment {
    Moment { since_start: Duration::from_secs(seconds), unix_ms: 1_700_000_000_000 + seconds * 1000 }
}

pub(crate) fn topic(name: &str) -> TopicName {
    name.parse().unwrap()
}

/// Returns the output of a future that is ready at once.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().unwrap()
}

/// A publication to these topics whose key is `key`.
pub(crate) fn draft(key: u128, topics: &[&str]) -> Draft {
    Draft {
        key: Uuid::from_u128(key),
        may_come_again: true,
        origin: None,
        topics: topics.iter().map(|name| topic(name)).collect(),
        event: RawEvent::parse(r#"{"domain":"x","event":"y","payload":{}}"#).unwrap(),
    }
}

/// A log of at most `max_entries`.
pub(crate) fn log(max_entries: usize) -> Log {
    Log::new(LogLimits { max_entries, ..LogLimits::default() }, 7)
}

/// A host whose time stands still, and whose keys and epochs are numbers in order.
#[derive(Debug, Default)]
pub(crate) struct TestHost(AtomicU64);

impl Host for TestHost {
    fn now(&self) -> Moment {
        at(0)
    }

    fn new_key(&self) -> Uuid {
        Uuid::from_u128(self.0.fetch_add(1, Ordering::Relaxed).into())
    }

    fn new_epoch(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// An application that answers at once.
pub(crate) trait Access: fmt::Debug {
    fn authenticate(&self, token: Option<&str>, now_unix_ms: u64) -> Result<Identity, AccessError>;

    fn may_subscribe(&self, _: &Identity, _: &TopicName) -> bool {
        true
    }

    fn may_publish(&self, _: &Identity, _: &TopicName) -> bool {
        true
    }

    fn answer(&self, question: &Question, now: Moment) -> Answer {
        match question {
            Question::Authenticate { token } => {
                Answer::Identity(self.authenticate(token.as_deref(), now.unix_ms))
            }
            Question::Subscribe { identity, topics } => {
                let may = |topic| self.may_subscribe(identity, topic);
                Answer::Topics(Ok(topics.iter().map(may).collect()))
            }
            Question::Publish { identity, topics } => {
                let may = |topic| self.may_publish(identity, topic);
                Answer::Topics(Ok(topics.iter().map(may).collect()))
            }
        }
    }
}

/// Gives everybody all rights in the tenant `acme`. A token of an identity is issued when it is shown.
#[derive(Debug)]
pub(crate) struct Everybody;

impl Access for Everybody {
    fn authenticate(&self, _: Option<&str>, now_unix_ms: u64) -> Result<Identity, AccessError> {
        let tenant = TenantId::parse("acme").unwrap();
        Ok(Identity::new("developer", tenant).issued_at(now_unix_ms).rights(Rights::all()))
    }
}

/// A session that gets each answer at once.
#[derive(Debug)]
pub(crate) struct Peer {
    session: Session,
    access: Arc<dyn Access>,
}

impl Peer {
    pub(crate) fn new(
        id: Uuid,
        hub: Hub,
        access: Arc<dyn Access>,
        settings: SessionSettings,
        now: Moment,
    ) -> Self {
        Self { session: Session::new(id, hub, settings, now), access }
    }

    pub(crate) fn handle_text(&mut self, text: &str, now: Moment) {
        self.session.handle_text(text, now);
        answer_all(&mut self.session, &*self.access, now);
    }
}

/// Answers the questions of a session.
pub(crate) fn answer_all(session: &mut Session, access: &dyn Access, now: Moment) {
    while let Some((id, question)) = session.poll_question() {
        session.handle_answer(id, access.answer(&question, now), now);
    }
}

impl Deref for Peer {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for Peer {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}
