//! If and only if committed: writers in two languages, of which some are killed. What their transactions have stored is
//! what arrives, each event once.
//!
//! The truth is the table `data`: each transaction writes the same numbers there. So nobody has to know whether a writer
//! was killed before or after its commit.

use std::{
    net::SocketAddr,
    process::Command,
    sync::mpsc::{self, Receiver, Sender},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::json;
use tidings_tests::{AppFile, Client, DEADLINE, Incoming, Process, Random, Server, example, rounds};

use super::expect_empty;

/// Writers at a time.
const WRITERS: usize = 3;

/// Processes that are started one after the other in the place of a writer. All but the last are killed.
const LIVES: usize = 3;

/// Transactions of a writer that is not killed.
const TRANSACTIONS: usize = 25;

/// How often the server is killed.
const KILLS: usize = 4;

/// The number of the event after all others.
const LAST: u64 = u64::MAX >> 12;

/// The same as `tests/examples/outbox_writer.rs`, in Python.
const PYTHON: &str = r#"
import random, time
number, count = int(arguments[0]), int(arguments[1])
random.seed(int(arguments[2]))
for transaction in range(count):
    database.execute("BEGIN IMMEDIATE")
    for _ in range(random.randint(1, 3)):
        event = '{"domain":"clock","event":"ticked","payload":{"number":%d,"at":%d}}' % (number, time.time() * 1e6)
        database.execute("INSERT INTO data VALUES (?)", (number,))
        database.execute("INSERT INTO tidings_outbox(event, topics) VALUES (?, ?)", (event, '["clock"]'))
        number += 1
    database.execute("ROLLBACK" if random.randrange(3) == 0 else "COMMIT")
    print(transaction, flush=True)
"#;

#[test]
fn exactly_the_committed_events_arrive_each_once_though_writers_and_the_server_are_killed() {
    // The writer is built first: meanwhile the reader would wait for an event for too long.
    drop(example("outbox_writer"));
    let mut latencies = Vec::new();
    for round in 0..rounds(2) {
        let seed = 16 + round as u64;
        let mode = if round % 4 < 2 { "wal" } else { "delete" };
        // Without a journal, the log does not survive the server.
        let kills = if round % 2 == 0 { 0 } else { KILLS };
        latencies.extend(run(seed, mode, kills));
    }
    latencies.sort_unstable();
    let percentile = |part: usize| latencies[(latencies.len() - 1) * part / 100];
    println!(
        "{} events, write to socket: p50 {:?}, p99 {:?}, longest {:?}",
        latencies.len(),
        percentile(50),
        percentile(99),
        percentile(100)
    );
}

/// Returns the time of each event, from the write to the client.
fn run(seed: u64, mode: &str, kills: usize) -> Vec<Duration> {
    let file = AppFile::new(mode);
    let (outbox, journal) = (file.url(), format!("{}.journal", file.url()));
    let flags = match kills {
        0 => vec!["--outbox", &outbox],
        _ => vec!["--outbox", &outbox, "--journal", &journal],
    };
    let mut server = Some(Server::with(&flags));
    let (addresses, servers) = mpsc::channel();
    addresses.send(server.as_ref().unwrap().address()).unwrap();
    let (readies, is_ready) = mpsc::channel();
    let reader = thread::spawn(move || read(&servers, &readies));
    is_ready.recv().unwrap();
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let file = &file;
            scope.spawn(move || write(file, writer, seed));
        }
        let mut random = Random::new(!seed);
        for _ in 0..kills {
            thread::sleep(Duration::from_millis(random.below(300) as u64));
            // SIGKILL: perhaps between a publish and the deletion of its row, or between a commit and its publish.
            drop(server.take());
            let next = server.insert(Server::with(&flags));
            addresses.send(next.address()).unwrap();
            is_ready.recv().unwrap();
        }
    });
    // Every transaction before this one has ended, and its rows have smaller ids.
    finish(&file);
    let (mut arrived, latencies) = reader.join().unwrap();
    arrived.sort_unstable();
    let stored = stored(&file);
    assert!(stored.len() > WRITERS * TRANSACTIONS / 2, "{} of seed {seed}", stored.len());
    assert_eq!(arrived, stored, "seed {seed}");
    expect_empty(&file);
    assert_eq!(file.count("tidings_dead_letters"), 0);
    latencies
}

/// Runs a writer, which is killed some times and started again.
fn write(file: &AppFile, writer: usize, seed: u64) {
    let mut random = Random::new(seed ^ (writer as u64) << 32);
    for life in 0..LIVES {
        let first = (writer * LIVES + life) * 1_000_000;
        let mut process = Process::start(writer_of(file, writer, first, random.next_u64() >> 32));
        if life + 1 < LIVES {
            for _ in 0..random.below(TRANSACTIONS) {
                process.next_line();
            }
            // Some time within a transaction, or between two.
            thread::sleep(Duration::from_micros(random.below(3_000) as u64));
            // SIGKILL.
            drop(process);
        } else {
            let (status, lines) = process.wait();
            assert!(status.success() && lines.len() == TRANSACTIONS, "{status}: {}", process.log());
        }
    }
}

fn writer_of(file: &AppFile, writer: usize, first: usize, seed: u64) -> Command {
    let [first, count, seed] = [first.to_string(), TRANSACTIONS.to_string(), seed.to_string()];
    if writer == 0 {
        let mut command = example("outbox_writer");
        command.arg(file.path()).args([first, count, seed]);
        return command;
    }
    file.python(PYTHON, &[&first, &count, &seed])
}

/// Writes the last event.
fn finish(file: &AppFile) {
    let event = json!({ "domain": "clock", "event": "ticked", "payload": { "number": LAST, "at": 0 } });
    file.write(&file.open(), &event);
}

/// Reads events up to the last one. When its server is killed, it goes on at the next one, from its position. Returns the
/// numbers of the events, and their times.
fn read(servers: &Receiver<SocketAddr>, readies: &Sender<()>) -> (Vec<u64>, Vec<Duration>) {
    let (mut numbers, mut latencies) = (Vec::new(), Vec::new());
    let mut position: Option<String> = None;
    loop {
        let mut client = Client::hello_to(servers.recv_timeout(DEADLINE).unwrap());
        let outcome = if position.is_some() { "resumed" } else { "live" };
        let subscribed = client.subscribe(&["clock"], position.as_deref(), outcome);
        position.get_or_insert_with(|| subscribed["position"].as_str().unwrap().to_owned());
        let _ = readies.send(());
        while let Incoming::Frame(frame) = client.read() {
            if frame["op"] == "ping" {
                continue;
            }
            assert_eq!(frame["op"], "event", "{frame}");
            let member = |name: &str| frame["event"]["payload"][name].as_u64().unwrap();
            if member("number") == LAST {
                return (numbers, latencies);
            }
            position = frame["position"].as_str().map(str::to_owned);
            numbers.push(member("number"));
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            let latency = now.saturating_sub(Duration::from_micros(member("at")));
            latencies.push(latency);
        }
    }
}

fn stored(file: &AppFile) -> Vec<u64> {
    let database = file.open();
    let mut statement = database.prepare("SELECT number FROM data ORDER BY number").unwrap();
    let numbers = statement.query_map([], |row| row.get::<_, i64>(0)).unwrap();
    numbers.map(|number| number.unwrap().cast_unsigned()).collect()
}
