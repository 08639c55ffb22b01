//! The hub with the help desk's domain beside those that ship: everything that `tidings` can do.

fn main() -> std::process::ExitCode {
    tidings_server::cli::run(tidings_shared::Domains::shipped().with::<helpdesk::Event>())
}
