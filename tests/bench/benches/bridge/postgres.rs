//! A table of PostgreSQL. The journal of the hub is in the same database.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

use tidings_server::{JournalAddress, bridge::PostgresSource, open_hub};
use tidings_tests::{Postgres, finish, postgres::connect, tidings};

use crate::{DEATHS, GATE, KEYS, Kind, LIFE, Measure, runtime, settings, start, write};

const LINKS: &str = "CREATE TABLE links(id bigint PRIMARY KEY, url text UNIQUE, clicks bigint)";

/// Inserts a row, or updates it.
const WRITE: &str = "INSERT INTO links VALUES ($1, concat('https://example.com/', $1::bigint), $2)
    ON CONFLICT (id) DO UPDATE SET clicks = excluded.clicks";

/// Commits do not wait for the disk. Its time would hide all other costs.
pub(crate) fn measure() -> Measure {
    measure_in(Postgres::start())
}

/// Commits reach the disk.
pub(crate) fn measure_durable() -> Measure {
    let postgres = Postgres::start();
    for statement in
        ["ALTER SYSTEM SET fsync = on", "ALTER SYSTEM SET full_page_writes = on", "SELECT pg_reload_conf()"]
    {
        connect(&postgres.url("postgres")).batch_execute(statement).unwrap();
    }
    measure_in(postgres)
}

fn measure_in(postgres: Postgres) -> Measure {
    Box::new(move |kind, pace| {
        let (url, runtime) = (postgres.database(), runtime());
        let made = finish(tidings().args(["journal", "init", "--journal", &url]));
        assert_eq!(made.code, Some(0), "{made:?}");
        let mut writer = connect(&url);
        writer.batch_execute(LINKS).unwrap();
        let begin = || {
            runtime.block_on(async {
                let address: JournalAddress = url.parse().unwrap();
                let (hub, journal) = open_hub(settings(), address).await.unwrap();
                let bridge = start(&hub, PostgresSource::new(&url).unwrap()).await;
                (hub, journal, bridge)
            })
        };
        let running = matches!(kind, Kind::Runs | Kind::Blocked).then(begin);
        let gate = (kind == Kind::Blocked).then(|| GATE.lock().unwrap());
        let statement = writer.prepare(WRITE).unwrap();
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
                let (key, clicks) = ((number % KEYS).cast_signed(), number.cast_signed());
                writer.execute(&statement, &[&key, &clicks]).unwrap();
            });
            ends.store(true, Relaxed);
            percentiles
        });
        drop(gate);
        if let Some((_, journal, bridge)) = running {
            runtime.block_on(bridge.stop());
            runtime.block_on(journal.stop());
        }
        percentiles
    })
}
