//! The back-off: how long to wait before the next attempt.

use super::{
    Now,
    limits::{BACKOFF_FIRST_MS, BACKOFF_MAX_MS, BACKOFF_SPREAD_MS},
};

/// Exponential back-off with full jitter: each wait is a random part of a ceiling, and the ceiling doubles with each
/// failure. So clients that lost the same server do not reconnect in step.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    /// The lowest ceiling.
    spread_ms: u64,
    /// The server that went away asked the client not to reconnect before this time.
    not_before_ms: u64,
}

impl Backoff {
    /// Raises the lowest ceiling to [`BACKOFF_SPREAD_MS`]. For the loss of a session where each attempt needs a token: many
    /// clients may have lost theirs at the same time, and one backend makes all the tokens.
    #[inline]
    pub(crate) fn spread(&mut self) {
        self.spread_ms = BACKOFF_SPREAD_MS;
    }

    /// Makes the next wait short again.
    #[inline]
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Returns whether there was a failure since the last reset.
    pub(crate) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// Makes all waits end at this time or later.
    pub(crate) fn not_before(&mut self, ms: u64) {
        self.not_before_ms = ms;
    }

    /// Counts a failure, and returns when to try again.
    pub(crate) fn next_ms(&mut self, now: Now) -> u64 {
        let ceiling = BACKOFF_FIRST_MS.saturating_mul(1 << self.failures.min(16)).min(BACKOFF_MAX_MS);
        self.failures = self.failures.saturating_add(1);
        self.random_ms(ceiling.max(self.spread_ms), now)
    }

    /// Returns when to try again for a person who is looking at the page: as soon as after the first failure.
    #[inline]
    pub(crate) fn soon_ms(&mut self, now: Now) -> u64 {
        self.failures = 1;
        self.random_ms(BACKOFF_FIRST_MS, now)
    }

    fn random_ms(&self, ceiling: u64, now: Now) -> u64 {
        let wait = (ceiling * u64::from(now.random)) >> u32::BITS;
        now.ms.saturating_add(wait).max(self.not_before_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(random: u32) -> Vec<u64> {
        let mut backoff = Backoff::default();
        (0..10).map(|_| backoff.next_ms(Now { ms: 1_000, random }) - 1_000).collect()
    }

    #[test]
    fn waits_are_spread_from_zero_to_a_ceiling_that_doubles_up_to_20_seconds() {
        assert_eq!(waits(0), [0; 10]);
        let longest = [249, 499, 999, 1_999, 3_999, 7_999, 15_999, 19_999, 19_999, 19_999];
        assert_eq!(waits(u32::MAX), longest);
        assert_eq!(waits(u32::MAX / 2)[..3], [124, 249, 499]);
    }

    #[test]
    fn when_an_attempt_costs_a_token_no_ceiling_is_below_two_seconds_unless_somebody_is_looking() {
        let mut backoff = Backoff::default();
        backoff.spread();
        let now = Now { ms: 1_000, random: u32::MAX };
        let longest: Vec<u64> = (0..6).map(|_| backoff.next_ms(now) - 1_000).collect();
        assert_eq!(longest, [1_999, 1_999, 1_999, 1_999, 3_999, 7_999]);
        assert_eq!([backoff.soon_ms(now), backoff.next_ms(now)], [1_249, 2_999]);
        let mut backoff = Backoff::default();
        assert_eq!([backoff.soon_ms(now), backoff.next_ms(now)], [1_249, 1_499]);
        backoff.not_before(9_000);
        assert_eq!(backoff.soon_ms(now), 9_000);
    }

    #[test]
    fn a_reset_makes_the_next_wait_short_again() {
        let mut backoff = Backoff::default();
        for _ in 0..1_000 {
            backoff.next_ms(Now { ms: 0, random: 0 });
        }
        backoff.reset();
        assert_eq!(backoff.next_ms(Now { ms: 0, random: u32::MAX }), 249);
    }

    #[test]
    fn no_wait_ends_before_the_time_that_a_server_asked_for() {
        let mut backoff = Backoff::default();
        backoff.not_before(9_000);
        assert_eq!(backoff.next_ms(Now { ms: 5_000, random: u32::MAX }), 9_000);
        assert_eq!(backoff.next_ms(Now { ms: 8_900, random: u32::MAX }), 9_399);
    }
}
