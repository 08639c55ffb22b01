//! The loop of an outbox: reads rows, hands them to the hub, and deletes them when the hub has answered.
//!
//! ```text
//! read a batch ─▶ judge each row ─▶ publish, in the order of ids ─▶ await the answers ─▶ delete in groups
//!                       ├▶ dead letter: announce its gap ─────────────────────────────▶ move in the same group
//!                       └▶ too old: announce a gap of its tenant ─────────────────────▶ delete in the same group
//! ```
//!
//! The reader has no position of its own: the rows of the table are what is not done yet. After a crash it publishes some
//! rows again, with the same keys, and the hub answers with the first publications.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tidings_hub::{Hub, RawPublish, TenantId, WeakHub, metrics::OutboxMetrics};
use tidings_shared::TopicName;

use super::{
    control::{Control, at},
    gaps::TenantGaps,
    handover::Handover,
    judge::{CheckRecord, Gap, Refusal, check_record, judge, refused, too_old},
    outage::{FIRST_PAUSE, LONG_LOCK, LONGEST_PAUSE, Outage},
    row::{OutboxRow, RowId},
    store::{Dead, Store, StoreError},
    unsettled::{Held, Unsettled},
};

/// Time between two looks at what waits in the table, for the metrics.
const MEASURE_INTERVAL: Duration = Duration::from_secs(1);

/// The reader of one outbox, or of the changes of one table.
#[derive(Debug)]
pub(crate) struct Reader<S> {
    store: S,
    /// The end of the hub ends the reader.
    hub: WeakHub,
    /// The tenant of rows that name none.
    home: Option<TenantId>,
    /// What the rows are, if they are changes of a table.
    changes: Option<ChangesOf>,
    /// The outbox for the log, without secrets.
    name: String,
    metrics: OutboxMetrics,
    control: Arc<Control>,
    handover: Handover,
    unsettled: Unsettled,
    gaps: TenantGaps,
    /// When to announce gaps again that the journal has not taken.
    announce_after: Option<Instant>,
    /// When the reader last looked at what waits, for the metrics.
    measured: Option<Instant>,
    /// Whether the table may have changed since.
    is_stale: bool,
    outage: Outage,
    /// Since when the database has not taken the deletions, and whether the log says so.
    locked: Option<(Instant, bool)>,
}

/// Rows that are changes of one table.
struct ChangesOf {
    /// The topic of all events and gaps.
    topic: TopicName,
    check: CheckRecord,
}

