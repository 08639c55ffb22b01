//! Connections: accepts them, gives them deadlines and permits, and moves their bytes.

pub(crate) mod accept;
pub(crate) mod addresses;
mod descriptors;
mod echo;
mod large_heads;
mod request_head;
pub(crate) mod revoked;
mod socket;
pub(crate) mod worker;
mod write_deadline;
