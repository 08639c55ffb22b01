//! The time from a publish on one node, or from a writer's commit, to a socket of each node.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use tidings_client_core::Output;
use tidings_tests::{Jitter, Postgres, Server, Tab, postgres::connect, sample};

use crate::{Size, new_journal, percentile, spread, two_nodes, usage::Usage};

/// Events per second.
const RATES: [u32; 2] = [100, 500];

const TOPIC: &str = "clock:all";

/// Who publishes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Publisher {
    /// A client of the first node.
    Client,
    /// A transaction of the application, by the outbox.
    Writer,
}

/// Percentiles in milliseconds, and what the processors did meanwhile.
pub(crate) struct Measured {
    pub(crate) per_second: f64,
    first: [f64; 2],
    pub(crate) other: [f64; 2],
    pub(crate) nodes_ms: f64,
    pub(crate) database_ms: f64,
}

pub(crate) fn run(postgres: &Postgres, size: Size) {
    println!(
        "\n| published by | events/s, and those that came | to a socket of the first node: p50, p99 ms | of the other node: p50, p99 ms | CPU ms/s: nodes, database |"
    );
    println!("|---|---|---|---|---|");
    for publisher in [Publisher::Client, Publisher::Writer] {
        for rate in RATES {
            let url = new_journal(postgres);
            let mut nodes = two_nodes(&url);
            let mut measured = || measure(postgres, &url, &mut nodes, publisher, rate, size.time);
            let measured: Vec<Measured> = (0..size.rounds).map(|_| measured()).collect();
            let column = |value: fn(&Measured) -> f64, digits| spread(measured.iter().map(value), digits);
            println!(
                "| {} | {rate}, {} | {}, {} | {}, {} | {}, {} |",
                match publisher {
                    Publisher::Client => "a client of the first node",
                    Publisher::Writer => "`tidings.publish(…)` in a transaction",
                },
                column(|m| m.per_second, 0),
                column(|m| m.first[0], 1),
                column(|m| m.first[1], 1),
                column(|m| m.other[0], 1),
                column(|m| m.other[1], 1),
                column(|m| m.nodes_ms, 0),
                column(|m| m.database_ms, 0),
            );
        }
    }
}

pub(crate) fn measure(
    postgres: &Postgres,
    url: &str,
    nodes: &mut [Server; 2],
    publisher: Publisher,
    rate: u32,
    time: Duration,
) -> Measured {
    let addresses = nodes.each_ref().map(Server::address);
    let mut readers = addresses.map(Tab::new);
    for reader in &mut readers {
        reader.subscribed(&[TOPIC]);
    }
    let (begun, ends) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let usage = Usage::begin(postgres, url, nodes);
    let latencies = thread::scope(|scope| {
        let readers = readers.map(|reader| scope.spawn(|| read(reader, &begun, &ends)));
        match publisher {
            Publisher::Client => publish(Tab::with_jitter(addresses[0], Jitter::None), rate, time, &begun),
            Publisher::Writer => write(url, rate, time, &begun),
        }
        ends.store(true, Relaxed);
        readers.map(|reader| reader.join().unwrap())
    });
    let (used, per_second) = (usage.end(nodes), begun.lock().unwrap().len() as f64 / time.as_secs_f64());
    let [first, other] =
        latencies.map(|mut latencies| [0.5, 0.99].map(|part| percentile(&mut latencies, part)));
    Measured { per_second, first, other, nodes_ms: used.nodes_ms, database_ms: used.database_ms }
}

/// Reads all events. Returns how long each took.
fn read(mut tab: Tab, begun: &Mutex<Vec<Instant>>, ends: &AtomicBool) -> Vec<Duration> {
    let mut latencies = Vec::new();
    while !ends.load(Relaxed) || latencies.len() < begun.lock().unwrap().len() {
        match tab.next(Instant::now() + Duration::from_millis(100)) {
            Some(Output::Event { publication, .. }) => {
                let now = Instant::now();
                let payload: serde_json::Value =
                    serde_json::from_str(publication.event.payload.get()).unwrap();
                let number = usize::try_from(payload["number"].as_u64().unwrap()).unwrap();
                assert_eq!(number, latencies.len(), "in order, each once");
                latencies.push(now - begun.lock().unwrap()[number]);
            }
            Some(Output::Status(_)) | None => {}
            other => panic!("{other:?}"),
        }
    }
    latencies
}

/// Returns the moment when an event is due, or `None` after the end.
fn is_due(begin: Instant, rate: u32, number: usize, time: Duration) -> Option<Instant> {
    let due = begin + Duration::from_secs(1) / rate * u32::try_from(number).unwrap();
    (due < begin + time).then_some(due)
}

fn publish(mut tab: Tab, rate: u32, time: Duration, begun: &Mutex<Vec<Instant>>) {
    let (begin, mut sent, mut answered) = (Instant::now(), 0, 0);
    loop {
        let due = is_due(begin, rate, sent, time).filter(|_| begin.elapsed() < time);
        if due.is_some_and(|due| due <= Instant::now()) {
            begun.lock().unwrap().push(Instant::now());
            tab.publish(TOPIC, &sample::ticked(sent));
            sent += 1;
        }
        if due.is_none() && answered == sent {
            return;
        }
        let until =
            is_due(begin, rate, sent, time).unwrap_or_else(|| Instant::now() + Duration::from_millis(100));
        match tab.next(until) {
            Some(Output::Published { .. }) => answered += 1,
            Some(Output::Status(_)) | None => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Writes events, those of a hundredth of a second in one transaction.
fn write(url: &str, rate: u32, time: Duration, begun: &Mutex<Vec<Instant>>) {
    let mut database = connect(url);
    database.batch_execute("CREATE TABLE IF NOT EXISTS data(number integer)").unwrap();
    let (begin, mut number, each) = (Instant::now(), 0, (rate / 100).max(1) as usize);
    while let Some(due) = is_due(begin, rate, number, time)
        && begin.elapsed() < time
    {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let publish = |number| {
            let event = sample::ticked(number);
            format!("SELECT tidings.publish('{event}', topics => ARRAY['{TOPIC}']);")
        };
        let lines: String = (number..number + each).map(publish).collect();
        begun.lock().unwrap().extend([Instant::now()].repeat(each));
        database
            .batch_execute(&format!("BEGIN; INSERT INTO data VALUES ({number}); {lines} COMMIT"))
            .unwrap();
        number += each;
    }
}
