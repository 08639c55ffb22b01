//! The client: every input, and what follows from it.

mod lingering;
mod outage;
mod page;
mod publishing;
mod subscribing;
mod tokens;
mod unknown;
mod watching;

use std::fmt;

use tidings_shared::{
    Code,
    frame::{ClientFrame, Outcome, ServerFrame},
    limits::MAX_MESSAGE_BYTES,
};

use self::outage::{Ended, Outage};
use super::{
    ConnectionId, Error, Now, Output, Publication, Status,
    backoff::Backoff,
    connection::{Connection, Stage},
    limits::MAX_RETRY_AFTER_MS,
    output::Outputs,
    pace::Pace,
    publishes::Publishes,
    refresh::Refresh,
    subscriptions::Subscriptions,
};

/// How a client behaves.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `name/version`, for the server's logs.
    pub client: Option<String>,
    /// The fingerprint of the domains that this client is compiled with.
    pub schema: Option<String>,
    /// The domains that this client knows: those that it is compiled with, and those that its user says are meant although
    /// nobody is. With none of these lists, the user is not told of domains that nobody knows.
    pub domains: Option<Vec<String>>,
    /// Whether the user gives tokens: then each connection begins with [`Output::Token`], which comes again before the
    /// token ends.
    pub asks_for_tokens: bool,
}

/// A client. Its payloads are of type `P`: JSON text natively, a JavaScript value in a browser.
///
/// The [module](super) says how it is driven.
#[derive(Debug)]
pub struct Client<P> {
    options: Options,
    connection: Connection,
    last_connection: u64,
    last_ref: u64,
    subscriptions: Subscriptions,
    publishes: Publishes<P>,
    backoff: Backoff,
    outage: Outage,
    pace: Pace,
    /// What the server takes as one message; its default until it has said so.
    max_message_bytes: u64,
    /// Up to where everything was delivered to the subscriptions.
    position: Option<String>,
    /// The newest that the user gave.
    token: Option<String>,
    /// The server refused the last token, and has not welcomed this client since.
    unauthorized: bool,
    /// What the server said was wrong with this connection.
    complaint: Option<Error>,
    /// It was told that the server has other domains.
    told_of_schema: bool,
    /// Domains that it was told nobody knows.
    told_of_domains: Vec<String>,
    status: Status,
    /// When the connection is let go of, while nobody wants anything of it and since that was noticed.
    lingers_until_ms: Option<u64>,
    /// When loads were last looked for. Those that are due begin after all other outputs.
    loads_due: Option<Now>,
    out: Outputs<P>,
}

