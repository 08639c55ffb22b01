//! The loop of an outbox in the database of the hub's journal.
//!
//! ```text
//! look ─▶ read a batch ─▶ check each row ─▶ one call: append the entries, move dead letters, delete the rows
//!                             └▶ wait: for a newer server, or for the gap of a tenant
//! ```
//!
//! Every node runs it. A row is published once, because the call takes only rows that are still there, under a lock. No
//! transaction stays open between two statements. So a node that dies or is frozen holds nothing.
//!
//! The node that took rows last goes on, and the others leave fresh rows to it: otherwise each node would read, check and
//! send each row. This is no lock. A node that has not taken rows for half a second is not waited for.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tidings_hub::{Host as _, Hub, TenantId, metrics::OutboxMetrics};
use tidings_shared::Code;
use uuid::Uuid;

use super::{
    batches::Batches,
    control::{Control, at},
    outage::Outage,
    postgres::PostgresStore,
    store::{READ_ROWS, Store as _, StoreError},
};
use crate::SystemHost;

/// Time between two looks, while this node takes rows.
const BUSY_POLL: Duration = Duration::from_millis(5);

/// For this long after it has taken rows, a node looks every [`BUSY_POLL`].
const BUSY: Duration = Duration::from_secs(1);

/// Time between two looks, while no node takes rows.
const POLL: Duration = Duration::from_millis(40);

/// Time between two looks, while another node takes rows. A look also notices that it no longer does.
const OTHER_POLL: Duration = Duration::from_millis(100);

/// The longest time for which a node leaves a row to the other node. The other node may not know the row's event.
const LEFT: Duration = Duration::from_secs(2);

/// A node rests for this many times as long as its last turn took, if the turn has not taken a full batch. So it takes few
/// large batches from a busy database, and leaves the processor to the writers: a batch costs much more than a row.
const REST_PER_WORK: u32 = 3;

/// The longest of these rests.
const LONGEST_REST: Duration = Duration::from_millis(30);

/// Time between two looks at what waits in the table, for the metrics, if there was something.
const MEASURE_INTERVAL: Duration = Duration::from_secs(1);

/// Time between two looks at a table where nothing waits. A person may have changed its dead letters.
const IDLE_MEASURE_INTERVAL: Duration = Duration::from_secs(10);

/// Time between two lines of the log about dead letters. Each has the number of all since the last line.
const SAY_INTERVAL: Duration = Duration::from_secs(1);

/// The sequencer of one node.
#[derive(Debug)]
pub(super) struct Sequencer {
    store: PostgresStore,
    hub: Hub,
    /// The outbox for the log, without secrets.
    name: String,
    /// This run, for the other nodes.
    node: Uuid,
    host: SystemHost,
    metrics: OutboxMetrics,
    control: Arc<Control>,
    batches: Batches,
    outage: Outage,
    /// When this node last took rows.
    took: Option<Instant>,
    /// How long the last turn took.
    worked: Duration,
    is_another_at_work: bool,
    /// When to look again at what waits, for the metrics.
    measure_after: Option<Instant>,
    /// Dead letters that the log does not have yet.
    unsaid: u64,
    /// When the log last named dead letters.
    said: Option<Instant>,
}

impl Sequencer {
    pub(super) fn new(
        store: PostgresStore,
        hub: Hub,
        home: Option<TenantId>,
        name: String,
        control: Arc<Control>,
    ) -> Self {
        let (metrics, batches) = (hub.metrics().outbox(&name), Batches::new(hub.clone(), home));
        let outage = Outage::none(&name, &metrics);
        Self {
            store,
            hub,
            name,
            node: Uuid::new_v4(),
            host: SystemHost::start(),
            metrics,
            control,
            batches,
            outage,
            took: None,
            worked: Duration::ZERO,
            is_another_at_work: false,
            measure_after: None,
            unsaid: 0,
            said: None,
        }
    }

    /// Runs until somebody stops it.
    pub(super) async fn run(mut self) {
        while !self.control.is_stopping() {
            let begun = Instant::now();
            let turned = self.turn().await;
            self.worked = begun.elapsed();
            match turned {
                Ok(has_more) => {
                    self.outage.end();
                    if !has_more {
                        self.rest().await;
                    }
                }
                Err(error) => self.wait_out(error).await,
            }
        }
        // If this fails, the others wait for half a second.
        let _ = tokio::time::timeout(BUSY, self.store.stop_sequencing(self.node)).await;
    }

