//! Tokens: JSON Web Tokens (JWT), checked against keys that the server was given.
//!
//! The crate jsonwebtoken checks the signature, and that the algorithm is the key's. Before the signature is checked,
//! only `alg`, `kid` and `crit` of the header are read. Nothing is ever fetched: a header's `jku`, `jwk` and `x5u` are
//! ignored. The claims are checked here: the time is an argument, and a claim of a wrong type is a refusal. The
//! cryptography is aws-lc, which the command line's TLS uses too. The pure Rust backend would bring twice as many
//! crates, and an RSA with an open advisory.

mod keys;

use std::sync::{Arc, PoisonError, RwLock};

use jsonwebtoken::{decode, decode_header, errors::ErrorKind};
use serde_json::{Map, Value};
use tidings_hub::{AccessError, Identity, Rights, TenantId, TopicPattern};
use tidings_shared::{
    Code,
    limits::{MAX_REF, MAX_SUBJECT_BYTES, MAX_TOKEN_BYTES, MAX_TOKEN_CLOCK_AHEAD},
};

#[cfg(feature = "cli")]
pub(crate) use self::keys::sign_jwt;
pub use self::keys::{JwtAlgorithm, JwtKeyError, JwtKeys};
use crate::authorize::{Authorize, Credentials};

/// Lets in clients that have a token (JWT), with the rights that the token names.
///
/// The claims of a token:
///
/// - `sub` and `exp`, and `tenant` unless there is [only one](JwtAccess::with_single_tenant);
/// - `subscribe` and `publish`: lists of [patterns](TopicPattern). Without a list, the token gives no such right;
/// - `admin`: `true` is the right to revoke;
/// - `iat` and `nbf`, if the token has them;
/// - `aud` and `iss`, if the server [asks](JwtAccess::with_audience) [for them](JwtAccess::with_issuer).
///
/// ```
/// use tidings_server::{JwtAccess, jwt::{JwtAlgorithm, JwtKeys}};
/// let key = b"a secret of at least 32 random bytes, from a file";
/// let access = JwtAccess::new(JwtKeys::one(JwtAlgorithm::Hs256, key)?).with_audience("tidings");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Clones share the keys. So an application keeps a clone and [replaces](JwtAccess::replace_keys) the keys while a
/// gateway serves.
#[derive(Debug, Clone)]
pub struct JwtAccess {
    keys: Arc<RwLock<Arc<JwtKeys>>>,
    audience: Option<String>,
    issuer: Option<String>,
    single_tenant: Option<TenantId>,
}

const CLOCK_AHEAD_MS: u64 = MAX_TOKEN_CLOCK_AHEAD.as_millis() as u64;

type Claims = Map<String, Value>;

impl JwtAccess {
    /// Returns a rule that accepts tokens signed with one of these keys.
    pub fn new(keys: JwtKeys) -> Self {
        let keys = Arc::new(RwLock::new(Arc::new(keys)));
        Self { keys, audience: None, issuer: None, single_tenant: None }
    }