impl std::fmt::Debug for ChangesOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChangesOf").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl<S: Store> Reader<S> {
    /// Returns the reader of a store. `name` is the store for the log and the metrics, without secrets.
    pub(crate) fn new(
        store: S,
        hub: &Hub,
        home: Option<TenantId>,
        name: String,
        control: Arc<Control>,
    ) -> Self {
        let metrics = hub.metrics().outbox(&name);
        let outage = Outage::none(&name, hub);
        let (handover, unsettled, gaps, changes) = Default::default();
        let (measured, is_stale, locked, announce_after) = (None, true, None, None);
        Self {
            store,
            hub: hub.downgrade(),
            home,
            changes,
            name,
            metrics,
            control,
            handover,
            unsettled,
            gaps,
            announce_after,
            measured,
            is_stale,
            outage,
            locked,
        }
    }

    /// Says that the rows are changes of a table: events of the domain `store` that name this topic. `check` says whether a
    /// record can be published. What is lost becomes a gap of the topic, and never one of the whole tenant.
    #[allow(dead_code, reason = "the sources of a bridge need it")]
    pub(crate) fn of_changes(mut self, topic: TopicName, check: CheckRecord) -> Self {
        self.changes = Some(ChangesOf { topic, check });
        self.outage.of_changes();
        self
    }

    /// Runs until somebody stops it, or until the hub ends.
    pub(crate) async fn run(mut self) {
        while !self.control.is_stopping() && !self.hub.is_gone() {
            match self.turn().await {
                Ok(has_more) => {
                    self.outage.end();
                    if !has_more {
                        self.rest().await;
                    }
                }
                Err(error) => self.wait_out(error).await,
            }
        }
        self.settle_at_the_end().await;
    }

    /// Publishes the next batch. Returns whether there may be more rows.
    async fn turn(&mut self) -> Result<bool, StoreError> {
        self.announce().await;
        if self.unsettled.due().is_some_and(|due| due <= Instant::now()) {
            self.settle().await;
        }
        self.outage.ask(Instant::now());
        self.measure().await?;
        if self.unsettled.is_full() {
            return Ok(false);
        }
        self.take_turn().await?;
        let read = Instant::now();
        let rows = self.store.read(self.unsettled.ids()).await?;
        // The hub may take longer for the rows. That is no silence of the outbox.
        self.outage.end();
        if rows.is_empty() {
            return Ok(false);
        }
        self.is_stale = true;
        self.unsettled.read(rows.iter().map(|row| row.id.clone()));
        self.publish(rows, read).await;
        Ok(true)
    }

    /// Succeeds if it is this reader's turn. Tells the subscribers what they have missed while it was another's.
    async fn take_turn(&mut self) -> Result<(), StoreError> {
        let taken = match (&self.changes, &self.home) {
            (Some(_), Some(tenant)) => self.handover.of_changes(&mut self.store, &self.hub, tenant).await,
            _ => self.handover.of_outbox(&mut self.store, &self.hub).await,
        };
        if self.handover.owes_gap() {
            self.announce().await;
        }
        taken
    }

    /// Publishes rows in their order. If the journal does not answer, it tries the rest again.
    async fn publish(&mut self, mut rows: Vec<OutboxRow>, read: Instant) {
        let mut pause = FIRST_PAUSE;
        loop {
            self.hold_old(&mut rows, read.elapsed());
            rows = self.hand_over(rows).await;
            if rows.is_empty() {
                return;
            }
            if self.control.is_stopping() || self.hub.is_gone() {
                return self.unsettled.give_back(rows.into_iter().map(|row| row.id));
            }
            self.is_stale = true;
            // The database may be away, too. The next turn reports it.
            let _ = self.measure().await;
            self.control.pause(pause).await;
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }

    /// Takes the rows away that are too old to be published. `since` is the time since they were read.
    fn hold_old(&mut self, rows: &mut Vec<OutboxRow>, since: Duration) {
        let Some(max_age) = self.hub.upgrade().map(|hub| hub.log_limits().max_age) else { return };
        let (mut count, mut oldest) = (0, Duration::ZERO);
        rows.retain(|row| {
            let waited = row.age.saturating_add(since);
            let Some(tenant) = too_old(row, self.home.as_ref(), waited, max_age) else { return true };
            let gap = match &self.changes {
                Some(changes) => Gap::Topics(tenant, vec![changes.topic.clone()]),
                None => Gap::Tenant(tenant),
            };
            self.unsettled.hold(gap, Held::Old(row.id.clone()));
            (count, oldest) = (count + 1, oldest.max(waited));
            false
        });
        if count > 0 {
            let (outbox, rows, oldest_seconds) = (&self.name, count, oldest.as_secs());
            tracing::warn!(
                outbox,
                rows,
                oldest_seconds,
                "rows have waited for longer than the log keeps events: their subscribers get a sync instead"
            );
        }
    }

    /// Hands rows to the hub in their order, and awaits the answers. Returns the rows that need another try.
    async fn hand_over(&mut self, rows: Vec<OutboxRow>) -> Vec<OutboxRow> {
        let (mut handed_over, mut drafts) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        let Some(hub) = self.hub.upgrade() else { return rows };
        for row in rows {
            if row.is_gap {
                self.hold_gap(row.id);
                continue;
            }
            match self.judge(&row) {
                Ok(draft) => {
                    handed_over.push(row);
                    drafts.push(draft);
                }
                Err(refusal) => self.refuse(row.id, refusal),
            }
        }
        let answers = hub.publish_all(drafts);
        // While the answers are on their way, the reader does not keep the hub.
        drop(hub);
        let mut again = Vec::new();
        for (row, answer) in handed_over.into_iter().zip(answers) {
            let answer = tokio::select! {
                answer = answer => answer,
                () = self.control.end_of_stop() => {
                    again.push(row);
                    continue;
                }
            };
            match answer {
                Ok(_) => {
                    self.metrics.published.inc();
                    self.unsettled.published(row.id, Instant::now());
                }
                Err(error) if error.code().may_retry() => again.push(row),
                Err(error) => {
                    let (draft, Some(hub)) = (self.judge(&row), self.hub.upgrade()) else {
                        again.push(row);
                        continue;
                    };
                    let refusal =
                        draft.map_or_else(|refusal| refusal, |draft| refused(draft, &error, hub.domains()));
                    self.refuse(row.id, refusal);
                }
            }
        }
        again
    }

    fn judge(&self, row: &OutboxRow) -> Result<RawPublish, Refusal> {
        let draft = judge(row, self.home.as_ref())?;
        match &self.changes {
            Some(changes) => check_record(draft, &changes.check),
            None => Ok(draft),
        }
    }

    /// Notes that a row can't be published. It becomes a dead letter when its gap is announced.
    fn refuse(&mut self, id: RowId, Refusal { code, reason, gap }: Refusal) {
        let gap = match (gap, &self.changes) {
            (Gap::Tenant(tenant), Some(changes)) => Gap::Topics(tenant, vec![changes.topic.clone()]),
            (gap, _) => gap,
        };
        self.unsettled.hold(gap, Held::Dead(Dead { id, code, reason }));
    }

    /// Notes a row that stands for a loss. It is done when its gap is announced.
    fn hold_gap(&mut self, id: RowId) {
        self.unsettled.hold(self.whole_gap(), Held::Lost(id));
    }

    /// Returns the gap of all that may be in the table.
    fn whole_gap(&self) -> Gap {
        match (&self.home, &self.changes) {
            (Some(tenant), Some(changes)) => Gap::Topics(tenant.clone(), vec![changes.topic.clone()]),
            (Some(tenant), None) => Gap::Tenant(tenant.clone()),
            (None, _) => Gap::Nobody,
        }
    }

    /// Announces the gaps of rows that are not published. Only then may these rows leave the outbox: a crash in between
    /// announces a gap again, and loses none. One gap of a whole tenant covers all of its rows that wait for one. Returns when
    /// the next gap is due.
    async fn announce(&mut self) -> Option<Instant> {
        let now = Instant::now();
        if let Some(due) = self.announce_after.filter(|due| now < *due) {
            return Some(due);
        }
        let hub = self.hub.upgrade()?;
        let (mut announced, mut next) = (Vec::new(), None);
        let (mut of_tenants, mut of_topics) = (BTreeMap::<_, Vec<_>>::new(), BTreeMap::<_, Vec<_>>::new());
        let missed = self.handover.owes_gap().then(|| self.whole_gap());
        match missed.clone() {
            Some(Gap::Topics(tenant, topics)) => _ = of_topics.entry((tenant, topics)).or_default(),
            Some(Gap::Tenant(tenant)) => _ = of_tenants.entry(tenant).or_default(),
            // Nobody knows which tenants the rows were for.
            Some(Gap::Nobody) => self.handover.has_told(),
            None => {}
        }
        for (gap, held) in self.unsettled.take_held() {
            match (gap, held) {
                (Gap::Nobody, held) => self.unsettled.announced(held, now),
                (Gap::Topics(tenant, topics), Held::Dead(dead)) => {
                    let syncing = hub.tenant(&tenant).sync_raw(&topics, Some(dead.id.gap_key()));
                    announced.push((syncing, Gap::Topics(tenant, topics), vec![Held::Dead(dead)]));
                }
                (Gap::Topics(tenant, topics), held) => {
                    of_topics.entry((tenant, topics)).or_default().push(held);
                }
                (Gap::Tenant(tenant), held) => of_tenants.entry(tenant).or_default().push(held),
            }
        }
        for ((tenant, topics), held) in of_topics {
            let syncing = hub.tenant(&tenant).sync_raw(&topics, None);
            announced.push((syncing, Gap::Topics(tenant, topics), held));
        }
        for (tenant, held) in of_tenants {
            match self.gaps.take(&tenant, now) {
                Ok(()) => announced.push((hub.tenant(&tenant).sync_all(), Gap::Tenant(tenant), held)),
                Err(due) => {
                    next = Some(next.map_or(due, |next: Instant| next.min(due)));
                    let gap = Gap::Tenant(tenant);
                    held.into_iter().for_each(|held| self.unsettled.hold(gap.clone(), held));
                }
            }
        }
        drop(hub);
        self.announce_after = None;
        for (syncing, gap, held) in announced {
            let announcing = async {
                match (syncing.await, &gap) {
                    // The key has announced other topics, before a restart with other domains.
                    (Err(error), Gap::Topics(tenant, topics)) if !error.code().may_retry() => {
                        let Some(hub) = self.hub.upgrade() else { return false };
                        let syncing = hub.tenant(tenant).sync_raw(topics, None);
                        drop(hub);
                        syncing.await.is_ok()
                    }
                    (answer, _) => answer.is_ok(),
                }
            };
            let is_announced = tokio::select! {
                is_announced = announcing => is_announced,
                () = self.control.end_of_stop() => false,
            };
            let now = Instant::now();
            if !is_announced {
                self.announce_after = Some(now + LONGEST_PAUSE);
            } else if missed.as_ref() == Some(&gap) {
                self.handover.has_told();
            }
            for held in held {
                if is_announced {
                    self.metrics.too_old.inc_by(matches!(held, Held::Old(_)).into());
                    self.unsettled.announced(held, now);
                } else {
                    self.unsettled.hold(gap.clone(), held);
                }
            }
        }
        [next, self.announce_after].into_iter().flatten().min()
    }

    /// Deletes the answered rows. If that fails, it is tried again later. Meanwhile the reader goes on until [`Unsettled`] is
    /// full.
    async fn settle(&mut self) {
        let (done, dead) = self.unsettled.answered();
        let claimed = match (&self.changes, &self.home) {
            (Some(_), Some(tenant)) => self.handover.claim(&mut self.store, &self.hub, tenant).await,
            _ => Ok(()),
        };
        let settled = match claimed {
            Ok(()) => self.store.settle(done, dead).await,
            Err(error) => Err(error),
        };
        match settled {
            Ok(()) => {
                if let Some(first) = dead.first() {
                    // The reason may quote the row, so it is not logged.
                    let (outbox, rows, code) = (&self.name, dead.len(), first.code.as_str());
                    let listed = match self.changes {
                        Some(_) => "the bridge's table of dead letters has the reasons",
                        None => "`tidings journal dead-letters` lists them",
                    };
                    tracing::warn!(
                        outbox,
                        rows,
                        code,
                        "rows can't be published, and are dead letters now: {listed}"
                    );
                }
                self.unsettled.settled();
                self.locked = None;
            }
            Err(error) => {
                self.unsettled.put_off(Instant::now() + LONGEST_PAUSE);
                let (since, is_logged) = self.locked.get_or_insert_with(|| (Instant::now(), false));
                let is_long = !error.is_busy || since.elapsed() > LONG_LOCK;
                if is_long && !std::mem::replace(is_logged, true) {
                    tracing::error!(outbox = self.name, %error, "published rows can't be deleted yet");
                }
            }
        }
    }

    /// Settles before the reader ends. What remains is published again by the next reader, with the same keys.
    async fn settle_at_the_end(&mut self) {
        let end = self.control.stop.borrow().unwrap_or_else(Instant::now);
        while self.unsettled.due().is_some() {
            self.settle().await;
            if self.unsettled.due().is_none() || Instant::now() >= end {
                return;
            }
            tokio::time::sleep(FIRST_PAUSE).await;
        }
    }

    /// Waits until there is something to do.
    async fn rest(&mut self) {
        let held = self.announce().await;
        let measure = self.measured.filter(|_| self.is_stale).map(|measured| measured + MEASURE_INTERVAL);
        let due = [held, self.unsettled.due(), measure].into_iter().flatten().min();
        let is_full = self.unsettled.is_full();
        tokio::select! {
            () = self.store.changed(), if !is_full => self.is_stale = true,
            () = self.control.wake.notified(), if !is_full => {}
            () = at(due) => {}
            _ = self.control.stopping() => {}
        }
    }

    /// Waits after an error, and opens the database again if it is more than a lock.
    async fn wait_out(&mut self, error: StoreError) {
        let pause = self.outage.note(&error, Instant::now());
        self.control.pause(pause).await;
        if !error.is_busy
            && let Err(error) = self.store.reopen().await
        {
            tracing::debug!(outbox = self.name, %error, "the database can't be opened");
        }
    }

    /// Looks once a second at what waits, for the metrics.
    async fn measure(&mut self) -> Result<(), StoreError> {
        let is_early = self.measured.is_some_and(|measured| measured.elapsed() < MEASURE_INTERVAL);
        if !self.is_stale || is_early {
            return Ok(());
        }
        let waiting = self.store.waiting(self.unsettled.last_answered()).await?;
        self.metrics.set(waiting.rows, waiting.oldest, waiting.dead);
        (self.measured, self.is_stale) = (Some(Instant::now()), false);
        Ok(())
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests;
