//! Why a client may not join a channel, or may not stay in it.

use std::borrow::Cow;
use std::fmt;

/// A refusal, shown as `Code: text`. Clients show it to the programmer, and the Python client waits
/// longer before it tries again for the codes that are about rates.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    pub code: &'static str,
    pub text: Cow<'static, str>,
}

impl Refusal {
    pub fn new(code: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, text: text.into() }
    }

    /// The token does not open this channel. The name is the topic without `realtime:`.
    #[must_use]
    pub fn unauthorized(name: &str) -> Self {
        let text = format!("You do not have permissions to read from this Channel topic: {name}");
        Self::new("Unauthorized", text)
    }

    /// The token ended this long ago.
    #[must_use]
    pub fn token_expired(seconds_ago: i64) -> Self {
        Self::new("InvalidJWTToken", format!("Token has expired {seconds_ago} seconds ago"))
    }

    /// The token is none.
    #[must_use]
    pub fn malformed_token() -> Self {
        Self::new("MalformedJWT", "The token provided is not a valid JWT")
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.text)
    }
}
