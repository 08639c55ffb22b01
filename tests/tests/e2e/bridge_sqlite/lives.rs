//! Bridges that start, stop, crash, wait for each other, and lose their table or their file.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::Duration,
};

use futures_util::FutureExt;
use serde::Deserialize;
use serde_json::Value;
use tidings_server::{
    Hub,
    bridge::{Bridge, SourceError, sqlite::SqliteSource},
};
use tidings_tests::{AppFile, eventually, finish};
use tokio::runtime::{Builder, Runtime};

use super::{
    file, hub,
    page::{Got, Page},
    start, topic,
};

const TABLE: &str = "CREATE TABLE t(id INTEGER PRIMARY KEY, n INT)";

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn write(file: &AppFile, sql: &str) {
    file.open().execute_batch(sql).unwrap();
}

/// Counts the triggers, the tables of changes and the rows of all bridges.
fn traces(file: &AppFile) -> (usize, usize) {
    let own = "sqlite_schema WHERE type = 'trigger' OR name GLOB 'tidings_changes_*'";
    let rows = "(SELECT 1 FROM tidings_bridges UNION ALL SELECT 1 FROM tidings_bridge_dead_letters)";
    (file.count(own), file.count(rows))
}

fn locks(file: &AppFile) -> usize {
    let folder = file.path();
    let names = fs::read_dir(folder.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().contains("-bridge-")).count()
}

/// Counts the changes that are not published.
fn waiting(file: &AppFile) -> usize {
    file.count("tidings_changes_1 WHERE gap IS NOT 2")
}

/// Ends a program, and waits until it has ended: its thread still runs for a moment.
fn crash(file: &AppFile, program: (Runtime, Hub)) {
    drop(program);
    let lock = beside(file, "-lock");
    eventually("the turn is free", || File::open(&lock).unwrap().try_lock().is_ok());
}

