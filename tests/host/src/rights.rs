//! The rights of all clients, as rows in SQLite.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use rusqlite::{Connection, params};
use tidings_server::hub::{TopicPattern, access::Rights};
use tidings_shared::TopicName;
use tokio::task::spawn_blocking;

/// Who may do what to which topics. The tables are in memory, and go with the process.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    connection: Arc<Mutex<Connection>>,
    looked_up: Arc<AtomicUsize>,
}

/// What a client may do to a topic.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verb {
    Subscribe,
    Publish,
}

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Self::Subscribe => "subscribe",
            Self::Publish => "publish",
        }
    }
}

/// Why the table did not answer.
type Fault = String;

const SCHEMA: &str = "
    CREATE TABLE client (number INTEGER PRIMARY KEY, who TEXT UNIQUE);
    CREATE TABLE may (number INTEGER, verb TEXT, pattern TEXT, PRIMARY KEY (number, verb, pattern)) WITHOUT ROWID;
";

impl Table {
    pub(crate) fn new() -> Self {
        let connection = Connection::open_in_memory().expect("memory");
        connection.execute_batch(SCHEMA).expect("new tables");
        Self { connection: Arc::new(Mutex::new(connection)), looked_up: Arc::default() }
    }

    /// Returns how many frames were looked up.
    pub(crate) fn looked_up(&self) -> usize {
        self.looked_up.load(Relaxed)
    }

    /// Writes down what somebody may do. Returns their number.
    pub(crate) async fn allow(&self, who: &str, rights: &Rights) -> Result<i64, Fault> {
        let who = who.to_owned();
        let rows = [(Verb::Subscribe, &rights.subscribe), (Verb::Publish, &rights.publish)];
        let rows: Vec<(&str, String)> = rows
            .into_iter()
            .flat_map(|(verb, patterns)| {
                patterns.iter().map(move |pattern| (verb.name(), pattern.to_string()))
            })
            .collect();
        self.run(move |connection| {
            connection.prepare_cached("INSERT OR IGNORE INTO client (who) VALUES (?1)")?.execute([&who])?;
            let mut select = connection.prepare_cached("SELECT number FROM client WHERE who = ?1")?;
            let number: i64 = select.query_row([&who], |row| row.get(0))?;
            let mut insert = connection.prepare_cached("INSERT OR IGNORE INTO may VALUES (?1, ?2, ?3)")?;
            for (verb, pattern) in rows {
                insert.execute(params![number, verb, pattern])?;
            }
            Ok(number)
        })
        .await
    }

    /// Returns for each topic whether a client may do this to it.
    pub(crate) async fn look_up(
        &self,
        number: i64,
        verb: Verb,
        topics: &[TopicName],
    ) -> Result<Vec<bool>, Fault> {
        self.looked_up.fetch_add(1, Relaxed);
        let patterns: Vec<String> = self
            .run(move |connection| {
                let select = "SELECT pattern FROM may WHERE number = ?1 AND verb = ?2";
                let mut select = connection.prepare_cached(select)?;
                select.query_map(params![number, verb.name()], |row| row.get(0))?.collect()
            })
            .await?;
        let patterns: Result<Vec<TopicPattern>, _> = patterns.iter().map(|pattern| pattern.parse()).collect();
        let patterns = patterns.map_err(|error| error.to_string())?;
        Ok(topics.iter().map(|topic| patterns.iter().any(|pattern| pattern.matches(topic))).collect())
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Fault> {
        let connection = Arc::clone(&self.connection);
        let done = spawn_blocking(move || work(&connection.lock().unwrap_or_else(PoisonError::into_inner)));
        done.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }
}
