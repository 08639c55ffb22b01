//! Tests of keys and their files.

use super::*;

#[test]
fn a_set_of_keys_takes_a_token_by_the_key_that_it_names() {
    let access = JwtAccess::new(JwtKeys::set(JWKS).unwrap());
    let named = |kid: Option<&str>, algorithm: JwtAlgorithm, key: &[u8]| {
        let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm.known()) };
        sign(&header, &good(), &private(algorithm, key))
    };
    let keys = [
        ("rsa", JwtAlgorithm::Rs256, RSA.0),
        ("ec", JwtAlgorithm::Es256, EC.0),
        ("ed", JwtAlgorithm::EdDsa, ED.0),
    ];
    for (kid, algorithm, key) in keys {
        assert!(access.check(Some(&named(Some(kid), algorithm, key)), NOW).is_ok(), "{kid}");
        let others = keys.iter().map(|(kid, ..)| *kid).filter(|other| *other != kid);
        let crafted =
            ["", "RSA", "rsa ", "rsa\0", "../rsa", "/dev/null", "' OR '1'='1", "*", "rsa-enc", "rsa-512"];
        for other in others.chain(crafted) {
            assert_eq!(
                code(&access, &named(Some(other), algorithm, key)),
                Code::Unauthorized,
                "{kid} {other}"
            );
        }
        assert_eq!(code(&access, &named(None, algorithm, key)), Code::Unauthorized, "{kid} unnamed");
    }
    let public = sign(
        &Header { kid: Some("rsa".to_owned()), ..Header::default() },
        &good(),
        &EncodingKey::from_secret(RSA.1),
    );
    assert_eq!(code(&access, &public), Code::Unauthorized);
}

#[test]
fn keys_that_cannot_be_used_say_why() {
    for (algorithm, file, says) in [
        (JwtAlgorithm::Hs256, &b""[..], "at least 32 bytes"),
        (JwtAlgorithm::Hs256, b"\n", "at least 32 bytes"),
        (JwtAlgorithm::Hs256, b"0123456789abcdef0123456789abcde\n", "this one has 31"),
        (JwtAlgorithm::Hs256, EC.1, "PEM"),
        (JwtAlgorithm::Rs256, RSA.0, "private"),
        (JwtAlgorithm::Es256, EC.0, "private"),
        (JwtAlgorithm::EdDsa, ED.0, "private"),
        (JwtAlgorithm::Rs256, EC.1, "RS256"),
        (JwtAlgorithm::Es256, RSA.1, "ES256"),
        (JwtAlgorithm::Es256, ED.1, "ES256"),
        (JwtAlgorithm::EdDsa, EC.1, "EdDSA"),
        (JwtAlgorithm::Rs256, SECRET, "PEM"),
        (JwtAlgorithm::Rs256, b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "RS256"),
    ] {
        let fault = JwtKeys::one(algorithm, file).expect_err(says).to_string();
        assert!(fault.contains(says), "{algorithm}: {fault}");
    }
    for shown in [
        [b"# the public key of our issuer\n", RSA.1].concat(),
        [b"\xef\xbb\xbf", EC.1].concat(),
        JWKS.as_bytes().to_vec(),
        [b"\xef\xbb\xbf", JWKS.as_bytes()].concat(),
        format!("[{JWKS}]").into_bytes(),
        der(RSA.1),
        der(EC.1),
        der(ED.1),
        body(RSA.1),
        body(EC.1),
        body(ED.1),
        b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_vec(),
    ] {
        let fault = JwtKeys::one(JwtAlgorithm::Hs256, &shown).expect_err(&String::from_utf8_lossy(&shown));
        assert!(fault.to_string().contains("no secret"), "{fault}");
    }
    let padded = format!("{}{}w", "A".repeat(170), "_".repeat(171));
    let (short, long) = ("A".repeat(42), "A".repeat(43));
    let secret = |kid: &str, secret: &str| json!({ "kty": "oct", "kid": kid, "alg": "HS256", "k": secret });
    for (jwks, says) in [
        (json!([]), "JWKS"),
        (json!({ "keys": [] }), "no key"),
        (json!({ "keys": [{ "kty": "oct", "alg": "HS512", "kid": "a", "k": "AAAA" }] }), "no key"),
        (json!({ "keys": [{ "kty": "oct", "alg": "HS256", "k": "AAAA" }] }), "kid"),
        (json!({ "keys": [secret("a", &long), secret("a", &long)] }), "two"),
        (json!({ "keys": [secret("a", "")] }), "this one has 0"),
        (
            json!({ "keys": [secret("b", &long), secret("a", &short)] }),
            "\"a\": a secret for HS256 has at least 32",
        ),
        (json!({ "keys": [{ "kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB" }] }), "2048"),
        (json!({ "keys": [{ "kty": "RSA", "kid": "a", "n": padded, "e": "AQAB" }] }), "2048"),
        (json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "AQAB" }] }), "\"a\""),
    ] {
        let fault = JwtKeys::set(&jwks.to_string()).expect_err(says).to_string();
        assert!(fault.contains(says), "{jwks}: {fault}");
    }
    assert!("hs256".parse::<JwtAlgorithm>().is_err() && "none".parse::<JwtAlgorithm>().is_err());
}

