//! What a server reads: the messages of one read go to the session together.

use tidings_hub::{Counters, Hub, Moment};
use tidings_shared::{
    Position, TopicName,
    frame::{ClientFrame, Publish},
};

use crate::{
    access,
    invariant::{Check, holds},
    link::Message,
    node::{Node, head},
    reference::Asked,
    served::Served,
    world::World,
};

/// The state that garbage must not change: the logs, and the number of woken sessions and shards.
#[derive(Debug, PartialEq, Eq)]
struct Others {
    logs: Vec<(usize, usize)>,
    woken: usize,
}

/// A publish of a session: its arguments, its position, and the counters right after it.
pub(crate) type Accepted = (usize, (Asked, Position, Counters));

/// The tenant of a session, and the head of its log before a call.
pub(crate) type Head = (usize, Position);

/// A message that was read, and its frame if it is one.
#[derive(Debug)]
struct Heard {
    message: Message,
    frame: Option<ClientFrame>,
}

impl Heard {
    fn new(message: Message) -> Self {
        let frame = match &message {
            Message::Text(text) => ClientFrame::parse(text).ok(),
            _ => None,
        };
        Self { message, frame }
    }

    fn is_garbage(&self) -> bool {
        matches!(self.message, Message::Text(_)) && self.frame.is_none()
    }

    /// Returns whether a read has no other message.
    fn is_alone(&self) -> bool {
        matches!(self.message, Message::Lost) || self.is_garbage()
    }

    /// Returns whether it would be the second publish behind a hello. So each call of a session publishes at most one
    /// event, and its position is known.
    fn is_second(&self, read: &[Self]) -> bool {
        let is_publish = |heard: &Self| matches!(heard.frame, Some(ClientFrame::Publish { .. }));
        let is_hello = |heard: &Self| matches!(heard.frame, Some(ClientFrame::Hello { .. }));
        is_publish(self) && read.iter().any(is_publish) && read.iter().any(is_hello)
    }
}

impl World {
    /// Reads once, and returns whether the connection goes on.
    pub(crate) fn hear(&mut self, link: u64) -> Check<bool> {
        let Some(mut served) = self.links.get_mut(&link).and_then(|link| link.served.take()) else {
            return Ok(false);
        };
        let hears = self.workers[served.shard].shard.protocol(served.key).hears();
        if !hears {
            self.put_back(link, served);
            return Ok(true);
        }
        let most = if self.rng.percent(50) { 1 } else { served.inbox.len() };
        let mut read: Vec<Heard> = Vec::new();
        while read.len() < most
            && let Some(message) = served.inbox.pop_front()
        {
            let heard = Heard::new(message);
            if !read.is_empty() && (heard.is_alone() || heard.is_second(&read)) {
                served.inbox.push_front(heard.message);
                break;
            }
            let is_last = heard.is_alone() || matches!(heard.frame, Some(ClientFrame::Token { .. }));
            read.push(heard);
            if is_last {
                break;
            }
        }
        let is_closed = self.workers[served.shard].shard.protocol(served.key).is_closed();
        let is_asking = served.check.ledger.is_asking() && !is_closed;
        holds!(!is_asking, Bounds, "link {link} reads more, although it waits for an answer");
        if let Some(Heard { message: Message::Lost, .. }) = read.first() {
            self.put_back(link, served);
            self.breaks_off(link);
            return Ok(false);
        }
        let before = read.first().is_some_and(Heard::is_garbage).then(|| self.others());
        let accepted = self.hand_in(link, &mut served, read)?;
        // Before `put_back`, so that the sender does not count.
        let after = self.others();
        self.put_back(link, served);
        if let Some(before) = before {
            self.stats.count("garbage");
            holds!(before == after, FaultsStayAlone, "garbage turned {before:?} into {after:?}");
        }
        for (tenant, (asked, position, counters)) in accepted {
            self.acknowledged(tenant, asked, position, counters)?;
        }
        Ok(true)
    }

