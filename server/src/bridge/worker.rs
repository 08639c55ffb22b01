//! The task of a bridge.
//!
//! ```text
//! subscribe ─▶ gap ─▶ take the hand-off ─▶ check ─▶ publish, in order ─▶ await the answers ─┐
//!     ▲                       ▲                                └▶ gap for what is lost ─────┤
//!     └─ pause ◀─ failed ◀────┴─────────────────────────────────────────────────────────────┘
//! ```
//!
//! It keeps no hub while it waits: the end of the hub ends it.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use tidings_hub::{Host as _, Hub, PublishOptions, RawPublish, WeakHub, metrics::BridgeMetrics};
use tokio::{task::yield_now, time::timeout};
use uuid::Uuid;

use super::{
    backoff::Backoff,
    changes::{Change, Changes, Taken},
    error::SourceError,
    event::{event, key},
    registry::{Bridges, End, Life},
    source::{Check, Feed, Request, Source},
};
use crate::SystemHost;

/// The longest first pause before the bridge subscribes again. Each further pause is twice as long, until a feed has told of a
/// change.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause before the bridge subscribes again: a store that is back is noticed within it.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The longest pause before events are published again that the journal has not taken.
const LONGEST_PUBLISH_PAUSE: Duration = Duration::from_secs(1);

/// Changes that the bridge publishes at a time. So many share one group of a journal.
const BATCH: usize = 256;

/// Time between two lines of the log about lost changes. Each has the number of all since the last line.
const SAY_INTERVAL: Duration = Duration::from_secs(1);

/// The task of one bridge.
pub(super) struct Worker {
    hub: WeakHub,
    source: Arc<dyn Source>,
    life: Arc<Life>,
    check: Check,
    /// The hand-off of the feed.
    changes: Changes,
    host: SystemHost,
    metrics: BridgeMetrics,
    /// Whether the bridge counts as one without a feed.
    is_without_feed: bool,
    refused: Said,
    lost: Said,
}

/// A change on its way to the hub.
struct Handed {
    change: Change,
    /// The idempotency key.
    key: Uuid,
}

impl Worker {
    pub(super) fn new(hub: &Hub, source: Arc<dyn Source>, life: Arc<Life>, check: Check) -> Self {
        let metrics = hub.metrics().bridge(&life.key.source, life.key.schema.as_str());
        let (is_without_feed, refused, lost) = Default::default();
        let host = SystemHost::start();
        let (hub, changes) = (hub.downgrade(), Changes::new());
        Self { hub, source, life, check, changes, host, metrics, is_without_feed, refused, lost }
    }

