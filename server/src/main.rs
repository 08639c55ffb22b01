//! The `tidings` binary: the hub as a server of its own, and tools to talk to one.

mod cli;

fn main() -> std::process::ExitCode {
    cli::run()
}
