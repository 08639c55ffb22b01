//! A rolling restart of two nodes behind nginx, as `deploy` shows it: the clients notice nothing but a pause.
//!
//! `cargo xtask soak nodes` does it with 200 clients and 500 events per second.

use std::time::Duration;

use serde_json::json;
use tidings_tests::{Client, EventStream, Postgres, Request, WebServer, eventually, sample};
use uuid::Uuid;

use super::{
    Nodes, TOPIC, asked,
    crowd::{Crowd, Publisher},
    new_journal,
};

/// Clients and events per second in the suite.
const CLIENTS: usize = 20;
const RATE: usize = 100;

/// Events between two restarts: more than those that were on their way.
const MORE: usize = 20;

#[test]
fn clients_notice_a_rolling_restart_by_nothing_but_a_pause() {
    let mut nodes = Nodes::start(new_journal(Postgres::shared()));
    let balancer = WebServer::nginx_of_nodes(nodes.addresses);
    let through = vec![balancer.address()];
    let clients = asked("TIDINGS_CLIENTS", CLIENTS);
    // Two publishers share the rate.
    let pause = Duration::from_secs(2) / u32::try_from(asked("TIDINGS_RATE", RATE)).unwrap();
    let publishers = vec![Publisher::Client(through.clone()), Publisher::Outbox(nodes.url.clone())];
    let crowd = Crowd::start(vec![through; clients], publishers, pause);
    for round in 0..asked("TIDINGS_RESTARTS", 1) {
        for node in 0..2 {
            crowd.all_go_on(MORE);
            nodes.signal(node, "TERM");
            nodes.start_again(node);
            let ready = || Request::get("/ready").send(nodes.addresses[node]).status == 200;
            eventually("the node is ready", ready);
            println!("restart {round} of node {node}: all go on within {:.2?}", crowd.all_go_on(MORE));
        }
    }
    println!("{} events to each of {clients} clients", crowd.end());
}

#[test]
fn the_load_balancer_gives_everybody_to_the_node_that_is_left() {
    let mut nodes = Nodes::start(new_journal(Postgres::shared()));
    let balancer = WebServer::nginx_of_nodes(nodes.addresses);
    let publish = |number: u128| {
        let body =
            json!({ "event": sample::ticked(1), "topics": [TOPIC], "key": Uuid::from_u128(number + 1) });
        Request::post("/v1/publish").body(body.to_string()).send(balancer.address())
    };
    // nginx takes the nodes in turn.
    let mut clients = [(); 2].map(|()| Client::hello_to(balancer.address()));
    let sessions = |node: usize| -> bool {
        let page = Request::get("/metrics").send(nodes.addresses[node]).body;
        page.lines().any(|line| line == "tidings_sessions 1")
    };
    assert!(sessions(0) && sessions(1), "each node has one of two clients");
    let mut position = String::new();
    for client in &mut clients {
        position = client.subscribe(&[TOPIC], None, "live")["position"].as_str().unwrap().to_owned();
    }
    assert_eq!(publish(0).status, 200);
    for client in &mut clients {
        client.expect("event");
    }
    nodes.signal(0, "KILL");
    nodes.servers[0].exit_code();
    // nginx may have a connection to the dead node. It sends no publish twice.
    eventually("nginx has noticed it", || publish(1).status == 200);
    for number in 2..10 {
        assert_eq!(publish(number).status, 200);
        let mut client = Client::hello_to(balancer.address());
        client.subscribe(&[TOPIC], Some(&position), "resumed");
        assert_eq!(client.expect("event")["event"], sample::ticked(1));
    }
    let mut stream = EventStream::open(balancer.address(), &[TOPIC], Some(&position));
    assert_eq!(stream.expect("subscribed").data["topics"][0]["outcome"], "resumed");
}
