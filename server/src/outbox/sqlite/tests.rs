//! Somebody replaces the files while the store has them open. The store looks once a second.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use uuid::Uuid;

use tokio::time::sleep;

use super::{file::SAME_FILE_INTERVAL, *};

const WRITE: &str = "INSERT INTO tidings_outbox(event) VALUES ('{}')";

/// A folder that is removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("tidings-outbox-{}", Uuid::new_v4()));
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Opens the application's database.
fn application(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
    connection.execute_batch(SCHEMA).unwrap();
    connection
}

#[cfg(unix)]
#[tokio::test]
async fn a_log_that_is_replaced_under_the_store_is_opened_and_kept() {
    let folder = Folder::new();
    let path = folder.0.join("app.db");
    let [log, index] = ["app.db-wal", "app.db-shm"].map(|name| folder.0.join(name));
    let application = application(&path);
    let mut store = SqliteStore::open(&path).unwrap();
    application.execute_batch(WRITE).unwrap();
    let copy = std::fs::read(&log).unwrap();
    application.execute_batch("DELETE FROM tidings_outbox").unwrap();
    drop(application);
    assert_eq!(store.read(&[]).await.unwrap().len(), 0);

    std::fs::remove_file(&index).unwrap();
    std::fs::remove_file(&log).unwrap();
    std::fs::write(&log, copy).unwrap();
    store.changed().await;
    let error = store.read(&[]).await.unwrap_err();
    assert!(!error.is_busy && error.message.contains("-wal"), "{error}");
    store.reopen().await.unwrap();
    assert_eq!(store.read(&[]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_application_that_begins_to_use_a_log_replaces_nothing() {
    let folder = Folder::new();
    let path = folder.0.join("app.db");
    Connection::open(&path).unwrap().execute_batch(SCHEMA).unwrap();
    let mut store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.read(&[]).await.unwrap().len(), 0);
    let application = application(&path);
    sleep(SAME_FILE_INTERVAL).await;
    application.execute_batch(WRITE).unwrap();
    assert_eq!(store.read(&[]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_full_disk_says_so_and_rows_leave_the_outbox_when_there_is_room() {
    let folder = Folder::new();
    let path = folder.0.join("app.db");
    let application = application(&path);
    application.execute("INSERT INTO tidings_outbox(event) VALUES (?1)", ["x".repeat(200_000)]).unwrap();
    let mut store = SqliteStore::open(&path).unwrap();
    let rows = store.read(&[]).await.unwrap();
    let dead = [Dead { id: rows[0].id.clone(), code: tidings_shared::Code::TooLarge, reason: String::new() }];
    // SQLite says that the disk is full when a file would have more pages than this.
    let set_pages = |store: &mut SqliteStore, pages: u32| {
        let set = |connection: &mut Connection| {
            connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
        };
        store.file.with(set).unwrap();
    };
    set_pages(&mut store, 1);
    let error = store.settle(&[], &dead).await.unwrap_err();
    assert!(!error.is_busy && error.message.contains("make room on the disk"), "{error}");
    assert_eq!(store.read(&[]).await.unwrap()[0].id, rows[0].id);
    assert_eq!(store.dead_letters(0, 10).await.unwrap(), []);
    set_pages(&mut store, 1_000_000);
    store.settle(&[], &dead).await.unwrap();
    assert_eq!((store.read(&[]).await.unwrap(), store.dead_letters(0, 10).await.unwrap().len()), (vec![], 1));
}
