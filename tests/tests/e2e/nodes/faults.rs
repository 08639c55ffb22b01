//! Nodes and the database die or hang in turn: nobody misses an event, and nobody waits for a node that is gone.
//!
//! `cargo xtask soak nodes` does it for many rounds, with more clients and longer faults.

use std::{
    thread,
    time::{Duration, Instant},
};

use tidings_tests::{Postgres, Random};

use super::{
    Nodes, asked,
    crowd::{Crowd, Publisher},
    new_journal,
};

/// Rounds in the suite. They take about 20 seconds.
const ROUNDS: usize = 12;

/// Clients that move between the nodes, in the suite.
const MOVING: usize = 6;

/// Events that show that somebody goes on: more than those that were on their way.
const MORE: usize = 5;

/// The publisher that writes into the outbox.
const OUTBOX: usize = 2;

/// Events per second in the suite.
const RATE: usize = 200;

/// Others must go on after this time in a soak, which has the machine for itself.
const OTHERS_WAIT: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy)]
enum Fault {
    KillNode(usize),
    FreezeNode(usize),
    KillDatabase,
    FreezeDatabase,
}

/// In turn.
const FAULTS: [Fault; 6] = [
    Fault::KillNode(0),
    Fault::FreezeNode(1),
    Fault::KillDatabase,
    Fault::KillNode(1),
    Fault::FreezeNode(0),
    Fault::FreezeDatabase,
];

#[test]
fn nobody_misses_an_event_when_nodes_and_the_database_die_or_hang() {
    let mut postgres = Postgres::start();
    let mut nodes = Nodes::start(new_journal(&postgres));
    let [one, other] = nodes.addresses;
    let moving = asked("TIDINGS_CLIENTS", MOVING);
    let is_soak = moving > MOVING;
    let longest = Duration::from_millis(if is_soak { 6_000 } else { 600 });
    // Three publishers share the rate.
    let pause = Duration::from_secs(3) / u32::try_from(asked("TIDINGS_RATE", RATE)).unwrap();
    // Reader and publisher 0 stay with node 0, and those with number 1 with node 1.
    let mut readers = vec![vec![one], vec![other]];
    readers.extend((0..moving).map(|index| if index % 2 == 0 { vec![one, other] } else { vec![other, one] }));
    let mut publishers: Vec<Publisher> = nodes.addresses.map(|node| Publisher::Client(vec![node])).into();
    publishers.push(Publisher::Outbox(nodes.url.clone()));
    let crowd = Crowd::start(readers, publishers, pause);
    // Those who stay with a node go on, and so does the outbox.
    let others_go_on = |node: usize| crowd.goes_on(node, node, MORE).max(crowd.goes_on(node, OUTBOX, MORE));
    let mut random = Random::of_this_run();
    let mut wait = |least: u64| {
        let more = random.below(usize::try_from(longest.as_millis()).unwrap()) as u64;
        thread::park_timeout(Duration::from_millis(least + more));
    };
    let (mut slowest_others, mut slowest) = (Duration::ZERO, Duration::ZERO);
    for (round, fault) in FAULTS.into_iter().cycle().take(asked("TIDINGS_FAULTS", ROUNDS)).enumerate() {
        crowd.all_go_on(MORE);
        let begin = Instant::now();
        match fault {
            Fault::KillNode(node) => {
                nodes.signal(node, "KILL");
                slowest_others = slowest_others.max(others_go_on(1 - node));
                nodes.start_again(node);
            }
            Fault::FreezeNode(node) => {
                nodes.signal(node, "STOP");
                slowest_others = slowest_others.max(others_go_on(1 - node));
                wait(0);
                nodes.signal(node, "CONT");
            }
            Fault::KillDatabase => {
                postgres.kill();
                wait(0);
                postgres.start_again();
            }
            Fault::FreezeDatabase => {
                postgres.freeze();
                wait(200);
                postgres.thaw();
            }
        }
        let after = crowd.all_go_on(MORE);
        slowest = slowest.max(after);
        println!(
            "round {round}: {fault:?}, all go on {after:.2?} after it has ended, {:.2?} in all",
            begin.elapsed()
        );
    }
    let published = crowd.end();
    println!("{published} events; the others went on within {slowest_others:.2?}, all within {slowest:.2?}");
    assert!(!is_soak || slowest_others < OTHERS_WAIT, "the others waited for {slowest_others:.2?}");
}
