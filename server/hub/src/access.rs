//! Access: who a client is, and what it may do. A session asks questions. Its shell gets the answers from the
//! application, and hands them in.

use std::sync::Arc;

use tidings_shared::{Code, TopicName};

use crate::{TenantId, TopicPattern};

/// A client's identity and rights, as the application states them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// The subject: the owner of the token or of the login.
    pub subject: String,
    /// The tenant. It comes from the application's answer, and from nowhere else.
    pub tenant: TenantId,
    /// When the session must end unless it gets a new token, in milliseconds since 1970.
    pub expires_at: Option<u64>,
    /// When the token was issued, or when the login began, in milliseconds since 1970. A [revocation](crate::Revoke)
    /// of the subject refuses tokens and logins from before it, and lets later ones in. Without this time, the subject
    /// stays out as long as the hub remembers the revocation, also with a new login.
    pub issued_at: Option<u64>,
    /// The rights that the token gives.
    pub rights: Rights,
    /// Whether the application looks up the rights for each frame. If not, `rights` decides, and nobody is asked.
    pub is_looked_up: bool,
    /// What the client proved its identity with: the part of a token that its signature covers, or the id of a login.
    /// Revoking a session revokes its credential too. `None` means the whole token. Without a token and a credential, the
    /// client of a revoked session can open another one.
    ///
    /// The server keeps only a hash of it: questions about topics come without the credential.
    ///
    /// Some signatures are malleable: anybody can make a second valid signature. So a credential must not include one.
    pub credential: Option<String>,
    /// A name for people. Tidings carries it for operators, and decides nothing by it.
    pub display_name: Option<String>,
}

impl Identity {
    /// Returns an identity that does not expire. The application looks up its rights for each frame.
    pub fn new(subject: impl Into<String>, tenant: TenantId) -> Self {
        Self {
            subject: subject.into(),
            tenant,
            expires_at: None,
            issued_at: None,
            rights: Rights::default(),
            is_looked_up: true,
            credential: None,
            display_name: None,
        }
    }

    /// Sets [`Identity::expires_at`].
    #[must_use]
    pub fn expires_at(mut self, unix_ms: impl Into<Option<u64>>) -> Self {
        self.expires_at = unix_ms.into();
        self
    }

    /// Sets [`Identity::issued_at`].
    #[must_use]
    pub fn issued_at(mut self, unix_ms: impl Into<Option<u64>>) -> Self {
        self.issued_at = unix_ms.into();
        self
    }

    /// Sets [`Identity::rights`]. They decide alone, unless [`Identity::looked_up`] is called after this.
    #[must_use]
    pub fn rights(mut self, rights: Rights) -> Self {
        (self.rights, self.is_looked_up) = (rights, false);
        self
    }

    /// Sets [`Identity::is_looked_up`]: the application is asked about each frame.
    #[must_use]
    pub fn looked_up(mut self) -> Self {
        self.is_looked_up = true;
        self
    }

    /// Returns the rights, if they decide alone.
    pub fn final_rights(&self) -> Option<&Rights> {
        (!self.is_looked_up).then_some(&self.rights)
    }

    /// Sets [`Identity::credential`].
    #[must_use]
    pub fn credential(mut self, credential: impl Into<String>) -> Self {
        self.credential = Some(credential.into());
        self
    }

    /// Sets [`Identity::display_name`].
    #[must_use]
    pub fn display_name(mut self, name: impl Into<String>) -> Self {
        self.display_name = Some(name.into());
        self
    }
}

/// The rights of an identity. A list without entries gives no right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rights {
    /// The topics that it may subscribe to.
    pub subscribe: Vec<TopicPattern>,
    /// The topics that it may publish to.
    pub publish: Vec<TopicPattern>,
    /// It may revoke subjects, sessions and topics of its tenant.
    pub admin: bool,
}

impl Rights {
    /// Returns all rights in a tenant.
    pub fn all() -> Self {
        let all = vec![TopicPattern::all()];
        Self { subscribe: all.clone(), publish: all, admin: true }
    }

    /// Sets [`Rights::subscribe`].
    #[must_use]
    pub fn subscribe(mut self, topics: Vec<TopicPattern>) -> Self {
        self.subscribe = topics;
        self
    }

    /// Sets [`Rights::publish`].
    #[must_use]
    pub fn publish(mut self, topics: Vec<TopicPattern>) -> Self {
        self.publish = topics;
        self
    }

    /// Sets [`Rights::admin`].
    #[must_use]
    pub fn admin(mut self, admin: bool) -> Self {
        self.admin = admin;
        self
    }

    /// Returns whether these rights allow a subscription to a topic.
    pub fn may_subscribe(&self, topic: &TopicName) -> bool {
        self.subscribe.iter().any(|pattern| pattern.matches(topic))
    }

    /// Returns whether these rights allow a publish to a topic.
    pub fn may_publish(&self, topic: &TopicName) -> bool {
        self.publish.iter().any(|pattern| pattern.matches(topic))
    }
}

/// Why a client was refused, or why its rights are not known.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessError {
    /// The code on the wire.
    pub code: Code,
    /// A sentence for people. The client gets it, and logs may have it. So it quotes neither the token nor an error of a
    /// database.
    pub message: String,
}

impl AccessError {
    /// Returns a refusal with this code.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The token or the login is missing or not valid. The client gives up until it has another one.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(Code::Unauthorized, message)
    }

    /// The token or the login was valid, and has expired. The client comes back with a fresh one.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(Code::TokenExpired, message)
    }

    /// The application can't tell at the moment, because its database is away for example. The client tries again.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Code::Overloaded, message)
    }

    /// The application did not answer in time.
    pub fn late() -> Self {
        Self::unavailable("the application takes too long to check rights; try again later")
    }

    /// The application's code panicked.
    pub fn failed() -> Self {
        Self::new(Code::Internal, "the application failed while it checked the client's rights")
    }
}

/// A question of a session. Its shell answers with [`Session::handle_answer`](crate::Session::handle_answer).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Who is the client?
    Authenticate {
        /// The token of its hello, or its new token.
        token: Option<String>,
    },
    /// Which of these topics may the client subscribe to?
    Subscribe {
        /// The client.
        identity: Arc<Identity>,
        /// All topics of a frame, each once.
        topics: Vec<TopicName>,
    },
    /// Which of these topics may the client publish to?
    Publish {
        /// The client.
        identity: Arc<Identity>,
        /// All topics that the event reaches, each once.
        topics: Vec<TopicName>,
    },
}

impl Question {
    /// Answers a question about topics by the rights of its identity. Returns `None` for [`Question::Authenticate`].
    pub fn answer_by_rights(&self) -> Option<Answer> {
        let answers = match self {
            Self::Authenticate { .. } => return None,
            Self::Subscribe { identity, topics } => {
                topics.iter().map(|topic| identity.rights.may_subscribe(topic)).collect()
            }
            Self::Publish { identity, topics } => {
                topics.iter().map(|topic| identity.rights.may_publish(topic)).collect()
            }
        };
        Some(Answer::Topics(Ok(answers)))
    }
}

/// The answer to a [`Question`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The answer to [`Question::Authenticate`].
    Identity(Result<Identity, AccessError>),
    /// The answer to a question about topics: one for each topic, in order. A missing one means no.
    Topics(Result<Vec<bool>, AccessError>),
    /// The application's code panicked.
    Failed,
}
