//! Properties that hold of any input: the log and its readers against a naive model, frames and names that are written
//! and read again, and the client core under hostile input. What is drawn depends on a fixed seed, so that a run says
//! the same everywhere; a failure shrinks to the smallest input.

mod client;
mod codec;
mod log;

use proptest::test_runner::{Config, RngAlgorithm, RngSeed};

/// This many inputs, always the same.
fn cases(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: None,
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(0x7469_6469_6e67_7300),
        ..Config::default()
    }
}
