use std::{io::ErrorKind, net::TcpListener};

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;
use tidings_hub::{
    Moment,
    revocation::{Admission, Revocations},
};

use super::*;

mod keys;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const RSA: (&[u8], &[u8]) =
    (include_bytes!("../../../tests/keys/rsa.key.pem"), include_bytes!("../../../tests/keys/rsa.pub.pem"));
const EC: (&[u8], &[u8]) =
    (include_bytes!("../../../tests/keys/ec.key.pem"), include_bytes!("../../../tests/keys/ec.pub.pem"));
const ED: (&[u8], &[u8]) =
    (include_bytes!("../../../tests/keys/ed.key.pem"), include_bytes!("../../../tests/keys/ed.pub.pem"));
const OTHER_RSA: &[u8] = include_bytes!("../../../tests/keys/rsa-other.key.pem");
const JWKS: &str = include_str!("../../../tests/keys/jwks.json");

const NOW: u64 = 1_700_000_000_000;
const NOW_SECONDS: u64 = NOW / 1000;
const NOW_MOMENT: Moment = Moment { since_start: std::time::Duration::ZERO, unix_ms: NOW };

fn hs256() -> JwtAccess {
    JwtAccess::new(JwtKeys::one(JwtAlgorithm::Hs256, SECRET).unwrap())
}

fn good() -> Value {
    json!({ "sub": "anna", "tenant": "acme", "exp": NOW_SECONDS + 60, "subscribe": ["staff:*"], "publish": [] })
}

/// Good claims, with this value for one of them. `null` removes the claim.
fn with(name: &str, value: Value) -> Value {
    let mut claims = good();
    let object = claims.as_object_mut().unwrap();
    object.insert(name.to_owned(), value);
    object.retain(|_, value| !value.is_null());
    claims
}

fn sign(header: &Header, claims: &Value, key: &EncodingKey) -> String {
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    encode(header, claims, key).unwrap()
}

fn hs(claims: &Value) -> String {
    sign(&Header::default(), claims, &EncodingKey::from_secret(SECRET))
}

fn private(algorithm: JwtAlgorithm, pem: &[u8]) -> EncodingKey {
    match algorithm {
        JwtAlgorithm::Hs256 => Ok(EncodingKey::from_secret(pem)),
        JwtAlgorithm::Rs256 => EncodingKey::from_rsa_pem(pem),
        JwtAlgorithm::Es256 => EncodingKey::from_ec_pem(pem),
        JwtAlgorithm::EdDsa => EncodingKey::from_ed_pem(pem),
    }
    .unwrap()
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut digits = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits =
            chunk.iter().fold(0_u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            digits.push(char::from(DIGITS[(bits >> (18 - 6 * place) & 63) as usize]));
        }
    }
    digits
}

/// Returns the base64 between the first and the last line of PEM.
fn body(pem: &[u8]) -> Vec<u8> {
    pem.split(|&b| b == b'\n').filter(|line| !line.starts_with(b"-")).collect::<Vec<_>>().concat()
}

fn der(pem: &[u8]) -> Vec<u8> {
    let value = |digit: u8| match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = body(pem).into_iter().filter(|&digit| digit != b'=').map(value).collect();
    let bytes = |chunk: &[u8]| {
        let bits = (0..4).fold(0, |bits, at| bits << 6 | u32::from(*chunk.get(at).unwrap_or(&0)));
        bits.to_be_bytes()[1..chunk.len()].to_vec()
    };
    digits.chunks(4).flat_map(bytes).collect()
}

fn code(access: &JwtAccess, token: &str) -> Code {
    access.check(Some(token), NOW).expect_err(token).code
}

