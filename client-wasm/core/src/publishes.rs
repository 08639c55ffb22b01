//! Publishes that wait for their answer.

use tidings_shared::frame::ClientFrame;

use super::{Error, Output, Publish, PublishId, error::OFFLINE_FULL, limits::MAX_PUBLISHES, output::Outputs};

/// In the order in which they were asked for, which is the order in which they are sent, again after a reconnect.
#[derive(Debug)]
pub(crate) struct Publishes<P> {
    next_id: u64,
    pending: Vec<Pending<P>>,
    /// One of them is too large; which one shows when each is sent alone.
    one_by_one: bool,
}

#[derive(Debug)]
struct Pending<P> {
    id: PublishId,
    publish: Publish<P>,
    /// The `ref` with which this session got it.
    sent: Option<u64>,
    /// Nobody waits for it any more; its answer is still to come.
    cancelled: bool,
}

impl<P> Default for Publishes<P> {
    fn default() -> Self {
        Self { next_id: 1, pending: Vec::new(), one_by_one: false }
    }
}

impl<P: Clone> Publishes<P> {
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether somebody waits for an answer.
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
            let message = "Too many publishes wait for an answer: try again when some were answered.";
            return Err(Error::new(OFFLINE_FULL, message));
        }
        let id = PublishId(self.next_id);
        self.next_id += 1;
        self.pending.push(Pending { id, publish, sent: None, cancelled: false });
        Ok(id)
    }

    /// Forgets a publish. If it was sent already, it may be published all the same.
    pub(crate) fn remove(&mut self, id: PublishId) {
        self.pending.retain_mut(|pending| {
            pending.cancelled |= pending.id == id;
            !pending.cancelled || pending.sent.is_some()
        });
    }

    /// The next one that this session did not get yet.
    pub(crate) fn send_next(&mut self, r#ref: u64) -> Option<ClientFrame<P>> {
        let index = self.next()?;
        let pending = &mut self.pending[index];
        pending.sent = Some(r#ref);
        let Publish { event, topics, key, origin } = pending.publish.clone();
        Some(ClientFrame::Publish { r#ref, event, topics, key: Some(key), origin })
    }

    /// Takes the one that was sent with this `ref`.
    pub(crate) fn answered(&mut self, r#ref: u64) -> Option<PublishId> {
        let index = self.pending.iter().position(|pending| pending.sent == Some(r#ref))?;
        let Pending { id, cancelled, .. } = self.pending.remove(index);
        self.one_by_one &= !self.pending.is_empty();
        (!cancelled).then_some(id)
    }

    /// The session is gone: what it did not answer goes to the next one.
    pub(crate) fn connection_lost(&mut self) {
        self.pending.retain_mut(|pending| {
            pending.sent = None;
            !pending.cancelled
        });
    }

    /// A frame was too large. Sent again, it would end the next connection too: if only one waits for its answer, that
    /// one fails; among several, the culprit is still to be found.
    pub(crate) fn too_large(&mut self, error: &Error, out: &mut Outputs<P>) {
        self.one_by_one = self.pending.iter().filter(|pending| pending.sent.is_some()).count() > 1;
        if !self.one_by_one {
            self.fail(error, out, |pending| pending.sent.is_some());
        }
    }

    /// All fail.
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

/// Containers within containers in a JSON text.
pub(crate) fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
