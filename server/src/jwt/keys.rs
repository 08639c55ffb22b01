//! The keys that check tokens, and how files hold them.

use std::{collections::HashMap, fmt, str::FromStr};

use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, crypto,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};
#[cfg(feature = "cli")]
use jsonwebtoken::{EncodingKey, Header};

use crate::text::{UTF_16, is_utf_16, without_blank_lines, without_mark};

/// A signature algorithm for tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JwtAlgorithm {
    /// HMAC with SHA-256. The signer and the server share a secret.
    Hs256,
    /// RSA (PKCS #1 1.5) with SHA-256.
    Rs256,
    /// ECDSA on the curve P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl JwtAlgorithm {
    const ALL: [Self; 4] = [Self::Hs256, Self::Rs256, Self::Es256, Self::EdDsa];

    pub(crate) fn known(self) -> Algorithm {
        match self {
            Self::Hs256 => Algorithm::HS256,
            Self::Rs256 => Algorithm::RS256,
            Self::Es256 => Algorithm::ES256,
            Self::EdDsa => Algorithm::EdDSA,
        }
    }
}

impl fmt::Display for JwtAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        })
    }
}

impl FromStr for JwtAlgorithm {
    type Err = JwtKeyError;

    fn from_str(text: &str) -> Result<Self, JwtKeyError> {
        let known = Self::ALL.into_iter().find(|algorithm| algorithm.to_string() == text);
        known.ok_or_else(|| fault("must be HS256, RS256, ES256 or EdDSA"))
    }
}

/// Why a key can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtKeyError(String);

impl fmt::Display for JwtKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for JwtKeyError {}

fn fault(reason: impl Into<String>) -> JwtKeyError {
    JwtKeyError(reason.into())
}

/// The keys that check tokens. Each key is for one algorithm.
#[derive(Debug, Clone)]
pub struct JwtKeys(Keys);

#[derive(Debug, Clone)]
enum Keys {
    /// One key checks every token. The token's `kid` is ignored.
    One(Box<Key>),
    /// A token's `kid` names its key.
    Named(HashMap<String, Key>),
}

#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) algorithm: JwtAlgorithm,
    pub(super) decoding: DecodingKey,
    pub(super) validation: Validation,
}

impl JwtKeys {
    /// Reads one key from the bytes of a file: a public key in PEM, or for [`JwtAlgorithm::Hs256`] the secret's bytes.
    /// A line end after the secret is not a part of it. In a text file, blank lines around the key and a byte order
    /// mark are removed too.
    ///
    /// # Errors If the file holds no key of this algorithm, or the key is too short: a secret has at least 32 bytes, an
    /// RSA key 2048 bits. A public key or a JWKS is refused as a secret.
    pub fn one(algorithm: JwtAlgorithm, file: &[u8]) -> Result<Self, JwtKeyError> {
        let file = lines(file)?;
        let says = |words: &str| String::from_utf8_lossy(file).contains(words);
        if algorithm != JwtAlgorithm::Hs256 && says("PRIVATE KEY-----") {
            let remedy = "openssl pkey -in PRIVATE -pubout -out PUBLIC";
            return Err(fault(format!("it is a private key, and the public key checks tokens: {remedy}")));
        }
        let decoding = match algorithm {
            JwtAlgorithm::Hs256 => Ok(DecodingKey::from_secret(secret(file)?)),
            JwtAlgorithm::Rs256 => DecodingKey::from_rsa_pem(file),
            JwtAlgorithm::Es256 => DecodingKey::from_ec_pem(file),
            JwtAlgorithm::EdDsa => DecodingKey::from_ed_pem(file),
        };
        let decoding = decoding.map_err(|_| {
            fault(format!("it is not a public key for {algorithm} in PEM (BEGIN PUBLIC KEY)"))
        })?;
        Ok(Self(Keys::One(Box::new(Key::new(algorithm, decoding)?))))
    }

