//! The SQLite file of an application, with an outbox. Tests write into it as applications do, also in other languages.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use rusqlite::{Connection, params};
use serde_json::Value;

use crate::{Finished, binary::tidings, finish};

/// An application's SQLite file, in a folder of its own. Dropping this removes the folder.
#[derive(Debug)]
pub struct AppFile {
    folder: PathBuf,
}

impl AppFile {
    /// Makes a file with an outbox. `mode` is the file's journal mode, such as `wal` or `delete`.
    #[track_caller]
    pub fn new(mode: &str) -> Self {
        let file = Self::without_outbox(mode);
        let init = file.command("init", &[]);
        assert_eq!(init.code, Some(0), "{init:?}");
        file
    }

    /// Makes a file with a table of the application's own, and no outbox.
    #[track_caller]
    pub fn without_outbox(mode: &str) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("tidings-app-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for temporary files");
        let file = Self { folder };
        let connection = Connection::open(file.path()).expect("a new file");
        connection
            .execute_batch(&format!("PRAGMA journal_mode = {mode}; CREATE TABLE data(number INTEGER)"))
            .expect("a new database");
        file
    }

    /// Returns the path.
    pub fn path(&self) -> PathBuf {
        self.folder.join("app.db")
    }

    /// Returns the outbox as `--outbox` takes it.
    pub fn url(&self) -> String {
        format!("sqlite:{}", self.path().display())
    }

    /// Opens a connection, with the patience for locks that an application has.
    #[track_caller]
    pub fn open(&self) -> Connection {
        let connection = Connection::open(self.path()).expect("the file is there");
        connection.busy_timeout(Duration::from_secs(15)).expect("a connection takes a timeout");
        connection
    }

    /// Inserts an event for the topic `clock`, as any writer does.
    #[track_caller]
    pub fn write(&self, connection: &Connection, event: &Value) {
        let insert = "INSERT INTO tidings_outbox(event, topics) VALUES (?1, '[\"clock\"]')";
        connection.execute(insert, params![event.to_string()]).expect("the outbox takes a row");
    }

    /// Counts the rows of a table.
    #[track_caller]
    pub fn count(&self, table: &str) -> usize {
        let count = format!("SELECT count(*) FROM {table}");
        let count: i64 = self.open().query_row(&count, [], |row| row.get(0)).expect("a count");
        usize::try_from(count).expect("a count")
    }

    /// Runs `tidings journal COMMAND --outbox` on the file.
    #[track_caller]
    pub fn command(&self, command: &str, flags: &[&str]) -> Finished {
        finish(tidings().args(["journal", command, "--outbox", &self.url()]).args(flags))
    }

    /// Returns a command that runs a Python program on the file. Its `database` is an open connection, and `arguments` its
    /// further arguments.
    pub fn python(&self, program: &str, arguments: &[&str]) -> Command {
        let begin = "import sqlite3, sys\ndatabase = sqlite3.connect(sys.argv[1], timeout=15, isolation_level=None)\n\
            arguments = sys.argv[2:]\n";
        python(&self.path(), &format!("{begin}{program}"), arguments)
    }
}

fn python(path: &Path, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.args(["-c", program]).arg(path).args(arguments);
    command
}

impl Drop for AppFile {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
