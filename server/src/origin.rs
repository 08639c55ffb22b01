//! Which web pages may talk to this server. A browser names the page's origin; tools name none.

use std::net::{Ipv4Addr, Ipv6Addr};

use hyper::{
    HeaderMap, Uri,
    header::{HOST, ORIGIN},
};

/// The origins that are let in. A request without one is let in; one with several never is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginRule {
    /// Exactly these, as `scheme://host` or `scheme://host:port`.
    Exact(Vec<String>),
    /// Any page that this machine served itself, for development: a page from elsewhere must not reach a developer's
    /// server through the developer's browser. Requests must name this machine as their host, too, for a page elsewhere
    /// whose own name was made to mean this machine is of no other origin, and its browser sends none.
    Loopback,
}

impl OriginRule {
    /// Whether a request with these headers is let in.
    pub(crate) fn allows(&self, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(ORIGIN).iter();
        let (origin, None) = (origins.next(), origins.next()) else { return false };
        match origin.map(|origin| origin.to_str()) {
            None => true,
            Some(Err(_)) => false,
            Some(Ok(origin)) => match self {
                Self::Exact(allowed) => allowed.iter().any(|allowed| allowed == origin),
                Self::Loopback => is_loopback(origin),
            },
        }
    }

    /// Whether a request may be for this host. One that names none is let in: browsers always do.
    pub(crate) fn allows_host(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(HOST).iter();
        let (host, is_one) = (hosts.next(), hosts.next().is_none());
        let is_here = |host: &str| is_loopback(&format!("http://{}", host.to_ascii_lowercase()));
        *self != Self::Loopback
            || is_one
                && host.is_none_or(|host| host.to_str().is_ok_and(is_here))
                && uri.authority().is_none_or(|authority| is_here(authority.as_str()))
    }
}

/// The host of an origin as a browser writes it: scheme, host and perhaps a port, and nothing else.
fn host_of(origin: &str) -> Option<String> {
    let uri: Uri = origin.parse().ok()?;
    let (scheme @ ("http" | "https"), authority) = (uri.scheme_str()?, uri.authority()?) else { return None };
    let port = authority.as_str().strip_prefix(authority.host())?;
    let is_port = |port: &str| port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    let is_exact = (port.is_empty() || is_port(port)) && origin == format!("{scheme}://{authority}");
    is_exact.then(|| authority.host().to_owned())
}

/// Whether a browser may write an origin in this very way; what it never writes would let nobody in.
#[cfg(feature = "cli")]
pub(crate) fn is_as_browsers_write(origin: &str) -> bool {
    let default_port = if origin.starts_with("https:") { ":443" } else { ":80" };
    let is_of_hosts =
        |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'[' | b':' | b']');
    host_of(origin).is_some_and(|host| host.bytes().all(is_of_hosts)) && !origin.ends_with(default_port)
}

fn is_loopback(origin: &str) -> bool {
    let Some(host) = host_of(origin) else { return false };
    let is_v6 = |host: &str| {
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        inner.and_then(|host| host.parse().ok()).is_some_and(|ip: Ipv6Addr| ip.is_loopback())
    };
    host == "localhost" || host.parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback()) || is_v6(&host)
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
    fn only_pages_of_this_machine_are_let_in_for_development() {
        for origin in [
            "http://localhost:5173",
            "https://localhost",
            "http://127.0.0.1:1",
            "http://127.9.9.9",
            "http://[::1]:80",
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
        ] {
            assert!(!allows(&OriginRule::Loopback, &[origin]), "{origin}");
        }
    }

    #[test]
    fn an_exact_rule_knows_no_suffix_prefix_port_or_scheme_of_its_own() {
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
}
