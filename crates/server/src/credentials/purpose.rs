//! What a token is for. Each use has claims and a key of its own, so that a token of one use is
//! refused everywhere else, whatever its subject is.

use ring::hmac;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Who issues all tokens.
const ISSUER: &str = "kola";

/// What a token is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Calls of the API.
    Access,
    /// The channel of one payment.
    Realtime,
    /// The handshake of a websocket: everybody's key.
    Anon,
}

/// The claims of tokens of one use, without those that say what they are for.
pub trait TokenClaims: Serialize + DeserializeOwned {
    const PURPOSE: Purpose;
}

impl Purpose {
    /// The claim `typ`. It is no `typ` of the header, as in RFC 9068: that one stays `JWT`, because
    /// programs of others read these tokens, too, and some of them take no other type.
    const fn typ(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Realtime => "realtime",
            Self::Anon => "anon",
        }
    }

    /// The claim `aud`.
    const fn audience(self) -> &'static str {
        match self {
            Self::Access => "api",
            Self::Realtime => "realtime",
            Self::Anon => "websocket",
        }
    }

    /// The claims of tokens from before they said what they are for.
    const fn earlier_names(self) -> &'static [&'static str] {
        match self {
            Self::Access => &["sub", "iat", "exp"],
            Self::Realtime => &[
                "sub",
                "aud",
                "role",
                "channel",
                "merchant_id",
                "session_id",
                "reference_id",
                "iat",
                "exp",
            ],
            Self::Anon => &["role", "iat"],
        }
    }

    /// The key of this use, derived from a stored secret: HKDF-Expand of RFC 5869, of which one
    /// block is enough. The secret is random and as long as the hash, so there is nothing to
    /// extract.
    pub(super) fn derive(self, secret: &[u8; 32]) -> hmac::Tag {
        let label = format!("kola token {}\u{1}", self.typ());
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), label.as_bytes())
    }

    /// Adds what tokens of this use are for.
    pub(super) fn add_to(self, claims: &mut Map<String, Value>) {
        for (name, value) in self.labels() {
            claims.insert(name.to_owned(), value.into());
        }
    }

    /// Whether claims say that they are for this use.
    pub(super) fn is_named_by(self, claims: &Map<String, Value>) -> bool {
        let says = |(name, value)| claims.get(name).and_then(Value::as_str) == Some(value);
        self.labels().into_iter().all(says)
    }

    /// Whether claims are those of a token of this use from before it said so: no more and no
    /// fewer.
    pub(super) fn is_earlier_form(self, claims: &Map<String, Value>) -> bool {
        let names = self.earlier_names();
        claims.len() == names.len()
            && names.iter().all(|name| claims.contains_key(*name))
            && claims.get("aud").is_none_or(|aud| aud == self.audience())
    }

    const fn labels(self) -> [(&'static str, &'static str); 3] {
        [("iss", ISSUER), ("aud", self.audience()), ("typ", self.typ())]
    }
}

/// Something for each use.
pub(super) struct ByPurpose<T> {
    access: T,
    realtime: T,
    anon: T,
}

impl<T> ByPurpose<T> {
    pub(super) fn new(make: impl Fn(Purpose) -> T) -> Self {
        Self {
            access: make(Purpose::Access),
            realtime: make(Purpose::Realtime),
            anon: make(Purpose::Anon),
        }
    }

    pub(super) const fn of(&self, purpose: Purpose) -> &T {
        match purpose {
            Purpose::Access => &self.access,
            Purpose::Realtime => &self.realtime,
            Purpose::Anon => &self.anon,
        }
    }
}
