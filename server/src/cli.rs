//! The command line of `tidings`. A binary with domains of its own uses it too. Exit codes: 0 for success, 1 for a
//! failure, 2 for bad usage or configuration.

mod application;
mod config;
mod journal;
mod keys;
mod log;
mod output;
mod publish;
mod serve;
mod server;
mod tail;
mod time;
mod token;
mod tokens;
mod watch_table;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use tidings_shared::Domains;

#[doc(hidden)]
pub use self::application::Application;
use self::{
    application::Tidings,
    log::{Log, LogFormat},
};

/// Typed change events from a backend to every open browser tab.
#[derive(Debug, Parser)]
#[command(name = "tidings", version, propagate_version = true, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 for success, also after a drain; 1 for a failure; 2 for bad usage or \
    configuration: standard error names the setting.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the hub and its WebSocket and HTTP endpoints
    Serve(Box<serve::Serve>),
    /// Check the settings of `serve` without starting a server
    CheckConfig(Box<serve::Serve>),
    /// Publish one event and print the answer
    Publish(publish::Publish),
    /// Subscribe to topics and print their events
    Tail(tail::Tail),
    /// Make a token and print it
    Token(token::Token),
    /// Make, look at and trim a journal or an outbox
    Journal(journal::Journal),
    /// Make triggers with which a table of an application announces its changes
    WatchTable(Box<watch_table::WatchTable>),
    /// Print a script with which a shell completes commands and flags
    Completions {
        /// Shell that will run the script
        shell: clap_complete::Shell,
    },
}

/// Why a command ended early.
#[derive(Debug)]
enum Failure {
    /// Bad usage or configuration: exit code 2.
    Usage(String),
    /// The command failed: exit code 1.
    Failed(String),
}

/// Runs the command that the process's arguments name. `serve` knows these domains. A server with domains of its own
/// needs no other code:
///
/// ```no_run
/// use tidings_shared::Domains;
///
/// fn main() -> std::process::ExitCode {
///     tidings_server::cli::run(Domains::shipped()) // .with::<helpdesk::Event>()
/// }
/// ```
pub fn run(domains: Domains) -> ExitCode {
    run_in(Tidings, domains)
}

/// Runs the same with `serve`'s gateway in an application.
#[doc(hidden)]
pub fn run_in(application: impl Application, domains: Domains) -> ExitCode {
    let command = match config::apply(commands(), std::env::args_os()) {
        Ok(command) => command,
        Err(failure) => return report(&failure),
    };
    let cli = Cli::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit());
    let log = Log::start(match &cli.command {
        Command::Serve(serve) => serve.log_format(),
        _ => LogFormat::Text,
    });
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return report(&Failure::Failed(error.to_string())),
    };
    let done = runtime.block_on(async {
        match cli.command {
            Command::Serve(serve) => serve.run(application, domains).await,
            Command::CheckConfig(serve) => serve.check_config().await,
            Command::Publish(publish) => publish.run().await,
            Command::Tail(tail) => tail.run().await,
            Command::Token(token) => token.run(),
            Command::Journal(journal) => journal.run().await,
            Command::WatchTable(watch) => watch.run(domains).await,
            Command::Completions { shell } => {
                // It would panic if standard output were closed, so it writes to memory.
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut commands(), "tidings", &mut script);
                output::print_all(&script)
            }
        }
    });
    // A DNS look-up that hangs must not keep a finished command alive.
    runtime.shutdown_background();
    log.finish();
    done.map_or_else(|failure| report(&failure), |()| ExitCode::SUCCESS)
}

/// Returns the commands. Their help names environment variables without their values, which may be secrets.
fn commands() -> clap::Command {
    Cli::command().mut_subcommands(|command| command.mut_args(|arg| arg.hide_env_values(true)))
}

/// Returns the failure of a command if its connection ended for good before the command was done.
fn closed() -> Failure {
    Failure::Failed("the connection ended, and the client does not try again".to_owned())
}

fn report(failure: &Failure) -> ExitCode {
    let (message, code) = match failure {
        Failure::Usage(message) => (message, 2),
        Failure::Failed(message) => (message, 1),
    };
    output::say(format_args!("error: {message}"));
    ExitCode::from(code)
}
