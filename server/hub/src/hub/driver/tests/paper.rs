//! A journal for the tests of the driver.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use tidings_shared::Position;
use uuid::Uuid;

use super::Clock;
use crate::{
    journal::{
        Appended, Content, Entry, Followed, History, Journal, JournalDraft, JournalError, JournalLimits,
        JournalRevocation,
    },
    tenant_id::TenantId,
    test_support::topic,
};

/// A journal in memory. Clones are copies, as of a file.
#[derive(Debug, Clone, Default)]
pub(super) struct Paper {
    pub(super) tenants: HashMap<TenantId, Pages>,
    pub(super) revocations: BTreeMap<u64, JournalRevocation>,
    /// It fails from now on.
    pub(super) is_away: bool,
    /// The history of this tenant can't be read or written.
    pub(super) damaged: Option<TenantId>,
    /// The oldest entries of some tenant can't be removed.
    pub(super) cannot_trim: bool,
    /// Another node appends to this tenant before each read.
    pub(super) busy: Option<TenantId>,
    /// The number of tenants of each read.
    pub(super) followed: Vec<usize>,
    /// It appends, and fails then.
    pub(super) loses_answers: bool,
    /// It takes no entries and no revocations. It can be read.
    pub(super) takes_nothing: bool,
    /// The time of the node's clock that loading a tenant takes.
    pub(super) load_takes: Option<(Clock, u64)>,
    /// The history of this tenant has so many parts before its last one.
    pub(super) long: Option<(TenantId, usize)>,
    /// Each answer for this tenant's history comes too late.
    pub(super) late: Option<TenantId>,
    /// An answer for the histories of more tenants comes too late.
    pub(super) max_tenants: Option<usize>,
    /// It has heard that another node has appended something.
    pub(super) has_news: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Pages {
    pub(super) tail: Position,
    pub(super) entries: Vec<Entry>,
}

impl Pages {
    fn head(&self) -> Position {
        self.entries.last().map_or(self.tail, |entry| entry.position)
    }
}

impl Paper {
    fn check(&self) -> Result<(), JournalError> {
        if self.is_away { Err(JournalError::new("away")) } else { Ok(()) }
    }

    fn check_history<'a>(&self, tenants: impl IntoIterator<Item = &'a TenantId>) -> Result<(), JournalError> {
        let is_damaged = tenants.into_iter().any(|tenant| self.damaged.as_ref() == Some(tenant));
        if is_damaged { Err(JournalError::damage("damaged")) } else { Ok(()) }
    }

    pub(super) fn append_by_another(&mut self, tenant: &TenantId) {
        let pages = self.tenants.get_mut(tenant).expect("it is known");
        let offset = pages.head().offset + 1;
        let key = Uuid::from_u128(1 << 100 | u128::from(offset));
        pages.entries.push(Entry {
            position: Position::new(pages.tail.epoch, offset, Position::tag_of(key)),
            at: 0,
            key,
            may_come_again: false,
            origin: None,
            topics: vec![topic("a")],
            content: Content::Gap,
        });
    }
}

impl Journal for Paper {
    fn append(
        &mut self,
        drafts: &[JournalDraft],
        now_unix_ms: u64,
        new_epoch: &mut dyn FnMut() -> u64,
    ) -> Result<Vec<Appended>, JournalError> {
        self.check()?;
        if self.takes_nothing {
            return Err(JournalError::new("it takes nothing"));
        }
        self.check_history(drafts.iter().map(|draft| &draft.tenant))?;
        let append = |draft: &JournalDraft| {
            let pages = self
                .tenants
                .entry(draft.tenant.clone())
                .or_insert_with(|| Pages { tail: Position::new(new_epoch(), 0, 0), entries: Vec::new() });
            if let Some(known) = pages.entries.iter().find(|entry| entry.key == draft.key) {
                return Appended::Known { position: known.position, topics: known.topics.clone() };
            }
            let head = pages.head();
            let position = Position::new(head.epoch, head.offset + 1, Position::tag_of(draft.key));
            let JournalDraft { key, may_come_again, origin, topics, content, .. } = draft.clone();
            let at = now_unix_ms;
            pages.entries.push(Entry { position, at, key, may_come_again, origin, topics, content });
            Appended::New { position, at }
        };
        let answers = drafts.iter().map(append).collect();
        if self.loses_answers { Err(JournalError::new("the answer is lost")) } else { Ok(answers) }
    }

    fn recent(
        &mut self,
        tenant: &TenantId,
        _: &crate::LogLimits,
        _: u64,
        new_epoch: u64,
    ) -> Result<History, JournalError> {
        self.check()?;
        self.check_history([tenant])?;
        if self.late.as_ref() == Some(tenant) {
            return Err(JournalError::new("too late"));
        }
        if let Some((clock, ms)) = &self.load_takes {
            clock.pass(*ms);
        }
        let new = Pages { tail: Position::new(new_epoch, 0, 0), entries: Vec::new() };
        let Pages { tail, entries } = self.tenants.entry(tenant.clone()).or_insert(new).clone();
        Ok(History { tail, entries })
    }