#[test]
fn only_the_key_of_a_token_accepts_it() {
    let keys = [
        (JwtAlgorithm::Hs256, SECRET, SECRET),
        (JwtAlgorithm::Rs256, RSA.0, RSA.1),
        (JwtAlgorithm::Es256, EC.0, EC.1),
        (JwtAlgorithm::EdDsa, ED.0, ED.1),
    ];
    for (server, _, public) in keys {
        let access = JwtAccess::new(JwtKeys::one(server, public).unwrap());
        for (signer, secret, _) in keys {
            let token = sign(&Header::new(signer.known()), &good(), &private(signer, secret));
            let answer = access.check(Some(&token), NOW);
            match answer {
                Ok(identity) => assert_eq!((signer, identity.subject.as_str()), (server, "anna")),
                Err(error) => {
                    assert_eq!(error.code, Code::Unauthorized);
                    assert_ne!(signer, server, "{error:?}");
                }
            }
        }
    }
}

#[test]
fn an_identity_has_exactly_the_rights_that_the_claims_name() {
    let claims = json!({ "sub": "anna", "tenant": "acme", "exp": NOW_SECONDS + 60, "more": { "is": ["passed over"] },
        "subscribe": ["staff:*", "catalogue"], "publish": ["staff:people"] });
    let access = hs256();
    let identity = access.check(Some(&hs(&claims)), NOW).unwrap();
    assert_eq!((identity.subject.as_str(), identity.tenant.as_str()), ("anna", "acme"));
    assert_eq!((identity.expires_at, identity.issued_at), (Some(NOW + 60_000), Some(0)));
    assert!(!identity.rights.admin);
    let admin = access.check(Some(&hs(&with("admin", json!(true)))), NOW).unwrap();
    assert!(admin.rights.admin);
    let issued = access.check(Some(&hs(&with("iat", json!(NOW_SECONDS - 5)))), NOW).unwrap();
    assert_eq!(issued.issued_at, Some(NOW - 5_000));
    assert!(access.check(Some(&hs(&with("iat", json!(NOW_SECONDS + 60)))), NOW).is_ok());
    for (name, subscribe, publish) in [
        ("staff:people", true, true),
        ("staff:teams", true, false),
        ("catalogue", true, false),
        ("projects:all", false, false),
        ("staffing", false, false),
    ] {
        let topic = name.parse().unwrap();
        let may = (identity.rights.may_subscribe(&topic), identity.rights.may_publish(&topic));
        assert_eq!(may, (subscribe, publish), "{name}");
    }
    for name in ["subscribe", "publish"] {
        let identity = access.check(Some(&hs(&with(name, Value::Null))), NOW).unwrap();
        let may = identity.rights.may_publish(&"staff:people".parse().unwrap());
        assert!(
            !may && (name == "publish" || !identity.rights.may_subscribe(&"staff:people".parse().unwrap()))
        );
    }
}

#[test]
fn a_token_with_a_wrong_claim_is_refused_with_one_code() {
    let access = hs256();
    assert!(access.check(Some(&hs(&good())), NOW).is_ok());
    for (name, value) in [
        ("exp", Value::Null),
        ("exp", json!("1700000060")),
        ("exp", json!("never")),
        ("exp", json!(true)),
        ("exp", json!([NOW_SECONDS + 60])),
        ("exp", json!({})),
        ("nbf", json!("1700000000")),
        ("nbf", json!(u64::MAX)),
        ("nbf", json!(1e300)),
        ("sub", Value::Null),
        ("sub", json!("")),
        ("sub", json!(7)),
        ("sub", json!("x".repeat(256))),
        ("tenant", Value::Null),
        ("tenant", json!("")),
        ("tenant", json!("acme/other")),
        ("tenant", json!("acme:other")),
        ("tenant", json!("../other")),
        ("tenant", json!("acme\u{0}")),
        ("tenant", json!(["acme"])),
        ("subscribe", json!("staff:*")),
        ("subscribe", json!({ "staff:*": true })),
        ("subscribe", json!([7])),
        ("subscribe", json!(["staff:*", "staff:pe*"])),
        ("subscribe", json!(["staff:*:people"])),
        ("admin", json!("true")),
        ("admin", json!(1)),
        ("iat", json!("1700000000")),
        ("iat", json!(NOW_SECONDS + 61)),
        ("iat", json!(NOW_SECONDS as f64 + 60.001)),
        ("iat", json!(1e300)),
        ("publish", json!(["staff:>"])),
        ("publish", json!([""])),
    ] {
        assert_eq!(code(&access, &hs(&with(name, value.clone()))), Code::Unauthorized, "{name} {value}");
    }
    let error = access.check(Some(&hs(&with("publish", json!(["staff:pe*"])))), NOW).unwrap_err();
    assert!(error.message.contains("staff:pe*") && error.message.contains("publish"), "{error:?}");
}

