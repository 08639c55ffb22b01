//! The settings of a client.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use tidings_shared::Code;
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{Error, ServerUrl};

/// Settings of a [`Client`](crate::Client).
///
/// ```
/// use tidings_client::{Client, Settings};
///
/// # async fn fetch_token() -> Result<String, std::io::Error> { Ok(String::new()) }
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let settings = Settings::new("https://tidings.example.com".parse()?)
///     .program("billing/1.4")
///     .token_provider(|| async { fetch_token().await });
/// # let _ = settings;
/// # Ok(())
/// # }
/// # example().unwrap();
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Settings {
    pub(crate) url: ServerUrl,
    pub(crate) token: Option<Token>,
    pub(crate) headers: HeaderMap,
    pub(crate) program: Option<String>,
    pub(crate) domains: Vec<String>,
    pub(crate) on_unknown_domain: UnknownDomain,
    pub(crate) buffer: usize,
}

/// What to do about a domain that nobody knows: its name, and a similar name that the server knows.
pub(crate) type UnknownDomain = Arc<dyn Fn(&str, Option<&str>) + Send + Sync>;

/// Where the tokens come from.
#[derive(Clone)]
pub(crate) enum Token {
    Fixed(String),
    Provider(Arc<dyn Fn() -> Asking + Send + Sync>),
}

/// A token on its way, or why there is none.
pub(crate) type Asking = Pin<Box<dyn Future<Output = Result<String, String>> + Send>>;

/// Events that may wait for the reader of a subscription, unless the program sets another number. A reader that is more than
/// this behind is faster when it loads everything again.
const BUFFER: usize = 1024;

/// Headers that the handshake sets itself.
const RESERVED: [HeaderName; 7] = [
    header::HOST,
    header::CONNECTION,
    header::UPGRADE,
    header::SEC_WEBSOCKET_EXTENSIONS,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::SEC_WEBSOCKET_VERSION,
];

impl Settings {
    /// Returns settings for a server that needs no token, for example `tidings serve --dev`.
    pub fn new(url: ServerUrl) -> Self {
        Self {
            url,
            token: None,
            headers: HeaderMap::new(),
            program: None,
            domains: Vec::new(),
            on_unknown_domain: Arc::new(warn_of_domain),
            buffer: BUFFER,
        }
    }

    /// Sets the only token of the client. When it has expired, the client is closed with the code `token_expired`.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(Token::Fixed(token.into()));
        self
    }

    /// Sets a function that gets a fresh token. The client calls it for each connection, and again before the token ends. The
    /// fresh token replaces the old one in the open session. Each call must get a fresh token, not one from a cache.
    ///
    /// If the function fails, or takes longer than 30 s, the streams yield `token_failed`, and the client calls it again
    /// later.
    #[must_use]
    pub fn token_provider<F, T, E>(mut self, provider: F) -> Self
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = Result<String, E>> + Send + 'static,
        E: fmt::Display,
    {
        let provider = Arc::new(provider);
        let ask = move || -> Asking {
            let provider = Arc::clone(&provider);
            Box::pin(async move { provider().await.map_err(|error| error.to_string()) })
        };
        self.token = Some(Token::Provider(Arc::new(ask)));
        self
    }

    /// Adds a header to the request that opens each connection, for example the cookie of a session or an `Origin`.
    ///
    /// ```
    /// # use tidings_client::Settings;
    /// # fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let settings = Settings::new("https://tidings.example.com".parse()?)
    ///     .header("cookie", "session=4f2c")?
    ///     .header("origin", "https://app.example.com")?;
    /// # let _ = settings;
    /// # Ok(())
    /// # }
    /// # example().unwrap();
    /// ```
    ///
    /// # Errors
    /// The name or the value is not that of a header, or the handshake sets this header itself.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, Error> {
        let refused = |reason: &dyn fmt::Display| {
            Error::of_program(Code::InvalidFrame.as_str(), format!("The header `{name}`: {reason}."))
        };
        let known = HeaderName::from_bytes(name.as_bytes()).map_err(|error| refused(&error))?;
        if RESERVED.contains(&known) {
            return Err(refused(&"the handshake sets it itself"));
        }
        let mut value = HeaderValue::from_str(value).map_err(|error| refused(&error))?;
        // It may be a secret.
        value.set_sensitive(true);
        self.headers.append(known, value);
        Ok(self)
    }

    /// Sets `name/version` of the program, for the server's logs; at most 128 bytes.
    #[must_use]
    pub fn program(mut self, program: impl Into<String>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// Names a domain that neither this client nor the server was compiled with, and that the program means. Without it, the
    /// client warns of the domain, because the name may be a typo.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domains.push(domain.into());
        self
    }

    /// Sets what to do about a domain that neither the server nor the program knows. The function gets the domain's name, and
    /// a similar name that the server knows. The client's task calls it once for each domain of a raw subscription, so it
    /// must not block. By default, the client logs a warning.
    #[must_use]
    pub fn on_unknown_domain(mut self, warn: impl Fn(&str, Option<&str>) + Send + Sync + 'static) -> Self {
        self.on_unknown_domain = Arc::new(warn);
        self
    }

    /// Sets how many deliveries may wait for the reader of one subscription; at least 1, and 1,024 by default. Beyond it, one
    /// [`Sync`](crate::Delivery::Sync) replaces everything that waits. The same happens beyond 16 MiB.
    #[must_use]
    pub fn buffer(mut self, deliveries: usize) -> Self {
        self.buffer = deliveries.max(1);
        self
    }
}

fn warn_of_domain(domain: &str, nearest: Option<&str>) {
    match nearest {
        Some(nearest) => tracing::warn!("the server has no domain {domain:?}: was {nearest:?} meant?"),
        None => tracing::warn!("the server has no domain {domain:?}: events of this domain travel unchecked"),
    }
}

/// Without the token and the headers, which are secrets.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("url", &self.url)
            .field("program", &self.program)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_secret_is_not_in_the_debug_output() {
        let url = "http://127.0.0.1:7700".parse().unwrap();
        let settings = Settings::new(url).token("a-secret").header("cookie", "session=a-secret").unwrap();
        let text = format!("{settings:?}");
        assert!(text.contains("7700") && !text.contains("a-secret"), "{text}");
    }
}
