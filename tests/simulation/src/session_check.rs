//! Checks the frames that a session sends, against the reference.

use std::collections::{BTreeMap, BTreeSet};

use tidings_hub::SessionSettings;
use tidings_shared::{
    Position, TopicName,
    frame::{ClientFrame, Outcome, ServerFrame, TopicOutcome},
    limits::SUBSCRIBE_PAUSE,
};

use crate::{
    access::{Decides, Token},
    invariant::{Check, holds},
    ledger::Ledger,
    owed::{Reply, Verdict},
    reference::{Reference, is_in_log, same_bytes},
};

/// The frames that one session must send, and those that it may send.
#[derive(Debug)]
pub(crate) struct SessionCheck {
    pub(crate) ledger: Ledger,
    /// Its token, after the welcome.
    token: Option<Token>,
    history: Option<usize>,
    /// The time at which its token expires, in milliseconds since 1970.
    expires_at: Option<u64>,
    /// The topics in force.
    topics: BTreeMap<TopicName, Owed>,
    /// Whether any topic was ever in force.
    has_started: bool,
    /// The offset of the last event.
    last_event: u64,
    /// The pause while more frames of a subscribe are to come.
    pause: Option<Pause>,
    /// The number of topics that it may have.
    max_topics: usize,
}

/// The pause between the frames of a subscribe.
#[derive(Debug, Clone, Copy)]
struct Pause {
    /// When its first frame was handled.
    from: u64,
    /// The position at which all of its topics start, once it is known.
    position: Option<Position>,
}

/// The entries of a topic that must come, and those that may. All entries after `must` must come. Entries up to `may` must
/// not come. The others may be covered by a sync, which was decided some time before it was written.
#[derive(Debug, Clone, Copy)]
struct Owed {
    must: u64,
    may: u64,
}

impl Owed {
    fn after(offset: u64) -> Self {
        Self { must: offset, may: offset }
    }
}

impl SessionCheck {
    pub(crate) fn new(settings: SessionSettings, decides: Decides) -> Self {
        Self {
            ledger: Ledger::new(settings, decides),
            token: None,
            history: None,
            expires_at: None,
            topics: BTreeMap::new(),
            has_started: false,
            last_event: 0,
            pause: None,
            max_topics: settings.max_topics,
        }
    }

    pub(crate) fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// Notes the history with which it began.
    pub(crate) fn begins(&mut self, history: usize) {
        self.history.get_or_insert(history);
    }

    /// Returns the reply to the frame that gets the next answer.
    pub(crate) fn next_reply(&mut self) -> Option<&Reply> {
        self.ledger.owes.next(&self.topics)
    }

    /// Whether the next frame of a subscribe did not come in time.
    pub(crate) fn has_waited_in_vain(&self, now: u64) -> bool {
        self.pause.is_some_and(|pause| now >= self.pause_ends(pause, now)) && !self.ledger.is_asking()
    }

    /// Whether it waits for the next frame of a subscribe. The time of questions does not count.
    pub(crate) fn is_paused(&self, now: u64) -> bool {
        let at = self.ledger.asking_since().unwrap_or(now);
        self.pause.is_some_and(|pause| at < self.pause_ends(pause, at))
    }

    /// Returns when a pause ends, without the questions after `now`.
    fn pause_ends(&self, pause: Pause, now: u64) -> u64 {
        let lasts = u64::try_from(SUBSCRIBE_PAUSE.as_millis()).unwrap_or(u64::MAX);
        pause.from + lasts + self.ledger.waited(pause.from, now)
    }

    /// Returns the time at which its token expires, in milliseconds since 1970.
    pub(crate) fn expires_at(&self) -> Option<u64> {
        self.expires_at
    }

    /// Returns the tenant and the topics that its shard must know of.
    pub(crate) fn follows(&self) -> Option<(usize, BTreeSet<&TopicName>)> {
        Some((self.token.as_ref()?.tenant, self.topics.keys().collect()))
    }