    /// Reads the keys of a JWKS (RFC 7517). Keys that are not for signatures of a [`JwtAlgorithm`] are ignored.
    ///
    /// # Errors If the text is not a JWKS, or if it has no usable key. Also if a usable key is too short, has no `kid`,
    /// or shares its `kid` with another key.
    pub fn set(jwks: &str) -> Result<Self, JwtKeyError> {
        let set: JwkSet = serde_json::from_str(without_mark(jwks))
            .map_err(|error| fault(format!("not a JWKS: {error}")))?;
        let mut keys = HashMap::new();
        for jwk in &set.keys {
            let Some(algorithm) = algorithm_of(jwk) else { continue };
            let kid = jwk.common.key_id.clone().ok_or_else(|| fault("a key has no `kid`"))?;
            let decoding =
                DecodingKey::from_jwk(jwk).map_err(|error| fault(format!("key {kid:?}: {error}")))?;
            let key =
                Key::new(algorithm, decoding).map_err(|error| fault(format!("key {kid:?}: {error}")))?;
            if keys.insert(kid.clone(), key).is_some() {
                return Err(fault(format!("two keys have the `kid` {kid:?}")));
            }
        }
        if keys.is_empty() {
            return Err(fault("it has no key for signatures with HS256, RS256, ES256 or EdDSA"));
        }
        Ok(Self(Keys::Named(keys)))
    }

    /// Returns the number of keys.
    #[cfg(feature = "cli")]
    pub(crate) fn count(&self) -> usize {
        match &self.0 {
            Keys::One(_) => 1,
            Keys::Named(keys) => keys.len(),
        }
    }

    /// Returns the key for a token with this `kid`.
    pub(super) fn find(&self, kid: Option<&str>) -> Option<&Key> {
        match &self.0 {
            Keys::One(key) => Some(key),
            Keys::Named(keys) => keys.get(kid?),
        }
    }
}

/// Signs claims with the key in a file: a private key in PEM, or for [`JwtAlgorithm::Hs256`] the secret's bytes.
///
/// # Errors
/// If the file holds no key of this algorithm.
#[cfg(feature = "cli")]
pub(crate) fn sign_jwt(
    algorithm: JwtAlgorithm,
    file: &[u8],
    kid: Option<String>,
    claims: &serde_json::Map<String, serde_json::Value>,
) -> Result<String, JwtKeyError> {
    let file = lines(file)?;
    let key = match algorithm {
        JwtAlgorithm::Hs256 => Ok(EncodingKey::from_secret(secret(file)?)),
        JwtAlgorithm::Rs256 => EncodingKey::from_rsa_pem(file),
        JwtAlgorithm::Es256 => EncodingKey::from_ec_pem(file),
        JwtAlgorithm::EdDsa => EncodingKey::from_ed_pem(file),
    };
    let no_key = |_| fault(format!("it is not a private key for {algorithm} in PEM (BEGIN PRIVATE KEY)"));
    let header = Header { kid, ..Header::new(algorithm.known()) };
    choose_cryptography();
    jsonwebtoken::encode(&header, claims, &key.map_err(no_key)?).map_err(no_key)
}

/// Selects the cryptography of the whole process. If the application has selected one already, that one stays.
fn choose_cryptography() {
    let _ = crypto::aws_lc::DEFAULT_PROVIDER.install_default();
}

/// Returns whether a file holds a key that may be public: PEM, DER, the base64 of DER, a JWKS, or a key of SSH. If it
/// were taken as a secret, everybody who knows the public key could sign tokens.
fn is_public(file: &[u8]) -> bool {
    let has = |words: &[u8]| file.windows(words.len()).any(|part| part == words);
    let starts = |words: &&str| file.trim_ascii_start().starts_with(words.as_bytes());
    let is_der = match file {
        [0x30, 0x82, high, low, rest @ ..] => rest.len() == usize::from(u16::from_be_bytes([*high, *low])),
        [0x30, 0x81, length, rest @ ..] | [0x30, length, rest @ ..] => rest.len() == usize::from(*length),
        _ => false,
    };
    has(b"-----BEGIN") || has(b"\"kty\"") || is_der || PUBLIC_PREFIXES.iter().any(starts)
}

