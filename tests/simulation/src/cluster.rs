//! Nodes that share a journal: their drivers' turns, their crashes, and the answers to what they have published.
//!
//! The reference learns each entry from the journal, and not from an answer. So an answer must name an entry that the journal
//! has at that moment.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tidings_hub::{
    Driver, Hub, HubSettings, Moment, PublishError, PublishOptions, Published, Publishing, Revoke, Revoking,
    Syncing, Turn,
    journal::{Content, Entry},
};
use tidings_shared::TopicName;
use uuid::Uuid;

use crate::{
    access::tenant,
    invariant::{Check, holds},
    journal::{Change, Handle},
    link::Side,
    node::{Flag, SeededHost, set_moment},
    reference::Asked,
    served::Served,
    store::{announcement, event},
    world::{Event, World},
};

/// The driver of a node, in place of a thread, and what waits for the journal.
pub(crate) struct Drive {
    driver: Driver,
    journal: Handle,
    flag: Arc<Flag>,
    /// The time of the next turn.
    due: Option<u64>,
    /// The driver waits until this time, although it was woken.
    pauses_until: u64,
    waiting: Vec<Waiting>,
    /// Revocations without an answer: the subject if all of its rights are taken, and when it was revoked.
    pub(crate) revoking: Vec<(Revoking, Option<String>, u64)>,
    /// The newest revocation that the shards were told of.
    pub(crate) told: u64,
}

/// A publication that was handed over to a node.
#[derive(Debug)]
struct Waiting {
    tenant: usize,
    asked: Asked,
    /// The write in the store that it announces.
    write: Option<usize>,
    how: How,
}

#[derive(Debug)]
enum How {
    Publishes(Publishing),
    Syncs(Syncing),
    SyncsAll(Syncing),
    /// Nobody waits for an answer.
    Announces,
}

/// The turns of a driver that is told to stop.
const MOST_TURNS: usize = 20;

/// Everything that was handed over to some node, by key. A peer may send two events with the same key.
pub(crate) type HandedOver = BTreeMap<Uuid, Vec<Asked>>;

impl Drive {
    /// Whether the driver was woken, and has no turn soon enough.
    fn is_woken(&self) -> bool {
        self.flag.is_set()
    }
}

impl World {
    /// Starts a node. It finds the journal, or tries again later.
    pub(crate) fn start(&mut self, node: usize) -> Check {
        let settings = HubSettings::new(tenant(0)).log(self.config.log);
        let (hub, driver) = Hub::with_journal(settings, SeededHost);
        let most_entries = self.config.cluster.and_then(|cluster| cluster.most_entries);
        let driver = match most_entries {
            Some(entries) => driver.with_entries_per_read(entries),
            None => driver,
        };
        let journal = self.database.handle(node);
        let flag = Arc::default();
        let mut drive = Drive {
            driver,
            journal,
            flag,
            due: None,
            pauses_until: 0,
            waiting: Vec::new(),
            revoking: Vec::new(),
            told: 0,
        };
        let opened = drive.driver.open(&mut drive.journal);
        self.follow_journal()?;
        if let Err(error) = opened {
            self.say(|| format!("node {node} can't start: {error}"));
            self.stats.count("start without the journal");
            self.after(500, Event::Up { node });
            return Ok(());
        }
        self.say(|| format!("node {node} is up"));
        drive.told = hub.revocations().newest();
        (self.nodes[node].heard_at, self.nodes[node].silent_until) = (self.now, None);
        self.nodes[node].hub = hub;
        self.nodes[node].drive = Some(drive);
        self.nodes[node].is_up = true;
        self.start_fan_outs(node);
        self.turn_by(node, self.now);
        Ok(())
    }

    /// Schedules the next turn of a driver, unless it has an earlier one.
    fn turn_by(&mut self, node: usize, at: u64) {
        let Some(drive) = &mut self.nodes[node].drive else { return };
        let at = at.max(drive.pauses_until);
        if drive.due.is_none_or(|due| due > at) {
            drive.due = Some(at);
            self.at(at, Event::Turn { node });
        }
    }

    /// Schedules the turns of the drivers that were woken.
    pub(crate) fn wake_drivers(&mut self) {
        let Some(cluster) = self.config.cluster else { return };
        for node in 0..self.nodes.len() {
            let Some(drive) = self.nodes[node].drive.as_mut().filter(|drive| drive.is_woken()) else {
                continue;
            };
            drive.flag.clear();
            let later = self.rng.below(cluster.turn_ms + 1) + self.slow_ms(node);
            self.turn_by(node, self.now + later);
        }
    }