#[test]
fn an_expired_token_is_named_so_only_if_all_else_is_right_and_to_the_millisecond() {
    let access = hs256();
    for exp in [json!(NOW_SECONDS), json!(NOW_SECONDS - 1), json!(0), json!(-1), json!(-1e300), json!(0.5)] {
        assert_eq!(code(&access, &hs(&with("exp", exp.clone()))), Code::TokenExpired, "{exp}");
    }
    for exp in [json!(NOW_SECONDS + 1), json!(NOW_SECONDS as f64 + 0.5), json!(u64::MAX), json!(1e300)] {
        assert!(access.check(Some(&hs(&with("exp", exp.clone()))), NOW).is_ok(), "{exp}");
    }
    let soon = hs(&with("exp", json!(NOW_SECONDS + 1)));
    assert!(access.check(Some(&soon), NOW + 999).is_ok());
    assert_eq!(access.check(Some(&soon), NOW + 1000).unwrap_err().code, Code::TokenExpired);
    let mut expired = with("exp", json!(1));
    let signed_by_another = sign(&Header::default(), &expired, &EncodingKey::from_secret(b"another"));
    assert_eq!(code(&access, &signed_by_another), Code::Unauthorized);
    expired["tenant"] = json!(7);
    assert_eq!(code(&access, &hs(&expired)), Code::Unauthorized);
    assert_eq!(code(&access.clone().with_audience("a"), &hs(&with("exp", json!(1)))), Code::Unauthorized);
}

#[test]
fn an_issuers_clock_may_be_a_minute_ahead_and_beyond_that_the_client_is_told_to_come_back() {
    let access = hs256();
    let token = |claim: &str, seconds: f64| {
        let mut claims = with("exp", json!(NOW_SECONDS + 600));
        claims[claim] = json!(seconds);
        hs(&claims)
    };
    for claim in ["nbf", "iat"] {
        for ahead in [-1.0, 0.0, 0.5, 1.0, 2.0, 60.0] {
            let token = token(claim, NOW_SECONDS as f64 + ahead);
            assert!(access.check(Some(&token), NOW).is_ok(), "{claim} {ahead}");
        }
        let early = token(claim, NOW_SECONDS as f64 + 61.0);
        for (now, early_by) in [(NOW, "61 s"), (NOW + 999, "61 s")] {
            let error = access.check(Some(&early), now).unwrap_err();
            assert_eq!(error.code, Code::TokenNotYetValid, "{claim}");
            assert!(error.code.may_retry());
            assert!(error.message.contains(claim) && error.message.contains(early_by), "{error:?}");
        }
        assert!(access.check(Some(&early), NOW + 1000).is_ok(), "{claim}: its time has come");
        // A token that can never be valid is not worth another attempt.
        let never = token(claim, NOW_SECONDS as f64 + 600.0);
        assert_eq!(code(&access, &never), Code::Unauthorized, "{claim}: it ends before it begins");
        let signed_by_another = sign(
            &Header::default(),
            &json!({ "sub": "anna", "tenant": "acme", "exp": NOW_SECONDS + 600, claim: NOW_SECONDS + 61 }),
            &EncodingKey::from_secret(b"another"),
        );
        assert_eq!(code(&access, &signed_by_another), Code::Unauthorized);
    }
    let mut claims = with("nbf", json!(NOW_SECONDS + 61));
    claims["exp"] = Value::Null;
    assert_eq!(code(&access, &hs(&claims)), Code::Unauthorized, "it has no end");
}

