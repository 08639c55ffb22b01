//! A table of SQLite. Its writer is a connection of its own, as in another process.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

use tidings_server::{Hub, SystemHost, bridge::SqliteSource};
use tidings_tests::AppFile;

use crate::{DEATHS, GATE, KEYS, Kind, LIFE, Measure, runtime, settings, start, write};

const LINKS: &str = "CREATE TABLE links(id INTEGER PRIMARY KEY, url TEXT UNIQUE, clicks INT)";

/// Inserts a row, or updates it.
const WRITE: &str = "INSERT INTO links VALUES (?1, 'https://example.com/' || ?1, ?2)
    ON CONFLICT (id) DO UPDATE SET clicks = excluded.clicks";

pub(crate) fn measure() -> Measure {
    Box::new(|kind, pace| {
        let (file, runtime) = (AppFile::without_outbox("wal"), runtime());
        let writer = file.open();
        writer.execute_batch(LINKS).unwrap();
        writer.pragma_update(None, "synchronous", "NORMAL").unwrap();
        let begin = || {
            let hub = Hub::new(settings(), SystemHost::start());
            let bridge = runtime.block_on(start(&hub, SqliteSource::new(file.path())));
            (hub, bridge)
        };
        let running = matches!(kind, Kind::Runs | Kind::Blocked).then(begin);
        let gate = (kind == Kind::Blocked).then(|| GATE.lock().unwrap());
        let mut statement = writer.prepare(WRITE).unwrap();
        let ends = AtomicBool::new(kind != Kind::Dies);
        let percentiles = thread::scope(|scope| {
            scope.spawn(|| {
                while !ends.load(Relaxed) {
                    // Without a stop: its changes wait for the next one.
                    let life = begin();
                    thread::sleep(LIFE);
                    drop(life);
                    DEATHS.fetch_add(1, Relaxed);
                }
            });
            let percentiles = write(pace, |number| {
                statement.execute([(number % KEYS).cast_signed(), number.cast_signed()]).unwrap();
            });
            ends.store(true, Relaxed);
            percentiles
        });
        drop(gate);
        if let Some((_, bridge)) = running {
            runtime.block_on(bridge.stop());
        }
        percentiles
    })
}
