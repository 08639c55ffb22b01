//! Changes for which nobody comes. Writers drop them.

use ::postgres::Client as Database;
use tidings_tests::{eventually, postgres::connect};

use super::{Node, Told, run, with_links};

/// Appends a gap for all changes that wait.
const SEQUENCE: &str = "WITH c AS (SELECT array_agg(id) AS ids, array_agg(nonce) AS nonces FROM tidings.changes) \
    SELECT s.gaps, cardinality(s.locked) FROM c, tidings.sequence_changes(1, gen_random_uuid(), c.ids, c.nonces, \
        array_fill(1, ARRAY[cardinality(c.ids)]), '{NULL}', '{NULL}', '{NULL}', 262144, '{acme}', '{7}', '{1}', \
        ARRAY[gen_random_uuid()], '{NULL}', '{NULL}', '{store:links}', '{NULL}', '{NULL}', '{NULL}', '{100}') s";

fn waiting(database: &mut Database) -> i64 {
    database.query_one("SELECT count(*) FROM tidings.changes", &[]).unwrap().get(0)
}

/// Writes this many rows, with new ids.
fn write(database: &mut Database, rows: u32) {
    let first = "coalesce((SELECT max(id) FROM links), 0)";
    run(database, &format!("INSERT INTO links SELECT {first} + n, 0 FROM generate_series(1, {rows}) n"));
}

fn make_old(database: &mut Database) {
    run(database, "UPDATE tidings.changes SET at = at - interval '1 hour'");
}

fn start(tenant: &str, max_age: &str) -> String {
    format!(
        "SELECT tidings.start_bridge(1, '{tenant}', 'links', 'store:links', gen_random_uuid(), {max_age})"
    )
}

#[test]
fn changes_for_which_nobody_comes_become_one_sync_and_do_not_pile_up() {
    let (url, mut database) = with_links(true);
    let mut node = Node::bridged(&url, true);
    assert_eq!(node.next(), Told::Sync);
    drop(node);
    write(&mut database, 3_000);
    make_old(&mut database);
    write(&mut database, 3_000);
    assert!(waiting(&mut database) < 3_100, "{}", waiting(&mut database));
    make_old(&mut database);
    let mut node = Node::bridged(&url, true);
    assert_eq!(node.next(), Told::Sync);
    run(&mut database, "INSERT INTO links VALUES (-1, -1)");
    // The reads of several batches may be several syncs.
    assert!(node.until(-1).len() <= 12);
    eventually("nothing waits", || waiting(&mut database) == 0);
}

#[test]
fn old_changes_go_whatever_the_number_of_bridges_and_no_age_fails_a_writer() {
    let (_url, mut database) = with_links(false);
    run(&mut database, "SELECT tidings.bridge('links')");
    // Ten thousand years, and the longest time there is.
    for max_age in ["10000::bigint * 365 * 86400000", "9223372036854775807"] {
        run(&mut database, &start("acme", max_age));
        write(&mut database, 1_100);
        assert!(waiting(&mut database) > 1_100);
    }
    run(&mut database, "DELETE FROM tidings.changes");
    for tenant in ["acme", "other"] {
        run(&mut database, &start(tenant, "10000"));
    }
    // With two bridges, the last id of a change is always even, or always odd.
    for _ in 0..2 {
        write(&mut database, 1_000);
        make_old(&mut database);
        write(&mut database, 1_100);
        assert!(waiting(&mut database) < 2_300, "{}", waiting(&mut database));
        run(&mut database, "DELETE FROM tidings.changes; SELECT nextval('tidings.changes_id_seq')");
    }
    // A row that changes its key writes two changes for each bridge.
    for _ in 0..4 {
        run(&mut database, "DELETE FROM tidings.changes; SELECT nextval('tidings.changes_id_seq')");
        write(&mut database, 1_000);
        make_old(&mut database);
        run(&mut database, "UPDATE links SET id = -id - 1000000 WHERE id > 0 AND id <= 1200");
        run(&mut database, "UPDATE links SET id = -id - 1000000 WHERE id < -1000000");
        assert!(waiting(&mut database) < 9_700, "{}", waiting(&mut database));
    }
}

#[test]
fn looking_for_old_changes_reads_no_young_ones() {
    let (_url, mut database) = with_links(false);
    run(&mut database, "SELECT tidings.bridge('links')");
    run(&mut database, &start("acme", "600000"));
    let mut transaction = database.transaction().unwrap();
    // Also while PostgreSQL knows nothing of the size of the table.
    transaction
        .batch_execute(
            "INSERT INTO tidings.changes(bridge, key) SELECT 1, n FROM generate_series(1, 10000) n",
        )
        .unwrap();
    transaction.batch_execute("SELECT tidings.drop_old_changes()").unwrap();
    let read = "SELECT pg_stat_get_xact_tuples_returned('tidings.changes'::regclass) \
        + pg_stat_get_xact_tuples_returned('tidings.changes_pkey'::regclass)";
    let read: i64 = transaction.query_one(read, &[]).unwrap().get(0);
    assert!((1..10).contains(&read), "{read}");
}

#[test]
fn a_transaction_that_drops_old_changes_and_stays_open_holds_up_no_node() {
    for has_journal in [true, false] {
        let (url, mut database) = with_links(has_journal);
        let mut node = Node::bridged(&url, has_journal);
        assert_eq!(node.next(), Told::Sync);
        drop(node);
        // More than a node reads at once.
        write(&mut database, 300);
        make_old(&mut database);
        // The node may have ended before it had deleted the changes of its sync.
        let held = waiting(&mut database);
        let mut writer = connect(&url);
        writer.batch_execute("BEGIN; SELECT tidings.drop_old_changes()").unwrap();
        if has_journal {
            // A node passes over what the transaction holds, and must not read it again at once.
            let row = database.query_one(SEQUENCE, &[]).unwrap();
            assert_eq!((row.get(0), row.get(1)), (0_i64, i32::try_from(held).unwrap()));
        }
        let mut node = Node::bridged(&url, has_journal);
        if !has_journal {
            assert_eq!(node.next(), Told::Sync);
        }
        run(&mut database, "INSERT INTO links VALUES (-1, -1)");
        node.until(-1);
        // The node has deleted what it has published, except what the transaction holds.
        eventually("these changes wait", || waiting(&mut database) == held);
        writer.batch_execute("COMMIT").unwrap();
        assert_eq!(node.next(), Told::Sync);
        eventually("nothing waits", || waiting(&mut database) == 0);
    }
}
