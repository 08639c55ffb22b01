//! When a session gets a fresh token.
//!
//! The server says how many milliseconds a token still lives. So this client's time of day does not matter.
//!
//! The client asks the user for a fresh token at a random time, when half to three quarters of the token's life are over.
//! With a long life, it asks 10 to 5 minutes before the end. The time is random so that tabs which one server welcomed
//! together do not ask together. Each further attempt comes when half or more of the remaining time is over. That bounds the
//! number of attempts. After the last one, the server ends the session, and the client reconnects.

use super::{
    Now,
    limits::{REFRESH_MARGIN_MS, REFRESH_MIN_MS, TOKEN_TIMEOUT_MS},
};

/// The token of one session, and the attempts to replace it.
#[derive(Debug)]
pub(crate) struct Refresh {
    /// When the token ends. It is 0 if the token never ends.
    ends_ms: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The token never ends, or ends so soon that it is not replaced.
    Off,
    /// The user is asked at this time.
    Waiting { until_ms: u64 },
    /// The user was asked, and must answer before this time.
    Asked { until_ms: u64 },
    /// A fresh token was sent with this `ref`.
    Sent(u64),
}

impl Refresh {
    /// For a token that lives for so long; `None` if it never ends.
    pub(crate) fn new(life_ms: Option<u64>, now: Now) -> Self {
        let ends_ms = life_ms.map_or(0, |life| now.ms.saturating_add(life));
        let mut refresh = Self { ends_ms, state: State::Off };
        refresh.plan(now);
        refresh
    }

    /// Plans the next attempt, if there is time for one.
    pub(crate) fn plan(&mut self, now: Now) {
        let left_ms = self.ends_ms.saturating_sub(now.ms);
        self.state = if left_ms < REFRESH_MIN_MS {
            State::Off
        } else {
            let margin_ms = (left_ms / 4).min(REFRESH_MARGIN_MS);
            let jitter_ms = (margin_ms * u64::from(now.random)) >> u32::BITS;
            State::Waiting { until_ms: self.ends_ms - margin_ms - jitter_ms }
        };
    }

    /// Notes that the user is asked now.
    #[inline]
    pub(crate) fn asked(&mut self, now: Now) {
        self.state = State::Asked { until_ms: now.ms.saturating_add(TOKEN_TIMEOUT_MS) };
    }

    /// Notes that a fresh token is sent with this `ref`.
    #[inline]
    pub(crate) fn sent(&mut self, r#ref: u64) {
        self.state = State::Sent(r#ref);
    }

    /// Returns whether the user was asked and has not answered.
    pub(crate) fn is_asked(&self) -> bool {
        matches!(self.state, State::Asked { .. })
    }

    /// Returns whether the server has not answered a token yet: the one with this `ref`, or any.
    #[inline]
    pub(crate) fn is_sent(&self, r#ref: Option<u64>) -> bool {
        matches!(self.state, State::Sent(sent) if r#ref.is_none_or(|r#ref| r#ref == sent))
    }

    /// Returns when to ask, or when the user's time for the answer is over.
    #[inline]
    pub(crate) fn timeout_ms(&self) -> Option<u64> {
        match self.state {
            State::Waiting { until_ms } | State::Asked { until_ms } => Some(until_ms),
            State::Off | State::Sent(_) => None,
        }
    }
}
