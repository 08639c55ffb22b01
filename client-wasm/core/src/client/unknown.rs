//! Domains that neither side knows. A misspelt domain is one of them, and no event ever comes from it.

use tidings_shared::{frame::UnknownDomain, limits::MAX_UNKNOWN_DOMAINS};

use super::Client;
use crate::Output;

impl<P: Clone> Client<P> {
    /// Reports the domains that the server does not know, unless this client knows them. It reports each once.
    pub(super) fn report_unknown(&mut self, unknown: Vec<UnknownDomain>) {
        let Some(known) = &self.options.domains else { return };
        for UnknownDomain { domain, nearest } in unknown {
            let is_known = known.contains(&domain) || self.reported_domains.contains(&domain);
            if !is_known && self.reported_domains.len() < MAX_UNKNOWN_DOMAINS {
                self.reported_domains.push(domain.clone());
                self.out.push(Output::UnknownDomain { domain, nearest });
            }
        }
    }
}
