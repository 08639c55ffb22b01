//! The publishes of a session that wait for the journal. The client gets the answers in the order of its frames.

use std::{collections::VecDeque, task::Waker};

use tidings_shared::limits::MAX_WAITING_PUBLISHES;

use crate::{hub::Publishing, problem::Problem, publication::Published};

/// The answer to a publish, and the number that the client gave it.
pub(super) type Answered = (u64, Result<Published, Problem>);

/// The waiting publishes, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    waiting: VecDeque<(u64, State)>,
    answered: Vec<Answered>,
}

#[derive(Debug)]
enum State {
    Waits(Publishing),
    Refused(Problem),
}

impl Waiting {
    pub(super) fn push(&mut self, r#ref: u64, publishing: Publishing) {
        self.waiting.push_back((r#ref, State::Waits(publishing)));
    }

    /// Adds a publish that the hub does not take. Its answer follows on those before it.
    pub(super) fn refuse(&mut self, r#ref: u64, problem: Problem) {
        self.waiting.push_back((r#ref, State::Refused(problem)));
    }

    /// Returns whether answers have come. Otherwise `waker` is woken when the next one comes.
    pub(super) fn poll(&mut self, waker: &Waker) -> bool {
        while let Some((r#ref, state)) = self.waiting.front_mut() {
            let answer = match state {
                State::Waits(publishing) => match publishing.poll_answer(waker) {
                    std::task::Poll::Ready(answer) => answer.map_err(Problem::from),
                    std::task::Poll::Pending => break,
                },
                State::Refused(problem) => Err(problem.clone()),
            };
            self.answered.push((*r#ref, answer));
            self.waiting.pop_front();
        }
        if self.waiting.is_empty() {
            // An idle session keeps no memory for them.
            self.waiting = VecDeque::new();
        }
        !self.answered.is_empty()
    }

    pub(super) fn take_answers(&mut self) -> Vec<Answered> {
        std::mem::take(&mut self.answered)
    }

    /// Returns whether as many publishes wait as may wait.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MAX_WAITING_PUBLISHES
    }
}
