//! Revocations: subjects, sessions and tokens that lose their rights before the tokens expire. The list is in memory: a
//! restart loses it.

mod watch;

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tidings_shared::{
    Code,
    limits::{MAX_REVOCATIONS, MAX_REVOCATIONS_PER_TENANT, MAX_SUBJECT_BYTES, REVOCATION_MAX_AGE},
};
use uuid::Uuid;

use self::watch::Changes;
pub use self::watch::Watch;
use crate::{
    access::{AccessError, Authorize, Identity},
    moment::Moment,
    problem::Problem,
    tenant_id::TenantId,
};

/// A subject or a session of a tenant to revoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revoke {
    /// Every session of this subject, and every token of it that was issued up to now. A token without a time of issue
    /// is revoked too.
    Subject(String),
    /// This session, and the token that it came with.
    Session(Uuid),
}

impl Revoke {
    /// Parses a request's body, `{"sub":…}` or `{"session":…}`. Also returns the request as JSON, without unknown
    /// fields.
    pub fn parse(body: &str) -> Result<(Self, Value), Problem> {
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

/// The list is full. Nothing was revoked. A retry may help later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevokeError {
    /// The list of this tenant is full.
    Tenant,
    /// The list of all tenants is full.
    Node,
}

impl fmt::Display for RevokeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scope, max) = match self {
            Self::Tenant => ("of this tenant", MAX_REVOCATIONS_PER_TENANT),
            Self::Node => ("of all tenants", MAX_REVOCATIONS),
        };
        let days = REVOCATION_MAX_AGE.as_secs() / (24 * 60 * 60);
        write!(
            f,
            "{max} revocations {scope} are remembered already, each for {days} days; try again later, or change the \
             key that tokens are signed with"
        )
    }
}

impl std::error::Error for RevokeError {}

/// A client whose token is valid and not revoked.
#[derive(Debug)]
pub struct Admitted {
    /// Who it is, and what it may do.
    pub identity: Identity,
    /// A hash that identifies the token within this process.
    pub token: Option<u64>,
    /// The number of the newest revocation when the client was admitted. Every later revocation applies to this client,
    /// even if its token names a later time of issue.
    pub newest_revocation: u64,
}

/// The revocations of all tenants. The list is bounded, and its entries expire.
#[derive(Debug, Default)]
pub struct Revocations {
    lists: Mutex<Lists>,
    /// Hashes tokens: the lists keep hashes and no tokens. It has random keys, so nobody can construct a collision.
    hasher: RandomState,
    changes: Arc<Changes>,
}

#[derive(Debug, Default)]
struct Lists {
    /// The number of revocations so far. It is the number of the newest one.
    added: u64,
    tenants: HashMap<TenantId, List>,
}

/// The revocations of one tenant.
#[derive(Debug, Default)]
struct List {
    subjects: HashMap<String, Entry>,
    sessions: HashMap<Uuid, Entry>,
    /// The tokens of revoked sessions. Each entry of `sessions` has at most one, which expires no later than the entry.
    tokens: HashMap<u64, Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    number: u64,
    /// Tokens that were issued up to this time are revoked.
    at_unix_ms: u64,
    /// When the entry expires, as time since the clock's start.
    until: Duration,
}

impl Revocations {
    /// Returns a watch that tells of new revocations.
    pub fn watch(&self) -> Watch {
        self.changes.watch()
    }

    /// Adds a revocation.
    ///
    /// # Errors
    /// The list is full.
    pub fn add(&self, tenant: &TenantId, revoke: &Revoke, now: Moment) -> Result<(), RevokeError> {
        let mut lists = self.lock();
        let Lists { added, tenants } = &mut *lists;
        if !tenants.get(tenant).is_some_and(|list| list.has(revoke)) {
            check_room(tenants, tenant)?;
        }
        *added += 1;
        let until = now.since_start + REVOCATION_MAX_AGE;
        let entry = Entry { number: *added, at_unix_ms: now.unix_ms, until };
        let list = tenants.entry(tenant.clone()).or_default();
        match revoke {
            Revoke::Subject(subject) => list.subjects.insert(subject.clone(), entry),
            Revoke::Session(session) => list.sessions.insert(*session, entry),
        };
        drop(lists);
        self.changes.tell();
        Ok(())
    }

    /// Returns who has this token, if the token is valid and not revoked.
    pub fn admit(
        &self,
        access: &dyn Authorize,
        token: Option<&str>,
        now: Moment,
    ) -> Result<Admitted, AccessError> {
        let identity = access.authenticate(token, now.unix_ms)?;
        let token = token.map(|token| {
            let signed = identity.signed_bytes.and_then(|bytes| token.as_bytes().get(..bytes));
            self.hasher.hash_one(signed.unwrap_or(token.as_bytes()))
        });
        let lists = self.lock();
        if lists.tenants.get(&identity.tenant).is_some_and(|list| list.keeps_out(&identity, token, now)) {
            let message = "the token was revoked; come back with one that was issued later".to_owned();
            return Err(AccessError { code: Code::Unauthorized, message });
        }
        Ok(Admitted { identity, token, newest_revocation: lists.added })
    }

