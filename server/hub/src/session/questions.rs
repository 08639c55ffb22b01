//! The questions of a session: who is the client, and what may it do?
//!
//! The application answers, and it may take its time. Until the answer or the deadline comes, the session handles no
//! further frame. It keeps the frames of the current read, and [`Session::hears`] is false. Deliveries, pings and
//! revocations go on.
//!
//! ```text
//! frame ─▶ ask ─▶ poll_question ─▶ the shell ─▶ handle_answer ─▶ the next frame
//!                                  deadline ──▶ overloaded   ──▶ the next frame
//! ```
//!
//! An answer may be older than a revocation of its client or its topics. Then the session asks again.

use std::{collections::VecDeque, sync::Arc, task::Waker, time::Duration};

use tidings_shared::{Code, TopicName, frame::ClientFrame};

use super::{Session, State, pending::Pending};
use crate::{
    Moment,
    access::{AccessError, Answer, Identity, Question},
    hub::CatchingUp,
    problem::Problem,
    revocation::{Admission, Admitted},
};

/// The number of a question of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuestionId(u64);

/// A question, and the frames that wait for its answer.
#[derive(Debug)]
pub(super) struct Asking {
    id: QuestionId,
    is_taken: bool,
    pending: Pending,
    asked: Asked,
    /// The session waits for the journal, and not for the application.
    journal: Option<CatchingUp>,
    /// The frames as they came: parsed ones can take many times as many bytes.
    held: VecDeque<String>,
}

/// When a question was asked.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// When the session began to wait. The question may have been asked again since.
    began: Duration,
    /// The number of the newest revocation when the application was asked.
    at: u64,
}

impl Session {
    /// Returns the next question for the application, once. Call this after each call that hands in something.
    pub fn poll_question(&mut self) -> Option<(QuestionId, Question)> {
        let asking = self.asking.as_mut().filter(|asking| !asking.is_taken)?;
        asking.is_taken = true;
        let identity = |state: &State| match state {
            State::Open { admitted, .. } => Some(Arc::clone(&admitted.identity)),
            State::AwaitsHello | State::Closed => None,
        };
        let question = match &asking.pending {
            Pending::Hello { token, .. } => Question::Authenticate { token: token.clone() },
            Pending::Token { token, .. } => Question::Authenticate { token: Some(token.clone()) },
            Pending::Rights { fresh, topics, .. } => {
                Question::Subscribe { identity: Arc::clone(&fresh.identity), topics: topics.clone() }
            }
            Pending::Subscribe(subscribe) => Question::Subscribe {
                identity: identity(&self.state)?,
                topics: subscribe.topics.names().to_vec(),
            },
            // The journal answers these.
            Pending::Welcome { .. } | Pending::Resume { .. } => return None,
            Pending::Publish { publish, .. } => {
                Question::Publish { identity: identity(&self.state)?, topics: publish.topics().to_vec() }
            }
        };
        Some((asking.id, question))
    }

    /// Returns whether the session still waits for the answer to this question. Otherwise nobody needs the answer.
    pub fn awaits(&self, question: QuestionId) -> bool {
        self.asking.as_ref().is_some_and(|asking| asking.id == question)
    }

    /// Handles the answer to a question. Does nothing if the session does not wait for it any more.
    pub fn handle_answer(&mut self, question: QuestionId, answer: Answer, now: Moment) {
        if !self.awaits(question) {
            return;
        }
        // A revoked client must not get anything before its shard handles the revocation.
        self.handle_revocation(now);
        let Some(mut asking) = self.asking.take() else { return };
        if self.is_outdated(&asking, &answer, now) {
            self.ask_again(asking);
            return;
        }
        let held = std::mem::take(&mut asking.held);
        self.go_on_after(asking.asked.began, now);
        self.handle_decision(asking.pending, asking.asked, Ok(answer), now);
        self.handle_held(held, now);
    }

    /// Asks what a frame needs, unless the client's rights are known. No other question is open.
    pub(super) fn ask(&mut self, pending: Pending, now: Moment) {
        self.ask_since(now.since_start, pending, now);
    }

