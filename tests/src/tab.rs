//! A tab without a browser: the real client core, driven over a native WebSocket.

use std::{
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use serde_json::value::RawValue;
use tidings_client_core::{
    self as core, ConnectionId, LoadId, Loaded, Now, Options, Output, Publish, PublishId, Status,
    SubscriptionId, Watching,
};
use tidings_shared::{
    RawEvent,
    code::close,
    frame::{SUBPROTOCOL, ServerFrame},
};
use tokio_tungstenite::tungstenite::{
    self, Message, WebSocket,
    client::IntoClientRequest,
    http::{HeaderValue, header::SEC_WEBSOCKET_PROTOCOL},
};
use uuid::Uuid;

use crate::{DEADLINE, client::is_timeout};

/// A payload as the core carries it here.
pub type Payload = Box<RawValue>;

/// The random numbers that the core gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jitter {
    /// Always the smallest number, so that a reconnect comes at once.
    None,
    /// Always a small number. So many tabs don't keep the processors busy while no server is there.
    Little,
    /// Random numbers, as in a browser.
    Full,
}

/// The client core with a WebSocket. It makes progress only in [`Tab::next`].
#[derive(Debug)]
pub struct Tab {
    core: core::Client<Payload>,
    /// The servers. Each connection is to the one after the last.
    addresses: Vec<SocketAddr>,
    connects: usize,
    start: Instant,
    jitter: Jitter,
    token: Option<fn() -> String>,
    tokens: usize,
    socket: Option<(ConnectionId, WebSocket<TcpStream>)>,
    losses: usize,
    waits: Vec<u64>,
}

impl Tab {
    /// Returns a tab that connects again at once after a loss.
    pub fn new(address: SocketAddr) -> Self {
        Self::with_jitter(address, Jitter::None)
    }

    /// Returns a tab with these random numbers.
    pub fn with_jitter(address: SocketAddr, jitter: Jitter) -> Self {
        Self::with(vec![address], jitter, None)
    }

    /// Returns a tab that connects to each of several servers in turn: after a loss, to the next.
    pub fn among(addresses: &[SocketAddr], jitter: Jitter) -> Self {
        Self::with(addresses.to_vec(), jitter, None)
    }

    /// Returns a tab with a source of tokens.
    pub fn with_tokens(address: SocketAddr, token: fn() -> String) -> Self {
        Self::with(vec![address], Jitter::Full, Some(token))
    }

    fn with(addresses: Vec<SocketAddr>, jitter: Jitter, token: Option<fn() -> String>) -> Self {
        let options = Options {
            client: Some("tests/1".to_owned()),
            asks_for_tokens: token.is_some(),
            ..Options::default()
        };
        let (core, start) = (core::Client::new(options), Instant::now());
        let (losses, waits) = (0, Vec::new());
        Self { core, addresses, connects: 0, start, jitter, token, tokens: 0, socket: None, losses, waits }
    }

    /// Returns the number of tokens that the core has asked for.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Returns the number of connections, and attempts at one, that were lost.
    pub fn losses(&self) -> usize {
        self.losses
    }

    /// Returns the back-off after each loss, in milliseconds.
    pub fn waits(&self) -> &[u64] {
        &self.waits
    }

    /// Returns the status of the core.
    pub fn status(&self) -> Status {
        self.core.status()
    }

    /// Subscribes.
    #[track_caller]
    pub fn subscribe(&mut self, topics: &[&str]) -> SubscriptionId {
        let now = self.now();
        self.core.handle_subscribe(topics, now).expect("good topics")
    }

    /// Watches topics, for a [`View`](crate::View). There is no pause between its loads, so that a test can count their
    /// reasons.
    #[track_caller]
    pub fn watch(&mut self, topics: &[&str]) -> SubscriptionId {
        let now = self.now();
        let watching = Watching { min_interval_ms: 0, shares: None };
        self.core.handle_watch_with(topics, watching, now).expect("good topics")
    }

    /// Tells the core that an event concerns watched data.
    pub fn outdated(&mut self, subscription: SubscriptionId) {
        let now = self.now();
        self.core.handle_outdated(subscription, now);
    }

    /// Tells the core that a load of watched data has succeeded.
    pub fn loaded(&mut self, subscription: SubscriptionId, load: LoadId) {
        let now = self.now();
        self.core.handle_loaded(subscription, load, Loaded::Done, now);
    }

    /// Unsubscribes.
    pub fn unsubscribe(&mut self, subscription: SubscriptionId) {
        self.core.handle_unsubscribe(subscription);
    }

    /// Publishes to a topic.
    #[track_caller]
    pub fn publish(&mut self, topic: &str, event: &serde_json::Value) -> PublishId {
        self.publish_with_key(topic, event, Uuid::now_v7())
    }

    /// Publishes to a topic with an idempotency key.
    #[track_caller]
    pub fn publish_with_key(&mut self, topic: &str, event: &serde_json::Value, key: Uuid) -> PublishId {
        let event = RawEvent::parse(&event.to_string()).expect("a good event");
        let publish = Publish { event, topics: Some(vec![topic.to_owned()]), key, origin: None };
        let now = self.now();
        self.core.handle_publish(publish, now).expect("room for a publish")
    }

