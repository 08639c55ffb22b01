//! The server that a command talks to, and the client for it.

use std::convert::Infallible;

use clap::Args;
use tidings_client::{Client, ServerUrl, Settings};

use crate::text::without_mark;

/// The flags that name the server and the caller's token.
#[derive(Debug, Args)]
pub(super) struct Server {
    /// Base URL of the server
    #[arg(long, env = "TIDINGS_URL", default_value = "http://127.0.0.1:7700", value_name = "URL")]
    url: ServerUrl,
    /// Token of the caller; a server that runs with --dev needs none
    #[arg(long, env = "TIDINGS_TOKEN", value_parser = token, value_name = "JWT")]
    token: Option<String>,
}

/// Reads a token as a file or an environment variable holds it: perhaps with a byte order mark and blank space around.
fn token(text: &str) -> Result<String, Infallible> {
    Ok(without_mark(text).trim().to_owned())
}

impl Server {
    /// Returns a client of this server.
    pub(super) fn client(self) -> Client {
        let mut settings = Settings::new(self.url);
        settings.token = self.token;
        settings.program = Some(concat!("tidings-cli/", env!("CARGO_PKG_VERSION")).to_owned());
        Client::new(settings)
    }
}