    /// Asks a question for which the session has waited since `began`.
    fn ask_since(&mut self, began: Duration, pending: Pending, now: Moment) {
        self.handle_revocation(now);
        if self.is_closed() {
            return;
        }
        let asked = Asked { began, at: self.hub.revocations().newest() };
        if let Some(answer) = self.answer_by_rights(&pending) {
            return self.handle_decision(pending, asked, Ok(answer), now);
        }
        self.questions += 1;
        let (id, held) = (QuestionId(self.questions), VecDeque::new());
        self.asking = Some(Box::new(Asking { id, is_taken: false, pending, asked, journal: None, held }));
    }

    /// Waits until the journal has answered. No question is open.
    pub(super) fn wait_for_journal(&mut self, wait: CatchingUp, pending: Pending, now: Moment) {
        self.questions += 1;
        let (id, held) = (QuestionId(self.questions), VecDeque::new());
        let asked = Asked { began: now.since_start, at: self.hub.revocations().newest() };
        let journal = Some(wait);
        self.asking = Some(Box::new(Asking { id, is_taken: true, pending, asked, journal, held }));
    }

    /// Returns whether the journal has given an answer that the session waits for. Then call
    /// [`Session::handle_journal`]. Otherwise `waker` is woken when there is one.
    pub fn poll_journal(&mut self, waker: &Waker) -> bool {
        let wait = self.asking.as_mut().and_then(|asking| asking.journal.as_mut());
        let has_come = wait.is_some_and(|wait| wait.poll_ready(waker).is_ready());
        self.publishing.poll(waker) || has_come
    }