#[test]
fn a_configured_audience_and_issuer_must_be_in_the_token() {
    let access = hs256().with_audience("tidings").with_issuer("https://id.example.com");
    let claims = |aud: Value, iss: Value| {
        let mut claims = with("aud", aud);
        claims["iss"] = iss;
        hs(&claims)
    };
    let (aud, iss) = (json!("tidings"), json!("https://id.example.com"));
    for aud in [aud.clone(), json!(["other", "tidings"])] {
        assert!(access.check(Some(&claims(aud, iss.clone())), NOW).is_ok());
    }
    for wrong in
        [json!("other"), json!("Tidings"), json!(["other"]), json!([]), json!(7), json!({}), Value::Null]
    {
        assert_eq!(code(&access, &claims(wrong.clone(), iss.clone())), Code::Unauthorized, "aud {wrong}");
    }
    for wrong in [json!("https://id.example.com/"), json!([iss.clone()]), json!(7), Value::Null] {
        assert_eq!(code(&access, &claims(aud.clone(), wrong.clone())), Code::Unauthorized, "iss {wrong}");
    }
    assert!(hs256().check(Some(&claims(json!("other"), json!("other"))), NOW).is_ok(), "not asked for");
}

#[test]
fn a_revoked_token_does_not_come_back_with_another_signature() {
    let access = JwtAccess::new(JwtKeys::one(JwtAlgorithm::Es256, EC.1).unwrap());
    let es = |claims: &Value| {
        sign(&Header::new(JwtAlgorithm::Es256.known()), claims, &private(JwtAlgorithm::Es256, EC.0))
    };
    let (first, again) = (es(&good()), es(&good()));
    assert_ne!(first, again, "its signatures are drawn at random");
    let revocations = Revocations::default();
    let admit = |token: &str| {
        let identity = access.check(Some(token), NOW).unwrap();
        match revocations.admit(identity, Some(token), revocations.newest(), NOW_MOMENT) {
            Admission::Admitted(admitted) => Ok(admitted),
            Admission::Refused(error) => Err(error),
            Admission::AskAgain => panic!("nothing was revoked since"),
        }
    };
    let session = uuid::Uuid::from_u128(1);
    let admitted = admit(&first).unwrap();
    revocations.add(&admitted.identity.tenant, &tidings_hub::Revoke::Session(session), NOW_MOMENT).unwrap();
    revocations.keep_out(Some(session), &admitted, NOW_MOMENT);
    for token in [&first, &again] {
        assert_eq!(admit(token).unwrap_err().code, Code::Unauthorized);
    }
    assert!(admit(&es(&with("more", json!(1)))).is_ok(), "another token of the same subject");
}

#[test]
fn a_server_of_one_tenant_accepts_tokens_without_a_tenant_and_refuses_those_of_another() {
    let access = hs256().with_single_tenant("acme".parse().unwrap());
    for tenant in [Value::Null, json!("acme")] {
        let identity = access.check(Some(&hs(&with("tenant", tenant))), NOW).unwrap();
        assert_eq!(identity.tenant.as_str(), "acme");
    }
    for tenant in [json!("other"), json!("ACME"), json!(""), json!(7)] {
        assert_eq!(code(&access, &hs(&with("tenant", tenant.clone()))), Code::Unauthorized, "{tenant}");
    }
}

