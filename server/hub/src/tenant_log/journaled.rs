//! A log that follows a journal: it is loaded, goes on with the journal's entries, and ends when its history does.

use std::{
    collections::HashMap,
    task::{Poll, Waker},
};

use slab::Slab;
use tidings_shared::Position;

use super::{State, TenantLog};
use crate::{moment::Moment, publication::Publication};

/// How far a log has come in following its journal. A log without a journal is always [`Journaled::Loaded`].
#[derive(Debug)]
pub(super) enum Journaled {
    /// Its history is not here yet. These tasks wait for it, by number.
    Loading(Slab<Waker>),
    /// It has everything up to its head. These tasks wait until it has come to an offset, or has read all that the journal has.
    Loaded(HashMap<u64, Awaiting>),
    /// Its history is another one now. Nobody may follow this log any more.
    Retired,
}

/// Somebody who waits for an entry of the journal.
#[derive(Debug)]
pub(super) struct Awaiting {
    /// The offset of the entry.
    offset: u64,
    /// The number of the log's last follow when the wait began. The next follow ends the wait, even if the journal has no
    /// such entry.
    follows: u64,
    waker: Waker,
}

impl Journaled {
    pub(super) fn new(is_loaded: bool) -> Self {
        if is_loaded { Self::Loaded(HashMap::new()) } else { Self::Loading(Slab::new()) }
    }
}

