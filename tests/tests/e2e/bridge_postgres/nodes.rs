//! Several nodes, their starts, stops and crashes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tidings_server::bridge::postgres::PostgresSource;
use tidings_tests::{
    Cut, Direction, Ending, Postgres, Proxy, Random, eventually,
    postgres::{as_user, connect},
};

use super::{Node, Told, link, run, with_links};

/// The time in which nothing must come.
const QUIET: Duration = Duration::from_millis(300);

#[test]
fn two_nodes_with_the_same_bridge_publish_each_change_once() {
    let (url, mut database) = with_links(true);
    let mut first = Node::bridged(&url, true);
    assert_eq!(first.next(), Told::Sync);
    let mut nodes = [first, Node::bridged(&url, true)];
    // Each record changes once, so no changes are joined.
    for id in 0..300 {
        run(&mut database, &format!("INSERT INTO links VALUES ({id}, 0)"));
    }
    run(&mut database, "INSERT INTO links VALUES (1000, -1)");
    let [one, other] = nodes.each_mut().map(|node| node.until(-1));
    assert_eq!(one, other);
    assert_eq!(one, (0..300).map(|id| link(id, 0)).collect::<Vec<_>>());
}

#[test]
fn a_node_that_crashes_holds_up_nothing_and_goes_on_without_a_sync() {
    for has_journal in [true, false] {
        let (url, mut database) = with_links(has_journal);
        let mut nodes = [Node::bridged(&url, has_journal), Node::bridged(&url, has_journal)];
        assert_eq!(nodes[0].next(), Told::Sync);
        run(&mut database, "INSERT INTO links VALUES (1, 1)");
        nodes[0].until(1);
        let [first, mut second] = nodes;
        drop(first);
        run(&mut database, "INSERT INTO links VALUES (2, 2)");
        second.until(2);
        drop(second);
        // Its thread runs for a moment.
        let has_turn = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 1953064038 AND objid = 1 \
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        eventually("nobody has the turn", || {
            database.query_one(has_turn, &[]).unwrap().get::<_, i64>(0) == 0
        });
        // Nobody is there. The changes wait.
        run(&mut database, "INSERT INTO links VALUES (3, 3)");
        let mut third = Node::bridged(&url, has_journal);
        run(&mut database, "INSERT INTO links VALUES (4, 4)");
        assert_eq!(third.until(4), [link(3, 3)]);
    }
}

#[test]
fn a_node_whose_connection_is_frozen_holds_up_no_change() {
    let (url, mut database) = with_links(true);
    let mut node = Node::bridged(&url, true);
    assert_eq!(node.next(), Told::Sync);
    let mut id = 0;
    for after_bytes in [4_000, 6_000, 9_000] {
        let cut =
            Cut { direction: Direction::Down, after_bytes, client: Ending::Silence, server: Ending::Silence };
        // The first connection only registers. One of the others reads the changes.
        let mut connections = 0;
        let proxy = Proxy::start(Postgres::shared().address(), move || {
            connections += 1;
            (connections > 1).then_some(cut)
        });
        let mut frozen = Node::new(&url, true);
        let address = Postgres::shared().address().to_string();
        frozen.source = PostgresSource::new(&url.replace(&address, &proxy.address().to_string())).unwrap();
        frozen.bridge = Some(frozen.start("links").unwrap());
        // Both nodes take changes in turn, until one of them is frozen.
        let mut written = Vec::new();
        while proxy.cuts().is_empty() {
            id += 1;
            run(&mut database, &format!("INSERT INTO links VALUES ({id}, 0)"));
            written.push(link(id, 0));
            // The node that took changes last goes on. So the other one reads a little of each look, and the subscriber must
            // not fall behind the log meanwhile.
            std::thread::sleep(Duration::from_millis(5));
        }
        for _ in 0..20 {
            id += 1;
            run(&mut database, &format!("INSERT INTO links VALUES ({id}, 0)"));
            written.push(link(id, 0));
        }
        run(&mut database, &format!("INSERT INTO links VALUES (-{id}, -{id})"));
        // The change that the frozen node has read may come after later ones.
        let mut told = node.until(-id);
        told.sort_by_key(|told| format!("{told:?}"));
        written.sort_by_key(|told| format!("{told:?}"));
        assert_eq!(told, written);
    }
}