impl<P: Clone> Client<P> {
    /// A client that does nothing until something is asked of it.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            connection: Connection::Idle,
            last_connection: 0,
            last_ref: 0,
            subscriptions: Subscriptions::default(),
            publishes: Publishes::default(),
            backoff: Backoff::default(),
            outage: Outage::default(),
            pace: Pace::default(),
            max_message_bytes: MAX_MESSAGE_BYTES as u64,
            position: None,
            token: None,
            unauthorized: false,
            complaint: None,
            told_of_schema: false,
            told_of_domains: Vec::new(),
            status: Status::Idle,
            lingers_until_ms: None,
            loads_due: None,
            out: Outputs::default(),
        }
    }

    /// Takes the next thing to do or to tell.
    pub fn poll_output(&mut self) -> Option<Output<P>> {
        // Loads come last, and one at a time: a callback may end the subscription that the next one would have been for.
        self.out.pop().or_else(|| self.next_load())
    }

    /// When [`Self::handle_timeout`] is due, on the clock of [`Now`]; a time that has passed means as soon as possible.
    pub fn poll_timeout(&self) -> Option<u64> {
        let sendable = self.connection.sendable().is_some();
        let changed = (sendable && self.subscriptions.changed()).then(|| self.pace.changes_ms());
        let publish = (sendable && self.publishes.any_sendable()).then(|| self.pace.ready_ms());
        let retry = self.subscriptions.retry_ms().filter(|_| sendable);
        let load = self.subscriptions.timeout_ms();
        let refresh = self.connection.refresh().and_then(Refresh::timeout_ms);
        let linger = self.lingers().then(|| self.lingers_until_ms.unwrap_or_default());
        [self.connection.timeout_ms(), refresh, changed, retry, publish, load, linger]
            .into_iter()
            .flatten()
            .min()
    }

    /// Where the client stands.
    pub fn status(&self) -> Status {
        self.connection.status()
    }

    /// The user is done: publishes that wait fail, and nothing happens any more.
    pub fn handle_close(&mut self) {
        if !matches!(self.connection, Connection::Closed) {
            self.subscriptions = Subscriptions::default();
            self.end(&Error::closed());
        }
    }

    /// The WebSocket is open.
    pub fn handle_open(&mut self, connection: ConnectionId, now: Now) {
        let Connection::Trying { id, stage, .. } = &mut self.connection else { return };
        if *id != connection || !matches!(stage, Stage::Socket) {
            return;
        }
        *stage = Stage::Welcome;
        let token = self.token.clone();
        let (client, schema) = (self.options.client.clone(), self.options.schema.clone());
        self.send(ClientFrame::Hello { token, client, schema }, now);
        self.send_change(now);
        self.send_changes(now);
        self.send_publishes(now);
    }

    /// A message arrived and was read as a frame, or could not be read as one.
    pub fn handle_frame(
        &mut self,
        connection: ConnectionId,
        frame: Result<ServerFrame<P>, impl fmt::Display>,
        now: Now,
    ) {
        if self.connection.sendable() != Some(connection) {
            return;
        }
        self.connection.heard(now);
        // What the server complained of did not end the connection.
        self.complaint = None;
        match frame {
            Ok(frame) => self.take(frame, now),
            Err(error) => {
                // It may have been an event. The next connection would get it again, so nobody waits for that one.
                let position = self.position.as_deref().unwrap_or_default();
                self.subscriptions.sync(self.subscriptions.all_live(), position, &mut self.out);
                let message = format!("A message of the server can't be read: {error}");
                self.out.push(Output::Error(Error::new(Code::InvalidFrame.as_str(), message)));
                // Or the answer that somebody waits for: then the next connection asks again.
                if self.subscriptions.any_asked() || self.publishes.any_sent() {
                    self.give_up(now);
                }
            }
        }
        // Timers of a hidden page are late; its messages are not.
        self.refresh_token(now);
        self.begin_loads(now);
        self.linger(now);
    }

    /// The WebSocket was closed or never opened; `code` is its close code, 1006 when there is none.
    pub fn handle_closed(&mut self, connection: ConnectionId, code: u16, now: Now) {
        if self.connection.socket() == Some(connection) {
            // Other codes say what is wrong.
            if Error::of_close(code).is_none_or(|error| error.may_retry()) {
                self.attempt_failed(Some(Ended::Code(code)));
            }
            self.lost(code, now);
        }
    }

    /// The time of [`Self::poll_timeout`] has come. Too early does no harm.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.connection.timeout_ms().is_some_and(|due| due <= now.ms) {
            match self.connection {
                Connection::Waiting { .. } => self.connect(now),
                Connection::Trying { stage: Stage::Token, .. } => {
                    self.token_failed(tokens::TOO_SLOW.to_owned(), now);
                }
                _ => {
                    self.attempt_failed(Some(Ended::Timeout));
                    self.give_up(now);
                }
            }
        }
        self.refresh_token(now);
        // First the publishes, which do not add up to one.
        self.send_publishes(now);
        self.subscriptions.handle_retry(now);
        self.send_changes(now);
        self.begin_loads(now);
        if self.lingers_until_ms.is_some_and(|due| due <= now.ms) {
            self.leave(now);
        }
        self.linger(now);
    }

    fn check_not_closed(&self) -> Result<(), Error> {
        if matches!(self.connection, Connection::Closed) { Err(Error::closed()) } else { Ok(()) }
    }

    /// Something was asked for, which needs a connection.
    fn wanted(&mut self, now: Now) {
        if matches!(self.connection, Connection::Idle) {
            self.connect(now);
        }
        self.linger(now);
    }

    fn connect(&mut self, now: Now) {
        if self.subscriptions.is_empty() && self.publishes.is_empty() {
            self.outage.forget();
            return self.become_(Connection::Idle);
        }
        self.last_connection += 1;
        let connection = ConnectionId(self.last_connection);
        if self.options.asks_for_tokens {
            self.become_(Connection::waiting_for_token(connection, now));
            self.out.push(Output::Token { connection });
        } else {
            self.open_socket(connection, now);
        }
    }

    fn open_socket(&mut self, connection: ConnectionId, now: Now) {
        self.complaint = None;
        self.become_(Connection::waiting_for_socket(connection, now));
        self.out.push(Output::Connect { connection });
    }

    fn become_(&mut self, connection: Connection) {
        self.connection = connection;
        let status = self.connection.status();
        if std::mem::replace(&mut self.status, status) != status {
            self.out.push(Output::Status(status));
        }
    }

    fn send(&mut self, frame: ClientFrame<P>, now: Now) {
        if let Some(connection) = self.connection.sendable() {
            self.pace.sent(now.ms);
            self.out.push(Output::Send { connection, frame });
        }
    }

    fn next_ref(&mut self) -> u64 {
        self.last_ref += 1;
        self.last_ref
    }

    /// Everything up to here was delivered.
    fn moved_on(&mut self, position: String) {
        if self.position.as_ref() != Some(&position) {
            self.subscriptions.moved_on();
        }
        self.position = Some(position);
    }

    fn take(&mut self, frame: ServerFrame<P>, now: Now) {
        match frame {
            ServerFrame::Welcome { heartbeat_ms, expires_in_ms, limits, schema, .. } => {
                self.unauthorized = false;
                self.outage.over();
                if let (Some(server), Some(own)) = (schema, &self.options.schema)
                    && server != *own
                    && !std::mem::replace(&mut self.told_of_schema, true)
                {
                    self.out.push(Output::OtherSchema { server });
                }
                self.pace.announced(limits.frames_per_second);
                self.max_message_bytes = limits.max_message_bytes;
                self.subscriptions.announced(limits.max_topics_per_session, limits.max_topics_per_frame);
                if let Some(id) = self.connection.sendable() {
                    let life_ms = expires_in_ms.filter(|_| self.options.asks_for_tokens);
                    let refresh = Refresh::new(life_ms, now);
                    self.become_(Connection::open(id, heartbeat_ms, refresh, now));
                }
            }
            ServerFrame::Subscribed { r#ref, position, topics, unknown_domains } => {
                self.tell_of_unknown(unknown_domains);
                // What was missed is still to come when a topic is resumed; only then is this position reached.
                let is_reached = topics.iter().all(|topic| topic.outcome != Outcome::Resumed);
                self.subscriptions.subscribed(r#ref, &position, topics, now, &mut self.out);
                if is_reached {
                    self.moved_on(position);
                }
            }
            ServerFrame::Unsubscribed { r#ref: None, topics, code } => {
                self.subscriptions.revoked(&topics, &Error::of_code(code), &mut self.out);
            }
            ServerFrame::Event { position, key, at, origin, topics, event } => {
                self.moved_on(position.clone());
                let deliveries = self.subscriptions.deliveries(&topics);
                if !deliveries.is_empty() {
                    let publication = Publication { position, key, at, origin, event };
                    self.out.push(Output::Event { deliveries, publication });
                }
            }
            ServerFrame::Sync { position, topics } => {
                self.subscriptions.sync(self.subscriptions.deliveries(&topics), &position, &mut self.out);
                self.moved_on(position);
            }
            ServerFrame::Published { r#ref, key, position, topics } => {
                if let Some(publish) = self.publishes.answered(r#ref) {
                    self.out.push(Output::Published { publish, key, position, topics });
                }
            }
            ServerFrame::TokenAccepted { r#ref, expires_in_ms, .. } => {
                self.token_accepted(r#ref, expires_in_ms, now);
            }
            ServerFrame::Ping { position } => {
                // Of topics that are still asked for it says nothing.
                if !self.subscriptions.any_asked() {
                    self.position = position.or(self.position.take());
                }
                self.send(ClientFrame::Pong, now);
            }
            ServerFrame::Goaway { retry_after_ms } => {
                self.backoff.not_before(now.ms.saturating_add(retry_after_ms.min(MAX_RETRY_AFTER_MS)));
            }
            ServerFrame::Error { r#ref, code, message } => {
                self.refused(r#ref, Error::new(code, message), now)
            }
            // Answers of which nothing follows, and frames of a newer server.
            _ => {}
        }
    }

    fn refused(&mut self, r#ref: Option<u64>, error: Error, now: Now) {
        let Some(r#ref) = r#ref else {
            self.complaint = Some(error.clone());
            return self.out.push(Output::Error(error));
        };
        if self.subscriptions.is_asked(r#ref) {
            if error.may_retry() {
                // Everything is asked for again, with a wait, by a new connection.
                return self.give_up(now);
            }
            self.subscriptions.refused(r#ref, &error, &mut self.out);
        } else if self.connection.refresh().is_some_and(|refresh| refresh.is_sent(Some(r#ref))) {
            self.token_refused(error, now);
        } else if error.code != Code::GoingAway.as_str() {
            // A server that goes away leaves the publish to the next connection.
            if let Some(publish) = self.publishes.answered(r#ref) {
                self.out.push(Output::PublishFailed { publish, error });
            }
        }
    }

    /// This side ends the connection and tries another.
    fn give_up(&mut self, now: Now) {
        if let Some(connection) = self.connection.socket() {
            self.out.push(Output::Disconnect { connection });
        }
        self.lost(NO_CLOSE_CODE, now);
    }

    fn lost(&mut self, code: u16, now: Now) {
        self.forgive(now);
        if self.options.asks_for_tokens && matches!(self.connection, Connection::Open { .. }) {
            self.backoff.spread();
        }
        let error = || self.complaint.clone().or_else(|| Error::of_close(code)).unwrap_or_else(Error::closed);
        match code {
            INVALID_FRAME | REVOKED => {
                let error = error();
                return self.end(&error);
            }
            UNAUTHORIZED if self.unauthorized || !self.options.asks_for_tokens => {
                let error = error();
                return self.end(&error);
            }
            UNAUTHORIZED => self.unauthorized = true,
            TOO_LARGE => {
                let error = error();
                self.publishes.too_large(&error, &mut self.out);
                self.out.push(Output::Error(error));
            }
            _ => {}
        }
        self.wait(now);
    }

    fn wait(&mut self, now: Now) {
        self.subscriptions.connection_lost();
        self.publishes.connection_lost();
        let until_ms = self.backoff.next_ms(now);
        self.become_(Connection::Waiting { until_ms: Some(until_ms) });
        self.linger(now);
    }

    /// For good. Who asked for it needs no error of the connection.
    fn end(&mut self, error: &Error) {
        if let Some(connection) = self.connection.socket() {
            self.out.push(Output::Disconnect { connection });
        }
        self.become_(Connection::Closed);
        self.lingers_until_ms = None;
        self.subscriptions.fail_all(error, &mut self.out);
        self.publishes.fail_all(error, &mut self.out);
        if *error != Error::closed() && self.complaint.is_none() {
            self.out.push(Output::Error(error.clone()));
        }
    }
}

/// What browsers report when there was no Close frame.
const NO_CLOSE_CODE: u16 = 1006;
/// The close codes after which coming back is of no use, or of use only with a change.
const INVALID_FRAME: u16 = 4400;
const UNAUTHORIZED: u16 = 4401;
const REVOKED: u16 = 4403;
const TOO_LARGE: u16 = 1009;
