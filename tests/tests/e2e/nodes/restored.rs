//! An older state of the database under running nodes: each client gets one sync, and nobody resumes wrongly.

use tidings_client_core::Output;
use tidings_shared::Position;
use tidings_tests::{Client, Postgres, Server, Tab, postgres::Dump, sample};

use super::{TOPIC, new_journal, node, two_nodes};

/// Publishes an event with a number. Returns its position.
#[track_caller]
fn tick(server: &Server, number: usize) -> String {
    let answer = server.publish_to(TOPIC, &sample::ticked(number));
    answer["position"].as_str().unwrap().to_owned()
}

/// Two clients of each node.
fn tabs(nodes: &[Server]) -> Vec<Tab> {
    let mut tabs: Vec<Tab> = nodes.iter().chain(nodes).map(|node| Tab::new(node.address())).collect();
    for tab in &mut tabs {
        tab.subscribed(&[TOPIC]);
    }
    tabs
}

/// Reads until the event at a position. Returns the number of syncs before it.
#[track_caller]
fn syncs_until(tab: &mut Tab, position: &str) -> usize {
    let mut syncs = 0;
    loop {
        match tab.expect() {
            Output::Sync { .. } => syncs += 1,
            Output::Event { publication, .. } if publication.position == position => return syncs,
            Output::Event { .. } | Output::Status(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Fails unless each tab gets one sync, and then the next events.
#[track_caller]
fn expect_one_sync(nodes: &[Server], tabs: &mut [Tab], since: &str) {
    // A sync is the first that a client hears. A publish may come before the node has noticed the old state.
    for tab in tabs.iter_mut() {
        loop {
            match tab.expect() {
                Output::Sync { .. } => break,
                Output::Event { .. } | Output::Status(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    for (number, node) in nodes.iter().enumerate() {
        let last = tick(node, 100 + number);
        for tab in tabs.iter_mut() {
            assert_eq!(syncs_until(tab, &last), 0, "one sync is enough");
        }
        let [old, new] = [since, &last].map(|position| position.parse::<Position>().unwrap().epoch);
        assert_ne!(old, new, "another history has another epoch");
        Client::hello(node).subscribe(&[TOPIC], Some(since), "sync");
    }
}

#[test]
fn a_base_backup_over_a_newer_history_is_one_sync_to_each_client() {
    let mut postgres = Postgres::start();
    let url = new_journal(&postgres);
    let mut nodes = two_nodes(&url);
    let mut tabs = tabs(&nodes);
    let publish_more = |nodes: &[Server], tabs: &mut [Tab]| {
        let [.., last] = [1, 2, 3].map(|number| tick(&nodes[number % 2], number));
        for tab in tabs {
            assert_eq!(syncs_until(tab, &last), 0);
        }
        last
    };

    // The same numbers again: another history is longer when the nodes see the database again.
    let kept = tick(&nodes[0], 0);
    let backup = postgres.back_up();
    let since = publish_more(&nodes, &mut tabs);
    for node in &mut nodes {
        node.process().signal("STOP");
    }
    postgres.restore(&backup);
    let third = node(&url);
    // Who has nothing of the lost history goes on.
    Client::hello(&third).subscribe(&[TOPIC], Some(&kept), "resumed");
    for number in 0..30 {
        tick(&third, 10 + number);
    }
    Client::hello(&third).subscribe(&[TOPIC], Some(&since), "sync");
    for node in &mut nodes {
        node.process().signal("CONT");
    }
    expect_one_sync(&nodes, &mut tabs, &since);

    // The database is behind its nodes.
    let backup = postgres.back_up();
    let since = publish_more(&nodes, &mut tabs);
    postgres.restore(&backup);
    expect_one_sync(&nodes, &mut tabs, &since);
}

/// Tables and functions vanish under the nodes, one after the other, and come back.
#[test]
fn a_dump_over_a_newer_history_is_one_sync_to_each_client() {
    let url = new_journal(Postgres::shared());
    let nodes = two_nodes(&url);
    let mut tabs = tabs(&nodes);
    tick(&nodes[0], 0);
    let dump = Dump::of(&url);
    let since = tick(&nodes[1], 1);
    for tab in &mut tabs {
        assert_eq!(syncs_until(tab, &since), 0);
    }
    dump.restore(&url);
    expect_one_sync(&nodes, &mut tabs, &since);
}

#[test]
fn a_replica_that_lacks_the_last_commits_is_one_sync_to_each_client() {
    let mut first = Postgres::start();
    let url = new_journal(&first);
    let second = first.replica();
    let url = first.url_with(&second, url.rsplit('/').next().unwrap());
    let nodes = two_nodes(&url);
    let mut tabs = tabs(&nodes);
    tick(&nodes[0], 0);
    second.catch_up(&first);
    second.stop_following();
    let since = tick(&nodes[1], 1);
    for tab in &mut tabs {
        assert_eq!(syncs_until(tab, &since), 0);
    }
    first.kill();
    second.promote();
    expect_one_sync(&nodes, &mut tabs, &since);
}
