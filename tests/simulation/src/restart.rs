//! Restarts of the server, with its logs or without.

use std::time::Duration;

use crate::{
    access::tenant,
    invariant::{Check, holds},
    link::Side,
    node::EPOCH,
    reference::Asked,
    world::{Event, World},
};

/// The effect of a restart on the logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restart {
    /// Only the sessions end.
    Kept,
    /// The logs are lost.
    Lost,
    /// The logs lose their newest entries, keep their epochs, and grow again with other entries.
    RolledBack,
}

impl World {
    /// Stops the server with all of its sessions, and schedules its start.
    pub(crate) fn restart(&mut self, how: Restart) -> Check {
        self.say(|| format!("the server goes down; logs: {how:?}"));
        self.stats.count(match how {
            Restart::Kept => "restart",
            Restart::Lost => "log lost",
            Restart::RolledBack => "rolled back",
        });
        self.nodes[0].is_up = false;
        let down_ms = self.rng.below(3_000);
        self.after(down_ms, Event::Up { node: 0 });
        if self.rng.percent(30) {
            self.drain()?;
        }
        let links: Vec<u64> = self.links.keys().copied().collect();
        for link in links {
            self.leaves_shard(link);
            self.tear(link, Side::Peer, 200);
        }
        self.shards_are_empty(0)?;
        self.start_shards(0);
        match how {
            Restart::Kept => Ok(()),
            Restart::Lost => {
                // A second crash soon after the first meets a log with few entries.
                if self.rng.percent(70) {
                    let later = self.rng.below(1_500);
                    self.after(down_ms + later, Event::Crash);
                }
                self.nodes[0].renew_hub();
                (0..self.config.tenants).for_each(|tenant| self.reference.lost(tenant));
                Ok(())
            }
            Restart::RolledBack => self.roll_back(),
        }
    }

    /// Drains every session.
    fn drain(&mut self) -> Check {
        let links: Vec<u64> = self.links.keys().copied().collect();
        for link in links {
            let retry_after = Duration::from_millis(self.rng.below(2_000));
            self.act(link, |session| session.handle_drain(retry_after));
            self.pump(link)?;
        }
        Ok(())
    }

    /// Removes the newest entries of every log, keeps its epoch, and publishes the same events again with other keys.
    fn roll_back(&mut self) -> Check {
        let next_epoch = EPOCH.get();
        self.nodes[0].renew_hub();
        let mut again = Vec::new();
        for index in 0..self.config.tenants {
            let Some(history) = self.reference.history(index) else { continue };
            let (epoch, head) = (history.epoch, history.head());
            let keep = head - self.rng.below(head.min(6) + 1);
            EPOCH.set(epoch);
            drop(self.nodes[0].hub.tenant(&tenant(index)).subscribe_raw(&[]));
            let lost = self.reference.roll_back(index, keep);
            for (asked, offset) in self.reference.asked(index).iter().zip(1..) {
                let position = self.nodes[0].publish(index, asked);
                let is_same = position.as_ref().is_ok_and(|position| position.offset == offset);
                holds!(is_same, Acknowledged, "entry {offset} of the log is now {position:?}");
            }
            self.look_at_ring(index);
            again.extend(lost.into_iter().map(|asked| (index, asked)));
        }
        EPOCH.set(next_epoch);
        for (tenant, lost) in again {
            let asked = Asked { key: self.rng.uuid(), moment: self.moment(), ..lost };
            self.publish_at_hub(tenant, asked)?;
        }
        Ok(())
    }

    pub(crate) fn up(&mut self) -> Check {
        self.say(|| "the server is up".to_owned());
        self.nodes[0].is_up = true;
        self.start_fan_outs(0);
        Ok(())
    }
}
