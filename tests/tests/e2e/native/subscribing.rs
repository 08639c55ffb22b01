//! Streams of deliveries.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tidings_client::{Client, Delivery, Error, PublishOptions, Settings, Status, Statuses, Subscription};
use tidings_shared::domains::{projects, staff, store};
use tidings_tests::{
    Cut, DEADLINE, Direction, Ending, Proxy, Server, eventually, own_address, rounds, sample, token,
};
use tokio::{runtime::Builder, time::timeout};
use uuid::Uuid;

use super::{client, metric, run, settings};

/// Returns the next event's number, and fails for anything else.
async fn number(clock: &mut Subscription) -> u64 {
    match clock.next().await {
        Some(Ok(Delivery::Event { event, .. })) => number_of(event.payload.get()),
        other => panic!("no event: {other:?}"),
    }
}

fn number_of(payload: &str) -> u64 {
    let payload: serde_json::Value = serde_json::from_str(payload).unwrap();
    payload["number"].as_u64().unwrap()
}

async fn refusal<E: std::fmt::Debug>(subscription: &mut Subscription<E>) -> Error {
    subscription.next().await.expect("the stream goes on").expect_err("an error")
}

async fn until(mut statuses: Statuses, wanted: Status) {
    while statuses.next().await.expect("the client is open") != wanted {}
}

#[test]
fn subscriptions_of_two_domains_share_one_connection_and_each_hears_its_own_events() {
    let server = Server::start();
    let (person, task) = (sample::uuid(), sample::uuid());
    run(async {
        let client = client(&server);
        let mut people = client.subscribe::<staff::Event>(&[staff::Topic::People]).unwrap();
        let mut tasks = client
            .clone()
            .subscribe::<projects::Event>(&[projects::Topic::All, projects::Topic::Tasks])
            .unwrap();
        people.ready().await.unwrap();
        tasks.ready().await.unwrap();
        assert_eq!((client.status(), metric(&server, "tidings_sessions")), (Status::Open, 1.0));
        let answer = server.publish(&sample::person_updated(&person));
        server.publish(&sample::task_updated(&task));
        let heard = people.next().await.unwrap().unwrap();
        let Delivery::Event { event: staff::Event::PersonUpdated(payload), topics, publication } = heard
        else {
            panic!("{heard:?}")
        };
        assert_eq!((payload.uuid.to_string(), topics[0].as_str()), (person, "staff:people"));
        assert_eq!(
            (&*publication.position, &*publication.key),
            (answer["position"].as_str().unwrap(), answer["key"].as_str().unwrap())
        );
        let heard = tasks.next().await.unwrap().unwrap();
        let Delivery::Event { event: projects::Event::TaskUpdated(payload), topics, .. } = heard else {
            panic!("{heard:?}")
        };
        assert_eq!((payload.uuid.to_string(), topics.len()), (task, 2));
    });
}

#[test]
fn every_event_arrives_once_although_connections_are_cut_and_waits_are_dropped() {
    let events = 200 * rounds(1);
    let server = Server::start();
    let connections = AtomicUsize::new(0);
    let proxy = Proxy::start(server.address(), move || {
        let after_bytes = 3_000 * (1 + connections.fetch_add(1, Ordering::Relaxed));
        let (client, server) = (Ending::Reset, Ending::Fin);
        (after_bytes < 15_000).then_some(Cut { direction: Direction::Down, after_bytes, client, server })
    });
    run(async {
        let client = Client::new(Settings::new(format!("http://{}", proxy.address()).parse().unwrap()));
        let mut clock = client.subscribe_raw(&["clock"]).unwrap();
        clock.ready().await.unwrap();
        for number in 0..events {
            server.publish_to("clock", &sample::ticked(number));
        }
        for expected in 0..events {
            let heard = loop {
                // A wait that is dropped loses nothing.
                if let Ok(heard) = timeout(Duration::from_millis(1), number(&mut clock)).await {
                    break heard;
                }
            };
            assert_eq!(heard, expected as u64);
        }
        client.close().await;
        assert!(clock.next().await.is_none(), "nothing twice");
    });
    assert_eq!(proxy.cuts().len(), 4);
}

