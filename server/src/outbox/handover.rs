//! What the subscribers of a server have missed while another server had the turn to read.
//!
//! Servers that share a journal share its history, so nothing is missed: what one of them publishes reaches the subscribers
//! of all. Otherwise, the subscribers of a server hear only of the rows that it has read itself.
//!
//! - **Changes of a table** are state: a subscriber that loads again has all of them. So a server that waits looks for new
//!   rows, and for each look that finds some, its subscribers get a `sync`. They get one more when it takes over, if there
//!   were more.
//! - **Rows of an outbox** may concern anybody, so the subscribers of the home tenant get one `sync` when the server takes over.

use std::time::Duration;

use tidings_hub::{TenantId, WeakHub};
use tidings_shared::Position;

use super::store::{Last, Look, Store, StoreError};

/// The longest wait for the position of the hub, which a journal that does not answer holds up.
const POSITION_TIMEOUT: Duration = Duration::from_secs(1);

/// The turns of one reader.
#[derive(Debug, Default)]
pub(crate) struct Handover {
    missed: Missed,
    /// What the reader before has left. It is kept while the hub's journal does not answer: until then, nobody knows what the
    /// subscribers have missed.
    begins: Option<Last>,
    is_own: bool,
    /// The history that the store knows of this reader.
    claimed: Option<u64>,
    /// The subscribers must load again, and have not heard of it.
    owes_gap: bool,
}

impl Handover {
    /// Looks whose turn it is. Succeeds if this reader may read. `tenant` is that of the changes.
    ///
    /// # Errors
    /// Another reader has the turn. Or the store does not answer, or the hub's journal.
    pub(crate) async fn of_changes(
        &mut self,
        store: &mut impl Store,
        hub: &WeakHub,
        tenant: &TenantId,
    ) -> Result<(), StoreError> {
        match self.look(store).await? {
            Some(Look::Others(last)) => {
                // While the journal does not answer, its subscribers know that they hear nothing.
                self.owes_gap |= last.must_load;
                if let Some(own) = position(hub, tenant).await {
                    self.owes_gap |= self.missed.waits(&last, own);
                }
                Err(StoreError::turn())
            }
            Some(Look::Begins(last)) => {
                let Some(own) = position(hub, tenant).await else {
                    self.begins = Some(last);
                    return Err(StoreError::busy("the journal of the hub does not answer"));
                };
                self.owes_gap |= self.missed.begins(&last, own);
                self.claimed = last.history.filter(|history| *history == own.epoch);
                // A history without a publication may still get another epoch.
                if !self.owes_gap && own.offset > 0 {
                    // Otherwise, or after an error, it is tried before the first deletion.
                    let _ = self.claim(store, hub, tenant).await;
                }
                Ok(())
            }
            Some(Look::Own) | None => Ok(()),
        }
    }

    /// Does the same for an outbox.
    ///
    /// # Errors
    /// The same errors.
    pub(crate) async fn of_outbox(
        &mut self,
        store: &mut impl Store,
        hub: &WeakHub,
    ) -> Result<(), StoreError> {
        match self.look(store).await? {
            Some(Look::Others(_)) => {
                self.missed.has_waited = true;
                Err(StoreError::turn())
            }
            Some(Look::Begins(_)) => {
                // Only a journal with an id serves several servers at a time.
                self.owes_gap |= std::mem::take(&mut self.missed.has_waited)
                    && hub.upgrade().is_none_or(|hub| hub.journal_id().is_none());
                Ok(())
            }
            Some(Look::Own) | None => Ok(()),
        }
    }

    async fn look(&mut self, store: &mut impl Store) -> Result<Option<Look>, StoreError> {
        let look = store.turn().await?;
        self.is_own = !matches!(look, Look::Others(_));
        Ok(match look {
            Look::Own => self.begins.take().map(Look::Begins),
            look => {
                self.begins = None;
                Some(look)
            }
        })
    }

