//! The domains that ship. Each is one file. Copy one to make a domain of your own.

pub mod catalogue;
pub mod crm;
pub mod projects;
pub mod staff;
pub mod store;
