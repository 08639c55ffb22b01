//! Revocations: subjects, sessions, tokens and topics that lose their rights before the tokens expire. The list is in
//! memory. With a journal, the list survives a restart: each revocation is in the journal, too.

mod revoke;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use sha2::{Digest, Sha256};
use tidings_shared::{
    TopicName,
    limits::{MAX_REVOCATIONS, MAX_REVOCATIONS_PER_TENANT, REVOCATION_MAX_AGE},
};
use uuid::Uuid;

pub use self::revoke::{Revoke, RevokeError};
use crate::{
    access::{AccessError, Identity},
    journal::{JournalRevocation, REVOCATION_GRACE, Revoked},
    moment::Moment,
    tenant_id::TenantId,
    watch::{Changes, Watch},
};

/// The SHA-256 of a token. The list keeps no tokens, and the same token has the same hash on every node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }
}

/// A client whose token is valid and not revoked.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// Who it is, and what it may do.
    pub identity: Arc<Identity>,
    /// What identifies the token.
    pub token: Option<TokenHash>,
    /// The number of the newest revocation when the client was admitted. Every later revocation applies to this client,
    /// even if its token names a later time of issue.
    pub newest_revocation: u64,
}

/// The end of an authentication.
#[derive(Debug)]
pub enum Admission {
    /// The client is let in.
    Admitted(Admitted),
    /// The token was revoked.
    Refused(AccessError),
    /// The subject was revoked after the application was asked. Its answer may be older than the revocation: ask again.
    AskAgain,
}

