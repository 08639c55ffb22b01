//! The application behind the gateway's own accept loop.

use std::process::ExitCode;

use tidings_test_host::{Mode, run};

// The allocator of `tidings`: tests measure memory.
#[cfg(unix)]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    run(Mode::Serve)
}
