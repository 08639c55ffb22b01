//! Time and randomness, as every input brings them.

/// The moment of a `handle_*`: the time, and a random number that was not used before.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Milliseconds of a clock that does not run backwards, from any start.
    pub ms: u64,
    /// Any number, evenly distributed; it need not be secret.
    pub random: u32,
}
