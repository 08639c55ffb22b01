//! What was taken back before its time: subjects, sessions and tokens. The list is this process's own; a restart loses it.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tidings_shared::{
    Code,
    limits::{MAX_REVOCATIONS, MAX_SUBJECT_BYTES, REVOCATION_MAX_AGE},
};
use tokio::sync::watch;
use uuid::Uuid;

use crate::{AccessError, Authorize, Identity, Moment, TenantId, problem::Problem};

/// What is to be taken back, in a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revoke {
    /// Every session of this subject, and its tokens that were issued until now; one without a time of issue counts as
    /// issued before.
    Subject(String),
    /// This session, and the token that it has.
    Session(Uuid),
}

impl Revoke {
    /// Reads what was asked for, `{"sub":…}` or `{"session":…}`; gives it back as it was understood, too.
    pub(crate) fn parse(body: &str) -> Result<(Self, Value), Problem> {
        let fault = |reason: &str| Problem::new(Code::InvalidFrame, reason);
        let body: Value = serde_json::from_str(body).map_err(|error| fault(&error.to_string()))?;
        match (&body["sub"], &body["session"]) {
            (Value::String(subject), Value::Null) if (1..=MAX_SUBJECT_BYTES).contains(&subject.len()) => {
                Ok((Self::Subject(subject.clone()), json!({ "sub": subject })))
            }
            (Value::Null, Value::String(session)) => {
                let session = session.parse().map_err(|_| fault("`session` is a UUID, as in `welcome`"))?;
                Ok((Self::Session(session), json!({ "session": session })))
            }
            _ => Err(fault("the body is {\"sub\":\"…\"} or {\"session\":\"…\"}")),
        }
    }
}

/// The list of revocations is full, and nothing was revoked. It can be tried again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevokeError;

impl fmt::Display for RevokeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{MAX_REVOCATIONS} revocations are remembered already; change the key that tokens are signed with"
        )
    }
}

impl std::error::Error for RevokeError {}

/// Somebody whose token holds and was not taken back.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) identity: Identity,
    /// Tells this token from others, within this process.
    pub(crate) token: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct Revocations {
    list: Mutex<List>,
    /// Of tokens, which are not kept themselves. Nobody outside can make two tokens meet.
    hasher: RandomState,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct List {
    subjects: HashMap<(TenantId, String), Entry>,
    sessions: HashMap<(TenantId, Uuid), Entry>,
    tokens: HashMap<u64, Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    at_unix_ms: u64,
    until: Duration,
}

impl Revocations {
    pub(crate) fn new() -> Self {
        Self { list: Mutex::default(), hasher: RandomState::new(), changed: watch::channel(()).0 }
    }

    /// Tells when something was added.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    pub(crate) fn add(&self, tenant: &TenantId, revoke: &Revoke, now: Moment) -> Result<(), RevokeError> {
        let entry = Entry { at_unix_ms: now.unix_ms, until: now.since_start + REVOCATION_MAX_AGE };
        let mut list = self.room(now)?;
        match revoke {
            Revoke::Subject(subject) => list.subjects.insert((tenant.clone(), subject.clone()), entry),
            Revoke::Session(session) => list.sessions.insert((tenant.clone(), *session), entry),
        };
        drop(list);
        self.changed.send_replace(());
        Ok(())
    }

    /// Who has this token, if it holds and was not taken back.
    pub(crate) fn admit(
        &self,
        access: &dyn Authorize,
        token: Option<&str>,
        now: Moment,
    ) -> Result<Admitted, AccessError> {
        let identity = access.authenticate(token, now.unix_ms)?;
        let admitted = Admitted { identity, token: token.map(|token| self.hasher.hash_one(token)) };
        if self.covers(&admitted.identity, admitted.token, now) {
            let message = "the token was revoked; come back with one that was issued later".to_owned();
            return Err(AccessError { code: Code::Unauthorized, message });
        }
        Ok(admitted)
    }

    /// Whether a token was taken back, or all of its subject.
    pub(crate) fn covers(&self, identity: &Identity, token: Option<u64>, now: Moment) -> bool {
        let list = self.lock();
        let subject = list.subjects.get(&(identity.tenant.clone(), identity.subject.clone()));
        let is_older = |entry: &Entry| identity.issued_at.is_none_or(|issued| issued <= entry.at_unix_ms);
        let is_due = |entry: &&Entry| now.since_start < entry.until;
        subject.filter(is_due).is_some_and(is_older)
            || token.and_then(|token| list.tokens.get(&token)).filter(is_due).is_some()
    }

    /// Whether a session was taken back. Then its token is, too.
    pub(crate) fn covers_session(
        &self,
        session: Uuid,
        identity: &Identity,
        token: Option<u64>,
        now: Moment,
    ) -> bool {
        let is_named = self.lock().sessions.contains_key(&(identity.tenant.clone(), session));
        if let (true, Some(token)) = (is_named, token) {
            let left = identity.expires_at.map(|at| Duration::from_millis(at.saturating_sub(now.unix_ms)));
            let until = now.since_start + left.unwrap_or(REVOCATION_MAX_AGE).min(REVOCATION_MAX_AGE);
            match self.room(now) {
                Ok(mut list) => {
                    list.tokens.insert(token, Entry { at_unix_ms: now.unix_ms, until });
                    drop(list);
                    // Others may have it too.
                    self.changed.send_replace(());
                }
                Err(error) => tracing::error!(%error, "a session is ended, and its token can come back"),
            }
        }
        is_named || self.covers(identity, token, now)
    }

    /// The list, in which there is room for one more.
    fn room(&self, now: Moment) -> Result<MutexGuard<'_, List>, RevokeError> {
        let mut list = self.lock();
        if list.len() >= MAX_REVOCATIONS {
            list.forget_aged(now);
        }
        if list.len() < MAX_REVOCATIONS { Ok(list) } else { Err(RevokeError) }
    }

    /// Lets go of what is too old.
    pub(crate) fn handle_timeout(&self, now: Moment) {
        self.lock().forget_aged(now);
    }

    /// How many are remembered.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl List {
    fn len(&self) -> usize {
        self.subjects.len() + self.sessions.len() + self.tokens.len()
    }

    fn forget_aged(&mut self, now: Moment) {
        let is_due = |entry: &mut Entry| now.since_start < entry.until;
        self.subjects.retain(|_, entry| is_due(entry));
        self.sessions.retain(|_, entry| is_due(entry));
        self.tokens.retain(|_, entry| is_due(entry));
    }
}

#[cfg(test)]
mod tests;