    /// Checks a frame of the session.
    pub(crate) fn said(
        &mut self,
        frame: &ServerFrame,
        text: &str,
        reference: &mut Reference,
        now: u64,
    ) -> Check {
        let is_reply = !matches!(
            frame,
            ServerFrame::Event { .. }
                | ServerFrame::Sync { .. }
                | ServerFrame::Ping { .. }
                | ServerFrame::Goaway { .. }
                | ServerFrame::Unsubscribed { r#ref: None, .. }
        );
        let replies = if is_reply { self.ledger.owes.said(frame, &self.topics) } else { Ok(None) };
        let (reply, in_turn) = match replies {
            Ok(reply) => (reply, Ok(())),
            Err(broken) => (None, Err(broken)),
        };
        let said =
            self.keeps_pause(frame, now).and_then(|()| self.judge(frame, reply.as_ref(), text, reference));
        if let Some(reply) = &reply {
            self.asks_for_pause(frame, reply);
        }
        in_turn.and(said)
    }

    /// Checks that no delivery comes between the frames of a subscribe, and no ping with a position.
    fn keeps_pause(&mut self, frame: &ServerFrame, now: u64) -> Check {
        let is_read = match frame {
            ServerFrame::Event { .. } | ServerFrame::Sync { .. } => true,
            ServerFrame::Ping { position } => position.is_some(),
            _ => false,
        };
        if is_read {
            holds!(!self.is_paused(now), OneResume, "{frame:?} comes between the frames of a subscribe");
            self.pause = None;
        }
        Ok(())
    }

    /// Begins, prolongs or ends the pause when a subscribe gets its answer.
    fn asks_for_pause(&mut self, said: &ServerFrame, reply: &Reply) {
        let Some(ClientFrame::Subscribe { more, .. }) = reply.frame() else { return };
        let position = match said {
            ServerFrame::Subscribed { position, .. } => position.parse().ok(),
            ServerFrame::Error { r#ref: Some(_), .. } => None,
            _ => return,
        };
        let fresh = Pause { from: reply.at, position };
        let goes_on = |pause: &Pause| reply.at < self.pause_ends(*pause, reply.at);
        let pause = self.pause.filter(goes_on).unwrap_or(fresh);
        let is_paused = *more && self.topics.len() < self.max_topics;
        self.pause = is_paused.then_some(Pause { position: position.or(pause.position), ..pause });
    }

    fn judge(
        &mut self,
        frame: &ServerFrame,
        reply: Option<&Reply>,
        text: &str,
        reference: &mut Reference,
    ) -> Check {
        let verdict = reply.map(|reply| &reply.verdict);
        match frame {
            ServerFrame::Welcome { position, expires_at, .. } => {
                self.expires_at = *expires_at;
                let Some(Verdict::Admitted(token, _)) = verdict else {
                    holds!(false, Rights, "a welcome, although the application said {verdict:?}");
                    return Ok(());
                };
                self.token = Some(token.clone());
                self.named(position, reference)?;
            }
            ServerFrame::Subscribed { position, topics, .. } => {
                let Some(reply) = reply else { return Ok(()) };
                self.subscribed(position, topics, reply, reference)?;
            }
            ServerFrame::Unsubscribed { topics, code, r#ref } => {
                let topics: BTreeSet<TopicName> =
                    topics.iter().filter_map(|topic| TopicName::parse(topic).ok()).collect();
                holds!(r#ref.is_some() == code.is_none(), Rights, "{topics:?} were taken away: {code:?}");
                if r#ref.is_none() {
                    self.ledger.owes.took(&topics, &self.topics)?;
                }
                self.topics.retain(|topic, _| !topics.contains(topic));
            }
            ServerFrame::TokenAccepted { expires_at, .. } => {
                self.expires_at = *expires_at;
                let Some(Verdict::Admitted(token, are_judged)) = verdict else {
                    holds!(false, Rights, "a token is accepted, although the application said {verdict:?}");
                    return Ok(());
                };
                let are_judged = *are_judged || self.topics.is_empty();
                holds!(are_judged, Rights, "a fresh token, and nobody was asked about the topics in force");
                self.token = Some(token.clone());
            }
            ServerFrame::Published { topics, .. } => {
                let may =
                    |topic: &String| matches!(verdict, Some(Verdict::Topics(may)) if may.contains(&**topic));
                holds!(
                    topics.iter().all(may),
                    Rights,
                    "published to {topics:?}, but the rights are {verdict:?}"
                );
            }
            ServerFrame::Error { code, .. } => {
                let is_right = match (reply.and_then(Reply::frame), verdict) {
                    (_, Some(Verdict::Refused(reason))) => reason == code,
                    (Some(ClientFrame::Publish { publish, .. }), Some(Verdict::Topics(may))) => {
                        // The key of another publication is forbidden, too.
                        let is_known = publish.key.is_some_and(|key| reference.knows(self.tenant(), key));
                        let lacks_any = publish.topics.iter().flatten().any(|topic| !may.contains(&**topic));
                        code != "forbidden" || is_known || lacks_any
                    }
                    (_, Some(Verdict::Admitted(..))) => false,
                    _ => true,
                };
                holds!(is_right, Rights, "{frame:?}, although the application said {verdict:?}");
            }
            ServerFrame::Event { position, topics, .. } => {
                self.event(position, topics, text, reference)?;
            }
            ServerFrame::Sync { position, topics } => self.sync(position, topics, reference)?,
            ServerFrame::Ping { position: Some(position) } => {
                let position = self.named(position, reference)?;
                self.no_hole_before(position.offset + 1, reference)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn tenant(&self) -> usize {
        self.token.as_ref().map_or(usize::MAX, |token| token.tenant)
    }

    /// Checks a position that the session sent: it is one of this log.
    fn named(&self, text: &str, reference: &Reference) -> Check<Position> {
        let position: Option<Position> = text.parse().ok();
        holds!(position.is_some(), TruePosition, "{text} is no position");
        let position = position.unwrap_or(Position::new(0, 0, 0));
        let history = self.history.map(|index| &reference.histories[index]);
        holds!(history.is_some(), TruePosition, "{text}, although there was no hello");
        let Some(history) = history else { return Ok(position) };
        holds!(
            position.epoch == history.epoch,
            TruePosition,
            "{text} is of another epoch than {:x}",
            history.epoch
        );
        let entry = position.offset.checked_sub(1).map(|at| history.entries.get(at as usize));
        let is_known = match entry {
            None => position.tag == 0,
            Some(entry) => entry.is_some_and(|&id| reference.entries[id].position == position),
        };
        holds!(is_known, TruePosition, "{text} is not in the log, whose head is {}", history.head());
        Ok(position)
    }

    fn subscribed(
        &mut self,
        text: &str,
        outcomes: &[TopicOutcome],
        reply: &Reply,
        reference: &mut Reference,
    ) -> Check {
        let position = self.named(text, reference)?;
        let Some(ClientFrame::Subscribe { since, .. }) = reply.frame().cloned() else {
            holds!(false, NothingInvented, "a subscribed without a subscribe");
            return Ok(());
        };
        let since: Option<Option<Position>> = since.map(|since| since.parse().ok());
        let Some(index) = self.history else { return Ok(()) };
        let history = &reference.histories[index];
        let was_started = self.has_started;
        let goes_on = |pause: &Pause| reply.at < self.pause_ends(*pause, reply.at);
        let pause = self.pause.filter(goes_on).and_then(|pause| pause.position);
        // A session without any topic in force may still be set back.
        let is_one = !was_started || pause.is_none_or(|started| started == position);
        holds!(is_one, OneResume, "this frame starts at {position}, and those before at {pause:?}");
        self.no_hole_before(position.offset + 1, reference)?;
        holds!(!matches!(reply.verdict, Verdict::Unasked), Rights, "nobody was asked about {outcomes:?}");
        for outcome in outcomes {
            let Some(topic) = TopicName::parse(&outcome.topic).ok() else { continue };
            let is_allowed = matches!(&reply.verdict, Verdict::Topics(may) if may.contains(&topic));
            if outcome.code.as_deref() == Some("too_many_topics") {
                let is_full = self.topics.len() >= self.max_topics && !self.topics.contains_key(&topic);
                holds!(is_full && is_allowed, Rights, "{topic} was refused, although there is room for it");
                continue;
            }
            holds!(
                (outcome.outcome != Outcome::Refused) == is_allowed,
                Rights,
                "{topic}: {:?}, although the right to it is {is_allowed}",
                outcome.outcome
            );
            if let (Verdict::Refused(reason), Some(code)) = (&reply.verdict, &outcome.code) {
                holds!(reason == code, Rights, "{topic} was refused with {code}, and not with {reason}");
            }
            let owed = match outcome.outcome {
                Outcome::Live => {
                    holds!(since.is_none(), TruePosition, "{topic}: live in answer to a since");
                    Owed::after(position.offset)
                }
                Outcome::Resumed => {
                    let since = since.flatten().unwrap_or(Position::new(0, 0, 0));
                    let is_known = is_in_log(history, reference, since);
                    holds!(is_known, NoHole, "{topic}: resumed from {since}, which is not in this log");
                    Owed::after(since.offset)
                }
                Outcome::Sync => {
                    let covers = |since| is_in_log(history, reference, since) && since.offset >= history.tail;
                    let is_of_pause = pause.is_some() && since.flatten() == pause;
                    let could_resume = is_of_pause || !was_started && since.flatten().is_some_and(covers);
                    holds!(
                        !could_resume,
                        SyncHasReason,
                        "{topic}: sync, although the log holds all that was missed"
                    );
                    Owed::after(position.offset)
                }
                _ => continue,
            };
            self.has_started = true;
            self.topics.entry(topic).or_insert(owed);
        }
        holds!(self.topics.len() <= self.max_topics, Bounds, "{} topics", self.topics.len());
        Ok(())
    }

    fn event(&mut self, text: &str, named: &[String], frame: &str, reference: &mut Reference) -> Check {
        let id = reference.find(self.tenant(), text);
        holds!(id.is_some(), NothingInvented, "an event at {text}, where nothing was published");
        let position = self.named(text, reference)?;
        let (offset, id) = (position.offset, id.unwrap_or_default());
        let is_sync = reference.entries[id].asked.is_sync;
        holds!(!is_sync, NothingInvented, "an event at {text}, where nothing was published");
        holds!(offset > self.last_event, InOrderOnce, "{text} after {}", self.last_event);
        self.last_event = offset;
        let named: Vec<TopicName> = named.iter().filter_map(|topic| TopicName::parse(topic).ok()).collect();
        for topic in &named {
            let owed = self.topics.get(topic);
            holds!(owed.is_some(), Rights, "{text} names {topic} without the right");
            self.ledger.owes.may_read(topic, offset)?;
            let is_later = owed.is_some_and(|owed| offset > owed.may);
            holds!(is_later, InOrderOnce, "{text} comes for {topic}, which begins after {owed:?}");
        }
        self.no_hole_before(offset, reference)?;
        let entry = &reference.entries[id];
        for topic in &entry.asked.topics {
            let is_owed = self.topics.get(topic).is_some_and(|owed| offset > owed.must);
            let is_named = named.contains(topic);
            holds!(is_named || !is_owed, NoHole, "{text} does not name {topic}");
        }
        let foreign = named.iter().find(|topic| !entry.asked.topics.contains(topic));
        holds!(foreign.is_none(), NothingInvented, "{text} names {foreign:?}");
        for owed in self.topics.values_mut() {
            *owed = Owed { must: owed.must.max(offset), may: owed.may.max(offset) };
        }
        same_bytes(frame, reference, id)
    }

    fn sync(&mut self, text: &str, topics: &[String], reference: &mut Reference) -> Check {
        let position = self.named(text, reference)?;
        let Some(index) = self.history else { return Ok(()) };
        let history = &reference.histories[index];
        let topics: Vec<TopicName> = topics.iter().filter_map(|topic| TopicName::parse(topic).ok()).collect();
        let entry = reference.find(self.tenant(), text).map(|id| &reference.entries[id].asked);
        let entry = entry.filter(|asked| asked.is_sync && topics.iter().all(|t| asked.topics.contains(t)));
        let mut is_of_entry = false;
        for topic in &topics {
            let owed = self.topics.get(topic).copied();
            holds!(owed.is_some(), Rights, "a sync names {topic} without the right");
            self.ledger.owes.may_read(topic, position.offset)?;
            let Some(owed) = owed else { continue };
            let may_have_lost = history.tail > owed.may;
            is_of_entry |= !may_have_lost;
            holds!(
                may_have_lost || entry.is_some() && position.offset > owed.may,
                SyncHasReason,
                "{topic}: a sync, although the log holds all after {} and the session has all up to {}",
                history.tail,
                owed.may
            );
        }
        if let (true, Some(entry)) = (is_of_entry, entry) {
            // This sync is an entry of the log. All sessions with one of its topics read it in the log's order.
            let offset = position.offset;
            self.no_hole_before(offset, reference)?;
            for topic in &entry.topics {
                let is_owed = self.topics.get(topic).is_some_and(|owed| offset > owed.must);
                holds!(
                    topics.contains(topic) || !is_owed,
                    NoHole,
                    "the sync at {text} does not name {topic}"
                );
            }
            for owed in self.topics.values_mut() {
                *owed = Owed { must: owed.must.max(offset), may: owed.may.max(offset) };
            }
            return Ok(());
        }
        for topic in topics {
            let Some(owed) = self.topics.get(&topic).copied() else { continue };
            let may = position.offset.max(owed.may);
            self.topics.insert(topic, Owed { must: history.head().max(owed.must), may });
        }
        self.no_hole_before(position.offset + 1, reference)
    }

    /// Checks that all entries before this offset have come.
    fn no_hole_before(&self, offset: u64, reference: &Reference) -> Check {
        let Some(index) = self.history else { return Ok(()) };
        let history = &reference.histories[index];
        for (topic, owed) in &self.topics {
            let missed = history.next_of(topic, owed.must).filter(|&next| next < offset);
            holds!(
                missed.is_none(),
                NoHole,
                "{topic}: {} was left out before {offset}; the session had all up to {}",
                missed.unwrap_or_default(),
                owed.must
            );
        }
        Ok(())
    }

    /// Checks that a session at rest owes no answer. `slack` are the milliseconds by which a timer may be late.
    pub(crate) fn has_answered(&mut self, now: u64, slack: u64) -> Check {
        self.ledger.rests(&self.topics, now, slack)
    }

    /// Checks a session at rest: it has sent everything, unless it waits for the next frame of a subscribe.
    pub(crate) fn caught_up(&self, reference: &Reference, now: u64) -> Check {
        // While a question is open, a pause does not end.
        let is_paused = |pause| now <= self.pause_ends(pause, now) || self.ledger.is_asking();
        if self.pause.is_some_and(is_paused) {
            return Ok(());
        }
        let Some(index) = self.history else { return Ok(()) };
        let history = &reference.histories[index];
        for (topic, owed) in &self.topics {
            let next = history.next_of(topic, owed.must);
            holds!(
                next.is_none(),
                CaughtUp,
                "{topic}: the session rests, but has not had {}; it had all up to {}",
                next.unwrap_or_default(),
                owed.must
            );
        }
        Ok(())
    }
}
