//! Servers that share no journal in the database of the table.

use std::time::Duration;

use tidings_server::bridge::SourceError;
use tidings_tests::{eventually, finish, postgres::connect, tidings};

use super::{Link, Node, Told, link, new_journal, run, with_links};

#[test]
fn a_server_with_another_journal_than_the_database_takes_none_of_its_changes() {
    let (url, mut database) = with_links(true);
    let refused = |node: Node| {
        let started = node.start::<Link>("links");
        assert!(
            matches!(&started, Err(SourceError::Failed(why)) if why.contains("this database has a journal, and the changes")),
            "{started:?}"
        );
    };
    refused(Node::new(&url, false));
    let mut other = Node::new(&new_journal(), true);
    other.source = Node::new(&url, false).source.clone();
    refused(other);
    let made = "SELECT (SELECT count(*) FROM tidings.bridges) + (SELECT count(*) FROM tidings.bridged_tables) \
        + (SELECT count(*) FROM tidings.bridge_nodes)";
    assert_eq!(database.query_one(made, &[]).unwrap().get::<_, i64>(0), 0, "it left something behind");
}

#[test]
fn when_a_journal_is_made_a_server_without_it_takes_no_more_changes() {
    let (url, mut database) = with_links(false);
    let mut without = Node::bridged(&url, false);
    assert_eq!(without.next(), Told::Sync);
    let made = finish(tidings().args(["journal", "init", "--journal", &url]));
    assert_eq!(made.code, Some(0), "{made:?}");
    // It looks once a second.
    std::thread::sleep(Duration::from_millis(1100));
    run(&mut database, "INSERT INTO links VALUES (1, 1)");
    let mut with = Node::bridged(&url, true);
    with.until(1);
    assert_eq!(without.within(Duration::ZERO), None);
    let mut database = connect(&url);
    run(&mut database, "INSERT INTO links VALUES (2, 2)");
    assert_eq!(with.next(), link(2, 2));
    let waiting = "SELECT count(*) FROM tidings.changes";
    eventually("nothing waits", || database.query_one(waiting, &[]).unwrap().get::<_, i64>(0) == 0);
}
