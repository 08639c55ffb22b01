//! Keeps publishes and changes of topics below the server's rate limit, so that the server does not close the connection.

use tidings_shared::limits::FRAMES_PER_SECOND;

/// Milliseconds of frames that publishes may send at once. A server accepts a burst of two seconds; publishes get half of it.
const BURST_MS: u64 = 1_000;

/// Milliseconds of frames that may be sent at once with changes of topics. The rest of the burst is for pongs, which never
/// wait.
const CHANGES_BURST_MS: u64 = 1_500;

/// Counts the frames that were sent: each moves a point in time ahead by one interval.
#[derive(Debug)]
pub(crate) struct Pace {
    interval_ms: u64,
    ahead_ms: u64,
    /// The time at which the last changes of topics have cost no more than half of the rate.
    change_ms: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { interval_ms: interval_ms(FRAMES_PER_SECOND.into()), ahead_ms: 0, change_ms: 0 }
    }
}

impl Pace {
    /// Sets the rate that the server announced.
    #[inline]
    pub(crate) fn set_rate(&mut self, frames_per_second: u64) {
        self.interval_ms = interval_ms(frames_per_second);
    }

    /// Counts a frame that was sent.
    #[inline]
    pub(crate) fn sent(&mut self, now_ms: u64) {
        self.ahead_ms = self.ahead_ms.max(now_ms).saturating_add(self.interval_ms);
    }

    /// Returns when the next publish may be sent.
    #[inline]
    pub(crate) fn ready_ms(&self) -> u64 {
        self.ahead_ms.saturating_sub(BURST_MS)
    }

    /// Counts a frame that changes topics.
    #[inline]
    pub(crate) fn changed(&mut self, now_ms: u64) {
        self.change_ms = self.change_ms.max(now_ms).saturating_add(2 * self.interval_ms);
    }

    /// Returns when the next change of topics may be sent. Until then, changes add up to one frame. Beyond the burst for
    /// publishes, changes use at most half of the rate.
    #[inline]
    pub(crate) fn changes_ms(&self) -> u64 {
        self.ready_ms().min(self.ahead_ms.saturating_sub(CHANGES_BURST_MS).max(self.change_ms))
    }
}

fn interval_ms(frames_per_second: u64) -> u64 {
    1_000_u64.div_ceil(frames_per_second.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_one_second_is_free_and_then_the_rate_holds() {
        let mut pace = Pace::default();
        let (mut now_ms, mut sent_at) = (1_000_000, Vec::new());
        while sent_at.len() < 300 {
            if pace.ready_ms() <= now_ms {
                pace.sent(now_ms);
                sent_at.push(now_ms - 1_000_000);
            } else {
                now_ms = pace.ready_ms();
            }
        }
        assert_eq!(sent_at[100], 0);
        assert_eq!(sent_at[101], 10);
        assert_eq!(sent_at[299], 1_990);
    }

    #[test]
    fn a_rate_of_zero_counts_as_one_frame_per_second() {
        let mut pace = Pace::default();
        pace.set_rate(0);
        pace.sent(5_000);
        pace.sent(5_000);
        assert_eq!(pace.ready_ms(), 6_000);
    }
}