#[test]
fn the_last_stop_ends_the_record_of_changes_and_the_next_start_is_one_sync() {
    for has_journal in [true, false] {
        let (url, mut database) = with_links(has_journal);
        let mut nodes = [Node::bridged(&url, has_journal), Node::bridged(&url, has_journal)];
        assert_eq!(nodes[0].next(), Told::Sync);
        let waiting = "SELECT count(*) FROM tidings.changes";
        nodes[0].stop();
        run(&mut database, "INSERT INTO links VALUES (1, 1)");
        nodes[1].until(1);
        nodes[1].stop();
        run(&mut database, "INSERT INTO links VALUES (2, 2)");
        assert_eq!(database.query_one(waiting, &[]).unwrap().get::<_, i64>(0), 0, "nobody records changes");
        assert_eq!(nodes[1].within(QUIET), None);
        nodes[1].bridge = Some(nodes[1].start("links").unwrap());
        assert_eq!(nodes[1].next(), Told::Sync);
        run(&mut database, "INSERT INTO links VALUES (3, 3)");
        assert_eq!(nodes[1].next(), link(3, 3));
    }
}

#[test]
fn nothing_comes_after_a_stop_that_has_returned_also_in_a_burst() {
    let (url, mut database) = with_links(true);
    let mut node = Node::bridged(&url, true);
    assert_eq!(node.next(), Told::Sync);
    let writer = std::thread::spawn(move || {
        for id in 0..400 {
            run(&mut database, &format!("INSERT INTO links VALUES ({id}, 0)"));
        }
    });
    assert_eq!(node.next(), link(0, 0));
    node.stop();
    // What is in the journal now may be on its way to this node.
    let mut newest = connect(&url);
    let count = |database: &mut ::postgres::Client| -> i64 {
        database.query_one("SELECT max(number) FROM tidings.log", &[]).unwrap().get(0)
    };
    let published = count(&mut newest);
    writer.join().unwrap();
    std::thread::sleep(QUIET);
    assert_eq!(count(&mut newest), published);
}

#[test]
fn a_transaction_that_was_open_at_the_start_is_a_second_sync_when_it_has_ended() {
    let (url, mut database) = with_links(true);
    // The triggers are there, and record nothing.
    let mut node = Node::bridged(&url, true);
    assert_eq!(node.next(), Told::Sync);
    node.stop();
    let mut old = connect(&url);
    let mut transaction = old.transaction().unwrap();
    transaction.batch_execute("INSERT INTO links VALUES (1, 1)").unwrap();
    // An older snapshot does not keep a transaction from telling of its writes.
    let mut snapshot = connect(&url);
    snapshot.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM pg_class").unwrap();
    node.bridge = Some(node.start("links").unwrap());
    assert_eq!(node.next(), Told::Sync);
    run(&mut database, "INSERT INTO links VALUES (2, 2)");
    assert_eq!(node.next(), link(2, 2));
    snapshot.batch_execute("INSERT INTO links VALUES (3, 3); COMMIT").unwrap();
    assert_eq!(node.next(), link(3, 3));
    transaction.commit().unwrap();
    assert_eq!(node.next(), Told::Sync);
}

#[test]
fn no_node_waits_for_the_writers_of_a_table_that_gets_its_triggers() {
    let (url, mut database) = with_links(true);
    let mut node = Node::bridged(&url, true);
    assert_eq!(node.next(), Told::Sync);
    run(&mut database, "CREATE TABLE other(id bigint PRIMARY KEY)");
    let mut writer = connect(&url);
    writer.batch_execute("BEGIN; INSERT INTO other VALUES (1)").unwrap();
    let for_thread = url.clone();
    let making = std::thread::spawn(move || run(&mut connect(&for_thread), "SELECT tidings.bridge('other')"));
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = \
        (SELECT oid FROM pg_database WHERE datname = current_database())";
    eventually("the triggers wait for the writer", || {
        database.query_one(waits, &[]).unwrap().get::<_, i64>(0) > 0
    });
    // It would give up after 2 s.
    run(&mut database, "SELECT tidings.renew_bridge(1, gen_random_uuid())");
    writer.batch_execute("COMMIT").unwrap();
    making.join().unwrap();
}

