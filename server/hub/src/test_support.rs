//! Helpers of the unit tests.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use futures_util::FutureExt;
use tidings_shared::{RawEvent, TopicName};
use uuid::Uuid;

use crate::{
    Host, Moment,
    log::{Log, LogLimits},
    publication::Draft,
};

/// The moment `seconds` after the start.
pub(crate) fn at(seconds: u64) -> Moment {
    Moment { since_start: Duration::from_secs(seconds), unix_ms: 1_700_000_000_000 + seconds * 1000 }
}

pub(crate) fn topic(name: &str) -> TopicName {
    name.parse().unwrap()
}

/// Returns the output of a future that is ready at once.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().unwrap()
}

/// A publication to these topics whose key is `key`.
pub(crate) fn draft(key: u128, topics: &[&str]) -> Draft {
    Draft {
        key: Uuid::from_u128(key),
        may_come_again: true,
        origin: None,
        topics: topics.iter().map(|name| topic(name)).collect(),
        event: RawEvent::parse(r#"{"domain":"x","event":"y","payload":{}}"#).unwrap(),
    }
}

/// A log of at most `max_entries`.
pub(crate) fn log(max_entries: usize) -> Log {
    Log::new(LogLimits { max_entries, ..LogLimits::default() }, 7)
}

/// A host whose time stands still, and whose keys and epochs are numbers in order.
#[derive(Debug, Default)]
pub(crate) struct TestHost(AtomicU64);

impl Host for TestHost {
    fn now(&self) -> Moment {
        at(0)
    }

    fn new_key(&self) -> Uuid {
        Uuid::from_u128(self.0.fetch_add(1, Ordering::Relaxed).into())
    }

    fn new_epoch(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}
