//! The command line of `tidings`, for a binary of one's own too. Exit codes: 0 when done, 1 when something failed, 2 for
//! bad usage or configuration.

mod config;
mod link;
mod publish;
mod serve;
mod tail;
mod time;
mod token;
mod tokens;

use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use tidings_shared::Domains;
use tracing_subscriber::EnvFilter;

use crate::http::LOG_FILTER;

/// Typed change events from a backend to every open browser tab.
#[derive(Debug, Parser)]
#[command(name = "tidings", version, propagate_version = true, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 when done, also after a drain; 1 when something failed; 2 for bad usage or \
    configuration, with the setting named on standard error.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the hub and its WebSocket and HTTP endpoints
    Serve(Box<serve::Serve>),
    /// Say whether `serve` would start with these settings, without listening
    CheckConfig(Box<serve::Serve>),
    /// Publish one event and print the answer
    Publish(publish::Publish),
    /// Print what is published on some topics
    Tail(tail::Tail),
    /// Make a token and print it
    Token(token::Token),
    /// Print what makes a shell complete commands and flags
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
}

/// Why a command ended early.
#[derive(Debug)]
enum Failure {
    /// Bad usage or configuration: exit code 2.
    Usage(String),
    /// It could not be done: exit code 1.
    Failed(String),
}

/// Runs what the arguments ask for, with these domains. It is the whole of a server with domains of its own:
///
/// ```no_run
/// use tidings_shared::Domains;
///
/// fn main() -> std::process::ExitCode {
///     tidings_server::cli::run(Domains::shipped()) // .with::<helpdesk::Event>()
/// }
/// ```
pub fn run(domains: Domains) -> ExitCode {
    let command = match config::apply(commands(), std::env::args_os()) {
        Ok(command) => command,
        Err(failure) => return report(&failure),
    };
    let cli = Cli::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit());
    log_as(match &cli.command {
        Command::Serve(serve) => serve.log_format(),
        _ => LogFormat::Text,
    });
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return report(&Failure::Failed(error.to_string())),
    };
    let done = runtime.block_on(async {
        match cli.command {
            Command::Serve(serve) => serve.run(domains).await,
            Command::CheckConfig(serve) => serve.check_config(),
            Command::Publish(publish) => publish.run().await,
            Command::Tail(tail) => tail.run().await,
            Command::Token(token) => token.run(),
            Command::Completions { shell } => {
                // Not to standard output itself, whose end it would panic over.
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut commands(), "tidings", &mut script);
                let _ = std::io::stdout().write_all(&script);
                Ok(())
            }
        }
    });
    // A name look-up that hangs must not keep a command that is done.
    runtime.shutdown_background();
    done.map_or_else(|failure| report(&failure), |()| ExitCode::SUCCESS)
}

/// The commands; their help names variables, and not what they hold.
fn commands() -> clap::Command {
    Cli::command().mut_subcommands(|command| command.mut_args(|arg| arg.hide_env_values(true)))
}

/// How the log is written.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// A line of text for people
    Text,
    /// A JSON object on each line
    Json,
}

/// Writes the log to standard error, as much of it as `RUST_LOG` says.
fn log_as(format: LogFormat) {
    let says = std::env::var("RUST_LOG").ok().filter(|says| !says.is_empty());
    let filter = EnvFilter::try_new(format!("{},{LOG_FILTER}", says.as_deref().unwrap_or("info")));
    let filter = filter.unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}

fn report(failure: &Failure) -> ExitCode {
    let (message, code) = match failure {
        Failure::Usage(message) => (message, 2),
        Failure::Failed(message) => (message, 1),
    };
    eprintln!("error: {message}");
    ExitCode::from(code)
}
