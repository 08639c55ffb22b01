//! A journal in memory: the contract in its shortest form. It has faults on demand, so that a test sees the contract find
//! them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::value::RawValue;
use tidings_hub::{
    LogLimits, TenantId,
    journal::{
        Appended, Content, Entry, Followed, History, Journal, JournalDraft, JournalError, JournalLimits,
        JournalRevocation, REVOCATION_GRACE,
    },
    keys::key_cost,
};
use tidings_shared::{Position, TopicName};
use uuid::Uuid;

use super::Place;

/// A fault of a [`MemoryJournal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Fault {
    AnswersInAnotherOrder,
    AppendsAKeyTwice,
    DropsTenantsOnReopen,
    ForgetsKeysWithTheirEntries,
    ForgetsTheTagOfTheTail,
    FollowsTooLittle,
    FollowsTooMuch,
    ForgetsExpiredRevocations,
    HasOffsetsForAll,
    IgnoresEpochs,
    IgnoresTags,
    IgnoresTheAge,
    KeepsAllKeys,
    KeepsExpiredRevocations,
    KeepsTheTopicsSorted,
    LeavesAHole,
    LosesTheOrigin,
    NamesTheLastTenantAgain,
    NumbersRevocationsAnew,
    OverlooksTrimmedEntries,
    ProbesWithAnEntry,
    ReadsTenantsInAnotherOrder,
    ReadsTooManyBytes,
    RenewsAlways,
    RenewsWithEntries,
    RewritesText,
    TellsOfQuietTenants,
    TrimsTheNewest,
}

/// Entries that one call of [`Journal::trim`] removes.
const TRIMMED: usize = 1_000;

/// A journal in memory. Its clones are the same journal, as if each were another process.
#[derive(Debug, Clone, Default)]
pub struct MemoryJournal {
    store: Arc<Mutex<Store>>,
    fault: Option<Fault>,
}

#[derive(Debug, Clone, Default)]
struct Store {
    tenants: BTreeMap<TenantId, Tenant>,
    revocations: Vec<(u64, JournalRevocation)>,
    last_revocation: u64,
}

#[derive(Debug, Clone)]
struct Tenant {
    tail: Position,
    entries: Vec<Entry>,
    /// The keys of trimmed entries, with the time of the append, in the order of the entries.
    keys: Vec<(Uuid, Position, Vec<TopicName>, u64)>,
}

impl Tenant {
    fn new(epoch: u64) -> Self {
        Self { tail: Position::new(epoch, 0, 0), entries: Vec::new(), keys: Vec::new() }
    }

    fn head(&self) -> Position {
        self.entries.last().map_or(self.tail, |entry| entry.position)
    }

    fn known(&self, key: Uuid) -> Option<Appended> {
        let entry = self.entries.iter().find(|entry| entry.key == key);
        let entry = entry.map(|entry| (entry.position, entry.topics.clone()));
        let trimmed = self.keys.iter().find(|(known, ..)| *known == key);
        let (position, topics) =
            entry.or_else(|| trimmed.map(|(_, position, topics, _)| (*position, topics.clone())))?;
        Some(Appended::Known { position, topics })
    }

    /// Returns how many of the oldest entries are beyond the bounds.
    fn beyond(&self, limits: &LogLimits, since: u64) -> usize {
        let mut bytes = 0usize;
        let fits = |entry: &&Entry| {
            bytes = bytes.saturating_add(entry.content.cost(entry.topics.len()));
            bytes <= limits.max_bytes && entry.at >= since
        };
        let kept = self.entries.iter().rev().take(limits.max_entries).take_while(fits).count();
        self.entries.len() - kept
    }

    fn remove(&mut self, oldest: usize) {
        for entry in self.entries.drain(..oldest) {
            self.tail = entry.position;
            if entry.may_come_again {
                self.keys.push((entry.key, entry.position, entry.topics, entry.at));
            }
        }
    }

    fn follow(&self, held: Position) -> Option<Followed> {
        if held == self.head() {
            return None;
        }
        let entry = |offset: u64| Some(self.entries.get(usize::try_from(offset).ok()?)?.position);
        Some(match held.offset.checked_sub(self.tail.offset) {
            _ if held.epoch != self.tail.epoch => Followed::RolledBack,
            None => Followed::Trimmed,
            Some(0) if held == self.tail => Followed::Entries(self.entries.clone()),
            Some(n @ 1..) if entry(n - 1) == Some(held) => {
                Followed::Entries(self.entries[n as usize..].to_vec())
            }
            Some(_) => Followed::RolledBack,
        })
    }
}

