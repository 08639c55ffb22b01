//! The `tidings` binary: the hub as a server of its own, and tools to talk to one.

use tidings_shared::Domains;

#[cfg(unix)]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    tidings_server::cli::run(Domains::shipped())
}
