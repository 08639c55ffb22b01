//! The client: the core with its WebSocket.

use std::{fmt, future::poll_fn, pin::Pin, time::Duration};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, value::RawValue};
use tidings_client_core::{
    self as core, ConnectionId, Error, Now, Options, Output, Publish, PublishId, Status, SubscriptionId,
    error::CONNECT_FAILED,
};
use tidings_shared::{
    code::close,
    frame::{SUBPROTOCOL, ServerFrame},
};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep_until, timeout, timeout_at},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        self, Message, client::IntoClientRequest, handshake::client::Request, http::HeaderValue,
        http::header::SEC_WEBSOCKET_PROTOCOL,
    },
};
use uuid::Uuid;

use crate::ServerUrl;

/// A payload: JSON text, as it was published. [`RawEvent::decode`](tidings_shared::RawEvent::decode) reads it.
pub type Payload = Box<RawValue>;

/// Settings of a [`Client`].
#[derive(Clone)]
#[non_exhaustive]
pub struct Settings {
    /// The server.
    pub url: ServerUrl,
    /// The token for each hello. A server in its development mode needs none. It is the client's only token: when it has
    /// expired, the client ends, and a program makes a new client with a new token.
    pub token: Option<String>,
    /// `name/version` of the program, for the server's logs; at most 128 bytes.
    pub program: Option<String>,
}

impl Settings {
    /// Settings for a server that needs no token.
    pub fn new(url: ServerUrl) -> Self {
        Self { url, token: None, program: None }
    }
}

/// A client that reconnects by itself and resumes.
///
/// It works only while a program polls [`Self::next`], and reads from its WebSocket only as fast as the program calls it. So it
/// has no queue of events. The server keeps the position of a slow program, and sends an [`Output::Sync`] when its log has moved
/// past that position. If a program stops calling `next`, the server closes the connection after a while. The next call
/// reconnects and resumes.
pub struct Client {
    core: core::Client<Payload>,
    settings: Settings,
    start: Instant,
    connecting: Option<(ConnectionId, Connecting)>,
    socket: Option<(ConnectionId, Socket)>,
    /// A frame that waits until the WebSocket takes it, and its deadline.
    unsent: Option<(Message, Instant)>,
    has_connected: bool,
    /// Why the last attempt to connect failed, until one succeeds.
    last_failure: Option<String>,
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Connected = Result<Socket, tungstenite::Error>;
type Connecting = Pin<Box<dyn Future<Output = Connected> + Send>>;

/// How long a WebSocket may refuse a frame because the server does not read. After that the connection counts as lost.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the close of a connection may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

impl Client {
    /// Makes a client. It connects at the first subscription or publish.
    pub fn new(settings: Settings) -> Self {
        let options = Options {
            client: settings.program.clone(),
            // The client decodes no event, so its domains cannot differ from the server's.
            schema: None,
            domains: Some(Vec::new()),
            asks_for_tokens: settings.token.is_some(),
        };
        Self {
            core: core::Client::new(options),
            settings,
            start: Instant::now(),
            connecting: None,
            socket: None,
            unsent: None,
            has_connected: false,
            last_failure: None,
        }
    }

    /// Subscribes to topics.
    ///
    /// # Errors
    /// When one is not a topic, when there are too many, or when the client is closed.
    pub fn subscribe(&mut self, topics: &[impl AsRef<str>]) -> Result<SubscriptionId, Error> {
        self.core.handle_subscribe(topics, self.now())
    }

    /// Ends a subscription. Does nothing if it has ended already.
    pub fn unsubscribe(&mut self, subscription: SubscriptionId) {
        self.core.handle_unsubscribe(subscription);
    }

    /// Publishes an event. [`Self::next`] returns the answer. Until then the client sends the event again with each new
    /// connection, with the same key.
    ///
    /// ```no_run
    /// # use tidings_client::{Client, Publish};
    /// use tidings_shared::{RawEvent, domains::catalogue};
    ///
    /// # fn example(client: &mut Client, event: catalogue::Event) -> Result<(), Box<dyn std::error::Error>> {
    /// let event = RawEvent::from_event(&event)?;
    /// client.publish(Publish { event, topics: None, key: uuid::Uuid::new_v4(), origin: None })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the origin is too long, when too many publishes wait for their answer, or when the client is closed.
    pub fn publish(&mut self, publish: Publish<Payload>) -> Result<PublishId, Error> {
        self.core.handle_publish(publish, self.now())
    }

