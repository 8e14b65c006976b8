//! Tokens: JWTs that are signed with keys derived from rotated secrets, one for each use, and
//! access tokens among them.

use std::collections::{BTreeSet, HashMap};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use domain::kernel::ids::{ApiKeyId, SigningKeyId};
use domain::kernel::time::{ServerTime, minutes, seconds};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, watch};

use crate::credentials::purpose::{ByPurpose, Purpose, TokenClaims};
use store::StoreError;
use store::reads::scope::SystemReads;
use store::schema::installation::SigningKey;

/// How long a token is valid, in minutes.
pub const TOKEN_MINUTES: i64 = 60;
/// How many verified tokens are cached.
const CACHE_MAX: usize = 10_000;
/// How often a token that names an unknown newer key may cause the keys to be read again.
const RELOAD_EVERY: i64 = seconds(1);
/// No token that kola issues is longer.
const TOKEN_MAX_BYTES: usize = 1_024;

#[derive(Serialize, Deserialize)]
struct Claims {
    /// The API key's id.
    sub: String,
    /// Seconds since 1970.
    iat: i64,
    /// Seconds since 1970.
    exp: i64,
}

impl TokenClaims for Claims {
    const PURPOSE: Purpose = Purpose::Access;
}

/// The content of a valid access token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token {
    /// The API key that it was issued for.
    pub api_key: ApiKeyId,
    /// The key that signed it.
    pub signing_key: SigningKeyId,
    /// When it expires.
    pub until: ServerTime,
}

/// Why a token is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadToken {
    /// Not a token, or not signed with a key that is in use.
    Invalid,
    Expired,
}

/// The keys in use.
struct Keys {
    signing: Option<(String, ByPurpose<EncodingKey>)>,
    verifying: HashMap<String, Verifying>,
    ids: BTreeSet<i64>,
}

/// What tokens of one stored secret are verified with.
struct Verifying {
    derived: ByPurpose<DecodingKey>,
    /// The secret itself, with which tokens of all uses were signed before. Everybody's key has no
    /// end and is in programs of others, so such tokens are still accepted. Nothing is signed with
    /// it.
    stored: DecodingKey,
}

fn ids(keys: &[SigningKey]) -> BTreeSet<i64> {
    keys.iter().map(|key| key.id).collect()
}

impl Keys {
    fn new(keys: &[SigningKey]) -> Self {
        let newest = keys.iter().max_by_key(|key| key.id);
        Self {
            signing: newest.map(|key| {
                let of = |purpose: Purpose| {
                    EncodingKey::from_secret(purpose.derive(&key.secret).as_ref())
                };
                (key.id.to_string(), ByPurpose::new(of))
            }),
            verifying: keys.iter().map(|key| (key.id.to_string(), Verifying::new(key))).collect(),
            ids: ids(keys),
        }
    }
}

impl Verifying {
    fn new(key: &SigningKey) -> Self {
        let of = |purpose: Purpose| DecodingKey::from_secret(purpose.derive(&key.secret).as_ref());
        Self { derived: ByPurpose::new(of), stored: DecodingKey::from_secret(&key.secret) }
    }

    /// The claims of a token of this use, if one of the keys signed it.
    fn claims(
        &self,
        purpose: Purpose,
        token: &str,
        validation: &Validation,
    ) -> Option<Map<String, Value>> {
        let by = |key: &DecodingKey| {
            Some(jsonwebtoken::decode::<Map<String, Value>>(token, key, validation).ok()?.claims)
        };
        match by(self.derived.of(purpose)) {
            Some(claims) => purpose.is_named_by(&claims).then_some(claims),
            None => by(&self.stored).filter(|claims| purpose.is_earlier_form(claims)),
        }
    }
}

