//! The driver: a task that does the I/O for the core.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use serde_json::Value;
use tidings_client_core::{ConnectionId, Status};
use tidings_shared::{
    code::close,
    frame::{SUBPROTOCOL, ServerFrame},
};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};
use tokio_tungstenite::{
    connect_async_with_config,
    tungstenite::{
        self, Message, client::IntoClientRequest, handshake::client::Request, http::HeaderValue,
        http::header::SEC_WEBSOCKET_PROTOCOL,
    },
};

use crate::{
    Settings,
    settings::Token,
    shared::{Shared, Task},
    socket::{Socket, WebSocket, close_socket},
};

/// How long publishes may still wait for their answers when nobody has a handle any more. A program that publishes and
/// forgets the client gets its event out; a server that is away keeps no task alive.
const LAST_PUBLISHES: Duration = Duration::from_secs(5);

pub(crate) struct Driver {
    shared: Arc<Shared>,
    connecting: Option<(ConnectionId, Connecting)>,
    asking: Option<(ConnectionId, Asked)>,
    socket: Option<Socket>,
}

type Connected = Result<WebSocket, tungstenite::Error>;
type Connecting = Pin<Box<dyn Future<Output = Connected> + Send>>;

/// The task that asks the program for a token. A panic of the program ends only this task.
struct Asked(JoinHandle<Result<String, String>>);

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, connecting: None, asking: None, socket: None }
    }

    /// Runs until the client is closed, or until nobody needs it.
    pub(crate) async fn run(mut self) {
        while let Some(due) = self.carry_out_all() {
            self.wait(due).await;
        }
        if let Some(socket) = self.socket.take() {
            close_socket(socket).await;
        }
    }

    /// Carries out all tasks. Returns when the core's timeout is due, or `None` when the client is closed.
    fn carry_out_all(&mut self) -> Option<Option<Instant>> {
        loop {
            let mut state = self.shared.lock();
            if let Some(task) = state.next_task() {
                drop(state);
                self.carry_out(task);
                continue;
            }
            if state.core.status() == Status::Closed {
                return None;
            }
            let due = state.core.poll_timeout();
            let Some(since_ms) = state.abandoned_ms else {
                return Some(due.map(|due| self.shared.instant(due)));
            };
            let until_ms = since_ms.saturating_add(LAST_PUBLISHES.as_millis() as u64);
            if state.core.is_wanted() && self.shared.now_ms() < until_ms {
                return Some(Some(self.shared.instant(due.map_or(until_ms, |due| due.min(until_ms)))));
            }
            drop(state);
            self.shared.tell(|state, _| state.close());
        }
    }

    fn carry_out(&mut self, task: Task) {
        match task {
            Task::Token { connection } => match &self.shared.settings.token {
                Some(Token::Provider(ask)) => {
                    let ask = Arc::clone(ask);
                    let asked = tokio::spawn(async move { ask().await });
                    self.asking = Some((connection, Asked(asked)));
                }
                Some(Token::Fixed(token)) => self.answer(connection, Ok(Some(token.clone()))),
                None => self.answer(connection, Ok(None)),
            },
            Task::Connect { connection } => {
                let request = request(&self.shared.settings);
                let connect = async move {
                    let (socket, _) = connect_async_with_config(request?, None, true).await?;
                    Ok(socket)
                };
                self.connecting = Some((connection, Box::pin(connect)));
            }
            Task::Send { connection, frame } => {
                if let Some(socket) = self.socket.as_mut().filter(|socket| socket.connection == connection) {
                    socket.push(Message::text(serde_json::to_string(&frame).unwrap_or_default()));
                }
            }
            Task::Disconnect => {
                self.connecting = None;
                // The last one is closed by `run`, so that `Client::close` waits for it.
                if self.shared.lock().core.status() != Status::Closed
                    && let Some(socket) = self.socket.take()
                {
                    tokio::spawn(close_socket(socket));
                }
            }
        }
    }

    /// Waits for the next thing to happen, and tells the core.
    async fn wait(&mut self, due: Option<Instant>) {
        let stalled = self.socket.as_ref().and_then(Socket::stalled_at);
        tokio::select! {
            (connection, connected) = second(&mut self.connecting) => {
                self.connecting = None;
                self.handle_connected(connection, connected);
            }
            (connection, asked) = second(&mut self.asking) => {
                self.asking = None;
                self.answer(connection, asked.map(Some));
            }
            (connection, message) = Socket::next(&mut self.socket) => self.handle_message(connection, message),
            () = at(stalled) => self.handle_stalled(),
            () = at(due) => self.shared.tell(|state, now| state.core.handle_timeout(now)),
            () = self.shared.changed.notified() => {}
        }
    }

    /// Tells the core of a token, or why there is none.
    fn answer(&self, connection: ConnectionId, token: Result<Option<String>, String>) {
        self.shared.tell(|state, now| {
            let token = token.map_err(|reason| {
                let reason = format!("The token provider failed: {reason}");
                if note(&mut state.last_failure, &reason) {
                    tracing::warn!("{reason}");
                }
                reason
            });
            state.core.handle_token(connection, token, now);
        });
    }

    fn handle_connected(&mut self, connection: ConnectionId, connected: Connected) {
        let connected = connected.map_err(|error| reason(&error)).map(|socket| {
            self.socket = Some(Socket::new(connection, socket));
        });
        self.shared.tell(|state, now| match connected {
            Ok(()) => {
                state.has_connected = true;
                state.last_failure = None;
                state.core.handle_open(connection, now);
            }
            Err(reason) => {
                if note(&mut state.last_failure, &reason) {
                    tracing::warn!("can't connect to {}: {reason}", self.shared.settings.url);
                }
                state.core.handle_closed(connection, close::ABNORMAL, now);
            }
        });
    }

    fn handle_message(
        &mut self,
        connection: ConnectionId,
        message: Option<Result<Message, tungstenite::Error>>,
    ) {
        match message {
            Some(Ok(Message::Text(text))) => {
                let frame = ServerFrame::parse(&text);
                self.shared.tell(|state, now| state.core.handle_frame(connection, frame, now));
            }
            Some(Ok(Message::Close(frame))) => {
                self.lost(connection, frame.map_or(close::ABNORMAL, |frame| frame.code.into()));
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => self.lost(connection, close::ABNORMAL),
        }
    }

    /// The server has not taken a frame for too long, or too many frames wait.
    fn handle_stalled(&mut self) {
        if let Some(socket) = &self.socket
            && socket.stalled_at().is_some_and(|at| at <= Instant::now())
        {
            self.lost(socket.connection, close::ABNORMAL);
        }
    }

    fn lost(&mut self, connection: ConnectionId, code: u16) {
        self.socket = None;
        self.shared.tell(|state, now| state.core.handle_closed(connection, code, now));
    }
}

