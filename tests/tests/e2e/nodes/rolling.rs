//! A rolling restart of two nodes behind nginx, as `deploy` shows it: the clients notice nothing but a pause.
//!
//! `cargo xtask soak nodes` does it with 200 clients and 500 events per second.

use std::time::{Duration, Instant};

use serde_json::json;
use tidings_tests::{Client, EventStream, Postgres, Request, WebServer, eventually, sample};
use uuid::Uuid;

use super::{
    Nodes, TOPIC, asked,
    crowd::{Crowd, Publisher},
    new_journal, two_nodes,
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

/// It takes 2 s.
#[test]
fn the_load_balancer_leaves_out_a_node_that_hangs_after_its_first_request_without_an_answer() {
    let url = new_journal(Postgres::shared());
    let mut nodes = two_nodes(&url);
    let balancer = WebServer::impatient_nginx_of_nodes(nodes.each_ref().map(|node| node.address()));
    let publish = |number: u128| {
        let body =
            json!({ "event": sample::ticked(1), "topics": [TOPIC], "key": Uuid::from_u128(number + 1) });
        Request::post("/v1/publish").body(body.to_string()).send(balancer.address()).status
    };
    let mut stream = EventStream::open(balancer.address(), &[TOPIC], None);
    let since = stream.expect("subscribed").id.unwrap();
    assert_eq!((publish(0), publish(1)), (200, 200), "by each node");
    nodes[0].process().signal("STOP");
    let begin = Instant::now();
    let refused = (2..20).filter(|number| publish(*number) != 200).count();
    // Each 10 s, one request finds out whether the node still hangs.
    let tries = 1 + begin.elapsed().as_secs() / 10;
    assert!((1..=tries).contains(&(refused as u64)), "{refused} of 18 are refused, in {tries} tries");
    for number in 2..20 {
        eventually("it is published, with the same key", || publish(number) == 200);
    }
    for _ in 0..2 {
        let mut stream = EventStream::open(balancer.address(), &[TOPIC], Some(&since));
        assert_eq!(stream.expect("subscribed").data["topics"][0]["outcome"], "resumed");
        (0..20).for_each(|_| drop(stream.expect("event")));
    }
    nodes[0].process().signal("CONT");
}
