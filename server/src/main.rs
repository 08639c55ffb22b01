//! The `tidings` binary: the hub as a stand-alone server, and commands that talk to a server.

use tidings_shared::Domains;

#[cfg(unix)]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    tidings_server::cli::run(Domains::shipped())
}