/// However the driver ends, nobody waits for it any longer: the runtime may have been shut down.
impl Drop for Driver {
    fn drop(&mut self) {
        self.shared.tell(|state, _| state.close());
        self.shared.has_ended.send_replace(true);
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Future for Asked {
    type Output = Result<String, String>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|asked| asked.unwrap_or_else(|error| Err(error.to_string())))
    }
}

fn request(settings: &Settings) -> Result<Request, tungstenite::Error> {
    let mut request = settings.url.uri().into_client_request()?;
    request.headers_mut().extend(settings.headers.clone());
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    Ok(request)
}

/// Notes why there is no connection. Returns whether it is another reason than before: attempts usually fail for the same
/// reason, and one line in the log is enough.
fn note(last: &mut Option<String>, reason: &str) -> bool {
    let is_new = last.as_deref() != Some(reason);
    *last = Some(reason.to_owned());
    is_new
}

/// Explains why an attempt to connect failed. If the server refused it, the explanation is the server's.
fn reason(error: &tungstenite::Error) -> String {
    let tungstenite::Error::Http(answer) = error else { return error.to_string() };
    let body = answer.body().as_deref().and_then(|body| serde_json::from_slice::<Value>(body).ok());
    let detail = body.as_ref().and_then(|problem| problem["detail"].as_str()).unwrap_or("no WebSocket");
    format!("it answers {}: {}", answer.status(), detail.escape_debug())
}

/// Waits for the future of a pair, if there is one.
async fn second<F: Future + Unpin>(pair: &mut Option<(ConnectionId, F)>) -> (ConnectionId, F::Output) {
    match pair {
        Some((connection, future)) => (*connection, future.await),
        None => std::future::pending().await,
    }
}

/// Waits until a time, if there is one.
async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}
