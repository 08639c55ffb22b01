//! Waits for revocations, at a bounded rate.

use std::future::poll_fn;

use tidings_hub::Watch;
use tidings_shared::limits::REVOCATION_INTERVAL;
use tokio::time::{Instant, sleep_until};

/// Tells of revocations at most once in [`REVOCATION_INTERVAL`]. A client that revokes without pause must not keep
/// every session busy.
#[derive(Debug)]
pub(crate) struct Revoked {
    watch: Watch,
    not_before: Instant,
}

impl Revoked {
    pub(crate) fn new(watch: Watch) -> Self {
        Self { watch, not_before: Instant::now() }
    }

    /// Waits until somebody has revoked something since the last call. Dropping the future loses nothing.
    pub(crate) async fn changed(&mut self) {
        if Instant::now() < self.not_before {
            sleep_until(self.not_before).await;
        }
        poll_fn(|cx| self.watch.poll_changed(cx)).await;
        self.not_before = Instant::now() + REVOCATION_INTERVAL;
    }
}

#[cfg(test)]
mod tests {
    use tidings_hub::{Host, Revoke, revocation::Revocations};

    use super::*;
    use crate::SystemHost;

    #[tokio::test(start_paused = true)]
    async fn the_first_revocation_is_told_at_once_and_the_next_after_the_interval() {
        let (revocations, now) = (Revocations::default(), SystemHost::start().now());
        let (acme, anna) = ("acme".parse().unwrap(), Revoke::Subject("anna".to_owned()));
        let mut revoked = Revoked::new(revocations.watch());
        let begun = Instant::now();
        for round in 0..3 {
            (0..100).for_each(|_| revocations.add(&acme, &anna, now).unwrap());
            revoked.changed().await;
            assert_eq!(begun.elapsed(), round * REVOCATION_INTERVAL);
        }
        revocations.add(&acme, &anna, now).unwrap();
        assert!(tokio::time::timeout(REVOCATION_INTERVAL / 2, revoked.changed()).await.is_err());
        revoked.changed().await;
        assert_eq!(begun.elapsed(), 3 * REVOCATION_INTERVAL, "a wait that was given up loses nothing");
    }
}
