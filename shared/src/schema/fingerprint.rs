//! A fingerprint of a domain. By it a client and a server notice that they have different forms of the domain.

use std::fmt;

use super::{DomainSchema, FieldSchema, Type};

/// The fingerprint of a domain. On the wire it has sixteen hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

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
        Fingerprint(hash(&facts.join("\n")))
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

/// FNV-1a with 64 bits.
fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests;
