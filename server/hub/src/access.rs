//! Who may do what. The server asks; an application answers.

use std::fmt;

use tidings_shared::{Code, TopicName};

use crate::{TenantId, TopicPattern};

/// Who a session is and what it may do, as its token said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Whose token it is.
    pub subject: String,
    /// The tenant; it comes from the verified token and nowhere else.
    pub tenant: TenantId,
    /// When the token ends, in milliseconds since 1970.
    pub expires_at: Option<u64>,
    /// When the token was issued, in milliseconds since 1970: one that was issued after its subject was
    /// [revoked](crate::Revoke) is taken again.
    pub issued_at: Option<u64>,
    /// Bytes of the token, from its start, that tell it from others, where these are not all of them: what comes behind may
    /// be written in another way and hold, as some signatures may, and is then the same token.
    pub signed_bytes: Option<usize>,
    /// What the token allows.
    pub rights: Rights,
}

impl Identity {
    /// Somebody without rights whose token does not end.
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

/// What a token allows: nothing, but for what is named here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// Topics that may be subscribed to.
    pub subscribe: Vec<TopicPattern>,
    /// Topics that may be published to.
    pub publish: Vec<TopicPattern>,
    /// Whether subjects and sessions of the tenant may be revoked.
    pub admin: bool,
}

/// Why a token was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessError {
    /// [`Code::Unauthorized`], [`Code::TokenExpired`] or [`Code::TokenNotYetValid`].
    pub code: Code,
    /// A sentence for people, which does not quote the token.
    pub message: String,
}

/// Decides who may do what. Asked on hello, subscribe, publish and resume; it must answer at once.
pub trait Authorize: fmt::Debug + Send + Sync + 'static {
    /// Reads a token.
    ///
    /// # Errors
    /// When there is none or it does not hold.
    fn authenticate(&self, token: Option<&str>, now_unix_ms: u64) -> Result<Identity, AccessError>;

    /// Whether this topic may be subscribed to; unless it is said otherwise, where the identity's rights say so.
    fn may_subscribe(&self, identity: &Identity, topic: &TopicName) -> bool {
        identity.rights.subscribe.iter().any(|pattern| pattern.matches(topic))
    }

    /// Whether this topic may be published to; unless it is said otherwise, where the identity's rights say so.
    fn may_publish(&self, identity: &Identity, topic: &TopicName) -> bool {
        identity.rights.publish.iter().any(|pattern| pattern.matches(topic))
    }

    /// Whether subjects and sessions of the identity's tenant may be revoked over HTTP; unless it is said otherwise, where
    /// the identity's rights say so.
    fn may_revoke(&self, identity: &Identity) -> bool {
        identity.rights.admin
    }
}

/// For development: everybody is welcome, without a token, to one tenant, with all rights. Only ever serve it on
/// loopback.
#[derive(Debug, Clone)]
pub struct DevAccess {
    tenant: TenantId,
}

impl DevAccess {
    /// Everybody gets into this tenant.
    pub fn new(tenant: TenantId) -> Self {
        Self { tenant }
    }
}

impl Authorize for DevAccess {
    fn authenticate(&self, _token: Option<&str>, now_unix_ms: u64) -> Result<Identity, AccessError> {
        // As if with a token of just now, so that whoever tries a revocation can come back after it.
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
