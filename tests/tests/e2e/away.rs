//! Clients that were away: short enough, too long, and while their server was killed. With the real client core.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use tidings_client_core::Output;
use tidings_tests::{Client, DEADLINE, Jitter, Payload, Server, Tab, View, eventually, own_address, sample};

/// What a tab hears next of its topics.
fn heard(tab: &mut Tab) -> Output<Payload> {
    loop {
        match tab.expect() {
            Output::Status(_) | Output::Resumed { .. } => {}
            output => return output,
        }
    }
}

#[track_caller]
fn assert_tick(output: Output<Payload>, number: usize) {
    match output {
        Output::Event { publication, .. } => {
            assert_eq!(publication.event.payload.get(), json!({ "number": number }).to_string());
        }
        other => panic!("event {number} was to come, and not {other:?}"),
    }
}

#[track_caller]
fn assert_sync(output: Output<Payload>, topics: &[&str]) {
    match output {
        Output::Sync { delivery, .. } => {
            let named: Vec<&str> = delivery.topics.iter().map(|topic| topic.as_str()).collect();
            assert_eq!(named, topics);
        }
        other => panic!("a sync was to come, and not {other:?}"),
    }
}

#[test]
fn missing_what_a_ring_of_100_holds_is_no_sync_and_missing_101_is_exactly_one_and_then_live() {
    for missed in [0, 1, 99, 100, 101, 102, 350] {
        let server = Server::with(&["--log-max-entries", "100"]);
        let tick = |number| server.publish_to("clock", &sample::ticked(number));
        let mut tab = Tab::new(server.address());
        tab.subscribed(&["clock", "clock:quiet"]);
        tick(0);
        assert_tick(heard(&mut tab), 0);
        tab.cut();
        (1..=missed).for_each(|number| drop(tick(number)));
        if missed > 100 {
            assert_sync(heard(&mut tab), &["clock", "clock:quiet"]);
        } else {
            (1..=missed).for_each(|number| assert_tick(heard(&mut tab), number));
        }
        tick(1000);
        assert_tick(heard(&mut tab), 1000);
        server.publish_to("clock:quiet", &sample::ticked(1001));
        assert_tick(heard(&mut tab), 1001);
        assert_eq!(tab.losses(), 1);
    }
}

#[test]
fn the_noise_of_others_is_no_sync_while_the_log_holds_it_and_then_exactly_one() {
    for is_held in [false, true] {
        let server = Server::with(&["--log-max-entries", "100"]);
        let _holder = is_held.then(|| Client::subscribed(&server, &["clock"]));
        let mut tab = Tab::new(server.address());
        tab.subscribed(&["clock"]);
        let mut away = |noise| {
            tab.cut();
            (0..noise).for_each(|number| drop(server.publish_to("noise", &sample::ticked(number))));
            let back = loop {
                match tab.expect() {
                    Output::Status(_) => {}
                    output => break output,
                }
            };
            // The server can't resume from a position that has left the log, even if others kept the topic.
            if noise > 100 {
                assert_sync(back, &["clock"]);
            } else {
                assert!(matches!(back, Output::Resumed { .. }), "after {noise}: {back:?}");
            }
            server.publish_to("clock", &sample::ticked(noise));
            assert_tick(heard(&mut tab), noise);
        };
        [100, 101, 1, 100, 250, 0].into_iter().for_each(&mut away);
    }
}

