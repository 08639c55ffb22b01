//! Properties that hold for any input. The log and its readers are compared with a naive model. Frames and names are
//! written and read again. The client core gets hostile input. The inputs follow from a fixed seed, so that every run is
//! the same. A failure shrinks to the smallest input.

mod client;
mod codec;
mod log;
mod payloads;

use proptest::test_runner::{Config, RngAlgorithm, RngSeed};

/// Returns the settings for this many inputs, or for as many as `PROPTEST_CASES` says.
fn cases(cases: u32) -> Config {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    Config {
        cases: asked.unwrap_or(cases),
        failure_persistence: None,
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(0x7469_6469_6e67_7300),
        ..Config::default()
    }
}
