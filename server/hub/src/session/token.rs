//! A session's token: its refresh, its expiry and its revocation.

use std::time::Duration;

use tidings_shared::{Code, TopicName, frame::ServerFrame};

use super::{Session, State, pending::Pending};
use crate::{Moment, problem::Problem, revocation::Admitted};

impl Session {
    /// Returns whether a revocation ends the session, or one of its subscriptions.
    pub(crate) fn is_revoked(&self, now: Moment) -> bool {
        let State::Open { admitted, follower, obeyed, .. } = &self.state else { return false };
        let revocations = self.hub.revocations();
        revocations.ends(Some(self.id), admitted, now)
            || revocations.takes_away(admitted, follower.reader().topics(), *obeyed, now)
    }

    /// Ends the session if it was revoked. Ends its subscriptions to topics that were revoked.
    pub fn handle_revocation(&mut self, now: Moment) {
        let State::Open { admitted, follower, obeyed, seen } = &mut self.state else { return };
        let revocations = self.hub.revocations();
        let version = revocations.version();
        if std::mem::replace(seen, version) == version {
            return;
        }
        if revocations.ends(Some(self.id), admitted, now) {
            self.hub.keep_out(Some(self.id), admitted, now);
            // Deliveries that were read and not sent must not reach the client any more.
            self.outbox.clear();
            return self.end(None, Code::Forbidden, "this session was revoked".to_owned());
        }
        let (lost, newest, known) = revocations.lost(admitted, follower.reader().topics(), *obeyed, now);
        self.hub.keep_revoked(known, now);
        *obeyed = newest;
        self.unsubscribe_lost(&lost);
    }

    /// Handles a new token that was accepted: asks which of the session's topics it allows.
    pub(super) fn refresh(&mut self, r#ref: u64, fresh: Admitted, now: Moment) {
        let State::Open { admitted, follower, .. } = &self.state else { return };
        let known = &admitted.identity;
        if (&fresh.identity.subject, &fresh.identity.tenant) != (&known.subject, &known.tenant) {
            let message = "the new token is of another subject or tenant: open another connection";
            return self.refuse(Some(r#ref), Problem::new(Code::Forbidden, message));
        }
        let topics: Vec<TopicName> = follower.reader().topics().cloned().collect();
        if topics.is_empty() {
            return self.token_accepted(r#ref, fresh, &[], &[], now);
        }
        self.ask(Pending::Rights { r#ref, fresh, topics }, now);
    }

    /// Applies the rights of a new token: removes the topics that it does not allow.
    pub(super) fn token_accepted(
        &mut self,
        r#ref: u64,
        fresh: Admitted,
        topics: &[TopicName],
        allowed: &[bool],
        now: Moment,
    ) {
        let State::Open { admitted, .. } = &mut self.state else { return };
        let expires_at = fresh.identity.expires_at;
        **admitted = fresh;
        self.expires = expiry(expires_at, self.settings.expiry_grace, now);
        let expires_in_ms = left_ms(expires_at, now);
        self.send(&ServerFrame::TokenAccepted { r#ref, expires_at, expires_in_ms });
        let is_lost = |index: usize| allowed.get(index) != Some(&true);
        let lost = topics.iter().enumerate().filter(|(index, _)| is_lost(*index)).map(|(_, topic)| topic);
        let lost: Vec<TopicName> = lost.cloned().collect();
        self.unsubscribe_lost(&lost);
    }

    /// Ends subscriptions without a right, and tells the client.
    fn unsubscribe_lost(&mut self, lost: &[TopicName]) {
        let State::Open { follower, .. } = &mut self.state else { return };
        let lost: Vec<String> =
            lost.iter().filter(|topic| follower.unsubscribe(topic)).map(TopicName::to_string).collect();
        if !lost.is_empty() {
            let code = Some(Code::Forbidden.to_string());
            self.send(&ServerFrame::Unsubscribed { r#ref: None, topics: lost, code });
        }
    }
}

/// Returns how long a token that expires at `expires_at` is still valid.
pub(super) fn left_ms(expires_at: Option<u64>, now: Moment) -> Option<u64> {
    Some(expires_at?.saturating_sub(now.unix_ms))
}

/// Returns when the session of a token that expires at `expires_at` must end.
pub(crate) fn expiry(expires_at: Option<u64>, grace: Duration, now: Moment) -> Option<Moment> {
    let left = Duration::from_millis(left_ms(expires_at, now)?);
    Some(now.after(left.saturating_add(grace)))
}