    /// Returns how long a call of the journal takes now.
    fn slow_ms(&mut self, node: usize) -> u64 {
        let slow = self.nodes[node].slow;
        if slow.until > self.now { self.rng.below(slow.ms + 1) } else { 0 }
    }

    /// The driver of a node has a turn.
    pub(crate) fn turn(&mut self, node: usize) -> Check {
        let now = self.now;
        let Some(drive) = self.nodes[node].drive.as_mut().filter(|drive| drive.due == Some(now)) else {
            return Ok(());
        };
        drive.due = None;
        drive.flag.clear();
        let turn = drive.driver.turn(&mut drive.journal, &Waker::from(Arc::clone(&drive.flag)));
        let (wait, pauses) = match turn {
            Turn::Busy => (0, false),
            Turn::Idle(time) => (time.as_millis() as u64, false),
            Turn::Pause(time) => (time.as_millis() as u64, true),
        };
        drive.pauses_until = if pauses { now + wait } else { 0 };
        if pauses {
            self.stats.count("the journal fails");
        } else {
            self.hears_journal(node);
        }
        self.follow_journal()?;
        self.take_answers(node)?;
        self.tell_shards(node);
        let slow = self.slow_ms(node);
        self.turn_by(node, now + wait.max(u64::from(turn != Turn::Busy)) + slow);
        Ok(())
    }

    /// Lets the reference learn what the journal has.
    pub(crate) fn follow_journal(&mut self) -> Check {
        for change in self.database.take_changes() {
            let index =
                |name| (0..self.config.tenants).find(|index| tenant(*index) == name).unwrap_or(usize::MAX);
            match change {
                Change::Appended { tenant, entry } => self.appended(index(tenant), entry)?,
                Change::Replaced { tenant, tail, positions, copied_at } => {
                    let tenant = index(tenant);
                    self.say(|| {
                        format!("tenant {tenant}: the journal goes on after {tail} with {}", positions.len())
                    });
                    let lost = self.reference.replaced(tenant, tail, &positions, copied_at);
                    self.publish_again(tenant, lost);
                }
                Change::Removed { tenant } => {
                    let tenant = index(tenant);
                    let lost = self.reference.removed(tenant);
                    self.publish_again(tenant, lost);
                }
            }
        }
        Ok(())
    }

    fn appended(&mut self, tenant: usize, entry: Entry) -> Check {
        let Entry { position, at, key, origin, topics, content, .. } = entry;
        let moment = Moment { unix_ms: at, ..self.moment() };
        let asked = match content {
            Content::Gap => {
                self.stats.count(if topics.is_empty() { "gap of a tenant" } else { "gap" });
                let topics = if topics.is_empty() { self.topics.clone() } else { topics };
                Asked { key, origin: None, topics, event: event(tenant, 0), moment, is_sync: true }
            }
            Content::Event(event) => {
                let is_it = |asked: &&Asked| asked.event.payload.get() == event.payload.get();
                let known = self.handed_over.get(&key).and_then(|all| all.iter().find(is_it)).cloned();
                let is_same =
                    known.as_ref().is_some_and(|asked| asked.topics == topics && asked.origin == origin);
                holds!(is_same, NothingInvented, "the journal gets {key} {event:?}; published was {known:?}");
                self.stats.count("published");
                Asked { moment, ..known.unwrap_or_else(|| unreachable!("it is some")) }
            }
        };
        self.say(|| format!("tenant {tenant}: the journal has {key} at {position} for {:?}", asked.topics));
        // The tag does not tell a publication from the same one that was lost and published again.
        self.is_void |= self.reference.find(tenant, &position.to_string()).is_some();
        let tail = self.database.rows(&crate::access::tenant(tenant)).map_or(0, |rows| rows.tail.offset);
        let remembers = if self.config.keeps_keys() { 0 } else { tail };
        self.reference.journaled(tenant, asked, position, remembers)
    }

    /// Publishes again what an old copy of the journal does not have, as an application does that has kept it.
    fn publish_again(&mut self, tenant: usize, lost: Vec<Asked>) {
        for asked in lost {
            let asked = Asked { key: self.rng.uuid(), ..asked };
            self.again.push((tenant, asked));
            let later = self.rng.below(1_500);
            self.after(later, Event::Again);
        }
    }