    /// Handles the answers of the journal that have come.
    pub fn handle_journal(&mut self, now: Moment) {
        self.handle_revocation(now);
        // The session may have read nothing until now, see [`Session::hears`].
        self.pinged = self.pinged.map(|pinged| pinged.max(now.since_start));
        for (r#ref, published) in self.publishing.take_answers() {
            self.published(r#ref, published);
        }
        let wait = self.asking.as_mut().and_then(|asking| asking.journal.as_mut());
        if wait.is_some_and(|wait| wait.poll_ready(Waker::noop()).is_ready()) {
            self.go_on_with_journal(now);
        }
    }

    /// Goes on with the frame that has waited for the journal.
    fn go_on_with_journal(&mut self, now: Moment) {
        let Some(mut asking) = self.asking.take() else { return };
        let held = std::mem::take(&mut asking.held);
        self.has_waited_in_vain |= asking.journal.as_ref().is_some_and(CatchingUp::is_behind);
        self.go_on_after(asking.asked.began, now);
        match asking.pending {
            Pending::Welcome { admitted, domains, client } => {
                self.welcome(admitted, domains, client, now);
            }
            // If it is late, the position is judged by what this node has.
            Pending::Resume { subscribe, allowed } => self.subscribe_allowed(subscribe, allowed, now),
            _ => {}
        }
        self.handle_held(held, now);
    }

    /// Keeps a frame until the answer to the open question comes. Returns whether a question is open.
    pub(super) fn hold(&mut self, frame: &str) -> bool {
        if let Some(asking) = &mut self.asking {
            asking.held.push_back(frame.to_owned());
        }
        self.asking.is_some()
    }

    /// Returns when the answer to the open question is late.
    pub(super) fn answer_due(&self) -> Option<Duration> {
        self.asking.as_ref().map(|asking| asking.asked.began.saturating_add(self.settings.answer_timeout))
    }

    /// Gives up waiting for an answer that is late.
    pub(super) fn handle_late_answer(&mut self, now: Moment) {
        if self.answer_due().is_none_or(|due| now.since_start < due) {
            return;
        }
        match self.asking.as_ref().map(|asking| &asking.pending) {
            Some(Pending::Welcome { .. }) => {
                let message = "the history of this tenant can't be loaded at the moment".to_owned();
                return self.end(None, Code::Overloaded, message);
            }
            Some(Pending::Resume { .. }) => return self.go_on_with_journal(now),
            _ => {}
        }
        let Some(mut asking) = self.asking.take() else { return };
        let held = std::mem::take(&mut asking.held);
        self.go_on_after(asking.asked.began, now);
        self.handle_decision(asking.pending, asking.asked, Err(AccessError::late()), now);
        self.handle_held(held, now);
    }

    fn ask_again(&mut self, mut asking: Box<Asking>) {
        self.questions += 1;
        (asking.id, asking.is_taken) = (QuestionId(self.questions), false);
        asking.asked.at = self.hub.revocations().newest();
        self.asking = Some(asking);
    }

    /// Returns whether a revocation came between the question and its answer.
    fn is_outdated(&self, asking: &Asking, answer: &Answer, now: Moment) -> bool {
        let (revocations, asked_at) = (self.hub.revocations(), asking.asked.at);
        match (&asking.pending, &self.state, answer) {
            (Pending::Rights { fresh, topics, .. }, ..) => revocations.outdate(fresh, topics, asked_at, now),
            (Pending::Subscribe(subscribe), State::Open { admitted, .. }, _) => {
                revocations.outdate(admitted, subscribe.topics.names(), asked_at, now)
            }
            (Pending::Publish { publish, .. }, State::Open { admitted, .. }, _) => {
                revocations.outdate(admitted, publish.topics(), asked_at, now)
            }
            _ => false,
        }
    }

    /// Answers a question about topics without the application, if the rights of the identity are final.
    fn answer_by_rights(&self, pending: &Pending) -> Option<Answer> {
        let State::Open { admitted, .. } = &self.state else { return None };
        let answers = match pending {
            Pending::Hello { .. }
            | Pending::Token { .. }
            | Pending::Welcome { .. }
            | Pending::Resume { .. } => {
                return None;
            }
            Pending::Rights { fresh, topics, .. } => {
                let rights = fresh.identity.final_rights()?;
                topics.iter().map(|topic| rights.may_subscribe(topic)).collect()
            }
            // Every topic is malformed, or there is none.
            Pending::Subscribe(subscribe) if subscribe.topics.names().is_empty() => Vec::new(),
            Pending::Publish { publish, .. } if publish.topics().is_empty() => Vec::new(),
            Pending::Subscribe(subscribe) => {
                let rights = admitted.identity.final_rights()?;
                subscribe.topics.names().iter().map(|topic| rights.may_subscribe(topic)).collect()
            }
            Pending::Publish { publish, .. } => {
                let rights = admitted.identity.final_rights()?;
                publish.topics().iter().map(|topic| rights.may_publish(topic)).collect()
            }
        };
        Some(Answer::Topics(Ok(answers)))
    }

    /// The time of a question counts neither for the answer to a ping nor for a pause: the session read nothing. The
    /// frames that came meanwhile are in the budget.
    fn go_on_after(&mut self, began: Duration, now: Moment) {
        self.pinged = self.pinged.map(|pinged| pinged.max(now.since_start));
        let waited = now.since_start.saturating_sub(began);
        self.paused_until = self.paused_until.map(|until| until + waited);
        self.budget.wait(self.settings.frames_per_second, waited, now.since_start);
    }

    fn handle_held(&mut self, mut held: VecDeque<String>, now: Moment) {
        while !self.is_closed() {
            if let Some(asking) = &mut self.asking {
                asking.held = held;
                return;
            }
            let Some(frame) = held.pop_front() else { return };
            self.handle_parsed(ClientFrame::parse(&frame), now);
        }
    }

    /// Does what a frame asks for, or refuses it.
    fn handle_decision(
        &mut self,
        pending: Pending,
        asked: Asked,
        answer: Result<Answer, AccessError>,
        now: Moment,
    ) {
        let answer = match answer {
            Ok(Answer::Failed) => {
                let AccessError { code, message } = AccessError::failed();
                return self.end(None, code, message);
            }
            Ok(answer) => answer,
            Err(late) => match &pending {
                Pending::Hello { .. } | Pending::Token { .. } => Answer::Identity(Err(late)),
                _ => Answer::Topics(Err(late)),
            },
        };
        if let Answer::Topics(Err(error)) = &answer {
            self.hub.refusals().client(error, now.since_start);
        }
        match (pending, answer) {
            (Pending::Hello { token, domains, client }, Answer::Identity(identity)) => {
                match self.admit(identity, token.as_deref(), asked.at, now) {
                    Ok(Some(admitted)) => self.welcome(admitted, domains, client, now),
                    Ok(None) => self.ask_since(asked.began, Pending::Hello { token, domains, client }, now),
                    Err(error) => self.end(None, error.code, error.message),
                }
            }
            (Pending::Token { r#ref, token }, Answer::Identity(identity)) => {
                match self.admit(identity, Some(&token), asked.at, now) {
                    Ok(Some(fresh)) => self.refresh(r#ref, fresh, now),
                    Ok(None) => self.ask_since(asked.began, Pending::Token { r#ref, token }, now),
                    Err(error) => self.refuse(Some(r#ref), error.into()),
                }
            }
            (Pending::Rights { r#ref, fresh, topics }, Answer::Topics(allowed)) => {
                let allowed = allowed.map(|allowed| self.withdrawn(&fresh, &topics, allowed, now));
                match allowed {
                    Ok(allowed) => self.token_accepted(r#ref, fresh, &topics, &allowed, now),
                    Err(error) => self.refuse(Some(r#ref), error.into()),
                }
            }
            (Pending::Subscribe(subscribe), Answer::Topics(allowed)) => {
                let State::Open { admitted, .. } = &self.state else { return };
                let names = subscribe.topics.names();
                let allowed = allowed.map(|allowed| self.withdrawn(admitted, names, allowed, now));
                self.resume(subscribe, allowed.map_err(|error| error.code), now);
            }
            (Pending::Publish { r#ref, publish }, Answer::Topics(allowed)) => {
                let State::Open { admitted, .. } = &self.state else { return };
                let allowed = allowed.map(|allowed| self.withdrawn(admitted, publish.topics(), allowed, now));
                let tenant = &admitted.identity.tenant;
                let published = allowed
                    .map_err(Problem::from)
                    .and_then(|allowed| publish.publish(&self.hub, tenant, &allowed, now));
                match published {
                    Ok(published) => self.publishing.push(r#ref, published),
                    Err(problem) => self.publishing.refuse(r#ref, problem),
                }
                self.publishing.poll(Waker::noop());
                for (r#ref, published) in self.publishing.take_answers() {
                    self.published(r#ref, published);
                }
            }
            _ => {
                // A fault of the shell: fail closed. The answer may name a credential, so it is not logged.
                tracing::error!("an answer does not fit its question");
                self.end(None, Code::Internal, "the server has a fault".to_owned());
            }
        }
    }

    /// Lets a client in. `None` means that the application must be asked again.
    fn admit(
        &self,
        identity: Result<Identity, AccessError>,
        token: Option<&str>,
        asked_at: u64,
        now: Moment,
    ) -> Result<Option<Admitted>, AccessError> {
        let admission = identity.map(|identity| self.hub.revocations().admit(identity, token, asked_at, now));
        let error = match admission {
            Ok(Admission::Admitted(admitted)) => return Ok(Some(admitted)),
            Ok(Admission::AskAgain) => return Ok(None),
            Ok(Admission::Refused(error)) | Err(error) => error,
        };
        self.hub.refusals().client(&error, now.since_start);
        Err(error)
    }

    /// Returns the rights that no revocation has taken back.
    fn withdrawn(
        &self,
        admitted: &Admitted,
        topics: &[TopicName],
        mut allowed: Vec<bool>,
        now: Moment,
    ) -> Vec<bool> {
        self.hub.revocations().withdraw(admitted, topics, &mut allowed, now);
        allowed
    }
}
