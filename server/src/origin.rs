//! Which web pages may talk to this server (`Origin`), and by which host name (`Host`). A browser sends both. Other
//! programs send no origin.

use std::net::{Ipv4Addr, Ipv6Addr};

use hyper::{
    HeaderMap, Uri, Version,
    header::{HOST, HeaderName, HeaderValue, ORIGIN},
    http::uri::Authority,
};

/// The origins that are let in. A request without an origin is let in. A request with several origins or the origin
/// `null` is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OriginRule {
    /// Exactly these origins, as `scheme://host` or `scheme://host:port`. The scheme may be an app shell's, such as
    /// `tauri`.
    Exact(Vec<String>),
    /// Pages that this machine served itself, for development. A foreign page must not reach a developer's server
    /// through the developer's browser.
    ///
    /// A request must also name this machine as its host, because of DNS rebinding: a foreign page can make its own
    /// host name resolve to 127.0.0.1. Its requests then have the same origin as the server, and the browser sends no
    /// `Origin`.
    Loopback,
}

/// What is wrong with the host of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostFault {
    /// The request has no host, or several, or a malformed one (RFC 9112, section 3.2).
    IllFormed,
    /// The host is not this machine.
    Elsewhere,
}

/// Schemes of app shells (Tauri, Capacitor, Ionic). Only an app on this machine has such an origin.
const APP_SCHEMES: [&str; 3] = ["tauri", "capacitor", "ionic"];

impl OriginRule {
    /// Returns whether a request with these headers is let in.
    pub(crate) fn allows(&self, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(ORIGIN).iter();
        let (origin, None) = (origins.next(), origins.next()) else { return false };
        match origin.map(HeaderValue::to_str) {
            None => true,
            Some(Err(_)) => false,
            // Every page without an origin of its own has this one: files, sandboxed frames.
            Some(Ok("null")) => false,
            Some(Ok(origin)) => match self {
                Self::Exact(allowed) => allowed.iter().any(|allowed| allowed == origin),
                Self::Loopback => is_loopback(origin),
            },
        }
    }

    /// Returns whether a request may use its cookies: the browser says that the page is one that is let in, or a page of
    /// this server. Otherwise another page could act for the user who has the cookie.
    pub(crate) fn may_use_cookies(&self, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next(), self) {
            (Some(_), None, Self::Exact(_)) => self.allows(headers),
            // Cookies do not know ports. Another program's page on this machine must not use ours.
            (Some(origin), None, Self::Loopback) => self.allows(headers) && is_of_host(origin, headers),
            // A browser sends no origin with a `GET` of the same origin, as an `EventSource` does.
            (None, ..) => {
                let mut sites = headers.get_all(SEC_FETCH_SITE).iter();
                sites.next().is_some_and(|site| site == "same-origin") && sites.next().is_none()
            }
            _ => false,
        }
    }

    /// Checks the host of a request. A request of HTTP/1.0, as some probes send it, may have no host.
    pub(crate) fn check_host(
        &self,
        version: Version,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(), HostFault> {
        let mut hosts = headers.get_all(HOST).iter();
        let (host, is_one) = (hosts.next(), hosts.next().is_none());
        let is_good = is_one
            && match host {
                None => version < Version::HTTP_11,
                Some(host) => is_host(host.as_bytes()),
            }
            && uri.authority().is_none_or(|authority| is_host(authority.as_str().as_bytes()));
        // With `Loopback`, a missing or malformed host gets the same answer as a foreign one.
        let is_here = |host: &str| is_loopback(&format!("http://{}", host.to_ascii_lowercase()));
        let named = host.and_then(|host| host.to_str().ok()).into_iter();
        let mut named = named.chain(uri.authority().map(Authority::as_str));
        match self {
            Self::Loopback if !is_good || !named.all(is_here) => Err(HostFault::Elsewhere),
            Self::Exact(_) if !is_good => Err(HostFault::IllFormed),
            _ => Ok(()),
        }
    }
}

/// Tells where a request comes from. Only browsers send it, and no page can set it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Returns whether an origin names the host and port of the request.
fn is_of_host(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    origin.zip(host).is_some_and(|((_, authority), host)| authority.eq_ignore_ascii_case(host))
}

/// Returns whether this is exactly `host` or `host:port`: RFC 9110, section 7.2.
pub(crate) fn is_host(text: &[u8]) -> bool {
    let Ok(authority) = Authority::try_from(text) else { return false };
    let Some(port) = authority.as_str().strip_prefix(authority.host()) else { return false };
    !authority.host().is_empty() && (matches!(port, "" | ":") || authority.port_u16().is_some())
}

