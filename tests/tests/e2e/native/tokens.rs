//! Tokens: a fixed one, and a function that gets one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use tidings_client::{Client, Delivery, Settings, Status};
use tidings_shared::domains::staff;
use tidings_tests::{Cut, Direction, Ending, Proxy, Request, Server, sample, token};
use tokio::time::timeout;

use super::{run, settings};

fn anna(expires_in: &str) -> String {
    token(&["--tenant", "acme", "--subject", "anna", "--subscribe", "*", "--expires-in", expires_in])
}

fn publish(server: &Server) {
    let token = token(&["--tenant", "acme", "--subject", "backend", "--publish", "*"]);
    let body = json!({ "event": sample::person_updated(&sample::uuid()) }).to_string();
    let request = Request::post("/v1/publish").header("Authorization", &format!("Bearer {token}")).body(body);
    assert_eq!(request.send(server.address()).status, 200);
}

#[test]
fn the_provider_is_called_for_each_connection_and_before_the_token_ends() {
    // A fresh token may be late by so much, on a busy machine.
    let server = Server::keyed(&["--expiry-grace", "5s"]);
    let (calls, fails) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(true)));
    let provider = {
        let (calls, fails) = (Arc::clone(&calls), Arc::clone(&fails));
        move || {
            let (calls, fails) = (Arc::clone(&calls), Arc::clone(&fails));
            async move {
                calls.fetch_add(1, Ordering::Relaxed);
                if fails.swap(false, Ordering::Relaxed) {
                    return Err("the backend is away");
                }
                Ok(tokio::task::spawn_blocking(|| anna("3s")).await.unwrap())
            }
        }
    };
    run(async {
        let client = Client::new(settings(&server).token_provider(provider));
        let mut people = client.subscribe::<staff::Event>(&[staff::Topic::People]).unwrap();
        let error = people.next().await.unwrap().unwrap_err();
        assert_eq!((error.code(), error.is_final()), ("token_failed", false));
        assert!(error.message().contains("the backend is away"), "{error}");
        people.ready().await.unwrap();
        assert_eq!(calls.load(Ordering::Relaxed), 2);
        // The same session goes on with fresh tokens.
        let mut statuses = client.statuses();
        assert_eq!(statuses.next().await, Some(Status::Open));
        let begun = Instant::now();
        while calls.load(Ordering::Relaxed) < 5 {
            publish(&server);
            assert!(matches!(people.next().await, Some(Ok(Delivery::Event { .. }))));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(begun.elapsed() > Duration::from_secs(3), "a token lives for three seconds");
        assert!(
            timeout(Duration::from_millis(1), statuses.next()).await.is_err(),
            "it was open all the time"
        );
    });
}

#[test]
fn a_reconnect_gets_a_token_of_its_own_and_resumes() {
    let server = Server::keyed(&[]);
    let mut connections = 0;
    let proxy = Proxy::start(server.address(), move || {
        connections += 1;
        let (direction, client, server) = (Direction::Down, Ending::Reset, Ending::Fin);
        (connections == 1).then_some(Cut { direction, after_bytes: 2_000, client, server })
    });
    let calls = Arc::new(AtomicUsize::new(0));
    let provider = {
        let calls = Arc::clone(&calls);
        move || {
            calls.fetch_add(1, Ordering::Relaxed);
            async { Ok::<_, String>(tokio::task::spawn_blocking(|| anna("1h")).await.unwrap()) }
        }
    };
    run(async {
        let url = format!("http://{}", proxy.address());
        let client = Client::new(Settings::new(url.parse().unwrap()).token_provider(provider));
        let mut people = client.subscribe::<staff::Event>(&[staff::Topic::People]).unwrap();
        people.ready().await.unwrap();
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        for _ in 0..10 {
            publish(&server);
        }
        for _ in 0..10 {
            assert!(matches!(people.next().await, Some(Ok(Delivery::Event { .. }))), "it resumes");
        }
        assert_eq!((proxy.cuts().len(), calls.load(Ordering::Relaxed)), (1, 2));
    });
}

#[test]
fn a_provider_that_panics_is_a_provider_that_fails() {
    let server = Server::keyed(&[]);
    let panics = Arc::new(AtomicBool::new(true));
    run(async {
        let provider = move || {
            assert!(!panics.swap(false, Ordering::Relaxed), "a fault of the program");
            async { Ok::<_, String>(anna("1h")) }
        };
        let client = Client::new(settings(&server).token_provider(provider));
        let mut people = client.subscribe::<staff::Event>(&[staff::Topic::People]).unwrap();
        assert_eq!(people.next().await.unwrap().unwrap_err().code(), "token_failed");
        people.ready().await.unwrap();
    });
}

#[test]
fn a_fixed_token_that_has_expired_closes_the_client_and_every_error_says_so() {
    let server = Server::keyed(&["--expiry-grace", "1s"]);
    run(async {
        let client = Client::new(settings(&server).token(anna("4s")));
        let mut people = client.subscribe::<staff::Event>(&[staff::Topic::People]).unwrap();
        people.ready().await.unwrap();
        let last = loop {
            match people.next().await.expect("an error comes before the end") {
                Err(error) if error.is_final() => break error,
                Err(error) => assert_eq!(error.code(), "token_expired", "{error}"),
                Ok(delivery) => panic!("{delivery:?}"),
            }
        };
        assert_eq!(last.code(), "token_expired");
        assert!(last.message().contains("token_provider"), "{last}");
        assert!(people.next().await.is_none());
        assert_eq!(client.subscribe_raw(&["staff:people"]).unwrap_err(), last);
        let event = staff::Event::PersonCreated(staff::Person { uuid: uuid::Uuid::now_v7() });
        assert_eq!(client.publish(&event).await.unwrap_err(), last);
    });
}

#[test]
fn a_token_that_is_wrong_is_a_final_error_of_what_waits() {
    let server = Server::keyed(&[]);
    run(async {
        for with_token in [true, false] {
            let settings = settings(&server);
            let client = Client::new(if with_token { settings.token("garbage") } else { settings });
            let event = staff::Event::PersonCreated(staff::Person { uuid: uuid::Uuid::now_v7() });
            let publishing = client.publish(&event);
            let mut people = client.subscribe::<staff::Event>(&[staff::Topic::People]).unwrap();
            assert_eq!(people.ready().await.unwrap_err().code(), "unauthorized");
            let error = publishing.await.unwrap_err();
            assert_eq!((error.code(), error.is_final()), ("unauthorized", true));
        }
    });
}
