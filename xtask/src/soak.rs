//! `cargo xtask soak`: tests that search for rare faults, for longer than the suite may take.

use std::io::{self, Write};

use anyhow::{Context, Result, bail};

use crate::cmd::Cmd;
use crate::project::Project;
use crate::{setup, suite};

/// A test that finds more, the longer it runs.
struct Soak {
    name: &'static str,
    /// Says what is run.
    says: &'static str,
    /// How much is run without a number. The simulation then takes some fifteen minutes of one processor.
    default: u64,
    run: fn(&Project, u64) -> Result<()>,
}

const SOAKS: [Soak; 11] = [
    Soak { name: "simulation", says: "seeds of the simulation", default: 40_000, run: simulation },
    Soak {
        name: "restart",
        says: "restarts of a server with a journal and 5,000 clients",
        default: 200,
        run: restart,
    },
    Soak {
        name: "hosts",
        says: "times the usual rounds of all suites in an application of axum",
        default: 1,
        run: suite::hosts::soak,
    },
    Soak {
        name: "query",
        says: "worlds of `tidings/query`, and planted faults that they must find",
        default: 10_000,
        run: query,
    },
    Soak {
        name: "outbox",
        says: "rounds of writers that are killed while a server publishes their outbox",
        default: 100,
        run: outbox,
    },
    Soak {
        name: "nodes",
        says: "faults of two nodes and their database, and rolling restarts with 200 clients",
        default: 200,
        run: nodes,
    },
    Soak {
        name: "sequencer",
        says: "rounds of writers that are killed while two nodes, killed and frozen in turn, publish their outbox",
        default: 100,
        run: sequencer,
    },
    Soak {
        name: "bridge",
        says: "schedules of random writers of a table with a bridge: two nodes on PostgreSQL, and odd tables of SQLite; for each 500, a round of processes with a bridge that are killed and frozen",
        default: 10_000,
        run: bridge,
    },
    Soak {
        name: "packaging",
        says: "times the packed npm package with every bundler, framework, runtime and test runner",
        default: 1,
        run: suite::packaging::soak,
    },
    Soak {
        name: "rust-version",
        says: "times the published crates with the oldest Rust, with each feature alone",
        default: 1,
        run: suite::rust_version::soak,
    },
    Soak {
        name: "sqlx",
        says: "times the outbox in PostgreSQL with a writer that uses sqlx",
        default: 1,
        run: sqlx,
    },
];

/// Runs the soak that `arguments` name, with the number that they name. Without arguments, prints the names.
pub(crate) fn run(project: &Project, arguments: &[String]) -> Result<()> {
    let (name, number) = match arguments {
        [] => {
            list();
            return Ok(());
        }
        [name] => (name, None),
        [name, number] => (name, Some(number)),
        _ => bail!("`cargo xtask soak NAME [NUMBER]` takes no more arguments"),
    };
    let names = SOAKS.map(|soak| soak.name).join(", ");
    let soak = SOAKS.iter().find(|soak| soak.name == name);
    let soak = soak.with_context(|| format!("there is no soak `{name}`; there are: {names}"))?;
    let number = match number {
        Some(number) => {
            number.parse().with_context(|| format!("`{number}` is not a number of {}", soak.says))?
        }
        None => soak.default,
    };
    println!("soak   {number} {}", soak.says);
    (soak.run)(project, number)
}

fn list() {
    for soak in &SOAKS {
        // A reader such as `head` may close the pipe early.
        let _ = writeln!(io::stdout(), "{:<12} {} {}", soak.name, soak.default, soak.says);
    }
}

/// Runs the worlds on the package that `cargo xtask build` has made.
fn query(project: &Project, seeds: u64) -> Result<()> {
    Cmd::new("node")
        .args(["--no-warnings", "--test", "--test-reporter=spec", "test/query-seeds.test.js"])
        .dir(project.npm_package())
        .env("SEEDS", seeds.to_string())
        .env("PLANTED", "1")
        .run()
}

fn outbox(project: &Project, rounds: u64) -> Result<()> {
    committed(project, "outbox::committed", rounds)
}

fn sequencer(project: &Project, rounds: u64) -> Result<()> {
    setup::ensure(project, &[setup::POSTGRES])?;
    committed(project, "sequencer::events_arrive_while_a_transaction", rounds)?;
    committed(project, "sequencer::committed", rounds)
}