    /// Returns whether a session, or an event stream, was revoked after it was admitted.
    pub fn ends(&self, session: Option<Uuid>, admitted: &Admitted, now: Moment) -> bool {
        let lists = self.lock();
        let Some(list) = lists.tenants.get(&admitted.identity.tenant) else { return false };
        session.is_some_and(|session| list.sessions.contains_key(&session)) || list.ends(admitted, now)
    }

    /// Also revokes the token of a session or stream that a revocation has ended.
    pub fn keep_out(&self, session: Option<Uuid>, admitted: &Admitted, now: Moment) {
        let Admitted { identity, token, newest_revocation } = admitted;
        let mut lists = self.lock();
        let Lists { tenants, .. } = &mut *lists;
        let Some(list) = tenants.get_mut(&identity.tenant) else { return };
        if let Some(entry) =
            list.subjects.get_mut(&identity.subject).filter(|entry| entry.number > *newest_revocation)
        {
            // The issuer's clock may be ahead of ours, so the token may name a later time of issue than the revocation.
            entry.at_unix_ms = entry.at_unix_ms.max(identity.issued_at.unwrap_or_default());
        }
        let named = session.and_then(|session| list.sessions.get(&session)).copied();
        if let (Some(named), Some(token)) = (named, *token) {
            let left = identity.expires_at.map(|at| Duration::from_millis(at.saturating_sub(now.unix_ms)));
            let until = left.map_or(named.until, |left| named.until.min(now.since_start + left));
            list.tokens.insert(token, Entry { until, ..named });
            // Other sessions may have the same token.
            self.changes.tell();
        }
    }

    /// Removes revocations that are too old.
    pub fn handle_timeout(&self, now: Moment) {
        forget_aged(&mut self.lock().tenants, now);
    }

    /// Returns the number of entries.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.lock().tenants.values().map(List::len).sum()
    }

    fn lock(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Checks whether a tenant may have one more revocation.
fn check_room(tenants: &HashMap<TenantId, List>, tenant: &TenantId) -> Result<(), RevokeError> {
    if tenants.get(tenant).is_some_and(|list| list.len() >= MAX_REVOCATIONS_PER_TENANT) {
        Err(RevokeError::Tenant)
    } else if tenants.values().map(List::len).sum::<usize>() >= MAX_REVOCATIONS {
        Err(RevokeError::Node)
    } else {
        Ok(())
    }
}

fn forget_aged(tenants: &mut HashMap<TenantId, List>, now: Moment) {
    tenants.retain(|_, list| {
        list.forget_aged(now);
        list.len() > 0
    });
}

impl List {
    /// Returns the number of entries. Tokens do not count, because they belong to sessions.
    fn len(&self) -> usize {
        self.subjects.len() + self.sessions.len()
    }

    fn has(&self, revoke: &Revoke) -> bool {
        match revoke {
            Revoke::Subject(subject) => self.subjects.contains_key(subject),
            Revoke::Session(session) => self.sessions.contains_key(session),
        }
    }

    /// Returns whether a token is revoked.
    fn keeps_out(&self, identity: &Identity, token: Option<u64>, now: Moment) -> bool {
        let is_older = |entry: &Entry| identity.issued_at.is_none_or(|issued| issued <= entry.at_unix_ms);
        self.subject(identity, now).is_some_and(is_older) || self.has_token(token, now)
    }

    /// Returns whether a client was revoked after it was admitted.
    fn ends(&self, admitted: &Admitted, now: Moment) -> bool {
        let is_later = |entry: &Entry| entry.number > admitted.newest_revocation;
        self.subject(&admitted.identity, now).is_some_and(is_later) || self.has_token(admitted.token, now)
    }

    fn subject(&self, identity: &Identity, now: Moment) -> Option<&Entry> {
        self.subjects.get(&identity.subject).filter(|entry| now.since_start < entry.until)
    }

    fn has_token(&self, token: Option<u64>, now: Moment) -> bool {
        token.and_then(|token| self.tokens.get(&token)).is_some_and(|entry| now.since_start < entry.until)
    }

    fn forget_aged(&mut self, now: Moment) {
        let is_valid = |entry: &mut Entry| now.since_start < entry.until;
        self.subjects.retain(|_, entry| is_valid(entry));
        self.sessions.retain(|_, entry| is_valid(entry));
        self.tokens.retain(|_, entry| is_valid(entry));
    }
}

#[cfg(test)]
mod tests;
