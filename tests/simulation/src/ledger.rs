//! The frames of one peer, from their arrival to their answers, and the questions between. It knows which answers of the
//! application a session may use, and which topics it must take away.
//!
//! ```text
//! heard ─▶ unhandled ─▶ open question ─▶ owed ─▶ the session's frame
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tidings_hub::{Answer, Question, SessionSettings};
use tidings_shared::{TopicName, frame::ClientFrame};

use crate::{
    access::{Decides, Token, all_topics},
    invariant::{Check, holds},
    owed::{Owes, Verdict},
    reference::Reference,
    revoked::{Grant, Revoked},
};

#[derive(Debug)]
pub(crate) struct Ledger {
    settings: SessionSettings,
    decides: Decides,
    /// Frames that the session has, and has not handled. `None` is a message that is no frame.
    unhandled: VecDeque<Option<ClientFrame>>,
    /// The question for the first of them.
    open: Option<Open>,
    pub(crate) owes: Owes,
    grant: Option<Grant>,
    /// The number of the newest revocation that the session has obeyed.
    obeyed: u64,
    /// When questions began and ended.
    waits: Vec<(u64, u64)>,
}

/// A question without an answer.
#[derive(Debug)]
struct Open {
    question: Question,
    /// The client of a fresh token, while the application judges its topics.
    fresh: Option<Grant>,
    began: u64,
    /// The number of revocations when it was asked last.
    asked_at: u64,
}

/// The world around a session when it was called.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) revoked: &'a Revoked,
    pub(crate) reference: &'a Reference,
    pub(crate) now: u64,
    /// Whether the session is closed after the call.
    pub(crate) is_closed: bool,
}

/// How the wait for an answer went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Went {
    Used,
    /// The answer was older than a revocation.
    AskedAgain,
    /// The session ended.
    Ended,
}

impl Ledger {
    pub(crate) fn new(settings: SessionSettings, decides: Decides) -> Self {
        Self {
            settings,
            decides,
            unhandled: VecDeque::new(),
            open: None,
            owes: Owes::default(),
            grant: None,
            obeyed: 0,
            waits: Vec::new(),
        }
    }

    /// Returns the tenant once the client is let in.
    pub(crate) fn tenant(&self) -> Option<usize> {
        self.grant.as_ref().map(|grant| grant.token.tenant)
    }

    pub(crate) fn is_asking(&self) -> bool {
        self.open.is_some()
    }

    /// Returns when the open question began.
    pub(crate) fn asking_since(&self) -> Option<u64> {
        self.open.as_ref().map(|open| open.began)
    }

    /// Returns when the last question ended.
    pub(crate) fn last_asked(&self) -> Option<u64> {
        self.waits.iter().map(|(_, ended)| *ended).max()
    }

    /// Returns the time of questions that began at or after `from`, and ended up to `until`.
    pub(crate) fn waited(&self, from: u64, until: u64) -> u64 {
        let within = self.waits.iter().filter(|(began, ended)| *began >= from && *ended <= until);
        within.map(|(began, ended)| ended - began).sum()
    }

    /// Returns the first publish that the session has, and has not handled.
    pub(crate) fn publish(&self) -> Option<&ClientFrame> {
        self.unhandled.iter().flatten().find(|frame| matches!(frame, ClientFrame::Publish { .. }))
    }

    /// Returns the number of frames that wait behind the one in question.
    pub(crate) fn held(&self) -> usize {
        self.unhandled.len().saturating_sub(1)
    }

    /// Notes a message that the session gets.
    pub(crate) fn hears(&mut self, frame: Option<ClientFrame>) {
        if !matches!(frame, Some(ClientFrame::Pong)) {
            self.unhandled.push_back(frame);
        }
    }