    /// Waits for the next output for the program. Returns `None` when the client is closed for good.
    ///
    /// It never returns [`Output::Token`], [`Output::Connect`], [`Output::Send`] or [`Output::Disconnect`], which the client
    /// carries out itself, nor [`Output::Load`], because it has no watched subscriptions.
    ///
    /// Nothing is lost when this future is dropped before it is ready.
    pub async fn next(&mut self) -> Option<Output<Payload>> {
        loop {
            while self.unsent.is_none()
                && let Some(output) = self.core.poll_output()
            {
                if let Some(output) = self.carry_out(output) {
                    return Some(output);
                }
            }
            if self.unsent.is_some() {
                self.send().await;
            } else if self.core.status() == Status::Closed {
                return None;
            } else {
                self.wait().await;
            }
        }
    }

    /// Returns the status of the client.
    pub fn status(&self) -> Status {
        self.core.status()
    }

    /// Closes the connection to the server, if there is one. Waits a second at most.
    pub async fn close(mut self) {
        if let Some((_, socket)) = self.socket.take() {
            close_socket(socket).await;
        }
    }

    /// Returns whether the client ever had a connection. If not, it has sent no frame.
    pub fn has_connected(&self) -> bool {
        self.has_connected
    }

    /// Explains for a person why there is no connection, and what to check.
    pub fn no_connection(&self) -> String {
        let url = &self.settings.url;
        let why = self.last_failure.as_deref().unwrap_or("the server does not answer");
        let scheme = if url.is_secure() { "https: and not http:" } else { "http: and not https:" };
        format!("{url}: {why}. Does `tidings serve` listen there, is the path right, and is it {scheme}?")
    }

    /// Returns whether the user has a subscription or waits for a publish.
    pub(crate) fn is_wanted(&self) -> bool {
        self.core.is_wanted()
    }

    fn now(&self) -> Now {
        let ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (_, random) = Uuid::new_v4().as_u64_pair();
        Now { ms, random: random as u32 }
    }

    /// Carries out an output that is for the driver, and returns any other.
    fn carry_out(&mut self, output: Output<Payload>) -> Option<Output<Payload>> {
        match output {
            Output::Token { connection } => {
                self.core.handle_token(connection, Ok(self.settings.token.clone()), self.now());
            }
            Output::Connect { connection } => {
                let request = request(&self.settings.url);
                let connect = async move { connect_async(request?).await.map(|(socket, _)| socket) };
                self.connecting = Some((connection, Box::pin(connect)));
            }
            Output::Send { connection, frame } => {
                if self.socket.as_ref().is_some_and(|(id, _)| *id == connection) {
                    let text = serde_json::to_string(&frame).unwrap_or_default();
                    self.unsent = Some((Message::text(text), Instant::now() + SEND_TIMEOUT));
                }
            }
            Output::Disconnect { .. } => {
                self.connecting = None;
                if let Some((_, socket)) = self.socket.take() {
                    tokio::spawn(close_socket(socket));
                }
            }
            Output::Error(error) if error.code == CONNECT_FAILED => {
                let message = format!("{} {}", error.message, self.no_connection());
                return Some(Output::Error(Error::connect_failed(message)));
            }
            other => return Some(other),
        }
        None
    }

    /// Gives the frame that waits to the WebSocket. Frames of one turn leave in one write, when [`Self::wait`] flushes.
    async fn send(&mut self) {
        let (Some((connection, socket)), Some((_, deadline))) = (&mut self.socket, &self.unsent) else {
            self.unsent = None;
            return;
        };
        let is_ready = timeout_at(*deadline, poll_fn(|context| socket.poll_ready_unpin(context))).await;
        let connection = *connection;
        let message = self.unsent.take().map(|(message, _)| message);
        let sent = match (is_ready, message) {
            (Ok(Ok(())), Some(message)) => socket.start_send_unpin(message),
            (Ok(Err(error)), _) => Err(error),
            _ => return self.lost(connection, close::ABNORMAL),
        };
        if let Err(error) = sent {
            // The next read tells that the connection is lost.
            tracing::debug!(%error, "a frame could not be sent");
        }
    }