/// Returns the file of a bridge with this end of its name.
fn beside(file: &AppFile, end: &str) -> PathBuf {
    let files = fs::read_dir(file.path().parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let is_it =
        |path: &PathBuf| path.to_string_lossy().contains("-bridge-") && path.to_string_lossy().ends_with(end);
    files.into_iter().find(is_it).unwrap()
}

#[test]
fn a_bridge_that_stops_leaves_nothing_and_one_that_starts_again_begins_with_one_sync() {
    let file = file("wal", TABLE);
    runtime().block_on(async {
        let hub = hub();
        let mut page = Page::open(&hub, &file).await;
        let bridge = start(&hub, &file).await.unwrap();
        assert_eq!(page.next().await, Got::Sync);
        write(&file, "INSERT INTO t VALUES (1, 1)");
        page.until("1").await;
        assert_eq!(page.syncs, 1);
        bridge.stop().await;
        assert_eq!((traces(&file), locks(&file)), ((0, 0), 0));
        write(&file, "INSERT INTO t VALUES (2, 2)");
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(page.try_next().now_or_never().is_none(), "after a stop, nothing comes");
        bridge.stop().await;
        start(&hub, &file).await.unwrap();
        assert_eq!(page.next().await, Got::Sync);
        write(&file, "INSERT INTO t VALUES (3, 3)");
        assert!(matches!(page.next().await, Got::Event(key, Some(_)) if key == "3"));
        page.assert_current("live again");
    });
}

#[test]
fn changes_wait_for_a_program_that_has_crashed_and_it_goes_on_without_a_sync() {
    let file = file("wal", TABLE);
    let before = runtime();
    let first = before.block_on(async {
        let hub = hub();
        let mut page = Page::open(&hub, &file).await;
        start(&hub, &file).await.unwrap();
        assert_eq!(page.next().await, Got::Sync);
        hub
    });
    crash(&file, (before, first));
    write(&file, "INSERT INTO t VALUES (1, 1), (2, 2)");
    write(&file, "UPDATE t SET n = 3; DELETE FROM t WHERE id = 1");
    runtime().block_on(async {
        let hub = hub();
        let mut page = Page::open(&hub, &file).await;
        start(&hub, &file).await.unwrap();
        let mut got = vec![page.next().await, page.next().await];
        got.sort_by_key(|got| format!("{got:?}"));
        let two = serde_json::json!({ "id": 2, "n": 3 });
        let event = |key: &str, record: Option<Value>| Got::Event(key.to_owned(), record);
        assert!(got.contains(&event("1", None)), "{got:?}");
        assert!(got.contains(&event("2", Some(two))), "{got:?}");
        assert_eq!(page.syncs, 0);
    });
}

#[test]
fn a_page_of_a_program_that_waits_has_the_table_and_the_last_program_that_stops_removes_the_bridge() {
    let file = file("wal", TABLE);
    runtime().block_on(async {
        let (first_hub, second_hub) = (hub(), hub());
        let mut first_page = Page::open(&first_hub, &file).await;
        let mut second_page = Page::open(&second_hub, &file).await;
        let first = start(&first_hub, &file).await.unwrap();
        assert_eq!(first_page.next().await, Got::Sync);
        let second = start(&second_hub, &file).await.unwrap();
        assert_eq!(second_page.next().await, Got::Sync, "nobody knows what the first one has published");
        write(&file, "INSERT INTO t VALUES (1, 1)");
        first_page.until("1").await;
        first_page.assert_current("the first program reads");
        assert_eq!(second_page.next().await, Got::Sync);
        second_page.assert_current("the second program waits");
        // It has been told of all. Neither the deletion of the change nor a further look is a sync.
        eventually("the change is done", || waiting(&file) == 0);
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert!(second_page.try_next().now_or_never().is_none(), "nothing has changed");
        first.stop().await;
        assert_ne!(traces(&file), (0, 0), "the second one has the bridge");
        write(&file, "INSERT INTO t VALUES (2, 2)");
        second_page.until("2").await;
        second_page.assert_current("the second program has taken over");
        // The last one, if the row was there before the second program took over.
        assert!(first_page.syncs == 1 && (2..=3).contains(&second_page.syncs), "{}", second_page.syncs);
        second.stop().await;
        assert_eq!((traces(&file), locks(&file)), ((0, 0), 0));
    });
}

/// A record with a number.
#[derive(Debug, Deserialize)]
struct Numbered {
    #[allow(dead_code, reason = "only its type matters")]
    n: u8,
}

#[test]
fn a_record_that_does_not_decode_is_a_dead_letter_and_a_sync_until_it_does() {
    let file = file("wal", TABLE);
    runtime().block_on(async {
        let hub = hub();
        let source = SqliteSource::new(file.path());
        let bridge = Bridge::<Numbered>::start(&hub.tenant(hub.home()), source, "t", &topic()).await.unwrap();
        let mut page = Page::open(&hub, &file).await;
        write(&file, "INSERT INTO t VALUES (1, 300), (2, 2)");
        write(&file, "INSERT INTO t VALUES (3, cast(x'ff' AS TEXT))");
        while page.syncs == 0 || page.rows.by_key.len() < 3 {
            page.next().await;
        }
        eventually("the dead letters are there", || file.count("tidings_bridge_dead_letters") == 2);
        let letters: String = file
            .open()
            .query_row(
                "SELECT group_concat(key || ': ' || reason) FROM tidings_bridge_dead_letters",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert!(
            letters.contains("1: ") && letters.contains("u8") && letters.contains("3: the column `n`"),
            "{letters}"
        );
        write(&file, "UPDATE t SET n = 30 WHERE id = 1; DELETE FROM t WHERE id = 3");
        page.until("3").await;
        eventually("they have healed", || file.count("tidings_bridge_dead_letters") == 0);
        page.assert_current("after the repair");
        bridge.stop().await;
    });
}

#[test]
fn a_start_that_cannot_be_tells_the_caller_why() {
    let file = file("wal", "CREATE TABLE real(id INTEGER PRIMARY KEY); CREATE VIEW t AS SELECT * FROM real");
    runtime().block_on(async {
        let hub = hub();
        let refused = |error: SourceError, part: &str| {
            assert!(matches!(&error, SourceError::NotSupported(why) if why.contains(part)), "{error:?}");
        };
        refused(start(&hub, &file).await.unwrap_err(), "view");
        write(&file, "DROP VIEW t; CREATE TABLE t(a)");
        refused(start(&hub, &file).await.unwrap_err(), "PRIMARY KEY");
        write(&file, "DROP TABLE t");
        let error = start(&hub, &file).await.unwrap_err();
        assert!(matches!(&error, SourceError::Failed(why) if why.contains("no table t")), "{error:?}");
        assert_eq!(file.count("sqlite_schema WHERE name LIKE 'tidings%'"), 0);
        // Another name, and a table that is there now.
        let source = SqliteSource::new(file.path()).table("t", "real");
        let bridge = Bridge::<Value>::start(&hub.tenant(hub.home()), source, "t", &topic()).await.unwrap();
        bridge.stop().await;
        let missing = SqliteSource::new(file.path().with_file_name("missing.db"));
        let error =
            Bridge::<Value>::start(&hub.tenant(hub.home()), missing, "t", &topic()).await.unwrap_err();
        assert!(matches!(&error, SourceError::Failed(why) if why.contains("no such file")), "{error:?}");
    });
}

#[test]
fn a_table_that_is_made_again_or_altered_is_a_sync_and_then_live() {
    let file = file("wal", TABLE);
    runtime().block_on(async {
        let hub = hub();
        let mut page = Page::open(&hub, &file).await;
        start(&hub, &file).await.unwrap();
        assert_eq!(page.next().await, Got::Sync);
        let mut number = 0;
        for change in [
            "ALTER TABLE t ADD COLUMN more DEFAULT 'more'",
            "DROP TABLE t; CREATE TABLE t(id INTEGER PRIMARY KEY, other TEXT)",
            "BEGIN; CREATE TABLE new(id INTEGER PRIMARY KEY, n INT); INSERT INTO new VALUES (50, 5); DROP TABLE t; \
             ALTER TABLE new RENAME TO t; COMMIT",
        ] {
            write(&file, change);
            assert_eq!(page.next().await, Got::Sync, "{change}");
            number += 1;
            write(&file, &format!("INSERT INTO t(id) VALUES ({number})"));
            page.until(&number.to_string()).await;
            page.assert_current(change);
        }
        // While there is no table, the bridge waits.
        write(&file, "DROP TABLE t");
        tokio::time::sleep(Duration::from_millis(100)).await;
        write(&file, TABLE);
        while page.next().await != Got::Sync {}
        page.assert_current("a table that was away");
    });
}

#[test]
fn a_restored_copy_of_the_file_is_a_sync_and_then_live() {
    let file = file("delete", TABLE);
    let copy = file.path().with_file_name("copy.db");
    write(&file, "INSERT INTO t VALUES (1, 1)");
    fs::copy(file.path(), &copy).unwrap();
    runtime().block_on(async {
        let hub = hub();
        let mut page = Page::open(&hub, &file).await;
        start(&hub, &file).await.unwrap();
        assert_eq!(page.next().await, Got::Sync);
        write(&file, "INSERT INTO t VALUES (2, 2)");
        page.until("2").await;
        drop(page);
        // The copy has no bridge.
        fs::rename(&copy, file.path()).unwrap();
        let mut page = Page::open(&hub, &file).await;
        while page.next().await != Got::Sync {}
        write(&file, "INSERT INTO t VALUES (3, 3)");
        page.until("3").await;
        page.assert_current("the copy");
    });
}

/// Copies with SQLite, as a backup program does.
fn backup(program: &str, file: &AppFile, copy: &Path) {
    let done = finish(&mut file.python(program, &[&copy.to_string_lossy()]));
    assert_eq!(done.code, Some(0), "{done:?}");
}

#[test]
fn a_restored_copy_with_the_bridge_in_it_is_one_sync_whether_the_program_runs_or_not() {
    for is_running in [true, false] {
        let file = file("wal", TABLE);
        let (before, copy) = (runtime(), file.path().with_file_name("copy.db"));
        let (hub, mut page) = before.block_on(async {
            let hub = hub();
            let mut page = Page::open(&hub, &file).await;
            start(&hub, &file).await.unwrap();
            assert_eq!(page.next().await, Got::Sync);
            write(&file, "INSERT INTO t VALUES (1, 1)");
            page.until("1").await;
            eventually("the changes are done", || waiting(&file) == 0);
            backup("database.backup(sqlite3.connect(arguments[0]))", &file, &copy);
            write(&file, "INSERT INTO t VALUES (2, 2); DELETE FROM t WHERE id = 1");
            page.until("1").await;
            (hub, page)
        });
        // The file stays, and so does its schema.
        let restore = || backup("sqlite3.connect(arguments[0]).backup(database)", &file, &copy);
        if is_running {
            restore();
            before.block_on(async {
                assert_eq!(page.next().await, Got::Sync);
                page.assert_current("the copy");
                write(&file, "INSERT INTO t VALUES (3, 3)");
                page.until("3").await;
                assert_eq!(page.syncs, 2);
                page.assert_current("live again");
            });
            continue;
        }
        drop(page);
        crash(&file, (before, hub));
        restore();
        runtime().block_on(async {
            let hub = super::hub();
            let mut page = Page::open(&hub, &file).await;
            start(&hub, &file).await.unwrap();
            assert_eq!(page.next().await, Got::Sync);
            write(&file, "INSERT INTO t VALUES (3, 3)");
            page.until("3").await;
            assert_eq!(page.syncs, 1);
            page.assert_current("live again");
        });
    }
}

#[test]
fn changes_that_have_waited_for_too_long_are_one_sync() {
    let file = file("wal", TABLE);
    let before = runtime();
    let first = before.block_on(async {
        let hub = hub();
        let mut page = Page::open(&hub, &file).await;
        start(&hub, &file).await.unwrap();
        assert_eq!(page.next().await, Got::Sync);
        hub
    });
    crash(&file, (before, first));
    write(&file, "INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)");
    write(&file, "UPDATE tidings_changes_1 SET at = at - 3600000");
    runtime().block_on(async {
        let hub = hub();
        let mut page = Page::open(&hub, &file).await;
        start(&hub, &file).await.unwrap();
        assert_eq!(page.next().await, Got::Sync);
        write(&file, "INSERT INTO t VALUES (4, 4)");
        assert!(matches!(page.next().await, Got::Event(key, Some(_)) if key == "4"));
        assert_eq!(page.syncs, 1);
    });
}