    /// Follows the session through the frames that it has, up to the next question. `question` is the one that it asks.
    pub(crate) fn follow(&mut self, question: Option<&Question>, scene: &Scene<'_>) -> Check {
        self.owes.is_over |= scene.is_closed;
        while self.open.is_none() && !self.owes.is_over {
            let Some(frame) = self.unhandled.pop_front() else { break };
            let named = frame.as_ref().and_then(|frame| self.needs(frame));
            let was_revoked = named.is_some() && self.obey(scene);
            holds!(!was_revoked, Rights, "{frame:?} was handled, but the client was revoked");
            let is_asked = match &frame {
                Some(ClientFrame::Hello { .. }) => self.grant.is_none(),
                Some(ClientFrame::Token { .. }) => true,
                _ => {
                    named.as_ref().is_some_and(|topics| !topics.is_empty()) && self.decides != Decides::Token
                }
            };
            if is_asked {
                let Some(question) = question.cloned() else {
                    self.owes.reply(frame, scene.now, Verdict::Unasked);
                    continue;
                };
                holds!(fits(&question, frame.as_ref()), InTurn, "{question:?} is not about {frame:?}");
                let asked_at = scene.revoked.count;
                self.open = Some(Open { question, fresh: None, began: scene.now, asked_at });
                self.unhandled.push_front(frame);
                return Ok(());
            }
            let verdict = match (named, &self.grant) {
                (Some(topics), Some(grant)) => {
                    let has = |topic: &TopicName| {
                        grant.token.allows(topic) && !scene.revoked.takes_back(grant, topic)
                    };
                    Verdict::Topics(topics.into_iter().filter(has).collect())
                }
                _ => Verdict::Free,
            };
            self.owes.reply(frame, scene.now, verdict);
        }
        let is_free = question.is_none() || self.owes.is_over;
        holds!(is_free, InTurn, "{question:?} is about no frame of {:?}", self.unhandled);
        Ok(())
    }

    /// Follows the session after it got an answer. `next` is the question that it asks after that.
    pub(crate) fn answered(
        &mut self,
        answer: &Answer,
        next: Option<&Question>,
        scene: &Scene<'_>,
    ) -> Check<Went> {
        if self.obey(scene) {
            holds!(scene.is_closed, Rights, "a session goes on, but it was revoked");
            return Ok(Went::Ended);
        }
        let Some(mut open) = self.open.take() else { return Ok(Went::Ended) };
        if is_old(&open, answer, scene) {
            let is_again = next.is_some_and(|next| is_same(next, &open.question));
            holds!(
                is_again,
                Rights,
                "{answer:?} began before a revocation, and was used for {:?}",
                open.question
            );
            open.asked_at = scene.revoked.count;
            self.open = Some(open);
            return Ok(Went::AskedAgain);
        }
        self.decide(open, answer, next, scene)?;
        Ok(if scene.is_closed { Went::Ended } else { Went::Used })
    }

    /// Follows the session after a timeout. Returns whether it gave up a question.
    pub(crate) fn timed_out(
        &mut self,
        still_awaits: bool,
        next: Option<&Question>,
        scene: &Scene<'_>,
    ) -> Check<bool> {
        let Some(open) = self.open.take() else {
            self.owes.is_over |= scene.is_closed;
            return Ok(false);
        };
        let is_late = scene.now >= open.began + self.answer_ms();
        if !is_late {
            holds!(still_awaits || scene.is_closed, Answered, "{open:?} was given up before its deadline");
            self.owes.is_over |= scene.is_closed;
            self.open = Some(open).filter(|_| !scene.is_closed);
            return Ok(false);
        }
        // A session may also end in the same call, for another reason.
        holds!(!still_awaits, Answered, "{open:?} is late, and the session waits");
        let late = tidings_hub::AccessError::unavailable("late");
        let answer = match open.question {
            Question::Authenticate { .. } => Answer::Identity(Err(late)),
            _ => Answer::Topics(Err(late)),
        };
        self.decide(open, &answer, next, scene)?;
        Ok(true)
    }