    /// Waits for the next thing to happen, and tells the core.
    async fn wait(&mut self) {
        let due = self.core.poll_timeout().map(|ms| self.start + Duration::from_millis(ms));
        tokio::select! {
            (connection, connected) = connected(&mut self.connecting) => {
                self.connecting = None;
                self.handle_connected(connection, connected);
            }
            (connection, message) = received(&mut self.socket) => self.handle_message(connection, message),
            () = async { match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            } } => self.core.handle_timeout(self.now()),
        }
    }

    fn handle_connected(&mut self, connection: ConnectionId, connected: Connected) {
        match connected {
            Ok(socket) => {
                self.socket = Some((connection, socket));
                self.has_connected = true;
                self.last_failure = None;
                self.core.handle_open(connection, self.now());
            }
            Err(error) => {
                let reason = reason(&error);
                // Attempts usually fail for the same reason, which is logged once.
                if self.last_failure.as_ref() != Some(&reason) {
                    tracing::warn!("can't connect to {}: {reason}", self.settings.url);
                }
                self.last_failure = Some(reason);
                self.core.handle_closed(connection, close::ABNORMAL, self.now());
            }
        }
    }

    fn handle_message(
        &mut self,
        connection: ConnectionId,
        message: Option<Result<Message, tungstenite::Error>>,
    ) {
        match message {
            Some(Ok(Message::Text(text))) => {
                self.core.handle_frame(connection, ServerFrame::parse(&text), self.now());
            }
            Some(Ok(Message::Close(frame))) => {
                self.lost(connection, frame.map_or(close::ABNORMAL, |frame| frame.code.into()));
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => self.lost(connection, close::ABNORMAL),
        }
    }

    fn lost(&mut self, connection: ConnectionId, code: u16) {
        self.socket = None;
        self.core.handle_closed(connection, code, self.now());
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.core.status();
        f.debug_struct("Client")
            .field("settings", &self.settings)
            .field("status", &status)
            .finish_non_exhaustive()
    }
}

/// Without the token, which is a secret.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("url", &self.url)
            .field("program", &self.program)
            .finish_non_exhaustive()
    }
}

fn request(url: &ServerUrl) -> Result<Request, tungstenite::Error> {
    let mut request = url.uri().into_client_request()?;
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    Ok(request)
}

/// Explains why an attempt to connect failed. If the server refused it, the explanation is the server's.
fn reason(error: &tungstenite::Error) -> String {
    let tungstenite::Error::Http(answer) = error else { return error.to_string() };
    let body = answer.body().as_deref().and_then(|body| serde_json::from_slice::<Value>(body).ok());
    let detail = body.as_ref().and_then(|problem| problem["detail"].as_str()).unwrap_or("no WebSocket");
    format!("it answers {}: {}", answer.status(), detail.escape_debug())
}

async fn connected(connecting: &mut Option<(ConnectionId, Connecting)>) -> (ConnectionId, Connected) {
    match connecting {
        Some((connection, connect)) => (*connection, connect.await),
        None => std::future::pending().await,
    }
}

/// Waits for the next message of the WebSocket, and writes the frames that are not written yet.
async fn received(
    socket: &mut Option<(ConnectionId, Socket)>,
) -> (ConnectionId, Option<Result<Message, tungstenite::Error>>) {
    let Some((connection, socket)) = socket else { return std::future::pending().await };
    let message = poll_fn(|context| {
        // The read below reports what makes a write fail.
        let _ = socket.poll_flush_unpin(context);
        socket.poll_next_unpin(context)
    });
    (*connection, message.await)
}

async fn close_socket(mut socket: Socket) {
    let _ = timeout(CLOSE_TIMEOUT, socket.close(None)).await;
}
