//! The loop of an outbox, or of the changes of a bridge, in the database of the hub's journal.
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

use tidings_hub::{Host as _, Hub, TenantId, WeakHub, metrics::OutboxMetrics};
use tidings_shared::{Code, TopicName};
use uuid::Uuid;

use super::{
    batches::{Batch, Batches},
    control::{Control, at},
    judge::CheckRecord,
    outage::Outage,
    row::{OutboxRow, RowId},
    store::{READ_ROWS, Store, StoreError},
};
use crate::SystemHost;

/// Time between two looks, while this node takes rows.
const BUSY_POLL: Duration = Duration::from_millis(5);

/// For this long after it has taken rows, a node looks every [`BUSY_POLL`].
const BUSY: Duration = Duration::from_secs(1);

/// Time between two looks, while no node takes rows.
const POLL: Duration = Duration::from_millis(40);

/// Time between two looks, while another node takes rows. A look also shows when the other node has stopped.
const OTHER_POLL: Duration = Duration::from_millis(100);

/// The longest time for which a node leaves a row to the other node. The other node may not know the row's event.
const LEFT: Duration = Duration::from_secs(2);

/// After a turn without a full batch, a node rests for this multiple of the turn's duration. So it takes few large batches
/// from a busy database, and leaves the processor to the writers: a batch costs much more than a row.
const REST_PER_WORK: u32 = 3;

/// The longest of these rests.
const LONGEST_REST: Duration = Duration::from_millis(30);

/// Time between two looks at what waits in the table, for the metrics, if there was something.
const MEASURE_INTERVAL: Duration = Duration::from_secs(1);

/// Time between two looks at a table where nothing waits. A person may have changed its dead letters.
const IDLE_MEASURE_INTERVAL: Duration = Duration::from_secs(10);

/// Time between two lines of the log about dead letters. Each has the number of all since the last line.
const SAY_INTERVAL: Duration = Duration::from_secs(1);

/// A table in the database of the hub's journal. All nodes take its rows.
#[allow(async_fn_in_trait, reason = "a store stays on its thread, so its futures need not be `Send`")]
pub(crate) trait Sequence: Store {
    /// Looks for a row that is not among these. This costs the database less than a read.
    ///
    /// # Errors
    /// The database does not answer.
    async fn look(&mut self, waiting: &[RowId], node: Uuid) -> Result<Seen, StoreError>;

    /// Reads the next rows that are not among these.
    ///
    /// # Errors
    /// The database does not answer.
    async fn next_rows(&mut self, waiting: &[RowId]) -> Result<Vec<OutboxRow>, StoreError>;

    /// Appends a batch to the journal and deletes its rows, in one transaction.
    ///
    /// # Errors
    /// The database does not answer. Nothing has changed, or everything.
    async fn sequence(
        &mut self,
        node: Uuid,
        batch: &Batch,
        new_epoch: &mut dyn FnMut() -> u64,
    ) -> Result<Sequenced, StoreError>;

    /// Says that this node takes no more rows: the others need not wait.
    ///
    /// # Errors
    /// The database does not answer.
    async fn stop_sequencing(&self, node: Uuid) -> Result<(), StoreError>;
}

/// What a look has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The time since the first row was written, if there is one.
    pub(crate) age: Option<Duration>,
    /// Whether another node took rows a moment ago.
    pub(crate) is_another_at_work: bool,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sequenced {
    /// Rows with events that were still there, and now are published.
    pub(crate) published: u64,
    /// Rows that were too old, and have a gap now.
    pub(crate) too_old: u64,
    /// Rows that became dead letters.
    pub(crate) buried: u64,
    /// Rows with the key of another publication. They are still there.
    pub(crate) refused: Vec<i64>,
}

/// The sequencer of one node.
#[derive(Debug)]
pub(crate) struct Sequencer<S> {
    store: S,
    /// The end of the hub ends the sequencer.
    hub: WeakHub,
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

impl<S: Sequence> Sequencer<S> {
    /// Returns the sequencer of a store. `name` is the store for the log and the metrics, without secrets.
    pub(crate) fn new(
        store: S,
        hub: &Hub,
        home: Option<TenantId>,
        name: String,
        control: Arc<Control>,
    ) -> Self {
        let (metrics, batches) = (hub.metrics().outbox(&name), Batches::new(home));
        let outage = Outage::none(&name, hub);
        Self {
            store,
            hub: hub.downgrade(),
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

    /// Says that the rows are changes of a table: see [`Reader::of_changes`](super::reader::Reader::of_changes).
    pub(crate) fn of_changes(mut self, topic: TopicName, check: CheckRecord) -> Self {
        self.batches = self.batches.of_changes(topic, check);
        self.outage.of_changes();
        self
    }

    /// Runs until somebody stops it, or until the hub ends.
    pub(crate) async fn run(mut self) {
        while !self.control.is_stopping() && !self.hub.is_gone() {
            let begun = Instant::now();
            self.outage.ask(begun);
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
        if seen.age.is_some_and(is_mine) && !self.batches.is_full() {
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
        let Some(hub) = self.hub.upgrade() else { return Ok(false) };
        let batch = self.batches.next(&hub, rows, now);
        if batch.is_empty() {
            return Ok(is_full);
        }
        let host = self.host;
        let sequenced = self.store.sequence(self.node, &batch, &mut || host.new_epoch()).await?;
        for row in batch.rows.iter().filter(|row| sequenced.refused.contains(&row.id)) {
            self.batches.has_other_key(&hub, &batch, row);
        }
        if sequenced.published + sequenced.too_old + sequenced.buried > 0 {
            self.took = Some(Instant::now());
            hub.follow_journal();
            self.measure_after = self.measure_after.map(|after| after.min(now + MEASURE_INTERVAL));
        }
        self.metrics.published.inc_by(sequenced.published);
        self.metrics.too_old.inc_by(sequenced.too_old);
        if sequenced.too_old > 0 {
            let (outbox, rows) = (&self.name, sequenced.too_old);
            tracing::warn!(
                outbox,
                rows,
                "rows have waited for longer than the log keeps events: their subscribers get a sync instead"
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
        let listed = match self.batches.are_of_changes() {
            true => "the bridge's table of dead letters has the reasons",
            false => "`tidings journal dead-letters` lists them",
        };
        tracing::warn!(outbox, rows, code, "rows can't be published, and are dead letters now: {listed}");
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
            tracing::debug!(outbox = self.name, %error, "the database can't be opened");
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
