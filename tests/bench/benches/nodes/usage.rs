//! What a database and its nodes do for a while.

use std::time::{Duration, Instant};

use postgres::Client;
use tidings_tests::{Postgres, Server, postgres::connect};

/// The counters at a moment.
pub(crate) struct Usage<'a> {
    postgres: &'a Postgres,
    database: Client,
    begin: Instant,
    queries: i64,
    database_cpu: Duration,
    nodes_cpu: Duration,
}

/// What was done for each second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PerSecond {
    /// Statements of all nodes. Each is a transaction of its own.
    pub(crate) queries: f64,
    /// Milliseconds of all nodes' processor time.
    pub(crate) nodes_ms: f64,
    /// Milliseconds of the database's processor time.
    pub(crate) database_ms: f64,
}

impl<'a> Usage<'a> {
    /// Begins to count.
    pub(crate) fn begin(postgres: &'a Postgres, url: &str, nodes: &mut [Server]) -> Self {
        let mut database = connect(url);
        let queries = queries(&mut database);
        let (database_cpu, nodes_cpu) = (postgres.cpu_time().unwrap(), cpu_time(nodes));
        Self { postgres, database, begin: Instant::now(), queries, database_cpu, nodes_cpu }
    }

    /// Returns what was done since then.
    pub(crate) fn end(mut self, nodes: &mut [Server]) -> PerSecond {
        let seconds = self.begin.elapsed().as_secs_f64();
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3 / seconds;
        PerSecond {
            queries: (queries(&mut self.database) - self.queries) as f64 / seconds,
            nodes_ms: milliseconds(cpu_time(nodes) - self.nodes_cpu),
            database_ms: milliseconds(self.postgres.cpu_time().unwrap() - self.database_cpu),
        }
    }
}

/// A process of the database tells its numbers once a second.
fn queries(database: &mut Client) -> i64 {
    let count = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()";
    database.query_one(count, &[]).unwrap().get(0)
}

fn cpu_time(nodes: &mut [Server]) -> Duration {
    nodes.iter_mut().map(|node| node.process().cpu_time().unwrap()).sum()
}
