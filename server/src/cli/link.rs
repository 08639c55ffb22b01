//! A connection to a server, for the commands that talk to one: the browser's own client core, driven over a native
//! WebSocket. It comes back by itself and resumes, as a tab does.

use std::{convert::Infallible, ops::ControlFlow, pin::Pin, time::Duration};

use crate::{Clock, text::without_mark};
use clap::Args;
use futures_util::{SinkExt, StreamExt};
use hyper::Uri;
use serde_json::{Value, value::RawValue};
use tidings_client_wasm::core::{
    Client, ConnectionId, Error, Now, Options, Output, Status, error::CONNECT_FAILED,
};
use tidings_shared::frame::{SUBPROTOCOL, ServerFrame};
use tokio::{net::TcpStream, time::sleep_until};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        self, Message, client::IntoClientRequest, http::HeaderValue, http::header::SEC_WEBSOCKET_PROTOCOL,
    },
};
use uuid::Uuid;

use super::Failure;

/// Where the server is and who calls.
#[derive(Debug, Args)]
pub(super) struct Server {
    /// Base URL of the server
    #[arg(long, env = "TIDINGS_URL", default_value = "http://127.0.0.1:7700", value_parser = endpoint, value_name = "URL")]
    url: Uri,
    /// Token to say hello with; a server that runs with --dev needs none
    #[arg(long, env = "TIDINGS_TOKEN", value_parser = token, value_name = "JWT")]
    token: Option<String>,
}

/// A token as a file or a shell's variable holds it.
fn token(text: &str) -> Result<String, Infallible> {
    Ok(without_mark(text).trim().to_owned())
}

/// The WebSocket endpoint under a base URL.
fn endpoint(base: &str) -> Result<Uri, String> {
    let uri: Uri = base.parse().map_err(|error| format!("{error}; write http://HOST:PORT"))?;
    let scheme = match uri.scheme_str() {
        Some("http" | "ws") => "ws",
        Some("https" | "wss") => "wss",
        _ => return Err("it begins with http:// or https://".to_owned()),
    };
    let host = uri.authority().ok_or("it has no host")?;
    let path = uri.path().trim_end_matches('/').trim_end_matches("/v1/ws");
    format!("{scheme}://{host}{path}/v1/ws").parse().map_err(|error| format!("{error}"))
}

pub(super) type Payload = Box<RawValue>;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Connected = Result<Socket, tungstenite::Error>;
type Connecting = Pin<Box<dyn Future<Output = Connected>>>;

/// A client and the WebSocket that it has, if it has one.
pub(super) struct Link {
    pub(super) client: Client<Payload>,
    server: Server,
    clock: Clock,
    socket: Option<(ConnectionId, Socket)>,
    connecting: Option<(ConnectionId, Connecting)>,
    /// There was a WebSocket, on which frames may have left.
    pub(super) has_connected: bool,
    /// Why the last attempt to connect failed, until one succeeds.
    trouble: Option<String>,
}

impl Link {
    pub(super) fn new(server: Server) -> Self {
        let options = Options {
            client: Some(concat!("tidings-cli/", env!("CARGO_PKG_VERSION")).to_owned()),
            // It decodes nothing, so it has no domains to differ in.
            schema: None,
            domains: Some(Vec::new()),
            asks_for_tokens: server.token.is_some(),
        };
        Self {
            client: Client::new(options),
            server,
            clock: Clock::start(),
            socket: None,
            connecting: None,
            has_connected: false,
            trouble: None,
        }
    }

    /// The moment, as the client takes it.
    pub(super) fn now(&self) -> Now {
        let ms = u64::try_from(self.clock.now().since_start.as_millis()).unwrap_or(u64::MAX);
        let (_, random) = Uuid::new_v4().as_u64_pair();
        Now { ms, random: random as u32 }
    }

    /// Drives the client; what is for its user goes to `tell`, until that breaks.
    pub(super) async fn run<T>(
        &mut self,
        mut tell: impl FnMut(Output<Payload>) -> ControlFlow<T>,
    ) -> Result<T, Failure> {
        loop {
            while let Some(output) = self.client.poll_output() {
                if let Some(output) = self.carry_out(output).await
                    && let ControlFlow::Break(done) = tell(output)
                {
                    self.say_goodbye().await;
                    return Ok(done);
                }
            }
            if self.client.status() == Status::Closed {
                return Err(Failure::Failed("the connection ended for good".to_owned()));
            }
            self.wait().await;
        }
    }