/// Why a token was not signed.
#[derive(thiserror::Error, Debug)]
pub enum SigningError {
    #[error("there is no key to sign tokens")]
    NoKey,
    #[error(transparent)]
    Jwt(#[from] jsonwebtoken::errors::Error),
    #[error("claims that are no object of JSON")]
    NoClaims,
}

/// Issues and checks tokens.
pub struct Tokens {
    keys: RwLock<Keys>,
    validation: Validation,
    /// When a token last caused the keys to be read again.
    reloaded: Mutex<ServerTime>,
    /// Verified access tokens by their SHA-256, so that a signature is verified once and no token
    /// is stored.
    verified: RwLock<HashMap<[u8; 32], Token>>,
    replaced: watch::Sender<()>,
}

impl Tokens {
    /// The newest of the keys signs; all of them verify.
    #[must_use]
    pub fn new(keys: &[SigningKey]) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // The library would use the system's clock. The expiry is checked in `check`, against `now`.
        validation.validate_exp = false;
        // What a token is for is checked by its `Purpose`.
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let keys = RwLock::new(Keys::new(keys));
        Self {
            keys,
            validation,
            reloaded: Mutex::new(ServerTime(0)),
            verified: RwLock::default(),
            replaced: watch::Sender::new(()),
        }
    }

    /// Replaces the keys if they were rotated. Cached tokens are verified again.
    pub fn replace(&self, keys: &[SigningKey]) {
        if self.keys().ids == ids(keys) {
            return;
        }
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Keys::new(keys);
        self.verified.write().unwrap_or_else(PoisonError::into_inner).clear();
        self.replaced.send_replace(());
    }

    fn keys(&self) -> RwLockReadGuard<'_, Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// An access token for an API key.
    ///
    /// # Errors
    /// [`SigningError`].
    pub fn issue(&self, key: ApiKeyId, now: ServerTime) -> Result<String, SigningError> {
        let second = |time: ServerTime| time.whole_seconds();
        let exp = second(now.plus(minutes(TOKEN_MINUTES)));
        self.sign(&Claims { sub: key.to_string(), iat: second(now), exp })
    }

    /// A token with `claims`, which is good for their use alone.
    ///
    /// # Errors
    /// [`SigningError`].
    pub fn sign<C: TokenClaims>(&self, claims: &C) -> Result<String, SigningError> {
        let Ok(Value::Object(mut claims)) = serde_json::to_value(claims) else {
            return Err(SigningError::NoClaims);
        };
        C::PURPOSE.add_to(&mut claims);
        let keys = self.keys();
        let (kid, secrets) = keys.signing.as_ref().ok_or(SigningError::NoKey)?;
        let header = Header { kid: Some(kid.clone()), ..Header::new(Algorithm::HS256) };
        Ok(jsonwebtoken::encode(&header, &claims, secrets.of(C::PURPOSE))?)
    }

    /// Verifies an access token.
    fn check(&self, token: &str, now: ServerTime) -> Result<Token, BadToken> {
        if token.len() > TOKEN_MAX_BYTES {
            return Err(BadToken::Invalid);
        }
        let in_time =
            |token: Token| if now < token.until { Ok(token) } else { Err(BadToken::Expired) };
        let hash: [u8; 32] = Sha256::digest(token).into();
        let known =
            self.verified.read().unwrap_or_else(PoisonError::into_inner).get(&hash).copied();
        if let Some(checked) = known {
            return in_time(checked);
        }
        // The lock is held until the token is cached: `replace` clears the cache only afterwards, so
        // that no token of a retired key stays in it.
        let keys = self.keys();
        let checked = in_time(self.verify(token, &keys).ok_or(BadToken::Invalid)?)?;
        self.cache(hash, checked);
        drop(keys);
        Ok(checked)
    }

    /// Whether a token names a key that is newer than all known ones, as after a rotation that another
    /// process knows of already. Key ids only increase, so that no other unknown key can be new.
    fn is_by_a_newer_key(&self, token: &str) -> bool {
        let named = (token.len() <= TOKEN_MAX_BYTES)
            .then(|| jsonwebtoken::decode_header(token).ok())
            .flatten();
        let named = named.and_then(|header| header.kid?.parse::<i64>().ok());
        named.is_some_and(|named| self.keys().ids.last().is_none_or(|newest| named > *newest))
    }

