//! The domains that ship. Each is one file that a user could have written; copy one to make your own.

pub mod catalogue;
pub mod crm;
pub mod projects;
pub mod staff;
pub mod store;