impl MemoryJournal {
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn written(&self, content: &Content) -> Content {
        let mut content = content.clone();
        if let (true, Content::Event(event)) = (self.has(Fault::RewritesText), &mut content) {
            let value: Option<serde_json::Value> = serde_json::from_str(event.payload.get()).ok();
            let text = value.map(|value| value.to_string()).unwrap_or_default();
            event.payload = RawValue::from_string(text).unwrap_or_default();
        }
        content
    }

    fn append_one(
        &self,
        store: &mut Store,
        draft: &JournalDraft,
        at: u64,
        new_epoch: &mut dyn FnMut() -> u64,
    ) -> Appended {
        let all: u64 = store.tenants.values().map(|tenant| tenant.head().offset).sum();
        let tenant = store.tenants.entry(draft.tenant.clone()).or_insert_with(|| Tenant::new(new_epoch()));
        if let Some(known) = tenant.known(draft.key).filter(|_| !self.has(Fault::AppendsAKeyTwice)) {
            return known;
        }
        let head = tenant.head();
        let mut offset = head.offset + 1;
        if self.has(Fault::HasOffsetsForAll) {
            offset = all + 1;
        }
        if self.has(Fault::LeavesAHole) && offset == 2 {
            offset = 3;
        }
        let position = Position::new(head.epoch, offset, Position::tag_of(draft.key));
        let (origin, mut topics) = (draft.origin.clone(), draft.topics.clone());
        if self.has(Fault::KeepsTheTopicsSorted) {
            topics.sort();
        }
        tenant.entries.push(Entry {
            position,
            at,
            key: draft.key,
            may_come_again: draft.may_come_again,
            origin: origin.filter(|_| !self.has(Fault::LosesTheOrigin)),
            topics,
            content: self.written(&draft.content),
        });
        Appended::New { position, at }
    }
}

impl Journal for MemoryJournal {
    fn append(
        &mut self,
        drafts: &[JournalDraft],
        now_unix_ms: u64,
        new_epoch: &mut dyn FnMut() -> u64,
    ) -> Result<Vec<Appended>, JournalError> {
        let store = &mut *self.store();
        let mut answers: Vec<Appended> =
            drafts.iter().map(|draft| self.append_one(store, draft, now_unix_ms, new_epoch)).collect();
        if self.has(Fault::AnswersInAnotherOrder) {
            answers.reverse();
        }
        Ok(answers)
    }

    fn recent(
        &mut self,
        tenant: &TenantId,
        limits: &LogLimits,
        now_unix_ms: u64,
        new_epoch: u64,
    ) -> Result<History, JournalError> {
        let store = &mut *self.store();
        let tenant = store.tenants.entry(tenant.clone()).or_insert_with(|| Tenant::new(new_epoch));
        let unbounded = limits.max_bytes(usize::MAX);
        let limits = if self.has(Fault::ReadsTooManyBytes) { &unbounded } else { limits };
        let since = now_unix_ms.saturating_sub(u64::try_from(limits.max_age.as_millis()).unwrap_or(u64::MAX));
        let beyond = tenant.beyond(limits, since);
        let tail = beyond.checked_sub(1).map_or(tenant.tail, |index| tenant.entries[index].position);
        Ok(History { tail, entries: tenant.entries[beyond..].to_vec() })
    }

    fn recent_of(
        &mut self,
        tenants: &[TenantId],
        limits: &LogLimits,
        now_unix_ms: u64,
        new_epoch: &mut dyn FnMut() -> u64,
    ) -> Result<Vec<Option<History>>, JournalError> {
        let histories =
            tenants.iter().map(|tenant| self.recent(tenant, limits, now_unix_ms, new_epoch()).map(Some));
        let mut histories = histories.collect::<Result<Vec<_>, _>>()?;
        if self.has(Fault::ReadsTenantsInAnotherOrder) {
            histories.reverse();
        }
        Ok(histories)
    }

    fn follow(
        &mut self,
        held: &[(TenantId, Position)],
        max: usize,
    ) -> Result<Vec<(TenantId, Followed)>, JournalError> {
        let store = self.store();
        let mut left = if self.has(Fault::FollowsTooMuch) { usize::MAX } else { max };
        let mut all = Vec::new();
        for (id, held) in held {
            let mut held = *held;
            let Some(tenant) = store.tenants.get(id) else {
                all.push((id.clone(), Followed::RolledBack));
                continue;
            };
            if self.has(Fault::IgnoresEpochs) {
                held.epoch = tenant.tail.epoch;
            }
            let there = held.offset.checked_sub(tenant.tail.offset + 1).map(|index| index as usize);
            if let Some(entry) =
                there.and_then(|index| tenant.entries.get(index)).filter(|_| self.has(Fault::IgnoresTags))
            {
                held.tag = entry.position.tag;
            }
            match tenant.follow(held) {
                Some(Followed::Entries(mut entries)) => {
                    entries.truncate(if self.has(Fault::FollowsTooLittle) { left.min(1) } else { left });
                    left -= entries.len();
                    if !entries.is_empty() {
                        all.push((id.clone(), Followed::Entries(entries)));
                    }
                }
                Some(Followed::Trimmed) if self.has(Fault::OverlooksTrimmedEntries) => {
                    all.push((id.clone(), Followed::Entries(tenant.entries.clone())));
                }
                Some(followed) => all.push((id.clone(), followed)),
                None if self.has(Fault::TellsOfQuietTenants) => {
                    all.push((id.clone(), Followed::Entries(vec![])))
                }
                None => {}
            }
        }
        Ok(all)
    }

