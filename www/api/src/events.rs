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
}

impl<'a> Events<'a> {
    pub(crate) fn new(transaction: &'a Transaction<'a>, origin: Option<String>) -> Self {
        Self { transaction, origin }
    }

    /// Adds an event. It goes to the topics that it computes itself.
    ///
    /// # Errors
    /// An error of the database. The write must fail with it.
    pub(crate) fn add<E: Event>(&self, event: &E) -> Result<(), Fault> {
        let options = PublishOptions::default().origin(self.origin.clone());
        Ok(sqlite::insert(self.transaction, None, event, options)?)
    }
}
