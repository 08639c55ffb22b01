//! Readers that are slow.

use tidings_client::{Client, Delivery, Subscription};
use tidings_tests::{Server, sample};

use super::{run, settings};

/// Deliveries that wait.
const BUFFER: usize = 16;

/// More than that.
const EVENTS: usize = 100;

async fn ready(client: &Client, topic: &str) -> Subscription {
    let mut subscription = client.subscribe_raw(&[topic]).unwrap();
    subscription.ready().await.unwrap();
    subscription
}

#[test]
fn a_slow_reader_gets_one_sync_and_its_neighbour_gets_everything() {
    let server = Server::with(&["--frames-per-second", "10000"]);
    run(async {
        let client = Client::new(settings(&server).buffer(BUFFER).domain("clock"));
        let mut slow = ready(&client, "clock").await;
        let mut neighbour = ready(&client, "clock").await;
        let mut last = String::new();
        for number in 0..EVENTS {
            let answer = server.publish_to("clock", &sample::ticked(number));
            answer["position"].as_str().unwrap().clone_into(&mut last);
            // The neighbour reads at once.
            let Some(Ok(Delivery::Event { publication, .. })) = neighbour.next().await else {
                panic!("an event")
            };
            assert_eq!(publication.position, last);
        }
        // Everything up to some position is lost, and everything after it is there.
        let Some(Ok(Delivery::Sync { topics, position })) = slow.next().await else { panic!("a sync first") };
        assert_eq!(topics.iter().map(|topic| topic.as_str()).collect::<Vec<_>>(), ["clock"]);
        let offset = |position: &str| position.split('.').nth(1).unwrap().parse::<usize>().unwrap();
        let (mut at, mut waiting) = (offset(&position), 0);
        while at < offset(&last) {
            let Some(Ok(Delivery::Event { publication, .. })) = slow.next().await else { panic!("an event") };
            at += 1;
            waiting += 1;
            assert_eq!(offset(&publication.position), at);
        }
        assert!(waiting < BUFFER, "{waiting}");
        // From now on it gets everything.
        server.publish_to("clock", &sample::ticked(EVENTS));
        assert!(matches!(slow.next().await, Some(Ok(Delivery::Event { .. }))));
    });
}