/// The revocations of all tenants. The list is bounded, and its entries expire.
#[derive(Debug, Default)]
pub struct Revocations {
    lists: Mutex<Lists>,
    changes: Arc<Changes>,
    /// Counts all changes. A session that has seen the last one looks at no list.
    version: AtomicU64,
    /// The number of topics of all tenants. Usually there are none.
    topics: AtomicUsize,
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
    /// By subject: the topics that it lost its rights to.
    topics: HashMap<String, HashMap<TopicName, Entry>>,
    /// The number of entries in `topics`.
    topic_entries: usize,
    /// The tokens of revoked sessions. Each entry of `sessions` has at most one, which expires no later than the entry.
    tokens: HashMap<TokenHash, Entry>,
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
        self.add_until(tenant, revoke, now.unix_ms, now.since_start + REVOCATION_MAX_AGE)
    }

    /// Obeys a revocation of the journal. If the list is full, it says so in the log of the program. A revocation that was
    /// obeyed before, or that a later one covers, changes nothing: clients that were let in since stay.
    pub(crate) fn obey(&self, revocation: &JournalRevocation, now: Moment) {
        let JournalRevocation { tenant, revoked, at, until } = revocation;
        // The clock may be ahead now, and be set back later.
        let left = (Duration::from_millis(*until) + REVOCATION_GRACE)
            .saturating_sub(Duration::from_millis(now.unix_ms));
        let until = now.since_start + left.min(REVOCATION_MAX_AGE + REVOCATION_GRACE);
        let is_covered = |entry: Option<&Entry>| entry.is_some_and(|entry| entry.at_unix_ms >= *at);
        let is_known = |revoked: &Revoked| {
            let lists = self.lock();
            lists.tenants.get(tenant).is_some_and(|list| match revoked {
                Revoked::Subject(subject) => is_covered(list.subjects.get(subject)),
                Revoked::Session(session) => is_covered(list.sessions.get(session)),
                Revoked::Token(token) => is_covered(list.tokens.get(&TokenHash(*token))),
                Revoked::Topics { subject, topics } => {
                    let known = list.topics.get(subject);
                    topics.iter().all(|topic| is_covered(known.and_then(|known| known.get(topic))))
                }
            })
        };
        if is_known(revoked) {
            return;
        }
        let revoke = match revoked.clone() {
            Revoked::Subject(subject) => Revoke::Subject(subject),
            Revoked::Session(session) => Revoke::Session(session),
            Revoked::Topics { subject, topics } => Revoke::Topics { subject, topics },
            Revoked::Token(token) => {
                let mut lists = self.lock();
                lists.added += 1;
                let entry = Entry { number: lists.added, at_unix_ms: *at, until };
                let list = lists.tenants.entry(tenant.clone()).or_default();
                if list.tokens.len() < MAX_REVOCATIONS_PER_TENANT {
                    list.tokens.insert(TokenHash(token), entry);
                } else {
                    let error = RevokeError::Tenant;
                    tracing::error!(%error, "a revocation of the journal was not obeyed");
                }
                drop(lists);
                return self.tell();
            }
        };
        if let Err(error) = self.add_until(tenant, &revoke, *at, until) {
            tracing::error!(%error, "a revocation of the journal was not obeyed");
        }
    }

    fn add_until(
        &self,
        tenant: &TenantId,
        revoke: &Revoke,
        at_unix_ms: u64,
        until: Duration,
    ) -> Result<(), RevokeError> {
        let mut lists = self.lock();
        let Lists { added, tenants } = &mut *lists;
        let new = tenants.get(tenant).map_or_else(|| revoke.len(), |list| list.new_entries(revoke));
        check_room(tenants, tenant, new)?;
        *added += 1;
        let entry = Entry { number: *added, at_unix_ms, until };
        let list = tenants.entry(tenant.clone()).or_default();
        match revoke {
            Revoke::Subject(subject) => {
                let entry = entry.with(list.subjects.get(subject));
                list.subjects.insert(subject.clone(), entry);
            }
            Revoke::Session(session) => {
                list.sessions.insert(*session, entry);
            }
            Revoke::Topics { subject, topics } => {
                let known = list.topics.entry(subject.clone()).or_default();
                for topic in topics {
                    let entry = entry.with(known.get(topic));
                    known.insert(topic.clone(), entry);
                }
                list.topic_entries += new;
                self.topics.fetch_add(new, Ordering::Release);
            }
        }
        drop(lists);
        self.tell();
        Ok(())
    }

    /// Returns a number that changes with each revocation.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    fn tell(&self) {
        self.version.fetch_add(1, Ordering::AcqRel);
        self.changes.tell();
    }

    /// Returns the number of the newest revocation. Take it before the application is asked about a client.
    pub fn newest(&self) -> u64 {
        self.lock().added
    }

    /// Lets a client in, unless its token was revoked. `asked_at` is the number of the [newest](Self::newest)
    /// revocation when the application was asked.
    pub fn admit(
        &self,
        mut identity: Identity,
        token: Option<&str>,
        asked_at: u64,
        now: Moment,
    ) -> Admission {
        let credential = identity.credential.take();
        let token = credential.as_deref().or(token).map(TokenHash::of);
        let lists = self.lock();
        if let Some(list) = lists.tenants.get(&identity.tenant) {
            if list.subject(&identity, now).is_some_and(|entry| entry.number > asked_at) {
                return Admission::AskAgain;
            }
            if list.keeps_out(&identity, token, now) {
                let message = "the token was revoked; come back with one that was issued later";
                return Admission::Refused(AccessError::unauthorized(message));
            }
        }
        Admission::Admitted(Admitted { identity: identity.into(), token, newest_revocation: lists.added })
    }

    /// Returns whether a revocation of this client or of one of these topics came after `asked_at`. An answer about
    /// these topics may be older than the revocation: ask again.
    pub fn outdate(&self, admitted: &Admitted, topics: &[TopicName], asked_at: u64, now: Moment) -> bool {
        let lists = self.lock();
        let Some(list) = lists.tenants.get(&admitted.identity.tenant).filter(|_| lists.added > asked_at)
        else {
            return false;
        };
        let is_later = |entry: &Entry| entry.number > asked_at;
        list.subject(&admitted.identity, now).is_some_and(is_later)
            || topics.iter().any(|topic| list.topic(&admitted.identity, topic, now).is_some_and(is_later))
    }

    /// Takes back the rights to topics that a client lost after its token was issued. `allowed` has an entry for each
    /// topic. Rights that the application looks up stay: its answer decides.
    pub fn withdraw(&self, admitted: &Admitted, topics: &[TopicName], allowed: &mut [bool], now: Moment) {
        if self.topics.load(Ordering::Acquire) == 0 {
            return;
        }
        let lists = self.lock();
        let Admitted { identity, newest_revocation, .. } = admitted;
        let list =
            lists.tenants.get(&identity.tenant).filter(|list| list.topics.contains_key(&identity.subject));
        // Rights that are looked up for each question are never old.
        let Some(list) = list.filter(|_| !identity.is_looked_up) else { return };
        for (topic, allowed) in topics.iter().zip(allowed) {
            let is_older =
                |entry: &Entry| entry.is_no_older_than(identity) || entry.number > *newest_revocation;
            *allowed &= !list.topic(identity, topic, now).is_some_and(is_older);
        }
    }

    /// Returns the topics that a client lost its rights to by revocations after `obeyed`, among its own topics. Also
    /// returns the number of the newest revocation, and what a journal must know of it.
    pub(crate) fn lost<'a>(
        &self,
        admitted: &Admitted,
        topics: impl Iterator<Item = &'a TopicName>,
        obeyed: u64,
        now: Moment,
    ) -> (Vec<TopicName>, u64, Option<JournalRevocation>) {
        let mut lists = self.lock();
        let Lists { added, tenants } = &mut *lists;
        let identity = &admitted.identity;
        let revoked =
            tenants.get_mut(&identity.tenant).and_then(|list| list.topics.get_mut(&identity.subject));
        let Some(revoked) = revoked.filter(|_| *added > obeyed) else { return (Vec::new(), *added, None) };
        let issued_at = identity.issued_at.unwrap_or_default();
        let (mut lost, mut raised, mut until) = (Vec::new(), Vec::new(), Duration::ZERO);
        for topic in topics {
            let Some(entry) = revoked.get_mut(topic).filter(|entry| entry.is_after(obeyed, now)) else {
                continue;
            };
            lost.push(topic.clone());
            // The issuer's clock may be ahead of ours.
            if issued_at > entry.at_unix_ms {
                entry.at_unix_ms = issued_at;
                raised.push(topic.clone());
                until = until.max(entry.until);
            }
        }
        let known = (!raised.is_empty()).then(|| {
            let revoked = Revoked::Topics { subject: identity.subject.clone(), topics: raised };
            JournalRevocation::until(identity.tenant.clone(), revoked, issued_at, until, now)
        });
        (lost, *added, known)
    }

    /// Returns whether [`Self::lost`] would return a topic.
    pub(crate) fn takes_away<'a>(
        &self,
        admitted: &Admitted,
        mut topics: impl Iterator<Item = &'a TopicName>,
        obeyed: u64,
        now: Moment,
    ) -> bool {
        let lists = self.lock();
        let list = lists.tenants.get(&admitted.identity.tenant).filter(|_| lists.added > obeyed);
        let Some(revoked) = list.and_then(|list| list.topics.get(&admitted.identity.subject)) else {
            return false;
        };
        topics.any(|topic| revoked.get(topic).is_some_and(|entry| entry.is_after(obeyed, now)))
    }

    /// Returns whether a session, or an event stream, was revoked after it was admitted.
    pub fn ends(&self, session: Option<Uuid>, admitted: &Admitted, now: Moment) -> bool {
        let lists = self.lock();
        let Some(list) = lists.tenants.get(&admitted.identity.tenant) else { return false };
        session.is_some_and(|session| list.sessions.contains_key(&session)) || list.ends(admitted, now)
    }

    /// Also revokes the token of a session or stream that a revocation has ended. Returns what a journal must know of it.
    pub fn keep_out(
        &self,
        session: Option<Uuid>,
        admitted: &Admitted,
        now: Moment,
    ) -> Vec<JournalRevocation> {
        let mut known = Vec::new();
        let Admitted { identity, token, newest_revocation } = admitted;
        let mut lists = self.lock();
        let Lists { tenants, .. } = &mut *lists;
        let Some(list) = tenants.get_mut(&identity.tenant) else { return known };
        let tenant = &identity.tenant;
        if let Some(entry) =
            list.subjects.get_mut(&identity.subject).filter(|entry| entry.number > *newest_revocation)
        {
            // The issuer's clock may be ahead of ours, so the token may name a later time of issue than the revocation.
            let at = entry.at_unix_ms.max(identity.issued_at.unwrap_or_default());
            if at > entry.at_unix_ms {
                entry.at_unix_ms = at;
                let revoked = Revoked::Subject(identity.subject.clone());
                known.push(JournalRevocation::until(tenant.clone(), revoked, at, entry.until, now));
            }
        }
        let named = session.and_then(|session| list.sessions.get(&session)).copied();
        if let (Some(named), Some(token)) = (named, *token) {
            let left = identity.expires_at.map(|at| Duration::from_millis(at.saturating_sub(now.unix_ms)));
            let until = left.map_or(named.until, |left| named.until.min(now.since_start + left));
            list.tokens.insert(token, Entry { until, ..named });
            let revoked = Revoked::Token(token.0);
            known.push(JournalRevocation::until(tenant.clone(), revoked, named.at_unix_ms, until, now));
            // Other sessions may have the same token.
            drop(lists);
            self.tell();
        }
        known
    }

    /// Removes revocations that are too old.
    pub fn handle_timeout(&self, now: Moment) {
        let mut lists = self.lock();
        forget_aged(&mut lists.tenants, now);
        self.topics.store(lists.tenants.values().map(|list| list.topic_entries).sum(), Ordering::Release);
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

/// Checks whether a tenant may have so many more revocations.
fn check_room(tenants: &HashMap<TenantId, List>, tenant: &TenantId, new: usize) -> Result<(), RevokeError> {
    if new == 0 {
        Ok(())
    } else if tenants.get(tenant).map_or(0, List::len) + new > MAX_REVOCATIONS_PER_TENANT {
        Err(RevokeError::Tenant)
    } else if tenants.values().map(List::len).sum::<usize>() + new > MAX_REVOCATIONS {
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
        self.subjects.len() + self.sessions.len() + self.topic_entries
    }

    /// Returns how many entries a revocation adds.
    fn new_entries(&self, revoke: &Revoke) -> usize {
        match revoke {
            Revoke::Subject(subject) => usize::from(!self.subjects.contains_key(subject)),
            Revoke::Session(session) => usize::from(!self.sessions.contains_key(session)),
            Revoke::Topics { subject, topics } => {
                let known = self.topics.get(subject);
                topics.iter().filter(|topic| known.is_none_or(|known| !known.contains_key(*topic))).count()
            }
        }
    }

    /// Returns whether a token is revoked.
    fn keeps_out(&self, identity: &Identity, token: Option<TokenHash>, now: Moment) -> bool {
        let is_older = |entry: &Entry| entry.is_no_older_than(identity);
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

    fn topic(&self, identity: &Identity, topic: &TopicName, now: Moment) -> Option<&Entry> {
        self.topics.get(&identity.subject)?.get(topic).filter(|entry| now.since_start < entry.until)
    }

    fn has_token(&self, token: Option<TokenHash>, now: Moment) -> bool {
        token.and_then(|token| self.tokens.get(&token)).is_some_and(|entry| now.since_start < entry.until)
    }

    fn forget_aged(&mut self, now: Moment) {
        let is_valid = |entry: &mut Entry| now.since_start < entry.until;
        self.subjects.retain(|_, entry| is_valid(entry));
        self.sessions.retain(|_, entry| is_valid(entry));
        self.tokens.retain(|_, entry| is_valid(entry));
        self.topics.retain(|_, topics| {
            topics.retain(|_, entry| is_valid(entry));
            !topics.is_empty()
        });
        self.topic_entries = self.topics.values().map(HashMap::len).sum();
    }
}

impl Entry {
    /// Returns this entry, which takes the place of an earlier one. A revocation of another node may come late: it was made
    /// before the earlier one, and must not shorten it.
    fn with(self, earlier: Option<&Self>) -> Self {
        let Some(earlier) = earlier else { return self };
        let (at_unix_ms, until) = (self.at_unix_ms.max(earlier.at_unix_ms), self.until.max(earlier.until));
        Self { at_unix_ms, until, ..self }
    }

    /// Returns whether this revocation applies to an identity by its time of issue. Without such a time, it does.
    fn is_no_older_than(&self, identity: &Identity) -> bool {
        identity.issued_at.is_none_or(|issued_at| issued_at <= self.at_unix_ms)
    }

    fn is_after(&self, number: u64, now: Moment) -> bool {
        self.number > number && now.since_start < self.until
    }
}

#[cfg(test)]
mod tests;
