//! Connections to PostgreSQL: the URL, TLS, and errors with their remedies.
//!
//! No statement has a name, and no setting outlives a transaction. So everything here works through pgbouncer in transaction
//! mode, too.

mod fault;
mod tls;

use std::{fmt, time::Duration};

use tokio::time::timeout;
use tokio_postgres::{
    Client, Config, Row,
    config::TargetSessionAttrs,
    types::{ToSql, Type},
};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The longest time for a new connection, with name look-up, TLS and password. A command that can't connect says so within
/// 12 s.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);

/// The longest wait for one address of the server, so that another address gets its turn.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(4);

/// The longest wait for an answer. A database that is busy or frozen for less only answers late.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Values of parameters with their types. A statement with types needs no round trip to ask for them.
pub(crate) type Values<'a> = [(&'a (dyn ToSql + Sync), Type)];

/// A PostgreSQL server and a database in it, from a URL.
#[derive(Clone)]
pub(crate) struct Database {
    config: Config,
    tls: MakeRustlsConnect,
    /// The database for messages, without secrets.
    name: String,
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
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(ADDRESS_TIMEOUT);
        }
        if config.get_application_name().is_none() {
            config.application_name("tidings");
        }
        Ok(Self { config, tls, name })
    }

    /// Connects. A task of this runtime moves the connection's bytes until the client is dropped.
    ///
    /// # Errors
    /// A sentence that names the fault and the remedy.
    pub(crate) async fn connect(&self) -> Result<Session, String> {
        let connecting = self.config.connect(self.tls.clone());
        let (client, connection) = timeout(CONNECT_TIMEOUT, connecting)
            .await
            .map_err(|_| {
                format!("{} did not answer within {CONNECT_TIMEOUT:?}{}", self.name, fault::IS_IT_THERE)
            })?
            .map_err(|error| self.fault(&error))?;
        // Whoever waits for an answer gets the error.
        tokio::spawn(async { connection.await.unwrap_or_default() });
        Ok(Session { client, name: self.name.clone() })
    }

    /// Returns the database for messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the user of the URL.
    pub(crate) fn user(&self) -> &str {
        self.config.get_user().unwrap_or("USER")
    }

    fn fault(&self, error: &tokio_postgres::Error) -> String {
        fault::describe(&self.name, error)
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
    name: String,
}

impl Session {
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
        match timeout(ANSWER_TIMEOUT, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Fault {
                message: fault::describe(&self.name, &error),
                state: error.code().map(|code| code.code().to_owned()),
            }),
            Err(_) => Err(Fault {
                message: format!("{} did not answer within {ANSWER_TIMEOUT:?}", self.name),
                state: None,
            }),
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
}

impl Fault {
    /// Whether a table, a schema, a column or a function is missing.
    pub(crate) fn is_missing(&self) -> bool {
        // undefined_table, invalid_schema_name, undefined_column, undefined_function
        matches!(self.state.as_deref(), Some("42P01" | "3F000" | "42703" | "42883"))
    }

    /// Whether the user lacks a right.
    pub(crate) fn is_forbidden(&self) -> bool {
        self.state.as_deref() == Some("42501")
    }
}
