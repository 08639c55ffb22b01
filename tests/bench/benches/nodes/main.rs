//! What several nodes on one PostgreSQL database cost: latency between nodes, the writers of an outbox, many tenants, and
//! a transaction that stays open.
//!
//! `cargo xtask bench nodes [latency] [writers] [tenants] [open] [--quick]`. Nodes, database and load share all cores of the
//! machine. `OPEN_SECONDS=600` keeps the transaction open for ten minutes.

#![allow(clippy::unwrap_used, reason = "a benchmark stops at the first fault")]

mod latency;
mod open;
mod tenants;
mod usage;
mod writers;

use std::time::Duration;

use tidings_tests::{Postgres, Server, finish, postgres::connect, tidings};

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Size {
    rounds: usize,
    time: Duration,
    /// The most tenants.
    tenants: usize,
    /// How long a transaction is open.
    open: Duration,
}

const USUAL: Size =
    Size { rounds: 5, time: Duration::from_secs(5), tenants: 10_000, open: Duration::from_secs(60) };
const QUICK: Size =
    Size { rounds: 1, time: Duration::from_secs(2), tenants: 100, open: Duration::from_secs(2) };

/// A benchmark.
type Run = fn(&Postgres, Size);

fn main() {
    // `cargo bench` adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let (flags, names): (Vec<_>, Vec<_>) = arguments.iter().partition(|argument| argument.starts_with("--"));
    let mut size = match flags.as_slice() {
        [] => USUAL,
        [flag] if *flag == "--quick" => QUICK,
        other => panic!("there is only --quick, and not {other:?}"),
    };
    if let Ok(seconds) = std::env::var("OPEN_SECONDS") {
        size.open = Duration::from_secs(seconds.parse().unwrap());
    }
    let postgres = durable();
    let all: [(&str, Run); 4] = [
        ("latency", latency::run),
        ("writers", writers::run),
        ("tenants", tenants::run),
        ("open", open::run),
    ];
    for name in &names {
        assert!(all.iter().any(|(known, _)| known == name), "there is no {name}");
    }
    for (name, run) in all {
        if names.is_empty() || names.iter().any(|asked| *asked == name) {
            run(&postgres, size);
        }
    }
}

/// Starts a server. Its commits reach the disk, unlike those of the tests.
fn durable() -> Postgres {
    let postgres = Postgres::start();
    let mut database = connect(&postgres.url("postgres"));
    for statement in
        ["ALTER SYSTEM SET fsync = on", "ALTER SYSTEM SET full_page_writes = on", "SELECT pg_reload_conf()"]
    {
        database.batch_execute(statement).unwrap();
    }
    postgres
}

/// Returns the URL of a new database with a journal.
fn new_journal(postgres: &Postgres) -> String {
    let url = postgres.database();
    let made = finish(tidings().args(["journal", "init", "--journal", &url]));
    assert_eq!(made.code, Some(0), "{made:?}");
    url
}

/// Starts two nodes for everybody. Their clients may publish as fast as they like.
fn two_nodes(url: &str) -> [Server; 2] {
    [(); 2].map(|()| Server::with(&["--journal", url, "--frames-per-second", "100000"]))
}

/// The median, with the least and the most in brackets.
fn spread(values: impl IntoIterator<Item = f64>, digits: usize) -> String {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let (least, most) = (values[0], values[values.len() - 1]);
    format!("{:.digits$} ({least:.digits$} to {most:.digits$})", values[values.len() / 2])
}

/// A percentile of latencies, in milliseconds.
fn percentile(latencies: &mut [Duration], part: f64) -> f64 {
    latencies.sort_unstable();
    let rank = (latencies.len() as f64 * part) as usize;
    latencies
        .get(rank.min(latencies.len().saturating_sub(1)))
        .map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}
