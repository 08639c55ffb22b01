//! A session's token: its refresh, its expiry and its revocation.

use std::time::Duration;

use tidings_shared::{Code, TopicName, frame::ServerFrame};

use super::{Session, State};
use crate::{Moment, problem::Problem, revocation::Admitted};

impl Session {
    /// Returns whether the session was revoked.
    pub(crate) fn is_revoked(&self, now: Moment) -> bool {
        let State::Open { admitted, .. } = &self.state else { return false };
        self.hub.revocations().ends(Some(self.id), admitted, now)
    }

    /// Ends the session if it was revoked.
    pub fn handle_revocation(&mut self, now: Moment) {
        if let (State::Open { admitted, .. }, true) = (&self.state, self.is_revoked(now)) {
            self.hub.revocations().keep_out(Some(self.id), admitted, now);
            // Deliveries that were read and not sent must not reach the client any more.
            self.outbox.clear();
            self.end(None, Code::Forbidden, "this session was revoked".to_owned());
        }
    }

    pub(super) fn refresh(&mut self, r#ref: u64, token: &str, now: Moment) {
        // A revoked client must not get a new token before its shard handles the revocation.
        self.handle_revocation(now);
        let State::Open { admitted, .. } = &mut self.state else { return };
        let known = &admitted.identity;
        match self.hub.revocations().admit(&*self.access, Some(token), now) {
            Ok(Admitted { identity, .. })
                if (&identity.subject, &identity.tenant) != (&known.subject, &known.tenant) =>
            {
                let message = "the new token is of another subject or tenant: open another connection";
                self.refuse(Some(r#ref), Problem::new(Code::Forbidden, message));
            }
            Ok(fresh) => {
                **admitted = fresh;
                self.token_accepted(r#ref, now);
            }
            Err(error) => {
                self.hub.refusals().token(&error, now.since_start);
                self.refuse(Some(r#ref), Problem::new(error.code, error.message));
            }
        }
    }

    /// Applies the rights of a new token: removes the topics that it does not allow.
    fn token_accepted(&mut self, r#ref: u64, now: Moment) {
        let State::Open { admitted, follower } = &mut self.state else { return };
        let identity = &admitted.identity;
        let expires_at = identity.expires_at;
        let is_lost = |topic: &&TopicName| !self.access.may_subscribe(identity, topic);
        let lost: Vec<TopicName> = follower.reader().topics().filter(is_lost).cloned().collect();
        for topic in &lost {
            follower.unsubscribe(topic);
        }
        self.expires = expiry(expires_at, self.settings.expiry_grace, now);
        let expires_in_ms = left_ms(expires_at, now);
        self.send(&ServerFrame::TokenAccepted { r#ref, expires_at, expires_in_ms });
        if !lost.is_empty() {
            let topics = lost.iter().map(TopicName::to_string).collect();
            let code = Some(Code::Forbidden.to_string());
            self.send(&ServerFrame::Unsubscribed { r#ref: None, topics, code });
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