/// Returns the scheme and host of an origin. It is `None` if the text is not `scheme://host` or `scheme://host:port`.
fn parts_of(origin: &str) -> Option<(String, String)> {
    let uri: Uri = origin.parse().ok()?;
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
    let port = authority.as_str().strip_prefix(authority.host())?;
    let is_port = |port: &str| port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    let is_exact = (port.is_empty() || is_port(port)) && origin == format!("{scheme}://{authority}");
    is_exact.then(|| (scheme.to_owned(), authority.host().to_owned()))
}

/// Schemes that no origin has: pages with these schemes have the origin `null`, and `ws` and `wss` are no page's.
const NO_ORIGIN: [&str; 8] = ["about", "blob", "data", "file", "filesystem", "javascript", "ws", "wss"];

/// Checks that a browser or an app shell would write an origin exactly like this. An origin in another form would let
/// nobody in.
///
/// # Errors
/// If it would not. The message says what to write instead.
pub(crate) fn check_as_browsers_write(origin: &str) -> Result<(), &'static str> {
    if origin == "null" {
        return Err(
            "`null` is the origin of every page without an own origin, and is never let in: serve the page over http",
        );
    }
    if origin.contains('*') {
        return Err("origins have no patterns: name each origin");
    }
    let fault =
        "write it as a browser does: scheme://host[:port], in lower case, without a path or the default port";
    let (scheme, host) = parts_of(origin).ok_or(fault)?;
    if NO_ORIGIN.contains(&scheme.as_str()) {
        return Err(
            "no page has an origin with this scheme: name the page's own origin, such as https://app.example.com",
        );
    }
    let is_of_web = matches!(scheme.as_str(), "http" | "https");
    let is_of_hosts = |byte: u8| {
        matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'[' | b':' | b']')
            // With another scheme, the host may be a name of the app, in its own case: a UUID for a Safari extension.
            || !is_of_web && byte.is_ascii_uppercase()
    };
    let is_lower = !scheme.bytes().any(|byte| byte.is_ascii_uppercase());
    let port = origin.rsplit_once(':').map_or("", |(_, port)| port);
    let is_plain_port = !matches!((scheme.as_str(), port), ("https", "443") | ("http", "80"))
        && (port.len() == 1 || !port.starts_with('0'));
    if is_lower && is_plain_port && host.bytes().all(is_of_hosts) { Ok(()) } else { Err(fault) }
}

fn is_loopback(origin: &str) -> bool {
    let Some((scheme, host)) = parts_of(origin) else { return false };
    let is_v6 = |host: &str| {
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        inner.and_then(|host| host.parse().ok()).is_some_and(|ip: Ipv6Addr| ip.is_loopback())
    };
    match scheme.as_str() {
        "http" | "https" => {
            is_local_name(&host) || host.parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback()) || is_v6(&host)
        }
        app => APP_SCHEMES.contains(&app) && host == "localhost",
    }
}

