//! The outbox in the database of the journal: every node takes its rows, and each row is published once.

mod committed;
mod newer;
mod rows;

use std::time::{Duration, Instant};

use ::postgres::Client as Database;
use serde_json::Value;
use tidings_tests::{
    Client, Finished, Postgres, Server, eventually, finish,
    postgres::{as_user, connect},
    rounds, sample, tidings,
};

const TOPIC: &str = "clock:ticks";

/// Returns the URL of a new database with a journal, and with its outbox.
#[track_caller]
fn new_journal() -> String {
    let url = Postgres::shared().database();
    let made = finish(tidings().args(["journal", "init", "--journal", &url]));
    assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""), "{made:?}");
    url
}

/// Starts a node.
#[track_caller]
fn node(url: &str) -> Server {
    Server::with(&["--journal", url])
}

/// The SQL that publishes an event with a number.
fn tick(number: usize) -> String {
    let event = sample::ticked(number);
    format!("SELECT tidings.publish('{event}', topics => ARRAY['{TOPIC}'])")
}

/// Reads the next event, which must have this number.
#[track_caller]
fn expect_tick(client: &mut Client, number: usize) -> Value {
    let event = client.expect("event");
    assert_eq!(event["event"], sample::ticked(number), "{event}");
    event
}

fn count(database: &mut Database, table: &str) -> i64 {
    database.query_one(&format!("SELECT count(*) FROM tidings.{table}"), &[]).unwrap().get(0)
}

#[track_caller]
fn expect_empty(database: &mut Database) {
    eventually("the outbox is empty", || count(database, "outbox") == 0);
}

