//! The command line of `tidings`, for a binary of one's own too. Exit codes: 0 when done, 1 when something failed, 2 for
//! bad usage or configuration.

mod config;
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

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use tidings_shared::Domains;

use self::log::{Log, LogFormat};

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
            Command::Serve(serve) => serve.run(domains).await,
            Command::CheckConfig(serve) => serve.check_config(),
            Command::Publish(publish) => publish.run().await,
            Command::Tail(tail) => tail.run().await,
            Command::Token(token) => token.run(),
            Command::Completions { shell } => {
                // Not to standard output itself, whose end it would panic over.
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut commands(), "tidings", &mut script);
                output::print_all(&script)
            }
        }
    });
    // A name look-up that hangs must not keep a command that is done.
    runtime.shutdown_background();
    log.finish();
    done.map_or_else(|failure| report(&failure), |()| ExitCode::SUCCESS)
}

/// The commands; their help names variables, and not what they hold.
fn commands() -> clap::Command {
    Cli::command().mut_subcommands(|command| command.mut_args(|arg| arg.hide_env_values(true)))
}

/// The client of a command is closed for good although the command is not done.
fn closed() -> Failure {
    Failure::Failed("the connection ended for good".to_owned())
}

fn report(failure: &Failure) -> ExitCode {
    let (message, code) = match failure {
        Failure::Usage(message) => (message, 2),
        Failure::Failed(message) => (message, 1),
    };
    output::say(format_args!("error: {message}"));
    ExitCode::from(code)
}
