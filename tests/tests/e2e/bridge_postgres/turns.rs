//! Servers that share no journal in the database of the table.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;
use tidings_server::bridge::{SourceError, postgres::PostgresSource};
use tidings_tests::{eventually, finish, postgres::connect, tidings};

use super::{Database, Link, Node, Told, link, new_journal, run, with_links};

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

/// Waits until a reader has deleted the changes that it has published.
fn settled(database: &mut Database) {
    let waiting = "SELECT count(*) FROM tidings.changes";
    eventually("nothing waits", || database.query_one(waiting, &[]).unwrap().get::<_, i64>(0) == 0);
}

/// What a page has that begins empty, after all of this was told. For a `sync` it has what is in the table now.
fn page(database: &mut Database, told: &[Told]) -> BTreeMap<String, Value> {
    let mut page = BTreeMap::new();
    for told in told {
        match told {
            Told::Upserted(key, record) => _ = page.insert(key.clone(), record.clone()),
            Told::Deleted(key) => _ = page.remove(key),
            Told::Sync => page = table(database),
        }
    }
    page
}

fn table(database: &mut Database) -> BTreeMap<String, Value> {
    let rows = database.query("SELECT id::text, row_to_json(links.*)::text FROM links", &[]).unwrap();
    rows.iter().map(|row| (row.get(0), serde_json::from_str(row.get(1)).unwrap())).collect()
}

#[test]
fn a_subscriber_of_a_server_that_waits_has_the_table_and_keeps_it_when_the_server_takes_over() {
    let (url, mut database) = with_links(false);
    let mut first = Node::bridged(&url, false);
    assert_eq!(first.next(), Told::Sync);
    run(&mut database, "INSERT INTO links VALUES (1, 1)");
    first.until(1);
    settled(&mut database);
    let mut second = Node::bridged(&url, false);
    let mut told = vec![second.next()];
    assert_eq!(told, [Told::Sync], "nobody knows what the first one has published");
    run(&mut database, "UPDATE links SET v = 2; INSERT INTO links VALUES (3, 3)");
    first.until(3);
    told.push(second.next());
    assert_eq!(page(&mut database, &told), table(&mut database));
    settled(&mut database);
    // It looks once a second.
    assert_eq!(second.within(Duration::from_millis(1100)), None, "a deletion is no change");
    run(&mut database, "DELETE FROM links WHERE id = 1; INSERT INTO links VALUES (4, 4)");
    first.until(4);
    drop(first);
    run(&mut database, "INSERT INTO links VALUES (5, 5)");
    told.extend(second.until(5));
    told.push(link(5, 5));
    assert_eq!(page(&mut database, &told), table(&mut database));
}

#[test]
fn servers_that_share_a_journal_elsewhere_take_turns_without_a_sync() {
    let (url, mut database) = with_links(false);
    let journal = new_journal();
    let start = || {
        let mut node = Node::new(&journal, true);
        node.source = PostgresSource::new(&url).unwrap();
        node.bridge = Some(node.start("links").unwrap());
        node
    };
    let mut first = start();
    assert_eq!(first.next(), Told::Sync);
    settled(&mut database);
    let mut second = start();
    run(&mut database, "INSERT INTO links VALUES (1, 1)");
    assert_eq!([first.next(), second.next()], [link(1, 1), link(1, 1)]);
    drop(first);
    run(&mut database, "INSERT INTO links VALUES (2, 2)");
    assert_eq!(second.next(), link(2, 2));
}
