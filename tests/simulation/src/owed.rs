//! What a session owes its peer: an answer to each frame that it has handled, and the loss of topics, in order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tidings_shared::{
    TopicName,
    frame::{ClientFrame, ServerFrame},
};

use crate::{
    access::Token,
    invariant::{Check, holds},
};

/// The next answers and losses of a session.
#[derive(Debug, Default)]
pub(crate) struct Owes {
    owed: VecDeque<Owed>,
    /// Whether the session has ended. Its last answers may still come.
    pub(crate) is_over: bool,
    /// The head of the log when the session's subject was revoked.
    pub(crate) revoked_at: Option<u64>,
}

#[derive(Debug)]
enum Owed {
    Reply(Reply),
    /// The session must say that it took these topics away, if it has any. It must not read them from the log after this
    /// offset.
    Loss {
        topics: BTreeSet<TopicName>,
        head: u64,
    },
}

/// The answer to a frame that was handled.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    frame: Option<ClientFrame>,
    /// When the session handled the frame.
    pub(crate) at: u64,
    pub(crate) verdict: Verdict,
}

/// What the application, the token and the revocations say about a frame.
#[derive(Debug, Clone)]
pub(crate) enum Verdict {
    /// It takes no right.
    Free,
    /// Nobody was asked, and so it gives no right.
    Unasked,
    /// The client is let in. Whether the application was asked about the topics in force.
    Admitted(Token, bool),
    /// The topics that the client has the right to.
    Topics(BTreeSet<TopicName>),
    /// It is refused with this code.
    Refused(String),
}

impl Owes {
    /// Notes a frame that was handled.
    pub(crate) fn reply(&mut self, frame: Option<ClientFrame>, at: u64, verdict: Verdict) {
        self.owed.push_back(Owed::Reply(Reply { frame, at, verdict }));
    }

    /// Notes that the rights to some topics are lost. `head` is the offset of the log's head.
    pub(crate) fn loss(&mut self, topics: BTreeSet<TopicName>, head: u64) {
        if !topics.is_empty() {
            self.owed.push_back(Owed::Loss { topics, head });
        }
    }

