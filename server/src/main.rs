//! The `tidings` binary: the hub as a server of its own, and tools to talk to one.

use tidings_shared::Domains;

const _: () = tidings_shared::planted::assert_none();

fn main() -> std::process::ExitCode {
    tidings_server::cli::run(Domains::shipped())
}
