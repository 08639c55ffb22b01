//! What a hub has handed over to its journal, and the journal's driver has not finished: publications, gaps,
//! revocations, and tenants to load. It is bounded. A publish beyond the bound is refused with `overloaded`. An
//! announcement beyond it becomes a gap, which is appended when the journal takes entries again.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Duration,
};

use tidings_shared::{
    TopicName,
    limits::{JOURNAL_QUEUE_BYTES, JOURNAL_QUEUE_ENTRIES, PUBLISH_TIMEOUT},
};
use uuid::Uuid;

use super::{handed_over::Publishing, later::Slot, lost::Lost, publishing::PublishError};
use crate::{
    journal::{self, Content, JournalDraft, JournalRevocation},
    publication::Published,
    revocation::RevokeError,
    tenant_id::TenantId,
};

/// Who waits for an entry's place in the journal, and since when.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    then: Then,
    since: Duration,
}

/// What follows when the journal has answered.
#[derive(Debug, Clone)]
enum Then {
    /// A publisher waits for the answer.
    Publish(Arc<Slot<Result<Published, PublishError>>>),
    /// Somebody waits until the gap is in the journal.
    Sync(Arc<Slot<Result<(), PublishError>>>),
    /// Nobody waits. If it can't be appended, its topics get a gap.
    Announce,
}

/// A revocation that waits for the journal.
#[derive(Debug)]
pub(crate) struct Revoked {
    pub(crate) revocation: JournalRevocation,
    pub(crate) slot: Option<Arc<Slot<Result<(), RevokeError>>>>,
    since: Duration,
    /// The revocation is of the token of this session.
    session: Option<Uuid>,
}

/// Who waits for the revocation of a session. The session is in the journal, and its token is not yet.
#[derive(Debug)]
struct Leaving {
    slot: Arc<Slot<Result<(), RevokeError>>>,
    since: Duration,
}

/// Everything that waits for the journal.
#[derive(Debug, Default)]
pub(crate) struct Outgoing(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The entries, each with its bytes.
    entries: VecDeque<(JournalDraft, Waiting, usize)>,
    bytes: usize,
    lost: Lost,
    revoked: VecDeque<Revoked>,
    /// By session.
    leaving: HashMap<Uuid, Vec<Leaving>>,
    to_load: BTreeSet<TenantId>,
    /// What to read from the journal at once.
    to_follow: ToFollow,
    driver: Option<Waker>,
    /// Who waits for the entries that the driver has taken and has not answered. A call of the journal may hang, and they
    /// must not wait for it.
    in_flight: Vec<Waiting>,
    is_closed: bool,
}

/// What somebody wants the node to read from the journal at once.
#[derive(Debug, Default)]
pub(crate) struct ToFollow {
    /// What the journal has of all tenants of the node.
    pub(crate) is_all: bool,
    /// Somebody waits until the node has what the journal has of these tenants.
    pub(crate) tenants: BTreeSet<TenantId>,
}

/// Bytes that an entry costs beside its texts.
const ENTRY_OVERHEAD: usize = 512;

/// Revocations that wait. Beyond this bound, a revocation is refused with `overloaded`.
const MAX_REVOKED: usize = 10_000;

/// Time for which the revocation of a session waits until the journal has the session's token, too. A shard finds a session of
/// this node within a tenth of it. After this time the session is of another node, or has ended.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

impl Outgoing {
    /// Hands over an event. Somebody waits for the answer.
    pub(crate) fn publish(
        &self,
        draft: JournalDraft,
        now: Duration,
    ) -> Result<Arc<Slot<Result<Published, PublishError>>>, PublishError> {
        let slot = Slot::new();
        match self.push(draft, Then::Publish(Arc::clone(&slot)), now) {
            Ok(()) => Ok(slot),
            Err(_) => Err(PublishError::Overloaded),
        }
    }

    /// Hands over events in their order. Somebody waits for each answer. A draft that is an error already gets it as its answer.
    ///
    /// Repeating those that are [`PublishError::Overloaded`] keeps the order. So they are in the queue without others between
    /// them and have waited for the same time: if one of them is given up, so are all later ones. And from the first
    /// one on that finds no room, all are refused.
    pub(crate) fn publish_all(
        &self,
        drafts: Vec<Result<JournalDraft, PublishError>>,
        now: Duration,
    ) -> Vec<Publishing> {
        let mut state = self.lock();
        let mut is_full = false;
        let mut hand_over = |draft: JournalDraft| {
            let slot = Slot::new();
            is_full = is_full || state.push(draft, Then::Publish(Arc::clone(&slot)), now).is_err();
            if is_full { Err(PublishError::Overloaded) } else { Ok(slot) }
        };
        let handed_over = drafts.into_iter().map(|draft| draft.and_then(&mut hand_over));
        handed_over
            .map(|slot| slot.map_or_else(|error| Publishing::ready(Err(error)), Publishing::waiting))
            .collect()
    }

