//! Connections: accepts them, gives them deadlines and permits, and moves their bytes.

pub(crate) mod accept;
pub(crate) mod addresses;
mod descriptors;
mod echo;
pub(crate) mod hand_over;
mod large_heads;
mod request_head;
mod revoked;
mod socket;
pub(crate) mod transport;
pub(crate) mod worker;
mod write_deadline;
