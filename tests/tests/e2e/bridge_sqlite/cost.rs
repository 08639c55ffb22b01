//! What a writer pays for the triggers. `-- --nocapture cost` prints it.

use std::{
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tidings_tests::rounds;
use tokio::runtime::Builder;

use super::{file, hub, page::Page, start};

/// Transactions of each kind, one after the other without a pause. With and without the bridge they take half a second.
const TRANSACTIONS: usize = 2_000;

/// Transactions of each kind with a pause between them, as in an application that is busy and has no backlog.
const PACED: usize = 500;

const PAUSE: Duration = Duration::from_millis(1);

const TABLE: &str = "CREATE TABLE t(id INTEGER PRIMARY KEY, url TEXT UNIQUE, title TEXT, visits INT)";

#[test]
fn a_writer_commits_at_full_speed_and_each_row_reaches_the_page() {
    for (count, pause) in [(rounds(TRANSACTIONS), Duration::ZERO), (rounds(PACED), PAUSE)] {
        let [without, with] = [false, true].map(|has_bridge| measure(count, pause, has_bridge));
        println!("{pause:?} between two: without a bridge {without}\n                  with a bridge {with}");
    }
}

/// Writes, and returns what it costs the writer.
fn measure(count: usize, pause: Duration, has_bridge: bool) -> String {
    let file = file("wal", TABLE);
    if !has_bridge {
        return write(&file.open(), count, pause);
    }
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let hub = hub();
        let bridge = start(&hub, &file).await.unwrap();
        let mut page = Page::open(&hub, &file).await;
        let writer = file.open();
        let written = tokio::task::spawn_blocking(move || write(&writer, count, pause)).await.unwrap();
        page.until(&count.to_string()).await;
        page.until("1").await;
        page.assert_current("after the burst");
        bridge.stop().await;
        written
    })
}

/// Inserts rows, and then updates and deletes some, each in a transaction of its own. Returns what it costs.
fn write(writer: &Connection, count: usize, pause: Duration) -> String {
    writer.pragma_update(None, "synchronous", "NORMAL").unwrap();
    let mut insert =
        writer.prepare("INSERT INTO t(url, title, visits) VALUES (?1, 'a title of some length', 0)").unwrap();
    let mut update = writer.prepare("UPDATE t SET visits = visits + 1 WHERE id = ?1").unwrap();
    let mut times: Vec<[Duration; 2]> = Vec::with_capacity(count);
    for number in 1..=count {
        let start = Instant::now();
        insert.execute([format!("https://example.com/{number}")]).unwrap();
        let inserted = start.elapsed();
        update.execute([number.div_ceil(2) as i64]).unwrap();
        times.push([inserted, start.elapsed() - inserted]);
        thread::sleep(pause);
    }
    update.execute([1]).unwrap();
    let figures = ["INSERT", "UPDATE"].iter().enumerate().map(|(kind, name)| {
        let mut times: Vec<Duration> = times.iter().map(|times| times[kind]).collect();
        times.sort();
        let [median, p99] = [count / 2, count * 99 / 100].map(|place| times[place].as_secs_f64() * 1e6);
        let sum: Duration = times.iter().sum();
        format!("{name} {:.0}/s, median {median:.0} µs, p99 {p99:.0} µs", count as f64 / sum.as_secs_f64())
    });
    figures.collect::<Vec<_>>().join("; ")
}
