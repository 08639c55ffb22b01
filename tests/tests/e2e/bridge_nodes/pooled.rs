//! A bridge that reaches its database through pgbouncer in transaction mode.

use tidings_tests::{PgBouncer, Postgres};

use super::{
    Node, ONCE, insert,
    page::{Page, load},
    with_links,
};

/// Fewer than the connections of two nodes.
const POOL: usize = 2;

#[test]
fn a_bridge_works_through_a_pool_of_connections_that_changes_them_with_each_transaction() {
    let postgres = Postgres::shared();
    let pgbouncer = PgBouncer::start(postgres, POOL);
    // Without a journal in the database, a node keeps one transaction open, for its turn.
    for (flag, count) in [("--journal", 2), ("--outbox", 1)] {
        let url = with_links(postgres, flag);
        let through = pgbouncer.through(&url);
        let journal = if flag == "--journal" { &through } else { "memory" };
        let mut nodes: Vec<Node> = (0..count).map(|_| Node::start(&through, journal)).collect();
        let pages: Vec<Page> = nodes.iter().map(|node| Page::open(&[node.address], load(&url))).collect();
        let mut ids = ONCE..;
        let mut write_and_check = || {
            let written: Vec<i64> = ids.by_ref().take(30).collect();
            written.iter().for_each(|id| insert(&url, *id));
            for page in &pages {
                page.until("it hears of each row", |known| {
                    written.iter().all(|id| known.rows.contains_key(id))
                });
            }
        };
        write_and_check();
        nodes[0].signal("KILL");
        nodes[0].start_again();
        write_and_check();
        let known = pages.last().unwrap().known();
        assert!(count == 1 || known.once.values().all(|count| *count == 1), "{:?}", known.once);
    }
}
