//! The signatures of the table were made with OpenSSL over texts that were written by hand.

use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, KeyPair};

use super::*;

const BODY: &[u8] = br#"{"depositId":"afb57b93-7849-49aa-babb-4c3ccbfe3d79","status":"COMPLETED"}"#;
const DIGEST: &str = "sha-512=:BNnylOQhDuCyFdkoHp2bvZ+uDJ4O0S1/iMxmcDPkUcq3L3paZGapUTJfeSlt2JrASxcjGmnYFbwKszvwJwtPbQ==:";
const DIGEST_256: &str = "sha-256=:y9Y5utc9sHjg/JMSFBa7U5VDSQZvAlf02z2ae0Cx1AQ=:";
/// 2026-05-28T20:26:40Z
const CREATED: i64 = 1_780_000_000;
const COVERED_LIST: &str = "(\"@method\" \"@authority\" \"@path\" \"signature-date\" \"content-digest\" \
     \"content-type\")";

const P256_KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAExLI6/oxBF0Eb/cX5DUpA24wL8/8m\n\
8MM/EP3928yaF7YtcuvResnTspomQQRGSY88Dhdq1oUEl7Z59lyGF429SA==\n\
-----END PUBLIC KEY-----\n";
const P384_KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEYoJrjoMhHpH436qxaleVYjfW+6SoZ6qh\n\
1az1OpC2t5SuFCDVZdVLuXXT0PyyiK+6/y8jpb739dz8I0wYhCkjC6W7hfe1npDG\n\
mVrA5G/uJ2jo3bWzwxgOl4AnSzWUwhH1\n\
-----END PUBLIC KEY-----\n";
const RSA_KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAthPrt7ekZ0X15xGycIUF\n\
0my8qDG/4suryMQ1yKltPFOJc9M5fxXSrJ1XJ0g/Fw9C+tRYvYAc0wFG1vDMmb7a\n\
8/IBUSBJPV+a4HJKBSd4SYV9XhwsdHSp66/hF6+SHj9U5MQSdDlVUU9MVrdYxGCk\n\
yW8MPyOg0T1ltbj7PLzBSee+a9hnwa1rs/v+a5pCZ1Kb4mJjx7bjVBsb5xm4lXbc\n\
RzfmOksFtSrJGmkRb6wR5SaW5sBdXwLa9wPk1j3UQP6zT5a1pA6MkBEX0mPmt3YY\n\
n1yknUnPHkGBEw6QSsXfYgWQqWIRoWI1UztdX9cszrW7UGACLGv5/yiywAocJrg9\n\
RQIDAQAB\n\
-----END PUBLIC KEY-----\n";

/// Algorithm, key, signature.
const SIGNATURES: [(&str, &str, &str); 4] = [
    (
        "ecdsa-p256-sha256",
        "TEST:p256",
        "MEQCIHnCOue1Zg8YrOJWdlCXa3kJFKchsoKYbv5tlsN070QGAiAZa0NG+kUj4Cwt4Ky3HYO3eMMJfSg9\
         02Zpc1UI8qXVNg==",
    ),
    (
        "ecdsa-p384-sha384",
        "TEST:p384",
        "MGYCMQCrji1b7nV62as4OmJyqc3Vu+yvYaY93p3QIZtGiX9odDZmq2g7h5Z+GKbI5INCMmsCMQC/4/M4\
         DLFrPkIdZviYNMfc9qtK7lzLB7x4ktBk/Kbd965sUBlpg5iNob+yOKy+dM0=",
    ),
    (
        "rsa-v1_5-sha256",
        "TEST:rsa",
        "b4d0Jzu8R51GhNogCLuXXSUDPJSk4ccc6+A6rWIqi1t561rQY06Hx3srxGh3XqZKM8X3YU+TtXyn9Zy6\
         wWzNnT/6bF985yvG/dUbaR4IIj6iLRfuLl+NXhH7Z8hCLilobHd22eggudNLb16JIil93oCUuh3bYQ3G\
         y2WGnBiYOIsRqckLCoA1Ea3WIhjPk9Rn/mGI+WE41+7zvxcBZUGgAQ1VCGdiEyw4IAv+xBISSom0+hQT\
         q9rgqMKdkBXcP2UwClFUak9jxodlWEo33ovA60/y55is4hlL1PoHCjD16lEyMYbiaOGT9n1t24GS+EKV\
         lcqmiia+ZBx2kpIE6v5ymw==",
    ),
    (
        "rsa-pss-sha512",
        "TEST:rsa",
        "CgXKYerJ3Hv05ob3LTyc1e/cWcdlljw0nSCNZ9iESCxM9s/2o2JufhS8GbXGVo3MxRd7RldR1EBHXchD\
         IJaejJ2GgGRmgXImi11Nnd60iy2yf1lLgbzYhnthuGkVLn9sNRZreg0JTtTgy8HZHXk1NMfBQf+lmeYg\
         2wclmW97OM5hgs8F7BXDcxi5IuTB0+FRRGx/AXQblZtoUq2LwlMGkscQiRyiRPMGvRcdjOPbw/H0Fr4/\
         fabdLp2plUsfrlukygrOzGL4ImIDQR2i0QQxooIoqKaV1O6yNEY/SEQDv9wzAEYmJKenFa6wp1Efl3Ss\
         ABa5CXfj+rvlbMo88wx//A==",
    ),
];