    /// Hands over an event for which nobody waits.
    pub(crate) fn announce(&self, draft: JournalDraft, now: Duration) {
        if let Err(refused) = self.push(draft, Then::Announce, now) {
            self.lose(&refused.tenant, refused.topics);
        }
    }

    /// Hands over a gap of these topics. An empty list means the whole tenant.
    pub(crate) fn sync(
        &self,
        draft: JournalDraft,
        now: Duration,
    ) -> Result<Arc<Slot<Result<(), PublishError>>>, PublishError> {
        let slot = Slot::new();
        match self.push(draft, Then::Sync(Arc::clone(&slot)), now) {
            Ok(()) => Ok(slot),
            Err(refused) => {
                self.lose(&refused.tenant, refused.topics);
                Err(PublishError::Overloaded)
            }
        }
    }

    fn push(&self, draft: JournalDraft, then: Then, since: Duration) -> Result<(), Box<JournalDraft>> {
        self.lock().push(draft, then, since)
    }

    /// Notes that these topics have lost something. An empty list means the whole tenant.
    pub(crate) fn lose(&self, tenant: &TenantId, topics: Vec<TopicName>) {
        let mut state = self.lock();
        if state.is_closed {
            // Nobody would ever take it.
            return;
        }
        state.lost.add(tenant, topics);
        state.wake();
    }

    /// Hands over a revocation. Somebody waits for the answer. The answer to the revocation of a session comes when the journal
    /// also has the token of the session, or after [`LEAVE_TIMEOUT`].
    pub(crate) fn revoke(
        &self,
        revocation: JournalRevocation,
        since: Duration,
    ) -> Result<Arc<Slot<Result<(), RevokeError>>>, RevokeError> {
        let slot = Slot::new();
        let revoked = Revoked { revocation, slot: Some(Arc::clone(&slot)), since, session: None };
        self.push_revoked(revoked).map(|()| slot)
    }

    /// Hands over a revocation for which nobody waits. If it is of the token of a session, the revocation of the session waits
    /// for it.
    pub(crate) fn keep_revoked(
        &self,
        revocation: JournalRevocation,
        session: Option<Uuid>,
        since: Duration,
    ) -> Result<(), RevokeError> {
        let session = session.filter(|_| matches!(revocation.revoked, journal::Revoked::Token(_)));
        self.push_revoked(Revoked { revocation, slot: None, since, session })
    }

    fn push_revoked(&self, revoked: Revoked) -> Result<(), RevokeError> {
        let mut state = self.lock();
        let waiting = state.revoked.len() + state.leaving.values().map(Vec::len).sum::<usize>();
        if state.is_closed || waiting >= MAX_REVOKED {
            return Err(RevokeError::Journal);
        }
        state.revoked.push_back(revoked);
        state.wake();
        Ok(())
    }

    /// Notes that the journal has this revocation.
    pub(crate) fn has_revoked(&self, revoked: Revoked) {
        let Revoked { revocation, slot, since, session } = revoked;
        if let Some(session) = session {
            self.has_left(session);
        }
        match (revocation.revoked, slot) {
            (journal::Revoked::Session(session), Some(slot)) => {
                self.lock().leaving.entry(session).or_default().push(Leaving { slot, since });
            }
            (_, Some(slot)) => slot.fill(Ok(())),
            (_, None) => {}
        }
    }

    /// Notes that the journal has everything of the revocation of this session.
    pub(crate) fn has_left(&self, session: Uuid) {
        let leaving = self.lock().leaving.remove(&session);
        leaving.into_iter().flatten().for_each(|leaving| leaving.slot.fill(Ok(())));
    }

    /// Asks for the history of a tenant.
    pub(crate) fn load(&self, tenant: &TenantId) {
        let mut state = self.lock();
        if !state.is_closed {
            state.to_load.insert(tenant.clone());
            state.wake();
        }
    }

    /// Asks for everything that the journal has of a tenant.
    pub(crate) fn follow(&self, tenant: &TenantId) {
        let mut state = self.lock();
        if !state.is_closed {
            state.to_follow.tenants.insert(tenant.clone());
            state.wake();
        }
    }

    /// Asks for everything that the journal has for this node's tenants.
    pub(crate) fn follow_all(&self) {
        let mut state = self.lock();
        state.to_follow.is_all = true;
        state.wake();
    }

