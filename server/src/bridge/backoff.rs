//! The pauses between two tries. Pure: the random number is an argument.

use std::time::Duration;

/// Pauses that double, up to a longest one. Each is shorter by a random part, up to a half: so several nodes that have lost
/// the same store do not come back at the same moment.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// Returns the pause before the next try.
    pub(super) fn pause(&mut self, random: u64) -> Duration {
        let half = self.next / 2;
        self.next = (2 * self.next).min(self.longest);
        half + half.mul_f64(random as f64 / u64::MAX as f64)
    }

    /// Begins again with the first pause.
    pub(super) fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_chance_takes_at_most_half() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(50), ms(300));
        let longest: Vec<Duration> = (0..5).map(|_| backoff.pause(u64::MAX)).collect();
        assert_eq!(longest, [ms(50), ms(100), ms(200), ms(300), ms(300)]);
        backoff.reset();
        let shortest: Vec<Duration> = (0..5).map(|_| backoff.pause(0)).collect();
        assert_eq!(shortest, [ms(25), ms(50), ms(100), ms(150), ms(150)]);
    }
}
