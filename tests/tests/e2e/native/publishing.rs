//! Publishes.

use serde_json::json;
use tidings_client::{Client, PublishOptions, RawEvent, Settings};
use tidings_shared::domains::{crm, staff, store};
use tidings_tests::{Client as Subscriber, Server, own_address, sample};
use uuid::Uuid;

use super::{client, run};

fn person() -> staff::Event {
    staff::Event::PersonUpdated(staff::Person { uuid: Uuid::now_v7() })
}

#[test]
fn a_publish_with_the_same_key_is_published_once_and_gets_the_same_answer() {
    let server = Server::start();
    let mut subscriber = Subscriber::subscribed(&server, &["staff:people"]);
    run(async {
        let client = client(&server);
        let (event, key) = (person(), Uuid::now_v7());
        let options = PublishOptions::default().key(key).origin("import-7");
        let first = client.publish_with(&event, options.clone()).await.unwrap();
        assert_eq!(first, client.publish_with(&event, options).await.unwrap());
        assert_eq!((first.key, first.topics.len()), (key, 2));
        let other = client.publish(&event).await.unwrap();
        let frames = [subscriber.expect("event"), subscriber.expect("event")];
        assert_eq!(frames[0]["position"], json!(first.position));
        assert_eq!(frames[0]["origin"], "import-7");
        assert_eq!(frames[1]["position"], json!(other.position), "it was published once");
    });
}

#[test]
fn events_go_to_the_topics_that_their_publisher_names() {
    let server = Server::start();
    run(async {
        let client = client(&server);
        let contacts = [Uuid::now_v7(), Uuid::now_v7()];
        let notice = crm::Notice::to(Uuid::now_v7(), contacts);
        let published = client.publish(&crm::Event::InteractionCreated(notice)).await.unwrap();
        let expected = contacts.map(|contact| format!("crm:contact:{contact}:interactions"));
        assert_eq!(published.topics.iter().map(|topic| topic.as_str()).collect::<Vec<_>>(), expected);

        let deleted = store::Deleted { schema: store::Schema::parse("orders").unwrap(), key: "7".to_owned() };
        let event: store::Event = store::Event::Deleted(deleted);
        let topics = [store::Topic::schema("invoices").unwrap()];
        let published = client.publish_to(&event, &topics, PublishOptions::default()).await.unwrap();
        assert_eq!(published.topics[0].as_str(), "store:invoices");
        assert_eq!(client.publish(&event).await.unwrap().topics[0].as_str(), "store:orders");

        let ticked = RawEvent::parse(&sample::ticked(1).to_string()).unwrap();
        let published =
            client.publish_raw(ticked.clone(), &["clock:a"], PublishOptions::default()).await.unwrap();
        assert_eq!(published.topics[0].as_str(), "clock:a");

        for (event, topics, code) in [
            (ticked.clone(), &[][..], "invalid_event"),
            (ticked, &["no topic"][..], "invalid_topic"),
            (RawEvent::from_event(&person()).unwrap(), &["staff:people"], "invalid_event"),
        ] {
            let error = client.publish_raw(event, topics, PublishOptions::default()).await.unwrap_err();
            assert_eq!((error.code(), error.is_final()), (code, true), "{error}");
        }
    });
}

#[test]
fn a_publish_is_handed_over_when_it_is_called_and_waits_for_the_server() {
    let gone = own_address();
    run(async {
        let client = Client::new(Settings::new(format!("http://{gone}").parse().unwrap()));
        let events: Vec<_> = (0..3).map(|_| person()).collect();
        let first = client.publish(&events[0]);
        // Dropping the future takes nothing back.
        drop(client.publish(&events[1]));
        let third = client.publish(&events[2]);
        let _server = Server::at(gone, &[]);
        let offset = |position: &str| position.split('.').nth(1).unwrap().parse::<usize>().unwrap();
        // The third is awaited after the last other handle is gone.
        drop(client);
        assert_eq!(offset(&first.await.unwrap().position), 1);
        assert_eq!(offset(&third.await.unwrap().position), 3);
    });
}

#[test]
fn a_client_that_is_dropped_right_after_a_publish_still_publishes() {
    let server = Server::start();
    let mut subscriber = Subscriber::subscribed(&server, &["staff:people"]);
    run(async {
        drop(client(&server).publish(&person()));
        tokio::task::spawn_blocking(move || subscriber.expect("event")).await.unwrap();
    });
}

#[test]
fn the_publish_after_256_that_wait_fails_at_once_and_may_be_tried_again() {
    let gone = own_address();
    run(async {
        let client = Client::new(Settings::new(format!("http://{gone}").parse().unwrap()));
        let waiting: Vec<_> = (0..256).map(|_| client.publish(&person())).collect();
        let error = client.publish(&person()).await.unwrap_err();
        assert_eq!((error.code(), error.is_final()), ("offline_full", false));
        client.close().await;
        for publishing in waiting {
            assert_eq!(publishing.await.unwrap_err().code(), "closed");
        }
        // The attempts to connect are not why it is closed.
        assert_eq!(client.publish(&person()).await.unwrap_err().code(), "closed");
    });
}