fn dead_letters(url: &str) -> Vec<Value> {
    let Finished { stdout, .. } =
        finish(tidings().args(["journal", "dead-letters", "--json", "--outbox", url]));
    stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn committed_events_reach_the_clients_of_all_nodes_in_the_order_of_the_transactions_and_no_others_do() {
    let url = new_journal();
    let nodes = [node(&url), node(&url)];
    let mut clients = nodes.each_ref().map(|node| Client::subscribed(node, &[TOPIC]));
    let (mut database, mut other) = (connect(&url), connect(&url));
    // This transaction has the smallest id, and commits last.
    let mut late = other.transaction().unwrap();
    late.batch_execute(&tick(1_000)).unwrap();
    let mut rolled_back = database.transaction().unwrap();
    rolled_back.batch_execute(&tick(2_000)).unwrap();
    rolled_back.rollback().unwrap();
    for number in 0..200 {
        database.batch_execute(&tick(number)).unwrap();
    }
    let mut positions = clients.each_mut().map(|client| {
        (0..200).map(|number| expect_tick(client, number)["position"].clone()).collect::<Vec<_>>()
    });
    late.commit().unwrap();
    for (client, positions) in clients.iter_mut().zip(&mut positions) {
        positions.push(expect_tick(client, 1_000)["position"].clone());
    }
    assert_eq!(positions[0], positions[1], "a position is the same on each node");
    // More rows than one read takes, in one transaction.
    let event = sample::ticked(4);
    let many =
        format!("SELECT tidings.publish('{event}', topics => ARRAY['{TOPIC}']) FROM generate_series(1, 700)");
    database.batch_execute(&many).unwrap();
    for client in &mut clients {
        (0..700).for_each(|_| drop(expect_tick(client, 4)));
    }
    expect_empty(&mut database);
    assert_eq!(count(&mut database, "dead_letters"), 0);
    let idle = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
        AND application_name = 'tidings' AND state LIKE 'idle in transaction%'";
    assert_eq!(database.query_one(idle, &[]).unwrap().get::<_, i64>(0), 0, "no transaction stays open");
}

/// Both keep rows of the outbox from vacuum, and one has written to the outbox itself.
#[test]
fn events_arrive_while_a_transaction_is_open_there_and_in_another_database() {
    let url = new_journal();
    let nodes = [node(&url), node(&url)];
    let mut clients = nodes.each_ref().map(|node| Client::subscribed(node, &[TOPIC]));
    let (mut here, mut there) = (connect(&url), connect(&Postgres::shared().database()));
    let mut open = [here.transaction().unwrap(), there.transaction().unwrap()];
    let snapshot = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; CREATE TABLE mine(); SELECT 1";
    open.iter_mut().for_each(|open| open.batch_execute(snapshot).unwrap());
    open[0].batch_execute(&tick(1_000)).unwrap();
    let mut database = connect(&url);
    // A soak leaves them open for a minute.
    let seconds = rounds(1) as u64;
    let (begin, mut number) = (Instant::now(), 0);
    while begin.elapsed() < Duration::from_secs(seconds.min(60)) {
        database.batch_execute(&tick(number)).unwrap();
        clients.iter_mut().for_each(|client| drop(expect_tick(client, number)));
        number += 1;
    }
    open.into_iter().for_each(|open| open.commit().unwrap());
    clients.iter_mut().for_each(|client| drop(expect_tick(client, 1_000)));
    expect_empty(&mut database);
}

#[test]
fn a_node_that_is_frozen_or_killed_holds_up_no_event_of_the_others() {
    let url = new_journal();
    let mut nodes = [node(&url), node(&url)];
    let mut clients = nodes.each_ref().map(|node| Client::subscribed(node, &[TOPIC]));
    let mut database = connect(&url);
    let mut number = 0;
    let mut publish = |count: usize| {
        for _ in 0..count {
            database.batch_execute(&tick(number)).unwrap();
            number += 1;
        }
        number - count..number
    };
    // One of them is the node that took rows last.
    for frozen in [0, 1] {
        for number in publish(20) {
            clients.iter_mut().for_each(|client| drop(expect_tick(client, number)));
        }
        nodes[frozen].process().signal("STOP");
        let missed = publish(20);
        for number in missed.clone() {
            expect_tick(&mut clients[1 - frozen], number);
        }
        nodes[frozen].process().signal("CONT");
        for number in missed {
            expect_tick(&mut clients[frozen], number);
        }
    }
    nodes[1].process().signal("KILL");
    for number in publish(20) {
        expect_tick(&mut clients[0], number);
    }
    expect_empty(&mut database);
}

#[test]
fn an_outbox_flag_that_names_the_database_of_the_journal_changes_nothing() {
    let url = new_journal();
    // The same database under another name, and another database.
    let same = format!("{}?application_name=again", url.replace("127.0.0.1", "localhost"));
    let other = Postgres::shared().database();
    assert_eq!(finish(tidings().args(["journal", "init", "--outbox", &other])).code, Some(0));
    let mut node = Server::with(&["--journal", &url, "--outbox", &same, "--outbox", &other]);
    let mut client = Client::subscribed(&node, &[TOPIC]);
    for (number, url) in [(1, &url), (2, &other), (3, &url)] {
        connect(url).batch_execute(&tick(number)).unwrap();
        expect_tick(&mut client, number);
    }
    let log = node.process().log();
    assert!(log.contains("is read already") && !log.contains("secret"), "{log}");
    let again = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'again'";
    eventually("nobody reads it a second time", || {
        connect(&url).query_one(again, &[]).unwrap().get::<_, i64>(0) == 0
    });
}

#[test]
fn the_metrics_say_what_was_published_and_what_waits() {
    let url = new_journal();
    let node = node(&url);
    let mut client = Client::subscribed(&node, &[TOPIC]);
    let mut database = connect(&url);
    database.batch_execute(&tick(1)).unwrap();
    database.batch_execute("SELECT tidings.publish('no event', topics => ARRAY['other'])").unwrap();
    expect_tick(&mut client, 1);
    let has = |metric: &str, value: &str| {
        let page = tidings_tests::Request::get("/metrics").send(node.address()).body;
        page.lines()
            .any(|line| line.starts_with(&format!("{metric}{{")) && line.ends_with(&format!(" {value}")))
    };
    eventually("one row is published", || has("tidings_outbox_published_total", "1"));
    eventually("no row waits", || has("tidings_outbox_rows", "0"));
    eventually("one is a dead letter", || has("tidings_outbox_dead_letters", "1"));
}

#[test]
fn a_server_without_the_journal_does_not_start_on_its_outbox() {
    let (url, other) = (new_journal(), new_journal());
    for journal in [&["--journal", "memory"][..], &["--journal", &other]] {
        for command in ["serve", "check-config"] {
            let refused = finish(tidings().args([command, "--dev", "--outbox", &url]).args(journal));
            assert_eq!(refused.code, Some(2), "{command} {journal:?}: {refused:?}");
            let remedy = "start this server with --journal and this URL, or put the outbox into a database without a journal";
            assert!(
                refused.stderr.contains("--outbox postgres://") && refused.stderr.contains(remedy),
                "{refused:?}"
            );
        }
    }
    let same = finish(tidings().args(["check-config", "--dev", "--journal", &url, "--outbox", &url]));
    assert_eq!(same.code, Some(0), "{same:?}");
}

#[test]
fn a_server_takes_no_more_rows_when_a_journal_is_made_beside_them() {
    let url = Postgres::shared().database();
    assert_eq!(finish(tidings().args(["journal", "init", "--outbox", &url])).code, Some(0));
    let mut without = Server::with(&["--outbox", &url]);
    let mut client = Client::subscribed(&without, &[TOPIC]);
    let mut database = connect(&url);
    database.batch_execute(&tick(1)).unwrap();
    expect_tick(&mut client, 1);
    expect_empty(&mut database);

    assert_eq!(finish(tidings().args(["journal", "init", "--journal", &url])).code, Some(0));
    eventually("it says so", || without.process().log().contains("this database has a journal"));
    let node = node(&url);
    let mut clients = Client::subscribed(&node, &[TOPIC]);
    for number in 2..50 {
        database.batch_execute(&tick(number)).unwrap();
        expect_tick(&mut clients, number);
    }
    assert_eq!(without.process().log().matches("this database has a journal").count(), 1);
}

#[test]
fn a_node_and_its_writers_need_their_roles_only_and_a_dead_letter_can_be_tried_again() {
    let url = new_journal();
    let mut database = connect(&url);
    let users = "CREATE ROLE sequencing LOGIN PASSWORD 's' IN ROLE tidings_node; \
        CREATE ROLE publishing LOGIN PASSWORD 'p' IN ROLE tidings_publisher";
    database.batch_execute(users).unwrap();
    let nodes_url = as_user(&url, "sequencing", "s");
    let mut node = node(&nodes_url);
    let mut client = Client::subscribed(&node, &[TOPIC]);
    let mut writer = connect(&as_user(&url, "publishing", "p"));
    writer.batch_execute(&tick(1)).unwrap();
    writer.batch_execute(&tick(2).replace(TOPIC, "no topic")).unwrap();
    expect_tick(&mut client, 1);
    client.expect("sync");
    expect_empty(&mut database);
    database.batch_execute("UPDATE tidings.dead_letters SET topics = ARRAY['clock:ticks']").unwrap();
    let retried = finish(tidings().args(["journal", "dead-letters", "--retry-all", "--outbox", &nodes_url]));
    assert_eq!(retried.code, Some(0), "{retried:?}");
    expect_tick(&mut client, 2);
    expect_empty(&mut database);
    node.process().signal("TERM");
    assert_eq!(node.exit_code(), Some(0));
    // It says that it has gone, so another node need not wait.
    let has_left = "SELECT bool_and(at = '-infinity') FROM tidings.sequencer";
    assert!(database.query_one(has_left, &[]).unwrap().get::<_, bool>(0));
}

#[test]
fn a_journal_without_its_outbox_is_a_fault_of_the_journals_setting() {
    let url = "postgres://u:secret@127.0.0.1:1/d";
    let made = finish(tidings().args(["journal", "init", "--journal", url]));
    assert_eq!(made.code, Some(2), "{made:?}");
    assert!(made.stderr.contains("--journal: ") && !made.stderr.contains("--outbox"), "{made:?}");
}