    /// Replaces the keys in all clones, for tokens that come from now on. Open sessions stay until their tokens expire.
    pub fn replace_keys(&self, keys: JwtKeys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    /// Accepts only tokens that name this audience. They may name others too.
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Accepts only tokens that name this issuer.
    #[must_use]
    pub fn with_issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Accepts tokens that name no tenant, for this tenant. A token that names another tenant is refused.
    #[must_use]
    pub fn with_single_tenant(mut self, tenant: TenantId) -> Self {
        self.single_tenant = Some(tenant);
        self
    }

    /// Checks a token, and returns the identity that it describes.
    fn check(&self, token: Option<&str>, now_unix_ms: u64) -> Result<Identity, AccessError> {
        let token =
            token.ok_or_else(|| refused("no token was given, and this server lets nobody in without one"))?;
        let identity = self.identity(&self.verify(token)?, now_unix_ms)?;
        // ECDSA signatures are malleable: anybody can make a second valid signature from a first one. A revoked token
        // must not come back with it. So a token is identified by the part before its signature.
        Ok(match token.rsplit_once('.') {
            Some((signed, _)) => identity.credential(signed),
            None => identity,
        })
    }

    /// Checks a token's signature, and returns its claims.
    fn verify(&self, token: &str) -> Result<Claims, AccessError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(refused(format!("a token has at most {MAX_TOKEN_BYTES} bytes")));
        }
        let Ok(header) = decode_header(token) else {
            return Err(refused("this is not a token (JWT) with an algorithm that this server knows"));
        };
        if header.crit.is_some() {
            return Err(refused("the token's header has `crit`, and this server knows no extension"));
        }
        let keys = Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner));
        let Some(key) = keys.find(header.kid.as_deref()) else {
            return Err(refused("the server has no key with the token's `kid`"));
        };
        let claims = decode(token, &key.decoding, &key.validation).map_err(|error| match error.kind() {
            ErrorKind::InvalidAlgorithm => {
                refused(format!("tokens of this key are signed with {}", key.algorithm))
            }
            ErrorKind::Json(_) => refused("the token's claims are not a JSON object"),
            ErrorKind::Base64(_) => refused("a part of the token is not base64url: it was cut or changed"),
            _ => {
                refused("the token's signature does not match the server's key: another key signed the token")
            }
        })?;
        Ok(claims.claims)
    }

    /// Checks the claims, and returns the identity that they describe.
    fn identity(&self, claims: &Claims, now_unix_ms: u64) -> Result<Identity, AccessError> {
        let subject = text(claims, "sub")?.ok_or_else(|| missing("sub"))?;
        if subject.is_empty() || subject.len() > MAX_SUBJECT_BYTES {
            return Err(refused(format!("`sub` has 1 to {MAX_SUBJECT_BYTES} bytes")));
        }
        let tenant = self.tenant(text(claims, "tenant")?)?;
        let admin = match claims.get("admin") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(is_admin)) => *is_admin,
            Some(_) => return Err(refused("the token's `admin` is neither true nor false")),
        };
        let (subscribe, publish) = (patterns(claims, "subscribe")?, patterns(claims, "publish")?);
        let rights = Rights::default().subscribe(subscribe).publish(publish).admin(admin);
        if let Some(audience) = &self.audience {
            let is_named = match claims.get("aud") {
                Some(Value::String(one)) => one == audience,
                Some(Value::Array(several)) => several.iter().any(|one| one == audience.as_str()),
                _ => false,
            };
            if !is_named {
                return Err(refused("the token's `aud` does not name this server's audience"));
            }
        }
        if let Some(issuer) = &self.issuer
            && text(claims, "iss")? != Some(issuer)
        {
            return Err(refused("the token's `iss` is not the issuer that this server accepts"));
        }
        let issued_at = time(claims, "iat")?;
        let not_before = time(claims, "nbf")?;
        let expires_at = time(claims, "exp")?.ok_or_else(|| missing("exp"))?;
        // The times are checked last. Their codes tell a client that a later or fresher token would be accepted.
        for (claim, begins_at) in [("iat", issued_at), ("nbf", not_before)] {
            check_begun(claim, begins_at.unwrap_or_default(), expires_at, now_unix_ms)?;
        }
        if now_unix_ms >= expires_at {
            let message = "the token has expired; come back with a fresh one".to_owned();
            return Err(AccessError::expired(message));
        }
        // A browser holds no larger integer.
        let expires_at = Some(expires_at.min(MAX_REF));
        // A token without a time of issue is older than every revocation.
        let issued_at = issued_at.unwrap_or_default();
        Ok(Identity::new(subject, tenant).expires_at(expires_at).issued_at(issued_at).rights(rights))
    }

    fn tenant(&self, named: Option<&str>) -> Result<TenantId, AccessError> {
        match (named.map(TenantId::parse), &self.single_tenant) {
            (None, None) => Err(missing("tenant")),
            (None, Some(only)) => Ok(only.clone()),
            (Some(Err(error)), _) => Err(refused(format!("`tenant`: {error}"))),
            (Some(Ok(tenant)), Some(only)) if tenant != *only => {
                Err(refused("the token is for another tenant than this server's"))
            }
            (Some(Ok(tenant)), _) => Ok(tenant),
        }
    }
}

impl Authorize for JwtAccess {
    async fn authenticate(&self, credentials: &Credentials) -> Result<Identity, AccessError> {
        self.check(credentials.token.as_deref(), credentials.now_unix_ms)
    }
}

/// Checks that a token is valid already. The issuer's clock may be a little ahead of this server's.
fn check_begun(claim: &str, begins_at: u64, expires_at: u64, now_unix_ms: u64) -> Result<(), AccessError> {
    let ahead_ms = begins_at.saturating_sub(now_unix_ms);
    if ahead_ms <= CLOCK_AHEAD_MS {
        return Ok(());
    }
    if begins_at >= expires_at {
        return Err(refused(format!("the token is never valid: its `{claim}` is not before its `exp`")));
    }
    let message = format!(
        "the token is not valid yet: its `{claim}` is {} s ahead of this server's clock, and {} s are allowed; try again \
         later, and compare the clocks",
        ahead_ms.div_ceil(1000),
        CLOCK_AHEAD_MS / 1000
    );
    Err(AccessError::new(Code::TokenNotYetValid, message))
}

fn refused(message: impl Into<String>) -> AccessError {
    AccessError::unauthorized(message)
}

fn missing(claim: &str) -> AccessError {
    refused(format!("the token has no `{claim}`"))
}

fn text<'a>(claims: &'a Claims, name: &str) -> Result<Option<&'a str>, AccessError> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(refused(format!("the token's `{name}` is not a string"))),
    }
}

/// Reads a NumericDate (seconds, perhaps with a fraction), and returns milliseconds since 1970.
fn time(claims: &Claims, name: &str) -> Result<Option<u64>, AccessError> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(seconds)) => match (seconds.as_u64(), seconds.as_f64()) {
            (Some(seconds), _) => Ok(Some(seconds.saturating_mul(1000))),
            // The cast saturates: a time before 1970 becomes 0, a time too far away the largest number.
            (None, Some(seconds)) => Ok(Some((seconds * 1000.0) as u64)),
            (None, None) => Err(refused(format!("the token's `{name}` is not a time"))),
        },
        Some(_) => Err(refused(format!("the token's `{name}` is not a number of seconds"))),
    }
}

fn patterns(claims: &Claims, name: &str) -> Result<Vec<TopicPattern>, AccessError> {
    let fault = |reason: String| refused(format!("the token's `{name}`: {reason}"));
    let list = match claims.get(name) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(fault("not a list of patterns".to_owned())),
    };
    let parse = |item: &Value| match item {
        Value::String(text) => text.parse().map_err(|error| fault(format!("{error}"))),
        _ => Err(fault("not a list of strings".to_owned())),
    };
    list.iter().map(parse).collect()
}

#[cfg(test)]
mod tests;