#[test]
fn blank_lines_that_editors_put_around_a_secret_are_no_part_of_it() {
    let with = |before: &[u8], after: &[u8]| {
        JwtAccess::new(JwtKeys::one(JwtAlgorithm::Hs256, &[before, SECRET, after].concat()).unwrap())
    };
    for (before, after) in [
        (&b""[..], &b"\n"[..]),
        (b"", b"\r\n"),
        (b"", b"\n\n"),
        (b"\n\r\n", b"\r\n \r\n"),
        (b"\xef\xbb\xbf", b"\n"),
    ] {
        assert!(with(before, after).check(Some(&hs(&good())), NOW).is_ok(), "{before:?} {after:?}");
    }
    for (before, after) in
        [(&b" "[..], &b""[..]), (b"", b" \n"), (b"x\n", b""), (b"", b"\xff"), (b"", b"\xff\n\n")]
    {
        assert_eq!(code(&with(before, after), &hs(&good())), Code::Unauthorized, "{before:?} {after:?}");
    }
}

#[test]
fn keys_in_pem_and_in_a_set_may_have_a_byte_order_mark_and_blank_lines_around() {
    for (before, after) in
        [(&b"\xef\xbb\xbf"[..], &b""[..]), (b"\n\r\n", b"\n \n"), (b"\xef\xbb\xbf\n", b"\r\n\r\n")]
    {
        for (algorithm, pem) in
            [(JwtAlgorithm::Rs256, RSA.1), (JwtAlgorithm::Es256, EC.1), (JwtAlgorithm::EdDsa, ED.1)]
        {
            assert!(
                JwtKeys::one(algorithm, &[before, pem, after].concat()).is_ok(),
                "{algorithm} {before:?}"
            );
        }
        let set = String::from_utf8([before, JWKS.as_bytes(), after].concat()).unwrap();
        assert!(JwtKeys::set(&set).is_ok(), "{before:?}");
    }
}

#[test]
fn keys_are_replaced_in_all_clones_for_tokens_that_come_from_then_on() {
    let access = hs256();
    let served = access.clone();
    assert!(served.check(Some(&hs(&good())), NOW).is_ok());
    access.replace_keys(JwtKeys::one(JwtAlgorithm::Hs256, &[b'x'; 32]).unwrap());
    assert_eq!(code(&served, &hs(&good())), Code::Unauthorized);
}

#[test]
fn a_key_is_not_written_to_a_log() {
    let shown = format!("{:?} {:?}", hs256(), JwtKeys::set(JWKS).unwrap());
    assert!(!shown.contains("0123456789") && !shown.contains("48, 49, 50"), "{shown}");
}
