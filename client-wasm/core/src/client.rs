//! The client: it handles every input, and produces the outputs.

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
    code::close,
    frame::{ClientFrame, Fingerprints, Outcome, ServerFrame},
    limits::MAX_MESSAGE_BYTES,
};

use self::outage::{Ended, Outage};
use super::{
    ConnectionId, Error, Frame, Now, Output, Payload, Status, SubscriptionId,
    backoff::Backoff,
    connection::{Connection, Stage},
    limits::MAX_RETRY_AFTER_MS,
    output::Outputs,
    pace::Pace,
    publishes::Publishes,
    refresh::Refresh,
    subscriptions::Subscriptions,
};

/// Options of a client.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `name/version`, for the server's logs.
    pub client: Option<String>,
    /// The domains by which the user checks events, with their fingerprints. The server compares them with its own.
    pub fingerprints: Fingerprints,
    /// The other domains that the user names. With `None`, the client does not report unknown domains.
    pub domains: Option<Vec<String>>,
    /// Whether the user gives tokens. If so, each connection begins with [`Output::Token`], and another one follows before
    /// the token ends.
    pub asks_for_tokens: bool,
}

/// A client. `P` is the type of payloads: JSON text in a Rust program, a JavaScript value in a browser.
///
/// The [crate](crate) says how to drive it.
#[derive(Debug)]
pub struct Client<P: Payload> {
    options: Options,
    connection: Connection,
    last_connection: u64,
    last_ref: u64,
    subscriptions: Subscriptions,
    publishes: Publishes<P>,
    backoff: Backoff,
    outage: Outage,
    pace: Pace,
    /// Bytes of the largest message that the server accepts. Until the server announces it, this is the default.
    max_message_bytes: u64,
    /// The client has delivered everything up to this position.
    position: Option<String>,
    /// The newest token from the user.
    token: Option<String>,
    /// The server refused the last token and has not welcomed this client since.
    unauthorized: bool,
    /// The last frame of this connection was this error from the server.
    server_error: Option<Error>,
    /// The domains that the user has heard of: the server has them in another form.
    other_domains: Vec<String>,
    /// The unknown domains that the user has heard of.
    reported_domains: Vec<String>,
    status: Status,
    /// When the client closes its idle connection. `None` while somebody needs the connection.
    lingers_until_ms: Option<u64>,
    /// The loads that are due at this time begin after all other outputs.
    loads_due: Option<Now>,
    out: Outputs<P>,
}

