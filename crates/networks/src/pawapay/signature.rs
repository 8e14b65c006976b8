//! Signatures of HTTP messages (RFC 9421) as pawaPay makes and expects them.
//!
//! They differ from the standard in one point: a signature by an elliptic curve is ASN.1 DER, as most
//! libraries write it, and not the two bare numbers that RFC 9421 prescribes. Callbacks are accepted
//! with either; requests are signed with DER.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use domain::kernel::time::{ServerTime, minutes, seconds};
use ring::digest::{self, SHA256, SHA512};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED,
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P384_SHA384_FIXED, EcdsaKeyPair,
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use serde_json::Value;
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};

use super::text_at;
use crate::exchange::HttpRequest;

/// The name of pawaPay's signature among those of a message.
const LABEL: &str = "sig-pp";
/// By how much the clocks of pawaPay and of this machine may differ.
const MAX_SKEW_US: i64 = minutes(5);
/// How long a signature is valid that does not say it, and one of ours.
const VALIDITY_US: i64 = seconds(60);

/// What a signature must cover, so that it cannot be taken from another message: to another server,
/// to the path of another account, or with another body.
const MUST_COVER: [&str; 4] = ["@method", "@authority", "@path", "content-digest"];
/// What a signature of ours covers.
const COVERED: [&str; 6] =
    ["@method", "@authority", "@path", "signature-date", "content-digest", "content-type"];

const EC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const RSA_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// A message as it was received. The authority and the path are those that the receiver is known by,
/// not what the message says of itself: a signed callback to another customer of pawaPay, or to
/// another account of this server, is then none.
#[derive(Clone, Copy)]
pub struct SignedMessage<'a> {
    pub method: &'a str,
    /// The host of `--public-url`, with its port if it is not the scheme's own.
    pub authority: &'a str,
    /// Without the query.
    pub path: &'a str,
    /// Lower-case names.
    pub headers: &'a [(String, String)],
    pub body: &'a [u8],
}

/// Why a signature does not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SignatureFault {
    Missing,
    /// It cannot be read, or covers what is not there.
    Malformed(&'static str),
    /// It leaves open what it must cover.
    NotCovered(&'static str),
    /// The body is another one than was signed.
    OtherBody,
    /// Its time is over, or has not come.
    OutOfTime,
    /// The key is not among those that are known: they may have changed.
    UnknownKey(String),
    /// The algorithm is not known, or not that of the key.
    WrongAlgorithm,
    /// The message is another one than was signed, or another key signed it.
    Wrong,
}

impl fmt::Display for SignatureFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => write!(f, "it is not signed"),
            Self::Malformed(what) => write!(f, "its signature cannot be read: {what}"),
            Self::NotCovered(what) => write!(f, "its signature does not cover {what}"),
            Self::OtherBody => write!(f, "its body is not the one that was signed"),
            Self::OutOfTime => write!(
                f,
                "its signature is not valid at this time: is the clock of this machine right?"
            ),
            Self::UnknownKey(id) => write!(f, "the key {id:?} that signed it is not known"),
            Self::WrongAlgorithm => write!(f, "its algorithm is not one of the key"),
            Self::Wrong => write!(f, "its signature is wrong"),
        }
    }
}

impl std::error::Error for SignatureFault {}

/// A key that pawaPay signs callbacks with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicKey {
    id: String,
    kind: KeyKind,
    /// What the signature library takes: the point of a curve, or the key of RSA.
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum KeyKind {
    P256,
    P384,
    Rsa,
}

impl PublicKey {
    /// Reads a key in the form `-----BEGIN PUBLIC KEY-----`.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn from_pem(id: impl Into<String>, pem: &str) -> Result<Self, String> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| format!("no public key in PEM form: {error}"))?;
        let info = SubjectPublicKeyInfoRef::try_from(der.as_ref())
            .map_err(|error| format!("no public key: {error}"))?;
        let curve = info.algorithm.parameters_oid().ok();
        let kind = match (info.algorithm.oid, curve) {
            (EC_KEY, Some(P256)) => KeyKind::P256,
            (EC_KEY, Some(P384)) => KeyKind::P384,
            (RSA_KEY, _) => KeyKind::Rsa,
            (other, _) => return Err(format!("a key of a kind that is not known here: {other}")),
        };
        let bytes = info.subject_public_key.as_bytes().ok_or("a key of odd length")?.to_vec();
        Ok(Self { id: id.into(), kind, bytes })
    }
}

