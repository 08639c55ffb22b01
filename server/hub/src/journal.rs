//! The journal: where a tenant's history lives beyond a process.
//!
//! A log in memory forgets everything when its process ends. With a [`Journal`], the log is a cache of the journal's
//! newest entries, and takes its positions from there. So a position means the same entry before and after a restart,
//! and on every node that shares the journal.
//!
//! ```text
//! publish ─▶ queue ─▶ driver ─append─▶ journal          the driver's turn:
//!                        │  ◀─follow── (also other nodes)   load tenants, append, follow, trim
//!                        ▼
//!                   tenant's log ─▶ readers
//! ```
//!
//! A journal is synchronous. Its shell has one thread that opens the journal and calls the driver. No method is called while
//! another one runs.

use std::{fmt, time::Duration};

use tidings_shared::{Position, RawEvent, TopicName};
use uuid::Uuid;

use crate::{
    keys::KeyLimits,
    log::LogLimits,
    publication::{Draft, least_cost},
    tenant_id::TenantId,
};

/// An entry before it has a position.
#[derive(Debug, Clone)]
pub struct JournalDraft {
    /// The tenant.
    pub tenant: TenantId,
    /// The idempotency key. The journal appends a key once, as long as it [remembers](Journal::append) it.
    pub key: Uuid,
    /// Whether the publisher knows the key, and may publish again with it. Otherwise the journal need not remember the
    /// key.
    pub may_come_again: bool,
    /// An opaque tag that names the cause of the event.
    pub origin: Option<String>,
    /// The topics, each once. A gap without topics is for the whole tenant.
    pub topics: Vec<TopicName>,
    /// An event, or a gap.
    pub content: Content,
}

impl JournalDraft {
    /// Returns the draft of an event.
    pub(crate) fn new(tenant: TenantId, draft: Draft) -> Self {
        let Draft { key, may_come_again, origin, topics, event } = draft;
        Self { tenant, key, may_come_again, origin, topics, content: Content::Event(event) }
    }

    /// Returns the draft of a gap of these topics, each once. Without topics, it is a gap of the whole tenant.
    pub fn gap(tenant: TenantId, topics: Vec<TopicName>, key: Uuid) -> Self {
        Self { tenant, key, may_come_again: false, origin: None, topics, content: Content::Gap }
    }
}

/// The content of an entry.
#[derive(Debug, Clone)]
pub enum Content {
    /// An event.
    Event(RawEvent),
    /// Something was lost: the readers of the entry's topics load again. Without topics, it is all readers of the tenant.
    Gap,
}

impl Content {
    /// Returns the bytes that an entry with so many topics counts against [`LogLimits::max_bytes`]. It is the least that
    /// the entry costs a log. So a log gets from its journal all that fits into it.
    pub fn cost(&self, topics: usize) -> usize {
        match self {
            Self::Event(event) => least_cost(event.payload.get().len(), topics, true),
            Self::Gap => least_cost(0, topics, false),
        }
    }
}

/// An entry of a journal. The same position means the same entry, on every node.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The position.
    pub position: Position,
    /// When it was appended, by the journal's clock, in milliseconds since 1970.
    pub at: u64,
    /// The idempotency key.
    pub key: Uuid,
    /// Whether the publisher knows the key.
    pub may_come_again: bool,
    /// The tag that its publisher gave it.
    pub origin: Option<String>,
    /// The topics, in the order of the draft.
    pub topics: Vec<TopicName>,
    /// An event with the text of its payload as it was published, or a gap.
    pub content: Content,
}

/// The answer for one draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// It was appended at this position.
    New {
        /// The position.
        position: Position,
        /// The time by the journal's clock, in milliseconds since 1970.
        at: u64,
    },
    /// The key was appended before, with these topics. Nothing was appended now.
    Known {
        /// The position of the first entry with this key.
        position: Position,
        /// Its topics.
        topics: Vec<TopicName>,
    },
}

/// The newest entries of a tenant.
#[derive(Debug, Clone)]
pub struct History {
    /// The position before the first of the entries. Its epoch is the tenant's epoch.
    pub tail: Position,
    /// The entries, in order, without a hole.
    pub entries: Vec<Entry>,
}

