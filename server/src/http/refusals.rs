//! The lines of the operator's log about refused pages and requests: each has the reason and the remedy.

use hyper::{
    HeaderMap, Uri,
    header::{HOST, ORIGIN},
};
use tidings_hub::refusals::{Line, MAX_QUOTED};

use crate::origin::{HostFault, OriginRule, check_as_browsers_write, is_host};

/// The rule for hosts with [`OriginRule::Loopback`].
pub(super) const LOOPBACK_HOST: &str = "this server is for development (--dev, OriginRule::Loopback): it answers requests to localhost or a loopback address, and no others";

/// Says why a page of this origin was refused.
pub(crate) fn line_of_origin(rule: &OriginRule, headers: &HeaderMap) -> Line {
    let mut origins = headers.get_all(ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else {
        return Line::new("there are several Origin headers", "look for a proxy that adds one");
    };
    match origin.to_str().ok().filter(|origin| origin.len() <= MAX_QUOTED) {
        Some("null") => Line::new(
            "the page has no origin of its own (null): it is a file, or in a sandboxed frame",
            "serve it over http or https, and allow that origin",
        ),
        Some(origin) if check_as_browsers_write(origin).is_ok() => {
            let reason = format!("the origin {origin} is not allowed");
            match rule {
                OriginRule::Exact(_) => Line::new(
                    reason,
                    format_args!("--allow-origin {origin} (in an application: OriginRule::Exact)"),
                ),
                OriginRule::Loopback => Line::new(
                    reason,
                    format_args!(
                        "--dev (in an application: OriginRule::Loopback) is for development, and lets in pages of this machine \
                         (http://localhost) only; for others, run with keys instead of --dev, and with \
                         --allow-origin {origin} (OriginRule::Exact)"
                    ),
                ),
            }
        }
        _ => Line::new("no browser writes an Origin header like this", "look for the program that writes it"),
    }
}

/// Says why a request to this host was refused.
pub(crate) fn line_of_host(fault: HostFault, uri: &Uri, headers: &HeaderMap) -> Line {
    let no_host = "it has no Host, or several, or a malformed one";
    if fault == HostFault::IllFormed {
        return Line::new(no_host, "look for the client or the proxy that writes it");
    }
    let hosts: Vec<&[u8]> = headers.get_all(HOST).iter().map(|host| host.as_bytes()).collect();
    let named = uri.authority().map(|authority| authority.as_str().as_bytes());
    let host = match (named, &hosts[..]) {
        (None, [host]) => Some(*host),
        (named, _) => named,
    };
    let host = host.filter(|host| is_host(host) && host.len() <= MAX_QUOTED);
    let remedy = format_args!(
        "{LOOPBACK_HOST}; for another host, run with keys instead of --dev, or with OriginRule::Exact"
    );
    match host.and_then(|host| str::from_utf8(host).ok()) {
        Some(host) => Line::new(format_args!("the host {host} is not this machine"), remedy),
        None => Line::new(no_host, remedy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said_of(rule: &OriginRule, origins: &[&[u8]]) -> Line {
        let mut headers = HeaderMap::new();
        for origin in origins {
            headers.append(ORIGIN, hyper::header::HeaderValue::from_bytes(origin).unwrap());
        }
        line_of_origin(rule, &headers)
    }

    #[test]
    fn the_remedy_spells_the_origin_and_a_malformed_one_is_not_quoted() {
        let exact = OriginRule::Exact(vec![]);
        for origin in ["https://app.example.com", "http://localhost:5173", "tauri://localhost"] {
            let line = said_of(&exact, &[origin.as_bytes()]);
            assert_eq!(
                line.remedy,
                format!("--allow-origin {origin} (in an application: OriginRule::Exact)")
            );
            assert!(line.reason.contains(origin), "{line:?}");
            assert!(said_of(&OriginRule::Loopback, &[origin.as_bytes()]).remedy.contains("--dev"));
        }
        assert!(said_of(&exact, &[b"null"]).reason.contains("null"));
        let long = format!("https://{}", "x".repeat(MAX_QUOTED));
        for odd in [
            &b"secret"[..],
            b"https://secret/",
            b"https://user:secret@a",
            b"https://a secret",
            b"\xffsecret",
            long.as_bytes(),
        ] {
            let line = said_of(&exact, &[odd]);
            assert!(
                !format!("{line:?}").contains("secret") && line.reason.contains("no browser writes"),
                "{line:?}"
            );
        }
        assert!(said_of(&exact, &[b"https://secret.com", b"https://b.com"]).reason.contains("several"));
    }
}
