//! Changes of a table's definition and of its triggers. No trigger tells of them.

use ::postgres::Client as Database;
use tidings_tests::{Postgres, finish, postgres::connect, tidings};

use super::{LINKS, Node, Told, link, new_outbox, run, with_links};

/// Makes the call of a node that is still there. Returns whether a gap waits now, and whether the triggers are on.
fn renew(database: &mut Database) -> (bool, bool) {
    run(database, "DELETE FROM tidings.changes");
    let renew = "SELECT has_triggers FROM tidings.renew_bridge(1, gen_random_uuid())";
    let has_triggers = database.query_one(renew, &[]).unwrap().get(0);
    let gaps = "SELECT count(*) FROM tidings.changes WHERE key IS NULL";
    (database.query_one(gaps, &[]).unwrap().get::<_, i64>(0) > 0, has_triggers)
}

#[test]
fn what_no_trigger_tells_is_a_gap_also_if_it_was_taken_back() {
    const GAP: (bool, bool) = (true, true);
    const GAP_AND_OFF: (bool, bool) = (true, false);
    let url = new_outbox();
    let mut database = connect(&url);
    run(
        &mut database,
        "CREATE TYPE mood AS ENUM ('a', 'b'); CREATE DOMAIN moods AS mood[]; CREATE TYPE pair AS (x int, moods moods);
        CREATE TABLE links(id bigint PRIMARY KEY, v bigint, pair pair) PARTITION BY RANGE (id);
        CREATE TABLE few PARTITION OF links FOR VALUES FROM (0) TO (100);
        INSERT INTO links VALUES (1, 1, ROW(1, '{a}'));
        SELECT tidings.bridge('links');
        SELECT tidings.start_bridge(1, 'acme', 'links', 'store:links', gen_random_uuid(), 600000)",
    );
    let mut steps = |statements: &str, expected: (bool, bool)| {
        run(&mut database, statements);
        assert_eq!(renew(&mut database), expected, "{statements}");
        assert_eq!(renew(&mut database), (false, expected.1), "one gap: {statements}");
    };
    renew(&mut connect(&url));
    steps("UPDATE links SET v = 2; CREATE INDEX ON links(v); ANALYZE links", (false, true));
    steps("ALTER TYPE mood RENAME VALUE 'a' TO 'z'", GAP);
    steps("ALTER TYPE pair RENAME ATTRIBUTE x TO y", GAP);
    steps("ALTER TABLE links ALTER v TYPE bigint USING v + 1", GAP);
    steps("ALTER TABLE links RENAME v TO w; ALTER TABLE links RENAME w TO v", GAP);
    steps(
        "CREATE TABLE more(id bigint PRIMARY KEY, v bigint, pair pair); INSERT INTO more VALUES (101, 1, NULL);
        ALTER TABLE links ATTACH PARTITION more FOR VALUES FROM (100) TO (200)",
        GAP,
    );
    // The triggers are older than this partition.
    steps("TRUNCATE more", GAP);
    steps("SELECT tidings.bridge('links')", GAP);
    steps(
        "ALTER TABLE links DISABLE TRIGGER ALL; UPDATE links SET v = 3;
        ALTER TABLE links ENABLE ALWAYS TRIGGER tidings_bridge_1;
        ALTER TABLE links ENABLE ALWAYS TRIGGER tidings_bridge_1_truncate",
        GAP,
    );
    for off in [
        "ALTER TABLE few DISABLE TRIGGER tidings_bridge_1",
        "ALTER TABLE links DISABLE TRIGGER ALL",
        "ALTER TABLE links DISABLE TRIGGER ALL; ALTER TABLE links ENABLE TRIGGER ALL",
        "ALTER TABLE links DISABLE TRIGGER tidings_bridge_1_truncate",
        "DROP TRIGGER tidings_bridge_1 ON links",
        "DROP TRIGGER tidings_bridge_1_truncate ON links",
    ] {
        steps(off, GAP_AND_OFF);
        steps("UPDATE links SET v = v + 1; SELECT tidings.bridge('links')", GAP);
    }
    let found = "SELECT source FROM tidings.find_table('links')";
    assert_eq!(database.query_one(found, &[]).unwrap().get::<_, Option<i32>>(0), Some(1));
}

#[test]
fn a_node_of_the_owner_makes_triggers_again_and_a_gap_stands_for_what_they_have_missed() {
    let (url, mut database) = with_links(true);
    run(&mut database, "INSERT INTO links VALUES (1, 1)");
    let mut node = Node::bridged(&url, true);
    assert_eq!(node.next(), Told::Sync);
    for off in [
        "ALTER TABLE links DISABLE TRIGGER ALL; UPDATE links SET v = 2; ALTER TABLE links ENABLE TRIGGER ALL",
        "DROP TRIGGER tidings_bridge_1 ON links; UPDATE links SET v = 3",
    ] {
        drop(node);
        run(&mut database, off);
        node = Node::bridged(&url, true);
        assert_eq!(node.next(), Told::Sync);
        run(&mut database, "UPDATE links SET v = 4");
        assert_eq!(node.next(), link(1, 4));
    }
}

#[test]
fn a_table_that_takes_the_name_of_another_one_takes_its_bridge() {
    let (url, mut database) = with_links(true);
    let mut node = Node::bridged(&url, true);
    assert_eq!(node.next(), Told::Sync);
    drop(node);
    run(
        &mut database,
        "ALTER TABLE links RENAME TO old; CREATE TABLE links(id bigint PRIMARY KEY, v bigint); INSERT INTO links VALUES (1, 1)",
    );
    let mut node = Node::bridged(&url, true);
    assert_eq!(node.next(), Told::Sync);
    run(&mut database, "INSERT INTO old VALUES (2, 2); INSERT INTO links VALUES (3, 3)");
    assert_eq!(node.next(), link(3, 3));
    let orphans = "SELECT count(*) FROM tidings.changes WHERE bridge NOT IN (SELECT id FROM tidings.bridges)";
    assert_eq!(database.query_one(orphans, &[]).unwrap().get::<_, i64>(0), 0);
}

/// The triggers that were written for the old bridge still write changes with its number.
#[test]
fn a_new_bridge_never_gets_the_number_of_an_old_one() {
    let url = Postgres::shared().database();
    assert_eq!(finish(tidings().args(["journal", "init", "--outbox", &url])).code, Some(0));
    let mut database = connect(&url);
    run(&mut database, &format!("{LINKS}; SELECT tidings.bridge('links')"));
    let mut start = || -> i32 {
        let start = "SELECT tidings.start_bridge(t.id, 'home', 'links', 'links', gen_random_uuid(), 1000) \
            FROM tidings.bridged_tables t";
        database.batch_execute("TRUNCATE tidings.bridges RESTART IDENTITY").unwrap();
        database.query_one(start, &[]).unwrap().get(0)
    };
    assert_ne!(start(), start());
}