    /// Gives up everything that has waited for too long. What nobody waits for becomes a gap.
    pub(crate) fn handle_timeout(&self, now: Duration) {
        let is_late = |since: Duration| now.saturating_sub(since) >= PUBLISH_TIMEOUT;
        let mut late = Vec::new();
        let (mut revoked, mut left) = (Vec::new(), Vec::new());
        let in_flight: Vec<Waiting> = {
            let mut state = self.lock();
            while state.entries.front().is_some_and(|(_, waiting, _)| waiting.is_late(now)) {
                late.extend(state.pop());
            }
            for entry in state.revoked.iter_mut().filter(|entry| is_late(entry.since)) {
                // It still waits: it must survive a restart.
                revoked.extend(entry.slot.take());
            }
            let has_left = |leaving: &mut Leaving| now.saturating_sub(leaving.since) >= LEAVE_TIMEOUT;
            for leaving in state.leaving.values_mut() {
                left.extend(leaving.extract_if(.., has_left));
            }
            state.leaving.retain(|_, leaving| !leaving.is_empty());
            state.in_flight.iter().filter(|waiting| waiting.is_late(now)).cloned().collect()
        };
        late.into_iter().for_each(|(draft, waiting, _)| self.give_up(draft, waiting));
        // The driver still has these entries, and goes on with them.
        in_flight.into_iter().for_each(|waiting| waiting.answer(Err(PublishError::Overloaded)));
        revoked.into_iter().for_each(|slot| slot.fill(Err(RevokeError::Journal)));
        left.into_iter().for_each(|leaving| leaving.slot.fill(Ok(())));
    }

    /// Gives up an entry: its publisher learns it, or its topics get a gap.
    pub(crate) fn give_up(&self, draft: JournalDraft, waiting: Waiting) {
        if !matches!(waiting.then, Then::Publish(_)) {
            self.lose(&draft.tenant, draft.topics);
        }
        waiting.answer(Err(PublishError::Overloaded));
    }

    /// Ends everything that waits: there is no driver any more.
    pub(crate) fn close(&self) {
        let State { entries, revoked, leaving, in_flight, .. } = {
            let mut state = self.lock();
            std::mem::replace(&mut *state, State { is_closed: true, ..State::default() })
        };
        entries.into_iter().for_each(|(draft, waiting, _)| self.give_up(draft, waiting));
        // The driver may have panicked with these.
        in_flight.into_iter().for_each(|waiting| waiting.answer(Err(PublishError::Overloaded)));
        let slots = revoked.into_iter().filter_map(|revoked| revoked.slot);
        let slots = slots.chain(leaving.into_values().flatten().map(|leaving| leaving.slot));
        slots.for_each(|slot| slot.fill(Err(RevokeError::Journal)));
    }

    /// Returns whether there is no driver any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Returns whether something waits that a drain should still hand over.
    pub(crate) fn is_empty(&self) -> bool {
        let state = self.lock();
        state.entries.is_empty()
            && state.lost.is_empty()
            && state.revoked.is_empty()
            && state.leaving.is_empty()
    }

    /// Sets the waker of the driver. Returns whether there is something to do. The tenants that pause have nothing to load and
    /// no gap to append.
    pub(crate) fn set_driver(&self, waker: &Waker, pauses: impl Fn(&TenantId) -> bool) -> bool {
        let mut state = self.lock();
        state.driver = Some(waker.clone());
        !state.entries.is_empty()
            || state.lost.is_due(&pauses)
            || !state.revoked.is_empty()
            || state.to_load.iter().any(|tenant| !pauses(tenant))
            || state.to_follow.is_all
            || !state.to_follow.tenants.is_empty()
    }

    /// Takes the oldest entries, so many and so many bytes. Gaps of lost announcements come after all entries, except those of
    /// tenants that pause.
    pub(crate) fn take_entries(
        &self,
        max: usize,
        max_bytes: usize,
        now: Duration,
        pauses: impl Fn(&TenantId) -> bool,
        mut new_key: impl FnMut() -> Uuid,
    ) -> (Vec<JournalDraft>, Vec<Waiting>) {
        let mut state = self.lock();
        let (mut drafts, mut waiting, mut bytes) = (Vec::new(), Vec::new(), 0);
        while drafts.len() < max && bytes < max_bytes {
            let Some((draft, waits, cost)) = state.pop() else { break };
            bytes += cost;
            drafts.push(draft);
            waiting.push(waits);
        }
        if state.entries.is_empty() && drafts.len() < max {
            for (tenant, topics) in state.lost.take(max - drafts.len(), pauses) {
                drafts.push(JournalDraft::gap(tenant, topics, new_key()));
                waiting.push(Waiting::announced(now));
            }
        }
        state.in_flight.extend(waiting.iter().cloned());
        (drafts, waiting)
    }

