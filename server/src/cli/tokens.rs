//! The settings of `tidings serve` for tokens.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{Args, builder::NonEmptyStringValueParser};
use tidings_hub::TenantId;

use super::{
    Failure,
    keys::{Holds, KeyFile},
};
use crate::jwt::{JwtAccess, JwtAlgorithm, JwtKeyError};

#[derive(Debug, Args)]
#[command(next_help_heading = "Tokens")]
pub(super) struct Tokens {
    /// Signature algorithm of the tokens: HS256 (the default), RS256, ES256 or EdDSA
    #[arg(long, env = "TIDINGS_JWT_ALGORITHM", value_name = "ALG")]
    jwt_algorithm: Option<JwtAlgorithm>,
    /// Key that checks tokens: a public key in PEM, or for HS256 a file with the secret's bytes
    #[arg(long, env = "TIDINGS_JWT_KEY_FILE", value_name = "FILE")]
    jwt_key_file: Option<PathBuf>,
    /// Keys that check tokens, as a JWKS, instead of --jwt-key-file; a token's `kid` names its key
    #[arg(long, env = "TIDINGS_JWKS_FILE", value_name = "FILE")]
    jwks_file: Option<PathBuf>,
    /// Audience that tokens must name
    #[arg(long, env = "TIDINGS_JWT_AUDIENCE", value_parser = NonEmptyStringValueParser::new(), value_name = "A")]
    jwt_audience: Option<String>,
    /// Issuer that tokens must name
    #[arg(long, env = "TIDINGS_JWT_ISSUER", value_parser = NonEmptyStringValueParser::new(), value_name = "I")]
    jwt_issuer: Option<String>,
    /// The only tenant of this server, for tokens that name no tenant
    #[arg(long, env = "TIDINGS_SINGLE_TENANT", value_name = "NAME")]
    pub(super) single_tenant: Option<TenantId>,
}

impl Tokens {
    /// Returns the flag of one of these settings, if any was given.
    pub(super) fn given(&self) -> Option<&'static str> {
        let settings = [
            ("--jwt-algorithm", self.jwt_algorithm.is_some()),
            ("--jwt-key-file", self.jwt_key_file.is_some()),
            ("--jwks-file", self.jwks_file.is_some()),
            ("--jwt-audience", self.jwt_audience.is_some()),
            ("--jwt-issuer", self.jwt_issuer.is_some()),
            ("--single-tenant", self.single_tenant.is_some()),
        ];
        settings.into_iter().find(|(_, is_given)| *is_given).map(|(flag, _)| flag)
    }

    /// Reads the keys. The returned [`KeyFile`] can read them again.
    pub(super) fn access(&self) -> Result<(JwtAccess, KeyFile), Failure> {
        let opened = match (&self.jwt_key_file, &self.jwks_file) {
            (Some(file), None) => {
                let algorithm = self.jwt_algorithm.unwrap_or(JwtAlgorithm::Hs256);
                KeyFile::open("--jwt-key-file", file.clone(), Holds::One(algorithm))
            }
            (None, Some(_)) if self.jwt_algorithm.is_some() => {
                Err("--jwt-algorithm: each key of --jwks-file names its own; leave this flag out".to_owned())
            }
            (None, Some(file)) => KeyFile::open("--jwks-file", file.clone(), Holds::Set),
            (Some(_), Some(_)) => Err("--jwks-file: give this flag or --jwt-key-file, not both".to_owned()),
            (None, None) => {
                Err("a server without keys would let everybody in: give --jwt-key-file or --jwks-file, \
                or for development --dev (loopback only)"
                    .to_owned())
            }
        };
        let (file, keys) = opened.map_err(Failure::Usage)?;
        let mut access = JwtAccess::new(keys);
        if let Some(audience) = &self.jwt_audience {
            access = access.with_audience(audience);
        }
        if let Some(issuer) = &self.jwt_issuer {
            access = access.with_issuer(issuer);
        }
        if let Some(tenant) = &self.single_tenant {
            access = access.with_single_tenant(tenant.clone());
        }
        Ok((access, file))
    }
}

/// Reads and parses a file of keys.
///
/// # Errors
/// If the file can't be read or parsed. The message names the flag and the file.
pub(super) fn read<T>(
    flag: &str,
    file: &Path,
    parse: impl FnOnce(&[u8]) -> Result<T, JwtKeyError>,
) -> Result<T, String> {
    let fault = |reason: String| format!("{flag} {}: {reason}", file.display());
    let bytes = fs::read(file).map_err(|error| fault(error.to_string()))?;
    parse(&bytes).map_err(|error| fault(error.to_string()))
}