    /// Checks a session at rest. `has` are the topics in force, and `slack` the milliseconds by which a timer may be late.
    pub(crate) fn rests<T>(&mut self, has: &BTreeMap<TopicName, T>, now: u64, slack: u64) -> Check {
        self.owes.rests(has)?;
        if self.owes.is_over {
            return Ok(());
        }
        let due = self.open.as_ref().map(|open| open.began + self.answer_ms() + slack);
        holds!(due.is_none_or(|due| now <= due), Answered, "{:?} is late, and the session waits", self.open);
        let waits = self.unhandled.front().filter(|_| self.open.is_none());
        holds!(waits.is_none(), Answered, "{waits:?} was not handled");
        Ok(())
    }

    fn answer_ms(&self) -> u64 {
        u64::try_from(self.settings.answer_timeout.as_millis()).unwrap_or(u64::MAX)
    }

    /// Notes that the session takes away what was revoked. Returns whether it must end.
    pub(crate) fn obey(&mut self, scene: &Scene<'_>) -> bool {
        let Some(grant) = self.grant.as_ref().filter(|_| !self.owes.is_over) else { return false };
        let head = scene.head(grant.token.tenant);
        if scene.revoked.has_revoked(&grant.subject(), grant.number) {
            (self.owes.is_over, self.owes.revoked_at) = (true, Some(head));
            return true;
        }
        let topics = scene.revoked.lost(&grant.subject(), self.obeyed);
        self.obeyed = scene.revoked.count;
        self.owes.loss(topics, head);
        false
    }

    /// Uses an answer for the frame in question.
    fn decide(&mut self, open: Open, answer: &Answer, next: Option<&Question>, scene: &Scene<'_>) -> Check {
        self.waits.push((open.began, scene.now));
        let frame = self.unhandled.front().cloned().flatten();
        let verdict = match (&open, answer) {
            (_, Answer::Failed) => {
                holds!(scene.is_closed, Rights, "a session goes on, although its application failed");
                return Ok(());
            }
            (_, Answer::Identity(Err(error)) | Answer::Topics(Err(error))) => {
                Verdict::Refused(error.code.to_string())
            }
            (Open { question: Question::Authenticate { token }, .. }, Answer::Identity(Ok(_))) => {
                let Some(token) = Token::parse(token.as_deref()) else { return Ok(()) };
                let grant = Grant { token, decides: self.decides, number: scene.revoked.count };
                if scene.revoked.keeps_out(&grant.token, self.decides) {
                    Verdict::Refused("unauthorized".to_owned())
                } else if self.grant.as_ref().is_some_and(|known| known.subject() != grant.subject()) {
                    Verdict::Refused("forbidden".to_owned())
                } else if let (Some(question), true) = (next.cloned(), self.grant.is_some()) {
                    // No frame follows a token in one read, so this is about the topics in force.
                    let asked_at = scene.revoked.count;
                    let fresh = Some(grant);
                    self.open = Some(Open { question, fresh, began: scene.now, asked_at });
                    return Ok(());
                } else {
                    if self.grant.is_none() {
                        self.obeyed = grant.number;
                    }
                    let verdict = Verdict::Admitted(grant.token.clone(), self.decides == Decides::Token);
                    self.grant = Some(grant);
                    verdict
                }
            }
            (Open { question: Question::Authenticate { .. }, .. }, _) => return Ok(()),
            (Open { question, fresh, .. }, Answer::Topics(Ok(allowed))) => {
                let Some(grant) = fresh.as_ref().or(self.grant.as_ref()) else { return Ok(()) };
                let (Question::Subscribe { topics, .. } | Question::Publish { topics, .. }) = question else {
                    return Ok(());
                };
                let (had, lost): (Vec<_>, Vec<_>) = topics
                    .iter()
                    .zip(allowed)
                    .partition(|(topic, allowed)| **allowed && !scene.revoked.takes_back(grant, topic));
                let names =
                    |of: Vec<(&TopicName, _)>| of.into_iter().map(|(topic, _)| topic.clone()).collect();
                if fresh.is_some() {
                    let (token, head) = (grant.token.clone(), scene.head(grant.token.tenant));
                    self.grant = open.fresh.clone();
                    self.unhandled.pop_front();
                    self.owes.reply(frame, scene.now, Verdict::Admitted(token, true));
                    self.owes.loss(names(lost), head);
                    return self.follow(next, scene);
                }
                Verdict::Topics(names(had))
            }
            (_, Answer::Identity(Ok(_))) => return Ok(()),
        };
        self.unhandled.pop_front();
        let is_fresh =
            matches!(verdict, Verdict::Admitted(..)) && !matches!(frame, Some(ClientFrame::Hello { .. }));
        self.owes.reply(frame, scene.now, verdict);
        if let (true, Decides::Token, Some(grant)) = (is_fresh, self.decides, &self.grant) {
            let has =
                |topic: &TopicName| grant.token.allows(topic) && !scene.revoked.takes_back(grant, topic);
            let topics = all_topics().filter(|topic| !has(topic)).collect();
            self.owes.loss(topics, scene.head(grant.token.tenant));
        }
        self.follow(next, scene)
    }

