//! Who may do what: the server asks, and the application answers.

use std::{fmt, future::ready, net::IpAddr};

use hyper::{HeaderMap, header::COOKIE};
use tidings_hub::{AccessError, Identity, Rights, TenantId};
use tidings_shared::TopicName;

use crate::host::Clock;

/// Decides who may do what. The server asks with each hello, subscribe and publish, and with each HTTP request.
///
/// An answer may take time, for a look-up in a database for example. Until the answer comes, this client waits. After
/// [`answer_timeout`](tidings_hub::SessionSettings::answer_timeout) the server drops the future, and refuses the request
/// with `overloaded`. At most [`MAX_QUESTIONS`](tidings_shared::limits::MAX_QUESTIONS) questions are open at the same time;
/// more wait in order. So one slow answer delays no other client, but so many do. The futures run on the application's own
/// runtime, so they must not block its threads.
///
/// ```
/// use tidings_server::{AccessError, Authorize, Credentials, Identity};
/// use tidings_shared::TopicName;
///
/// /// Knows sessions by their cookie, and looks up rights for each subscribe.
/// #[derive(Debug)]
/// struct Members(Database);
///
/// impl Authorize for Members {
///     async fn authenticate(&self, credentials: &Credentials) -> Result<Identity, AccessError> {
///         let login = credentials.cookie("login").ok_or_else(|| AccessError::unauthorized("log in first"))?;
///         match self.0.user_of(login).await {
///             Ok(Some((user, since_ms))) => {
///                 let user = Identity::new(user, "acme".parse().expect("a tenant"));
///                 // A login that began after a revocation of its user is let in.
///                 Ok(user.credential(login).issued_at(since_ms))
///             }
///             Ok(None) => Err(AccessError::unauthorized("log in again")),
///             Err(_) => Err(away()),
///         }
///     }
///
///     async fn may_subscribe(&self, user: &Identity, topics: &[TopicName]) -> Result<Vec<bool>, AccessError> {
///         self.0.may_read(&user.subject, topics).await.map_err(|_| away())
///     }
/// }
///
/// /// The client gets this text, so it does not quote the database.
/// fn away() -> AccessError {
///     AccessError::unavailable("the database is away; try again later")
/// }
/// # #[derive(Debug)]
/// # struct Database;
/// # impl Database {
/// #     async fn user_of(&self, login: &str) -> Result<Option<(String, u64)>, String> { Ok(None) }
/// #     async fn may_read(&self, user: &str, topics: &[TopicName]) -> Result<Vec<bool>, String> { Ok(vec![]) }
/// # }
/// ```
pub trait Authorize: fmt::Debug + Send + Sync + 'static {
    /// Returns who a client is.
    ///
    /// # Errors
    /// The token or the login is missing or not valid, or the application can't tell at the moment.
    fn authenticate(
        &self,
        credentials: &Credentials,
    ) -> impl Future<Output = Result<Identity, AccessError>> + Send;

    /// Returns for each topic whether the client may subscribe to it, in order. A missing answer means no. The topics are
    /// all topics of one subscribe, or all that a session has when it gets a new token: each once, and at least one.
    ///
    /// The server does not ask about an identity with [`Identity::rights`]: these rights decide alone. An identity without
    /// them has no rights by default, so implement this method. [`Topic::from_name`](tidings_shared::Topic::from_name)
    /// makes a typed topic from a name.
    ///
    /// # Errors
    /// The application can't tell at the moment. The server refuses the topics with the code of the error.
    fn may_subscribe(
        &self,
        identity: &Identity,
        topics: &[TopicName],
    ) -> impl Future<Output = Result<Vec<bool>, AccessError>> + Send {
        ready(Ok(topics.iter().map(|topic| identity.rights.may_subscribe(topic)).collect()))
    }

    /// Returns for each topic whether the client may publish to it, like [`Authorize::may_subscribe`], and with the same
    /// default. The topics are all topics that the events of one request reach. An event needs the right to each of its
    /// topics.
    ///
    /// # Errors
    /// The application can't tell at the moment. The server refuses the events with the code of the error.
    fn may_publish(
        &self,
        identity: &Identity,
        topics: &[TopicName],
    ) -> impl Future<Output = Result<Vec<bool>, AccessError>> + Send {
        ready(Ok(topics.iter().map(|topic| identity.rights.may_publish(topic)).collect()))
    }

    /// Returns whether the client may revoke subjects, sessions and topics of its tenant over HTTP. By default, its
    /// rights decide.
    ///
    /// # Errors
    /// The application can't tell at the moment.
    fn may_revoke(&self, identity: &Identity) -> impl Future<Output = Result<bool, AccessError>> + Send {
        ready(Ok(identity.rights.admin))
    }
}

