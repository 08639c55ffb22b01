//! Keeps publishes and changes of topics under the rate that the server allows, so that neither costs the connection.

use tidings_shared::limits::FRAMES_PER_SECOND;

/// Half of the burst that a server takes (which is two seconds' worth) is for publishes.
const BURST_MS: u64 = 1_000;

/// Changes of topics may go on for so much longer; what is left of the burst is for pongs, which do not wait.
const CHANGES_BURST_MS: u64 = 1_500;

/// The frames that were sent, as a point in time that runs ahead of the clock by one interval for each.
#[derive(Debug)]
pub(crate) struct Pace {
    interval_ms: u64,
    ahead_ms: u64,
    /// When half of the rate has made up for the last changes of topics.
    change_ms: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { interval_ms: interval_ms(FRAMES_PER_SECOND.into()), ahead_ms: 0, change_ms: 0 }
    }
}

impl Pace {
    /// The server said what it takes.
    #[inline]
    pub(crate) fn announced(&mut self, frames_per_second: u64) {
        self.interval_ms = interval_ms(frames_per_second);
    }

    /// A frame was sent.
    #[inline]
    pub(crate) fn sent(&mut self, now_ms: u64) {
        self.ahead_ms = self.ahead_ms.max(now_ms).saturating_add(self.interval_ms);
    }

    /// When the next publish may be sent.
    #[inline]
    pub(crate) fn ready_ms(&self) -> u64 {
        self.ahead_ms.saturating_sub(BURST_MS)
    }

    /// A frame that changes topics was sent.
    #[inline]
    pub(crate) fn changed(&mut self, now_ms: u64) {
        self.change_ms = self.change_ms.max(now_ms).saturating_add(2 * self.interval_ms);
    }

    /// When the next change of topics may be sent; until then changes add up to one. Beyond the burst for publishes,
    /// they leave these their half of the rate.
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
    fn a_rate_of_nothing_is_taken_as_one_frame_per_second() {
        let mut pace = Pace::default();
        pace.announced(0);
        pace.sent(5_000);
        pace.sent(5_000);
        assert_eq!(pace.ready_ms(), 6_000);
    }
}