#[test]
fn after_a_restart_of_the_server_each_subscription_gets_a_sync_and_then_what_is_new() {
    let address = own_address();
    let server = Server::at(address, &[]);
    run(async {
        let client = client(&server);
        let mut clocks =
            [client.subscribe_raw(&["clock"]).unwrap(), client.subscribe_raw(&["clock"]).unwrap()];
        for clock in &mut clocks {
            clock.ready().await.unwrap();
        }
        server.publish_to("clock", &sample::ticked(1));
        for clock in &mut clocks {
            assert_eq!(number(clock).await, 1);
        }
        drop(server);
        until(client.statuses(), Status::Reconnecting).await;
        let server = Server::at(address, &[]);
        for clock in &mut clocks {
            let Delivery::Sync { topics, position } = clock.next().await.unwrap().unwrap() else {
                panic!("the new server does not know what came before")
            };
            assert_eq!((topics[0].as_str(), position.is_empty()), ("clock", false));
        }
        server.publish_to("clock", &sample::ticked(2));
        for clock in &mut clocks {
            assert_eq!(number(clock).await, 2);
        }
    });
}

#[test]
fn a_refused_topic_is_a_final_error_and_the_others_go_on() {
    let server = Server::start();
    run(async {
        let client = client(&server);
        let mut both = client.subscribe_raw(&["staff:peple", "staff:people"]).unwrap();
        let error = both.ready().await.unwrap_err();
        assert_eq!((error.code(), error.is_final()), ("invalid_topic", true));
        assert!(error.message().contains("staff:peple"), "{error}");
        assert_eq!(refusal(&mut both).await, error);
        server.publish(&sample::person_updated(&sample::uuid()));
        assert!(matches!(both.next().await, Some(Ok(Delivery::Event { .. }))));

        // With the last topic the stream ends.
        let mut none = client.subscribe_raw(&["staff:peple", "staff:taems"]).unwrap();
        for _ in 0..2 {
            assert_eq!(refusal(&mut none).await.code(), "invalid_topic");
        }
        assert!(none.next().await.is_none());

        for (topics, code) in [(&["no topic"][..], "invalid_topic"), (&[], "invalid_topic")] {
            let error = client.subscribe_raw(topics).unwrap_err();
            assert_eq!((error.code(), error.is_final()), (code, true));
        }
    });
}

#[test]
fn an_event_that_the_program_does_not_know_is_an_error_and_the_stream_goes_on() {
    mod newer {
        use tidings_shared::derive::{Event, Payload, Topic};

        /// The topics.
        #[derive(Debug, Clone, PartialEq, Eq, Topic)]
        #[topic(domain = "clock")]
        pub(super) enum Topic {
            /// All.
            #[topic("all")]
            All,
        }

        /// A tick.
        #[derive(Debug, Clone, PartialEq, Payload)]
        #[payload(reaches(All))]
        pub(super) struct Tick {
            /// Its number.
            pub(super) number: u32,
        }

        /// The events.
        #[derive(Debug, Clone, PartialEq, Event)]
        pub(super) enum Event {
            /// It ticked.
            Ticked(Tick),
        }
    }
    let server = Server::start();
    run(async {
        let client = client(&server);
        let mut clock = client.subscribe::<newer::Event>(&[newer::Topic::All]).unwrap();
        clock.ready().await.unwrap();
        let mut struck = sample::ticked(1);
        struck["event"] = "struck".into();
        let mut wrong = sample::ticked(1);
        wrong["payload"]["number"] = "one".into();
        for event in [struck, wrong, sample::ticked(2)] {
            server.publish_to("clock:all", &event);
        }
        let error = refusal(&mut clock).await;
        assert_eq!((error.code(), error.is_final()), ("unknown_event", false), "{error}");
        let error = refusal(&mut clock).await;
        assert_eq!((error.code(), error.is_final()), ("invalid_event", false), "{error}");
        let Some(Ok(Delivery::Event { event, .. })) = clock.next().await else { panic!("an event") };
        assert_eq!(event, newer::Event::Ticked(newer::Tick { number: 2 }));
    });
}

#[test]
fn a_stream_says_that_there_is_no_server_and_begins_when_there_is_one() {
    let gone = own_address();
    run(async {
        let client = Client::new(Settings::new(format!("http://{gone}").parse().unwrap()));
        let mut clock = client.subscribe_raw(&["staff:people"]).unwrap();
        let error = refusal(&mut clock).await;
        assert_eq!((error.code(), error.is_final()), ("connect_failed", false));
        assert!(error.message().contains("Does `tidings serve` listen there"), "{error}");
        assert!(!client.has_connected());
        assert!(client.no_connection().unwrap().contains("Does `tidings serve` listen there"));
        // A client that its user has closed says so, and not what was wrong before.
        let other = Client::new(Settings::new(format!("http://{gone}").parse().unwrap()));
        assert_eq!(
            refusal(&mut other.subscribe_raw(&["staff:people"]).unwrap()).await.code(),
            "connect_failed"
        );
        other.close().await;
        assert_eq!(other.subscribe_raw(&["staff:people"]).unwrap_err().code(), "closed");
        let unused = Client::new(Settings::new(format!("http://{gone}").parse().unwrap()));
        assert!(unused.no_connection().unwrap().ends_with("nothing needs a connection"));
        let server = Server::at(gone, &[]);
        clock.ready().await.unwrap();
        assert!(client.has_connected());
        assert_eq!(client.no_connection(), None);
        server.publish(&sample::person_updated(&sample::uuid()));
        assert!(matches!(clock.next().await, Some(Ok(Delivery::Event { .. }))));
    });
}

