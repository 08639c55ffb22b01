//! The fingerprints of domains in `hello`.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};

use crate::limits::{MAX_COMPARED_DOMAINS, MAX_FINGERPRINT_BYTES, MAX_NAME_BYTES};

/// Names of domains, each with its [fingerprint](crate::schema::Fingerprint). On the wire it is an object.
///
/// It is a list, because a map would cost a browser 2 KB of code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fingerprints(Vec<(String, String)>);

impl Fingerprints {
    /// Adds a domain that is not there yet. Beyond [`MAX_COMPARED_DOMAINS`] it adds nothing: the domain is not compared then.
    pub fn insert(&mut self, domain: impl Into<String>, fingerprint: impl Into<String>) {
        let domain = domain.into();
        if self.0.len() < MAX_COMPARED_DOMAINS && self.get(&domain).is_none() {
            self.0.push((domain, fingerprint.into()));
        }
    }

    /// Returns the fingerprint of a domain.
    pub fn get(&self, domain: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == domain).map(|(_, fingerprint)| fingerprint)
    }

    /// Returns whether there is no domain.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the names and the fingerprints.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(domain, fingerprint)| (&**domain, &**fingerprint))
    }

    /// Checks the fingerprints of a hello.
    ///
    /// # Errors
    /// A sentence with the limit that they exceed.
    pub(super) fn check(self) -> Result<Self, String> {
        if self.0.len() > MAX_COMPARED_DOMAINS {
            return Err(format!("`domains` has at most {MAX_COMPARED_DOMAINS} members"));
        }
        for (domain, fingerprint) in self.iter() {
            if domain.len() > MAX_NAME_BYTES || fingerprint.len() > MAX_FINGERPRINT_BYTES {
                return Err(format!(
                    "`domains`: a name has at most {MAX_NAME_BYTES} bytes, and a fingerprint {MAX_FINGERPRINT_BYTES}"
                ));
            }
        }
        Ok(self)
    }
}

impl<D: Into<String>, F: Into<String>> FromIterator<(D, F)> for Fingerprints {
    fn from_iter<I: IntoIterator<Item = (D, F)>>(domains: I) -> Self {
        let mut fingerprints = Self::default();
        domains.into_iter().for_each(|(domain, fingerprint)| fingerprints.insert(domain, fingerprint));
        fingerprints
    }
}

impl Serialize for Fingerprints {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Fingerprints {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Fingerprints;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fingerprints, A::Error> {
                let mut domains = Vec::new();
                while let Some(domain) = map.next_entry()? {
                    domains.push(domain);
                }
                Ok(Fingerprints(domains))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::ClientFrame;

    fn domains(count: usize) -> Vec<(String, String)> {
        (0..count).map(|n| (format!("domain-{n}"), format!("{n:016x}"))).collect()
    }

    #[test]
    fn a_hello_names_at_most_64_domains() {
        let hello = |count| {
            let domains: serde_json::Map<_, _> =
                domains(count).into_iter().map(|(d, f)| (d, f.into())).collect();
            ClientFrame::parse(&serde_json::json!({"op": "hello", "domains": domains}).to_string())
        };
        assert!(hello(MAX_COMPARED_DOMAINS).is_ok());
        let refusal = hello(MAX_COMPARED_DOMAINS + 1).unwrap_err();
        assert_eq!(refusal.to_string(), "`domains` has at most 64 members");
    }

    #[test]
    fn a_domain_beyond_the_limit_is_not_added_and_a_known_one_stays() {
        let mut all: Fingerprints = domains(MAX_COMPARED_DOMAINS + 1).into_iter().collect();
        assert_eq!((all.iter().count(), all.get("domain-64")), (MAX_COMPARED_DOMAINS, None));
        all.insert("domain-3", "new");
        assert_eq!(all.get("domain-3"), Some("0000000000000003"));
    }
}
