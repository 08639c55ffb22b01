//! Domains that this server does not know. The server does not check their events. The application may want this. Or
//! the name has a typo, and its subscribers wait in vain.

use std::sync::{Mutex, PoisonError};

use tidings_shared::{
    Domains,
    frame::{Outcome, TopicOutcome, UnknownDomain},
    limits::MAX_UNKNOWN_DOMAINS,
};

/// Names that the server remembers and logs, at most: a client can invent any number of names. Beyond this bound, it
/// logs no more names.
const MAX_NOTED: usize = 64;

/// The unknown names that are similar to a known one. Each is logged once.
#[derive(Debug, Default)]
pub struct UnknownDomains(Mutex<Vec<String>>);

impl UnknownDomains {
    /// Logs a domain that a client uses, if the server does not know it and knows a similar one. Each name is logged
    /// once.
    pub fn note(&self, known: &Domains, domain: &str) {
        if known.knows(domain) {
            return;
        }
        let Some(nearest) = known.nearest(domain) else { return };
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() >= MAX_NOTED || noted.iter().any(|noted| noted == domain) {
            return;
        }
        noted.push(domain.to_owned());
        tracing::warn!(?domain, "no such domain here: was {nearest:?} meant? Its events travel unchecked");
    }

    /// Returns the unknown domains of the accepted topics, each with the most similar known one.
    pub fn among(&self, known: &Domains, outcomes: &[TopicOutcome]) -> Vec<UnknownDomain> {
        let mut unknown: Vec<UnknownDomain> = Vec::new();
        for outcome in outcomes.iter().filter(|outcome| outcome.outcome != Outcome::Refused) {
            let domain = outcome.topic.split(':').next().unwrap_or_default();
            let is_told = || unknown.iter().any(|told| told.domain == domain);
            if unknown.len() < MAX_UNKNOWN_DOMAINS && !known.knows(domain) && !is_told() {
                self.note(known, domain);
                let nearest = known.nearest(domain).map(str::to_owned);
                unknown.push(UnknownDomain { domain: domain.to_owned(), nearest });
            }
        }
        unknown
    }
}

/// Returns comment lines for an event stream that name likely typos. People who look at the stream see them, and
/// programs ignore them.
pub fn comment(unknown: &[UnknownDomain]) -> String {
    let line = |UnknownDomain { domain, nearest }: &UnknownDomain| {
        Some(format!(": this server has no domain {domain:?}: was {:?} meant?\n", nearest.as_ref()?))
    };
    unknown.iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_force(topic: &str) -> TopicOutcome {
        TopicOutcome { topic: topic.to_owned(), outcome: Outcome::Live, code: None }
    }

    #[test]
    fn each_unknown_domain_is_told_once_with_the_one_that_was_meant() {
        let refused = TopicOutcome { outcome: Outcome::Refused, ..in_force("secret:x") };
        let topics = [
            in_force("staf:people"),
            in_force("staf:teams"),
            in_force("staff:people"),
            refused,
            in_force("orders:1"),
        ];
        let unknown = UnknownDomains::default().among(&Domains::shipped(), &topics);
        let told: Vec<_> =
            unknown.iter().map(|told| (told.domain.as_str(), told.nearest.as_deref())).collect();
        assert_eq!(told, [("staf", Some("staff")), ("orders", None)]);
        assert_eq!(comment(&unknown), ": this server has no domain \"staf\": was \"staff\" meant?\n");
    }

    #[test]
    fn what_is_told_and_what_is_remembered_is_bounded() {
        let unknown = UnknownDomains::default();
        let topics: Vec<_> = (0..200).map(|n| in_force(&format!("domain-{n}:x"))).collect();
        assert_eq!(unknown.among(&Domains::shipped(), &topics).len(), MAX_UNKNOWN_DOMAINS);
        assert_eq!(unknown.0.lock().unwrap().len(), 0, "none is similar to a known one");
        let letters = || ('a'..='z').chain('0'..='9');
        let similar = letters().flat_map(|one| letters().map(move |other| format!("sta{one}{other}")));
        similar.for_each(|domain| unknown.note(&Domains::shipped(), &domain));
        assert_eq!(unknown.0.lock().unwrap().len(), MAX_NOTED);
    }
}
