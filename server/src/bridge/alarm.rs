//! What a bridge hears of a thread that reads a table of changes.

use super::{changes::Changes, error::SourceError};

/// Tells the bridge if the thread that drops it has panicked. So the bridge subscribes again, and no view is stale without
/// knowing it.
#[derive(Debug)]
pub(super) struct Alarm(Changes);

impl Alarm {
    pub(super) fn new(changes: Changes) -> Self {
        Self(changes)
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.failed(SourceError::Failed("the reader of a table of changes has panicked".to_owned()));
        }
    }
}