#[test]
fn a_malformed_or_foreign_token_is_refused_with_one_code() {
    let good = hs(&good());
    let parts: Vec<&str> = good.split('.').collect();
    let claims = parts[1];
    let unsigned = |header: Value| format!("{}.{claims}.", base64(&header.to_string()));
    let (head, signature) = (parts[0], parts[2]);
    let mut tokens = vec![
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        "garbage".to_owned(),
        "é.é.é".to_owned(),
        format!("{head}.{claims}"),
        format!("{head}.{claims}."),
        format!("{head}.{claims}.{signature}."),
        format!("{head}.{claims}.{signature}="),
        format!("{head}.{claims}.A{signature}"),
        format!("{head}.{}.{signature}", base64(&with("tenant", json!("other")).to_string())),
        format!(" {good}"),
        format!("{good}\n"),
        "x".repeat(1024 * 1024),
        format!("{head}.{}.{signature}", "A".repeat(1024 * 1024)),
        hs(&with("more", json!("x".repeat(MAX_TOKEN_BYTES)))),
        hs(&json!([])),
        hs(&json!("anna")),
        hs(&json!(null)),
    ];
    for alg in ["none", "None", "NONE", "nOnE", "", "HS257"] {
        tokens.push(unsigned(json!({ "alg": alg })));
        tokens.push(format!("{}.{claims}.{signature}", base64(&json!({ "alg": alg }).to_string())));
    }
    tokens.push(unsigned(json!({ "typ": "JWT" })));
    tokens.push(unsigned(json!({ "alg": null })));
    tokens.push(unsigned(json!({ "alg": ["HS256"] })));
    tokens.push(unsigned(json!([])));
    tokens.push(sign(
        &Header { crit: Some(vec!["b64".to_owned()]), ..Header::default() },
        &super::tests::good(),
        &EncodingKey::from_secret(SECRET),
    ));
    for token in tokens {
        assert_eq!(code(&hs256(), &token), Code::Unauthorized, "{:.100}", token);
    }
    assert_eq!(hs256().check(None, NOW).unwrap_err().code, Code::Unauthorized);
    assert!(hs256().check(Some(&good), NOW).is_ok());
}

#[test]
fn a_public_key_is_no_secret() {
    let access = JwtAccess::new(JwtKeys::one(JwtAlgorithm::Rs256, RSA.1).unwrap());
    for secret in [RSA.1, RSA.1.trim_ascii_end(), &body(RSA.1), &der(RSA.1)] {
        let token = sign(&Header::default(), &good(), &EncodingKey::from_secret(secret));
        assert_eq!(code(&access, &token), Code::Unauthorized);
        // As above, with a header that claims the right algorithm.
        let (_, rest) = token.split_once('.').unwrap();
        let token = format!("{}.{rest}", base64(r#"{"alg":"RS256"}"#));
        assert_eq!(code(&access, &token), Code::Unauthorized);
    }
    let another =
        sign(&Header::new(JwtAlgorithm::Rs256.known()), &good(), &private(JwtAlgorithm::Rs256, OTHER_RSA));
    assert_eq!(code(&access, &another), Code::Unauthorized);
    let fault = JwtKeys::one(JwtAlgorithm::Hs256, RSA.1).unwrap_err();
    assert!(fault.to_string().contains("PEM"), "{fault}");
    assert!(JwtKeys::one(JwtAlgorithm::Hs256, JWKS.as_bytes()).is_err(), "nor are those of a JWKS");
    JwtKeys::one(JwtAlgorithm::Hs256, b"{one of 256 random secrets begins so}").unwrap();
}

#[test]
fn a_token_that_brings_its_own_key_is_refused() {
    let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(
        &EncodingKey::from_secret(b"mine"),
        JwtAlgorithm::Hs256.known(),
    );
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let address = elsewhere.local_addr().unwrap();
    let header = Header {
        jwk: jwk.ok(),
        jku: Some(format!("http://{address}/jwks")),
        x5u: Some(format!("http://{address}/x5u")),
        kid: Some("/dev/null".to_owned()),
        ..Header::default()
    };
    for secret in [&b"mine"[..], b""] {
        let token = sign(&header, &good(), &EncodingKey::from_secret(secret));
        assert_eq!(code(&hs256(), &token), Code::Unauthorized);
    }
    assert_eq!(elsewhere.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "nobody has come for a key");
}
