//! Watches: data that is loaded again when it may have changed.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tidings_client::{Client, PublishOptions, RawEvent, Settings, Watch, WatchError};
use tidings_shared::domains::staff;
use tidings_tests::{Cut, DEADLINE, Direction, Ending, Proxy, Random, Server, eventually, rounds, sample};
use tokio::time::{sleep, timeout};

use super::{client, metric, run, settings};

/// Rounds at the same time.
const LANES: usize = 8;

/// Rounds of each lane: subscribes, with writes around it.
const ROUNDS: usize = 6;

/// Connections of a lane that are cut. Each doubles the wait before the next attempt.
const MOST_CUTS: usize = 4;

/// Nothing at all, or up to so long.
fn moment(random: &mut Random, at_most: Duration) -> Duration {
    random.one_of(&[Duration::ZERO, at_most]).mul_f64(random.below(1000) as f64 / 1000.0)
}

/// Returns a proxy that cuts some of the first connections, after a random number of bytes.
fn cutting_proxy(server: &Server, mut random: Random) -> Proxy {
    let mut left = MOST_CUTS;
    Proxy::start(server.address(), move || {
        let after_bytes = 300 + random.below(1_500);
        let (client, server) = (random.one_of(&[Ending::Reset, Ending::Fin]), Ending::Fin);
        let is_cut = left > 0 && random.below(4) > 0;
        left -= usize::from(is_cut);
        is_cut.then_some(Cut { direction: Direction::Down, after_bytes, client, server })
    })
}

/// Returns a watch of a number. Each load waits a random time before it reads the number, and after.
fn watch_slowly(client: &Client, topic: &str, store: &Arc<Mutex<u64>>, seed: u64) -> Watch<u64, Infallible> {
    let (store, mut random) = (Arc::clone(store), Random::new(seed));
    let load = move || {
        let store = Arc::clone(&store);
        let (before, after) =
            (moment(&mut random, Duration::from_millis(6)), moment(&mut random, Duration::from_millis(6)));
        async move {
            sleep(before).await;
            let value = *store.lock().unwrap();
            sleep(after).await;
            Ok(value)
        }
    };
    client.watch_raw(&[topic], load).unwrap()
}

/// Writes, and publishes after each write. The program's events go the same way as those of others.
async fn write(writer: &Client, topic: &str, store: &Mutex<u64>, waits: Vec<Duration>) {
    for wait in waits {
        sleep(wait).await;
        *store.lock().unwrap() += 1;
        let event = RawEvent::parse(&sample::ticked(0).to_string()).unwrap();
        writer.publish_raw(event, &[topic], PublishOptions::default()).await.unwrap();
    }
}

