//! The time and the random number that come with every input.

/// The time of a `handle_*`, and a random number that was not used before.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Milliseconds since any fixed moment. They never decrease.
    pub ms: u64,
    /// A random number, evenly distributed. It need not be secret.
    pub random: u32,
}
