//! The merchant behind an access token.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use domain::ids::MerchantId;
use domain::merchant::Merchant;
use domain::time::Timestamp;

use super::error::ApiError;
use super::extract::MerchantTime;
use super::limits;
use crate::app::App;
use crate::clock;

/// The merchant that calls. A handler without it cannot read a row.
pub struct Tenant {
    /// The merchant.
    pub merchant: Merchant,
    /// Server time of the request.
    pub now: Timestamp,
}

impl Tenant {
    /// The merchant's id.
    #[must_use]
    pub const fn id(&self) -> MerchantId {
        self.merchant.id
    }

    /// The merchant's own time.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        self.merchant.time(self.now)
    }
}

/// The token of an `Authorization: Bearer` header.
fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let value = headers.get(AUTHORIZATION).ok_or(ApiError::NotAuthenticated)?;
    let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(ApiError::BadCredentials)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(ApiError::BadCredentials) }
}

impl FromRequestParts<App> for Tenant {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let now = clock::now();
        let id = app.tokens.check_or_look(bearer(&parts.headers)?, now, &app.queries).await?.ok_or(ApiError::BadCredentials)?;
        let found = app.queries.tenant(id).await?.filter(|(key, _)| key.revoked_at.is_none());
        let (_, merchant) = found.ok_or(ApiError::BadCredentials)?;
        if let Some(limits) = &app.limits {
            limits::count(limits, merchant.id, &parts.extensions)?;
        }
        parts.extensions.insert(MerchantTime(merchant.time(now)));
        Ok(Self { merchant, now })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_names_a_bearer() {
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().unwrap());
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(with("Bearer abc"), Ok("abc".to_owned()));
        assert_eq!(with("bearer abc"), Ok("abc".to_owned()));
        assert_eq!(with("Basic abc"), Err(ApiError::BadCredentials));
        assert_eq!(with("abc"), Err(ApiError::BadCredentials));
        assert_eq!(bearer(&HeaderMap::new()), Err(ApiError::NotAuthenticated));
    }
}
