//! Access: who a client is, and what it may do. The server asks, and the application answers.

use std::fmt;

use tidings_shared::{Code, TopicName};

use crate::{TenantId, TopicPattern};

/// A client's identity and rights, as its token states them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The subject: the token's owner.
    pub subject: String,
    /// The tenant. It comes from the verified token, and from nowhere else.
    pub tenant: TenantId,
    /// When the token expires, in milliseconds since 1970.
    pub expires_at: Option<u64>,
    /// When the token was issued, in milliseconds since 1970. A token that was issued after its subject was
    /// [revoked](crate::Revoke) is accepted again.
    pub issued_at: Option<u64>,
    /// The bytes at the start of the token that identify it. `None` means all bytes. Some signatures are malleable:
    /// they have more than one valid form, and the token is the same in all forms.
    pub signed_bytes: Option<usize>,
    /// The rights that the token gives.
    pub rights: Rights,
}

impl Identity {
    /// Returns an identity without rights, with a token that does not expire.
    pub fn new(subject: impl Into<String>, tenant: TenantId) -> Self {
        let (expires_at, issued_at, signed_bytes) = (None, None, None);
        Self {
            subject: subject.into(),
            tenant,
            expires_at,
            issued_at,
            signed_bytes,
            rights: Rights::default(),
        }
    }
}

/// The rights of a token. A list without entries gives no right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// The topics that it may subscribe to.
    pub subscribe: Vec<TopicPattern>,
    /// The topics that it may publish to.
    pub publish: Vec<TopicPattern>,
    /// It may revoke subjects and sessions of its tenant.
    pub admin: bool,
}

/// Why a token was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessError {
    /// [`Code::Unauthorized`], [`Code::TokenExpired`] or [`Code::TokenNotYetValid`].
    pub code: Code,
    /// A sentence for people. It does not quote the token.
    pub message: String,
}

/// Decides who may do what. The server asks at each hello, subscribe and publish. Its thread waits for the answer, so
/// an implementation must not block.
pub trait Authorize: fmt::Debug + Send + Sync + 'static {
    /// Verifies a token, and returns the identity that it states.
    ///
    /// `now_unix_ms` is the time in milliseconds since 1970.
    ///
    /// # Errors
    /// The token is missing or not valid.
    fn authenticate(&self, token: Option<&str>, now_unix_ms: u64) -> Result<Identity, AccessError>;

    /// Returns whether this identity may subscribe to a topic. By default, its rights decide.
    fn may_subscribe(&self, identity: &Identity, topic: &TopicName) -> bool {
        identity.rights.subscribe.iter().any(|pattern| pattern.matches(topic))
    }

    /// Returns whether this identity may publish to a topic. By default, its rights decide.
    fn may_publish(&self, identity: &Identity, topic: &TopicName) -> bool {
        identity.rights.publish.iter().any(|pattern| pattern.matches(topic))
    }

    /// Returns whether this identity may revoke subjects and sessions of its tenant over HTTP. By default, its rights
    /// decide.
    fn may_revoke(&self, identity: &Identity) -> bool {
        identity.rights.admin
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
    fn authenticate(&self, _token: Option<&str>, now_unix_ms: u64) -> Result<Identity, AccessError> {
        // The time of issue is now, so a developer who tried a revocation can come back after it.
        Ok(Identity { issued_at: Some(now_unix_ms), ..Identity::new("developer", self.tenant.clone()) })
    }

    fn may_subscribe(&self, _identity: &Identity, _topic: &TopicName) -> bool {
        true
    }

    fn may_publish(&self, _identity: &Identity, _topic: &TopicName) -> bool {
        true
    }

    fn may_revoke(&self, _identity: &Identity) -> bool {
        true
    }
}
