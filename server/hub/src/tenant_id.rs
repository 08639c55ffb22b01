//! The name of a tenant.

use std::{fmt, sync::Arc};

/// Bytes of a tenant's name, at most. A longer text is refused: each token and each `welcome` has the name.
const MAX_TENANT_BYTES: usize = 64;

/// A tenant's name: 1 to 64 characters of `A-Z a-z 0-9 _ . ~ -`. Made only by parsing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(Arc<str>);

/// The text is not a tenant's name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TenantIdError;

impl fmt::Display for TenantIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a tenant's name has 1 to {MAX_TENANT_BYTES} characters of A-Z a-z 0-9 _ . ~ -")
    }
}

/// Like `Display`: a `main` that returns an error prints it with `Debug`.
impl fmt::Debug for TenantIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantIdError({self})")
    }
}

impl std::error::Error for TenantIdError {}

impl TenantId {
    /// Parses a tenant's name.
    ///
    /// # Errors
    /// The text breaks the rule of [`TenantId`].
    pub fn parse(text: &str) -> Result<Self, TenantIdError> {
        let is_good = |b: u8| b.is_ascii_alphanumeric() || b"_.~-".contains(&b);
        if text.is_empty() || text.len() > MAX_TENANT_BYTES || !text.bytes().all(is_good) {
            return Err(TenantIdError);
        }
        Ok(Self(text.into()))
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for TenantId {
    type Err = TenantIdError;

    fn from_str(text: &str) -> Result<Self, TenantIdError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_1_to_64_characters_of_a_segment() {
        let longest = "x".repeat(MAX_TENANT_BYTES);
        for good in ["a", "Acme-1_2.3~4", longest.as_str()] {
            assert_eq!(TenantId::parse(good).unwrap().as_str(), good);
        }
        let too_long = "x".repeat(MAX_TENANT_BYTES + 1);
        for bad in ["", "a:b", "a b", "é", "a*", too_long.as_str()] {
            assert_eq!(TenantId::parse(bad), Err(TenantIdError), "{bad}");
        }
    }
}