/// Reads the answer to [`public_keys`](super::requests::public_keys). A key of a kind that is not
/// known here is left out.
///
/// # Errors
/// Why it cannot be read, for the operator.
pub fn read_public_keys(body: &[u8]) -> Result<Vec<PublicKey>, String> {
    let answer: Value =
        serde_json::from_slice(body).map_err(|error| format!("no JSON: {error}"))?;
    let keys = answer.as_array().ok_or("it is no list of keys")?;
    let keys = keys
        .iter()
        .filter_map(|key| PublicKey::from_pem(text_at(key, "/id")?, &text_at(key, "/key")?).ok());
    Ok(keys.collect())
}

/// Checks pawaPay's signature of a message with the keys that are known.
///
/// # Errors
/// [`SignatureFault`]; after [`SignatureFault::UnknownKey`] it is worth fetching the keys again, once.
pub fn verify(
    message: &SignedMessage<'_>,
    keys: &[PublicKey],
    now: ServerTime,
) -> Result<(), SignatureFault> {
    let input = member(message.headers, "signature-input")?;
    let signature = byte_sequence(member(message.headers, "signature")?)
        .ok_or(SignatureFault::Malformed("Signature is no byte sequence"))?;
    let parameters = Parameters::parse(input).map_err(SignatureFault::Malformed)?;
    for part in MUST_COVER {
        if !parameters.covered.iter().any(|covered| covered == part) {
            return Err(SignatureFault::NotCovered(part));
        }
    }
    check_time(&parameters, now)?;
    check_digest(message)?;
    let base = signature_base(message, &parameters.covered, input)?;
    let key_id = parameters.key_id.unwrap_or_default();
    let mut fault = SignatureFault::UnknownKey(key_id.clone());
    for key in keys.iter().filter(|key| key.id == key_id) {
        match check(key, parameters.algorithm.as_deref(), base.as_bytes(), &signature) {
            Ok(()) => return Ok(()),
            Err(found) => fault = found,
        }
    }
    Err(fault)
}

/// Whether the time of a signature is now, give or take the difference of the clocks.
fn check_time(parameters: &Parameters, now: ServerTime) -> Result<(), SignatureFault> {
    let created = parameters.created.ok_or(SignatureFault::Malformed("it has no time"))?;
    let created = ServerTime(seconds(created));
    let expires = match parameters.expires {
        Some(expires) => ServerTime(seconds(expires)),
        None => created.plus(VALIDITY_US),
    };
    if created.since(now) > MAX_SKEW_US || now.since(expires) >= MAX_SKEW_US {
        return Err(SignatureFault::OutOfTime);
    }
    Ok(())
}

/// Checks that the body has each digest that is known of those that the message names.
fn check_digest(message: &SignedMessage<'_>) -> Result<(), SignatureFault> {
    let header = field(message.headers, "content-digest")
        .ok_or(SignatureFault::Malformed("Content-Digest is missing"))?;
    let mut checked = false;
    for (name, value) in members(&header) {
        let algorithm = match name {
            "sha-256" => &SHA256,
            "sha-512" => &SHA512,
            _ => continue,
        };
        let named = byte_sequence(value)
            .ok_or(SignatureFault::Malformed("Content-Digest is no byte sequence"))?;
        if digest::digest(algorithm, message.body).as_ref() != named {
            return Err(SignatureFault::OtherBody);
        }
        checked = true;
    }
    if checked { Ok(()) } else { Err(SignatureFault::Malformed("no digest that is known here")) }
}

fn check(
    key: &PublicKey,
    algorithm: Option<&str>,
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureFault> {
    // An elliptic curve's signature as DER, else as its two numbers.
    let algorithms: &[&'static dyn VerificationAlgorithm] = match (key.kind, algorithm) {
        (KeyKind::P256, None | Some("ecdsa-p256-sha256")) => {
            &[&ECDSA_P256_SHA256_ASN1, &ECDSA_P256_SHA256_FIXED]
        }
        (KeyKind::P384, None | Some("ecdsa-p384-sha384")) => {
            &[&ECDSA_P384_SHA384_ASN1, &ECDSA_P384_SHA384_FIXED]
        }
        (KeyKind::Rsa, Some("rsa-v1_5-sha256")) => &[&RSA_PKCS1_2048_8192_SHA256],
        (KeyKind::Rsa, Some("rsa-pss-sha512")) => &[&RSA_PSS_2048_8192_SHA512],
        _ => return Err(SignatureFault::WrongAlgorithm),
    };
    let holds = |algorithm: &&'static dyn VerificationAlgorithm| {
        UnparsedPublicKey::new(*algorithm, &key.bytes).verify(message, signature).is_ok()
    };
    if algorithms.iter().any(holds) { Ok(()) } else { Err(SignatureFault::Wrong) }
}

