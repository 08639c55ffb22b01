//! How long to wait before the next connection.

use super::{
    Now,
    limits::{BACKOFF_FIRST_MS, BACKOFF_MAX_MS, BACKOFF_SPREAD_MS},
};

/// Full jitter: a wait is drawn evenly between nothing and a ceiling that doubles with each failure, so that clients
/// which lost the same server do not come back in step.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    /// The least ceiling.
    spread_ms: u64,
    /// What a server that went away asked for.
    not_before_ms: u64,
}

impl Backoff {
    /// A session was lost, perhaps with those of many others, and each attempt costs a backend a token.
    #[inline]
    pub(crate) fn spread(&mut self) {
        self.spread_ms = BACKOFF_SPREAD_MS;
    }

    /// A session was healthy: the next wait is short again.
    #[inline]
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Whether there was a failure since the last reset.
    pub(crate) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// A server asked this client to stay away until then.
    pub(crate) fn not_before(&mut self, ms: u64) {
        self.not_before_ms = ms;
    }

    /// Counts a failure and says when to try again.
    pub(crate) fn next_ms(&mut self, now: Now) -> u64 {
        let ceiling = BACKOFF_FIRST_MS.saturating_mul(1 << self.failures.min(16)).min(BACKOFF_MAX_MS);
        self.failures = self.failures.saturating_add(1);
        self.drawn_ms(ceiling.max(self.spread_ms), now)
    }

    /// Says when to try again for somebody who waits for it, as at the first failure.
    #[inline]
    pub(crate) fn soon_ms(&mut self, now: Now) -> u64 {
        self.failures = 1;
        self.drawn_ms(BACKOFF_FIRST_MS, now)
    }

    fn drawn_ms(&self, ceiling: u64, now: Now) -> u64 {
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
    fn waits_are_spread_from_nothing_to_a_ceiling_that_doubles_up_to_20_seconds() {
        assert_eq!(waits(0), [0; 10]);
        let longest = [249, 499, 999, 1_999, 3_999, 7_999, 15_999, 19_999, 19_999, 19_999];
        assert_eq!(waits(u32::MAX), longest);
        assert_eq!(waits(u32::MAX / 2)[..3], [124, 249, 499]);
    }

    #[test]
    fn where_an_attempt_costs_a_token_no_ceiling_is_below_two_seconds_unless_somebody_waits() {
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
    fn the_time_that_a_server_asked_for_is_waited_out() {
        let mut backoff = Backoff::default();
        backoff.not_before(9_000);
        assert_eq!(backoff.next_ms(Now { ms: 5_000, random: u32::MAX }), 9_000);
        assert_eq!(backoff.next_ms(Now { ms: 8_900, random: u32::MAX }), 9_399);
    }
}
