//! The troubles of a journal: it is slow, cut off, set back, trimmed too early, or changed by somebody else.

use crate::{
    access::tenant,
    invariant::Check,
    world::{Event, World},
};

/// A trouble that lasts for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    CutOff,
    Damaged,
}

/// The time after a trouble in which a node may still suffer from it, in milliseconds: the longest pause of a driver, and some
/// turns.
const AFTER_MS: u64 = 2_500;

/// The longest pause of a tenant that was damaged, in milliseconds.
const LONGEST_PAUSE_MS: u64 = 30_000;

impl World {
    /// Something happens to the nodes or to their journal.
    pub(crate) fn trouble(&mut self) -> Check {
        let Some(cluster) = self.config.cluster else { return Ok(()) };
        if self.rng.percent(cluster.rollback_percent) {
            return self.set_back();
        }
        let node = self.rng.index(self.nodes.len());
        let down_ms = self.rng.below(3_000);
        match self.rng.below(100) {
            0..25 => self.kill(node, down_ms),
            25..35 => self.stop(node, down_ms),
            35..43 => {
                self.stats.count("crash of all nodes");
                (0..self.nodes.len()).try_for_each(|node| self.kill(node, down_ms))
            }
            43..60 => {
                let all = self.rng.percent(40);
                let nodes = if all { 0..self.nodes.len() } else { node..node + 1 };
                // A few times it takes longer than a publish, a load and a client wait.
                let ms = *self.rng.pick(&[50, 400, 2_000, 6_000, 15_000]);
                nodes.for_each(|node| self.cut_off(node, ms));
                Ok(())
            }
            60..67 => {
                let (index, ms) =
                    (self.rng.index(self.config.tenants), *self.rng.pick(&[400, 4_000, 14_000, 30_000]));
                self.say(|| format!("node {node}: tenant {index} is damaged for {ms} ms"));
                self.stats.count("damaged tenant");
                self.suffers(node, ms + LONGEST_PAUSE_MS);
                self.database.fault(node, |faults| faults.damaged = Some(tenant(index)));
                self.after(ms, Event::Relief { node, trouble: Trouble::Damaged });
                Ok(())
            }
            67..74 => {
                let count = 1 + self.rng.below(3) as u32;
                self.say(|| format!("node {node}: the journal loses {count} answers"));
                self.stats.count("answer of the journal lost");
                self.suffers(node, 1_000);
                self.database.fault(node, |faults| faults.lost_answers = count);
                Ok(())
            }
            74..80 => {
                let (ms, until) = (*self.rng.pick(&[100, 1_000, 4_000]), self.now + 3_000);
                self.say(|| format!("node {node}: the journal takes up to {ms} ms"));
                self.stats.count("slow journal");
                // A client waits longer than a second.
                if ms > 1_000 {
                    self.suffers(node, 3_000 + ms);
                }
                self.nodes[node].slow = crate::node::Slow { until, ms };
                Ok(())
            }
            80..90 => {
                let (index, left) = (self.rng.index(self.config.tenants), self.rng.index(4));
                self.say(|| format!("tenant {index}: the journal is trimmed to {left}"));
                self.stats.count("trimmed too early");
                self.database.trim_to(&tenant(index), left);
                Ok(())
            }
            _ => {
                let (index, epoch) = (self.rng.index(self.config.tenants), self.rng.next() >> 20);
                self.say(|| format!("tenant {index}: another node renews the epoch"));
                self.stats.count("renewed by another node");
                self.database.renew(&tenant(index), epoch);
                self.follow_journal()?;
                self.will_be_noticed();
                Ok(())
            }
        }
    }

    /// The journal loses its newest entries, or is replaced by an old copy. The nodes run, or not.
    fn set_back(&mut self) -> Check {
        if self.rng.percent(40) {
            self.say(|| "the journal is copied".to_owned());
            self.database.copy();
            return Ok(());
        }
        match self.rng.below(3) {
            0 => (0..self.nodes.len()).try_for_each(|node| self.kill(node, 500))?,
            1 => self.kill(0, 500)?,
            _ => {}
        }
        let is_suffix = self.rng.percent(50);
        if is_suffix {
            let rng = &mut self.rng;
            self.database.lose_suffix(|count| rng.index(count.min(6) + 1));
        } else if !self.database.restore(|count| self.rng.index(count)) {
            return Ok(());
        }
        self.say(|| format!("the journal is set back, only by its newest entries: {is_suffix}"));
        self.stats.count(if is_suffix { "suffix lost" } else { "old copy restored" });
        if self.nodes.iter().any(|node| node.is_up) {
            self.stats.count("set back under a running node");
        }
        // What was revoked since may be lost. Something is revoked soon after.
        self.obliged.clear();
        self.after(1_500, Event::Revoke);
        self.follow_journal()?;
        self.will_be_noticed();
        Ok(())
    }

    pub(crate) fn cut_all_off(&mut self) -> Check {
        (0..self.nodes.len()).for_each(|node| self.cut_off(node, 15_000));
        Ok(())
    }

    fn cut_off(&mut self, node: usize, ms: u64) {
        self.say(|| format!("node {node}: the journal is cut off for {ms} ms"));
        self.stats.count("journal cut off");
        self.suffers(node, ms);
        self.database.fault(node, |faults| faults.is_cut_off = true);
        self.after(ms, Event::Relief { node, trouble: Trouble::CutOff });
    }

    fn suffers(&mut self, node: usize, ms: u64) {
        let until = self.now + ms + AFTER_MS;
        let node = &mut self.nodes[node];
        node.troubled_until = node.troubled_until.max(until);
    }

    pub(crate) fn relieve(&mut self, node: usize, trouble: Trouble) -> Check {
        self.database.fault(node, |faults| match trouble {
            Trouble::CutOff => faults.is_cut_off = false,
            Trouble::Damaged => faults.damaged = None,
        });
        Ok(())
    }

    /// Ends all troubles that have no end of their own.
    pub(crate) fn relieve_all(&mut self) {
        for node in 0..self.nodes.len() {
            self.database.fault(node, |faults| faults.lost_answers = 0);
            self.nodes[node].slow.until = 0;
        }
    }
}