/// What is signed: a line for each covered part, and the parameters as they were written.
fn signature_base(
    message: &SignedMessage<'_>,
    covered: &[String],
    parameters: &str,
) -> Result<String, SignatureFault> {
    let mut base = String::new();
    for (at, name) in covered.iter().enumerate() {
        if covered.iter().take(at).any(|earlier| earlier == name) {
            return Err(SignatureFault::Malformed("it covers a part twice"));
        }
        let value = match name.as_str() {
            "@method" => message.method.to_owned(),
            "@authority" => message.authority.to_ascii_lowercase(),
            "@path" => message.path.to_owned(),
            _ if name.starts_with('@') => {
                return Err(SignatureFault::Malformed("it covers a part that is not known here"));
            }
            _ => field(message.headers, name)
                .ok_or(SignatureFault::Malformed("it covers a header that is missing"))?,
        };
        base.push_str(&format!("\"{name}\": {value}\n"));
    }
    base.push_str(&format!("\"@signature-params\": {parameters}"));
    Ok(base)
}

/// The value of a header, with the values of all of its lines.
fn field(headers: &[(String, String)], name: &str) -> Option<String> {
    let lines: Vec<&str> = headers
        .iter()
        .filter(|(header, _)| header == name)
        .map(|(_, value)| value.trim())
        .collect();
    if lines.is_empty() { None } else { Some(lines.join(", ")) }
}

/// pawaPay's member of a header that has one for each signature.
fn member<'a>(headers: &'a [(String, String)], name: &str) -> Result<&'a str, SignatureFault> {
    let lines = headers.iter().filter(|(header, _)| header == name);
    let mut found = lines.flat_map(|(_, line)| members(line)).filter(|(label, _)| *label == LABEL);
    match (found.next(), found.next()) {
        (Some((_, value)), None) => Ok(value),
        (Some(_), Some(_)) => Err(SignatureFault::Malformed("it is there twice")),
        (None, _) => Err(SignatureFault::Missing),
    }
}

/// The members of a dictionary (RFC 8941): label and value, as they are written.
fn members(header: &str) -> impl Iterator<Item = (&str, &str)> {
    split_unquoted(header, ',').into_iter().filter_map(|member| {
        let (label, value) = member.split_once('=')?;
        Some((label.trim(), value.trim()))
    })
}

/// The parts between separators that do not stand in a quoted string.
fn split_unquoted(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start) = (vec![], 0);
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if c == separator && !quoted => {
                parts.extend(text.get(start..at));
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.extend(text.get(start..));
    parts
}

/// `:base64:`
fn byte_sequence(value: &str) -> Option<Vec<u8>> {
    BASE64.decode(value.strip_prefix(':')?.strip_suffix(':')?).ok()
}

/// `"text"`, without escaped characters: no name or key of pawaPay's has one.
fn quoted(value: &str) -> Option<&str> {
    let text = value.strip_prefix('"')?.strip_suffix('"')?;
    (!text.contains(['"', '\\'])).then_some(text)
}

/// What a signature says of itself.
#[derive(PartialEq, Eq, Debug)]
struct Parameters {
    /// In their order.
    covered: Vec<String>,
    algorithm: Option<String>,
    key_id: Option<String>,
    /// In seconds since 1970.
    created: Option<i64>,
    expires: Option<i64>,
}

impl Parameters {
    /// Reads `("@method" "content-digest");alg="…";keyid="…";created=1;expires=2`.
    fn parse(input: &str) -> Result<Self, &'static str> {
        let list = input.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        let (list, rest) = list.ok_or("Signature-Input is no list")?;
        let covered = list.split_ascii_whitespace().map(|name| quoted(name).map(str::to_owned));
        let covered = covered.collect::<Option<Vec<_>>>();
        let mut parameters = Self {
            covered: covered.ok_or("Signature-Input has a part that is not known here")?,
            algorithm: None,
            key_id: None,
            created: None,
            expires: None,
        };
        for parameter in split_unquoted(rest, ';').iter().map(|text| text.trim()) {
            if parameter.is_empty() {
                continue;
            }
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let text = || quoted(value).map(str::to_owned).ok_or("a parameter is no text");
            let number = || value.parse().map_err(|_| "a time is no number");
            match name {
                "alg" => parameters.algorithm = Some(text()?),
                "keyid" => parameters.key_id = Some(text()?),
                "created" => parameters.created = Some(number()?),
                "expires" => parameters.expires = Some(number()?),
                // A nonce or a tag is part of what is signed, and decides nothing here.
                _ => {}
            }
        }
        Ok(parameters)
    }
}