    fn renew(&mut self, tenant: &TenantId, old: u64, new: u64) -> Result<(), JournalError> {
        let store = &mut *self.store();
        let Some(tenant) = store.tenants.get_mut(tenant) else { return Ok(()) };
        if tenant.tail.epoch == old || self.has(Fault::RenewsAlways) {
            if self.has(Fault::RenewsWithEntries) {
                tenant.entries.iter_mut().for_each(|entry| entry.position.epoch = new);
            } else {
                tenant.remove(tenant.entries.len());
            }
            tenant.tail = Position::new(new, tenant.tail.offset, tenant.tail.tag);
        }
        Ok(())
    }

    fn tenants(&mut self, after: Option<&TenantId>, max: usize) -> Result<Vec<TenantId>, JournalError> {
        let store = self.store();
        let is_later = |name: &&TenantId| {
            after.is_none_or(|after| {
                *name > after || self.has(Fault::NamesTheLastTenantAgain) && *name == after
            })
        };
        Ok(store.tenants.keys().filter(is_later).take(max).cloned().collect())
    }

    fn revoke(&mut self, revocations: &[JournalRevocation]) -> Result<Vec<u64>, JournalError> {
        let store = &mut *self.store();
        if self.has(Fault::NumbersRevocationsAnew) {
            store.last_revocation = store.revocations.last().map_or(0, |(number, _)| *number);
        }
        let mut numbers = Vec::new();
        for revocation in revocations {
            store.last_revocation += 1;
            store.revocations.push((store.last_revocation, revocation.clone()));
            numbers.push(store.last_revocation);
        }
        Ok(numbers)
    }

    fn revocations(
        &mut self,
        after: u64,
        max: usize,
        now_unix_ms: u64,
    ) -> Result<Vec<(u64, JournalRevocation)>, JournalError> {
        let store = self.store();
        let is_due = |(number, revocation): &&(u64, JournalRevocation)| {
            *number > after && (revocation.until > now_unix_ms || self.has(Fault::KeepsExpiredRevocations))
        };
        Ok(store.revocations.iter().filter(is_due).take(max).cloned().collect())
    }

    fn trim(&mut self, limits: &JournalLimits, now_unix_ms: u64) -> Result<bool, JournalError> {
        let ago =
            |age: Duration| now_unix_ms.saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        let since = if self.has(Fault::IgnoresTheAge) { 0 } else { ago(limits.log.max_age) };
        let store = &mut *self.store();
        let mut left = TRIMMED;
        for tenant in store.tenants.values_mut() {
            let oldest = tenant.beyond(&limits.log, since).min(left);
            left -= oldest;
            tenant.remove(oldest);
            if self.has(Fault::TrimsTheNewest) {
                tenant.entries.pop();
            }
            if self.has(Fault::ForgetsTheTagOfTheTail) {
                tenant.tail.tag = 0;
            }
            if self.has(Fault::KeepsAllKeys) {
                continue;
            }
            if self.has(Fault::ForgetsKeysWithTheirEntries) {
                tenant.keys.clear();
            }
            let mut bytes = 0;
            let fits = |(_, _, topics, at): &&(Uuid, Position, Vec<TopicName>, u64)| {
                bytes += key_cost(topics);
                bytes <= limits.keys().max_bytes && *at >= ago(limits.keys().max_age)
            };
            let kept = tenant.keys.iter().rev().take_while(fits).count();
            tenant.keys.drain(..tenant.keys.len() - kept);
        }
        let grace =
            if self.has(Fault::ForgetsExpiredRevocations) { Duration::ZERO } else { REVOCATION_GRACE };
        store.revocations.retain(|(_, revocation)| revocation.until > ago(grace));
        Ok(left == 0)
    }

    fn probe(&mut self) -> Result<(), JournalError> {
        if self.has(Fault::ProbesWithAnEntry) {
            let tenant = self.store().tenants.keys().next().cloned();
            let draft = tenant.map(|tenant| JournalDraft {
                tenant,
                key: Uuid::now_v7(),
                may_come_again: false,
                origin: None,
                topics: Vec::new(),
                content: Content::Gap,
            });
            self.append(&Vec::from_iter(draft), 0, &mut || 0)?;
        }
        Ok(())
    }

