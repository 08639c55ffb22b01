//! What a writer pays for the triggers. `-- --nocapture cost` prints it.

use std::time::{Duration, Instant};

use rusqlite::Connection;
use tidings_tests::rounds;
use tokio::runtime::Builder;

use super::{file, hub, page::Page, start};

/// Transactions of each kind. With and without the bridge they take half a second.
const TRANSACTIONS: usize = 2_000;

const TABLE: &str = "CREATE TABLE t(id INTEGER PRIMARY KEY, url TEXT UNIQUE, title TEXT, visits INT)";

#[test]
fn a_writer_commits_at_full_speed_and_each_row_reaches_the_page() {
    let count = rounds(TRANSACTIONS);
    let plain = file("wal", TABLE);
    let without = write(&plain.open(), count);
    let file = file("wal", TABLE);
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let hub = hub();
        let bridge = start(&hub, &file).await.unwrap();
        let mut page = Page::open(&hub, &file).await;
        let writer = file.open();
        let with = tokio::task::spawn_blocking(move || write(&writer, count)).await.unwrap();
        page.until(&count.to_string()).await;
        page.until("1").await;
        page.assert_current("after the burst");
        println!("without a bridge: {without}\nwith a bridge:    {with}");
        bridge.stop().await;
    });
}

/// Inserts rows, and then updates and deletes some, each in a transaction of its own. Returns what it costs.
fn write(writer: &Connection, count: usize) -> String {
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
