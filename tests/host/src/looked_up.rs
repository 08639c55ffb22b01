//! The command line's access rules, with rights that are looked up.

use std::time::Duration;

use tidings_server::{AccessError, Authorize, Credentials, Identity, hub::access::Rights};
use tidings_shared::TopicName;

use crate::rights::{Table, Verb};

/// The time of a look-up of the rights to the topic `slow:1`.
const SLOW: Duration = Duration::from_secs(2);

/// Knows clients by other rules, and writes down the rights of each. From then on only the tables decide.
#[derive(Debug)]
pub(crate) struct LookedUp<A> {
    pub(crate) rules: A,
    pub(crate) rights: Table,
    /// Nothing is looked up: the rights of the rules decide.
    pub(crate) are_final: bool,
}

impl<A: Authorize> Authorize for LookedUp<A> {
    async fn authenticate(&self, credentials: &Credentials) -> Result<Identity, AccessError> {
        let identity = self.rules.authenticate(credentials).await?;
        if self.are_final {
            return Ok(identity);
        }
        // Two tokens of one subject may have different rights.
        let who = identity.credential.as_deref().unwrap_or(&identity.subject);
        let number = self.rights.allow(who, &identity.rights).await.map_err(AccessError::unavailable)?;
        let admin = Rights::default().admin(identity.rights.admin);
        // The server keeps no credential, but it carries a name.
        Ok(identity.rights(admin).looked_up().display_name(number.to_string()))
    }

    async fn may_subscribe(
        &self,
        identity: &Identity,
        topics: &[TopicName],
    ) -> Result<Vec<bool>, AccessError> {
        // `cargo xtask bench rights` measures what this costs the neighbours.
        match topics.first().map(TopicName::as_str) {
            Some("slow:1") => tokio::time::sleep(SLOW).await,
            Some("never:1") => std::future::pending().await,
            _ => {}
        }
        self.look_up(identity, Verb::Subscribe, topics).await
    }

    async fn may_publish(&self, identity: &Identity, topics: &[TopicName]) -> Result<Vec<bool>, AccessError> {
        self.look_up(identity, Verb::Publish, topics).await
    }
}

impl<A> LookedUp<A> {
    async fn look_up(
        &self,
        identity: &Identity,
        verb: Verb,
        topics: &[TopicName],
    ) -> Result<Vec<bool>, AccessError> {
        let number = identity.display_name.as_deref().and_then(|number| number.parse().ok());
        let number = number.ok_or_else(|| AccessError::unavailable("this client has no number"))?;
        self.rights.look_up(number, verb, topics).await.map_err(AccessError::unavailable)
    }
}
