//! Reads and writes of the data, a file per domain. A read returns the data of one view. A write takes a transaction and
//! adds its events to the outbox. Only `links` adds none: the bridge makes them.

mod assignments;
pub(crate) mod catalogue;
pub(crate) mod crm;
pub(crate) mod links;
pub(crate) mod projects;
pub(crate) mod staff;

#[cfg(test)]
mod tests;