    fn poll_interval(&self) -> Duration {
        Duration::from_millis(50)
    }
}

/// The place of a [`MemoryJournal`].
#[derive(Debug, Default)]
pub struct MemoryPlace(MemoryJournal);

impl MemoryPlace {
    /// Returns a place whose journals have a fault.
    pub fn with(fault: Fault) -> Self {
        Self(MemoryJournal { fault: Some(fault), ..MemoryJournal::default() })
    }
}

impl Place for MemoryPlace {
    fn open(&self) -> Box<dyn Journal> {
        if self.0.has(Fault::DropsTenantsOnReopen) {
            self.0.store().tenants.clear();
        }
        Box::new(self.0.clone())
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn copy(&self) -> Box<dyn Fn()> {
        let (store, copy) = (Arc::clone(&self.0.store), self.0.store().clone());
        Box::new(move || *store.lock().unwrap_or_else(PoisonError::into_inner) = copy.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal_contract::broken;

    #[test]
    fn a_journal_in_memory_keeps_the_contract() {
        assert_eq!(broken(&|| Box::new(MemoryPlace::default())), []);
    }

    #[test]
    fn the_contract_finds_each_fault() {
        let faults = [
            (Fault::AnswersInAnotherOrder, "positions_are_dense_and_in_the_order_of_the_drafts"),
            (Fault::AppendsAKeyTwice, "a_key_is_appended_once"),
            (Fault::AppendsAKeyTwice, "a_key_that_two_processes_append_at_the_same_time_is_appended_once"),
            (Fault::DropsTenantsOnReopen, "everything_survives_a_reopen"),
            (Fault::ForgetsKeysWithTheirEntries, "a_key_survives_its_entry_within_the_bounds"),
            (Fault::ForgetsTheTagOfTheTail, "epoch_head_and_tail_survive"),
            (Fault::FollowsTooLittle, "no_more_than_so_many_entries_come_at_once"),
            (Fault::FollowsTooMuch, "no_more_than_so_many_entries_come_at_once"),
            (Fault::ForgetsExpiredRevocations, "an_expired_revocation_stays_for_a_day"),
            (Fault::HasOffsetsForAll, "each_tenant_has_offsets_and_an_epoch_of_its_own"),
            (Fault::IgnoresEpochs, "a_position_that_the_journal_does_not_have_is_rolled_back"),
            (Fault::IgnoresTags, "an_old_copy_that_grew_again_is_another_history"),
            (Fault::IgnoresTags, "what_was_read_before_an_old_copy_came_back_is_not_taken_for_what_is_there"),
            (Fault::IgnoresTheAge, "entries_beyond_the_age_go"),
            (Fault::KeepsAllKeys, "a_key_survives_its_entry_within_the_bounds"),
            (Fault::KeepsExpiredRevocations, "expired_revocations_do_not_come_back"),
            (Fault::KeepsTheTopicsSorted, "an_entry_comes_back_as_it_was_appended"),
            (Fault::LeavesAHole, "positions_are_dense_and_in_the_order_of_the_drafts"),
            (Fault::LosesTheOrigin, "an_entry_comes_back_as_it_was_appended"),
            (Fault::NamesTheLastTenantAgain, "tenants_come_in_order_a_few_at_a_time"),
            (Fault::NumbersRevocationsAnew, "numbers_ascend_after_all_are_trimmed"),
            (Fault::OverlooksTrimmedEntries, "trimmed_entries_are_reported"),
            (Fault::ProbesWithAnEntry, "a_probe_takes_no_offset"),
            (Fault::ReadsTenantsInAnotherOrder, "several_tenants_come_in_their_order"),
            (Fault::ReadsTooManyBytes, "the_newest_entries_come_within_each_bound"),
            (Fault::RenewsAlways, "an_epoch_is_renewed_by_the_first_who_asks"),
            (Fault::RenewsWithEntries, "a_renewed_epoch_goes_on_from_the_head"),
            (Fault::RewritesText, "text_is_carried_byte_for_byte"),
            (Fault::TellsOfQuietTenants, "only_tenants_with_news_are_answered"),
            (Fault::TellsOfQuietTenants, "many_tenants_are_followed_at_once"),
            (Fault::TellsOfQuietTenants, "what_a_call_does_not_ask_for_comes_with_the_next"),
            (Fault::TrimsTheNewest, "entries_beyond_the_number_go"),
        ];
        for (fault, case) in faults {
            let broken = broken(&|| Box::new(MemoryPlace::with(fault)));
            assert!(broken.iter().any(|(name, _)| *name == case), "{fault:?}: {broken:?}");
        }
    }
}