impl<P: Payload> Client<P> {
    /// Makes a client, which does nothing until the user asks for something.
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
            server_error: None,
            other_domains: Vec::new(),
            reported_domains: Vec::new(),
            status: Status::Idle,
            lingers_until_ms: None,
            loads_due: None,
            out: Outputs::default(),
        }
    }

    /// Takes the next output.
    pub fn poll_output(&mut self) -> Option<Output<P>> {
        // Loads come last and one at a time: the user's reaction to one may end the subscription of the next.
        self.out.pop().or_else(|| self.next_load())
    }

    /// Returns when to call [`Self::handle_timeout`], on the clock of [`Now`]. A time in the past means as soon as possible.
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

    /// Returns the status of the client.
    pub fn status(&self) -> Status {
        self.connection.status()
    }

    /// Closes the client for good. Publishes that wait for an answer fail.
    pub fn handle_close(&mut self) {
        if !matches!(self.connection, Connection::Closed) {
            self.subscriptions = Subscriptions::default();
            self.end(&Error::closed());
        }
    }

    /// Reports that the WebSocket is open.
    pub fn handle_open(&mut self, connection: ConnectionId, now: Now) {
        let Connection::Trying { id, stage, .. } = &mut self.connection else { return };
        if *id != connection || !matches!(stage, Stage::Socket) {
            return;
        }
        *stage = Stage::Welcome;
        let token = self.token.clone();
        let (client, domains) = (self.options.client.clone(), self.options.fingerprints.clone());
        self.send(ClientFrame::Hello { token, client, domains }, now);
        self.send_change(now);
        self.send_changes(now);
        self.send_publishes(now);
    }

    /// Returns the subscriptions that get an event on this topic. They stay the same until the next input that is not about
    /// events or loads. `None` if the connection carries no events: then the client ignores them.
    ///
    /// With this a driver may deliver events itself, and report them later by [`Self::handle_delivered`].
    pub fn listeners(&self, connection: ConnectionId, topic: &str) -> Option<Vec<SubscriptionId>> {
        let carries = self.connection.sendable() == Some(connection);
        carries.then(|| self.subscriptions.listeners(topic))
    }

    /// Reports that the driver has delivered all events up to this position. `now` is the time of the last event.
    ///
    /// It comes before the next input that is not about events or loads. It has no outputs. A timeout that was due at an event is
    /// the driver's part.
    pub fn handle_delivered(&mut self, connection: ConnectionId, position: String, now: Now) {
        if self.connection.sendable() == Some(connection) {
            self.heard(now);
            self.advance_to(position);
        }
    }

    fn heard(&mut self, now: Now) {
        self.connection.heard(now);
        // An error that the server sent before did not end the connection.
        self.server_error = None;
    }

    /// Reports a message that was read as a frame, or why it could not be read.
    pub fn handle_frame(
        &mut self,
        connection: ConnectionId,
        frame: Result<impl Into<Frame<P>>, impl fmt::Display>,
        now: Now,
    ) {
        if self.connection.sendable() != Some(connection) {
            return;
        }
        self.heard(now);
        match frame {
            Ok(frame) => match frame.into() {
                Frame::Event { position, topics, publication } => {
                    self.advance_to(position);
                    let deliveries = self.subscriptions.deliveries(&topics);
                    if !deliveries.is_empty() {
                        self.out.push(Output::Event { deliveries, publication });
                    }
                }
                Frame::Other(frame) => self.handle_server_frame(frame, now),
            },
            Err(error) => {
                // It may have been an event. A new connection would only get the same message again.
                let position = self.position.as_deref().unwrap_or_default();
                self.subscriptions.sync(self.subscriptions.all_live(), position, &mut self.out);
                let message = format!("A message from the server cannot be read: {error}");
                self.out.push(Output::Error(Error::new(Code::InvalidFrame.as_str(), message)));
                // Or it may have been the answer to a request. Then the next connection repeats the request.
                if self.subscriptions.any_asked() || self.publishes.any_sent() {
                    self.reconnect(now);
                }
            }
        }
        // Timers of a hidden page are late. Messages are not.
        self.refresh_token(now);
        self.begin_loads(now);
        self.update_linger(now);
    }

    /// Reports that the WebSocket was closed or never opened. `code` is its close code, or 1006 if it has none.
    pub fn handle_closed(&mut self, connection: ConnectionId, code: u16, now: Now) {
        if self.connection.socket() == Some(connection) {
            // A code that forbids a reconnect says what is wrong.
            if Error::of_close(code).is_none_or(|error| error.may_retry()) {
                self.attempt_failed(Some(Ended::Code(code)));
            }
            self.connection_lost(code, now);
        }
    }

    /// Reports that the time of [`Self::poll_timeout`] has come. A call that comes too early does no harm.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.connection.timeout_ms().is_some_and(|due| due <= now.ms) {
            match self.connection {
                Connection::Waiting { .. } => self.connect(now),
                Connection::Trying { stage: Stage::Token, .. } => {
                    self.token_failed(tokens::TOO_SLOW.to_owned(), now);
                }
                _ => {
                    self.attempt_failed(Some(Ended::Timeout));
                    self.reconnect(now);
                }
            }
        }
        self.refresh_token(now);
        // Publishes come first: each needs a frame of its own, while changes of topics can share one.
        self.send_publishes(now);
        self.subscriptions.handle_retry(now);
        self.send_changes(now);
        self.begin_loads(now);
        if self.lingers_until_ms.is_some_and(|due| due <= now.ms) {
            self.close_idle_connection(now);
        }
        self.update_linger(now);
    }

    fn check_not_closed(&self) -> Result<(), Error> {
        if matches!(self.connection, Connection::Closed) { Err(Error::closed()) } else { Ok(()) }
    }

    /// Connects if there is no connection yet.
    fn ensure_connection(&mut self, now: Now) {
        if matches!(self.connection, Connection::Idle) {
            self.connect(now);
        }
        self.update_linger(now);
    }

    fn connect(&mut self, now: Now) {
        if self.subscriptions.is_empty() && self.publishes.is_empty() {
            self.outage.forget();
            return self.set_connection(Connection::Idle);
        }
        self.last_connection += 1;
        let connection = ConnectionId(self.last_connection);
        if self.options.asks_for_tokens {
            self.set_connection(Connection::waiting_for_token(connection, now));
            self.out.push(Output::Token { connection });
        } else {
            self.open_socket(connection, now);
        }
    }

    fn open_socket(&mut self, connection: ConnectionId, now: Now) {
        self.server_error = None;
        self.set_connection(Connection::waiting_for_socket(connection, now));
        self.out.push(Output::Connect { connection });
    }

    fn set_connection(&mut self, connection: Connection) {
        self.connection = connection;
        self.tell_status();
    }

    /// Tells the user of the status if it has changed.
    fn tell_status(&mut self) {
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

    /// Notes that everything up to this position was delivered.
    fn advance_to(&mut self, position: String) {
        if self.position.as_ref() != Some(&position) {
            self.subscriptions.position_advanced();
        }
        self.position = Some(position);
    }

    /// Takes over a position that the server tells beside the events. It says nothing about topics whose subscribe is not
    /// answered yet: then the client keeps its own.
    fn told(&mut self, position: Option<String>) {
        if !self.subscriptions.any_asked() {
            self.position = position.or(self.position.take());
        }
    }

    /// Notes whether the server hears its journal.
    fn degraded(&mut self, is_degraded: bool) {
        self.connection.degraded(is_degraded);
        self.tell_status();
    }

    fn handle_server_frame(&mut self, frame: ServerFrame<P>, now: Now) {
        match frame {
            ServerFrame::Welcome { heartbeat_ms, expires_in_ms, limits, domains, .. } => {
                self.unauthorized = false;
                self.outage.end();
                self.report_other(domains);
                self.pace.set_rate(limits.frames_per_second);
                self.max_message_bytes = limits.max_message_bytes;
                self.subscriptions.set_limits(limits.max_topics_per_session, limits.max_topics_per_frame);
                if let Some(id) = self.connection.sendable() {
                    let life_ms = expires_in_ms.filter(|_| self.options.asks_for_tokens);
                    let refresh = Refresh::new(life_ms, now);
                    self.set_connection(Connection::open(id, heartbeat_ms, refresh, now));
                }
            }
            ServerFrame::Subscribed { r#ref, position, topics, unknown_domains } => {
                self.report_unknown(unknown_domains);
                // If a topic is resumed, the client reaches this position only after the missed events.
                let is_reached = topics.iter().all(|topic| topic.outcome != Outcome::Resumed);
                self.subscriptions.subscribed(r#ref, &position, topics, now, &mut self.out);
                if is_reached {
                    self.advance_to(position);
                }
            }
            ServerFrame::Unsubscribed { r#ref: None, topics, code } => {
                self.subscriptions.revoked(&topics, &Error::of_code(code), &mut self.out);
            }
            ServerFrame::Sync { position, topics } => {
                self.subscriptions.sync(self.subscriptions.deliveries(&topics), &position, &mut self.out);
                self.advance_to(position);
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
                self.told(position);
                self.send(ClientFrame::Pong, now);
            }
            ServerFrame::Degraded { .. } => self.degraded(true),
            ServerFrame::Restored { position } => {
                self.told(Some(position));
                self.degraded(false);
            }
            ServerFrame::Goaway { retry_after_ms } => {
                self.backoff.not_before(now.ms.saturating_add(retry_after_ms.min(MAX_RETRY_AFTER_MS)));
            }
            ServerFrame::Error { r#ref, code, message } => {
                self.refused(r#ref, Error::new(code, message), now)
            }
            // Answers that need no reaction, and frames of a newer server. An event is a `Frame::Event`.
            _ => {}
        }
    }

    fn refused(&mut self, r#ref: Option<u64>, error: Error, now: Now) {
        let Some(r#ref) = r#ref else {
            self.server_error = Some(error.clone());
            return self.out.push(Output::Error(error));
        };
        if self.subscriptions.is_asked(r#ref) {
            if error.may_retry() {
                // A new connection subscribes to everything again, after a wait.
                return self.reconnect(now);
            }
            self.subscriptions.refused(r#ref, &error, &mut self.out);
        } else if self.connection.refresh().is_some_and(|refresh| refresh.is_sent(Some(r#ref))) {
            self.token_refused(error, now);
        } else if error.code != Code::GoingAway.as_str() {
            // If the server goes away, the next connection sends the publish again.
            if let Some(publish) = self.publishes.answered(r#ref) {
                self.out.push(Output::PublishFailed { publish, error });
            } else if error.code == Code::TooManyTopics.as_str() {
                // It refuses an unsubscribe that was sent before the welcome named the limit. The session keeps topics
                // that nobody wants, and they take the room of others. A new session does not have them.
                self.reconnect(now);
            }
        }
    }

    /// Ends the connection and waits for the next one.
    fn reconnect(&mut self, now: Now) {
        if let Some(connection) = self.connection.socket() {
            self.out.push(Output::Disconnect { connection });
        }
        self.connection_lost(close::ABNORMAL, now);
    }

    /// Handles the end of a connection: waits for the next one, or closes the client if the code forbids a reconnect.
    fn connection_lost(&mut self, code: u16, now: Now) {
        self.reset_backoff_if_healthy(now);
        if self.options.asks_for_tokens && matches!(self.connection, Connection::Open { .. }) {
            self.backoff.spread();
        }
        let is_final = match code {
            close::INVALID_FRAME | close::FORBIDDEN => true,
            // A fresh token may help once.
            close::UNAUTHORIZED => self.unauthorized || !self.options.asks_for_tokens,
            _ => false,
        };
        let error = self.server_error.clone().or_else(|| Error::of_close(code)).unwrap_or_else(Error::closed);
        if is_final {
            return self.end(&error);
        }
        self.unauthorized |= code == close::UNAUTHORIZED;
        if code == close::TOO_LARGE {
            self.publishes.too_large(&error, &mut self.out);
            self.out.push(Output::Error(error));
        }
        self.wait_to_reconnect(now);
    }

    fn wait_to_reconnect(&mut self, now: Now) {
        self.subscriptions.connection_lost();
        self.publishes.connection_lost();
        let until_ms = self.backoff.next_ms(now);
        self.set_connection(Connection::Waiting { until_ms: Some(until_ms) });
        self.update_linger(now);
    }

    /// Closes the client for good with this error. If the user closed it, there is no error to report.
    fn end(&mut self, error: &Error) {
        if let Some(connection) = self.connection.socket() {
            self.out.push(Output::Disconnect { connection });
        }
        self.set_connection(Connection::Closed);
        self.lingers_until_ms = None;
        self.subscriptions.fail_all(error, &mut self.out);
        self.publishes.fail_all(error, &mut self.out);
        if *error != Error::closed() && self.server_error.is_none() {
            self.out.push(Output::Error(error.clone()));
        }
    }
}