    pub(crate) fn again(&mut self) -> Check {
        let Some((tenant, asked)) = self.again.pop() else { return Ok(()) };
        match self.node_that_is_up() {
            Some(node) => self.hand_over(node, tenant, asked, None),
            None => {
                self.again.push((tenant, asked));
                self.after(300, Event::Again);
                Ok(())
            }
        }
    }

    /// Returns some node that is up.
    pub(crate) fn node_that_is_up(&mut self) -> Option<usize> {
        let up: Vec<usize> = (0..self.nodes.len()).filter(|&node| self.nodes[node].is_up).collect();
        if up.is_empty() { None } else { Some(*self.rng.pick(&up)) }
    }

    /// Publishes at a node, as an application that embeds its hub.
    pub(crate) fn hand_over(
        &mut self,
        node: usize,
        index: usize,
        asked: Asked,
        write: Option<usize>,
    ) -> Check {
        set_moment(self.moment());
        self.handed_over.entry(asked.key).or_default().push(asked.clone());
        let hub = self.nodes[node].hub.tenant(&tenant(index));
        let is_announced = self.rng.percent(30);
        let how = match announcement(&asked) {
            // Nobody knows the key of a gap of the whole tenant.
            _ if asked.is_sync && is_announced => How::SyncsAll(hub.sync_all()),
            _ if asked.is_sync => How::Syncs(hub.sync_raw(&asked.topics, Some(asked.key))),
            Some((event, topics)) if is_announced => {
                let options = PublishOptions::default().key(asked.key).origin(asked.origin.clone());
                hub.announce_to(&event, &topics, options);
                self.stats.count("announced");
                How::Announces
            }
            _ => {
                let options = PublishOptions::default().key(asked.key).origin(asked.origin.clone());
                How::Publishes(hub.publish_raw(asked.event.clone(), Some(&asked.topics), options))
            }
        };
        self.say(|| format!("tenant {index}: {} is handed over to node {node}: {how:?}", asked.key));
        if let Some(drive) = &mut self.nodes[node].drive {
            drive.waiting.push(Waiting { tenant: index, asked, write, how });
        }
        self.take_answers(node)
    }

    /// Takes the answers that have come, and checks them.
    fn take_answers(&mut self, node: usize) -> Check {
        let Some(drive) = &mut self.nodes[node].drive else { return Ok(()) };
        let waiting = std::mem::take(&mut drive.waiting);
        let mut still = Vec::new();
        for mut waits in waiting {
            let cx = &mut Context::from_waker(Waker::noop());
            let answer = match &mut waits.how {
                How::Publishes(publishing) => Pin::new(publishing).poll(cx).map_ok(Some),
                How::Syncs(syncing) | How::SyncsAll(syncing) => Pin::new(syncing).poll(cx).map_ok(|()| None),
                // It is in the journal, or a gap will be.
                How::Announces if self.reference.knows(waits.tenant, waits.asked.key) => continue,
                How::Announces => Poll::Pending,
            };
            match answer {
                Poll::Pending => still.push(waits),
                Poll::Ready(answer) => still.extend(self.answered(waits, answer)?),
            }
        }
        let Some(drive) = &mut self.nodes[node].drive else { return Ok(()) };
        drive.waiting.extend(still);
        for (mut revoking, subject, at) in std::mem::take(&mut drive.revoking) {
            match (Pin::new(&mut revoking).poll(&mut Context::from_waker(Waker::noop())), subject) {
                (Poll::Ready(Ok(())), Some(subject)) => self.revocation_holds(subject, at),
                (Poll::Ready(_), _) => {}
                (Poll::Pending, subject) => {
                    if let Some(drive) = &mut self.nodes[node].drive {
                        drive.revoking.push((revoking, subject, at));
                    }
                }
            }
        }
        Ok(())
    }

    /// Revokes at some node.
    pub(crate) fn revoke_on_journal(&mut self, index: usize, revoke: &Revoke) -> Check {
        let Some(node) = self.node_that_is_up() else { return Ok(()) };
        set_moment(self.moment());
        let at = self.moment().unix_ms;
        let revoking = self.nodes[node].hub.tenant(&tenant(index)).revoke(revoke);
        let subject = match revoke {
            Revoke::Subject(subject) => Some(subject.clone()),
            _ => None,
        };
        if let Some(drive) = &mut self.nodes[node].drive {
            drive.revoking.push((revoking, subject, at));
        }
        self.tell_shards(node);
        self.take_answers(node)
    }

