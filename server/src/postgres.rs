//! Connections to PostgreSQL: the URL, TLS, and errors with their remedies.
//!
//! No statement has a name, and no setting outlives a transaction. So everything here works through pgbouncer in transaction
//! mode, too.

mod fault;
mod hosts;
mod tls;

use std::{fmt, future::poll_fn, time::Duration};

use tokio::time::timeout;
use tokio_postgres::{
    AsyncMessage, Client, Config, Row,
    config::TargetSessionAttrs,
    types::{ToSql, Type},
};
use tokio_postgres_rustls::MakeRustlsConnect;

pub(crate) use self::fault::READ_ONLY;

/// The longest time for a new connection, with name look-up, TLS and password. A command that can't connect says so within
/// 12 s.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);

/// The longest wait for an answer. A database that is busy or frozen for less only answers late.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest time for telling the server that nobody waits for an answer any more. A frozen server takes all of it.
const CANCEL_TIMEOUT: Duration = Duration::from_millis(500);

/// Values of parameters with their types. A statement with types needs no round trip to ask for them.
pub(crate) type Values<'a> = [(&'a (dyn ToSql + Sync), Type)];

/// A PostgreSQL server and a database in it, from a URL.
#[derive(Clone)]
pub(crate) struct Database {
    /// The settings of a connection to each host, in the order of the URL.
    hosts: Vec<Config>,
    user: Option<String>,
    tls: MakeRustlsConnect,
    /// The database for messages, without secrets.
    name: String,
    connect_timeout: Duration,
    answer_timeout: Duration,
}

impl Database {
    /// Reads a URL. `name` is the database for messages, without secrets.
    ///
    /// # Errors
    /// The URL is not valid, or asks for something that is not supported. The message has no secret.
    pub(crate) fn parse(url: &str, name: String) -> Result<Self, String> {
        let (mut config, tls) = tls::split(url).map_err(|reason| format!("{name}: {reason}"))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(format!(
                "{name}: the URL names no host: write postgres://USER:PASSWORD@HOST/DATABASE"
            ));
        }
        // A standby can be read only.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        if config.get_application_name().is_none() {
            config.application_name("tidings");
        }
        Ok(Self {
            hosts: hosts::each(&config),
            user: config.get_user().map(str::to_owned),
            tls,
            name,
            connect_timeout: CONNECT_TIMEOUT,
            answer_timeout: ANSWER_TIMEOUT,
        })
    }

    /// Sets the longest time for a new connection, and the longest wait for an answer.
    pub(crate) fn timeouts(mut self, connect: Duration, answer: Duration) -> Self {
        (self.connect_timeout, self.answer_timeout) = (connect, answer);
        self
    }

    /// Connects. A task of this runtime moves the connection's bytes until the client is dropped.
    ///
    /// # Errors
    /// A sentence that names the fault and the remedy.
    pub(crate) async fn connect(&self) -> Result<Session, String> {
        self.connect_and(|_| {}).await
    }

    /// Connects as [`Self::connect`] does, and calls `notified` with the payload of each notification.
    ///
    /// # Errors
    /// A sentence that names the fault and the remedy.
    pub(crate) async fn connect_and(
        &self,
        notified: impl FnMut(&str) + Send + 'static,
    ) -> Result<Session, String> {
        self.try_connect(notified).await.map_err(|fault| fault.message)
    }

    /// Returns whether nobody answers there now, or a server that is not ready. So the URL may be right.
    #[cfg(feature = "cli")]
    pub(crate) async fn is_away(&self) -> bool {
        self.try_connect(|_| {}).await.is_err_and(|fault| fault.is_away)
    }

    async fn try_connect(&self, mut notified: impl FnMut(&str) + Send + 'static) -> Result<Session, Fault> {
        // Another host gets its turn.
        let share = self.connect_timeout / u32::try_from(self.hosts.len()).unwrap_or(u32::MAX).max(1);
        let mut connected = Err(Fault::of_us(format!("{}: no host", self.name)));
        for config in &self.hosts {
            let mut config = config.clone();
            if config.get_connect_timeout().is_none() {
                // For one address of the host, so that another address gets its turn.
                config.connect_timeout(share / 2);
            }
            connected = match timeout(share, config.connect(self.tls.clone())).await {
                Ok(connected) => connected.map_err(|error| Fault::new(&self.name, &error)),
                Err(_) => {
                    let message =
                        format!("{} did not answer within {share:?}{}", self.name, fault::IS_IT_THERE);
                    Err(Fault { is_away: true, ..Fault::of_us(message) })
                }
            };
            if connected.is_ok() {
                break;
            }
        }
        let (client, mut connection) = connected?;
        // Whoever waits for an answer gets the error.
        tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
                if let AsyncMessage::Notification(notification) = message {
                    notified(notification.payload());
                }
            }
        });
        Ok(Session { client, database: self.clone(), answer_timeout: self.answer_timeout })
    }

    /// Returns the database for messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the user of the URL.
    pub(crate) fn user(&self) -> &str {
        self.user.as_deref().unwrap_or("USER")
    }
}

