//! If and only if committed: writers that are killed, and two nodes. One node is killed and one is frozen meanwhile. What the
//! transactions have stored is what arrives, each event once, at the clients of both nodes.
//!
//! The truth is the table `data`: each transaction writes the same numbers there. So nobody has to know whether a writer
//! was killed before or after its commit.

use std::{
    fs,
    net::SocketAddr,
    process::Command,
    sync::mpsc::{self, Receiver, Sender},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tidings_tests::{
    Client, DEADLINE, Incoming, Process, Random, Server, eventually, postgres::connect, rounds,
};

use super::{TOPIC, count, expect_empty, new_journal, node};

/// Writers at a time.
const WRITERS: usize = 3;

/// Processes that are started one after the other in the place of a writer. All but the last are killed.
const LIVES: usize = 3;

/// Transactions of a writer that is not killed.
const TRANSACTIONS: usize = 60;

/// How often a node is killed, and another one frozen.
const FAULTS: usize = 2;

/// Rows that are written before the first fault, and between two.
const ROWS_BETWEEN: usize = 60;

/// The number of the event after all others.
const LAST: u64 = u64::MAX >> 12;

#[test]
fn exactly_the_committed_events_arrive_each_once_at_both_nodes_though_writers_and_nodes_are_killed_and_frozen()
 {
    let mut latencies = Vec::new();
    for round in 0..rounds(1) {
        latencies.extend(run(17 + round as u64));
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

/// A node, and the thread of its client.
struct Pair {
    server: Server,
    addresses: Sender<SocketAddr>,
    is_ready: Receiver<()>,
}

/// Returns the time of each event, from the write to each client.
fn run(seed: u64) -> Vec<Duration> {
    let url = new_journal();
    let mut database = connect(&url);
    database.batch_execute("CREATE TABLE data(number bigint NOT NULL)").unwrap();
    let (mut pairs, mut readers) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let server = node(&url);
        let (addresses, servers) = mpsc::channel();
        let (readies, is_ready) = mpsc::channel();
        addresses.send(server.address()).unwrap();
        readers.push(thread::spawn(move || read(&servers, &readies)));
        is_ready.recv().unwrap();
        pairs.push(Pair { server, addresses, is_ready });
    }
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let url = &url;
            scope.spawn(move || write(url, writer, seed));
        }
        let mut random = Random::new(!seed);
        let mut pause = |most: usize| thread::sleep(Duration::from_millis(random.below(most) as u64));
        for fault in 0..FAULTS {
            let so_many = i64::try_from(ROWS_BETWEEN * (fault + 1)).unwrap();
            eventually("the writers have written more", || {
                database.query_one("SELECT count(*) FROM data", &[]).unwrap().get::<_, i64>(0) >= so_many
            });
            pause(100);
            // One is frozen while the other is killed and starts again.
            pairs[fault % 2].server.process().signal("STOP");
            pause(400);
            let killed = &mut pairs[(fault + 1) % 2];
            killed.server.process().signal("KILL");
            killed.server = node(&url);
            killed.addresses.send(killed.server.address()).unwrap();
            killed.is_ready.recv().unwrap();
            pause(400);
            pairs[fault % 2].server.process().signal("CONT");
        }
    });
    // Every transaction before this one has ended.
    database.batch_execute(&publish(LAST)).unwrap();
    let rows = database.query("SELECT number FROM data ORDER BY number", &[]).unwrap();
    let stored: Vec<u64> = rows.iter().map(|row| row.get::<_, i64>(0).cast_unsigned()).collect();
    assert!(stored.len() >= ROWS_BETWEEN * FAULTS, "{} of seed {seed}", stored.len());
    let mut latencies = Vec::new();
    for reader in readers {
        let (mut arrived, of_reader) = reader.join().unwrap();
        arrived.sort_unstable();
        assert_eq!(arrived, stored, "seed {seed}");
        latencies.extend(of_reader);
    }
    expect_empty(&mut database);
    assert_eq!(count(&mut database, "dead_letters"), 0);
    latencies
}

/// The SQL that publishes a number, with the time of the write.
fn publish(number: u64) -> String {
    format!(
        r#"SELECT tidings.publish(format('{{"domain":"clock","event":"ticked","payload":{{"number":{number},"at":%s}}}}',
        (extract(epoch FROM clock_timestamp()) * 1000000)::bigint), topics => ARRAY['{TOPIC}']);"#
    )
}

/// Runs a writer, which is killed some times and started again.
fn write(url: &str, writer: usize, seed: u64) {
    let mut random = Random::new(seed ^ (writer as u64) << 32);
    let script =
        std::env::temp_dir().join(format!("tidings-writer-{}-{seed}-{writer}.sql", std::process::id()));
    for life in 0..LIVES {
        fs::write(&script, transactions((writer * LIVES + life) * 1_000_000, &mut random)).unwrap();
        let mut command = Command::new("psql");
        command.args([
            "--quiet",
            "--no-psqlrc",
            "--set=ON_ERROR_STOP=1",
            "--output=/dev/null",
            url,
            "--file",
        ]);
        command.arg(&script);
        let mut process = Process::start(command);
        if life + 1 < LIVES {
            for _ in 0..random.below(TRANSACTIONS) {
                process.next_line();
            }
            // Some time within a transaction, or between two.
            thread::sleep(Duration::from_micros(random.below(25_000) as u64));
            // SIGKILL.
            drop(process);
        } else {
            let (status, lines) = process.wait();
            assert!(status.success() && lines.len() == TRANSACTIONS, "{status}: {}", process.log());
        }
    }
    fs::remove_file(script).unwrap();
}

/// Returns the statements of a writer. It says the number of each transaction that has ended.
fn transactions(first: usize, random: &mut Random) -> String {
    let (mut script, mut number) = (String::new(), first);
    for transaction in 0..TRANSACTIONS {
        script.push_str("BEGIN;\n");
        for _ in 0..=random.below(3) {
            script.push_str(&format!("INSERT INTO data VALUES ({number});\n{}\n", publish(number as u64)));
            number += 1;
        }
        let end = if random.below(3) == 0 { "ROLLBACK" } else { "COMMIT" };
        // Most of the time goes by within transactions.
        let pause = random.below(20);
        script.push_str(&format!("SELECT pg_sleep(0.0{pause:02});\n{end};\n\\echo {transaction}\n"));
    }
    script
}

/// Reads events up to the last one. When its server is killed, it goes on at the next one, from its position. Returns the
/// numbers of the events, and their times.
fn read(servers: &Receiver<SocketAddr>, readies: &Sender<()>) -> (Vec<u64>, Vec<Duration>) {
    let (mut numbers, mut latencies) = (Vec::new(), Vec::new());
    let mut position: Option<String> = None;
    loop {
        let mut client = Client::hello_to(servers.recv_timeout(DEADLINE).unwrap());
        let outcome = if position.is_some() { "resumed" } else { "live" };
        let subscribed = client.subscribe(&[TOPIC], position.as_deref(), outcome);
        position.get_or_insert_with(|| subscribed["position"].as_str().unwrap().to_owned());
        let _ = readies.send(());
        while let Incoming::Frame(frame) = client.read() {
            // On a busy machine, a node may be frozen for more than 10 s.
            if ["ping", "degraded", "restored"].contains(&frame["op"].as_str().unwrap_or_default()) {
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
            latencies.push(now.saturating_sub(Duration::from_micros(member("at"))));
        }
    }
}
