//! Nodes of two versions: the newer one has a domain more.

use serde_json::json;
use tidings_server::{HubSettings, JournalAddress, Outbox, open_hub};
use tidings_shared::{
    Domains,
    derive::{Event, Payload, Topic},
};
use tidings_tests::{Client, eventually, postgres::connect};

use super::{TOPIC, count, expect_empty, expect_tick, new_journal, node, tick};

/// The topics of trucks.
#[derive(Debug, Clone, PartialEq, Eq, Topic)]
#[topic(domain = "fleet")]
enum Topic {
    /// All trucks.
    #[topic("trucks")]
    Trucks,
}

/// A truck.
#[derive(Debug, Clone, PartialEq, Payload)]
#[payload(reaches(Trucks))]
struct Truck {
    /// Its number.
    number: u32,
}

/// The changes of trucks.
#[derive(Debug, Clone, PartialEq, Event)]
enum Event {
    /// A truck left.
    Left(Truck),
}

#[test]
fn a_row_with_an_unknown_domain_waits_for_a_newer_node_and_is_a_dead_letter_when_it_is_old() {
    let url = new_journal();
    let old = node(&url);
    let mut client = Client::subscribed(&old, &[TOPIC, "fleet:trucks"]);
    let mut database = connect(&url);
    let truck = |number: u32| json!({ "domain": "fleet", "event": "left", "payload": { "number": number } });
    // It was written 58 s ago, so it waits for two seconds more. It blocks nothing.
    let insert = "INSERT INTO tidings.outbox(event, at) VALUES ($1, clock_timestamp() - interval '58 s')";
    database.execute(insert, &[&truck(1).to_string()]).unwrap();
    database.batch_execute(&tick(1)).unwrap();
    expect_tick(&mut client, 1);
    assert_eq!(count(&mut database, "outbox"), 1);
    client.expect("sync");
    eventually("it is a dead letter", || count(&mut database, "dead_letters") == 1);

    database.execute("SELECT tidings.publish($1)", &[&truck(2).to_string()]).unwrap();
    database.batch_execute(&tick(2)).unwrap();
    expect_tick(&mut client, 2);
    assert_eq!(count(&mut database, "outbox"), 1);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let home = "dev".parse().unwrap();
        let settings = HubSettings::new(home).domains(Domains::shipped().with::<Event>());
        let (hub, journal) = open_hub(settings, url.parse::<JournalAddress>().unwrap()).await.unwrap();
        let outbox = Outbox::start(&hub, &url.parse().unwrap()).await.unwrap();
        let event = client.expect("event");
        assert_eq!((&event["event"], &event["topics"]), (&truck(2), &json!(["fleet:trucks"])));
        outbox.stop().await;
        journal.stop().await;
    });
    expect_empty(&mut database);
    assert_eq!(count(&mut database, "dead_letters"), 1);
}