#[test]
fn an_open_transaction_of_an_owner_and_the_locks_of_anybody_hold_up_no_node() {
    let (url, mut database) = with_links(true);
    let mut node = Node::bridged(&url, true);
    assert_eq!(node.next(), Told::Sync);
    run(
        &mut database,
        "DO $$ BEGIN CREATE ROLE anybody LOGIN PASSWORD 'a'; EXCEPTION WHEN duplicate_object THEN END $$;
        CREATE TABLE other(id bigint PRIMARY KEY)",
    );
    let mut anybody = connect(&as_user(&url, "anybody", "a"));
    run(&mut anybody, "SELECT pg_advisory_lock(8388346184940876548)");
    let gone = "INSERT INTO tidings.bridge_nodes VALUES (77, gen_random_uuid(), now() - interval '2 days')";
    run(&mut database, gone);
    let mut renew = |expected: (bool, bool)| {
        let renew = "SELECT is_known, is_settled FROM tidings.renew_bridge(1, gen_random_uuid())";
        let row = database.query_one(renew, &[]).unwrap();
        assert_eq!((row.get(0), row.get(1)), expected);
    };
    let mut owner = connect(&url);
    run(
        &mut owner,
        "SET lock_timeout = '2s'; BEGIN; SELECT tidings.bridge('other'); SELECT tidings.bridge('links');
        SELECT FROM tidings.bridge_nodes WHERE bridge = 77 FOR UPDATE",
    );
    renew((true, true));
    let mut second = Node::bridged(&url, true);
    second.stop();
    run(&mut owner, "COMMIT; BEGIN; SELECT tidings.unbridge('other')");
    renew((true, true));
    // This node asks again until it knows what becomes of its bridge.
    run(&mut owner, "SELECT tidings.unbridge('links')");
    renew((true, false));
    run(&mut owner, "ROLLBACK");
    renew((true, true));
}

