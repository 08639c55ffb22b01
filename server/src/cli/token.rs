//! `tidings token`: signs a token, and prints it.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::Args;
use serde_json::{Map, Value, json};
use tidings_hub::{TenantId, TopicPattern};

use super::{Failure, output::print, time::long_duration, tokens::read};
use crate::jwt::{JwtAlgorithm, sign_jwt};

/// Makes a token for `tidings serve` and prints it. Tests, operators, and backends that publish need one.
#[derive(Debug, Args)]
pub(super) struct Token {
    /// Signature algorithm: HS256, RS256, ES256 or EdDSA
    #[arg(long, env = "TIDINGS_JWT_ALGORITHM", default_value_t = JwtAlgorithm::Hs256, value_name = "ALG")]
    jwt_algorithm: JwtAlgorithm,
    /// Key to sign with: a private key in PEM (PKCS #8), or for HS256 a file with the secret's bytes
    #[arg(long, env = "TIDINGS_JWT_KEY_FILE", value_name = "FILE")]
    jwt_key_file: PathBuf,
    /// Name of the key (the token's `kid`), for a server with --jwks-file
    #[arg(long, value_name = "KID")]
    kid: Option<String>,
    /// Audience of the token (`aud`)
    #[arg(long, env = "TIDINGS_JWT_AUDIENCE", value_name = "A")]
    jwt_audience: Option<String>,
    /// Issuer of the token (`iss`)
    #[arg(long, env = "TIDINGS_JWT_ISSUER", value_name = "I")]
    jwt_issuer: Option<String>,
    /// Subject of the token (`sub`): the user or program that it is for
    #[arg(long, default_value = "operator", value_name = "NAME")]
    subject: String,
    /// Tenant of the token; a server with --single-tenant needs none
    #[arg(long, value_name = "NAME")]
    tenant: Option<TenantId>,
    /// Topics that the holder may subscribe to: a topic, or `staff:*`, or `*`; may be given several times
    #[arg(long, value_name = "PATTERN")]
    subscribe: Vec<TopicPattern>,
    /// Topics that the holder may publish to; may be given several times
    #[arg(long, value_name = "PATTERN")]
    publish: Vec<TopicPattern>,
    /// Let the token revoke subjects and sessions of its tenant
    #[arg(long)]
    admin: bool,
    /// Time until the token expires
    #[arg(long, default_value = "1h", value_parser = long_duration, value_name = "TIME")]
    expires_in: Duration,
}

impl Token {
    pub(super) fn run(self) -> Result<(), Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let patterns = |patterns: &[TopicPattern]| -> Vec<String> {
            patterns.iter().map(TopicPattern::to_string).collect()
        };
        let mut claims = Map::from_iter([
            ("sub".to_owned(), json!(self.subject)),
            ("iat".to_owned(), json!(now.as_secs())),
            // Rounded up: the token lives at least as long as the user asked.
            ("exp".to_owned(), json!((now + self.expires_in).as_millis().div_ceil(1000) as u64)),
            ("subscribe".to_owned(), json!(patterns(&self.subscribe))),
            ("publish".to_owned(), json!(patterns(&self.publish))),
        ]);
        let tenant = self.tenant.map(|tenant| tenant.to_string());
        for (name, value) in [("tenant", tenant), ("aud", self.jwt_audience), ("iss", self.jwt_issuer)] {
            claims.extend(value.map(|value| (name.to_owned(), Value::String(value))));
        }
        if self.admin {
            claims.insert("admin".to_owned(), Value::Bool(true));
        }
        let sign = |key: &[u8]| sign_jwt(self.jwt_algorithm, key, self.kid, &claims);
        let token = read("--jwt-key-file", &self.jwt_key_file, sign).map_err(Failure::Usage)?;
        print(token)
    }
}
