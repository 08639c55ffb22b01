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
        // A bucket that a wait has filled further does not shrink.
        let most = self.frames.max(per_second * 2.0);
        self.frames = (self.frames + since * per_second).min(most);
        self.refilled = now;
        let has_one = self.frames >= 1.0;
        if has_one {
            self.frames -= 1.0;
        }
        has_one
    }

    /// Adds the frames that may have come while the session read nothing for this long. However many waits there are, a
    /// burst has no more frames than one such wait adds.
    pub(super) fn wait(&mut self, per_second: u32, waited: Duration, now: Duration) {
        let per_second = f64::from(per_second);
        let since = now.saturating_sub(self.refilled).as_secs_f64();
        let most = self.frames.max(per_second * (2.0 + waited.as_secs_f64()));
        self.frames = (self.frames + since * per_second).min(most);
        self.refilled = now;
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

    #[test]
    fn the_frames_that_came_during_a_wait_are_in_the_budget_once() {
        let mut budget = Budget::new(100, Duration::ZERO);
        let wait = |budget: &mut Budget, now_ms| {
            budget.wait(100, Duration::from_secs(3), Duration::from_millis(now_ms));
        };
        wait(&mut budget, 3_000);
        assert_eq!(takes(&mut budget, 3_000), 500);
        assert_eq!(takes(&mut budget, 60_000), 200, "without a wait it is as before");
        (70_000..100_000).step_by(3_000).for_each(|now| wait(&mut budget, now));
        assert_eq!(takes(&mut budget, 100_000), 500, "many waits save no more up than one");
    }
}