#[test]
fn whatever_the_delays_and_cuts_the_last_data_is_what_is_stored() {
    let seed = std::env::var("TIDINGS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(14_u64);
    println!("TIDINGS_SEED={seed}");
    let server = Server::with(&["--frames-per-second", "100000"]);
    let lane = async |lane: usize| {
        let topic = format!("clock:{lane}");
        let store = Arc::new(Mutex::new(0));
        let mut random = Random::new(seed.wrapping_add(lane as u64));
        let proxy = cutting_proxy(&server, Random::new(random.next_u64()));
        let url = format!("http://{}", proxy.address());
        let settings = || Settings::new(url.parse().unwrap()).domain("clock");
        let (reader, writer) = (Client::new(settings()), Client::new(settings()));
        for round in 0..ROUNDS * rounds(1) {
            let waits =
                (0..1 + random.below(3)).map(|_| moment(&mut random, Duration::from_millis(8))).collect();
            let mut watch = watch_slowly(&reader, &topic, &store, random.next_u64());
            let writes = write(&writer, &topic, &store, waits);
            let (mut last, mut is_written) = (None, false);
            let mut writes = std::pin::pin!(writes);
            let converges = async {
                while !is_written || last != Some(*store.lock().unwrap()) {
                    tokio::select! {
                        () = &mut writes, if !is_written => is_written = true,
                        loaded = watch.next() => match loaded.expect("the watch goes on") {
                            Ok(value) => last = Some(value),
                            Err(error) => println!("{error}"),
                        },
                    }
                }
            };
            let converged = timeout(DEADLINE, converges).await;
            assert!(converged.is_ok(), "lane {lane}, round {round}: {last:?}, and the store has {store:?}");
        }
        proxy.cuts().len()
    };
    let cuts = tokio::runtime::Runtime::new().unwrap().block_on(join_all((0..LANES).map(lane)));
    println!("connections that were cut, in each lane: {cuts:?}");
    assert!(cuts.iter().sum::<usize>() >= LANES, "{cuts:?}");
}

#[test]
fn events_during_a_load_cause_one_more_load_and_loads_keep_their_distance() {
    let server = Server::start();
    run(async {
        let client = client(&server);
        let loads = Arc::new(AtomicUsize::new(0));
        let load = {
            let loads = Arc::clone(&loads);
            move || {
                let number = loads.fetch_add(1, Ordering::Relaxed) + 1;
                async move { Ok::<_, Infallible>(number) }
            }
        };
        let mut watch = client.watch(&[staff::Topic::People], load).unwrap();
        assert_eq!(watch.next().await, Some(Ok(1)));
        let begun = Instant::now();
        for _ in 0..50 {
            server.publish(&sample::person_updated(&sample::uuid()));
        }
        assert_eq!(watch.next().await, Some(Ok(2)));
        // The last of the events may have come during the second load.
        while timeout(Duration::from_millis(600), watch.next()).await.is_ok() {}
        let most = 2 + begun.elapsed().as_millis() / 250;
        assert!((loads.load(Ordering::Relaxed) as u128) <= most, "{loads:?} loads");
        let before = loads.load(Ordering::Relaxed);
        watch.reload();
        assert_eq!(watch.next().await, Some(Ok(before + 1)));
    });
}

#[test]
fn a_load_that_fails_is_yielded_and_tried_again_and_a_dropped_wait_keeps_the_load() {
    let server = Server::start();
    run(async {
        let client = client(&server);
        let mut number = 0;
        let load = move || {
            number += 1;
            let number = number;
            async move {
                sleep(Duration::from_millis(40)).await;
                if number < 3 { Err(format!("failure {number}")) } else { Ok(number) }
            }
        };
        let mut watch = client.watch(&[staff::Topic::People], load).unwrap();
        let mut loaded = Vec::new();
        while loaded.len() < 3 {
            if let Ok(item) = timeout(Duration::from_millis(5), watch.next()).await {
                loaded.push(item.unwrap());
            }
        }
        let failure = |number| Err(WatchError::Load(format!("failure {number}")));
        assert_eq!(loaded, [failure(1), failure(2), Ok(3)]);
    });
}

#[test]
fn a_watch_of_a_refused_topic_says_so_and_ends() {
    let server = Server::start();
    run(async {
        let client = client(&server);
        let mut watch = client.watch_raw(&["staff:peple"], async || Ok::<_, Infallible>(())).unwrap();
        let Some(Err(WatchError::Client(error))) = watch.next().await else { panic!("an error") };
        assert_eq!((error.code(), error.is_final()), ("invalid_topic", true));
        assert_eq!(watch.next().await, None);
    });
}

#[test]
fn a_dropped_watch_unsubscribes_and_ends_its_load() {
    let server = Server::start();
    run(async {
        let client = Client::new(settings(&server));
        let runs = Arc::new(());
        let load = {
            let runs = Arc::clone(&runs);
            move || {
                let runs = Arc::clone(&runs);
                async move {
                    let _runs = runs;
                    std::future::pending::<Result<(), Infallible>>().await
                }
            }
        };
        let mut watch = client.watch(&[staff::Topic::People], load).unwrap();
        while Arc::strong_count(&runs) < 3 {
            let _ = timeout(Duration::from_millis(5), watch.next()).await;
        }
        assert_eq!(metric(&server, "tidings_subscriptions"), 1.0);
        drop(watch);
        assert_eq!(Arc::strong_count(&runs), 1);
        eventually("the session has no topic", || metric(&server, "tidings_subscriptions") == 0.0);
    });
}
