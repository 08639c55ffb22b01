//! The rate limit of a session's frames.

use std::time::Duration;

/// A token bucket: `frames_per_second`, with bursts of twice as many.
#[derive(Debug)]
pub(super) struct Budget {
    frames: f64,
    refilled: Duration,
}

impl Budget {
    /// Returns a full bucket.
    pub(super) fn new(per_second: u32, now: Duration) -> Self {
        Self { frames: f64::from(per_second) * 2.0, refilled: now }
    }

    /// Takes one frame from the bucket. Returns whether there was one.
    pub(super) fn take(&mut self, per_second: u32, now: Duration) -> bool {
        let per_second = f64::from(per_second);
        let since = now.saturating_sub(self.refilled).as_secs_f64();
        self.frames = (self.frames + since * per_second).min(per_second * 2.0);
        self.refilled = now;
        let has_one = self.frames >= 1.0;
        if has_one {
            self.frames -= 1.0;
        }
        has_one
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(budget: &mut Budget, now_ms: u64) -> usize {
        (0..1_000).take_while(|_| budget.take(100, Duration::from_millis(now_ms))).count()
    }

    #[test]
    fn a_burst_has_twice_the_rate_and_not_one_more_and_then_the_rate_goes_on() {
        let mut budget = Budget::new(100, Duration::ZERO);
        assert_eq!(takes(&mut budget, 0), 200);
        assert_eq!(takes(&mut budget, 5), 0, "not yet a whole one");
        assert_eq!(takes(&mut budget, 16), 1);
        assert_eq!(takes(&mut budget, 1_016), 100);
        assert_eq!(takes(&mut budget, 60_000), 200, "no more is saved up");
    }
}