impl TenantLog {
    /// Gives the log the newest part of its history, and wakes everybody who waits for it.
    pub(crate) fn load(&self, tail: Position, entries: Vec<Publication>, now: Moment) {
        let wakers = {
            let mut state = self.lock();
            state.unused_since = None;
            let from = state.log.head();
            state.log.skip_to(tail);
            // They come from one snapshot, without a hole.
            for entry in entries {
                let _ = state.log.follow(entry);
            }
            state.log.evict_aged(now);
            self.count_bytes(&mut state);
            let mut wakers = state.take_waiting(&[]);
            match std::mem::replace(&mut state.journal, Journaled::Loaded(HashMap::new())) {
                Journaled::Loading(waiting) => wakers.extend(waiting.into_iter().map(|(_, waker)| waker)),
                Journaled::Loaded(waiting) => {
                    wakers.extend(waiting.into_values().map(|awaiting| awaiting.waker))
                }
                Journaled::Retired => state.journal = Journaled::Retired,
            }
            tracing::debug!(from = %from, to = %state.log.head(), "a log was loaded");
            wakers
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Appends the next entries of the journal. Returns whether the log has all of them now. Otherwise it has to follow the
    /// journal from its head.
    pub(crate) fn follow_journal(&self, entries: Vec<Publication>) -> bool {
        let (has_all, wakers) = {
            let mut state = self.lock();
            let Journaled::Loaded(_) = state.journal else { return true };
            state.unused_since = None;
            let (mut has_all, mut wakers) = (true, Vec::new());
            for entry in entries {
                let (topics, is_gap) = (entry.topics.clone(), entry.is_gap);
                let before = state.log.head().offset;
                has_all = state.log.follow(entry).is_ok();
                if !has_all {
                    break;
                }
                if state.log.head().offset > before {
                    self.metrics.publications.inc_by(u64::from(!is_gap));
                    wakers.extend(state.take_waiting(&topics));
                }
            }
            self.count_bytes(&mut state);
            let head = state.log.head().offset;
            wakers.extend(state.take_reached(|awaiting| awaiting.offset <= head));
            (has_all, wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
        has_all
    }

    /// Notes that the log begins to follow its journal.
    pub(crate) fn begin_follow(&self) {
        self.lock().follows += 1;
    }

    /// Notes that the log has everything that the journal had when this follow began.
    pub(crate) fn has_followed(&self) {
        let wakers = {
            let mut state = self.lock();
            let follows = state.follows;
            state.take_reached(|awaiting| awaiting.follows < follows)
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Ends this log: its history is another one now. Everybody who follows it has to follow the new log.
    pub(crate) fn retire(&self) {
        let wakers = {
            let mut state = self.lock();
            let mut wakers = state.take_waiting(&[]);
            match std::mem::replace(&mut state.journal, Journaled::Retired) {
                Journaled::Loading(waiting) => wakers.extend(waiting.into_iter().map(|(_, waker)| waker)),
                Journaled::Loaded(waiting) => {
                    wakers.extend(waiting.into_values().map(|awaiting| awaiting.waker))
                }
                Journaled::Retired => {}
            }
            self.count_bytes(&mut state);
            wakers
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Returns whether the log has ended.
    pub(crate) fn is_retired(&self) -> bool {
        matches!(self.lock().journal, Journaled::Retired)
    }

    /// Returns whether the log has its history. A retired log has it, too.
    pub(crate) fn is_loaded(&self) -> bool {
        !matches!(self.lock().journal, Journaled::Loading(_))
    }

    /// Returns a wait for the history.
    pub(crate) fn loading(&self) -> Loading {
        Loading { tenant: self.clone(), key: None }
    }

    /// Returns a wait until the log has come to this position, if it is a later one of the same history.
    pub(crate) fn reaching(&self, since: &str) -> Option<Reaching> {
        let since: Position = since.parse().ok()?;
        let head = self.head();
        let is_ahead = since.epoch == head.epoch && since.offset > head.offset;
        is_ahead.then(|| Reaching { tenant: self.clone(), offset: since.offset, key: None, is_over: false })
    }
}

impl State {
    /// Takes the wakers of those whose wait is over.
    fn take_reached(&mut self, is_answered: impl Fn(&Awaiting) -> bool) -> Vec<Waker> {
        let Journaled::Loaded(waiting) = &mut self.journal else { return Vec::new() };
        let answered = waiting.extract_if(|_, awaiting| is_answered(awaiting));
        answered.map(|(_, awaiting)| awaiting.waker).collect()
    }
}

/// A wait for the history of a tenant.
#[derive(Debug)]
pub(crate) struct Loading {
    tenant: TenantLog,
    key: Option<usize>,
}

impl Loading {
    /// Returns `Ready` when the history is here.
    pub(crate) fn poll(&mut self, waker: &Waker) -> Poll<()> {
        let mut state = self.tenant.lock();
        let Journaled::Loading(waiting) = &mut state.journal else {
            self.key = None;
            return Poll::Ready(());
        };
        match self.key.and_then(|key| waiting.get_mut(key)) {
            Some(known) => known.clone_from(waker),
            None => self.key = Some(waiting.insert(waker.clone())),
        }
        Poll::Pending
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        if let (Some(key), Journaled::Loading(waiting)) = (self.key, &mut self.tenant.lock().journal) {
            waiting.try_remove(key);
        }
    }
}

/// A wait until a log has come to an offset, or has read everything that the journal has.
#[derive(Debug)]
pub(crate) struct Reaching {
    tenant: TenantLog,
    offset: u64,
    key: Option<u64>,
    /// The log has followed its journal since.
    is_over: bool,
}

impl Reaching {
    /// Returns whether the log has not come there.
    pub(crate) fn is_behind(&self) -> bool {
        self.tenant.head().offset < self.offset
    }

    /// Returns `Ready` when the log has come there, or as far as its journal.
    pub(crate) fn poll(&mut self, waker: &Waker) -> Poll<()> {
        let mut guard = self.tenant.lock();
        let state = &mut *guard;
        let has_come = state.log.head().offset >= self.offset;
        let Journaled::Loaded(waiting) = &mut state.journal else { return Poll::Ready(()) };
        match self.key.map(|key| waiting.get_mut(&key)) {
            Some(None) => {
                (self.key, self.is_over) = (None, true);
                return Poll::Ready(());
            }
            _ if has_come || self.is_over => return Poll::Ready(()),
            Some(Some(awaiting)) => awaiting.waker.clone_from(waker),
            None => {
                state.next_follower += 1;
                self.key = Some(state.next_follower);
                let (offset, follows, waker) = (self.offset, state.follows, waker.clone());
                waiting.insert(state.next_follower, Awaiting { offset, follows, waker });
            }
        }
        Poll::Pending
    }
}

impl Drop for Reaching {
    fn drop(&mut self) {
        if let (Some(key), Journaled::Loaded(waiting)) = (self.key, &mut self.tenant.lock().journal) {
            waiting.remove(&key);
        }
    }
}