#[test]
fn a_reconnect_that_missed_nothing_loads_nothing_and_a_burst_that_was_missed_is_merged() {
    let server = Server::start();
    let mut tab = Tab::new(server.address());
    let mut view = View::new(&mut tab, &["clock"]);
    let mut drive = |missed, is_back: fn(&Output<Payload>) -> bool, tab: &mut Tab| {
        let before = view.loads();
        let (mut to_come, mut back) = (missed, false);
        while to_come > 0 || !back {
            let output = tab.expect();
            back |= is_back(&output);
            to_come -= usize::from(matches!(output, Output::Event { .. }));
            view.handle(&output, tab);
        }
        // Only now do loads come back, so that all events came before the first one was.
        loop {
            while let Some(output) = tab.next(Instant::now()) {
                view.handle(&output, tab);
            }
            match view.poll_load() {
                Some(load) => view.handle_loaded(load, (), tab),
                None => return view.loads() - before,
            }
        }
    };
    assert_eq!(drive(0, |output| matches!(output, Output::Ready { .. }), &mut tab), 1);
    for missed in [0, 0, 1, 0, 2, 5, 0, 40, 0] {
        tab.cut();
        server.publish_to("noise", &sample::ticked(0));
        (0..missed).for_each(|number| drop(server.publish_to("clock", &sample::ticked(number))));
        // One load for the first event, one more for all others.
        let loads = drive(missed, |output| matches!(output, Output::Resumed { .. }), &mut tab);
        assert_eq!(loads, missed.min(2), "after {missed} were missed");
    }
}

#[test]
fn after_kill_9_every_client_ends_right_by_one_sync_and_they_come_back_spread() {
    const CLIENTS: usize = 50;
    let address = own_address();
    let mut server = Server::at(address, &[]);
    let store = AtomicU64::new(1);
    let (loaded, synced) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let all = |count: &AtomicUsize| count.load(Ordering::SeqCst) == CLIENTS;

    let run = || {
        let mut tab = Tab::with_jitter(address, Jitter::Full);
        let mut view = View::new(&mut tab, &["clock"]);
        let mut until = |holds: &dyn Fn(&View<u64>) -> bool| {
            let start = Instant::now();
            while !holds(&view) {
                assert!(start.elapsed() < DEADLINE, "{view:?} {tab:?}");
                if let Some(output) = tab.next(Instant::now() + Duration::from_millis(100)) {
                    view.handle(&output, &mut tab);
                }
                if let Some(load) = view.poll_load() {
                    view.handle_loaded(load, store.load(Ordering::SeqCst), &mut tab);
                }
            }
        };
        until(&|view| view.data() == Some(&1));
        loaded.fetch_add(1, Ordering::SeqCst);
        // Nothing but the sync can tell of this write: no server was there.
        until(&|view| view.data() == Some(&2));
        let back = Instant::now();
        synced.fetch_add(1, Ordering::SeqCst);
        until(&|view| view.data() == Some(&3));
        (view.syncs(), view.loads(), tab.waits()[0], back)
    };
    let (killed, clients) = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(run)).collect();
        eventually("all have loaded", || all(&loaded));
        let killed = Instant::now();
        server.process().signal("KILL");
        assert_eq!(server.exit_code(), None, "ended by a signal");
        store.store(2, Ordering::SeqCst);
        server = Server::at(address, &[]);
        eventually("all have loaded again", || all(&synced));
        store.store(3, Ordering::SeqCst);
        server.publish_to("clock", &sample::ticked(3));
        (killed, clients.into_iter().map(|client| client.join().unwrap()).collect::<Vec<_>>())
    });

    // One load in the beginning, one for the sync, one for the event.
    assert!(clients.iter().all(|(syncs, loads, ..)| (*syncs, *loads) == (1, 3)), "{clients:?}");
    let mut tenths = [0; 10];
    for (_, _, wait, _) in &clients {
        tenths[*wait as usize / 25] += 1;
    }
    let mut back: Vec<_> = clients.iter().map(|(.., back)| back.duration_since(killed).as_millis()).collect();
    back.sort_unstable();
    println!("first waits by 25 ms: {tenths:?}; back after {back:?} ms");
    // That 50 even draws fall into four tenths happens once in 10^17 runs.
    assert!(tenths.iter().filter(|&&tenth| tenth > 0).count() >= 5, "not spread: {tenths:?}");
}