    /// Takes the next batch. Returns whether many more rows may wait.
    async fn turn(&mut self) -> Result<bool, StoreError> {
        self.measure().await?;
        let now = Instant::now();
        let waiting = self.batches.waiting(now);
        let seen = self.store.look(&waiting, self.node).await?;
        self.is_another_at_work = seen.is_another_at_work;
        let is_mine = |age: Duration| !seen.is_another_at_work || age >= LEFT;
        let mut rows = Vec::new();
        if seen.age.is_some_and(is_mine) {
            rows = self.store.next_rows(&waiting).await?;
            // Later rows of a writer must not overtake earlier ones.
            let mine = rows.iter().take_while(|row| is_mine(row.age)).count();
            rows.truncate(mine);
        }
        let (has_rows, is_full) = (!rows.is_empty(), rows.len() >= READ_ROWS);
        let now = Instant::now();
        if !has_rows && self.batches.due(now).is_none_or(|due| now < due) {
            return Ok(false);
        }
        let batch = self.batches.next(rows, now);
        if batch.is_empty() {
            return Ok(is_full);
        }
        let host = self.host;
        let sequenced = self.store.sequence(self.node, &batch, &mut || host.new_epoch()).await?;
        for row in batch.rows.iter().filter(|row| sequenced.refused.contains(&row.id)) {
            self.batches.has_other_key(&batch, row);
        }
        if sequenced.published + sequenced.too_old + sequenced.buried > 0 {
            self.took = Some(Instant::now());
            self.hub.follow_journal();
            self.measure_after = self.measure_after.map(|after| after.min(now + MEASURE_INTERVAL));
        }
        self.metrics.published.inc_by(sequenced.published);
        self.metrics.too_old.inc_by(sequenced.too_old);
        if sequenced.too_old > 0 {
            let (outbox, rows) = (&self.name, sequenced.too_old);
            tracing::warn!(
                outbox,
                rows,
                "rows have waited for longer than the log keeps events: their tenants get a sync instead"
            );
        }
        if let Some(first) = batch.dead.first().filter(|_| sequenced.buried > 0) {
            self.say_dead(sequenced.buried, first.code);
        }
        Ok(is_full)
    }

    /// Logs dead letters, at most once a second.
    fn say_dead(&mut self, rows: u64, code: Code) {
        self.unsaid += rows;
        if self.said.is_some_and(|said| said.elapsed() < SAY_INTERVAL) {
            return;
        }
        // The reason may quote the row, so it is not logged.
        let (outbox, rows, code) = (&self.name, std::mem::take(&mut self.unsaid), code.as_str());
        tracing::warn!(
            outbox,
            rows,
            code,
            "rows can't be published, and are dead letters now: `tidings journal dead-letters` lists them"
        );
        self.said = Some(Instant::now());
    }

    /// Waits until there is something to do.
    async fn rest(&mut self) {
        let is_busy = self.took.is_some_and(|took| took.elapsed() < BUSY);
        let poll = match (self.is_another_at_work, is_busy) {
            (true, _) => OTHER_POLL,
            (false, true) => BUSY_POLL,
            (false, false) => POLL,
        };
        let now = Instant::now();
        let due = self.batches.due(now).map_or(now + poll, |due| due.min(now + poll));
        self.control.pause((REST_PER_WORK * self.worked).min(LONGEST_REST)).await;
        tokio::select! {
            () = at(Some(due)) => {}
            () = self.control.wake.notified() => {}
            _ = self.control.stopping() => {}
        }
    }

    /// Waits after an error, and opens the database again.
    async fn wait_out(&mut self, error: StoreError) {
        let pause = self.outage.note(&error, Instant::now());
        self.control.pause(pause).await;
        // The call may have taken some of the rows.
        self.batches.forget();
        if let Err(error) = self.store.reopen().await {
            tracing::debug!(outbox = self.name, %error, "the outbox can't be opened");
        }
    }

    /// Looks now and then at what waits, for the metrics.
    async fn measure(&mut self) -> Result<(), StoreError> {
        if self.measure_after.is_some_and(|after| Instant::now() < after) {
            return Ok(());
        }
        let waiting = self.store.waiting(None).await?;
        self.metrics.set(waiting.rows, waiting.oldest, waiting.dead);
        let interval = if waiting.rows > 0 { MEASURE_INTERVAL } else { IDLE_MEASURE_INTERVAL };
        self.measure_after = Some(Instant::now() + interval);
        Ok(())
    }
}