    /// Notes in the store that the changes go to this history. Call it before the first of them leaves the table.
    ///
    /// # Errors
    /// The subscribers have not heard yet that they have missed something, so a later start of this server would not know it.
    /// Or the store does not answer, or the hub's journal.
    pub(crate) async fn claim(
        &mut self,
        store: &mut impl Store,
        hub: &WeakHub,
        tenant: &TenantId,
    ) -> Result<(), StoreError> {
        if !self.is_own {
            return Ok(());
        }
        if self.owes_gap || self.begins.is_some() {
            return Err(StoreError::busy("the subscribers have not heard yet that they have missed changes"));
        }
        match position(hub, tenant).await.map(|own| own.epoch) {
            own if own.is_some() && own == self.claimed => Ok(()),
            Some(own) => {
                store.claim(own).await?;
                self.claimed = Some(own);
                Ok(())
            }
            // The hub has ended, or its journal does not answer. The history is the one from before.
            None if self.claimed.is_some() => Ok(()),
            None => Err(StoreError::busy("the journal of the hub does not answer")),
        }
    }

    /// Whether the subscribers must load again.
    pub(crate) fn owes_gap(&self) -> bool {
        self.owes_gap
    }

    /// Notes that the subscribers load again.
    pub(crate) fn has_told(&mut self) {
        self.owes_gap = false;
    }
}

async fn position(hub: &WeakHub, tenant: &TenantId) -> Option<Position> {
    // Meanwhile, nobody keeps the hub.
    let position = hub.upgrade()?.tenant(tenant).position();
    tokio::time::timeout(POSITION_TIMEOUT, position).await.ok()
}

/// Whether the subscribers have missed changes. Pure.
#[derive(Debug, Default)]
struct Missed {
    /// Another reader had the turn.
    has_waited: bool,
    /// The newest row when the subscribers were last told to load again, while another reader had the turn.
    told: Option<String>,
}

impl Missed {
    /// Another reader has the turn. Returns whether the subscribers must load again.
    fn waits(&mut self, last: &Last, own: Position) -> bool {
        self.has_waited = true;
        if last.history == Some(own.epoch) {
            self.told = None;
            return false;
        }
        let told = self.told.replace(last.newest.clone());
        told.as_ref() != Some(&last.newest)
    }

    /// This reader begins. Returns whether the subscribers must load again.
    fn begins(&mut self, last: &Last, own: Position) -> bool {
        let Self { has_waited, told } = std::mem::take(self);
        let is_missed = match has_waited {
            true => told.as_ref() != Some(&last.newest),
            // At offset 0, the history has no publication yet. No subscriber has loaded before, unless an application starts its
            // bridge after its hub listens: the docs of `bridge` say that it must not.
            false => last.history.is_some() && own.offset > 0,
        };
        last.must_load || last.history != Some(own.epoch) && is_missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: u64 = 7;
    const OTHER: u64 = 8;

    fn last(history: u64, newest: &str) -> Last {
        Last { history: Some(history), newest: newest.to_owned(), must_load: false }
    }

    fn at(offset: u64) -> Position {
        Position::new(OWN, offset, 0)
    }

    #[test]
    fn a_server_that_waits_tells_of_each_look_with_new_rows_and_of_what_came_before_it_took_over() {
        let mut missed = Missed::default();
        assert!(missed.waits(&last(OTHER, "a"), at(3)), "nobody knows what was before");
        assert!(!missed.waits(&last(OTHER, "a"), at(4)), "nothing is new");
        assert!(missed.waits(&last(OTHER, "b"), at(4)));
        assert!(!missed.begins(&last(OTHER, "b"), at(5)), "the subscribers know of all");
        assert!(missed.waits(&last(OTHER, "b"), at(5)), "it begins to wait again");
        assert!(missed.begins(&last(OTHER, "c"), at(6)));
    }

    #[test]
    fn servers_with_one_history_miss_nothing_unless_another_one_was_between_them() {
        let mut missed = Missed::default();
        assert!(!missed.waits(&last(OWN, "a"), at(3)));
        assert!(!missed.begins(&last(OWN, "b"), at(4)));
        assert!(!missed.waits(&last(OWN, "b"), at(4)));
        assert!(missed.begins(&last(OTHER, "c"), at(5)), "a third server has read");
    }

    #[test]
    fn a_server_that_starts_alone_has_missed_what_others_have_read_since_its_last_publication() {
        let begins = |last: &Last, own| Missed::default().begins(last, own);
        assert!(!begins(&last(OWN, "a"), at(3)), "it goes on");
        assert!(begins(&last(OTHER, "a"), at(3)), "another server has read meanwhile");
        assert!(!begins(&last(OTHER, "a"), at(0)), "a new history has no subscriber from before");
        assert!(!begins(&Last::default(), at(3)), "nobody has read");
        assert!(begins(&Last { must_load: true, ..last(OWN, "a") }, at(3)), "an old copy");
    }
}
