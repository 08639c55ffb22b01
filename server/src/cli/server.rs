//! The server that a command talks to.

use std::convert::Infallible;

use clap::Args;
use tidings_client::{ServerUrl, Settings};
use tidings_shared::limits::LOG_MAX_ENTRIES;

use crate::text::without_mark;

/// Deliveries that may wait while the reader of standard output is slow. The server's log holds no more either.
const BUFFER: usize = LOG_MAX_ENTRIES;

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
    /// Returns the settings of a client of this server.
    pub(super) fn settings(self) -> Settings {
        let settings = Settings::new(self.url)
            .program(concat!("tidings-cli/", env!("CARGO_PKG_VERSION")))
            .buffer(BUFFER);
        match self.token {
            Some(token) => settings.token(token),
            None => settings,
        }
    }
}