    /// Does what is the driver's to do, and gives back what is not.
    async fn carry_out(&mut self, output: Output<Payload>) -> Option<Output<Payload>> {
        match output {
            Output::Token { connection } => {
                self.client.handle_token(connection, Ok(self.server.token.clone()), self.now());
            }
            Output::Connect { connection } => {
                let request = request(&self.server.url);
                let connect = async move { connect_async(request?).await.map(|(socket, _)| socket) };
                self.connecting = Some((connection, Box::pin(connect)));
            }
            Output::Send { connection, frame } => {
                let text = serde_json::to_string(&frame).unwrap_or_default();
                if let Some((id, socket)) = &mut self.socket
                    && *id == connection
                    && let Err(error) = socket.send(Message::text(text)).await
                {
                    tracing::debug!(%error, "a frame could not be sent");
                }
            }
            Output::Disconnect { .. } => {
                self.connecting = None;
                self.say_goodbye().await;
            }
            Output::Error(error) if error.code == CONNECT_FAILED => {
                let message = format!("{} {}", error.message, self.no_connection());
                return Some(Output::Error(Error::connect_failed(message)));
            }
            other => return Some(other),
        }
        None
    }

    /// Why there is no connection, and what to look at.
    pub(super) fn no_connection(&self) -> String {
        let url = &self.server.url;
        let why = self.trouble.as_deref().unwrap_or("the server does not answer");
        format!(
            "{url}: {why}. Does `tidings serve` listen there, is the path right, and is it {}?",
            scheme(url)
        )
    }

    async fn say_goodbye(&mut self) {
        if let Some((_, mut socket)) = self.socket.take() {
            let _ = tokio::time::timeout(Duration::from_secs(1), socket.close(None)).await;
        }
    }

    /// Waits for the next thing to happen and tells the client.
    async fn wait(&mut self) {
        let due = self.client.poll_timeout().map(|ms| self.clock.instant(Duration::from_millis(ms)).into());
        tokio::select! {
            (connection, connected) = established(&mut self.connecting) => {
                self.connecting = None;
                match connected {
                    Ok(socket) => {
                        self.socket = Some((connection, socket));
                        self.has_connected = true;
                        self.trouble = None;
                        self.client.handle_open(connection, self.now());
                    }
                    Err(error) => {
                        let why = reason(&error);
                        // Each attempt fails for the same reason as a rule, which is said once.
                        if self.trouble.as_ref() != Some(&why) {
                            tracing::warn!("can't connect to {}: {why}", self.server.url);
                        }
                        self.trouble = Some(why);
                        self.client.handle_closed(connection, NO_CLOSE_CODE, self.now());
                    }
                }
            }
            (connection, message) = received(&mut self.socket) => self.take(connection, message),
            () = async { match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            } } => self.client.handle_timeout(self.now()),
        }
    }

    fn take(&mut self, connection: ConnectionId, message: Option<Result<Message, tungstenite::Error>>) {
        let now = self.now();
        match message {
            Some(Ok(Message::Text(text))) => {
                self.client.handle_frame(connection, ServerFrame::parse(&text), now);
            }
            Some(Ok(Message::Close(frame))) => {
                self.socket = None;
                let code = frame.map_or(NO_CLOSE_CODE, |frame| frame.code.into());
                self.client.handle_closed(connection, code, now);
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => {
                self.socket = None;
                self.client.handle_closed(connection, NO_CLOSE_CODE, now);
            }
        }
    }
}

/// The close code of a connection that ended without a Close.
const NO_CLOSE_CODE: u16 = 1006;

/// What a failed attempt says, with the sentence of a server that refused it.
fn reason(error: &tungstenite::Error) -> String {
    let tungstenite::Error::Http(answer) = error else { return error.to_string() };
    let body = answer.body().as_deref().and_then(|body| serde_json::from_slice::<Value>(body).ok());
    let detail = body.as_ref().and_then(|problem| problem["detail"].as_str()).unwrap_or("no WebSocket");
    format!("it answers {}: {}", answer.status(), detail.escape_debug())
}

fn scheme(url: &Uri) -> &'static str {
    if url.scheme_str() == Some("wss") { "https: and not http:" } else { "http: and not https:" }
}

fn request(url: &Uri) -> Result<tungstenite::handshake::client::Request, tungstenite::Error> {
    let mut request = url.into_client_request()?;
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    Ok(request)
}

async fn established(connecting: &mut Option<(ConnectionId, Connecting)>) -> (ConnectionId, Connected) {
    match connecting {
        Some((connection, connect)) => (*connection, connect.await),
        None => std::future::pending().await,
    }
}

async fn received(
    socket: &mut Option<(ConnectionId, Socket)>,
) -> (ConnectionId, Option<Result<Message, tungstenite::Error>>) {
    match socket {
        Some((connection, socket)) => (*connection, socket.next().await),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_follows_from_the_base_url() {
        for (base, expected) in [
            ("http://127.0.0.1:7700", "ws://127.0.0.1:7700/v1/ws"),
            ("https://example.com/", "wss://example.com/v1/ws"),
            ("https://example.com/tidings/", "wss://example.com/tidings/v1/ws"),
            ("ws://localhost:1/v1/ws", "ws://localhost:1/v1/ws"),
        ] {
            assert_eq!(endpoint(base).map(|uri| uri.to_string()).as_deref(), Ok(expected));
        }
        for base in ["127.0.0.1:7700", "ftp://example.com", "", "/x"] {
            assert!(endpoint(base).is_err(), "{base}");
        }
    }
}
