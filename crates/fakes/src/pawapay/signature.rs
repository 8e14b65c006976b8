//! HTTP message signatures (RFC 9421) as pawaPay makes and reads them: the label is `sig-pp`, the
//! date has a header of its own, and ECDSA signatures are DER, which the RFC does not say.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Uri;
use p256::PublicKey;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use p256::pkcs8::{DecodePublicKey as _, EncodePublicKey as _, LineEnding};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use sha2::{Digest as _, Sha256, Sha512};

use crate::clock::{iso, seconds};

const ALGORITHM: &str = "ecdsa-p256-sha256";
const COVERED: [&str; 6] =
    ["@method", "@authority", "@path", "signature-date", "content-digest", "content-type"];
/// How long a signature holds, in seconds.
const VALID_FOR: i64 = 60;

/// A key of the network with the id by which it is published.
#[derive(Clone)]
pub(crate) struct Key {
    pub id: String,
    public: PublicKey,
    /// Signs a few times as fast as `p256` does, so that a measurement against the fake measures less
    /// of the fake.
    pair: Arc<EcdsaKeyPair>,
}

impl Key {
    /// The key that follows from `bytes`. `None` for the one in 2^32 that are no key.
    pub(crate) fn of(id: String, bytes: &[u8; 32]) -> Option<Self> {
        let public = PublicKey::from(SigningKey::from_slice(bytes).ok()?.verifying_key());
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let (point, random) = (public.to_sec1_bytes(), SystemRandom::new());
        let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, bytes, &point, &random);
        Some(Self { id, public, pair: Arc::new(pair.ok()?) })
    }

    pub(crate) fn public_pem(&self) -> String {
        self.public.to_public_key_pem(LineEnding::LF).unwrap_or_default()
    }

    /// A signature in DER. Empty if the system has no random numbers.
    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature = self.pair.sign(&SystemRandom::new(), message);
        signature.map(|signature| signature.as_ref().to_vec()).unwrap_or_default()
    }
}

/// Which digest of the body is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BodyDigest {
    Sha256,
    Sha512,
}

impl BodyDigest {
    /// The value of `Content-Digest`.
    fn of(self, body: &[u8]) -> String {
        match self {
            Self::Sha256 => format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(body))),
            Self::Sha512 => format!("sha-512=:{}:", STANDARD.encode(Sha512::digest(body))),
        }
    }
}

/// The headers of a signed POST to `url` at `now` (milliseconds).
pub(crate) fn sign(
    key: &Key,
    digest: BodyDigest,
    url: &Uri,
    content_type: &str,
    body: &[u8],
    now: i64,
) -> Vec<(&'static str, String)> {
    let date = iso(now);
    let digest = digest.of(body);
    let created = seconds(now);
    let covered: Vec<String> = COVERED.iter().map(|name| format!("\"{name}\"")).collect();
    let parameters = format!(
        "({});alg=\"{ALGORITHM}\";keyid=\"{}\";created={created};expires={}",
        covered.join(" "),
        key.id,
        created + VALID_FOR
    );
    let authority = url.authority().map(|authority| authority.as_str().to_ascii_lowercase());
    let component = |name: &str| match name {
        "@method" => Some("POST".to_owned()),
        "@authority" => authority.clone(),
        "@path" => Some(url.path().to_owned()),
        "signature-date" => Some(date.clone()),
        "content-digest" => Some(digest.clone()),
        "content-type" => Some(content_type.to_owned()),
        _ => None,
    };
    let base = signature_base(&COVERED, &parameters, &component).unwrap_or_default();
    let signature = STANDARD.encode(key.sign(base.as_bytes()));
    vec![
        ("content-digest", digest),
        ("signature-date", date),
        ("signature-input", format!("sig-pp={parameters}")),
        ("signature", format!("sig-pp=:{signature}:")),
    ]
}

/// What is signed: a line for each covered component, and the parameters.
fn signature_base(
    covered: &[&str],
    parameters: &str,
    component: &dyn Fn(&str) -> Option<String>,
) -> Option<String> {
    let mut base = String::new();
    for name in covered {
        base.push_str(&format!("\"{name}\": {}\n", component(name)?));
    }
    base.push_str(&format!("\"@signature-params\": {parameters}"));
    Some(base)
}

/// The public key in a PEM file.
pub(crate) fn public_key(pem: &str) -> Option<VerifyingKey> {
    PublicKey::from_public_key_pem(pem.trim()).ok().map(VerifyingKey::from)
}

/// A request whose signature is looked at.
pub(crate) struct Signed<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub header: &'a dyn Fn(&str) -> Option<String>,
    pub body: &'a [u8],
}