    /// Returns the topics of a frame, if the session obeys the revocations before it handles it.
    fn needs(&self, frame: &ClientFrame) -> Option<Vec<TopicName>> {
        let parse = |topics: &[String]| topics.iter().map(|topic| topic.parse().ok()).collect::<Vec<_>>();
        match frame {
            ClientFrame::Token { .. } => Some(Vec::new()),
            ClientFrame::Subscribe { topics, .. } => (topics.len() <= self.settings.max_topics_per_frame)
                .then(|| parse(topics).into_iter().flatten().collect()),
            // One text that is no topic makes a publish invalid.
            ClientFrame::Publish { publish, .. } => parse(publish.topics.as_deref()?).into_iter().collect(),
            _ => None,
        }
    }
}

impl Scene<'_> {
    fn head(&self, tenant: usize) -> u64 {
        self.reference.history(tenant).map_or(0, crate::reference::History::head)
    }
}

/// Returns whether an answer may be older than a revocation of its client, or of one of its topics.
fn is_old(open: &Open, answer: &Answer, scene: &Scene<'_>) -> bool {
    match (&open.question, answer) {
        (Question::Authenticate { .. }, Answer::Identity(Ok(identity))) => {
            scene.revoked.has_revoked(&identity.subject, open.asked_at)
        }
        (Question::Authenticate { .. }, _) => false,
        (Question::Subscribe { identity, topics } | Question::Publish { identity, topics }, _) => {
            let lost = scene.revoked.lost(&identity.subject, open.asked_at);
            topics.iter().any(|topic| lost.contains(topic))
        }
    }
}

fn is_same(one: &Question, other: &Question) -> bool {
    match (one, other) {
        (Question::Authenticate { token }, Question::Authenticate { token: other }) => token == other,
        (Question::Subscribe { topics, .. }, Question::Subscribe { topics: other, .. })
        | (Question::Publish { topics, .. }, Question::Publish { topics: other, .. }) => topics == other,
        _ => false,
    }
}

/// Returns whether a question is about this frame.
fn fits(question: &Question, frame: Option<&ClientFrame>) -> bool {
    let is_named = |named: &[TopicName], topics: &[String]| {
        let named: BTreeSet<&str> = named.iter().map(TopicName::as_str).collect();
        let topics: BTreeSet<&str> = topics.iter().map(|topic| &**topic).collect();
        topics.is_superset(&named) && topics.difference(&named).all(|other| TopicName::parse(other).is_err())
    };
    match (question, frame) {
        (Question::Authenticate { token }, Some(ClientFrame::Hello { token: its, .. })) => token == its,
        (Question::Authenticate { token }, Some(ClientFrame::Token { token: its, .. })) => {
            token.as_ref() == Some(its)
        }
        (Question::Subscribe { topics, .. }, Some(ClientFrame::Subscribe { topics: its, .. })) => {
            is_named(topics, its)
        }
        (Question::Publish { topics, .. }, Some(ClientFrame::Publish { publish, .. })) => {
            is_named(topics, publish.topics.as_deref().unwrap_or_default())
        }
        _ => false,
    }
}