#[test]
fn an_older_copy_of_the_database_is_a_sync() {
    let (url, mut database) = with_links(false);
    let mut node = Node::bridged(&url, false);
    assert_eq!(node.next(), Told::Sync);
    run(&mut database, "INSERT INTO links VALUES (1, 1)");
    assert_eq!(node.next(), link(1, 1));
    let nothing_waits = |url: &str| {
        let count = |database: &mut ::postgres::Client| -> i64 {
            database.query_one("SELECT count(*) FROM tidings.changes", &[]).unwrap().get(0)
        };
        let mut database = connect(url);
        eventually("nothing waits", || count(&mut database) == 0);
    };
    nothing_waits(&url);
    drop(database);
    let name = url.rsplit_once('/').unwrap().1;
    let copy = format!("{name}_copy");
    let mut postgres = connect(&Postgres::shared().url("postgres"));
    let mut close = |then: &[String]| {
        run(&mut postgres, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
        let end =
            format!("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{name}'");
        run(&mut postgres, &end);
        then.iter().for_each(|statement| run(&mut postgres, statement));
    };
    close(&[
        format!("CREATE DATABASE {copy} TEMPLATE {name}"),
        format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"),
    ]);
    // The same database is no copy, also after its connections have ended.
    run(&mut connect(&url), "INSERT INTO links VALUES (2, 2)");
    // Another reader may have had a turn, when the connection that had it has ended.
    assert!(node.until(2).iter().all(|told| *told == Told::Sync));
    nothing_waits(&url);
    // Others write to the copy before the node knows of it.
    run(&mut connect(&Postgres::shared().url(&copy)), "INSERT INTO links VALUES (3, 3), (4, 4), (5, 5)");
    close(&[
        format!("ALTER DATABASE {name} RENAME TO {name}_old"),
        format!("ALTER DATABASE {copy} RENAME TO {name}"),
    ]);
    assert_eq!(node.next(), Told::Sync);
    assert_eq!(node.next(), link(3, 3));
    node.until(5);
    run(&mut connect(&url), "INSERT INTO links VALUES (6, 6)");
    assert_eq!(node.next(), link(6, 6));
}

#[test]
fn a_record_that_changes_all_the_time_is_told_of_meanwhile_and_at_the_end() {
    let (url, mut database) = with_links(true);
    let mut node = Node::bridged(&url, true);
    assert_eq!(node.next(), Told::Sync);
    run(&mut database, "INSERT INTO links VALUES (1, 0)");
    assert_eq!(node.next(), link(1, 0));
    let is_enough = Arc::new(AtomicBool::new(false));
    let ends = Arc::clone(&is_enough);
    let writer = std::thread::spawn(move || {
        let mut last = 0;
        while !ends.load(Ordering::Relaxed) {
            last += 1;
            run(&mut database, &format!("UPDATE links SET v = {last} WHERE id = 1"));
        }
        run(&mut database, "INSERT INTO links VALUES (2, -1)");
        last
    });
    let told: Vec<Told> = (0..3).map(|_| node.next()).collect();
    is_enough.store(true, Ordering::Relaxed);
    let last = writer.join().unwrap();
    let rest = node.until(-1);
    // A sync stands for a record that was missed. It may come after the last write, and then the record is loaded.
    let all: Vec<&Told> = told.iter().chain(&rest).collect();
    let values = |told: &&Told| match told {
        Told::Upserted(_, record) => record["v"].as_i64(),
        _ => None,
    };
    let events: Vec<i64> = all.iter().filter_map(values).collect();
    assert!(events.is_sorted(), "{events:?}");
    assert!(events.last() == Some(&last) || matches!(all.last(), Some(Told::Sync)), "{last} of {all:?}");
}

#[test]
fn after_concurrent_writes_each_subscriber_has_the_records() {
    for has_journal in [true, false] {
        let (url, mut database) = with_links(has_journal);
        let mut nodes = [Node::bridged(&url, has_journal), Node::bridged(&url, has_journal)];
        let writers: Vec<_> = (0..3_u64)
            .map(|writer| {
                let url = url.clone();
                std::thread::spawn(move || {
                    let (mut database, mut random) = (connect(&url), Random::new(writer));
                    for _ in 0..60 {
                        let (id, v) = (random.below(3), random.below(1 << 30));
                        run(
                            &mut database,
                            &match random.below(4) {
                                0 => format!("DELETE FROM links WHERE id = {id}"),
                                _ => format!(
                                    "INSERT INTO links VALUES ({id}, {v}) ON CONFLICT (id) DO UPDATE SET v = {v}"
                                ),
                            },
                        );
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        run(&mut database, "INSERT INTO links VALUES (100, -1)");
        // Without a journal, one node at a time reads the changes.
        let count = if has_journal { 2 } else { 1 };
        for node in &mut nodes[..count] {
            let mut known = std::collections::BTreeMap::new();
            for told in node.until(-1) {
                match told {
                    Told::Upserted(key, record) => drop(known.insert(key, record)),
                    Told::Deleted(key) => drop(known.remove(&key)),
                    // It loads what is there, and all writers have ended.
                    Told::Sync => {
                        let rows = "SELECT id::text, row_to_json(links.*)::text FROM links WHERE id < 100";
                        let rows = database.query(rows, &[]).unwrap();
                        known = rows
                            .iter()
                            .map(|row| (row.get(0), serde_json::from_str(row.get(1)).unwrap()))
                            .collect();
                    }
                }
            }
            let rows =
                database.query("SELECT id::text, row_to_json(links.*)::text FROM links WHERE id < 100", &[]);
            let stored = rows
                .unwrap()
                .iter()
                .map(|row| (row.get(0), serde_json::from_str(row.get(1)).unwrap()))
                .collect();
            assert_eq!(known, stored);
        }
    }
}
