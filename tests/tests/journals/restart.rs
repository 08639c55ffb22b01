//! Many clients, and a server that is killed again and again: nobody gets a sync, nobody misses an event, and nobody gets one
//! twice.
//!
//! `cargo xtask soak restart` runs it with 5,000 clients that wait before they connect again, as browsers do.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use tidings_client_core::Output;
use tidings_tests::{Jitter, Random, Server, Tab, sample, tidings};

use crate::{place::Folder, process::journal_of};

/// Restarts and clients in the suite. It takes about 20 seconds.
const RESTARTS: usize = 12;
const CLIENTS: usize = 500;

/// The longest time until all clients have an event. A machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(120);

/// After this time without a loss, a client's next wait is short again. The soak waits for it: real restarts are rare.
const HEALTHY: Duration = Duration::from_secs(5);

/// Clients that connect at the same time when the test begins. After a restart all do.
const CONNECTING: usize = 200;

/// Events of the publisher that wait for their answers.
const IN_FLIGHT: usize = 4;

/// The publisher's pause before an event in the soak: each event is 5,000 deliveries.
const PACE: Duration = Duration::from_millis(200);

/// How long a client waits for something before it looks whether the test goes on.
const LOOK: Duration = Duration::from_millis(500);

/// Bytes of a thread's stack. There is a thread for each client.
const STACK: usize = 256 * 1024;

/// What the clients and the publisher share.
#[derive(Debug, Default)]
struct Shared {
    /// No server runs. Clients that do not wait would try in vain, and keep the processors busy.
    is_down: AtomicBool,
    /// The clients that have subscribed.
    ready: AtomicUsize,
    /// The acknowledged events.
    published: AtomicUsize,
    /// The publisher has published its last event.
    ends: AtomicBool,
}

impl Shared {
    fn next(&self, tab: &mut Tab) -> Option<Output<tidings_tests::Payload>> {
        while self.is_down.load(Relaxed) {
            thread::park_timeout(Duration::from_millis(2));
        }
        tab.next(Instant::now() + LOOK)
    }
}