    /// Like [`Self::check`], but reads the keys again if the token names a newer one. Others that
    /// come meanwhile wait for that.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn check_or_reload(
        &self,
        token: &str,
        now: ServerTime,
        reads: SystemReads<'_>,
    ) -> Result<Result<Token, BadToken>, StoreError> {
        let known = self.check(token, now);
        if known.is_err() && self.reload_for(token, now, reads).await? {
            return Ok(self.check(token, now));
        }
        Ok(known)
    }

    /// The claims of a token of their use that is signed by a key in use, and that key. When they
    /// end is for the caller to know.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn claims<C: TokenClaims>(
        &self,
        token: &str,
        now: ServerTime,
        reads: SystemReads<'_>,
    ) -> Result<Option<(SigningKeyId, C)>, StoreError> {
        if token.len() > TOKEN_MAX_BYTES {
            return Ok(None);
        }
        let known = self.decode(token, &self.keys());
        if known.is_none() && self.reload_for(token, now, reads).await? {
            return Ok(self.decode(token, &self.keys()));
        }
        Ok(known)
    }

    /// Whether a key is in use.
    #[must_use]
    pub fn has_key(&self, id: SigningKeyId) -> bool {
        self.keys().ids.contains(&id.0)
    }

    /// Tells when keys were replaced: what a retired one signed ends then.
    #[must_use]
    pub fn replacements(&self) -> watch::Receiver<()> {
        self.replaced.subscribe()
    }

    /// Reads the keys again for a token that names a newer one. Returns whether it did name one.
    async fn reload_for(
        &self,
        token: &str,
        now: ServerTime,
        reads: SystemReads<'_>,
    ) -> Result<bool, StoreError> {
        if !self.is_by_a_newer_key(token) {
            return Ok(false);
        }
        let mut reloaded = self.reloaded.lock().await;
        // A negative time, after the clock was set back, must not prevent reading.
        if self.is_by_a_newer_key(token) && !(0..RELOAD_EVERY).contains(&now.since(*reloaded)) {
            *reloaded = now;
            self.replace(&reads.signing_keys().await?);
        }
        Ok(true)
    }

    fn verify(&self, token: &str, keys: &Keys) -> Option<Token> {
        let (signing_key, claims) = self.decode::<Claims>(token, keys)?;
        let until = ServerTime(claims.exp.checked_mul(1_000_000)?);
        Some(Token { api_key: ApiKeyId(claims.sub.parse().ok()?), signing_key, until })
    }

    fn decode<C: TokenClaims>(&self, token: &str, keys: &Keys) -> Option<(SigningKeyId, C)> {
        let kid = jsonwebtoken::decode_header(token).ok()?.kid?;
        let claims = keys.verifying.get(&kid)?.claims(C::PURPOSE, token, &self.validation)?;
        let claims = serde_json::from_value(Value::Object(claims)).ok()?;
        Some((SigningKeyId(kid.parse().ok()?), claims))
    }

    fn cache(&self, hash: [u8; 32], token: Token) {
        let mut checked = self.verified.write().unwrap_or_else(PoisonError::into_inner);
        if checked.len() >= CACHE_MAX {
            checked.clear();
        }
        checked.insert(hash, token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::realtime::{self, AnonClaims, PaymentClaims};
    use domain::kernel::ids::{MerchantId, SessionId};
    use domain::kernel::uuids::{ReferenceId, Uuid};
    use serde_json::json;
    use store::hex::hex;
    use store::reads::watched::WatchedPayment;

    const NOW: ServerTime = ServerTime(1_800_000_000_000_000);

    /// The API key of a token that is good.
    fn of(checked: Result<Token, BadToken>) -> Option<ApiKeyId> {
        checked.ok().map(|token| token.api_key)
    }

    fn key(id: i64) -> SigningKey {
        SigningKey { id, secret: [u8::try_from(id).unwrap(); 32] }
    }

    #[test]
    fn a_token_is_good_for_an_hour() {
        let tokens = Tokens::new(&[key(1)]);
        let token = tokens.issue(ApiKeyId(7), NOW).unwrap();
        // Twice: by its signature, and from memory.
        for _ in 0..2 {
            assert_eq!(of(tokens.check(&token, NOW)), Some(ApiKeyId(7)));
        }
        assert_eq!(of(tokens.check(&token, NOW.plus(minutes(60) - 1))), Some(ApiKeyId(7)));
        assert_eq!(tokens.check(&token, NOW.plus(minutes(60))), Err(BadToken::Expired));
        assert_eq!(
            Tokens::new(&[key(1)]).check(&token, NOW.plus(minutes(60))),
            Err(BadToken::Expired)
        );
    }

    #[test]
    fn the_newest_key_signs_and_all_verify() {
        let old = Tokens::new(&[key(1)]).issue(ApiKeyId(7), NOW).unwrap();
        let tokens = Tokens::new(&[key(2), key(1)]);
        assert_eq!(of(tokens.check(&old, NOW)), Some(ApiKeyId(7)));
        let new = tokens.issue(ApiKeyId(7), NOW).unwrap();
        assert_eq!(jsonwebtoken::decode_header(&new).unwrap().kid.as_deref(), Some("2"));
        assert!(Tokens::new(&[]).issue(ApiKeyId(7), NOW).is_err());
    }

    #[test]
    fn only_a_newer_key_is_looked_for() {
        let tokens = Tokens::new(&[key(2)]);
        let by = |id| Tokens::new(&[key(id)]).issue(ApiKeyId(7), NOW).unwrap();
        assert!(tokens.is_by_a_newer_key(&by(3)) && Tokens::new(&[]).is_by_a_newer_key(&by(1)));
        assert!(
            !tokens.is_by_a_newer_key(&by(2)) && !tokens.is_by_a_newer_key(&by(1)),
            "an older one was retired"
        );
        assert!(
            !tokens.is_by_a_newer_key("a.b.c") && !tokens.is_by_a_newer_key(&"x".repeat(5_000))
        );
        tokens.replace(&[key(2), key(3)]);
        assert_eq!(of(tokens.check(&by(3), NOW)), Some(ApiKeyId(7)));
    }

    #[test]
    fn the_same_keys_again_forget_nothing() {
        let tokens = Tokens::new(&[key(1)]);
        assert!(tokens.check(&tokens.issue(ApiKeyId(7), NOW).unwrap(), NOW).is_ok());
        tokens.replace(&[key(1)]);
        assert_eq!(tokens.verified.read().unwrap().len(), 1);
        tokens.replace(&[key(2)]);
        assert_eq!(tokens.verified.read().unwrap().len(), 0);
    }

    #[test]
    fn a_foreign_or_broken_token_is_none() {
        let tokens = Tokens::new(&[key(1)]);
        let foreign = Tokens::new(&[SigningKey { secret: [9; 32], ..key(1) }])
            .issue(ApiKeyId(7), NOW)
            .unwrap();
        let claims = Claims { sub: "7".to_owned(), iat: 0, exp: i64::MAX / 2_000_000 };
        let header = Header { kid: Some("1".to_owned()), ..Header::new(Algorithm::HS384) };
        let other =
            jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(&[1; 32])).unwrap();
        let unsigned =
            "eyJhbGciOiJub25lIiwia2lkIjoiMSJ9.eyJzdWIiOiI3IiwiaWF0IjowLCJleHAiOjQwMDAwMDAwMDB9.";
        for token in [foreign.as_str(), other.as_str(), unsigned, "", "a.b.c", &"x".repeat(5_000)] {
            assert_eq!(tokens.check(token, NOW), Err(BadToken::Invalid), "{token}");
        }
    }

    #[test]
    fn a_token_is_signed_as_ours_are_or_not_at_all() {
        let (secret, now) = ([1; 32], 1_800_000_000);
        let tokens = Tokens::new(&[key(1)]);
        let claims = Claims { sub: "7".to_owned(), iat: now, exp: now + 60 };
        let by = |algorithm, kid: Option<&str>| {
            let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) };
            jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(&secret)).unwrap()
        };
        let ours = by(Algorithm::HS256, Some("1"));
        assert_eq!(of(tokens.check(&ours, NOW)), Some(ApiKeyId(7)));
        for (algorithm, kid) in [
            (Algorithm::HS512, Some("1")),
            (Algorithm::HS384, Some("1")),
            (Algorithm::HS256, Some("2")),
            (Algorithm::HS256, Some("01")),
            (Algorithm::HS256, Some("1 ")),
            (Algorithm::HS256, Some("../1")),
            (Algorithm::HS256, Some("")),
            (Algorithm::HS256, None),
        ] {
            assert_eq!(
                tokens.check(&by(algorithm, kid), NOW),
                Err(BadToken::Invalid),
                "{algorithm:?} {kid:?}"
            );
        }
        // The same claims under another header: {"alg":"none","kid":"1"}, with our signature and
        // without one; RS256; HS256 in small letters.
        let (_, rest) = ours.split_once('.').unwrap();
        let (payload, signature) = rest.split_once('.').unwrap();
        for header in [
            "eyJhbGciOiJub25lIiwia2lkIjoiMSJ9",
            "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ",
            "eyJhbGciOiJoczI1NiIsImtpZCI6IjEifQ",
        ] {
            for signature in ["", signature] {
                assert_eq!(
                    tokens.check(&format!("{header}.{payload}.{signature}"), NOW),
                    Err(BadToken::Invalid),
                    "{header}"
                );
            }
        }
    }

    const SECRET: [u8; 32] = [1; 32];
    const PURPOSES: [Purpose; 3] = [Purpose::Access, Purpose::Realtime, Purpose::Anon];

    /// A token of key 1 with these claims, signed with this secret.
    fn forged(claims: &Map<String, Value>, secret: &[u8]) -> String {
        let header = Header { kid: Some("1".to_owned()), ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(secret)).unwrap()
    }

    /// The claims of a token of each use from before it said so.
    fn earlier(purpose: Purpose) -> Map<String, Value> {
        let (iat, exp) = (NOW.whole_seconds(), NOW.whole_seconds() + 3_600);
        let claims = match purpose {
            Purpose::Access => json!({"sub": "7", "iat": iat, "exp": exp}),
            Purpose::Realtime => {
                let reference = "3f1c2e9a-7b54-4c1d-9e0f-1a2b3c4d5e6f";
                let channel = format!("payment-intent:7:{reference}");
                json!({"sub": channel, "aud": "realtime", "role": "authenticated",
                    "channel": channel, "merchant_id": 7, "session_id": 7,
                    "reference_id": reference, "iat": iat, "exp": exp})
            }
            Purpose::Anon => json!({"role": "anon", "iat": iat}),
        };
        claims.as_object().unwrap().clone()
    }

    /// All that the token is accepted as.
    fn accepted_as(token: &str) -> Vec<Purpose> {
        let tokens = Tokens::new(&[key(1), key(2)]);
        let keys = tokens.keys();
        let mut found = vec![];
        // Twice: by its signature, and from memory.
        for _ in 0..2 {
            found.clear();
            found.extend(tokens.check(token, NOW).is_ok().then_some(Purpose::Access));
            let realtime = tokens.decode::<PaymentClaims>(token, &keys).is_some();
            found.extend(realtime.then_some(Purpose::Realtime));
            let anon = tokens.decode::<AnonClaims>(token, &keys).is_some();
            found.extend(anon.then_some(Purpose::Anon));
        }
        found
    }

    #[test]
    fn a_token_of_one_use_is_refused_in_all_others_whatever_it_says() {
        // All claims that any use asks for, so that only what it is for is in the way.
        let mut all = earlier(Purpose::Anon);
        all.append(&mut earlier(Purpose::Realtime));
        all.append(&mut earlier(Purpose::Access));
        all.remove("aud");
        for named in PURPOSES {
            let mut claims = all.clone();
            named.add_to(&mut claims);
            for signed in PURPOSES {
                let token = forged(&claims, signed.derive(&SECRET).as_ref());
                let expected = if named == signed { vec![named] } else { vec![] };
                assert_eq!(accepted_as(&token), expected, "{named:?} by the key of {signed:?}");
            }
            assert_eq!(accepted_as(&forged(&claims, &SECRET)), [], "{named:?} by the secret");
            // One of three names is another use's, or is missing.
            for name in ["iss", "aud", "typ"] {
                let mut without = claims.clone();
                without.remove(name);
                let mut texts = vec![without];
                for other in ["kola", "Kola", "", "api", "access", "realtime", "websocket", "anon"]
                {
                    let mut mixed = claims.clone();
                    if mixed.insert(name.to_owned(), other.into()) != Some(other.into()) {
                        texts.push(mixed);
                    }
                }
                for claims in texts {
                    for signed in PURPOSES {
                        let token = forged(&claims, signed.derive(&SECRET).as_ref());
                        assert_eq!(accepted_as(&token), [], "{claims:?} by the key of {signed:?}");
                    }
                    assert_eq!(accepted_as(&forged(&claims, &SECRET)), [], "{claims:?}");
                }
            }
        }
    }

    #[test]
    fn what_was_issued_before_is_accepted_as_what_it_was() {
        for purpose in PURPOSES {
            let claims = earlier(purpose);
            assert_eq!(accepted_as(&forged(&claims, &SECRET)), [purpose]);
            for signed in PURPOSES {
                let token = forged(&claims, signed.derive(&SECRET).as_ref());
                assert_eq!(accepted_as(&token), [], "{purpose:?} by the key of {signed:?}");
            }
            // What such a token never had is no such token.
            for (name, value) in
                earlier(Purpose::Realtime).into_iter().chain(earlier(Purpose::Access))
            {
                let mut more = claims.clone();
                if more.insert(name.clone(), value).is_none() {
                    assert_eq!(accepted_as(&forged(&more, &SECRET)), [], "{purpose:?} and {name}");
                }
            }
            for name in claims.keys() {
                let mut fewer = claims.clone();
                fewer.remove(name);
                assert_eq!(accepted_as(&forged(&fewer, &SECRET)), [], "{purpose:?} but {name}");
            }
        }
        let mut elsewhere = earlier(Purpose::Realtime);
        elsewhere.insert("aud".to_owned(), "websocket".into());
        assert_eq!(accepted_as(&forged(&elsewhere, &SECRET)), []);
    }

    #[test]
    fn what_is_issued_says_what_it_is_for_and_stays_short() {
        let tokens = Tokens::new(&[SigningKey { id: i64::MAX, ..key(1) }]);
        let payment = WatchedPayment {
            merchant_id: MerchantId(i64::MAX),
            session_id: SessionId(i64::MAX),
            reference_id: ReferenceId(Uuid::from_bytes([0xff; 16])),
        };
        let issued = [
            (tokens.issue(ApiKeyId(i64::MAX), NOW).unwrap(), ["kola", "api", "access"]),
            (
                realtime::payment_token(&tokens, payment, NOW).unwrap(),
                ["kola", "realtime", "realtime"],
            ),
            (realtime::anon_key(&tokens, NOW).unwrap(), ["kola", "websocket", "anon"]),
        ];
        for (token, said) in issued {
            assert!(token.len() <= TOKEN_MAX_BYTES, "{}", token.len());
            let claims = jsonwebtoken::dangerous::insecure_decode::<Value>(&token).unwrap().claims;
            assert_eq!(["iss", "aud", "typ"].map(|name| claims[name].as_str().unwrap()), said);
            assert_eq!(jsonwebtoken::decode_header(&token).unwrap().typ.as_deref(), Some("JWT"));
        }
    }

    /// By Python's `hmac.new(bytes([1] * 32), b"kola token access\x01", sha256)`.
    #[test]
    fn derived_keys_do_not_change() {
        assert_eq!(
            hex(Purpose::Access.derive(&SECRET).as_ref()),
            "37bd1f30273dc79301e3fd2b9aaa6fbe65daeafe006e7a2a1b564eeb88eb1d57"
        );
    }

    #[test]
    fn the_memory_of_tokens_has_an_end() {
        let tokens = Tokens::new(&[]);
        for n in 0..=CACHE_MAX {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&u64::try_from(n).unwrap().to_be_bytes());
            tokens.cache(
                hash,
                Token { api_key: ApiKeyId(1), signing_key: SigningKeyId(1), until: NOW },
            );
        }
        assert_eq!(tokens.verified.read().unwrap().len(), 1);
    }
}
