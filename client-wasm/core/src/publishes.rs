//! Publishes that wait for an answer.

use tidings_shared::frame::{self, ClientFrame};

use super::{
    Error, Output, Payload, Publish, PublishId, error::OFFLINE_FULL, limits::MAX_PUBLISHES, output::Outputs,
};

/// The publishes that wait for an answer, in the user's order. The client sends them in this order, also after a reconnect.
#[derive(Debug)]
pub(crate) struct Publishes<P> {
    next_id: u64,
    pending: Vec<Pending<P>>,
    /// One of those that were sent is too large. The client sends one at a time to find it.
    one_by_one: bool,
}

#[derive(Debug)]
struct Pending<P> {
    id: PublishId,
    publish: Publish<P>,
    /// The `ref` with which it was sent in this session.
    sent: Option<u64>,
    /// The user cancelled it, and its answer has not come yet.
    cancelled: bool,
}

impl<P> Default for Publishes<P> {
    fn default() -> Self {
        Self { next_id: 1, pending: Vec::new(), one_by_one: false }
    }
}

impl<P: Payload> Publishes<P> {
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Returns whether the user waits for an answer.
    pub(crate) fn any_wanted(&self) -> bool {
        self.pending.iter().any(|pending| !pending.cancelled)
    }

    pub(crate) fn any_sent(&self) -> bool {
        self.pending.iter().any(|pending| pending.sent.is_some())
    }

    pub(crate) fn any_sendable(&self) -> bool {
        self.next().is_some()
    }

    fn next(&self) -> Option<usize> {
        let waits = self.one_by_one && self.any_sent();
        self.pending.iter().position(|pending| pending.sent.is_none() && !waits)
    }

    pub(crate) fn add(&mut self, publish: Publish<P>) -> Result<PublishId, Error> {
        if self.pending.len() >= MAX_PUBLISHES {
            let message =
                "Too many publishes wait for an answer: try again when the server has answered some.";
            return Err(Error::new(OFFLINE_FULL, message));
        }
        let id = PublishId(self.next_id);
        self.next_id += 1;
        self.pending.push(Pending { id, publish, sent: None, cancelled: false });
        Ok(id)
    }

    /// Cancels a publish. If it was sent already, the server may publish it nevertheless.
    pub(crate) fn remove(&mut self, id: PublishId) {
        self.pending.retain_mut(|pending| {
            pending.cancelled |= pending.id == id;
            !pending.cancelled || pending.sent.is_some()
        });
    }

    /// Returns the frame of the next publish that was not sent in this session.
    pub(crate) fn send_next(&mut self, r#ref: u64) -> Option<ClientFrame<P>> {
        let index = self.next()?;
        let pending = &mut self.pending[index];
        pending.sent = Some(r#ref);
        let Publish { event, topics, key, origin } = pending.publish.clone();
        let publish = frame::Publish { event, topics, key: Some(key), origin };
        Some(ClientFrame::Publish { r#ref, publish })
    }

    /// Removes the publish that was sent with this `ref`. Returns it unless the user cancelled it.
    pub(crate) fn answered(&mut self, r#ref: u64) -> Option<PublishId> {
        let index = self.pending.iter().position(|pending| pending.sent == Some(r#ref))?;
        let Pending { id, cancelled, .. } = self.pending.remove(index);
        self.one_by_one &= !self.pending.is_empty();
        (!cancelled).then_some(id)
    }

    /// Handles the loss of the session: the next session gets all publishes without an answer.
    pub(crate) fn connection_lost(&mut self) {
        self.pending.retain_mut(|pending| {
            pending.sent = None;
            !pending.cancelled
        });
    }

    /// Handles the end of a connection because a frame was too large. The same frame would end the next connection too. If
    /// only one publish was sent, it fails. If there were several, the client sends them again one at a time.
    pub(crate) fn too_large(&mut self, error: &Error, out: &mut Outputs<P>) {
        self.one_by_one = self.pending.iter().filter(|pending| pending.sent.is_some()).count() > 1;
        if !self.one_by_one {
            self.fail(error, out, |pending| pending.sent.is_some());
        }
    }

    /// Fails all publishes.
    pub(crate) fn fail_all(&mut self, error: &Error, out: &mut Outputs<P>) {
        self.fail(error, out, |_| true);
    }

    fn fail(&mut self, error: &Error, out: &mut Outputs<P>, which: fn(&Pending<P>) -> bool) {
        self.pending.retain(|pending| {
            let fails = which(pending);
            if fails && !pending.cancelled {
                out.push(Output::PublishFailed { publish: pending.id, error: error.clone() });
            }
            !fails
        });
    }
}