/// Signs requests with a key whose public half is known to pawaPay.
pub struct RequestSigner {
    key_id: String,
    algorithm: &'static str,
    key: EcdsaKeyPair,
    /// A signature by an elliptic curve needs a secret number, which the library takes from the
    /// operating system alone. What is signed does not depend on it.
    random: SystemRandom,
}

impl fmt::Debug for RequestSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestSigner({}, {})", self.key_id, self.algorithm)
    }
}

impl RequestSigner {
    /// Reads a key as it is stored: its id, a line break, and the key as
    /// [`from_pem`](Self::from_pem) takes it.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn from_text(text: &str) -> Result<Self, String> {
        let (key_id, pem) = text.split_once('\n').ok_or("a signing key begins with its id")?;
        Self::from_pem(key_id, pem)
    }

    /// Reads a private key of the curve P-256 or P-384 in the form `-----BEGIN PRIVATE KEY-----`.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn from_pem(key_id: impl Into<String>, pem: &str) -> Result<Self, String> {
        let key_id = key_id.into();
        if key_id.is_empty() || !key_id.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err("the id of a signing key is printable ASCII".to_owned());
        }
        if key_id.contains(['"', '\\']) {
            return Err("the id of a signing key has no quotes and no backslashes".to_owned());
        }
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| {
            "the signing key is not in the form BEGIN PRIVATE KEY: \
             `openssl pkcs8 -topk8 -nodes` makes it so"
                .to_owned()
        })?;
        let random = SystemRandom::new();
        [
            ("ecdsa-p256-sha256", &ECDSA_P256_SHA256_ASN1_SIGNING),
            ("ecdsa-p384-sha384", &ECDSA_P384_SHA384_ASN1_SIGNING),
        ]
        .into_iter()
        .find_map(|(algorithm, curve)| {
            let key = EcdsaKeyPair::from_pkcs8(curve, der.secret_pkcs8_der(), &random).ok()?;
            Some(Self { key_id: key_id.clone(), algorithm, key, random: random.clone() })
        })
        .ok_or_else(|| "the signing key is of none of the curves P-256 and P-384".to_owned())
    }

    /// The request with a signature that is valid for a minute. `authority` is the host of the base
    /// URL, with its port if it is not the scheme's own.
    ///
    /// # Errors
    /// The operating system gives no random numbers.
    pub fn sign(
        &self,
        request: HttpRequest,
        authority: &str,
        now: ServerTime,
    ) -> Result<HttpRequest, String> {
        // Whole seconds, as the parameters have them.
        let created = now.0.div_euclid(seconds(1));
        let expires = created.saturating_add(VALIDITY_US / seconds(1));
        let body_digest = BASE64.encode(digest::digest(&SHA512, &request.body));
        let request = request
            .with_header("content-digest", format!("sha-512=:{body_digest}:"))
            .with_header("signature-date", ServerTime(seconds(created)).to_string());
        let headers: Vec<(String, String)> = request
            .headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        let covered = COVERED
            .iter()
            .filter(|part| part.starts_with('@') || request.header(part).is_some())
            .map(|part| (*part).to_owned())
            .collect::<Vec<_>>();
        let list = covered.iter().map(|part| format!("\"{part}\"")).collect::<Vec<_>>().join(" ");
        let parameters = format!(
            "({list});alg=\"{}\";keyid=\"{}\";created={created};expires={expires}",
            self.algorithm, self.key_id
        );
        let message = SignedMessage {
            method: request.method,
            authority,
            path: request.path.split('?').next().unwrap_or_default(),
            headers: &headers,
            body: &request.body,
        };
        let base = signature_base(&message, &covered, &parameters).map_err(|it| it.to_string())?;
        let signature = self
            .key
            .sign(&self.random, base.as_bytes())
            .map_err(|_| "the operating system gives no random numbers".to_owned())?;
        let signature = BASE64.encode(signature);
        Ok(request
            .with_header("signature-input", format!("{LABEL}={parameters}"))
            .with_header("signature", format!("{LABEL}=:{signature}:")))
    }
}

#[cfg(test)]
mod tests;
