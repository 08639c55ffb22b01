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
    limits::{MAX_REVOCATIONS, MAX_REVOCATIONS_PER_TENANT, MAX_SUBJECT_BYTES, REVOCATION_MAX_AGE},
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

/// There is no room for another revocation, and nothing was revoked. It can be tried again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevokeError {
    /// The tenant has its share of the list.
    Tenant,
    /// The list of all tenants is full.
    Node,
}

impl fmt::Display for RevokeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whose, max) = match self {
            Self::Tenant => ("of this tenant", MAX_REVOCATIONS_PER_TENANT),
            Self::Node => ("of all tenants", MAX_REVOCATIONS),
        };
        let days = REVOCATION_MAX_AGE.as_secs() / (24 * 60 * 60);
        write!(
            f,
            "{max} revocations {whose} are remembered already, each for {days} days; try again later, or change the key \
             that tokens are signed with"
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
    tenants: Mutex<HashMap<TenantId, List>>,
    /// Of tokens, which are not kept themselves. Nobody outside can make two tokens meet.
    hasher: RandomState,
    changed: watch::Sender<()>,
}

/// What was taken back in a tenant.
#[derive(Debug, Default)]
struct List {
    subjects: HashMap<String, Entry>,
    sessions: HashMap<Uuid, Entry>,
    /// At most one for each of the sessions, and not longer.
    tokens: HashMap<u64, Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    at_unix_ms: u64,
    until: Duration,
}

impl Revocations {
    pub(crate) fn new() -> Self {
        Self { tenants: Mutex::default(), hasher: RandomState::new(), changed: watch::channel(()).0 }
    }

    /// Tells when something was added.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    pub(crate) fn add(&self, tenant: &TenantId, revoke: &Revoke, now: Moment) -> Result<(), RevokeError> {
        let entry = Entry { at_unix_ms: now.unix_ms, until: now.since_start + REVOCATION_MAX_AGE };
        let mut tenants = self.lock();
        if !tenants.get(tenant).is_some_and(|list| list.has(revoke)) {
            check_room(&mut tenants, tenant, now)?;
        }
        let list = tenants.entry(tenant.clone()).or_default();
        match revoke {
            Revoke::Subject(subject) => list.subjects.insert(subject.clone(), entry),
            Revoke::Session(session) => list.sessions.insert(*session, entry),
        };
        drop(tenants);
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
        self.lock().get(&identity.tenant).is_some_and(|list| list.covers(identity, token, now))
    }

    /// Whether a session was taken back. Then its token is, too.
    pub(crate) fn covers_session(
        &self,
        session: Uuid,
        identity: &Identity,
        token: Option<u64>,
        now: Moment,
    ) -> bool {
        let mut tenants = self.lock();
        let Some(list) = tenants.get_mut(&identity.tenant) else { return false };
        let named = list.sessions.get(&session).copied();
        if let (Some(named), Some(token)) = (named, token) {
            let left = identity.expires_at.map(|at| Duration::from_millis(at.saturating_sub(now.unix_ms)));
            let until = left.map_or(named.until, |left| named.until.min(now.since_start + left));
            list.tokens.insert(token, Entry { until, ..named });
            // Others may have it too.
            self.changed.send_replace(());
        }
        named.is_some() || list.covers(identity, token, now)
    }

    /// Lets go of what is too old.
    pub(crate) fn handle_timeout(&self, now: Moment) {
        forget_aged(&mut self.lock(), now);
    }

    /// How many are remembered.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.lock().values().map(List::len).sum()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, List>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether one more may be remembered for this tenant.
fn check_room(
    tenants: &mut HashMap<TenantId, List>,
    tenant: &TenantId,
    now: Moment,
) -> Result<(), RevokeError> {
    let fault = |tenants: &HashMap<TenantId, List>| {
        if tenants.get(tenant).is_some_and(|list| list.len() >= MAX_REVOCATIONS_PER_TENANT) {
            Err(RevokeError::Tenant)
        } else if tenants.values().map(List::len).sum::<usize>() >= MAX_REVOCATIONS {
            Err(RevokeError::Node)
        } else {
            Ok(())
        }
    };
    fault(tenants).or_else(|_| {
        forget_aged(tenants, now);
        fault(tenants)
    })
}

fn forget_aged(tenants: &mut HashMap<TenantId, List>, now: Moment) {
    tenants.retain(|_, list| {
        list.forget_aged(now);
        list.len() > 0
    });
}

impl List {
    /// Without the tokens, which come with their sessions.
    fn len(&self) -> usize {
        self.subjects.len() + self.sessions.len()
    }

    fn has(&self, revoke: &Revoke) -> bool {
        match revoke {
            Revoke::Subject(subject) => self.subjects.contains_key(subject),
            Revoke::Session(session) => self.sessions.contains_key(session),
        }
    }

    fn covers(&self, identity: &Identity, token: Option<u64>, now: Moment) -> bool {
        let is_older = |entry: &Entry| identity.issued_at.is_none_or(|issued| issued <= entry.at_unix_ms);
        let is_due = |entry: &&Entry| now.since_start < entry.until;
        self.subjects.get(&identity.subject).filter(is_due).is_some_and(is_older)
            || token.and_then(|token| self.tokens.get(&token)).filter(is_due).is_some()
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