/// The entries of one tenant after a position that a node has.
#[derive(Debug, Clone)]
pub enum Followed {
    /// These entries follow, in order, without a hole. There may be more if the whole answer is full.
    Entries(Vec<Entry>),
    /// The journal has trimmed some of the entries that follow.
    Trimmed,
    /// The journal does not have this position: its history is another one. An old copy was restored, or another node
    /// has [renewed](Journal::renew) the epoch.
    RolledBack,
}

/// A revocation in a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRevocation {
    /// The tenant.
    pub tenant: TenantId,
    /// What is revoked.
    pub revoked: Revoked,
    /// Tokens that were issued up to this time are revoked, in milliseconds since 1970.
    pub at: u64,
    /// When the revocation expires, in milliseconds since 1970.
    pub until: u64,
}

/// What a revocation in a journal takes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revoked {
    /// All rights of a subject.
    Subject(String),
    /// A session.
    Session(Uuid),
    /// A token, by its SHA-256.
    Token([u8; 32]),
    /// A subject's rights to topics.
    Topics {
        /// The subject.
        subject: String,
        /// The topics.
        topics: Vec<TopicName>,
    },
}

/// Time for which a journal keeps a revocation after it has expired. So a clock that is ahead by less than that lets nobody in
/// again: neither while it is ahead, nor after it was set back.
pub const REVOCATION_GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// The bounds of a journal.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct JournalLimits {
    /// The bounds of each tenant's entries. [`LogLimits::keys`] bounds the keys: they are kept longer than the entries.
    pub log: LogLimits,
}

impl JournalLimits {
    /// Returns the bounds of a journal that keeps as much as a log in memory.
    pub fn new(log: LogLimits) -> Self {
        Self { log }
    }

    /// Returns the bounds of the keys.
    pub fn keys(&self) -> KeyLimits {
        self.log.keys
    }
}

/// Why a journal does not answer. After an error of [`Journal::append`] nobody knows whether the drafts were appended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalError {
    /// What went wrong and the remedy, for the operator. It quotes no payload.
    pub message: String,
    /// The history of one tenant is damaged. The journal answers for other tenants. So the driver repeats the call for fewer
    /// and fewer tenants, until it knows which tenant is damaged. Then the other tenants go on.
    pub is_damage: bool,
}

impl JournalError {
    /// Returns an error with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_damage: false }
    }

    /// Returns the error of a damaged history of one tenant.
    pub fn damage(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_damage: true }
    }
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for JournalError {}

/// The history of all tenants, outside this process. Each implementation must pass the same contract suite.
///
/// Offsets are dense: each entry of a tenant has the offset after that of the entry before. The tag of a position is
/// [`Position::tag_of`] the entry's key.
pub trait Journal: Send {
    /// Appends drafts in their order, all or none, and makes them durable. If the journal
    /// remembers the key of a draft for its tenant, it answers [`Appended::Known`]. This also holds if the first draft with this
    /// key is in the same call. The answers are in the order of the drafts. A tenant that the journal does not know gets the epoch `new_epoch()`.
    ///
    /// The journal remembers the key of a draft that [may come again](JournalDraft::may_come_again) within
    /// [`JournalLimits::keys`], and every key at least as long as its entry.
    ///
    /// # Errors
    /// The journal does not answer, or cannot write.
    fn append(
        &mut self,
        drafts: &[JournalDraft],
        now_unix_ms: u64,
        new_epoch: &mut dyn FnMut() -> u64,
    ) -> Result<Vec<Appended>, JournalError>;

    /// Returns the newest entries of a tenant within the bounds of a log: so many entries and bytes, and none that is
    /// older than the maximum age. Each entry counts its [`cost`](Content::cost). A tenant that the journal does not know gets
    /// the epoch `new_epoch`. A database that has a clock of its own ignores `now_unix_ms`.
    ///
    /// # Errors
    /// The journal does not answer.
    fn recent(
        &mut self,
        tenant: &TenantId,
        limits: &LogLimits,
        now_unix_ms: u64,
        new_epoch: u64,
    ) -> Result<History, JournalError>;

    /// Returns the newest entries of some tenants, within the same bounds. The answers are for the first tenants of the list, in
    /// its order. There is at least one.
    ///
    /// `None`: the history is too long for this call. Then ask for this tenant alone. Each such call reads a part of the
    /// history, and the last one returns all of it.
    ///
    /// # Errors
    /// The journal does not answer, or the history of one of these tenants is damaged.
    fn recent_of(
        &mut self,
        tenants: &[TenantId],
        limits: &LogLimits,
        now_unix_ms: u64,
        new_epoch: &mut dyn FnMut() -> u64,
    ) -> Result<Vec<Option<History>>, JournalError> {
        let first = tenants.iter().take(1);
        first.map(|tenant| self.recent(tenant, limits, now_unix_ms, new_epoch()).map(Some)).collect()
    }

