//! Nodes that reach the database through pgbouncer in transaction mode.

use tidings_tests::{Client, PgBouncer, Postgres, sample};

use super::{TOPIC, new_journal, two_nodes};

/// Fewer than the connections of two nodes. So a node that keeps a transaction open would leave none for others.
const POOL: usize = 2;

#[test]
fn nodes_work_through_a_pool_of_connections_that_changes_them_with_each_transaction() {
    let postgres = Postgres::shared();
    let pgbouncer = PgBouncer::start(postgres, POOL);
    let nodes = two_nodes(&pgbouncer.through(&new_journal(postgres)));
    let mut clients = nodes.each_ref().map(|node| Client::subscribed(node, &[TOPIC]));
    let mut since = String::new();
    for number in 0..50 {
        let answer = nodes[number % 2].publish_to(TOPIC, &sample::ticked(number));
        for client in &mut clients {
            let event = client.expect("event");
            assert_eq!((&event["event"], &event["position"]), (&sample::ticked(number), &answer["position"]));
        }
        if number == 25 {
            since = answer["position"].as_str().unwrap().to_owned();
        }
    }
    for node in &nodes {
        let mut late = Client::hello(node);
        late.subscribe(&[TOPIC], Some(&since), "resumed");
        assert_eq!(late.expect("event")["event"], sample::ticked(26));
    }
}
