//! Transactions per second of an application's writers, with and without the line that publishes an event. Each transaction
//! inserts one small row, which is as little as a transaction can do. So the line is compared with a second such row, too.

use std::{
    io::{ErrorKind, Read},
    net::TcpStream,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use tidings_tests::{Client, Postgres, postgres::connect, sample};

use crate::{Size, new_journal, spread, two_nodes, usage::Usage};

const WRITERS: usize = 16;

const TOPIC: &str = "clock:all";

/// Inserts a row of 200 bytes.
const INSERT: &str = "INSERT INTO data(text) VALUES (repeat('x', 200))";

pub(crate) fn run(postgres: &Postgres, size: Size) {
    let url = new_journal(postgres);
    let unread = new_journal(postgres);
    for url in [&url, &unread] {
        connect(url).batch_execute("CREATE TABLE data(id bigserial PRIMARY KEY, text text)").unwrap();
    }
    let mut nodes = two_nodes(&url);
    let publish = format!("SELECT tidings.publish('{}', topics => ARRAY['{TOPIC}'])", sample::ticked(0));
    let (mut without, mut second, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    let (mut with, mut emptied, mut usages) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..size.rounds {
        without.push(write(&url, size.time, None));
        second.push(write(&url, size.time, Some(INSERT)));
        waiting.push(write(&unread, size.time, Some(&publish)));
        connect(&unread).batch_execute("TRUNCATE tidings.outbox").unwrap();
        let readers = nodes.each_ref().map(|node| Client::subscribed(node, &[TOPIC]));
        let reading = AtomicBool::new(true);
        let usage = Usage::begin(postgres, &url, &mut nodes);
        with.push(thread::scope(|scope| {
            for reader in &readers {
                let reading = &reading;
                scope.spawn(move || read(reader.stream(), reading));
            }
            let written = write(&url, size.time, Some(&publish));
            emptied.push(time_until_empty(&url));
            reading.store(false, Relaxed);
            written
        }));
        usages.push(usage.end(&mut nodes));
    }
    let of = |all: &[f64]| spread(without.iter().zip(all).map(|(without, with)| with / without * 100.0), 0);
    println!("\n| {WRITERS} writers, beside two nodes | transactions/s | of 100 % |");
    println!("|---|---|---|");
    println!("| one row | {} | 100 % |", spread(without.iter().copied(), 0));
    println!("| two rows | {} | {} % |", spread(second.iter().copied(), 0), of(&second));
    println!(
        "| one row and `tidings.publish(…)`, which nobody reads | {} | {} % |",
        spread(waiting.iter().copied(), 0),
        of(&waiting)
    );
    println!(
        "| one row and `tidings.publish(…)`, with the two nodes | {} | {} % |",
        spread(with.iter().copied(), 0),
        of(&with)
    );
    println!(
        "\nThen, the two nodes use {} ms of CPU per second, and the database {}.",
        spread(usages.iter().map(|usage| usage.nodes_ms), 0),
        spread(usages.iter().map(|usage| usage.database_ms), 0)
    );
    println!("\nThe outbox was empty {} s after the last transaction.", spread(emptied, 2));
}

/// Writes rows for a time, each in a transaction, perhaps with one more statement. Returns the transactions per second.
fn write(url: &str, time: Duration, more: Option<&str>) -> f64 {
    let (count, begin) = (AtomicU64::new(0), Instant::now());
    thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                let mut database = connect(url);
                let insert = database.prepare(INSERT).unwrap();
                let more = more.map(|more| database.prepare(more).unwrap());
                while begin.elapsed() < time {
                    let mut transaction = database.transaction().unwrap();
                    transaction.execute(&insert, &[]).unwrap();
                    if let Some(more) = &more {
                        transaction.execute(more, &[]).unwrap();
                    }
                    transaction.commit().unwrap();
                    count.fetch_add(1, Relaxed);
                }
            });
        }
    });
    count.load(Relaxed) as f64 / begin.elapsed().as_secs_f64()
}

/// Reads as cheaply as possible: the processor time of a client is not what is measured.
fn read(mut stream: &TcpStream, reading: &AtomicBool) {
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let mut bytes = vec![0; 256 * 1024];
    while reading.load(Relaxed) {
        match stream.read(&mut bytes) {
            Ok(0) => panic!("the node has closed the connection"),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn time_until_empty(url: &str) -> f64 {
    let (mut database, begin) = (connect(url), Instant::now());
    let is_empty = "SELECT NOT EXISTS (SELECT FROM tidings.outbox)";
    while !database.query_one(is_empty, &[]).unwrap().get::<_, bool>(0) {
        thread::sleep(Duration::from_millis(5));
    }
    begin.elapsed().as_secs_f64()
}