/// Why a request's signature does not hold; `key` finds a key by its id.
pub(crate) fn verify(
    request: &Signed<'_>,
    key: &dyn Fn(&str) -> Option<VerifyingKey>,
    now: i64,
) -> Result<(), &'static str> {
    let header = |name: &str| (request.header)(name);
    let input = header("signature-input").ok_or("no Signature-Input")?;
    let parameters = input.strip_prefix("sig-pp=").ok_or("no signature sig-pp")?;
    let (covered, rest) = parameters
        .strip_prefix('(')
        .and_then(|text| text.split_once(')'))
        .ok_or("no list of covered components")?;
    let covered: Vec<&str> = covered.split(' ').map(|name| name.trim_matches('"')).collect();
    for needed in ["@method", "@authority", "@path", "content-digest"] {
        if !covered.contains(&needed) {
            return Err("the signature does not cover enough");
        }
    }
    let parameter = |name: &str| {
        rest.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
    };
    let number = |name: &str| parameter(name).and_then(|text| text.parse::<i64>().ok());
    if parameter("alg").is_some_and(|alg| alg.trim_matches('"') != ALGORITHM) {
        return Err("another algorithm than ecdsa-p256-sha256");
    }
    if number("created").is_some_and(|created| created > seconds(now) + VALID_FOR) {
        return Err("signed in the future");
    }
    if number("expires").is_some_and(|expires| expires < seconds(now)) {
        return Err("expired");
    }
    let digest = header("content-digest").ok_or("no Content-Digest")?;
    if ![BodyDigest::Sha256, BodyDigest::Sha512].iter().any(|kind| kind.of(request.body) == digest)
    {
        return Err("the digest is not that of the body");
    }
    let key_id = parameter("keyid").map(|id| id.trim_matches('"')).ok_or("no keyid")?;
    let key = key(key_id).ok_or("an unknown key")?;
    let component = |name: &str| match name {
        "@method" => Some(request.method.to_owned()),
        "@authority" => header("host").map(|host| host.to_ascii_lowercase()),
        "@path" => Some(request.path.to_owned()),
        _ => header(name),
    };
    let base = signature_base(&covered, parameters, &component).ok_or("a component is missing")?;
    let signature = header("signature").ok_or("no Signature")?;
    let bytes = signature
        .strip_prefix("sig-pp=:")
        .and_then(|text| text.strip_suffix(':'))
        .and_then(|text| STANDARD.decode(text).ok())
        .ok_or("the signature is not base64")?;
    // Java's SHA256withECDSA, which pawaPay runs, reads DER alone.
    let signature = Signature::from_der(&bytes).map_err(|_| "the signature is not DER")?;
    key.verify(base.as_bytes(), &signature).map_err(|_| "the signature is not the key's")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_906_800_000;
    const JSON: &str = "application/json; charset=UTF-8";

    fn key() -> Key {
        Key::of("K:1".to_owned(), &[3; 32]).unwrap()
    }

    fn verified(
        headers: &[(&'static str, String)],
        host: &str,
        body: &[u8],
        now: i64,
    ) -> Result<(), &'static str> {
        let header = |name: &str| match name {
            "host" => Some(host.to_owned()),
            "content-type" => Some(JSON.to_owned()),
            _ => headers.iter().find(|(n, _)| *n == name).map(|(_, value)| value.clone()),
        };
        let request = Signed { method: "POST", path: "/in", header: &header, body };
        let found = |id: &str| (id == "K:1").then(|| public_key(&key().public_pem())).flatten();
        verify(&request, &found, now)
    }

    #[test]
    fn a_signature_holds_for_what_it_was_made_for_only() {
        let url: Uri = "http://Shop.example:81/in?a=b".parse().unwrap();
        for digest in [BodyDigest::Sha256, BodyDigest::Sha512] {
            let headers = sign(&key(), digest, &url, JSON, b"{}", NOW);
            let later = NOW + 61_000;
            assert_eq!(verified(&headers, "shop.example:81", b"{}", NOW), Ok(()));
            assert!(verified(&headers, "shop.example:81", b"{} ", NOW).is_err());
            assert!(verified(&headers, "other.example", b"{}", NOW).is_err());
            assert_eq!(verified(&headers, "shop.example:81", b"{}", later), Err("expired"));
        }
    }

    #[test]
    fn signatures_are_der() {
        let url: Uri = "http://shop.example/in".parse().unwrap();
        let headers = sign(&key(), BodyDigest::Sha512, &url, JSON, b"{}", NOW);
        let (_, signature) = headers.iter().find(|(name, _)| *name == "signature").unwrap();
        let text = signature.strip_prefix("sig-pp=:").unwrap().strip_suffix(':').unwrap();
        assert_eq!(STANDARD.decode(text).unwrap()[0], 0x30);
    }
}
