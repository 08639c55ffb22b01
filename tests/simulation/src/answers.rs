//! The application's answers. They come at once, late, after the deadline, or never. The application reads its rows some
//! time before its answer comes, so that they may change in between.

use tidings_hub::{AccessError, Answer, Question, QuestionId, Session};

use tidings_shared::frame::ClientFrame;

use crate::{
    access::Token,
    invariant::{Check, holds},
    ledger::Went,
    node::head,
    reads::{Accepted, Head, appended, asked},
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
    id: QuestionId,
    question: Question,
    answer: Option<Answer>,
}

impl World {
    /// Gives a question to the application.
    pub(crate) fn ask(&mut self, link: u64, served: &mut Served, (id, question): (QuestionId, Question)) {
        self.questions += 1;
        let (number, pace) = (self.questions, self.config.pace);
        self.say(|| short(&format!("link {link}: question {number}: {question:?}")));
        served.open = Some(number);
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

    /// Gives the application a question that a session asks after it has waited for the journal.
    pub(crate) fn ask_later(&mut self, link: u64, question: (QuestionId, Question)) {
        if let Some(mut served) = self.links.get_mut(&link).and_then(|link| link.served.take()) {
            self.ask(link, &mut served, question);
            self.put_back(link, served);
        }
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
            question => self.application.judge(question, now),
        });
        if fault < 2 * fault_percent {
            let has_failed = fault < fault_percent;
            self.stats.count(if has_failed { "answer failed" } else { "rights unavailable" });
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
        if self.config.cluster.is_some() {
            return self.answer_on_journal(link, served, (id, question), answer);
        }
        let protocol = self.workers[served.shard].shard.protocol(served.key);
        let awaited = served.open == Some(number) && served.check.ledger.is_asking() && !protocol.is_closed();
        let awaits = protocol.awaits(id);
        holds!(
            awaits == awaited,
            InTurn,
            "answer {number}: the session waits for it: {awaits}, and not {awaited}"
        );
        if !awaited {
            self.stats.count("answer that nobody needs");
        } else if served.check.ledger.asking_since().is_some_and(|since| since < self.now) {
            self.stats.count("answered later");
        }
        let before = self.before_answer(&served, &question, &answer);
        let now = self.moment();
        let mut next = None;
        let workers = &mut self.workers;
        workers[served.shard].shard.handle_session(served.key, now, |session: &mut Session| {
            session.handle_answer(id, answer.clone(), now);
            next = session.poll_question();
        });
        let is_closed = self.workers[served.shard].shard.protocol(served.key).is_closed();
        let scene = self.nodes[0].revoked.scene(&self.reference, self.now, is_closed);
        let published = before.and_then(|_| served.check.ledger.publish().cloned());
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

    /// An answer comes to a session of a node on a journal.
    fn answer_on_journal(
        &mut self,
        link: u64,
        mut served: Served,
        (id, question): (QuestionId, Question),
        answer: Answer,
    ) -> Check {
        let now = self.moment();
        if let (Question::Authenticate { token }, Answer::Identity(Ok(_))) = (&question, &answer)
            && let Some(token) = Token::parse(token.as_deref())
        {
            served.seen.token = Some((token, self.now));
        }
        let mut next = None;
        self.workers[served.shard].shard.handle_session(served.key, now, |session: &mut Session| {
            session.handle_answer(id, answer, now);
            next = session.poll_question();
        });
        if let Some(next) = next {
            self.ask(link, &mut served, next);
        }
        self.put_back(link, served);
        self.pump(link)
    }

    /// Returns the head of the log that an answer may change.
    fn before_answer(&self, served: &Served, question: &Question, answer: &Answer) -> Option<Head> {
        let ledger = &served.check.ledger;
        let named = match (question, answer) {
            (Question::Authenticate { token }, Answer::Identity(Ok(_))) => Token::parse(token.as_deref()),
            _ => None,
        };
        if named.is_none() && ledger.publish().is_none() {
            return None;
        }
        let tenant = ledger.tenant().or(named.map(|token| token.tenant))?;
        Some((tenant, head(&self.nodes[0].hub, tenant)?))
    }

    /// Notes a session that was let in, and returns the publish that an answer has led to.
    fn after_answer(
        &mut self,
        served: &mut Served,
        before: Option<Head>,
        publish: Option<ClientFrame>,
    ) -> Check<Option<Accepted>> {
        let Some(before) = before else { return Ok(None) };
        if served.check.ledger.tenant().is_some() {
            let history = self.reference.current(before.0, before.1)?;
            served.check.begins(history);
        }
        let now = self.moment();
        let asked = asked(publish.as_ref(), now);
        if asked.as_ref().is_some_and(|asked| self.reference.knows(before.0, asked.key)) {
            self.stats.count("known key");
        }
        Ok(asked.and_then(|asked| appended(&self.nodes[0].hub, before, asked)))
    }

    /// Follows a session through a timeout that it has handled.
    pub(crate) fn follows_timeout(&mut self, link: u64) -> Check {
        let Some(mut served) = self.links.get_mut(&link).and_then(|link| link.served.take()) else {
            return Ok(());
        };
        let shard = &mut self.workers[served.shard].shard;
        let next = shard.poll_question(served.key);
        let protocol = shard.protocol(served.key);
        let still_awaits = served.asked.values().any(|asked| protocol.awaits(asked.id));
        let scene = self.nodes[0].revoked.scene(&self.reference, self.now, protocol.is_closed());
        let question = next.as_ref().map(|(_, question)| question);
        if self.config.cluster.is_none() && served.check.ledger.timed_out(still_awaits, question, &scene)? {
            self.stats.count("question given up");
        }
        if let Some(next) = next {
            self.ask(link, &mut served, next);
        }
        self.put_back(link, served);
        Ok(())
    }
}
