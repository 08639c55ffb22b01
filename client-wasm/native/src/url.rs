//! The address of a server.

use std::{fmt, str::FromStr};

use tokio_tungstenite::tungstenite::http::Uri;

/// The WebSocket endpoint of a server, made from the server's base URL. A base URL begins with `http:`, `https:`, `ws:` or
/// `wss:`, and may have a path.
///
/// ```
/// use tidings_client::ServerUrl;
///
/// let url: ServerUrl = "https://example.com/tidings".parse()?;
/// assert_eq!(url.to_string(), "wss://example.com/tidings/v1/ws");
/// # Ok::<(), tidings_client::ServerUrlError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl(Uri);

/// A text is not the base URL of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrlError(String);

impl ServerUrl {
    pub(crate) fn uri(&self) -> &Uri {
        &self.0
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.0.scheme_str() == Some("wss")
    }
}

impl FromStr for ServerUrl {
    type Err = ServerUrlError;

    fn from_str(base: &str) -> Result<Self, ServerUrlError> {
        let error = |message: &dyn fmt::Display| ServerUrlError(message.to_string());
        let uri: Uri =
            base.parse().map_err(|reason| error(&format_args!("{reason}; write http://HOST:PORT")))?;
        let scheme = match uri.scheme_str() {
            Some("http" | "ws") => "ws",
            Some("https" | "wss") => "wss",
            _ => return Err(error(&"a server's URL must begin with http:// or https://")),
        };
        let host = uri.authority().ok_or_else(|| error(&"a server's URL has a host"))?;
        if uri.query().is_some() {
            return Err(error(&"a server's URL has no query: leave `?` and everything after it out"));
        }
        let path = uri.path().trim_end_matches('/').trim_end_matches("/v1/ws");
        let endpoint = format!("{scheme}://{host}{path}/v1/ws").parse();
        endpoint.map(Self).map_err(|reason| error(&reason))
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ServerUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ServerUrlError {}

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
            let url: Result<ServerUrl, _> = base.parse();
            assert_eq!(url.map(|url| url.to_string()).as_deref(), Ok(expected));
        }
        for base in ["127.0.0.1:7700", "ftp://example.com", "", "/x", "http://example.com/?token=x"] {
            assert!(base.parse::<ServerUrl>().is_err(), "{base}");
        }
    }
}
