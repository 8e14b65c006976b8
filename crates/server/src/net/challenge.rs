//! The `WWW-Authenticate` field of a 401, in the form of RFC 6750: which fault the credentials
//! have, and what to do next.
//!
//! The body of a 401 is the same for all faults. The log has the description, too.

use axum::http::HeaderValue;
use domain::kernel::refusal::Refusal;

use crate::credentials::tokens::BadToken;

/// Why credentials were refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Challenge {
    /// The `Authorization` field has no bearer token.
    NoBearer,
    /// The token is not one of this server, or its signing key was retired.
    Invalid,
    Expired,
    KeyRevoked,
    /// The client is unknown or its secret is wrong. A caller is not told which: that would show
    /// which client ids exist.
    WrongSecret,
}

impl Challenge {
    /// The error code of RFC 6750, or of RFC 6749 for the credentials of a client.
    #[must_use]
    pub const fn error(self) -> &'static str {
        match self {
            Self::NoBearer => "invalid_request",
            Self::Invalid | Self::Expired | Self::KeyRevoked => "invalid_token",
            Self::WrongSecret => "invalid_client",
        }
    }

    /// What is wrong and what helps. The field allows neither quotation marks nor backslashes.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::NoBearer => "send the access token as Authorization: Bearer <access_token>",
            Self::Invalid => {
                "the access token is not one of this server or its signing key was retired: \
                 obtain one with POST /v1/jwt/client/obtain/token"
            }
            Self::Expired => {
                "the access token expired: obtain another with POST /v1/jwt/client/obtain/token"
            }
            Self::KeyRevoked => {
                "the API key was revoked: use another one, or have an operator make one with kola merchant create-key"
            }
            Self::WrongSecret => {
                "unknown client_id or wrong client_secret: both are shown once, when the key is made; \
                 an operator makes another with kola merchant create-key"
            }
        }
    }

    /// The value of `WWW-Authenticate`.
    #[must_use]
    pub fn header(self) -> HeaderValue {
        let text = format!(
            "Bearer error=\"{}\", error_description=\"{}\"",
            self.error(),
            self.description()
        );
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Bearer"))
    }
}

impl From<BadToken> for Challenge {
    fn from(bad: BadToken) -> Self {
        match bad {
            BadToken::Invalid => Self::Invalid,
            BadToken::Expired => Self::Expired,
        }
    }
}

impl From<&Refusal> for Challenge {
    /// For a caller whose token was valid when the request began, and no longer is when it is
    /// decided.
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::KeyRevoked => Self::KeyRevoked,
            Refusal::TokenExpired => Self::Expired,
            _ => Self::Invalid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_challenge_fits_into_its_field_and_names_a_next_step() {
        let all = [
            Challenge::NoBearer,
            Challenge::Invalid,
            Challenge::Expired,
            Challenge::KeyRevoked,
            Challenge::WrongSecret,
        ];
        for challenge in all {
            let said = challenge.description();
            // RFC 6750, section 3: %x20-21 / %x23-5B / %x5D-7E.
            assert!(
                said.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)),
                "{said}"
            );
            assert!(!said.contains("  "), "{said}");
            let header = challenge.header();
            assert!(header.to_str().unwrap().starts_with("Bearer error=\"invalid_"), "{header:?}");
        }
    }
}