fn keys() -> Vec<PublicKey> {
    [("TEST:p256", P256_KEY), ("TEST:p384", P384_KEY), ("TEST:rsa", RSA_KEY)]
        .map(|(id, pem)| PublicKey::from_pem(id, pem).unwrap())
        .to_vec()
}

fn headers(algorithm: &str, key: &str, signature: &str) -> Vec<(String, String)> {
    let expires = CREATED + 60;
    [
        ("host", "somebody.else.example"),
        ("content-type", "application/json; charset=UTF-8"),
        ("content-digest", DIGEST),
        ("signature-date", "2026-05-28T20:26:40Z"),
        (
            "signature-input",
            &format!(
                "sig-pp={COVERED_LIST};alg=\"{algorithm}\";keyid=\"{key}\";created={CREATED};\
                 expires={expires}"
            ),
        ),
        ("signature", &format!("sig-pp=:{signature}:")),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

/// The headers of the first signature of the table.
fn signed() -> Vec<(String, String)> {
    let [(algorithm, key, signature), ..] = SIGNATURES;
    headers(algorithm, key, signature)
}

fn message(headers: &[(String, String)]) -> SignedMessage<'_> {
    SignedMessage {
        method: "POST",
        authority: "pay.kola.example",
        path: "/callbacks/pawapay/3/token",
        headers,
        body: BODY,
    }
}

fn at(second: i64) -> ServerTime {
    ServerTime(seconds(second))
}

/// With a header changed.
fn with(name: &str, value: &str) -> Vec<(String, String)> {
    let change = |(header, old): (String, String)| {
        let value = if header == name { value.to_owned() } else { old };
        (header, value)
    };
    signed().into_iter().map(change).collect()
}

fn without(name: &str) -> Vec<(String, String)> {
    signed().into_iter().filter(|(header, _)| header != name).collect()
}

#[test]
fn every_algorithm_is_verified() {
    for (algorithm, key, signature) in SIGNATURES {
        let headers = headers(algorithm, key, signature);
        assert_eq!(verify(&message(&headers), &keys(), at(CREATED + 1)), Ok(()), "{algorithm}");
        for changed in [
            SignedMessage { method: "PUT", ..message(&headers) },
            SignedMessage { authority: "pay.other.example", ..message(&headers) },
            SignedMessage { path: "/callbacks/pawapay/4/token", ..message(&headers) },
        ] {
            let verdict = verify(&changed, &keys(), at(CREATED + 1));
            assert_eq!(verdict, Err(SignatureFault::Wrong), "{algorithm}");
        }
    }
}

#[test]
fn the_authority_has_no_case() {
    let headers = signed();
    let loud = SignedMessage { authority: "Pay.Kola.Example", ..message(&headers) };
    assert_eq!(verify(&loud, &keys(), at(CREATED)), Ok(()));
}

#[test]
fn a_changed_body_is_found() {
    let headers = signed();
    let changed = SignedMessage { body: b"{}", ..message(&headers) };
    assert_eq!(verify(&changed, &keys(), at(CREATED)), Err(SignatureFault::OtherBody));
    // With a digest that fits the changed body, the signature does not.
    let digest = BASE64.encode(digest::digest(&SHA512, b"{}"));
    let headers = with("content-digest", &format!("sha-512=:{digest}:"));
    let changed = SignedMessage { body: b"{}", ..message(&headers) };
    assert_eq!(verify(&changed, &keys(), at(CREATED)), Err(SignatureFault::Wrong));
}

#[test]
fn digests_that_are_known_are_all_checked() {
    for (digest, verdict) in [
        (DIGEST.to_owned(), Ok(())),
        (DIGEST_256.to_owned(), Ok(())),
        (format!("{DIGEST_256}, {DIGEST}"), Ok(())),
        (format!("md5=:AAAA:, {DIGEST_256}"), Ok(())),
        (format!("{DIGEST_256}, sha-512=:AAAA:"), Err(SignatureFault::OtherBody)),
        ("md5=:AAAA:".to_owned(), Err(SignatureFault::Malformed("no digest that is known here"))),
        (
            "sha-256=AAAA".to_owned(),
            Err(SignatureFault::Malformed("Content-Digest is no byte sequence")),
        ),
    ] {
        let headers = with("content-digest", &digest);
        assert_eq!(check_digest(&message(&headers)), verdict, "{digest}");
    }
}

#[test]
fn clocks_may_differ_by_five_minutes() {
    let headers = signed();
    let verdict = |now| verify(&message(&headers), &keys(), now);
    for (offset, holds) in [
        (0, true),
        (59, true),
        // Our clock is behind.
        (-240, true),
        (-300, true),
        (-301, false),
        (-360, false),
        // Our clock is ahead.
        (240, true),
        (359, true),
        (360, false),
        (420, false),
    ] {
        let expected = if holds { Ok(()) } else { Err(SignatureFault::OutOfTime) };
        assert_eq!(verdict(at(CREATED + offset)), expected, "{offset}");
    }
}

#[test]
fn a_signature_without_an_end_is_valid_for_a_minute() {
    let parameters = |input: &str| Parameters::parse(input).unwrap();
    let open = parameters("();created=1000");
    assert_eq!(check_time(&open, at(1_000)), Ok(()));
    assert_eq!(check_time(&open, at(1_359)), Ok(()));
    assert_eq!(check_time(&open, at(1_360)), Err(SignatureFault::OutOfTime));
    let timeless = Err(SignatureFault::Malformed("it has no time"));
    assert_eq!(check_time(&parameters("()"), at(1_000)), timeless);
}

#[test]
fn what_is_missing_is_named() {
    for (headers, fault) in [
        (vec![], SignatureFault::Missing),
        (without("signature"), SignatureFault::Missing),
        (without("signature-input"), SignatureFault::Missing),
        (with("signature", "sig1=:AAAA:"), SignatureFault::Missing),
        (
            with("signature", "sig-pp=AAAA"),
            SignatureFault::Malformed("Signature is no byte sequence"),
        ),
        (
            with("signature", "sig-pp=:AAAA:, sig-pp=:AAAA:"),
            SignatureFault::Malformed("it is there twice"),
        ),
        (without("content-digest"), SignatureFault::Malformed("Content-Digest is missing")),
        (
            without("signature-date"),
            SignatureFault::Malformed("it covers a header that is missing"),
        ),
        (with("signature-date", "2026-05-28T20:26:41Z"), SignatureFault::Wrong),
        (with("content-type", "text/plain"), SignatureFault::Wrong),
        (with("signature", "sig-pp=:AAAA:"), SignatureFault::Wrong),
    ] {
        assert_eq!(verify(&message(&headers), &keys(), at(CREATED)), Err(fault), "{headers:?}");
    }
}

#[test]
fn a_signature_must_cover_what_tells_messages_apart() {
    for part in ["@method", "@authority", "@path", "content-digest"] {
        let list = COVERED_LIST.replace(&format!("\"{part}\""), "");
        let input = format!("sig-pp={list};alg=\"ecdsa-p256-sha256\";created={CREATED}");
        let headers = with("signature-input", &input);
        let verdict = verify(&message(&headers), &keys(), at(CREATED));
        assert_eq!(verdict, Err(SignatureFault::NotCovered(part)));
    }
}

#[test]
fn parts_that_are_not_known_are_refused() {
    let all = "\"@method\" \"@authority\" \"@path\" \"content-digest\"";
    for (list, fault) in [
        (
            format!("({all} \"@query\")"),
            SignatureFault::Malformed("it covers a part that is not known here"),
        ),
        (format!("({all} \"@path\")"), SignatureFault::Malformed("it covers a part twice")),
        (
            format!("({all} \"content-type\";bs)"),
            SignatureFault::Malformed("Signature-Input has a part that is not known here"),
        ),
        (all.to_owned(), SignatureFault::Malformed("Signature-Input is no list")),
    ] {
        let headers = with("signature-input", &format!("sig-pp={list};created={CREATED}"));
        assert_eq!(verify(&message(&headers), &keys(), at(CREATED)), Err(fault), "{list}");
    }
}

#[test]
fn a_key_that_is_not_known_is_told_apart_from_a_wrong_signature() {
    let headers = signed();
    let unknown = Err(SignatureFault::UnknownKey("TEST:p256".to_owned()));
    assert_eq!(verify(&message(&headers), &[], at(CREATED)), unknown);
    // Rotated: another key under the same id.
    let other = RequestSigner::from_pem("k", &private_key_pem()).unwrap();
    let other = PublicKey { id: "TEST:p256".to_owned(), ..public_key(&other) };
    let wrong = Err(SignatureFault::Wrong);
    assert_eq!(verify(&message(&headers), std::slice::from_ref(&other), at(CREATED)), wrong);
    // Both known: one of them holds.
    let both = [other, keys().remove(0)];
    assert_eq!(verify(&message(&headers), &both, at(CREATED)), Ok(()));
}

#[test]
fn an_algorithm_must_be_the_keys() {
    for (algorithm, key) in [
        ("rsa-pss-sha512", "TEST:p256"),
        ("ecdsa-p384-sha384", "TEST:p256"),
        ("ecdsa-p256-sha256", "TEST:rsa"),
        ("hmac-sha256", "TEST:p256"),
    ] {
        let headers = headers(algorithm, key, "AAAA");
        let verdict = verify(&message(&headers), &keys(), at(CREATED));
        assert_eq!(verdict, Err(SignatureFault::WrongAlgorithm), "{algorithm} {key}");
    }
}

#[test]
fn other_signatures_stand_beside_pawapays() {
    let (name, input) = signed().into_iter().find(|(name, _)| name == "signature-input").unwrap();
    let headers = with(&name, &format!("sig1=(\"a,b\" \"\\\"\");keyid=\"x, sig-pp=()\", {input}"));
    assert_eq!(verify(&message(&headers), &keys(), at(CREATED)), Ok(()));
}

#[test]
fn parameters_are_read_in_any_order() {
    assert_eq!(
        Parameters::parse("(\"@path\"  \"date\"); expires=2;nonce=\"a;b\";created=1;keyid=\"K:1\""),
        Ok(Parameters {
            covered: vec!["@path".to_owned(), "date".to_owned()],
            algorithm: None,
            key_id: Some("K:1".to_owned()),
            created: Some(1),
            expires: Some(2),
        })
    );
    for (input, fault) in [
        ("", "Signature-Input is no list"),
        ("(\"@path\"", "Signature-Input is no list"),
        ("(@path)", "Signature-Input has a part that is not known here"),
        ("();created=soon", "a time is no number"),
        ("();keyid=K", "a parameter is no text"),
        ("();alg", "a parameter is no text"),
    ] {
        assert_eq!(Parameters::parse(input), Err(fault), "{input}");
    }
}

fn private_key_pem() -> String {
    let random = SystemRandom::new();
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let base64 = BASE64.encode(der);
    format!("-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n")
}

fn public_key(signer: &RequestSigner) -> PublicKey {
    let bytes = signer.key.public_key().as_ref().to_vec();
    PublicKey { id: signer.key_id.clone(), kind: KeyKind::P256, bytes }
}

fn lines(request: &HttpRequest) -> Vec<(String, String)> {
    request.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

#[test]
fn a_request_is_signed_so_that_it_verifies() {
    let signer = RequestSigner::from_pem("KOLA:1", &private_key_pem()).unwrap();
    let request = HttpRequest::post("/v2/deposits?x=1", "application/json", BODY);
    let request = signer.sign(request, "api.pawapay.io", at(CREATED)).unwrap();
    assert_eq!(request.header("content-digest"), Some(DIGEST));
    assert_eq!(request.header("signature-date"), Some("2026-05-28T20:26:40Z"));
    assert_eq!(
        request.header("signature-input"),
        Some(
            format!(
                "sig-pp={COVERED_LIST};alg=\"ecdsa-p256-sha256\";keyid=\"KOLA:1\";\
                 created=1780000000;expires=1780000060"
            )
            .as_str()
        )
    );
    let headers = lines(&request);
    let message = SignedMessage {
        method: "POST",
        authority: "api.pawapay.io",
        path: "/v2/deposits",
        headers: &headers,
        body: BODY,
    };
    assert_eq!(verify(&message, &[public_key(&signer)], at(CREATED)), Ok(()));
    // It is DER, and pawaPay's own examples have 70 to 72 bytes.
    let signature = byte_sequence(member(&headers, "signature").unwrap()).unwrap();
    assert!(signature.starts_with(&[0x30]) && signature.len() != 64);
}

#[test]
fn a_signature_of_two_bare_numbers_is_accepted() {
    let pem = private_key_pem();
    let signer = RequestSigner::from_pem("KOLA:1", &pem).unwrap();
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).unwrap();
    let random = SystemRandom::new();
    let raw =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der(), &random)
            .unwrap();
    let signature = raw.sign(&random, b"message").unwrap();
    assert_eq!(signature.as_ref().len(), 64);
    let key = public_key(&signer);
    let algorithm = Some("ecdsa-p256-sha256");
    assert_eq!(check(&key, algorithm, b"message", signature.as_ref()), Ok(()));
    let wrong = Err(SignatureFault::Wrong);
    assert_eq!(check(&key, algorithm, b"another", signature.as_ref()), wrong);
}

