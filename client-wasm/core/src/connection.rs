//! The state of a client's connection.

use super::{
    ConnectionId, Now, Status,
    limits::{CONNECT_TIMEOUT_MS, MAX_HEARTBEAT_MS, TOKEN_TIMEOUT_MS, WATCHDOG_GRACE_MS},
    refresh::Refresh,
};

/// The states of a connection.
#[derive(Debug)]
pub(crate) enum Connection {
    /// There is none, and nobody needs one.
    Idle,
    /// The client waits for the time of the next attempt, or without a time until the page wakes.
    Waiting { until_ms: Option<u64> },
    /// An attempt to connect runs.
    Trying { id: ConnectionId, stage: Stage, deadline_ms: u64 },
    /// The server has welcomed the client.
    Open {
        id: ConnectionId,
        since_ms: u64,
        silence_ms: u64,
        dead_ms: u64,
        refresh: Refresh,
        /// The server hears nothing from its journal.
        is_degraded: bool,
    },
    /// The client is closed for good.
    Closed,
}

/// What an attempt to connect waits for.
#[derive(Debug)]
pub(crate) enum Stage {
    /// A token from the user.
    Token,
    /// The WebSocket to open.
    Socket,
    /// The server's welcome. Frames may already be sent.
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
        let dead_ms = now.ms.saturating_add(silence_ms);
        Self::Open { id, since_ms: now.ms, silence_ms, dead_ms, refresh, is_degraded: false }
    }

    /// Notes that the server sent something.
    pub(crate) fn heard(&mut self, now: Now) {
        if let Self::Open { silence_ms, dead_ms, .. } = self {
            *dead_ms = now.ms.saturating_add(*silence_ms);
        }
    }

    /// Notes whether the server hears its journal.
    pub(crate) fn degraded(&mut self, degraded: bool) {
        if let Self::Open { is_degraded, .. } = self {
            *is_degraded = degraded;
        }
    }

    /// Returns whether there is a connection, or an attempt to connect.
    pub(crate) fn has_begun(&self) -> bool {
        matches!(self, Self::Trying { .. } | Self::Open { .. })
    }

    /// Returns the connection if it can carry frames.
    #[inline]
    pub(crate) fn sendable(&self) -> Option<ConnectionId> {
        match self {
            Self::Trying { id, stage: Stage::Welcome, .. } | Self::Open { id, .. } => Some(*id),
            _ => None,
        }
    }

    /// Returns the connection if the driver has opened a WebSocket for it, or is asked to open one.
    #[inline]
    pub(crate) fn socket(&self) -> Option<ConnectionId> {
        match self {
            Self::Trying { id, stage: Stage::Socket, .. } => Some(*id),
            _ => self.sendable(),
        }
    }

    /// Returns when the next attempt is due, or when the connection or the attempt counts as failed.
    #[inline]
    pub(crate) fn timeout_ms(&self) -> Option<u64> {
        match self {
            Self::Idle | Self::Closed => None,
            Self::Waiting { until_ms } => *until_ms,
            Self::Trying { deadline_ms, .. } => Some(*deadline_ms),
            Self::Open { dead_ms, .. } => Some(*dead_ms),
        }
    }

    /// Returns the token of an open session.
    pub(crate) fn refresh(&self) -> Option<&Refresh> {
        if let Self::Open { refresh, .. } = self { Some(refresh) } else { None }
    }

    pub(crate) fn refresh_mut(&mut self) -> Option<&mut Refresh> {
        if let Self::Open { refresh, .. } = self { Some(refresh) } else { None }
    }

    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Idle => Status::Idle,
            Self::Waiting { .. } => Status::Reconnecting,
            Self::Trying { .. } => Status::Connecting,
            Self::Open { is_degraded: true, .. } => Status::Degraded,
            Self::Open { .. } => Status::Open,
            Self::Closed => Status::Closed,
        }
    }
}
