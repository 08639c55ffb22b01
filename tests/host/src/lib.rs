//! An application of axum that embeds the gateway and has the command line of `tidings`. So every test that drives
//! `tidings serve` can drive this application: `TIDINGS_BIN` names one of its two programs.
//!
//! - `host-serve` hands its router to `gateway.serve`.
//! - `host-service` lays `gateway.service()` over its router, inside of `axum::serve`.
//!
//! Both look up rights in SQLite for each frame.

mod application;
mod looked_up;
mod rights;

use std::process::ExitCode;

use tidings_shared::Domains;

use self::{application::Host, rights::Table};

/// How the application serves its gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `gateway.serve(listener, router, stop)`.
    Serve,
    /// `axum::serve(listener, router.layer(gateway.service()))`.
    Service,
}

/// Runs the command that the process's arguments name, as `tidings` does.
pub fn run(mode: Mode) -> ExitCode {
    // For `cargo xtask bench embedded`, which compares the two programs without the cost of look-ups.
    let are_final = std::env::var_os("HOST_RIGHTS").is_some_and(|rights| rights == "final");
    tidings_server::cli::run_in(Host { mode, rights: Table::new(), are_final }, Domains::shipped())
}
