//! The command line. Exit codes: 0 when done, 1 when something failed, 2 for bad usage or configuration.

mod config;
mod serve;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// Typed change events from a backend to every open browser tab.
#[derive(Debug, Parser)]
#[command(name = "tidings", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the hub and its WebSocket and HTTP endpoints
    Serve(Box<serve::Serve>),
}

/// Why a command ended early.
#[derive(Debug)]
enum Failure {
    /// Bad usage or configuration: exit code 2.
    Usage(String),
    /// It could not be done: exit code 1.
    Failed(String),
}

/// Runs what the arguments ask for.
pub(crate) fn run() -> ExitCode {
    let command = match config::apply(Cli::command(), std::env::args_os()) {
        Ok(command) => command,
        Err(failure) => return report(&failure),
    };
    let cli = Cli::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit());
    let done = match cli.command {
        Command::Serve(serve) => serve.run(),
    };
    done.map_or_else(|failure| report(&failure), |()| ExitCode::SUCCESS)
}

fn report(failure: &Failure) -> ExitCode {
    let (message, code) = match failure {
        Failure::Usage(message) => (message, 2),
        Failure::Failed(message) => (message, 1),
    };
    eprintln!("error: {message}");
    ExitCode::from(code)
}
