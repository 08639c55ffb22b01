//! Two processes with the same bridge, and their database: they die and hang in turn, while others write.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use postgres::{Client, NoTls};
use tidings_tests::{Postgres, Random, postgres::connect, rounds};

use crate::bridge_nodes::{
    Node, ONCE,
    page::{Page, load, read},
    with_links,
};

/// Faults in the suite. They take some 8 seconds.
const FAULTS: usize = 5;

/// Rows that show that a page hears of changes: more than those that were on their way.
const MORE: usize = 10;

/// Writers at a time.
const WRITERS: i64 = 2;

/// The pause of a writer between two transactions.
const PAUSE: Duration = Duration::from_millis(5);

/// The others must go on after this time in a soak, which has the machine for itself.
const OTHERS_WAIT: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy)]
enum Fault {
    KillNode(usize),
    FreezeNode(usize),
    KillDatabase,
}

/// In turn.
const ALL: [Fault; 5] =
    [Fault::KillNode(0), Fault::FreezeNode(1), Fault::KillDatabase, Fault::KillNode(1), Fault::FreezeNode(0)];

#[test]
fn pages_have_the_table_and_hear_of_each_row_once_though_nodes_and_the_database_die_or_hang() {
    let rounds = rounds(1);
    let is_soak = rounds > 1;
    let mut postgres = Postgres::start();
    let url = with_links(&postgres, "--journal");
    let mut nodes = [(); 2].map(|()| Node::start(&url, &url));
    let [one, other] = [nodes[0].address, nodes[1].address];
    // Page 0 stays with node 0, and page 1 with node 1. Page 2 moves.
    let places = [vec![one], vec![other], vec![one, other]];
    let pages = places.map(|nodes| Page::open(&nodes, load(&url)));
    let mut random = Random::of_this_run();
    let stops = Arc::<AtomicBool>::default();
    let writers: Vec<JoinHandle<()>> = (0..WRITERS)
        .map(|writer| {
            let (url, random, stops) = (url.clone(), Random::new(random.next_u64()), Arc::clone(&stops));
            thread::spawn(move || write(&url, writer, random, &stops))
        })
        .collect();
    let all_go_on = || {
        let goals = pages.each_ref().map(|page| page.known().once.len() + MORE);
        let waits = pages.iter().zip(goals);
        waits
            .map(|(page, goal)| page.until("it hears of more", |known| known.once.len() >= goal))
            .sum::<Duration>()
    };
    let (mut slowest_others, mut slowest) = (Duration::ZERO, Duration::ZERO);
    for (round, fault) in ALL.into_iter().cycle().take(FAULTS * rounds).enumerate() {
        all_go_on();
        let mut pause = |least: u64| thread::sleep(Duration::from_millis(least + random.below(500) as u64));
        let mut others = Duration::ZERO;
        match fault {
            Fault::KillNode(node) => {
                nodes[node].signal("KILL");
                others = pages[1 - node].goes_on(MORE);
                pause(0);
                nodes[node].start_again();
            }
            Fault::FreezeNode(node) => {
                nodes[node].signal("STOP");
                others = pages[1 - node].goes_on(MORE);
                pause(if is_soak { 3_000 } else { 0 });
                nodes[node].signal("CONT");
            }
            Fault::KillDatabase => {
                postgres.kill();
                pause(0);
                postgres.start_again();
            }
        }
        let after = all_go_on();
        (slowest_others, slowest) = (slowest_others.max(others), slowest.max(after));
        println!("round {round}: {fault:?}, others go on {others:.2?}, all {after:.2?} after its end");
    }
    stops.store(true, Relaxed);
    for writer in writers {
        writer.join().expect("its message is above");
    }
    // An event that comes twice has come before this one, or just after it.
    let mut database = connect(&url);
    database.execute("INSERT INTO links VALUES ($1, 0)", &[&i64::MAX]).unwrap();
    let table = read(&mut database).unwrap();
    let once: Vec<i64> = table.keys().copied().filter(|id| *id >= ONCE).collect();
    for (number, page) in pages.iter().enumerate() {
        page.until("the last row", |known| known.once.contains_key(&i64::MAX));
        page.until("it has the table", |known| known.rows == table);
        let known = page.known();
        assert!(known.once.keys().eq(&once), "page {number}: each row has its event");
        assert!(known.once.values().all(|count| *count == 1), "page {number}: twice: {:?}", known.once);
        println!("page {number}: {} rows, {} syncs", once.len(), known.syncs);
    }
    println!("the others went on within {slowest_others:.2?}, all within {slowest:.2?}");
    assert!(!is_soak || slowest_others < OTHERS_WAIT, "the others waited for {slowest_others:.2?}");
}

/// Writes until it shall end: rows that nobody changes, each until its transaction has succeeded, and others again and again.
fn write(url: &str, writer: i64, mut random: Random, stops: &AtomicBool) {
    let (mut database, mut id): (Option<Client>, i64) = (None, ONCE + writer * 1_000_000);
    while !stops.load(Relaxed) {
        let v = random.below(1 << 30);
        let busy = random.below(5);
        let statements = match random.below(4) {
            0 => format!("DELETE FROM links WHERE id = {busy};"),
            1 => format!("SAVEPOINT s; UPDATE links SET v = {v} WHERE id < {ONCE}; ROLLBACK TO s;"),
            _ => format!(
                "INSERT INTO links VALUES ({busy}, {v}) ON CONFLICT (id) DO UPDATE SET v = excluded.v;"
            ),
        };
        let insert = format!("INSERT INTO links VALUES ({id}, {v}) ON CONFLICT DO NOTHING;");
        let transaction = format!("BEGIN; {insert} {statements} COMMIT");
        // If the connection is lost, nobody knows whether the transaction has succeeded.
        loop {
            database = database.filter(|open| !open.is_closed()).or_else(|| Client::connect(url, NoTls).ok());
            match database.as_mut().map(|open| open.batch_execute(&transaction)) {
                Some(Ok(())) => break,
                // Two writers that wait for each other.
                Some(Err(_))
                    if database.as_mut().is_some_and(|open| open.batch_execute("ROLLBACK").is_ok()) => {}
                _ => thread::park_timeout(Duration::from_millis(20)),
            }
        }
        id += 1;
        thread::park_timeout(PAUSE);
    }
}
