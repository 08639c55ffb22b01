//! The application's answers. They come at once, late, after the deadline, or never. The application reads its rows some
//! time before its answer comes, so that they may change in between.

use tidings_hub::{AccessError, Answer, Question, QuestionId, Session};

use crate::{
    invariant::{Check, holds},
    ledger::Went,
    served::{Served, short},
    world::{Event, World},
};

/// How an application answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// The percentage of answers that come at once.
    pub(crate) at_once_percent: u64,
    /// The longest time of the others.
    pub(crate) most_ms: u64,
    /// The percentage of questions that the application never answers.
    pub(crate) never_percent: u64,
    /// The percentage of answers that say that its code failed, and also of those that say that it can't tell now.
    pub(crate) fault_percent: u64,
}

impl Pace {
    pub(crate) const AT_ONCE: Self =
        Self { at_once_percent: 100, most_ms: 0, never_percent: 0, fault_percent: 0 };
}

/// A question that the application has, and its answer after it was judged. The session may have given it up.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) id: QuestionId,
    question: Question,
    answer: Option<Answer>,
}

impl World {
    /// Gives a question to the application.
    pub(crate) fn ask(&mut self, link: u64, served: &mut Served, (id, question): (QuestionId, Question)) {
        self.questions += 1;
        let (number, pace) = (self.questions, self.config.pace);
        self.say(|| short(&format!("link {link}: question {number}: {question:?}")));
        served.asked.insert(number, Asked { id, question, answer: None });
        let most = if self.rng.percent(pace.at_once_percent) { 0 } else { pace.most_ms };
        let most = if self.heals { most.min(50) } else { most };
        if !self.heals && self.rng.percent(pace.never_percent) {
            self.stats.count("question without an answer");
            return;
        }
        let comes = self.rng.below(most + 1);
        let judged = self.rng.below(comes + 1);
        self.after(judged, Event::Judge { link, number });
        self.after(comes, Event::Answer { link, number });
    }

    /// The application reads its rows.
    pub(crate) fn judge(&mut self, link: u64, number: u64) -> Check {
        let (now, fault) = (self.moment(), self.rng.below(100));
        let fault_percent = if self.heals { 0 } else { self.config.pace.fault_percent };
        let Some(served) = self.links.get_mut(&link).and_then(|link| link.served.as_mut()) else {
            return Ok(());
        };
        let Some(asked) = served.asked.get_mut(&number) else { return Ok(()) };
        let unavailable = || AccessError::unavailable("the database is away");
        asked.answer = Some(match &asked.question {
            _ if fault < fault_percent => Answer::Failed,
            Question::Authenticate { .. } if fault < 2 * fault_percent => {
                Answer::Identity(Err(unavailable()))
            }
            _ if fault < 2 * fault_percent => Answer::Topics(Err(unavailable())),
            question => self.node.application.judge(question, now),
        });
        match asked.answer {
            Some(Answer::Failed) => self.stats.count("answer failed"),
            Some(Answer::Identity(Err(_)) | Answer::Topics(Err(_))) => self.stats.count("rights unavailable"),
            _ => {}
        }
        Ok(())
    }

    /// An answer comes to the session, which may not wait for it any more.
    pub(crate) fn answer(&mut self, link: u64, number: u64) -> Check {
        let Some(mut served) = self.links.get_mut(&link).and_then(|link| link.served.take()) else {
            return Ok(());
        };
        let Some(Asked { id, question, answer: Some(answer) }) = served.asked.remove(&number) else {
            self.put_back(link, served);
            return Ok(());
        };
        self.say(|| short(&format!("link {link}: answer {number}: {answer:?}")));
        let shard = &self.node.workers[served.shard].shard;
        if !shard.protocol(served.key).awaits(id) {
            self.stats.count("answer that nobody needs");
        } else if served.check.ledger.asking_since().is_some_and(|since| since < self.now) {
            self.stats.count("answered later");
        }
        let before = self.before_answer(&served, &question, &answer);
        let awaited = shard.protocol(served.key).awaits(id);
        let now = self.moment();
        let mut next = None;
        let workers = &mut self.node.workers;
        workers[served.shard].shard.handle_session(served.key, now, |session: &mut Session| {
            session.handle_answer(id, answer.clone(), now);
            next = session.poll_question();
        });
        let is_closed = self.node.workers[served.shard].shard.protocol(served.key).is_closed();
        let scene = self.node.revoked.scene(&self.reference, self.now, is_closed);
        let published = served.check.ledger.publish().cloned();
        if awaited {
            let held = served.check.ledger.held();
            let next = next.as_ref().map(|(_, question)| question);
            match served.check.ledger.answered(&answer, next, &scene)? {
                Went::AskedAgain => self.stats.count("asked again"),
                Went::Used if held > 0 => self.stats.count("held frames"),
                _ => {}
            }
        } else {
            holds!(next.is_none(), InTurn, "an answer that nobody needs leads to {next:?}");
        }
        if let Some(next) = next {
            self.ask(link, &mut served, next);
        }
        let accepted = self.after_answer(&mut served, before, published)?;
        self.put_back(link, served);
        if let Some((tenant, (asked, position, counters))) = accepted {
            self.acknowledged(tenant, asked, position, counters)?;
        }
        self.pump(link)
    }
}