    /// Takes the reply that this frame is, after the losses that come before it. `has` are the topics in force.
    pub(crate) fn said<T>(
        &mut self,
        frame: &ServerFrame,
        has: &BTreeMap<TopicName, T>,
    ) -> Check<Option<Reply>> {
        self.skip_losses(has);
        // The end of a session may come at any time, also before the answers to frames.
        let is_end = matches!(frame, ServerFrame::Error { r#ref, .. } if r#ref.is_none() || self.is_over);
        match self.owed.front() {
            Some(Owed::Reply(reply)) => {
                let is_in_turn = is_reply(frame, reply.frame.as_ref());
                holds!(is_in_turn || is_end, InTurn, "{frame:?} is not the answer to {:?}", reply.frame);
            }
            Some(Owed::Loss { topics, .. }) => {
                holds!(is_end, Rights, "{frame:?} comes before the loss of {topics:?}");
            }
            None => holds!(is_end || self.is_over, InTurn, "{frame:?} answers nothing"),
        }
        let is_its =
            |owed: &Owed| matches!(owed, Owed::Reply(reply) if is_reply(frame, reply.frame.as_ref()));
        match self.take_owed(is_its) {
            Some(Owed::Reply(reply)) => Ok(Some(reply)),
            _ => Ok(None),
        }
    }

    /// Returns the frame that gets the next answer.
    pub(crate) fn next<T>(&mut self, has: &BTreeMap<TopicName, T>) -> Option<&Reply> {
        self.skip_losses(has);
        match self.owed.front() {
            Some(Owed::Reply(reply)) => Some(reply),
            _ => None,
        }
    }

    /// Checks the topics that the session says it took away.
    pub(crate) fn took<T>(&mut self, taken: &BTreeSet<TopicName>, has: &BTreeMap<TopicName, T>) -> Check {
        self.skip_losses(has);
        let lost = match self.take_owed(|owed| matches!(owed, Owed::Loss { .. })) {
            Some(Owed::Loss { topics, .. }) => topics,
            _ => BTreeSet::new(),
        };
        let lost: BTreeSet<TopicName> = lost.into_iter().filter(|topic| has.contains_key(topic)).collect();
        holds!(*taken == lost, Rights, "{taken:?} were taken away, but the rights to {lost:?} are lost");
        Ok(())
    }

    /// Checks that an event, or a sync, was read from the log before the right to this topic was lost.
    pub(crate) fn may_read(&self, topic: &TopicName, offset: u64) -> Check {
        let is_after = |owed: &&Owed| match owed {
            Owed::Loss { topics, head } => topics.contains(topic) && offset > *head,
            Owed::Reply(_) => false,
        };
        let lost = self.owed.iter().find(is_after);
        holds!(lost.is_none(), Rights, "offset {offset} comes for {topic}, which was lost: {lost:?}");
        let revoked = self.revoked_at.filter(|head| offset > *head);
        holds!(revoked.is_none(), Rights, "offset {offset} comes, but the client was revoked at {revoked:?}");
        Ok(())
    }

    /// Checks that a session at rest owes nothing.
    pub(crate) fn rests<T>(&mut self, has: &BTreeMap<TopicName, T>) -> Check {
        self.skip_losses(has);
        if self.is_over {
            return Ok(());
        }
        match self.owed.front() {
            Some(Owed::Reply(reply)) => {
                holds!(false, Answered, "{:?} was handled, and has no answer", reply.frame)
            }
            Some(Owed::Loss { topics, .. }) => {
                holds!(false, Rights, "the session rests, and has not lost {topics:?}");
            }
            None => {}
        }
        Ok(())
    }

    fn skip_losses<T>(&mut self, has: &BTreeMap<TopicName, T>) {
        let is_empty = |owed: &Owed| match owed {
            Owed::Loss { topics, .. } => !topics.iter().any(|topic| has.contains_key(topic)),
            Owed::Reply(_) => false,
        };
        while self.take_owed(is_empty).is_some() {}
    }

    fn take_owed(&mut self, is_it: impl Fn(&Owed) -> bool) -> Option<Owed> {
        if self.owed.front().is_some_and(is_it) { self.owed.pop_front() } else { None }
    }
}

impl Reply {
    pub(crate) fn frame(&self) -> Option<&ClientFrame> {
        self.frame.as_ref()
    }
}

/// Returns whether a frame of a session may be the answer to this frame of a peer.
fn is_reply(frame: &ServerFrame, asked: Option<&ClientFrame>) -> bool {
    match (frame, asked) {
        (ServerFrame::Error { .. }, None)
        | (
            ServerFrame::Welcome { .. } | ServerFrame::Error { r#ref: None, .. },
            Some(ClientFrame::Hello { .. }),
        ) => true,
        (ServerFrame::Subscribed { r#ref, .. }, Some(ClientFrame::Subscribe { r#ref: its, .. }))
        | (ServerFrame::Published { r#ref, .. }, Some(ClientFrame::Publish { r#ref: its, .. }))
        | (ServerFrame::TokenAccepted { r#ref, .. }, Some(ClientFrame::Token { r#ref: its, .. }))
        | (ServerFrame::Pong { r#ref }, Some(ClientFrame::Ping { r#ref: its })) => r#ref == its,
        (ServerFrame::Unsubscribed { r#ref, .. }, Some(ClientFrame::Unsubscribe { r#ref: its, .. })) => {
            *r#ref == Some(*its)
        }
        (
            ServerFrame::Error { r#ref: Some(r#ref), .. },
            Some(
                ClientFrame::Subscribe { r#ref: its, .. }
                | ClientFrame::Unsubscribe { r#ref: its, .. }
                | ClientFrame::Publish { r#ref: its, .. }
                | ClientFrame::Token { r#ref: its, .. }
                | ClientFrame::Ping { r#ref: its },
            ),
        ) => r#ref == its,
        _ => false,
    }
}
