//! Set-up, build, demo and tests of Tidings as one command: `cargo xtask`.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::{Result, bail};

use crate::cmd::Cmd;
use crate::project::Project;

mod bench;
mod cmd;
mod crates;
mod demo;
mod generated;
mod package;
mod project;
mod setup;
mod sizes;
mod soak;
mod stamp;
mod suite;
mod version;

const HELP: &str = "\
cargo xtask COMMAND

  setup            installs everything that building and testing need; changes nothing if it is there
  build            builds the npm package: target/npm/tidings-VERSION.tgz
  demo [ARG…]      builds and serves the demo; ARG… (such as --listen 127.0.0.1:7710) go to its server
  test             runs every check and test
  test STEP…       runs only the named steps
  test --list      lists the steps
  bench [NAME…]    measures speed and memory beside other servers; `bench help` lists the names
  soak [NAME [N]]  searches for rare faults, for about 10 minutes or in N runs; without a name, lists the names
  autobahn         runs Autobahn's WebSocket suite against the server's echo; needs a python2.7 with pip
  fmt              formats Rust and TypeScript
  gen              writes the files that are generated from the Rust definitions

A command installs what it needs and does not find.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error}");
            error.chain().skip(1).for_each(|cause| eprintln!("\nbecause: {cause}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints the help. A reader such as `head` may close the pipe early, which is no error.
fn help() {
    let _ = io::stdout().write_all(HELP.as_bytes());
}

fn run(arguments: &[String]) -> Result<()> {
    let Some((command, rest)) = arguments.split_first() else {
        help();
        return Ok(());
    };
    match (command.as_str(), rest) {
        ("help" | "--help" | "-h", _) => help(),
        ("test", [list]) if list == "--list" => suite::list(),
        ("test", steps) => suite::run(&Project::find()?, steps)?,
        ("demo", arguments) => demo::run(&Project::find()?, arguments)?,
        ("bench", arguments) => bench::run(&Project::find()?, arguments)?,
        ("soak", arguments) => soak::run(&Project::find()?, arguments)?,
        ("autobahn", []) => suite::autobahn::run(&Project::find()?)?,
        ("setup", []) => setup::ensure(&Project::find()?, setup::TEST)?,
        ("build", []) => build(&Project::find()?)?,
        ("fmt", []) => format(&Project::find()?)?,
        ("gen", []) => generated::write(&Project::find()?)?,
        ("setup" | "build" | "autobahn" | "fmt" | "gen", _) => {
            bail!("`{command}` takes no arguments\n\n{HELP}")
        }
        _ => bail!("there is no command `{command}`\n\n{HELP}"),
    }
    Ok(())
}

/// Builds the npm package.
fn build(project: &Project) -> Result<()> {
    setup::ensure(project, setup::BUILD)?;
    package::build(project).map(drop)
}

/// Formats Rust and TypeScript in place.
fn format(project: &Project) -> Result<()> {
    setup::ensure(project, setup::NPM)?;
    Cmd::new("cargo").args(["fmt", "--all"]).dir(&project.root).run()?;
    for folder in project.npm_folders() {
        Cmd::new("npm").args(["run", "--silent", "format"]).dir(folder).run()?;
    }
    Ok(())
}