/// What a client shows to prove who it is.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Credentials {
    /// The token of the hello, of a `token` frame, or of an `Authorization: Bearer` header.
    pub token: Option<String>,
    /// The headers of the request: of the WebSocket handshake, or of the HTTP request. They are empty for the token of a
    /// `token` frame.
    ///
    /// A `Cookie` header is here only if the browser said that the page is one of the gateway's
    /// [origins](crate::OriginRule), or of the gateway's own origin. Otherwise a foreign page could use the cookie. A
    /// program that is no browser says so itself, with an `Origin` that is let in. The log names the cause when a client
    /// is refused without its cookies.
    pub headers: HeaderMap,
    /// The address that the connection is from: a client's or a proxy's. `None` for the token of a `token` frame, and if
    /// the server around the gateway does not tell it.
    pub peer: Option<IpAddr>,
    /// The time, in milliseconds since 1970.
    pub now_unix_ms: u64,
}

/// Shows no secrets: neither the token nor the headers.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { token, headers: _, peer, now_unix_ms } = self;
        let mut shown = f.debug_struct("Credentials");
        shown.field("has_token", &token.is_some()).field("peer", peer).field("now_unix_ms", now_unix_ms);
        shown.finish_non_exhaustive()
    }
}

impl Credentials {
    /// Returns the credentials of a request to one of the application's own routes, which may then ask the same
    /// [`Authorize`]. They are the headers and the time. They have all cookies: the application itself must refuse
    /// requests from foreign pages, for example with a cookie that is `SameSite`.
    pub fn of(headers: HeaderMap) -> Self {
        Self { headers, now_unix_ms: Clock::start().now().unix_ms, ..Self::default() }
    }

    /// Returns the value of a cookie. If several cookies have this name, it is the first.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let lines = self.headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
        let mut cookies = lines.flat_map(|line| line.split(';')).filter_map(|one| one.trim().split_once('='));
        cookies.find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

/// Access for development: everybody has all rights in one tenant, without a token. Serve it on loopback only.
#[derive(Debug, Clone)]
pub struct DevAccess {
    tenant: TenantId,
}

impl DevAccess {
    /// Returns access to this tenant.
    pub fn new(tenant: TenantId) -> Self {
        Self { tenant }
    }
}

impl Authorize for DevAccess {
    async fn authenticate(&self, credentials: &Credentials) -> Result<Identity, AccessError> {
        // The time of issue is now, so a developer who tried a revocation can come back after it.
        let identity = Identity::new("developer", self.tenant.clone()).issued_at(credentials.now_unix_ms);
        Ok(identity.rights(Rights::all()))
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn a_log_that_shows_credentials_holds_no_secret() {
        let mut credentials = Credentials { token: Some("secret".to_owned()), ..Credentials::default() };
        credentials.headers.insert(COOKIE, HeaderValue::from_static("login=secret"));
        let shown = format!("{credentials:?}");
        assert!(shown.contains("has_token: true") && !shown.contains("secret"), "{shown}");
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name_in_every_line() {
        let mut credentials = Credentials::default();
        for line in ["a=1; login=x=y;b=", "late=2", "login=z"] {
            credentials.headers.append(COOKIE, HeaderValue::from_static(line));
        }
        for (name, value) in
            [("a", Some("1")), ("login", Some("x=y")), ("b", Some("")), ("late", Some("2")), ("log", None)]
        {
            assert_eq!(credentials.cookie(name), value, "{name}");
        }
    }
}
