//! TypeScript declarations.

use super::DomainSchema;

/// To come.
pub fn typescript(_domains: &[DomainSchema]) -> String {
    String::new()
}
