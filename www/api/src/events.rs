//! The events of a write. They are rows of the outbox, in the transaction of the write's data.

use rusqlite::Transaction;
use tidings_server::{PublishOptions, outbox::sqlite};
use tidings_shared::Event;

use crate::fault::Fault;

/// The events of a write. They are published if and only if its transaction commits.
#[derive(Debug)]
pub(crate) struct Events<'a> {
    transaction: &'a Transaction<'a>,
    /// The tag of the tab that writes. It knows its own events by the tag.
    origin: Option<String>,
    /// The calls of [`Events::add`], for the test that leaves each of them out.
    #[cfg(test)]
    calls: Option<&'a crate::coverage::Calls>,
}

impl<'a> Events<'a> {
    pub(crate) fn new(transaction: &'a Transaction<'a>, origin: Option<String>) -> Self {
        Self {
            transaction,
            origin,
            #[cfg(test)]
            calls: None,
        }
    }

    /// Notes the calls, and leaves one out.
    #[cfg(test)]
    pub(crate) fn noting(transaction: &'a Transaction<'a>, calls: &'a crate::coverage::Calls) -> Self {
        Self { transaction, origin: None, calls: Some(calls) }
    }

    /// Adds an event. It goes to the topics that it computes itself.
    ///
    /// # Errors
    /// An error of the database. The write must fail with it.
    #[cfg_attr(test, track_caller)]
    pub(crate) fn add<E: Event>(&self, event: &E) -> Result<(), Fault> {
        #[cfg(test)]
        {
            let caller = std::panic::Location::caller();
            if self.calls.is_some_and(|calls| calls.leaves_out(caller)) {
                return Ok(());
            }
        }
        let options = PublishOptions::default().origin(self.origin.clone());
        Ok(sqlite::insert(self.transaction, None, event, options)?)
    }
}
