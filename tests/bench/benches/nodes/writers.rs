//! Transactions per second of an application's writers, with and without the line that publishes an event.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use tidings_tests::{Client, Postgres, Server, postgres::connect, sample};

use crate::{Size, new_journal, spread, two_nodes};

const WRITERS: usize = 16;

const TOPIC: &str = "clock:all";

pub(crate) fn run(postgres: &Postgres, size: Size) {
    let url = new_journal(postgres);
    connect(&url).batch_execute("CREATE TABLE data(id bigserial PRIMARY KEY, text text)").unwrap();
    let nodes = two_nodes(&url);
    let (mut without, mut with, mut emptied) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..size.rounds {
        without.push(write(&url, size.time, ""));
        let publish = format!("SELECT tidings.publish('{}', topics => ARRAY['{TOPIC}']);", sample::ticked(0));
        let mut readers = nodes.each_ref().map(|node| Client::subscribed(node, &[TOPIC]));
        let reading = AtomicBool::new(true);
        with.push(thread::scope(|scope| {
            for reader in &mut readers {
                let reading = &reading;
                scope.spawn(move || while reading.load(Relaxed) && reader.next_frame()["op"] == "event" {});
            }
            let written = write(&url, size.time, &publish);
            emptied.push(time_until_empty(&url));
            reading.store(false, Relaxed);
            // Wakes the readers.
            nodes[0].publish_to(TOPIC, &sample::ticked(1));
            written
        }));
    }
    let ratio = without.iter().zip(&with).map(|(without, with)| with / without * 100.0);
    println!(
        "\n| writers | transactions/s without | with `tidings.publish(…)` | of 100 % | s until the outbox is empty |"
    );
    println!("|---|---|---|---|---|");
    println!(
        "| {WRITERS}, beside two nodes | {} | {} | {} % | {} |",
        spread(without.iter().copied(), 0),
        spread(with.iter().copied(), 0),
        spread(ratio, 0),
        spread(emptied, 2)
    );
    drop::<[Server; 2]>(nodes);
}

/// Writes rows for a time, each in a transaction with this line. Returns the transactions per second.
fn write(url: &str, time: Duration, line: &str) -> f64 {
    let (count, begin) = (AtomicU64::new(0), Instant::now());
    let text = "x".repeat(200);
    let transaction = format!("BEGIN; INSERT INTO data(text) VALUES ('{text}'); {line} COMMIT");
    thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                let mut database = connect(url);
                while begin.elapsed() < time {
                    database.batch_execute(&transaction).unwrap();
                    count.fetch_add(1, Relaxed);
                }
            });
        }
    });
    count.load(Relaxed) as f64 / begin.elapsed().as_secs_f64()
}

fn time_until_empty(url: &str) -> f64 {
    let (mut database, begin) = (connect(url), Instant::now());
    let is_empty = "SELECT NOT EXISTS (SELECT FROM tidings.outbox)";
    while !database.query_one(is_empty, &[]).unwrap().get::<_, bool>(0) {
        thread::sleep(Duration::from_millis(5));
    }
    begin.elapsed().as_secs_f64()
}
