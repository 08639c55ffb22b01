//! A dump of a database with a table that is bridged and one that is watched, in a new database.

use tidings_tests::{
    Postgres,
    postgres::{Dump, connect},
};

use super::{
    Node, ONCE, insert,
    page::{Page, load, read},
    with_links,
};

const WATCHED: &str = r#"
CREATE TABLE ticks(number bigint PRIMARY KEY);
SELECT tidings.watch('ticks', domain => 'clock', created => 'ticked', fields => '{"number": "number"}')"#;

#[test]
fn tables_of_a_dump_tell_of_their_changes_in_the_new_database_and_its_bridge_goes_on() {
    for flag in ["--journal", "--outbox"] {
        let journal = |url: &str| if flag == "--journal" { url.to_owned() } else { "memory".to_owned() };
        let url = with_links(Postgres::shared(), flag);
        connect(&url).batch_execute(WATCHED).unwrap();
        let mut node = Node::start(&url, &journal(&url));
        insert(&url, ONCE);
        node.signal("KILL");
        node.server.exit_code();
        // It waits for the next start.
        insert(&url, ONCE + 1);
        let copy = Postgres::shared().database();
        Dump::of(&url).restore(&copy);

        let mut database = connect(&copy);
        database.batch_execute("INSERT INTO ticks VALUES (1)").unwrap();
        insert(&copy, ONCE + 2);
        let told = "SELECT (SELECT array_agg(key ORDER BY id) FROM tidings.changes WHERE key >= $1), \
            (SELECT count(*) FROM tidings.outbox)";
        let row = database.query_one(told, &[&(ONCE + 1).to_string()]).unwrap();
        let (changes, events): (Vec<String>, i64) = (row.get(0), row.get(1));
        assert_eq!((changes, events), ([1, 2].map(|more| (ONCE + more).to_string()).to_vec(), 1));
        let node = Node::start(&copy, &journal(&copy));
        let page = Page::open(&[node.address], load(&copy));
        insert(&copy, ONCE + 3);
        let table = read(&mut database).unwrap();
        page.until("it has the table", |known| known.rows == table);
        page.until("it hears of the last row", |known| known.once.contains_key(&(ONCE + 3)));
    }
}