    /// Gives the messages of one read to the session, and returns the publishes that it accepted.
    fn hand_in(&mut self, link: u64, served: &mut Served, read: Vec<Heard>) -> Check<Vec<Accepted>> {
        let now = self.moment();
        let (mut accepted, mut known, mut followed, mut question) = (Vec::new(), 0, Ok(()), None);
        let mut heard_since = None;
        let is_journaled = self.config.cluster.is_some();
        let Self { nodes, workers, reference, handed_over, .. } = self;
        let worker = &mut workers[served.shard];
        let node = &nodes[worker.node];
        let (hub, revoked) = (&node.hub, &node.revoked);
        let ledger = &mut served.check.ledger;
        worker.shard.handle_session(served.key, now, |session| {
            for Heard { message, frame } in read {
                if let (true, Some(frame)) = (is_journaled, &frame) {
                    served.seen.hears(frame, self.now);
                    heard_since = served.seen.newest_since();
                }
                let text = match message {
                    Message::Text(text) => text,
                    Message::Close(code) => {
                        session.handle_close(Some(code));
                        break;
                    }
                    Message::Ping => {
                        session.handle_ping(b"are you there?", now);
                        continue;
                    }
                    _ => {
                        session.handle_control(now);
                        continue;
                    }
                };
                if session.is_closed() {
                    break;
                }

                if is_journaled {
                    if let Some(asked) = asked(frame.as_ref(), now) {
                        handed_over.entry(asked.key).or_default().push(asked);
                    }
                    session.handle_text(&text, now);
                    question = question.take().or(session.poll_question());
                    continue;
                }
                let publish = frame
                    .as_ref()
                    .filter(|frame| matches!(frame, ClientFrame::Publish { .. }) && !ledger.is_asking());
                let before = publish.and(ledger.tenant()).and_then(|its| Some((its, head(hub, its)?)));
                let asked = asked(publish, now);
                session.handle_text(&text, now);
                ledger.hears(frame);
                let next = session.poll_question();
                let scene = revoked.scene(reference, self.now, session.is_closed());
                followed = ledger.follow(next.as_ref().map(|(_, question)| question), &scene);
                question = question.take().or(next);
                if followed.is_err() {
                    break;
                }
                if let (Some(before), Some(asked)) = (before, asked) {
                    known += u64::from(reference.knows(before.0, asked.key));
                    accepted.extend(appended(hub, before, asked));
                }
            }
        });
        followed?;
        if let Some(since) = heard_since {
            self.notes_since(served, since);
        }
        (0..known).for_each(|_| self.stats.count("known key"));
        if let Some(question) = question {
            self.ask(link, served, question);
        }
        Ok(accepted)
    }

    fn others(&self) -> Others {
        let log = |node: &Node, tenant| {
            let counters = node.counters(tenant);
            (counters.log_entries, counters.log_bytes)
        };
        let logs = |node| (0..self.config.tenants).map(move |tenant| log(node, tenant));
        // The sender is not among the links at this time.
        let flags = self.links.values().filter_map(|link| Some(&link.served.as_ref()?.flag));
        let flags = flags.chain(self.workers.iter().map(|worker| &worker.flag));
        Others {
            logs: self.nodes.iter().flat_map(logs).collect(),
            woken: flags.filter(|flag| flag.is_set()).count(),
        }
    }
}

/// Returns the publish if it was appended: the head of the log is another one.
pub(crate) fn appended(hub: &Hub, before: Head, asked: Asked) -> Option<Accepted> {
    let (tenant, before) = before;
    let after = head(hub, tenant).filter(|after| *after != before)?;
    Some((tenant, (asked, after, hub.tenant(&access::tenant(tenant)).counters())))
}

pub(crate) fn asked(frame: Option<&ClientFrame>, moment: Moment) -> Option<Asked> {
    let Some(ClientFrame::Publish { publish, .. }) = frame else { return None };
    let Publish { event, topics, key: Some(key), origin } = publish else { return None };
    let topics: Vec<TopicName> = topics.iter().flatten().filter_map(|topic| topic.parse().ok()).collect();
    let (origin, event) = (origin.clone(), event.clone());
    Some(Asked { key: *key, origin, topics, event, moment, is_sync: false })
}