#[test]
fn a_request_without_a_body_has_no_content_type_to_cover() {
    let signer = RequestSigner::from_pem("KOLA:1", &private_key_pem()).unwrap();
    let request = HttpRequest { method: "POST", ..HttpRequest::get("/v2/payouts/fail-enqueued/7") };
    let request = signer.sign(request, "api.pawapay.io", at(CREATED)).unwrap();
    assert!(!request.header("signature-input").unwrap().contains("content-type"));
}

#[test]
fn keys_that_cannot_sign_say_why() {
    let good = private_key_pem();
    for (id, pem, reason) in [
        ("", good.as_str(), "the id of a signing key is printable ASCII"),
        ("a\nb", &good, "the id of a signing key is printable ASCII"),
        ("a\"b", &good, "the id of a signing key has no quotes and no backslashes"),
        ("k", P256_KEY, "the signing key is not in the form BEGIN PRIVATE KEY"),
        ("k", "", "the signing key is not in the form BEGIN PRIVATE KEY"),
        (
            "k",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "the signing key is of none of the curves P-256 and P-384",
        ),
    ] {
        assert!(RequestSigner::from_pem(id, pem).unwrap_err().starts_with(reason), "{reason}");
    }
}

#[test]
fn public_keys_are_read() {
    let body = serde_json::json!([
        {"id": "HTTP_EC_P256_KEY:1", "key": P256_KEY},
        {"id": "HTTP_RSA_KEY:1", "key": RSA_KEY},
        {"id": "BROKEN", "key": "-----BEGIN PUBLIC KEY-----"},
        {"key": P256_KEY},
    ]);
    let read = read_public_keys(body.to_string().as_bytes()).unwrap();
    let read: Vec<_> = read.iter().map(|key| (key.id.as_str(), key.kind)).collect();
    assert_eq!(read, [("HTTP_EC_P256_KEY:1", KeyKind::P256), ("HTTP_RSA_KEY:1", KeyKind::Rsa)]);
    for (body, reason) in [("", "no JSON"), ("{}", "it is no list of keys")] {
        assert!(read_public_keys(body.as_bytes()).unwrap_err().starts_with(reason));
    }
}
