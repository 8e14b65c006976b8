//! `Stripe-Signature`: whether an event was sent by Stripe, a moment ago, as it is.
//!
//! The header reads `t=SECONDS,v1=HEX[,v1=HEX…]`. Signed is the time, a point and the body as it
//! came, by HMAC-SHA256 with the endpoint's whole secret (`whsec_…`) as the key.

use ring::hmac::{HMAC_SHA256, Key};

/// How far the time of a signature may be from ours, in seconds.
pub const TOLERANCE_SECONDS: i64 = 300;

/// More signatures than any header has: one for each secret while the secret is being changed.
const MAX_SIGNATURES: usize = 8;

/// Why a signature is not believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignatureFault {
    /// The header is no `Stripe-Signature`.
    Malformed,
    /// None of the secrets gives one of the signatures: another secret, another body, or somebody
    /// else than Stripe.
    NoMatch,
    /// Signed by Stripe, too long ago: a repetition of an old message, or a clock that is ahead.
    TooOld,
    /// Signed by Stripe in the future: a clock that is behind.
    InTheFuture,
}

/// Checks the signature of a body at `now`, in seconds since 1970. Every secret is tried against
/// every signature, in constant time.
///
/// # Errors
/// [`SignatureFault`].
pub fn verify<'a>(
    header: &str,
    body: &[u8],
    secrets: impl IntoIterator<Item = &'a str>,
    now: i64,
) -> Result<(), SignatureFault> {
    let header = Header::parse(header).ok_or(SignatureFault::Malformed)?;
    let signed = [header.time_text.as_bytes(), b".", body].concat();
    let mut is_signed = false;
    // An empty key would sign as well as any, and everybody knows it.
    for secret in secrets.into_iter().filter(|secret| !secret.is_empty()) {
        let key = Key::new(HMAC_SHA256, secret.as_bytes());
        for signature in &header.signatures {
            is_signed |= ring::hmac::verify(&key, &signed, signature).is_ok();
        }
    }
    match now.checked_sub(header.time) {
        _ if !is_signed => Err(SignatureFault::NoMatch),
        Some(age) if age < -TOLERANCE_SECONDS => Err(SignatureFault::InTheFuture),
        Some(age) if age <= TOLERANCE_SECONDS => Ok(()),
        _ => Err(SignatureFault::TooOld),
    }
}

struct Header<'a> {
    /// As it was written, since that was signed.
    time_text: &'a str,
    time: i64,
    signatures: Vec<[u8; 32]>,
}

impl<'a> Header<'a> {
    /// Other schemes than `v1` are ignored, as Stripe asks; a second time is not.
    fn parse(text: &'a str) -> Option<Self> {
        let mut time_text = None;
        let mut signatures = vec![];
        for part in text.split(',') {
            match part.trim().split_once('=')? {
                ("t", value) if time_text.is_none() => time_text = Some(value),
                ("t", _) => return None,
                ("v1", value) if signatures.len() < MAX_SIGNATURES => {
                    signatures.extend(signature(value));
                }
                _ => {}
            }
        }
        let time_text = time_text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
        let time = time_text.parse().ok()?;
        (!signatures.is_empty()).then_some(Self { time_text, time, signatures })
    }
}

/// The bytes of 64 lower-case hexadecimal digits.
fn signature(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let mut bytes = [0; 32];
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(high)? * 16 + digit(low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use SignatureFault::{InTheFuture, Malformed, NoMatch, TooOld};

    const SECRET: &str = "whsec_5f3ea0d1c2b3";
    const BODY: &[u8] = br#"{"id":"evt_1","object":"event"}"#;
    const TIME: i64 = 1_790_000_000;
    /// By `hmac.new(SECRET, b"1790000000." + BODY, sha256)` of Python.
    const SIGNATURE: &str = "f8b6dca8cd52885afebaae915ee90963cf5afef962de9c15881b400495da7973";

    fn check(header: &str, secrets: &[&str], now: i64) -> Result<(), SignatureFault> {
        verify(header, BODY, secrets.iter().copied(), now)
    }

    fn header() -> String {
        format!("t={TIME},v1={SIGNATURE}")
    }

    #[test]
    fn what_stripe_signs_is_believed() {
        assert_eq!(check(&header(), &[SECRET], TIME), Ok(()));
        // Spaces after commas, other schemes and other signatures do no harm.
        let other = "0".repeat(64);
        for header in [
            format!("t={TIME}, v1={SIGNATURE}"),
            format!("v1={SIGNATURE},t={TIME}"),
            format!("t={TIME},v1={other},v1={SIGNATURE},v0={other}"),
            format!("t={TIME},v1=nonsense,v1={SIGNATURE},v2=x"),
        ] {
            assert_eq!(check(&header, &[SECRET], TIME), Ok(()), "{header}");
        }
    }

    #[test]
    fn every_secret_is_tried() {
        assert_eq!(check(&header(), &["whsec_old", "", SECRET], TIME), Ok(()));
        for secrets in [&[][..], &[""], &["whsec_old"], &["whsec_5f3ea0d1c2b3 "]] {
            assert_eq!(check(&header(), secrets, TIME), Err(NoMatch), "{secrets:?}");
        }
    }

    #[test]
    fn five_minutes_are_tolerated_in_both_directions() {
        for (age, expected) in [
            (0, Ok(())),
            (240, Ok(())),
            (300, Ok(())),
            (301, Err(TooOld)),
            (360, Err(TooOld)),
            (-240, Ok(())),
            (-300, Ok(())),
            (-301, Err(InTheFuture)),
            (-86_400, Err(InTheFuture)),
        ] {
            assert_eq!(check(&header(), &[SECRET], TIME + age), expected, "{age}");
        }
    }

    #[test]
    fn a_changed_message_is_not_believed() {
        let verify_body = |body: &[u8]| verify(&header(), body, [SECRET], TIME);
        assert_eq!(verify_body(br#"{"id":"evt_2","object":"event"}"#), Err(NoMatch));
        assert_eq!(verify_body(b""), Err(NoMatch));
        assert_eq!(check(&format!("t={},v1={SIGNATURE}", TIME + 1), &[SECRET], TIME), Err(NoMatch));
        // The same number, otherwise written, was not signed.
        assert_eq!(check(&format!("t=0{TIME},v1={SIGNATURE}"), &[SECRET], TIME), Err(NoMatch));
        // Another scheme is none.
        assert_eq!(check(&format!("t={TIME},v0={SIGNATURE}"), &[SECRET], TIME), Err(Malformed));
    }

    #[test]
    fn what_is_no_signature_is_refused() {
        let upper = SIGNATURE.to_ascii_uppercase();
        for header in [
            String::new(),
            "t".to_owned(),
            format!("t={TIME}"),
            format!("v1={SIGNATURE}"),
            format!("t=,v1={SIGNATURE}"),
            format!("t=-1,v1={SIGNATURE}"),
            format!("t=1e9,v1={SIGNATURE}"),
            format!("t=99999999999999999999,v1={SIGNATURE}"),
            format!("t={TIME},t={TIME},v1={SIGNATURE}"),
            format!("t={TIME},v1={upper}"),
            format!("t={TIME},v1={SIGNATURE}00"),
            format!("t={TIME},v1=+{}", SIGNATURE.get(1..).unwrap()),
            format!("t={TIME},v1={SIGNATURE},"),
            format!("t={TIME} v1={SIGNATURE}"),
        ] {
            assert_eq!(check(&header, &[SECRET], TIME), Err(Malformed), "{header}");
        }
    }
}