/// Without the secrets.
impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({})", self.name)
    }
}

/// An open connection. Each call has a deadline.
#[derive(Debug)]
pub(crate) struct Session {
    client: Client,
    database: Database,
    answer_timeout: Duration,
}

impl Session {
    /// Sets the longest wait for an answer.
    pub(crate) fn set_answer_timeout(&mut self, timeout: Duration) {
        self.answer_timeout = timeout;
    }

    /// Runs one statement, and returns its rows.
    ///
    /// # Errors
    /// A [`Fault`] that names the remedy.
    pub(crate) async fn query(&self, statement: &str, values: &Values<'_>) -> Result<Vec<Row>, Fault> {
        self.answer(self.client.query_typed(statement, values)).await
    }

    /// Runs one statement that returns one row.
    ///
    /// # Errors
    /// A [`Fault`] that names the remedy.
    pub(crate) async fn query_one(&self, statement: &str, values: &Values<'_>) -> Result<Row, Fault> {
        self.answer(self.client.query_typed_one(statement, values)).await
    }

    /// Runs statements without parameters. Without `BEGIN`, they are one transaction.
    ///
    /// # Errors
    /// A [`Fault`] that names the remedy.
    pub(crate) async fn batch(&self, statements: &str) -> Result<(), Fault> {
        self.answer(self.client.batch_execute(statements)).await
    }

    /// Whether the connection has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    async fn answer<T>(
        &self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Fault> {
        match timeout(self.answer_timeout, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Fault::new(&self.database.name, &error)),
            Err(_) => {
                // Without this, the server may go on with the statement, and wait for a lock, for as long as it likes. Each
                // further try would leave one more connection there. If this fails, the server is away.
                let _ = timeout(
                    CANCEL_TIMEOUT,
                    self.client.cancel_token().cancel_query(self.database.tls.clone()),
                )
                .await;
                Err(Fault::of_us(format!(
                    "{} did not answer within {:?}: look at its load, its log and its pg_locks",
                    self.database.name, self.answer_timeout
                )))
            }
        }
    }
}

/// Why a statement has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// A sentence that names the fault and the remedy.
    pub(crate) message: String,
    /// PostgreSQL's code, if the database itself refused.
    state: Option<String>,
    /// Whether a later connection may succeed with the same settings.
    #[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "it serves the command line"))]
    is_away: bool,
}

impl Fault {
    fn new(name: &str, error: &tokio_postgres::Error) -> Self {
        let state = error.code().map(|code| code.code().to_owned());
        Self { message: fault::describe(name, error), state, is_away: fault::is_away(error) }
    }

    /// Returns a fault that the database has not said.
    fn of_us(message: String) -> Self {
        Self { message, state: None, is_away: false }
    }

    /// Whether a table, a schema, a column or a function is missing.
    pub(crate) fn is_missing(&self) -> bool {
        // undefined_table, invalid_schema_name, undefined_column, undefined_function
        matches!(self.state.as_deref(), Some("42P01" | "3F000" | "42703" | "42883"))
    }

    /// Whether a block of a table or of an index is damaged.
    pub(crate) fn is_damage(&self) -> bool {
        // data_corrupted, index_corrupted
        matches!(self.state.as_deref(), Some("XX001" | "XX002"))
    }

    /// Whether somebody else holds a lock for longer than `lock_timeout`.
    pub(crate) fn is_locked(&self) -> bool {
        self.state.as_deref() == Some("55P03")
    }

    /// Whether the database can't do it, with this table for example.
    pub(crate) fn is_unsupported(&self) -> bool {
        // feature_not_supported, wrong_object_type, invalid_name, syntax_error (of a name)
        matches!(self.state.as_deref(), Some("0A000" | "42809" | "42602" | "42601"))
    }

    /// Whether the user lacks a right.
    pub(crate) fn is_forbidden(&self) -> bool {
        self.state.as_deref() == Some("42501")
    }
}