/// Runs the schedules of the suite, and more, with PostgreSQL and with SQLite. A thousand of both take about two minutes. Then it
/// kills and freezes processes. The nodes that are left must go on within 2 s, so the machine must be quiet.
fn bridge(project: &Project, schedules: u64) -> Result<()> {
    setup::ensure(project, &[setup::POSTGRES])?;
    committed(project, "bridge_postgres::schedules::the_last_event", schedules.div_ceil(500))?;
    committed(project, "bridge_sqlite::random", schedules.div_ceil(300))?;
    committed(project, "bridge_nodes::faults", schedules.div_ceil(500))
}

/// Runs a test with more rounds.
fn committed(project: &Project, test: &str, rounds: u64) -> Result<()> {
    Cmd::new("cargo")
        .args(["test", "--locked", "--package", "tidings-tests", "--test", "e2e", test])
        .args(["--", "--nocapture"])
        .env("TIDINGS_ROUNDS", rounds.to_string())
        .dir(&project.root)
        .run()
}

fn simulation(project: &Project, seeds: u64) -> Result<()> {
    Cmd::new("cargo")
        .args(["test", "--locked", "--package", "tidings-simulation", "--target-dir"])
        .arg(project.scratch("soak")?)
        .args(["every_invariant", "--", "nodes_on_a_journal", "--nocapture"])
        // The runs take far longer than the compiler.
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "2")
        .env("TIDINGS_SEEDS", seeds.to_string())
        .dir(&project.root)
        .remedy("`TIDINGS_SEED` repeats the seed that a failure names.")
        .run()
}

/// Builds the writer, and names it to the test that runs writers. sqlx and rusqlite can't be in one lock file.
fn sqlx(project: &Project, times: u64) -> Result<()> {
    setup::ensure(project, &[setup::POSTGRES])?;
    let target = project.scratch("sqlx")?;
    let cargo = |command: &str| Cmd::new("cargo").args([command, "--locked"]).dir(&project.root);
    cargo("build").args(["--manifest-path", "tests/sqlx/Cargo.toml", "--target-dir"]).arg(&target).run()?;
    let writer = target.join("debug/tidings-sqlx-writer");
    for _ in 0..times {
        cargo("test")
            .args(["--package", "tidings-tests", "--test", "e2e", "programs_with_other_libraries"])
            .env("TIDINGS_WRITERS", &writer)
            .run()?;
    }
    Ok(())
}

/// Kills a server again and again. A restart takes some ten seconds: the clients wait before they connect again.
fn restart(project: &Project, restarts: u64) -> Result<()> {
    Cmd::new("cargo")
        .args(["test", "--locked", "--release", "--package", "tidings-tests", "--test", "journals", "--target-dir"])
        .arg(project.scratch("soak")?)
        .args(["restart::", "--", "--nocapture"])
        .env("TIDINGS_RESTARTS", restarts.to_string())
        .env("TIDINGS_CLIENTS", "5000")
        .dir(&project.root)
        .remedy("`TIDINGS_SEED` repeats the pauses before the kills; each process opens more than 5,000 files (`ulimit -n`).")
        .run()
}

/// Kills and freezes nodes and their database, and restarts nodes in turn. A fault takes some five seconds.
fn nodes(project: &Project, faults: u64) -> Result<()> {
    setup::ensure(project, &[setup::PROGRAMS, setup::POSTGRES])?;
    let run = |test: &str, clients: &str, rate: &str| {
        Cmd::new("cargo")
            .args([
                "test",
                "--locked",
                "--release",
                "--package",
                "tidings-tests",
                "--test",
                "e2e",
                "--target-dir",
            ])
            .arg(project.scratch("soak")?)
            .args([test, "--", "--nocapture"])
            .env("TIDINGS_FAULTS", faults.to_string())
            .env("TIDINGS_RESTARTS", faults.div_ceil(20).to_string())
            .env("TIDINGS_CLIENTS", clients)
            .env("TIDINGS_RATE", rate)
            .dir(&project.root)
            .remedy("`TIDINGS_SEED` repeats the lengths of the faults.")
            .run()
    };
    run("nodes::faults", "20", "100")?;
    run("nodes::rolling::clients", "200", "500")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_soak_is_an_error_that_lists_the_known_ones_and_a_number_must_be_one() {
        let error = |arguments: &[&str]| {
            let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
            let project = Project::find().expect("the tests run in the repository");
            run(&project, &arguments).err().map(|error| error.to_string()).unwrap_or_default()
        };
        let unknown = error(&["simulations"]);
        assert!(unknown.contains("`simulations`") && unknown.contains("simulation"), "{unknown}");
        let text = error(&["simulation", "many"]);
        assert!(text.contains("`many`"), "{text}");
    }
}