    /// Returns what follows these positions, for those of the tenants that have something new. It checks in one snapshot
    /// that the journal still has each position, with its epoch and tag. At most `max` entries in all. Only an answer
    /// with `max` entries may lack something new.
    ///
    /// # Errors
    /// The journal does not answer.
    fn follow(
        &mut self,
        held: &[(TenantId, Position)],
        max: usize,
    ) -> Result<Vec<(TenantId, Followed)>, JournalError>;

    /// Gives a tenant's history a new epoch, if it still has the epoch `old`. Otherwise another node was faster, and
    /// nothing changes. Offsets go on, and entries of the old epoch are dropped.
    ///
    /// # Errors
    /// The journal does not answer.
    fn renew(&mut self, tenant: &TenantId, old: u64, new: u64) -> Result<(), JournalError>;

    /// Returns the names of tenants that the journal knows, in order, at most `max`: the first ones, or those after `after`.
    ///
    /// # Errors
    /// The journal does not answer.
    fn tenants(&mut self, after: Option<&TenantId>, max: usize) -> Result<Vec<TenantId>, JournalError>;

    /// Appends revocations, and makes them durable. Returns the number of each. Numbers ascend.
    ///
    /// # Errors
    /// The journal does not answer, or cannot write.
    fn revoke(&mut self, revocations: &[JournalRevocation]) -> Result<Vec<u64>, JournalError>;

    /// Returns the revocations with a number after `after` that have not expired at this time, in order, at most `max`.
    ///
    /// # Errors
    /// The journal does not answer.
    fn revocations(
        &mut self,
        after: u64,
        max: usize,
        now_unix_ms: u64,
    ) -> Result<Vec<(u64, JournalRevocation)>, JournalError>;

    /// Removes entries and keys beyond the bounds, and revocations that have expired [for some time](REVOCATION_GRACE), a
    /// bounded number. Returns whether there may be more. Epoch, head and the tag of the tail survive. The journal may forget a
    /// tenant that has no entry and no key, but only if nobody has followed it for the longer of the two maximum ages. If the
    /// tenant comes again, it gets a new epoch. An entry counts its [`cost`](Content::cost). The key of a trimmed
    /// entry counts its [`key_cost`](crate::keys::key_cost), if the publisher knows it; other keys go with their entry.
    ///
    /// A database that has a clock of its own ignores `now_unix_ms`. Otherwise a process with a fast clock would remove what
    /// the others still need.
    ///
    /// # Errors
    /// The journal does not answer, or cannot write.
    fn trim(&mut self, limits: &JournalLimits, now_unix_ms: u64) -> Result<bool, JournalError>;

    /// Checks that entries still come through. It takes no tenant's offset.
    ///
    /// # Errors
    /// The journal does not answer.
    fn probe(&mut self) -> Result<(), JournalError>;

    /// Returns the random id of the database, if it is one that can have an outbox beside the journal.
    fn id(&self) -> Option<Uuid> {
        None
    }

    /// Returns how long the driver may wait before it [follows](Self::follow) again. A journal of one process needs it only
    /// to find out that its file was replaced.
    fn poll_interval(&self) -> Duration;

    /// Returns whether another process has appended something, as far as the journal has heard. It asks nobody, and may be
    /// wrong in both directions. A journal that hears of news also wakes the thread that has opened it.
    fn has_news(&mut self) -> bool {
        false
    }

    /// Does the same as [`follow`](Self::follow), for all tenants that this process follows. So it costs nothing for tenants
    /// without news. `held` returns the position of a tenant, or `None` if this process no longer follows it. The answer is
    /// `None` if the journal can't tell which tenants have news: then the driver follows all.
    ///
    /// # Errors
    /// The journal does not answer.
    fn follow_changed(
        &mut self,
        _held: &mut dyn FnMut(&TenantId) -> Option<Position>,
        _max: usize,
    ) -> Result<Option<Vec<(TenantId, Followed)>>, JournalError> {
        Ok(None)
    }
}
