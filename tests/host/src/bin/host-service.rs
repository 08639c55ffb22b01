//! The application with the gateway as a layer, inside of `axum::serve`.

use std::process::ExitCode;

use tidings_test_host::{Mode, run};

// The allocator of `tidings`: tests measure memory.
#[cfg(unix)]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    run(Mode::Service)
}