    fn recent_of(
        &mut self,
        tenants: &[TenantId],
        limits: &crate::LogLimits,
        now: u64,
        new_epoch: &mut dyn FnMut() -> u64,
    ) -> Result<Vec<Option<History>>, JournalError> {
        if self.max_tenants.is_some_and(|max| tenants.len() > max) {
            return Err(JournalError::new("too late"));
        }
        let mut answers = Vec::new();
        // It answers for as many as it reads in some time.
        for tenant in tenants.iter().take(if self.load_takes.is_some() { 3 } else { usize::MAX }) {
            let parts = self.long.as_mut().filter(|(long, parts)| long == tenant && *parts > 0);
            answers.push(match parts {
                Some((_, parts)) => {
                    *parts -= usize::from(tenants.len() == 1);
                    None
                }
                None => Some(self.recent(tenant, limits, now, new_epoch())?),
            });
        }
        Ok(answers)
    }

    fn follow(
        &mut self,
        held: &[(TenantId, Position)],
        max: usize,
    ) -> Result<Vec<(TenantId, Followed)>, JournalError> {
        self.check()?;
        self.check_history(held.iter().map(|(tenant, _)| tenant))?;
        self.followed.push(held.len());
        if let Some(busy) = self.busy.clone() {
            self.append_by_another(&busy);
        }
        let mut left = max;
        let follow = |(tenant, position): &(TenantId, Position)| {
            let pages = self.tenants.get(tenant);
            let after = pages.and_then(|pages| {
                let at = |offset: u64| {
                    let index = offset.checked_sub(pages.tail.offset)?;
                    if index == 0 {
                        return Some(pages.tail);
                    }
                    pages.entries.get(index as usize - 1).map(|entry| entry.position)
                };
                (at(position.offset) == Some(*position))
                    .then(|| pages.entries[(position.offset - pages.tail.offset) as usize..].to_vec())
            });
            let followed = match after {
                None => Followed::RolledBack,
                Some(entries) if entries.is_empty() => return None,
                Some(_) if left == 0 => return None,
                Some(entries) => {
                    let entries: Vec<Entry> = entries.into_iter().take(left).collect();
                    left -= entries.len();
                    Followed::Entries(entries)
                }
            };
            Some((tenant.clone(), followed))
        };
        Ok(held.iter().filter_map(follow).collect())
    }

    fn renew(&mut self, tenant: &TenantId, old: u64, new: u64) -> Result<(), JournalError> {
        self.check()?;
        if let Some(pages) = self.tenants.get_mut(tenant).filter(|pages| pages.tail.epoch == old) {
            let head = pages.head();
            *pages = Pages { tail: Position { epoch: new, ..head }, entries: Vec::new() };
        }
        Ok(())
    }

    fn tenants(&mut self, after: Option<&TenantId>, max: usize) -> Result<Vec<TenantId>, JournalError> {
        self.check()?;
        let mut names: Vec<TenantId> = self.tenants.keys().cloned().collect();
        names.sort_unstable();
        Ok(names.into_iter().filter(|name| after.is_none_or(|after| name > after)).take(max).collect())
    }

    fn revoke(&mut self, revocations: &[JournalRevocation]) -> Result<Vec<u64>, JournalError> {
        self.check()?;
        let append = |revocation: &JournalRevocation| {
            let number = self.revocations.last_key_value().map_or(1, |(last, _)| last + 1);
            self.revocations.insert(number, revocation.clone());
            number
        };
        Ok(revocations.iter().map(append).collect())
    }

    fn revocations(
        &mut self,
        after: u64,
        max: usize,
        now_unix_ms: u64,
    ) -> Result<Vec<(u64, JournalRevocation)>, JournalError> {
        self.check()?;
        let later = self.revocations.range(after + 1..).filter(|(_, one)| one.until > now_unix_ms);
        Ok(later.take(max).map(|(n, one)| (*n, one.clone())).collect())
    }

    fn trim(&mut self, _: &JournalLimits, _: u64) -> Result<bool, JournalError> {
        self.check()?;
        if self.cannot_trim { Err(JournalError::damage("damaged")) } else { Ok(false) }
    }

    fn probe(&mut self) -> Result<(), JournalError> {
        self.check()
    }

    fn poll_interval(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn has_news(&mut self) -> bool {
        std::mem::take(&mut self.has_news)
    }

    fn follow_changed(
        &mut self,
        held: &mut dyn FnMut(&TenantId) -> Option<Position>,
        max: usize,
    ) -> Result<Option<Vec<(TenantId, Followed)>>, JournalError> {
        let position = |tenant: &TenantId| Some((tenant.clone(), held(tenant)?));
        let held: Vec<_> = self.tenants.keys().filter_map(position).collect();
        self.follow(&held, max).map(Some)
    }
}
