//! What a store implements, so that its changes become events.

use std::{
    any::type_name,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tidings_hub::{Hub, TenantId, WeakHub};
use tidings_shared::{RawEvent, TopicName, domains::store::Schema};

use super::{changes::Changes, error::SourceError, event::event};

/// A store that tells of its changes. See the [module](super) for an example.
pub trait Source: Send + Sync + 'static {
    /// Names the store, without secrets: for the log, for the metrics, and to know it again. Two handles of one store have the
    /// same name, also on several nodes. Two stores have different names.
    fn name(&self) -> String;

    /// Begins to tell of the changes of a schema. From the moment when the future is ready, each committed change is told by
    /// [`request.changes()`](Request::changes), in the order of the commits.
    ///
    /// The bridge calls it again after a feed has [failed](Changes::failed).
    ///
    /// # Errors
    /// [`SourceError::NotSupported`]: the store can't tell of its changes. [`SourceError::Failed`]: it can't at the moment.
    fn subscribe(&self, request: Request) -> BoxFuture<'_, Result<Feed, SourceError>>;
}

impl<S: Source + ?Sized> Source for Arc<S> {
    fn name(&self) -> String {
        (**self).name()
    }

    fn subscribe(&self, request: Request) -> BoxFuture<'_, Result<Feed, SourceError>> {
        (**self).subscribe(request)
    }
}

/// What a bridge asks of a source.
#[derive(Debug, Clone)]
pub struct Request {
    pub(super) hub: WeakHub,
    pub(super) tenant: TenantId,
    pub(super) schema: Schema,
    pub(super) topic: TopicName,
    pub(super) check: Check,
    pub(super) changes: Changes,
}

impl Request {
    /// Returns the hub, if it has not ended. A feed must not keep it: then the hub and the feed would never end.
    pub fn hub(&self) -> Option<Hub> {
        self.hub.upgrade()
    }

    /// Returns the tenant that gets the events.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Returns the name of the records in the store.
    pub fn schema(&self) -> &str {
        self.schema.as_str()
    }

    /// Returns the topic of the events.
    pub fn topic(&self) -> &TopicName {
        &self.topic
    }

    /// Checks whether a record decodes as the type that the bridge was started with. The bridge itself checks what comes by
    /// [`changes`](Self::changes).
    ///
    /// # Errors
    /// A sentence that says why not. It may quote the record.
    pub fn check(&self, record: &RawValue) -> Result<(), String> {
        self.check.check(record).map_err(|fault| fault.reason)
    }

    /// Returns the event of a change, as the bridge publishes it. Without a record, the key was deleted.
    ///
    /// # Errors
    /// A sentence that says why the record can't be published: it is too large, for example.
    pub fn event(&self, key: &str, record: Option<&RawValue>) -> Result<RawEvent, String> {
        event(&self.schema, key, record)
    }

    /// Returns the hand-off to the bridge.
    pub fn changes(&self) -> Changes {
        self.changes.clone()
    }
}

/// A feed: the source tells of changes until it is stopped.
///
/// A bridge drops a feed without stopping it when the feed has [failed](Changes::failed), and when the hub or the runtime ends.
/// Then the source ends the feed, too, and nobody waits for it. A source that has a registration in its store keeps it, so that
/// changes wait there for the next feed. What the future has captured is dropped with the feed, so a guard in it notices this.
pub struct Feed {
    stop: BoxFuture<'static, ()>,
    is_resumed: bool,
}

impl Feed {
    /// Returns a feed. The future `stop` deregisters the callback, and ends when no call of it is running any more.
    pub fn new(stop: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { stop: Box::pin(stop), is_resumed: false }
    }

    /// Says that this feed goes on where the last one of the same bridge ended, also in an earlier process: no change between
    /// them is lost. Without it, the subscribers get a `sync` when the feed begins.
    #[must_use]
    pub fn resumed(mut self) -> Self {
        self.is_resumed = true;
        self
    }

    pub(super) fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    pub(super) fn stop(self) -> BoxFuture<'static, ()> {
        self.stop
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("is_resumed", &self.is_resumed).finish_non_exhaustive()
    }
}

/// Decodes records, to see whether they decode.
#[derive(Clone)]
pub(super) struct Check {
    name: &'static str,
    decode: fn(&RawValue) -> Result<(), serde_json::Error>,
}

/// Why a record does not decode.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// A sentence. It may quote the record.
    pub(super) reason: String,
    /// The part of it that quotes only names of fields.
    pub(super) for_log: String,
}

impl Check {
    pub(super) fn of<R: DeserializeOwned>() -> Self {
        Self { name: type_name::<R>(), decode: |record| serde_json::from_str::<R>(record.get()).map(drop) }
    }

    /// Decodes a record.
    pub(super) fn check(&self, record: &RawValue) -> Result<(), Fault> {
        let Self { name, decode } = self;
        // A panic in the application's code must not end the bridge.
        match catch_unwind(AssertUnwindSafe(|| decode(record))) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                let reason = format!("the record does not decode as {name}: {error}");
                let shows_names = ["missing field", "unknown field", "duplicate field"];
                let for_log = match error.to_string() {
                    text if shows_names.iter().any(|start| text.starts_with(start)) => reason.clone(),
                    _ => format!("the record does not decode as {name}, in column {}", error.column()),
                };
                Err(Fault { reason, for_log })
            }
            Err(_) => {
                let reason = format!("the code that decodes {name} has panicked");
                Err(Fault { for_log: reason.clone(), reason })
            }
        }
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Check").field(&self.name).finish()
    }
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
impl Request {
    /// Returns the check of the events in a table of changes, for a reader of the table.
    pub(crate) fn check_events(&self) -> crate::outbox::judge::CheckRecord {
        let check = self.check.clone();
        crate::outbox::judge::CheckRecord::new(move |event| match super::event::record(event) {
            Ok(Some(record)) => check.check(&record).map_err(|fault| fault.reason),
            Ok(None) => Ok(()),
            Err(reason) => Err(reason),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Link {
        #[allow(dead_code, reason = "it is only decoded")]
        url: String,
    }

    #[test]
    fn a_reason_for_people_says_all_and_one_for_the_log_quotes_no_record() {
        let fault = |text: &str| {
            let record = RawValue::from_string(text.to_owned()).expect("JSON");
            Check::of::<Link>().check(&record).expect_err("a fault")
        };
        let missing = fault("{}");
        assert!(
            missing.reason.contains("missing field `url`") && missing.reason.contains("Link"),
            "{missing:?}"
        );
        assert_eq!(missing.for_log, missing.reason);
        let secret = fault(r#"{"url":7777}"#);
        assert!(secret.reason.contains("7777"), "{secret:?}");
        assert!(!secret.for_log.contains("7777") && secret.for_log.contains("column 11"), "{secret:?}");
    }
}