/// Returns a port that is free, and that the system gives to nobody who asks for any port.
fn port() -> u16 {
    let mut random = Random::new(u64::from(std::process::id()));
    let ports = std::iter::repeat_with(|| 10_000 + random.below(20_000) as u16);
    ports.take(1_000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

/// Reads events until all have come. They must come in order, each once.
fn read(mut tab: Tab, topic: &str, seen: &AtomicUsize, shared: &Shared) {
    tab.subscribe(&["clock:all", topic]);
    loop {
        let count = seen.load(Relaxed);
        if shared.ends.load(Relaxed) && count == shared.published.load(Relaxed) {
            return;
        }
        match shared.next(&mut tab) {
            Some(Output::Event { publication, .. }) => {
                let payload: serde_json::Value =
                    serde_json::from_str(publication.event.payload.get()).unwrap();
                assert_eq!(payload["number"], count, "{topic}: in order, each once");
                seen.store(count + 1, Relaxed);
            }
            Some(Output::Ready { .. }) => {
                shared.ready.fetch_add(1, Relaxed);
            }
            Some(Output::Status(_) | Output::Resumed { .. }) | None => {}
            // The server is away for long, or overloaded. The client tries again.
            Some(Output::Error(error)) if error.may_retry() => {}
            Some(other) => panic!("{topic}: after {count} events: {other:?}"),
        }
    }
}

/// Publishes events until it shall end, and until all have their answers.
fn publish(mut tab: Tab, pace: Duration, shared: &Shared, ends: &AtomicBool) {
    let (mut sent, mut answered) = (0, 0);
    loop {
        while !ends.load(Relaxed) && sent < answered + IN_FLIGHT {
            thread::park_timeout(pace);
            tab.publish("clock:all", &sample::ticked(sent));
            sent += 1;
        }
        match shared.next(&mut tab) {
            Some(Output::Published { .. }) => {
                answered += 1;
                shared.published.store(answered, Relaxed);
            }
            Some(Output::Status(_)) | None => {}
            Some(Output::Error(error)) if error.may_retry() => {}
            Some(other) => panic!("after {answered} answers: {other:?}"),
        }
        if ends.load(Relaxed) && answered == sent {
            shared.ends.store(true, Relaxed);
            return;
        }
    }
}

/// A thread of the test. It must not have failed.
struct Running(thread::JoinHandle<()>);

impl Running {
    fn spawn(run: impl FnOnce() + Send + 'static) -> Self {
        Self(thread::Builder::new().stack_size(STACK).spawn(run).unwrap())
    }
}

fn asked(variable: &str, usual: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn clients_notice_a_killed_server_by_nothing_but_a_pause() {
    let (restarts, clients) = (asked("TIDINGS_RESTARTS", RESTARTS), asked("TIDINGS_CLIENTS", CLIENTS));
    let is_soak = clients > CLIENTS;
    let (jitter, pace) = if is_soak { (Jitter::Full, PACE) } else { (Jitter::None, Duration::ZERO) };
    let (folder, address) = (Folder::new(), SocketAddr::from(([127, 0, 0, 1], port())));
    let start = || {
        let mut command = tidings();
        command.args(["serve", "--dev", "--listen", &address.to_string(), "--journal", &journal_of(&folder)]);
        command.args(["--frames-per-second", "100000"]);
        Server::run(command)
    };
    let mut random = Random::of_this_run();
    let mut server = start();
    let (shared, ends) = (Arc::new(Shared::default()), Arc::new(AtomicBool::new(false)));
    let seen: Vec<Arc<AtomicUsize>> = (0..clients).map(|_| Arc::default()).collect();
    let wait = |running: &[Running], what: &str, holds: &dyn Fn() -> bool| {
        let start = Instant::now();
        while !holds() {
            let failed = !ends.load(Relaxed) && running.iter().any(|thread| thread.0.is_finished());
            assert!(!failed, "a client has failed: its message is above");
            assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
            thread::park_timeout(Duration::from_millis(5));
        }
    };
    let mut running = Vec::new();
    for (number, seen) in seen.iter().enumerate() {
        wait(&running, "clients connect", &|| number < shared.ready.load(Relaxed) + CONNECTING);
        let (seen, shared) = (Arc::clone(seen), Arc::clone(&shared));
        running.push(Running::spawn(move || {
            read(Tab::with_jitter(address, jitter), &format!("clock:{number}"), &seen, &shared);
        }));
    }
    wait(&running, "all subscribe", &|| shared.ready.load(Relaxed) == clients);
    running.push(Running::spawn({
        let (shared, ends) = (Arc::clone(&shared), Arc::clone(&ends));
        move || publish(Tab::with_jitter(address, jitter), pace, &shared, &ends)
    }));
    let mut slowest = Duration::ZERO;
    for restart in 0..restarts {
        let healthy = if is_soak { HEALTHY } else { Duration::ZERO };
        thread::park_timeout(healthy + Duration::from_millis(20 + random.below(400) as u64));
        server.process().signal("KILL");
        let killed = Instant::now();
        shared.is_down.store(!is_soak, Relaxed);
        server.exit_code();
        server = start();
        shared.is_down.store(false, Relaxed);
        let started = killed.elapsed();
        // The publisher's next events reach everybody.
        let goal = shared.published.load(Relaxed) + IN_FLIGHT + 1;
        wait(&running, "all have caught up", &|| seen.iter().all(|seen| seen.load(Relaxed) >= goal));
        slowest = slowest.max(killed.elapsed());
        println!(
            "restart {restart}: the server was there {:.2} s after the kill, and all {clients} clients {:.2} s after it",
            started.as_secs_f64(),
            killed.elapsed().as_secs_f64(),
        );
    }
    ends.store(true, Relaxed);
    for thread in running {
        thread.0.join().expect("no client has failed");
    }
    let published = shared.published.load(Relaxed);
    assert!(seen.iter().all(|seen| seen.load(Relaxed) == published));
    println!(
        "{published} events to each of {clients} clients; the slowest restart took {:.2} s",
        slowest.as_secs_f64()
    );
}