    /// Subscribes, and waits until the subscription is in force.
    #[track_caller]
    pub fn subscribed(&mut self, topics: &[&str]) -> SubscriptionId {
        let subscription = self.subscribe(topics);
        loop {
            match self.expect() {
                Output::Ready { subscription: ready } if ready == subscription => return subscription,
                Output::Status(_) => {}
                other => panic!("not before it is in force: {other:?}"),
            }
        }
    }

    /// Drives the core until it has an output for its user. Returns `None` at `until`.
    pub fn next(&mut self, until: Instant) -> Option<Output<Payload>> {
        loop {
            while let Some(output) = self.core.poll_output() {
                if let Some(output) = self.carry_out(output) {
                    return Some(output);
                }
            }
            if Instant::now() >= until {
                return None;
            }
            self.wait(until);
        }
    }

    /// Returns the next output for the user. Fails after the deadline.
    #[track_caller]
    pub fn expect(&mut self) -> Output<Payload> {
        let output = self.next(Instant::now() + DEADLINE);
        output.unwrap_or_else(|| panic!("nothing came before the deadline: {self:?}"))
    }

    /// Breaks the connection. The server notices it only when it reads or writes.
    pub fn cut(&mut self) {
        if let Some((connection, _)) = self.socket.take() {
            self.lost(connection, close::ABNORMAL);
        }
    }

    fn now(&self) -> Now {
        let random = match self.jitter {
            Jitter::None => 0,
            Jitter::Little => u32::MAX / 16,
            Jitter::Full => Uuid::new_v4().as_u64_pair().0 as u32,
        };
        Now { ms: self.start.elapsed().as_millis() as u64, random }
    }

    /// Carries out an output, or returns it if it is for the user.
    fn carry_out(&mut self, output: Output<Payload>) -> Option<Output<Payload>> {
        match output {
            Output::Token { connection } => {
                self.tokens += 1;
                let token = self.token.map(|token| token());
                self.core.handle_token(connection, Ok(token), self.now());
            }
            Output::Connect { connection } => {
                let address = self.addresses[self.connects % self.addresses.len()];
                self.connects += 1;
                match connect(address) {
                    Some(socket) => {
                        self.socket = Some((connection, socket));
                        self.core.handle_open(connection, self.now());
                    }
                    None => self.lost(connection, close::ABNORMAL),
                }
            }
            Output::Send { connection, frame } => {
                let text = serde_json::to_string(&frame).expect("a frame is JSON");
                // If the connection is lost, the next read notices it.
                let _ = self.socket_of(connection).map(|socket| socket.send(Message::text(text)));
            }
            Output::Disconnect { connection } => {
                let _ = self.socket_of(connection).map(|socket| socket.close(None));
                self.socket = None;
            }
            other => return Some(other),
        }
        None
    }

    fn socket_of(&mut self, connection: ConnectionId) -> Option<&mut WebSocket<TcpStream>> {
        self.socket.as_mut().filter(|(id, _)| *id == connection).map(|(_, socket)| socket)
    }

    /// Waits for one event, and tells the core.
    fn wait(&mut self, until: Instant) {
        let due = self.core.poll_timeout().map(|ms| self.start + Duration::from_millis(ms));
        let now = Instant::now();
        if due.is_some_and(|due| due <= now) {
            return self.core.handle_timeout(self.now());
        }
        let time = due.map_or(until, |due| due.min(until)).saturating_duration_since(now);
        let Some((connection, socket)) = &mut self.socket else { return thread::park_timeout(time) };
        let connection = *connection;
        // A timeout of zero would mean no timeout.
        let time = time.max(Duration::from_micros(1));
        socket.get_ref().set_read_timeout(Some(time)).expect("a socket's option");
        match socket.read() {
            Ok(Message::Text(text)) => {
                self.core.handle_frame(connection, ServerFrame::parse(&text), self.now());
            }
            Ok(Message::Close(frame)) => {
                self.socket = None;
                self.lost(connection, frame.map_or(close::ABNORMAL, |frame| frame.code.into()));
            }
            Ok(_) => {}
            Err(tungstenite::Error::Io(error)) if is_timeout(&error) => {}
            Err(_) => {
                self.socket = None;
                self.lost(connection, close::ABNORMAL);
            }
        }
    }

    fn lost(&mut self, connection: ConnectionId, code: u16) {
        let now = self.now();
        self.core.handle_closed(connection, code, now);
        self.losses += 1;
        if self.core.status() == Status::Reconnecting {
            self.waits.extend(self.core.poll_timeout().map(|due| due.saturating_sub(now.ms)));
        }
    }
}

fn connect(address: SocketAddr) -> Option<WebSocket<TcpStream>> {
    let stream = TcpStream::connect_timeout(&address, DEADLINE).ok()?;
    // The connection may be cut already.
    stream.set_nodelay(true).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    stream.set_write_timeout(Some(DEADLINE)).ok()?;
    let mut request = format!("ws://{address}/v1/ws").into_client_request().ok()?;
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    tungstenite::client(request, stream).ok().map(|(socket, _)| socket)
}
