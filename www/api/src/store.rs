//! What one can do with the data, a file per domain. Reads answer with exactly the slice that a view shows; writes
//! take a transaction and note the events to announce after its commit.

mod assignments;
pub(crate) mod catalogue;
pub(crate) mod crm;
pub(crate) mod projects;
pub(crate) mod staff;

#[cfg(test)]
mod tests;