/// Returns whether this is `localhost` or a name below it, perhaps with the root's dot. Such names always mean this
/// machine: resolvers ask no name server for them (RFC 6761, section 6.3).
fn is_local_name(host: &str) -> bool {
    let mut labels = host.strip_suffix('.').unwrap_or(host).rsplit('.');
    labels.next() == Some("localhost") && labels.all(|label| !label.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(rule: &OriginRule, origins: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for origin in origins {
            headers.append(ORIGIN, origin.parse().unwrap());
        }
        rule.allows(&headers)
    }

    #[test]
    fn the_loopback_rule_lets_in_pages_of_this_machine_only() {
        for origin in [
            "http://localhost:5173",
            "https://localhost",
            "http://127.0.0.1:1",
            "http://127.9.9.9",
            "http://[::1]:80",
            "http://localhost.",
            "http://localhost.:5173",
            "http://tauri.localhost",
            "https://a.b-c.localhost:8443",
            "http://app.localhost.",
            "tauri://localhost",
            "capacitor://localhost",
            "ionic://localhost",
        ] {
            assert!(allows(&OriginRule::Loopback, &[origin]), "{origin}");
        }
        for origin in [
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "http://example.com",
            "http://user@localhost.example.com",
            "http://10.0.0.1",
            "null",
            "file://localhost",
            "http://user@localhost",
            "http://localhost/",
            "http://localhost/path",
            "http://localhost?x",
            "http://localhost:",
            "http://localhost:99999",
            "localhost",
            "",
            "http://localhost..",
            "http://.localhost",
            "http://a..localhost",
            "http://.",
            "http://evillocalhost",
            "http://evil-localhost",
            "http://localhost.evil.com",
            "http://localhost.com",
            "http://xlocalhost.localhost.evil",
            "tauri://evil.example",
            "tauri://tauri.localhost",
            "app://localhost",
            "chrome-extension://localhost",
        ] {
            assert!(!allows(&OriginRule::Loopback, &[origin]), "{origin}");
        }
    }

    #[test]
    fn an_exact_rule_compares_the_whole_origin() {
        let rule = OriginRule::Exact(vec!["https://app.example.com".to_owned()]);
        assert!(allows(&rule, &["https://app.example.com"]));
        assert!(allows(&rule, &[]), "tools name no origin");
        for origin in [
            "http://app.example.com",
            "https://app.example.com:8443",
            "https://app.example.com.evil.com",
            "https://evil-app.example.com",
            "https://example.com",
            "null",
        ] {
            assert!(!allows(&rule, &[origin]), "{origin}");
        }
        assert!(!allows(&rule, &["https://app.example.com", "https://app.example.com"]), "two headers");
    }

    #[test]
    fn no_rule_lets_the_origin_null_in() {
        let rule = OriginRule::Exact(vec!["null".to_owned(), "file://".to_owned()]);
        assert!(!allows(&rule, &["null"]) && !allows(&rule, &["null", "null"]));
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for host in ["a", "a.example.com", "a:1", "a:", "127.0.0.1:65535", "[::1]", "[::1]:80", "a_b"] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "", ":", ":80", "a b", "a, b", "a/", "a/b", "http://a", "a@b", "@", "a:b", "a:65536", "a:-1",
            "a:1:2", "[::1", "::1", "[a]x", "a?b", "a#b", "a\\b", "a\tb", "é",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn an_allowed_origin_must_be_written_as_browsers_and_app_shells_write_it() {
        for origin in [
            "https://app.example.com",
            "http://localhost:5173",
            "http://[::1]:8080",
            "http://a:1080",
            "https://a:80",
            "http://tauri.localhost",
            "tauri://localhost",
            "capacitor://localhost",
            "ionic://localhost",
            "app://.",
            "app://-",
            "app://obsidian.md",
            "capacitor-electron://-",
            "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
            "moz-extension://0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f",
            "safari-web-extension://0A1B2C3D-0A1B-2C3D-4E5F-0A1B2C3D4E5F",
            "vscode-webview://1abc",
        ] {
            assert_eq!(check_as_browsers_write(origin), Ok(()), "{origin}");
        }
        for (origin, named) in [
            ("null", "null"),
            ("*", "patterns"),
            ("https://*.example.com", "patterns"),
            ("chrome-extension://*", "patterns"),
            ("", "scheme"),
            ("tauri://", "scheme"),
            ("app.example.com", "scheme"),
            ("localhost:5173", "scheme"),
            ("https://App.example.com", "lower case"),
            ("HTTPS://app.example.com", "lower case"),
            ("Tauri://localhost", "lower case"),
            ("https://app.example.com/", "path"),
            ("tauri://localhost/", "path"),
            ("https://app.example.com:443", "default port"),
            ("http://app.example.com:80", "default port"),
            ("http://app.example.com:080", "scheme"),
            ("https://user@app.example.com", "scheme"),
            ("https://app.example.com https://b.example.com", "scheme"),
            ("file://", "scheme"),
            ("file://localhost", "no page"),
            ("wss://app.example.com", "no page"),
            ("ws://localhost", "no page"),
        ] {
            let fault = check_as_browsers_write(origin).expect_err(origin);
            assert!(fault.contains(named), "{origin}: {fault}");
        }
    }

    #[test]
    fn cookies_are_for_pages_that_are_let_in_or_of_this_server() {
        let exact = OriginRule::Exact(vec!["https://app.example.com".to_owned()]);
        let same = &[("sec-fetch-site", "same-origin")][..];
        for (rule, given, expected) in [
            (&exact, &[("origin", "https://app.example.com")][..], true),
            (&exact, &[("origin", "https://evil.example.com")], false),
            (&exact, &[("origin", "https://app.example.com"), ("origin", "https://app.example.com")], false),
            (&exact, &[("origin", "null")], false),
            (&exact, &[], false),
            (&exact, same, true),
            (&exact, &[("sec-fetch-site", "same-site")], false),
            (&exact, &[("origin", "https://evil.example.com"), ("sec-fetch-site", "same-origin")], false),
            (&OriginRule::Loopback, &[("origin", "http://localhost:8080"), ("host", "localhost:8080")], true),
            (
                &OriginRule::Loopback,
                &[("origin", "http://localhost:3000"), ("host", "localhost:8080")],
                false,
            ),
            (
                &OriginRule::Loopback,
                &[("origin", "http://127.0.0.1:8080"), ("host", "localhost:8080")],
                false,
            ),
            (&OriginRule::Loopback, &[("host", "localhost:8080")], false),
            (&OriginRule::Loopback, same, true),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in given {
                headers.append(*name, HeaderValue::from_static(value));
            }
            assert_eq!(rule.may_use_cookies(&headers), expected, "{rule:?} {given:?}");
        }
    }
}