#[test]
fn the_program_is_warned_once_of_a_domain_that_nobody_knows_unless_it_means_it() {
    let server = Server::start();
    run(async {
        let warnings: Arc<Mutex<Vec<_>>> = Arc::default();
        let warn = {
            let warnings = Arc::clone(&warnings);
            move |domain: &str, nearest: Option<&str>| {
                warnings.lock().unwrap().push((domain.to_owned(), nearest.map(str::to_owned)));
            }
        };
        let client = Client::new(settings(&server).domain("clock").on_unknown_domain(warn));
        for topics in [["clock", "staf:people"], ["clock:a", "staf:teams"]] {
            client.subscribe_raw(&topics).unwrap().ready().await.unwrap();
        }
        assert_eq!(*warnings.lock().unwrap(), [("staf".to_owned(), Some("staff".to_owned()))]);
    });
}

/// The staff of next year: a person has a name.
mod next_year {
    use tidings_shared::{
        derive::{Event, Payload},
        domains::staff::Topic,
    };
    use uuid::Uuid;

    /// A person.
    #[derive(Debug, Clone, PartialEq, Eq, Payload)]
    #[payload(reaches(Person(uuid)))]
    pub(crate) struct Named {
        /// The id.
        pub(crate) uuid: Uuid,
        /// The name.
        pub(crate) name: Option<String>,
    }

    /// Events.
    #[derive(Debug, Clone, PartialEq, Eq, Event)]
    pub(crate) enum Event {
        /// A person changed.
        PersonUpdated(Named),
    }
}

#[test]
fn the_server_says_once_that_a_program_has_another_form_of_a_domain() {
    let mut server = Server::start();
    run(async {
        for _ in 0..2 {
            let same = client(&server);
            same.subscribe::<projects::Event>(&[projects::Topic::All]).unwrap().ready().await.unwrap();
            let other = client(&server);
            other.subscribe::<next_year::Event>(&[staff::Topic::People]).unwrap().ready().await.unwrap();
        }
    });
    let said = "a client has another form of the domain";
    eventually("the log says it", || server.process().log().contains(said));
    let log = server.process().log();
    assert_eq!(log.matches(said).count(), 1, "{log}");
    assert!(log.contains(&format!("{said} \"staff\"")), "{log}");
}

#[test]
fn a_topic_without_room_is_no_final_error_and_a_sync_says_when_it_is_in_force() {
    let server = Server::with(&["--max-topics-per-session", "1"]);
    run(async {
        let client = client(&server);
        let mut first = client.subscribe::<staff::Event>(&[staff::Topic::People]).unwrap();
        first.ready().await.unwrap();
        let mut second = client.subscribe::<staff::Event>(&[staff::Topic::Teams]).unwrap();
        let error = second.ready().await.unwrap_err();
        assert_eq!((error.code(), error.is_final()), ("too_many_topics", false));
        assert_eq!(refusal(&mut second).await, error);
        drop(first);
        let Some(Ok(Delivery::Sync { topics, .. })) = second.next().await else { panic!("a sync") };
        assert_eq!(topics[0].as_str(), "staff:teams");
    });
}

#[test]
fn a_dropped_stream_unsubscribes_and_the_last_handle_ends_the_session() {
    let server = Server::start();
    run(async {
        let client = client(&server);
        let mut people =
            client.subscribe::<staff::Event>(&[staff::Topic::People, staff::Topic::Teams]).unwrap();
        let mut tasks = client.subscribe::<projects::Event>(&[projects::Topic::All]).unwrap();
        people.ready().await.unwrap();
        tasks.ready().await.unwrap();
        assert_eq!(metric(&server, "tidings_subscriptions"), 3.0);
        drop(people);
        eventually("the session has one topic left", || metric(&server, "tidings_subscriptions") == 1.0);
        // A subscription needs no other handle.
        drop(client);
        server.publish(&sample::task_updated(&sample::uuid()));
        assert!(matches!(tasks.next().await, Some(Ok(Delivery::Event { .. }))));
        assert_eq!(metric(&server, "tidings_sessions"), 1.0);
        drop(tasks);
        eventually("the session has ended", || metric(&server, "tidings_sessions") == 0.0);
    });
}

