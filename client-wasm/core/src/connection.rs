//! Where a client stands on its way to a session.

use super::{
    ConnectionId, Now, Status,
    limits::{CONNECT_TIMEOUT_MS, MAX_HEARTBEAT_MS, TOKEN_TIMEOUT_MS, WATCHDOG_GRACE_MS},
    refresh::Refresh,
};

/// The states of a connection.
#[derive(Debug)]
pub(crate) enum Connection {
    /// Nothing was asked for.
    Idle,
    /// Until the next attempt, or to be woken.
    Waiting { until_ms: Option<u64> },
    /// On the way.
    Trying { id: ConnectionId, stage: Stage, deadline_ms: u64 },
    /// Welcomed.
    Open { id: ConnectionId, since_ms: u64, silence_ms: u64, dead_ms: u64, refresh: Refresh },
    /// For good.
    Closed,
}

/// What an attempt waits for.
#[derive(Debug)]
pub(crate) enum Stage {
    /// The user's token.
    Token,
    /// The WebSocket.
    Socket,
    /// The server's welcome; frames may be sent already.
    Welcome,
}

impl Connection {
    #[inline]
    pub(crate) fn waiting_for_token(id: ConnectionId, now: Now) -> Self {
        Self::Trying { id, stage: Stage::Token, deadline_ms: now.ms.saturating_add(TOKEN_TIMEOUT_MS) }
    }

    #[inline]
    pub(crate) fn waiting_for_socket(id: ConnectionId, now: Now) -> Self {
        Self::Trying { id, stage: Stage::Socket, deadline_ms: now.ms.saturating_add(CONNECT_TIMEOUT_MS) }
    }

    #[inline]
    pub(crate) fn open(id: ConnectionId, heartbeat_ms: u64, refresh: Refresh, now: Now) -> Self {
        let silence_ms = heartbeat_ms.min(MAX_HEARTBEAT_MS) + WATCHDOG_GRACE_MS;
        Self::Open { id, since_ms: now.ms, silence_ms, dead_ms: now.ms.saturating_add(silence_ms), refresh }
    }

    /// Something was heard from the server.
    pub(crate) fn heard(&mut self, now: Now) {
        if let Self::Open { silence_ms, dead_ms, .. } = self {
            *dead_ms = now.ms.saturating_add(*silence_ms);
        }
    }

    /// Whether there is a connection, or an attempt at one.
    pub(crate) fn has_begun(&self) -> bool {
        matches!(self, Self::Trying { .. } | Self::Open { .. })
    }

    /// The connection that frames can be sent on.
    #[inline]
    pub(crate) fn sendable(&self) -> Option<ConnectionId> {
        match self {
            Self::Trying { id, stage: Stage::Welcome, .. } | Self::Open { id, .. } => Some(*id),
            _ => None,
        }
    }

    /// The connection that has a WebSocket, or will have one as soon as the driver comes to it.
    #[inline]
    pub(crate) fn socket(&self) -> Option<ConnectionId> {
        match self {
            Self::Trying { id, stage: Stage::Socket, .. } => Some(*id),
            _ => self.sendable(),
        }
    }

    /// When something is due that nobody else brings about.
    #[inline]
    pub(crate) fn timeout_ms(&self) -> Option<u64> {
        match self {
            Self::Idle | Self::Closed => None,
            Self::Waiting { until_ms } => *until_ms,
            Self::Trying { deadline_ms, .. } => Some(*deadline_ms),
            Self::Open { dead_ms, .. } => Some(*dead_ms),
        }
    }

    /// What is known of the token of an open session.
    pub(crate) fn refresh(&self) -> Option<&Refresh> {
        if let Self::Open { refresh, .. } = self { Some(refresh) } else { None }
    }

    pub(crate) fn refresh_mut(&mut self) -> Option<&mut Refresh> {
        if let Self::Open { refresh, .. } = self { Some(refresh) } else { None }
    }

    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Idle => Status::Idle,
            Self::Waiting { .. } => Status::Waiting,
            Self::Trying { .. } => Status::Connecting,
            Self::Open { .. } => Status::Open,
            Self::Closed => Status::Closed,
        }
    }
}
