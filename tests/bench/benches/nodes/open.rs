//! A transaction stays open, in the same database or in another one: how fast events of others arrive, and what they cost.
//!
//! The open transaction keeps vacuum from the rows that the outbox has deleted.

use std::time::Instant;

use tidings_tests::{Postgres, postgres::connect};

use crate::{
    Size,
    latency::{Publisher, measure},
    new_journal, two_nodes,
};

/// Events per second.
const RATE: u32 = 500;

pub(crate) fn run(postgres: &Postgres, size: Size) {
    println!(
        "\n| a transaction is open | for s | events/s | p50, p99 ms to a socket of the other node, of {RATE} events/s | CPU ms/s: nodes, database | outbox with its dead rows, KiB |"
    );
    println!("|---|---|---|---|---|---|");
    for (label, is_other) in
        [("nowhere", None), ("in another database", Some(true)), ("in this database", Some(false))]
    {
        let (url, other) = (new_journal(postgres), postgres.database());
        let mut nodes = two_nodes(&url);
        let open = is_other.map(|is_other| {
            let mut transaction = connect(if is_other { &other } else { &url });
            // With a snapshot and a transaction id.
            transaction
                .batch_execute(
                    "BEGIN ISOLATION LEVEL REPEATABLE READ; CREATE TABLE open_for_long(); SELECT 1",
                )
                .unwrap();
            transaction
        });
        let (begin, mut database) = (Instant::now(), connect(&url));
        for _ in 0..size.rounds {
            let m =
                measure(postgres, &url, &mut nodes, Publisher::Writer, RATE, size.open / size.rounds as u32);
            let bytes = "SELECT pg_total_relation_size('tidings.outbox')";
            let bytes: i64 = database.query_one(bytes, &[]).unwrap().get(0);
            println!(
                "| {label} | {:.0} | {:.0} | {:.1}, {:.1} | {:.0}, {:.0} | {} |",
                begin.elapsed().as_secs_f64(),
                m.per_second,
                m.other[0],
                m.other[1],
                m.nodes_ms,
                m.database_ms,
                bytes / 1024
            );
        }
        drop(open);
    }
}
