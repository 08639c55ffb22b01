//! Copies of a server: a base backup that comes back over a newer history, and a replica that takes over. Copies of a
//! database: a dump.

use std::process::Command;

use super::{Postgres, connect, new_folder, program};
use crate::eventually;

/// A dump of a database. It is removed with this value.
#[derive(Debug)]
pub struct Dump(std::path::PathBuf);

impl Dump {
    /// Dumps a database with `pg_dump --format=custom`.
    #[track_caller]
    pub fn of(url: &str) -> Self {
        let dump = Self(new_folder("dump"));
        dump.run("pg_dump", &["--format=custom", "--dbname", url, "--file"]);
        dump
    }

    /// Restores it with `pg_restore --clean`. This first drops the tables and functions that have the same names.
    #[track_caller]
    pub fn restore(&self, url: &str) {
        self.run("pg_restore", &["--clean", "--if-exists", "--exit-on-error", "--dbname", url]);
    }

    #[track_caller]
    fn run(&self, name: &str, arguments: &[&str]) {
        let ran = Command::new(program(name)).args(arguments).arg(self.0.join("dump")).output();
        let ran = ran.expect("the program runs");
        assert!(ran.status.success(), "{name}: {}", String::from_utf8_lossy(&ran.stderr));
    }
}

impl Drop for Dump {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A base backup of a server, beside its data.
#[derive(Debug)]
pub struct Backup(String);

impl Postgres {
    /// Makes a base backup while the server runs.
    #[track_caller]
    pub fn back_up(&mut self) -> Backup {
        self.backups += 1;
        let name = format!("backup{}", self.backups);
        let url = self.url("postgres");
        assert_eq!(self.ask(&format!("copy {name} {url}")), "0", "no backup: {}", self.log());
        Backup(name)
    }

    /// Ends the server as a crash does, puts a backup in the place of its data, and starts it again.
    #[track_caller]
    pub fn restore(&mut self, backup: &Backup) {
        self.kill();
        assert_eq!(self.ask(&format!("restore {}", backup.0)), "0", "the backup is not restored");
        self.start_again();
    }

    /// Starts a replica of a running server. It can be read, and follows until [`Self::stop_following`].
    #[track_caller]
    pub fn replica(&self) -> Self {
        let url = self.url("postgres");
        Self::start_on(|replica| replica.ask(&format!("copy data {url} --write-recovery-conf")))
    }

    /// Waits until a replica has everything that the other server has committed until now.
    #[track_caller]
    pub fn catch_up(&self, other: &Self) {
        let (mut own, mut other) = (connect(&self.url("postgres")), connect(&other.url("postgres")));
        let committed = "SELECT pg_current_wal_flush_lsn()::text";
        let committed: String = other.query_one(committed, &[]).expect("a position").get(0);
        let has_it = format!("SELECT pg_last_wal_replay_lsn() >= '{committed}'");
        eventually("the replica catches up", || own.query_one(&has_it, &[]).is_ok_and(|row| row.get(0)));
    }

    /// Lets a replica receive nothing more.
    #[track_caller]
    pub fn stop_following(&self) {
        let mut database = connect(&self.url("postgres"));
        for statement in ["ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()"] {
            database.batch_execute(statement).expect("the owner sets it");
        }
        let receivers = "SELECT count(*) FROM pg_stat_wal_receiver";
        eventually("the replica receives nothing", || {
            database.query_one(receivers, &[]).is_ok_and(|row| row.get::<_, i64>(0) == 0)
        });
    }

    /// Makes a replica a server that takes writes.
    #[track_caller]
    pub fn promote(&self) {
        let promoted = connect(&self.url("postgres")).query_one("SELECT pg_promote()", &[]);
        assert!(promoted.is_ok_and(|row| row.get(0)), "it is no replica: {}", self.log());
    }

    /// Returns the owner's URL of a database of this server, or of the other if only that takes writes.
    pub fn url_with(&self, other: &Self, database: &str) -> String {
        let (own, both) = (self.address.to_string(), format!("{},{}", self.address, other.address));
        self.url(database).replace(&own, &both)
    }
}
