//! Signatures of webhooks by the rules of Standard Webhooks 1.0.0, so that a merchant checks them
//! with any of its libraries.
//!
//! Signed is the id of the message, a point, the time of the attempt, a point, and the body. The
//! header has a signature by each secret that holds, so that a merchant can change to a new one
//! without losing a message.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::hmac::{HMAC_SHA256, Key};
use ring::signature::{Ed25519KeyPair, KeyPair};

/// The header with the id of a message, which is the same in every attempt.
pub const ID_HEADER: &str = "webhook-id";
/// The header with the time of the attempt, in seconds since 1970.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// The header with the signatures.
pub const SIGNATURE_HEADER: &str = "webhook-signature";

const HMAC_SECRET_PREFIX: &str = "whsec_";
const ED25519_PUBLIC_PREFIX: &str = "whpk_";
/// How many bytes a symmetric secret has, by the standard.
const HMAC_SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// What a message is signed by.
pub enum SigningSecret {
    /// HMAC-SHA256, `v1`.
    Hmac(HmacSecret),
    /// ED25519, `v1a`.
    Ed25519(Ed25519Secret),
}

/// A secret that the merchant has, too.
pub struct HmacSecret(Vec<u8>);

/// A secret that only the sender has; a merchant has its public key.
pub struct Ed25519Secret(Ed25519KeyPair);

/// Why a text or bytes are no secret. Nothing of them is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SecretRefused {
    NoPrefix,
    NotBase64,
    WrongLength,
}

impl fmt::Display for SecretRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoPrefix => "a signing secret begins with whsec_",
            Self::NotBase64 => "what follows whsec_ in a signing secret is base64",
            Self::WrongLength => "a signing secret has 24 to 64 bytes, written in base64",
        })
    }
}

impl std::error::Error for SecretRefused {}

impl HmacSecret {
    /// The secret of these bytes, which were drawn at random.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(bytes.to_vec())
    }

    /// Reads `whsec_…`.
    ///
    /// # Errors
    /// [`SecretRefused`]
    pub fn parse(text: &str) -> Result<Self, SecretRefused> {
        let encoded = text.strip_prefix(HMAC_SECRET_PREFIX).ok_or(SecretRefused::NoPrefix)?;
        let bytes = BASE64.decode(encoded).map_err(|_| SecretRefused::NotBase64)?;
        if !HMAC_SECRET_BYTES.contains(&bytes.len()) {
            return Err(SecretRefused::WrongLength);
        }
        Ok(Self(bytes))
    }

    /// The secret as its merchant gets it: `whsec_…`.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{HMAC_SECRET_PREFIX}{}", BASE64.encode(&self.0))
    }
}

impl Ed25519Secret {
    /// The secret of this seed, which was drawn at random.
    ///
    /// # Errors
    /// [`SecretRefused`], if the library of cryptography takes no such seed. It takes all.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, SecretRefused> {
        Ed25519KeyPair::from_seed_unchecked(seed).map(Self).map_err(|_| SecretRefused::WrongLength)
    }

    /// The public key, by which the merchant checks signatures: `whpk_…`.
    #[must_use]
    pub fn public_key(&self) -> String {
        format!("{ED25519_PUBLIC_PREFIX}{}", BASE64.encode(self.0.public_key()))
    }
}

impl SigningSecret {
    /// A signature as it stands in the header.
    fn sign(&self, signed: &[u8]) -> String {
        match self {
            Self::Hmac(HmacSecret(bytes)) => {
                let tag = ring::hmac::sign(&Key::new(HMAC_SHA256, bytes), signed);
                format!("v1,{}", BASE64.encode(tag))
            }
            Self::Ed25519(Ed25519Secret(pair)) => {
                format!("v1a,{}", BASE64.encode(pair.sign(signed)))
            }
        }
    }
}

impl From<HmacSecret> for SigningSecret {
    fn from(secret: HmacSecret) -> Self {
        Self::Hmac(secret)
    }
}

impl From<Ed25519Secret> for SigningSecret {
    fn from(secret: Ed25519Secret) -> Self {
        Self::Ed25519(secret)
    }
}

// Secrets are never shown.
impl fmt::Debug for HmacSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HmacSecret(..)")
    }
}

impl fmt::Debug for Ed25519Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ed25519Secret(..)")
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hmac(secret) => secret.fmt(f),
            Self::Ed25519(secret) => secret.fmt(f),
        }
    }
}

