//! When the token of a session is replaced by a fresh one.
//!
//! The server says how long a token still lives, so that this side's idea of the time of day plays no part. The user is
//! asked when half to three quarters of that are over, drawn at random, so that the tabs which one server welcomed at the
//! same time do not ask together; of a long life, when 10 to 5 minutes are left. Half of what is left then is left for the
//! next attempt, and so on, which bounds their number. After the last, the server ends the session, and the client comes
//! back.

use super::{
    Now,
    limits::{REFRESH_MARGIN_MS, REFRESH_MIN_MS, TOKEN_TIMEOUT_MS},
};

/// What is known of the token of one session.
#[derive(Debug)]
pub(crate) struct Refresh {
    /// When the token ends; long ago when it does not.
    ends_ms: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The token does not end, or is left to end.
    Off,
    /// Until the user is asked.
    Waiting { until_ms: u64 },
    /// The user was asked; nobody waits longer than this for the answer.
    Asked { until_ms: u64 },
    /// A fresh one was sent with this `ref`.
    Sent(u64),
}

impl Refresh {
    /// The server has taken a token that lives for so long.
    pub(crate) fn new(life_ms: Option<u64>, now: Now) -> Self {
        let ends_ms = life_ms.map_or(0, |life| now.ms.saturating_add(life));
        let mut refresh = Self { ends_ms, state: State::Off };
        refresh.again(now);
        refresh
    }

    /// Asks when it is time, or not again.
    pub(crate) fn again(&mut self, now: Now) {
        let left_ms = self.ends_ms.saturating_sub(now.ms);
        self.state = if left_ms < REFRESH_MIN_MS {
            State::Off
        } else {
            let margin_ms = (left_ms / 4).min(REFRESH_MARGIN_MS);
            let jitter_ms = (margin_ms * u64::from(now.random)) >> u32::BITS;
            State::Waiting { until_ms: self.ends_ms - margin_ms - jitter_ms }
        };
    }

    /// The user is asked.
    #[inline]
    pub(crate) fn asked(&mut self, now: Now) {
        self.state = State::Asked { until_ms: now.ms.saturating_add(TOKEN_TIMEOUT_MS) };
    }

    /// A fresh token is sent.
    #[inline]
    pub(crate) fn sent(&mut self, r#ref: u64) {
        self.state = State::Sent(r#ref);
    }

    /// Whether the user was asked and has not answered.
    pub(crate) fn is_asked(&self) -> bool {
        matches!(self.state, State::Asked { .. })
    }

    /// Whether a token that was sent, with this `ref` or any, is not answered.
    #[inline]
    pub(crate) fn is_sent(&self, r#ref: Option<u64>) -> bool {
        matches!(self.state, State::Sent(sent) if r#ref.is_none_or(|r#ref| r#ref == sent))
    }

    /// When to ask, or to wait for an answer no longer.
    #[inline]
    pub(crate) fn timeout_ms(&self) -> Option<u64> {
        match self.state {
            State::Waiting { until_ms } | State::Asked { until_ms } => Some(until_ms),
            State::Off | State::Sent(_) => None,
        }
    }
}