/// The first characters of SSH keys, and of public keys in base64 (RSA, P-256, Ed25519).
const PUBLIC_PREFIXES: [&str; 5] = ["ssh-", "ecdsa-", "MII", "MFkwEw", "MCowBQ"];

/// Removes what editors put around the text of a file. Bytes that are not UTF-8 stay as they are.
fn lines(file: &[u8]) -> Result<&[u8], JwtKeyError> {
    if is_utf_16(file) {
        return Err(fault(UTF_16));
    }
    Ok(str::from_utf8(file).map_or(file, |text| without_blank_lines(text).as_bytes()))
}

/// Returns the bytes of the secret in a file.
fn secret(file: &[u8]) -> Result<&[u8], JwtKeyError> {
    if is_public(file) {
        return Err(fault(
            "it holds PEM, DER, a JWKS or a key of SSH, which is no secret for HS256: name the algorithm of that key, or give \
             a JWKS as such",
        ));
    }
    let secret = file.strip_suffix(b"\n").map_or(file, |line| line.strip_suffix(b"\r").unwrap_or(line));
    check_secret(secret.len()).map(|()| secret)
}

/// Refuses a short secret: everybody who has a token could find it by trial.
fn check_secret(bytes: usize) -> Result<(), JwtKeyError> {
    if bytes >= SECRET_BYTES {
        return Ok(());
    }
    let remedy = "head -c 32 /dev/urandom | base64";
    Err(fault(format!(
        "a secret for HS256 has at least {SECRET_BYTES} bytes, and this one has {bytes}: {remedy}"
    )))
}

/// The least number of bytes of a secret: RFC 7518, section 3.2.
const SECRET_BYTES: usize = 32;

/// The least number of bytes of an RSA key's modulus: RFC 7518, section 3.3.
const MODULUS_BYTES: usize = 2048 / 8;

/// Returns the bytes of a number in base64url, without leading zeros.
fn significant_bytes(number: &str) -> usize {
    let zeros = number.len() - number.trim_start_matches('A').len();
    number.len() * 3 / 4 - zeros * 3 / 4
}

/// Returns the algorithm of a key, if the key is for signatures and the server knows the algorithm.
fn algorithm_of(jwk: &Jwk) -> Option<JwtAlgorithm> {
    if jwk.common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
        return None;
    }
    match (&jwk.algorithm, jwk.common.key_algorithm) {
        (AlgorithmParameters::OctetKey(_), None | Some(KeyAlgorithm::HS256)) => Some(JwtAlgorithm::Hs256),
        (AlgorithmParameters::RSA(_), None | Some(KeyAlgorithm::RS256)) => Some(JwtAlgorithm::Rs256),
        (AlgorithmParameters::EllipticCurve(key), None | Some(KeyAlgorithm::ES256))
            if key.curve == EllipticCurve::P256 =>
        {
            Some(JwtAlgorithm::Es256)
        }
        (AlgorithmParameters::OctetKeyPair(key), None | Some(KeyAlgorithm::EdDSA))
            if key.curve == EllipticCurve::Ed25519 =>
        {
            Some(JwtAlgorithm::EdDsa)
        }
        _ => None,
    }
}

impl Key {
    fn new(algorithm: JwtAlgorithm, decoding: DecodingKey) -> Result<Self, JwtKeyError> {
        choose_cryptography();
        let jwk = Jwk::from_decoding_key(&decoding, None).map_err(|error| fault(error.to_string()))?;
        match jwk.algorithm {
            AlgorithmParameters::RSA(key) if significant_bytes(&key.n) < MODULUS_BYTES => {
                return Err(fault("an RSA key has at least 2048 bits"));
            }
            AlgorithmParameters::OctetKey(key) => check_secret(key.value.len() * 3 / 4)?,
            AlgorithmParameters::EllipticCurve(key) if key.curve != EllipticCurve::P256 => {
                return Err(fault("the curve of ES256 is P-256"));
            }
            _ => {}
        }
        let mut validation = Validation::new(algorithm.known());
        // `JwtAccess` checks the claims.
        validation.required_spec_claims.clear();
        (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
        Ok(Self { algorithm, decoding, validation })
    }
}