/// The headers of a message: its id, the time of this attempt, and a signature by each of the
/// secrets, in their order. An id has no point in it, since a point ends it in what is signed.
#[must_use]
pub fn headers(
    id: &str,
    timestamp_seconds: i64,
    body: &[u8],
    secrets: &[SigningSecret],
) -> [(&'static str, String); 3] {
    let timestamp = timestamp_seconds.to_string();
    let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
    let signatures: Vec<_> = secrets.iter().map(|secret| secret.sign(&signed)).collect();
    [
        (ID_HEADER, id.to_owned()),
        (TIMESTAMP_HEADER, timestamp),
        (SIGNATURE_HEADER, signatures.join(" ")),
    ]
}

#[cfg(test)]
mod tests {
    use ring::signature::{ED25519, UnparsedPublicKey};

    use super::*;

    /// Of the standard's own libraries.
    const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    const ID: &str = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
    const TIME: i64 = 1_649_367_553;
    const BODY: &[u8] = br#"{"email":"test@example.com","username":"test_user"}"#;
    const SIGNATURE: &str = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";

    /// The same message by both algorithms; a third library agrees.
    const SECOND_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SECOND_ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SECOND_TIME: i64 = 1_614_265_330;
    const SECOND_BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SECOND_SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    /// The seed, and behind it the public key.
    const SECOND_ED25519: &str = "6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRq\
                                  SKJp4AJ6p9lMicMFs6Kvg==";
    const SECOND_ED25519_SIGNATURE: &str = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInX\
                                            qYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==";

    fn hmac(text: &str) -> SigningSecret {
        HmacSecret::parse(text).unwrap().into()
    }

    fn ed25519() -> Ed25519Secret {
        let key = BASE64.decode(SECOND_ED25519).unwrap();
        Ed25519Secret::from_seed(key.first_chunk().unwrap()).unwrap()
    }

    fn signatures(id: &str, time: i64, body: &[u8], secrets: &[SigningSecret]) -> String {
        let [_, _, (_, value)] = headers(id, time, body, secrets);
        value
    }

    /// A merchant's check, written after the standard: any signature of the list will do, and those
    /// of unknown versions are passed over.
    fn is_believed(secret: &str, id: &str, time: i64, body: &[u8], list: &str) -> bool {
        let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let key = Key::new(HMAC_SHA256, &key);
        let signed = [format!("{id}.{time}.").as_bytes(), body].concat();
        list.split(' ').filter_map(|entry| entry.strip_prefix("v1,")).any(|entry| {
            let tag = BASE64.decode(entry).unwrap_or_default();
            ring::hmac::verify(&key, &signed, &tag).is_ok()
        })
    }

    #[test]
    fn messages_are_signed_as_the_standard_says() {
        assert_eq!(
            headers(ID, TIME, BODY, &[hmac(SECRET)]),
            [
                ("webhook-id", ID.to_owned()),
                ("webhook-timestamp", "1649367553".to_owned()),
                ("webhook-signature", SIGNATURE.to_owned()),
            ]
        );
        assert_eq!(
            signatures(SECOND_ID, SECOND_TIME, SECOND_BODY, &[hmac(SECOND_SECRET)]),
            SECOND_SIGNATURE
        );
        assert_eq!(
            signatures(SECOND_ID, SECOND_TIME, SECOND_BODY, &[ed25519().into()]),
            SECOND_ED25519_SIGNATURE
        );
    }

    #[test]
    fn every_secret_signs() {
        let secrets = [hmac(SECOND_SECRET), ed25519().into(), hmac(SECRET)];
        let list = signatures(SECOND_ID, SECOND_TIME, SECOND_BODY, &secrets);
        let (head, third) = list.rsplit_once(' ').unwrap();
        assert_eq!(head, format!("{SECOND_SIGNATURE} {SECOND_ED25519_SIGNATURE}"));
        assert!(third.starts_with("v1,") && third != SECOND_SIGNATURE);
        // A merchant who has either secret believes it; one with another does not.
        let believed = |secret| is_believed(secret, SECOND_ID, SECOND_TIME, SECOND_BODY, &list);
        assert!(believed(SECRET) && believed(SECOND_SECRET));
        assert!(!believed(&HmacSecret::from_bytes(&[7; 32]).text()));
        assert_eq!(signatures(ID, TIME, BODY, &[]), "");
    }

    #[test]
    fn another_message_has_another_signature() {
        let believed =
            |id: &str, time, body: &[u8], list: &str| is_believed(SECRET, id, time, body, list);
        assert!(believed(ID, TIME, BODY, SIGNATURE));
        assert!(!believed("msg_27UH4WbU6Z5A5EzD8u03UvzRbpl", TIME, BODY, SIGNATURE));
        assert!(!believed(ID, TIME + 1, BODY, SIGNATURE));
        assert!(!believed(ID, TIME, b"{}", SIGNATURE));
        for list in [
            "v1,R3PTzyfHASBKHH98a7yexTwaJ4yNIcGhFQc1yuN+BPU=",
            "v1,",
            "",
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kk",
            "v2,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        ] {
            assert!(!believed(ID, TIME, BODY, list), "{list}");
            let with_it = format!("{list} {SIGNATURE}");
            assert!(believed(ID, TIME, BODY, &with_it), "{with_it}");
        }
        // What is signed is what would be checked: nothing else gives this signature.
        for (id, time, body) in [(ID, TIME + 1, BODY), ("msg_2", TIME, BODY), (ID, TIME, b"")] {
            assert_ne!(signatures(id, time, body, &[hmac(SECRET)]), SIGNATURE);
        }
    }

    #[test]
    fn the_public_key_checks_what_the_secret_signed() {
        let secret = ed25519();
        let public = secret.public_key();
        // The second half of the pair that the vector comes with.
        let pair = BASE64.decode(SECOND_ED25519).unwrap();
        assert_eq!(public, format!("whpk_{}", BASE64.encode(pair.get(32..).unwrap())));
        let public = BASE64.decode(public.strip_prefix("whpk_").unwrap()).unwrap();
        let public = UnparsedPublicKey::new(&ED25519, public);
        let list = signatures(ID, TIME, BODY, &[secret.into()]);
        let signature = BASE64.decode(list.strip_prefix("v1a,").unwrap()).unwrap();
        let signed = [format!("{ID}.{TIME}.").as_bytes(), BODY].concat();
        assert!(public.verify(&signed, &signature).is_ok());
        assert!(public.verify(&[&signed[..], b" "].concat(), &signature).is_err());
        let cut = signature.get(..63).unwrap();
        assert!(public.verify(&signed, cut).is_err());
    }

    #[test]
    fn secrets_are_read_as_they_are_written() {
        let secret = HmacSecret::from_bytes(&[0xa5; 32]);
        let text = secret.text();
        assert_eq!(text, "whsec_paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU=");
        assert_eq!(HmacSecret::parse(&text).unwrap().text(), text);
        assert_eq!(HmacSecret::parse(SECRET).unwrap().text(), SECRET);
        let longest = format!("whsec_{}", BASE64.encode([1; 64]));
        assert_eq!(HmacSecret::parse(&longest).unwrap().text(), longest);
    }

    #[test]
    fn what_is_no_secret_is_refused_and_not_told() {
        for (text, refused) in [
            (String::new(), SecretRefused::NoPrefix),
            ("C2FVsBQIhrscChlQIMV+b5sSYspob7oD".to_owned(), SecretRefused::NoPrefix),
            ("WHSEC_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".to_owned(), SecretRefused::NoPrefix),
            (" whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".to_owned(), SecretRefused::NoPrefix),
            ("whpk_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".to_owned(), SecretRefused::NoPrefix),
            ("whsec_C2FVsBQIhrscChlQIMV-b5sSYspob7oD".to_owned(), SecretRefused::NotBase64),
            ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD\n".to_owned(), SecretRefused::NotBase64),
            ("whsec_".to_owned(), SecretRefused::WrongLength),
            (format!("whsec_{}", BASE64.encode([1; 23])), SecretRefused::WrongLength),
            (format!("whsec_{}", BASE64.encode([1; 65])), SecretRefused::WrongLength),
        ] {
            let error = HmacSecret::parse(&text).unwrap_err();
            assert_eq!(error, refused, "{text}");
            assert!(!error.to_string().contains("C2FV"));
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?}", [hmac(SECRET), ed25519().into()]);
        assert_eq!(shown, "[HmacSecret(..), Ed25519Secret(..)]");
        assert_eq!(format!("{:#?}", hmac(SECRET)), "HmacSecret(..)");
    }
}
