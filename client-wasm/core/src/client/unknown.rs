//! Domains that the two sides do not share: neither side knows them, or each has another form of them.

use tidings_shared::{frame::UnknownDomain, limits::MAX_UNKNOWN_DOMAINS};

use super::Client;
use crate::{Output, Payload};

impl<P: Payload> Client<P> {
    /// Adds a domain by which the user checks events. The next hello names it.
    pub fn handle_domain(&mut self, name: &str, fingerprint: impl FnOnce() -> String) {
        let fingerprints = &mut self.options.fingerprints;
        if fingerprints.get(name).is_none() {
            fingerprints.insert(name, fingerprint());
        }
    }

    /// Reports the domains that the server does not know, unless this client knows them. It reports each once. A
    /// misspelt domain is one of them, and no event ever comes from it.
    pub(super) fn report_unknown(&mut self, unknown: Vec<UnknownDomain>) {
        let Some(known) = &self.options.domains else { return };
        for UnknownDomain { domain, nearest } in unknown {
            let is_known = known.contains(&domain) || self.options.fingerprints.get(&domain).is_some();
            let is_known = is_known || self.reported_domains.contains(&domain);
            if !is_known && self.reported_domains.len() < MAX_UNKNOWN_DOMAINS {
                self.reported_domains.push(domain.clone());
                self.out.push(Output::UnknownDomain { domain, nearest });
            }
        }
    }

    /// Reports the domains that the server has in another form than this client, each once.
    pub(super) fn report_other(&mut self, domains: Vec<String>) {
        for domain in domains {
            let is_own = self.options.fingerprints.get(&domain).is_some();
            if is_own && !self.other_domains.contains(&domain) {
                self.other_domains.push(domain.clone());
                self.out.push(Output::OtherDomain { domain });
            }
        }
    }
}
