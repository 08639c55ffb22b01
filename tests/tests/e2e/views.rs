//! The promise itself: in the end the view equals the store, after any writes and any trouble with connections.

use std::{
    sync::{Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use tidings_client_core::LoadId;
use tidings_tests::{Client, DEADLINE, Random, Server, Tab, View, rounds, sample};

/// Rounds at the same time, each with a tab and a writer of its own.
const LANES: usize = 4;

/// A load: it begins, reads the store some time later, and is back some time after that.
#[derive(Debug)]
enum Load {
    None,
    Begun { load: LoadId, reads_at: Instant, takes: Duration },
    Read { load: LoadId, value: u64, back_at: Instant },
}

/// Nothing at all, or up to so long.
fn moment(random: &mut Random, at_most: Duration) -> Duration {
    random.one_of(&[Duration::ZERO, at_most]).mul_f64(random.below(1000) as f64 / 1000.0)
}

#[test]
fn in_1000_rounds_of_writes_around_subscribe_and_load_the_view_ends_equal_to_the_store() {
    let server = Server::with(&["--frames-per-second", "100000"]);
    let mut random = Random::of_this_run();
    let cuts: usize = thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES)
            .map(|lane| {
                let (server, random) = (&server, Random::new(random.next_u64()));
                scope.spawn(move || run_lane(server, &format!("clock:{lane}"), rounds(1000) / LANES, random))
            })
            .collect();
        lanes.into_iter().map(|lane| lane.join().unwrap()).sum()
    });
    println!("{} rounds, {cuts} connections cut in them", rounds(1000));
    assert!(cuts >= rounds(1000) / 20, "{cuts} cuts");
}

/// Makes rounds, and says in how many the connection was cut.
fn run_lane(server: &Server, topic: &str, count: usize, mut random: Random) -> usize {
    let store = Mutex::new(0_u64);
    thread::scope(|scope| {
        // The writer gets the times to wait before each write, and says when the last one is published.
        let (orders, ordered) = mpsc::channel::<Vec<Duration>>();
        let (done, writes_done) = mpsc::channel();
        let store = &store;
        scope.spawn(move || {
            let mut writer = Client::hello(server);
            for waits in ordered {
                for wait in waits {
                    thread::park_timeout(wait);
                    *store.lock().unwrap() += 1;
                    let (event, topics) = (sample::ticked(0), [topic]);
                    let frame =
                        serde_json::json!({ "op": "publish", "ref": 1, "event": event, "topics": topics });
                    assert_eq!(writer.ask(&frame)["op"], "published");
                }
                if done.send(()).is_err() {
                    return;
                }
            }
        });
        let mut tab = Tab::new(server.address());
        let mut cuts = 0;
        for round in 0..count {
            let writes = 1 + random.below(3);
            orders
                .send((0..writes).map(|_| moment(&mut random, Duration::from_millis(6))).collect())
                .unwrap();
            let cut_at = (random.below(10) == 0)
                .then(|| Instant::now() + moment(&mut random, Duration::from_millis(8)));
            let is_cut = run_round(&mut tab, topic, store, &writes_done, cut_at, &mut random)
                .unwrap_or_else(|view| panic!("round {round}: {view:?}, the store {store:?}"));
            cuts += usize::from(is_cut);
        }
        cuts
    })
}

/// Subscribes, and ends when the writes are done and the view equals the store; or never, which is what it fails with.
fn run_round(
    tab: &mut Tab,
    topic: &str,
    store: &Mutex<u64>,
    writes_done: &mpsc::Receiver<()>,
    mut cut_at: Option<Instant>,
    random: &mut Random,
) -> Result<bool, View<u64>> {
    let start = Instant::now();
    let (mut view, mut load) = (View::new(tab, &[topic]), Load::None);
    let (mut is_written, mut is_cut) = (false, false);
    loop {
        let now = Instant::now();
        if cut_at.is_some_and(|at| at <= now) {
            cut_at = None;
            is_cut = true;
            tab.cut();
        }
        load = match load {
            Load::Begun { load, reads_at, takes } if reads_at <= now => {
                Load::Read { load, value: *store.lock().unwrap(), back_at: now + takes }
            }
            Load::Read { load, value, back_at } if back_at <= now => {
                view.handle_loaded(load, value, tab);
                Load::None
            }
            load => load,
        };
        if let Some(begun) = view.poll_load() {
            assert!(matches!(load, Load::None), "one load at a time: {load:?}");
            let mut time = || moment(random, Duration::from_millis(3));
            load = Load::Begun { load: begun, reads_at: now + time(), takes: time() };
        }
        is_written |= writes_done.try_recv().is_ok();
        if is_written && cut_at.is_none() && view.data() == Some(&*store.lock().unwrap()) {
            view.close(tab);
            return Ok(is_cut);
        }
        if start.elapsed() > DEADLINE {
            return Err(view);
        }
        let next = match load {
            Load::None => now + Duration::from_millis(1),
            Load::Begun { reads_at: at, .. } | Load::Read { back_at: at, .. } => at,
        };
        if let Some(output) = tab.next(next) {
            view.handle(&output, tab);
        }
    }
}