    /// Checks the answer to a publish. Returns what still waits.
    fn answered(
        &mut self,
        waits: Waiting,
        answer: Result<Option<Published>, PublishError>,
    ) -> Check<Option<Waiting>> {
        let Waiting { tenant, asked, write, how } = waits;
        self.say(|| format!("tenant {tenant}: {} is answered {answer:?}", asked.key));
        match answer {
            Ok(Some(published)) => {
                let known = self.reference.find(tenant, &published.position.to_string());
                let known = known.map(|id| &self.reference.entries[id]);
                let is_right =
                    known.is_some_and(|entry| entry.asked.key == asked.key) && published.key == asked.key;
                let is_same_set = same_set(&published.topics, &asked.topics);
                holds!(
                    is_right && is_same_set,
                    Acknowledged,
                    "{asked:?} was answered {published:?}, where {known:?} is"
                );
                self.stats.count("acknowledged");
            }
            Ok(None) => {
                let is_in = matches!(how, How::SyncsAll(_)) || self.reference.has_gap(tenant, asked.key);
                holds!(
                    is_in,
                    Acknowledged,
                    "the sync {} was acknowledged, and is not in the journal",
                    asked.key
                );
                self.stats.count("announced as a sync");
            }
            Err(PublishError::Overloaded) => {
                self.stats.count("overloaded");
                if asked.is_sync {
                    // The hub repeats it. A crash of the node may still lose it.
                    return Ok(Some(Waiting { tenant, asked, write, how: How::Announces }));
                }
                self.announce_again(tenant, asked, write);
            }
            Err(error) => holds!(false, Acknowledged, "{asked:?} at {how:?} was refused: {error}"),
        }
        Ok(None)
    }

    /// Lets a writer try again, with the same key.
    fn announce_again(&mut self, tenant: usize, asked: Asked, write: Option<usize>) {
        let later = 100 + self.rng.below(500);
        match write {
            Some(write) => self.after(later, Event::Announce { write }),
            None => {
                self.again.push((tenant, asked));
                self.after(later, Event::Again);
            }
        }
    }

    /// Returns the connections of a node.
    fn links_of(&self, node: usize) -> Vec<u64> {
        let is_its = |served: &Served| self.workers[served.shard].node == node;
        let links = self.links.iter().filter(|(_, link)| link.served.as_ref().is_some_and(is_its));
        links.map(|(link, _)| *link).collect()
    }

    /// A node is told to stop. It sends its clients away, and hands over to the journal what waits for it.
    pub(crate) fn stop(&mut self, node: usize, down_ms: u64) -> Check {
        if !self.nodes[node].is_up {
            return Ok(());
        }
        self.say(|| format!("node {node} stops"));
        for link in self.links_of(node) {
            self.act(link, |session| session.handle_drain(Duration::from_millis(300)));
            self.pump(link)?;
        }
        for _ in 0..MOST_TURNS {
            let Some(drive) = self.nodes[node].drive.as_mut().filter(|drive| !drive.driver.is_idle()) else {
                break;
            };
            drive.driver.turn(&mut drive.journal, Waker::noop());
            self.follow_journal()?;
        }
        self.take_answers(node)?;
        if let Some(drive) = &self.nodes[node].drive
            && drive.driver.is_idle()
        {
            let left = drive.waiting.iter().find(|waits| matches!(waits.how, How::Publishes(_)));
            holds!(left.is_none(), Answered, "the driver has nothing to do, but {left:?} waits");
            self.stats.count("stopped node that left nothing");
        }
        self.kill(node, down_ms)
    }

    /// A node is killed: its log, its sessions and everything that has no answer yet are gone.
    pub(crate) fn kill(&mut self, node: usize, down_ms: u64) -> Check {
        if !self.nodes[node].is_up {
            return Ok(());
        }
        self.say(|| format!("node {node} is down"));
        self.stats.count("crash");
        self.nodes[node].is_up = false;
        for link in self.links_of(node) {
            self.leaves_shard(link);
            self.tear(link, Side::Peer, 200);
        }
        self.shards_are_empty(node)?;
        self.start_shards(node);
        let waiting = self.nodes[node].drive.take().map(|drive| drive.waiting).unwrap_or_default();
        for Waiting { tenant, asked, write, .. } in waiting {
            self.announce_again(tenant, asked, write);
        }
        self.after(down_ms, Event::Up { node });
        Ok(())
    }
}

fn same_set(one: &[TopicName], other: &[TopicName]) -> bool {
    one.len() == other.len() && one.iter().all(|topic| other.contains(topic))
}
