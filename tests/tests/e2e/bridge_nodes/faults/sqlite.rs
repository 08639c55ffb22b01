//! A process with the bridge of a SQLite table, while another process writes.

use std::{thread, time::Duration};

use rusqlite::Connection;
use tidings_tests::{AppFile, Process, Random, rounds};

use crate::bridge_nodes::{
    LINKS, Node, ONCE,
    page::{Load, Page, Rows},
};

/// Faults in the suite. They take some 5 seconds.
const FAULTS: usize = 4;

/// Rows that the page hears of before a fault, and after it.
const MORE: usize = 30;

/// Writes rows once, others again and again, and rolls some back, without a pause, until it is killed.
const WRITER: &str = r#"
import random
random.seed(arguments[0])
run, number = database.execute, int(arguments[1])
while True:
    run("BEGIN IMMEDIATE")
    run("INSERT INTO links VALUES (?, 0)", (number,))
    if random.random() < 0.2:
        run("ROLLBACK")
        run("BEGIN IMMEDIATE")
        run("INSERT INTO links VALUES (?, 1)", (number,))
    run("REPLACE INTO links VALUES (?, ?)", (random.randrange(5), number))
    if random.random() < 0.2:
        run("DELETE FROM links WHERE id = ?", (random.randrange(5),))
    run("COMMIT")
    number += 1
"#;

#[test]
fn a_page_has_the_table_though_the_process_is_killed_and_frozen_in_a_burst_of_another_process() {
    let file = AppFile::without_outbox("wal");
    file.open().execute_batch(LINKS).unwrap();
    let source = file.path().display().to_string();
    let journal = format!("sqlite:{}", file.path().with_file_name("events.journal").display());
    let mut node = Node::start(&source, &journal);
    let mut random = Random::of_this_run();
    let page = Page::open(&[node.address], load(&file));
    for fault in 0..rounds(FAULTS) {
        let first = ONCE + i64::try_from(fault).unwrap() * 1_000_000;
        let command = file.python(WRITER, &[&random.next_u64().to_string(), &first.to_string()]);
        let writer = Process::start(command);
        page.goes_on(MORE);
        thread::sleep(Duration::from_millis(random.below(300) as u64));
        if fault % 2 == 0 {
            node.signal("KILL");
            thread::sleep(Duration::from_millis(random.below(300) as u64));
            node.start_again();
        } else {
            node.signal("STOP");
            thread::sleep(Duration::from_millis(300 + random.below(700) as u64));
            node.signal("CONT");
        }
        page.goes_on(MORE);
        // SIGKILL.
        drop(writer);
        let table = read(&file.open()).unwrap();
        let waited = page.until("it has the table", |known| known.rows == table);
        let (rows, syncs) = (table.len(), page.known().syncs);
        println!("fault {fault}: {rows} rows, {syncs} syncs, the table {waited:.2?} after the last write");
    }
    // An event that comes twice has come before this one.
    file.open().execute_batch(&format!("INSERT INTO links VALUES ({}, 0)", i64::MAX)).unwrap();
    page.until("the last row", |known| known.once.contains_key(&i64::MAX));
    let (known, table) = (page.known(), read(&file.open()).unwrap());
    assert_eq!(known.rows, table);
    let once: Vec<i64> = table.keys().copied().filter(|id| *id >= ONCE).collect();
    assert!(known.once.keys().eq(&once), "each row has its event");
    assert!(known.once.values().all(|count| *count == 1), "no event comes twice: {:?}", known.once);
    // After a crash, a sync may come that is not needed.
    println!("{} rows, {} syncs", once.len(), known.syncs);
}

fn load(file: &AppFile) -> Load {
    let database = file.open();
    Box::new(move || read(&database).expect("the file can be read"))
}

fn read(database: &Connection) -> rusqlite::Result<Rows> {
    let mut select = database.prepare("SELECT id, v FROM links")?;
    select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}
