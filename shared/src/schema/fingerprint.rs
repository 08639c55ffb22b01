//! A fingerprint of a set of domains. By it a client and a server notice that they were compiled with different domains.

use std::fmt;

use super::{DomainSchema, FieldSchema, Type};
use crate::limits::MAX_COMPARED_DOMAINS;

/// Computes the fingerprint of a set of domains for `hello` and `welcome`. It depends on topics, events and payloads, and not
/// on the order of the domains. By it a client and a server notice that they were compiled with different domains.
pub const fn fingerprint(domains: &[DomainSchema]) -> Fingerprint {
    let (mut sum, mut index) = (0_u64, 0);
    while index < domains.len() {
        sum = sum.wrapping_add(domains[index].hash());
        index += 1;
    }
    Fingerprint(sum)
}

/// Returns whether these domains include all domains of another set, in the same form. A set's fingerprint is the sum of
/// its domains' hashes, so the other fingerprint must be the sum of some hashes of these domains.
pub fn includes(domains: &[DomainSchema], other: Fingerprint) -> bool {
    fn is_sum_of_some(wanted: u64, hashes: &[u64]) -> bool {
        match hashes {
            [] => wanted == 0,
            [first, rest @ ..] => {
                is_sum_of_some(wanted, rest) || is_sum_of_some(wanted.wrapping_sub(*first), rest)
            }
        }
    }
    if domains.len() > MAX_COMPARED_DOMAINS {
        return fingerprint(domains) == other;
    }
    let hashes: Vec<u64> = domains.iter().map(DomainSchema::hash).collect();
    is_sum_of_some(other.0, &hashes)
}

/// A [`fingerprint`]. On the wire it has sixteen hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// Reads the text that [`Display`](fmt::Display) writes. Returns `None` for other texts.
    pub fn parse(text: &str) -> Option<Self> {
        let fingerprint = u64::from_str_radix(text, 16).ok().map(Self)?;
        (fingerprint.to_string() == text).then_some(fingerprint)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl DomainSchema {
    /// Computes the fingerprint of everything that is checked: the topics' patterns, the events, the names and types of
    /// their fields, and whether undeclared keys are refused. Docs do not change it, nor does the order in the Rust file.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut facts = vec![format!("domain {:?} {}", self.name, self.closed)];
        facts.extend(self.topics.iter().map(|topic| format!("topic {:?}", topic.pattern)));
        for event in self.events {
            facts.push(format!("event {:?}", event.name));
            let field = |field: &FieldSchema| {
                format!("field {:?} {:?} {}", event.name, field.name, accepted_by(&field.ty))
            };
            facts.extend(event.payload.fields.iter().map(field));
        }
        facts.sort_unstable();
        Fingerprint(hash_bytes(FNV_OFFSET, facts.join("\n").as_bytes()))
    }

    const fn hash(&self) -> u64 {
        let mut hash = hash_text(FNV_OFFSET, self.name);
        let mut index = 0;
        while index < self.topics.len() {
            hash = hash_text(hash, self.topics[index].pattern);
            index += 1;
        }
        index = 0;
        while index < self.events.len() {
            let event = &self.events[index];
            hash = hash_text(hash, event.name);
            let mut field = 0;
            while field < event.payload.fields.len() {
                hash = hash_text(hash, event.payload.fields[field].name);
                hash = hash_type(hash, &event.payload.fields[field].ty);
                field += 1;
            }
            index += 1;
        }
        hash
    }
}

/// Names the values that a type accepts. An open choice accepts every text.
fn accepted_by(ty: &Type) -> String {
    match ty {
        Type::Uuid => "uuid".to_owned(),
        Type::String | Type::Choice { is_open: true, .. } => "string".to_owned(),
        Type::Segment { max } => format!("segment {max}"),
        Type::Bool => "bool".to_owned(),
        Type::Integer { min, max } => format!("integer {min} {max}"),
        Type::Number => "number".to_owned(),
        Type::Float32 => "float32".to_owned(),
        Type::Choice { names, .. } => {
            let mut names = names.to_vec();
            names.sort_unstable();
            format!("choice {names:?}")
        }
        Type::Any => "any".to_owned(),
        Type::Option(inner) => format!("option {}", accepted_by(inner)),
        Type::List(inner) => format!("list {}", accepted_by(inner)),
    }
}

const fn hash_type(hash: u64, ty: &Type) -> u64 {
    match ty {
        Type::Uuid => hash_text(hash, "uuid"),
        Type::String => hash_text(hash, "string"),
        Type::Segment { max } => hash_number(hash_text(hash, "segment"), *max as i64),
        Type::Bool => hash_text(hash, "bool"),
        Type::Integer { min, max } => hash_number(hash_number(hash_text(hash, "integer"), *min), *max),
        Type::Number => hash_text(hash, "number"),
        Type::Float32 => hash_text(hash, "float32"),
        Type::Any => hash_text(hash, "any"),
        Type::Option(inner) => hash_type(hash_text(hash, "option"), inner),
        Type::List(inner) => hash_type(hash_text(hash, "list"), inner),
        Type::Choice { names, is_open } => {
            let (mut hash, mut index) = (hash_number(hash_text(hash, "choice"), *is_open as i64), 0);
            while index < names.len() {
                hash = hash_text(hash, names[index]);
                index += 1;
            }
            hash
        }
    }
}

const fn hash_number(hash: u64, number: i64) -> u64 {
    hash_bytes(hash, &number.to_be_bytes())
}

/// Hashes a text and a zero at its end, so that two texts never look like one.
const fn hash_text(hash: u64, text: &str) -> u64 {
    hash_bytes(hash_bytes(hash, text.as_bytes()), &[0])
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

/// FNV-1a with 64 bits.
const fn hash_bytes(mut hash: u64, bytes: &[u8]) -> u64 {
    let mut index = 0;
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u64).wrapping_mul(FNV_PRIME);
        index += 1;
    }
    hash
}

#[cfg(test)]
mod tests;
