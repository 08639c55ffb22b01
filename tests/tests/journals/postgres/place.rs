//! A place for a journal in a database of its own.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use postgres::Client;
use tidings_hub::journal::Journal;
use tidings_server::{
    journal::{POSTGRES_SCHEMA, PostgresJournal},
    outbox::postgres::SCHEMA,
};
use tidings_tests::{
    journal_contract::Place,
    postgres::{Postgres, connect},
};

/// A database with a journal.
#[derive(Debug)]
pub(crate) struct PostgresPlace {
    url: String,
}

/// The tables.
pub(super) const TABLES: [&str; 5] = ["journal", "tenants", "log", "keys", "revocations"];

/// Returns the URL of a new database with a journal.
pub(crate) fn journal_database() -> String {
    static TEMPLATE: OnceLock<String> = OnceLock::new();
    let server = Postgres::shared();
    let template = TEMPLATE.get_or_init(|| {
        let url = server.database();
        connect(&url).batch_execute(&format!("{SCHEMA}{POSTGRES_SCHEMA}")).unwrap();
        name_of(&url).to_owned()
    });
    let name = new_name();
    let mut admin = connect(&server.url("postgres"));
    admin.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template}")).unwrap();
    server.url(&name)
}

fn new_name() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("journal_{}", COUNT.fetch_add(1, Relaxed))
}

fn name_of(url: &str) -> &str {
    url.rsplit_once('/').unwrap().1
}

impl PostgresPlace {
    pub(crate) fn new() -> Self {
        Self { url: journal_database() }
    }

    /// Empties a database with a journal: that is faster than to make another one.
    pub(crate) fn emptied(url: &str) -> Self {
        // `TRUNCATE` would make new files.
        let tables = TABLES.map(|table| format!("DELETE FROM tidings.{table};")).concat();
        let empty = format!("BEGIN; {tables} INSERT INTO tidings.journal DEFAULT VALUES; COMMIT");
        connect(url).batch_execute(&empty).unwrap();
        Self { url: url.to_owned() }
    }

    pub(super) fn connect(&self) -> Client {
        connect(&self.url)
    }

    /// Copies the tables. The copy comes back in one transaction, under open connections.
    fn copy_of_rows(&self) -> Box<dyn Fn()> {
        let url = self.url.clone();
        let mut client = connect(&url);
        let schema =
            format!("copy_{}", client.query_one("SELECT txid_current()", &[]).unwrap().get::<_, i64>(0));
        let mut copy = format!("BEGIN; CREATE SCHEMA {schema};");
        let mut restore = String::from("BEGIN;");
        for table in TABLES {
            copy += &format!("CREATE TABLE {schema}.{table} AS TABLE tidings.{table};");
            restore += &format!(
                "DELETE FROM tidings.{table}; \
                 INSERT INTO tidings.{table} TABLE {schema}.{table};"
            );
        }
        copy += "COMMIT";
        client.batch_execute(&copy).unwrap();
        Box::new(move || connect(&url).batch_execute(&format!("{restore} COMMIT")).unwrap())
    }

    /// Copies the database. The copy gets its name, and all connections end.
    pub(crate) fn copy_of_database(&self) -> Box<dyn Fn()> {
        let server = Postgres::shared();
        let name = name_of(&self.url).to_owned();
        let copy = new_name();
        let run = move |statements: &[String]| {
            let mut admin = connect(&server.url("postgres"));
            statements.iter().for_each(|statement| admin.batch_execute(statement).unwrap());
        };
        let end =
            format!("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'");
        run(&[
            format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"),
            end,
            format!("CREATE DATABASE {copy} TEMPLATE {name}"),
            format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"),
        ]);
        Box::new(move || {
            run(&[
                format!("DROP DATABASE {name} WITH (FORCE)"),
                format!("CREATE DATABASE {name} TEMPLATE {copy}"),
            ]);
        })
    }
}

impl Place for PostgresPlace {
    fn open(&self) -> Box<dyn Journal> {
        Box::new(PostgresJournal::open(&self.url).unwrap())
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn has_clock(&self) -> bool {
        true
    }

    fn age(&self, time: Duration) {
        let time = time.as_millis();
        let older = format!(
            "UPDATE tidings.log SET at = at - {time}; UPDATE tidings.keys SET at = at - {time}; \
             UPDATE tidings.revocations SET at = at - {time}, until = until - {time}"
        );
        connect(&self.url).batch_execute(&older).unwrap();
    }

    fn copy(&self) -> Box<dyn Fn()> {
        self.copy_of_rows()
    }
}