    /// Returns whether every tenant of the journal must get a gap, and forgets it.
    pub(crate) fn take_lost_by_somebody(&self) -> bool {
        self.lock().lost.take_somebody()
    }

    /// Returns whether a tenant has lost something, and has no gap in the journal yet.
    pub(crate) fn has_lost(&self, tenant: &TenantId) -> bool {
        self.lock().lost.has(tenant)
    }

    /// Notes who still waits for entries that the driver has taken.
    pub(crate) fn has_answered(&self, left: Vec<Waiting>) {
        self.lock().in_flight = left;
    }

    /// Returns how many entries wait, and how long the oldest has waited.
    pub(crate) fn waiting(&self, now: Duration) -> (usize, Duration) {
        let state = self.lock();
        let queued = state.entries.front().map(|(_, waiting, _)| waiting.since);
        let oldest = state.in_flight.iter().map(|waiting| waiting.since).chain(queued).min();
        let count = state.in_flight.len() + state.entries.len() + state.lost.len();
        (count, oldest.map_or(Duration::ZERO, |since| now.saturating_sub(since)))
    }

    /// Takes the oldest revocations, so many.
    pub(crate) fn take_revoked(&self, max: usize) -> Vec<Revoked> {
        let mut state = self.lock();
        let count = state.revoked.len().min(max);
        state.revoked.drain(..count).collect()
    }

    /// Puts revocations back to the front, after a failure.
    pub(crate) fn put_back(&self, revoked: Vec<Revoked>) {
        let mut state = self.lock();
        for revoked in revoked.into_iter().rev() {
            state.revoked.push_front(revoked);
        }
    }

    /// Takes the tenants to load that do not pause.
    pub(crate) fn take_loads(&self, pauses: impl Fn(&TenantId) -> bool) -> Vec<TenantId> {
        let mut state = self.lock();
        let (due, paused) =
            std::mem::take(&mut state.to_load).into_iter().partition(|tenant| !pauses(tenant));
        state.to_load = paused;
        Vec::from_iter::<BTreeSet<TenantId>>(due)
    }

    /// Takes what is to read at once.
    pub(crate) fn take_follows(&self) -> ToFollow {
        std::mem::take(&mut self.lock().to_follow)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, draft: JournalDraft, then: Then, since: Duration) -> Result<(), Box<JournalDraft>> {
        let bytes = cost(&draft);
        let is_full = self.entries.len() >= JOURNAL_QUEUE_ENTRIES || self.bytes + bytes > JOURNAL_QUEUE_BYTES;
        if self.is_closed || is_full {
            return Err(Box::new(draft));
        }
        self.bytes += bytes;
        self.entries.push_back((draft, Waiting { then, since }, bytes));
        self.wake();
        Ok(())
    }

    fn pop(&mut self) -> Option<(JournalDraft, Waiting, usize)> {
        let entry = self.entries.pop_front()?;
        self.bytes -= entry.2;
        if self.entries.is_empty() {
            self.entries = VecDeque::new();
        }
        Some(entry)
    }

    fn wake(&mut self) {
        if let Some(waker) = self.driver.take() {
            waker.wake();
        }
    }
}

impl Waiting {
    /// Nobody waits.
    pub(crate) fn announced(since: Duration) -> Self {
        Self { then: Then::Announce, since }
    }

    /// Gives the journal's answer to whoever waits.
    pub(crate) fn answer(self, answer: Result<Published, PublishError>) {
        match self.then {
            Then::Publish(slot) => slot.fill(answer),
            Then::Sync(slot) => slot.fill(answer.map(drop)),
            Then::Announce => {}
        }
    }

    /// Returns whether nobody waits: then an entry that can't be appended becomes a gap.
    pub(crate) fn is_announced(&self) -> bool {
        matches!(self.then, Then::Announce)
    }

    /// Returns whether it has waited for too long.
    pub(crate) fn is_late(&self, now: Duration) -> bool {
        now.saturating_sub(self.since) >= PUBLISH_TIMEOUT
    }
}

fn cost(draft: &JournalDraft) -> usize {
    let event = match &draft.content {
        Content::Event(event) => event.payload.get().len() + event.event.len() + event.domain.len(),
        Content::Gap => 0,
    };
    let topics = draft.topics.iter().map(|topic| topic.as_str().len() + size_of::<TopicName>());
    ENTRY_OVERHEAD + event + topics.sum::<usize>()
}