#[test]
fn close_ends_every_stream_and_later_requests_say_so() {
    let server = Server::start();
    run(async {
        let client = client(&server);
        let mut people = client.subscribe::<staff::Event>(&[staff::Topic::People]).unwrap();
        let mut waits = client.subscribe_raw(&["staff:teams"]).unwrap();
        people.ready().await.unwrap();
        let mut statuses = client.statuses();
        assert_eq!(statuses.next().await, Some(Status::Open));
        client.clone().close().await;
        assert_eq!((statuses.next().await, statuses.next().await), (Some(Status::Closed), None));
        assert!(people.next().await.is_none() && waits.next().await.is_none());
        let error = client.subscribe_raw(&["staff:teams"]).unwrap_err();
        assert_eq!((error.code(), error.is_final()), ("closed", true));
        let event = staff::Event::PersonCreated(staff::Person { uuid: Uuid::now_v7() });
        assert_eq!(client.publish(&event).await.unwrap_err().code(), "closed");
        client.close().await;
        eventually("the session has ended", || metric(&server, "tidings_sessions") == 0.0);
    });
}

#[test]
fn a_handshake_carries_the_headers_of_the_program() {
    let server = Server::keyed(&["--allow-origin", "https://app.example.com"]);
    let token = token(&["--tenant", "acme", "--subscribe", "*"]);
    run(async {
        let with = |origin| Client::new(settings(&server).token(&token).header("Origin", origin).unwrap());
        let mut people = with("https://app.example.com").subscribe_raw(&["staff:people"]).unwrap();
        people.ready().await.unwrap();
        let mut refused = with("https://elsewhere.example.com").subscribe_raw(&["staff:people"]).unwrap();
        let error = refusal(&mut refused).await;
        assert!(error.code() == "connect_failed" && error.message().contains("403"), "{error}");
    });
    for (name, value) in [("sec-websocket-key", "x"), ("a b", "x"), ("cookie", "a\nb")] {
        let error = settings(&server).header(name, value).unwrap_err();
        assert!(error.message().contains(name), "{error}");
    }
}

#[test]
fn everything_works_on_a_runtime_of_one_thread() {
    let server = Server::start();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let test = async {
            let client = client(&server);
            let mut people = client.subscribe::<staff::Event>(&[staff::Topic::People]).unwrap();
            let mut watch = client
                .watch(&[staff::Topic::People], async || Ok::<_, Error>(Uuid::now_v7()))
                .unwrap();
            people.ready().await.unwrap();
            let first = watch.next().await.unwrap().unwrap();
            let event = staff::Event::PersonCreated(staff::Person { uuid: Uuid::now_v7() });
            client.publish(&event).await.unwrap();
            assert!(matches!(people.next().await, Some(Ok(Delivery::Event { event: heard, .. })) if heard == event));
            assert_ne!(watch.next().await.unwrap().unwrap(), first);
            client.close().await;
            assert!(people.next().await.is_none() && watch.next().await.is_none());
        };
        timeout(DEADLINE, test).await.expect("before the deadline");
    });
}

/// It has a list, an inner struct, a number of 64 bits and a float: a field of a payload may have none of the last three.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Link {
    id: i64,
    weight: f64,
    tags: Vec<String>,
    owner: Option<Owner>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Owner {
    name: String,
}

#[test]
fn records_of_a_store_are_decoded_as_the_type_of_the_caller() {
    let server = Server::start();
    run(async {
        let client = client(&server);
        let mut links =
            client.subscribe::<store::Event<Link>>(&[store::Topic::schema("links").unwrap()]).unwrap();
        links.ready().await.unwrap();
        let owner = Some(Owner { name: "Ada".to_owned() });
        let record = Link { id: i64::MAX, weight: 0.5, tags: vec!["a".to_owned()], owner };
        let schema = store::Schema::parse("links").unwrap();
        let written = store::Event::Upserted(store::Upserted { schema, key: "7".to_owned(), record });
        let other = r#"{"domain":"store","event":"upserted","payload":{"schema":"links","key":"8","record":{"id":"x"}}}"#;
        let other = tidings_client::RawEvent::parse(other).unwrap();
        client.publish(&written).await.unwrap();
        client.publish_raw(other, &["store:links"], PublishOptions::default()).await.unwrap();
        client.publish(&written).await.unwrap();
        let mut next = async || links.next().await.expect("the stream goes on");
        for is_record in [true, false, true] {
            match next().await {
                Ok(Delivery::Event { event, .. }) if is_record => assert_eq!(event, written),
                Err(error) if !is_record => assert!(error.to_string().contains("invalid type"), "{error}"),
                other => panic!("{other:?}"),
            }
        }
    });
}