    /// Runs until somebody stops the bridge, or the hub ends.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut is_first = true;
        while !self.life.is_ending() {
            // Whoever still has the hand-off of the last feed is not heard any more.
            self.changes.close();
            self.changes = Changes::new();
            let feed = match self.subscribe().await {
                Some(Ok(feed)) => feed,
                Some(Err(error)) if is_first => return self.refuse(error),
                Some(Err(error)) => {
                    self.has_failed(&error);
                    self.pause(&mut backoff).await;
                    continue;
                }
                None => return,
            };
            self.has_feed();
            let gap = (!feed.is_resumed() && !self.life.is_ending()).then(|| self.gap());
            if std::mem::take(&mut is_first) {
                self.life.runs();
            }
            if let Some(gap) = gap {
                self.until_end(gap).await;
            }
            match self.serve(&mut backoff).await {
                Some(error) => {
                    self.has_failed(&error);
                    drop(feed);
                    self.pause(&mut backoff).await;
                }
                None => return self.end(feed).await,
            }
        }
    }

    /// Asks the source for a feed. Returns nothing if the time to end has passed.
    async fn subscribe(&self) -> Option<Result<Feed, SourceError>> {
        let key = &self.life.key;
        let request = Request {
            hub: self.hub.clone(),
            tenant: key.tenant.clone(),
            schema: key.schema.clone(),
            topic: key.topic.clone(),
            check: self.check.clone(),
            changes: self.changes.clone(),
        };
        // The panic of a source must not end the bridge without a word.
        let subscribed = AssertUnwindSafe(async { self.source.subscribe(request).await }).catch_unwind();
        let subscribed = self.until_end(subscribed).await?;
        let panicked = |_| Err(SourceError::Failed(format!("the source {} has panicked", key.source)));
        Some(subscribed.unwrap_or_else(panicked))
    }

    /// Publishes what the feed tells. Returns the error if the feed fails, and nothing if the bridge should end.
    async fn serve(&mut self, backoff: &mut Backoff) -> Option<SourceError> {
        loop {
            let taken = tokio::select! {
                biased;
                _ = self.life.ending() => return None,
                taken = self.changes.take() => taken,
            };
            if !taken.changes.is_empty() {
                backoff.reset();
            }
            if let Some(error) = self.publish(taken).await {
                return Some(error);
            }
        }
    }

    /// Ends the feed, and publishes what was handed over.
    async fn end(&mut self, feed: Feed) {
        if self.life.end() == Some(End::Leave) {
            return;
        }
        let stopped = AssertUnwindSafe(feed.stop()).catch_unwind();
        let stopped = self.until_end(stopped).await;
        if !matches!(stopped, Some(Ok(()))) {
            let (source, schema) = (&self.life.key.source, self.life.key.schema.as_str());
            let has_panicked = stopped.is_some();
            tracing::error!(source, schema, has_panicked, "a source did not end its feed");
        }
        let rest = self.changes.close();
        self.publish(rest).await;
    }

    /// Publishes what was taken, in its order, with a gap for what is lost. Returns the error of the feed, if it has failed.
    async fn publish(&mut self, taken: Taken) -> Option<SourceError> {
        let Taken { changes, is_lost, failed } = taken;
        let (mut has_gap, mut changes) = (is_lost, changes.into_iter());
        if is_lost && let Some(losses) = self.lost.note(1) {
            let (source, schema) = (&self.life.key.source, self.life.key.schema.as_str());
            tracing::warn!(
                source,
                schema,
                losses,
                "a bridge has lost changes, or its source has: the subscribers get a sync"
            );
        }
        loop {
            let batch: Vec<Handed> = changes.by_ref().take(BATCH).map(|change| self.handed(change)).collect();
            if batch.is_empty() {
                break;
            }
            has_gap |= self.hand_over(batch).await;
            // A store that is written without a pause must not keep other tasks of the runtime from their turn.
            yield_now().await;
        }
        if has_gap {
            let gap = self.gap();
            self.until_end(gap).await;
        }
        failed
    }

    /// Hands changes to the hub in their order, and awaits the answers. What the journal does not take is tried again. Returns
    /// whether the subscribers must load again.
    async fn hand_over(&mut self, mut batch: Vec<Handed>) -> bool {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PUBLISH_PAUSE);
        let (mut has_gap, mut is_again) = (false, false);
        loop {
            let (mut handed_over, mut drafts) =
                (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()));
            for handed in batch {
                match self.draft(&handed, is_again) {
                    Ok(draft) => {
                        handed_over.push(handed);
                        drafts.push(draft);
                    }
                    Err(reason) => {
                        self.refused(&reason);
                        has_gap = true;
                    }
                }
            }
            let Some(answers) = self.hub.upgrade().map(|hub| hub.publish_all(drafts)) else { return false };
            let mut again = Vec::new();
            for (handed, answer) in handed_over.into_iter().zip(answers) {
                match self.until_end(answer).await {
                    Some(Ok(_)) => _ = self.metrics.published.inc(),
                    Some(Err(error)) if error.code().may_retry() => again.push(handed),
                    Some(Err(error)) => {
                        self.refused(error.code().as_str());
                        has_gap = true;
                    }
                    None => return has_gap,
                }
            }
            if again.is_empty() || self.life.is_ending() {
                return has_gap;
            }
            self.pause(&mut backoff).await;
            (batch, is_again) = (again, true);
        }
    }

    /// Makes the event of a change. The error is a sentence for the log.
    fn draft(&self, Handed { change, key }: &Handed, is_checked: bool) -> Result<RawPublish, String> {
        if let Some(record) = change.record.as_ref().filter(|_| !is_checked) {
            self.check.check(record).map_err(|fault| fault.for_log)?;
        }
        let bridge = &self.life.key;
        Ok(RawPublish {
            tenant: bridge.tenant.clone(),
            event: event(&bridge.schema, &change.key, change.record.as_deref())?,
            named: Some(vec![bridge.topic.clone()]),
            options: PublishOptions::default().key(*key),
        })
    }

    fn handed(&self, change: Change) -> Handed {
        let bridge = &self.life.key;
        let key = match change.number {
            Some(number) => key(&bridge.source, &bridge.schema, &bridge.topic, number),
            None => self.host.new_key(),
        };
        Handed { change, key }
    }

    /// Tells the subscribers to load again. The hub repeats the gap until the journal has it.
    fn gap(&self) -> impl Future<Output = ()> + use<> {
        self.metrics.gaps.inc();
        let bridge = &self.life.key;
        let syncing = self
            .hub
            .upgrade()
            .map(|hub| hub.tenant(&bridge.tenant).sync_raw(std::slice::from_ref(&bridge.topic), None));
        async move {
            if let Some(syncing) = syncing {
                let _ = syncing.await;
            }
        }
    }

    /// Notes a change that can't be published. `reason` quotes no record.
    fn refused(&mut self, reason: &str) {
        self.metrics.refused.inc();
        if let Some(changes) = self.refused.note(1) {
            let (source, schema) = (&self.life.key.source, self.life.key.schema.as_str());
            tracing::warn!(
                source,
                schema,
                changes,
                reason,
                "changes can't be published: the subscribers get a sync instead"
            );
        }
    }

    /// Notes that there is no first feed.
    fn refuse(&self, error: SourceError) {
        self.forget();
        self.life.refuse(error);
    }

    fn has_failed(&mut self, error: &SourceError) {
        if !std::mem::replace(&mut self.is_without_feed, true) {
            self.metrics.without_feed.inc();
            let (source, schema) = (&self.life.key.source, self.life.key.schema.as_str());
            tracing::error!(source, schema, %error, "a bridge has lost its source, and tries again");
        }
    }

    fn has_feed(&mut self) {
        if std::mem::take(&mut self.is_without_feed) {
            self.metrics.without_feed.dec();
            let (source, schema) = (&self.life.key.source, self.life.key.schema.as_str());
            tracing::info!(source, schema, "a bridge has its source again");
        }
    }

    /// Waits before the next try, or until somebody ends the bridge.
    async fn pause(&self, backoff: &mut Backoff) {
        let _ = timeout(backoff.pause(self.host.new_epoch()), self.life.ending()).await;
    }

    /// Waits for a future. Returns nothing if the time to end has passed before it is ready.
    async fn until_end<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            output = future => Some(output),
            () = self.life.end_of_time() => None,
        }
    }

    fn forget(&self) {
        if let Some(hub) = self.hub.upgrade() {
            hub.extension::<Bridges>().remove(&self.life);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.is_without_feed {
            self.metrics.without_feed.dec();
        }
        if std::thread::panicking() {
            let (source, schema) = (&self.life.key.source, self.life.key.schema.as_str());
            tracing::error!(source, schema, "a bridge has panicked: start it again");
        }
        self.changes.close();
        self.forget();
        self.life.has_ended();
    }
}

/// What the log has been told.
#[derive(Debug, Default)]
struct Said {
    unsaid: u64,
    last: Option<Instant>,
}

impl Said {
    /// Notes something. Returns the number of all that the log should tell now.
    fn note(&mut self, count: u64) -> Option<u64> {
        self.unsaid += count;
        if self.last.is_some_and(|last| last.elapsed() < SAY_INTERVAL) {
            return None;
        }
        self.last = Some(Instant::now());
        Some(std::mem::take(&mut self.unsaid))
    }
}
