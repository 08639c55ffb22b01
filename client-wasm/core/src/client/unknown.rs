//! Domains that nobody knows: nothing may ever be published in them.

use tidings_shared::{frame::UnknownDomain, limits::MAX_UNKNOWN_DOMAINS};

use super::Client;
use crate::Output;

impl<P: Clone> Client<P> {
    /// The server does not know these; of those that this client does not know either, its user hears once.
    pub(super) fn tell_of_unknown(&mut self, unknown: Vec<UnknownDomain>) {
        let Some(known) = &self.options.domains else { return };
        for UnknownDomain { domain, nearest } in unknown {
            let is_known = known.contains(&domain) || self.told_of_domains.contains(&domain);
            if !is_known && self.told_of_domains.len() < MAX_UNKNOWN_DOMAINS {
                self.told_of_domains.push(domain.clone());
                self.out.push(Output::UnknownDomain { domain, nearest });
            }
        }
    }
}
