//! The merchant behind an access token.

use axum::extract::{FromRequestParts, MatchedPath};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use domain::directory::merchant::{ApiKey, Merchant};
use domain::directory::principal::Caller;
use domain::directory::roles::{Action, Operations, Rights};
use domain::kernel::ids::MerchantId;
use domain::kernel::time::{MerchantTime, ServerTime};

use crate::api::error::ApiError;
use crate::api::operation_id;
use crate::app::App;
use crate::net::challenge::Challenge;
use crate::net::{forwarded, limits, request_log};
use store::clock;
use store::reads::scope::MerchantReads;
use store::schema::installation::SigningKey;

/// The merchant that calls, authenticated by its token.
pub struct Tenant {
    pub merchant: Merchant,
    /// The credentials. They are checked again when a command is decided.
    pub caller: Caller,
    /// What they allow. A command is checked against them when it is decided.
    rights: Rights,
    /// Server time of the request.
    pub now: ServerTime,
}

impl Tenant {
    #[must_use]
    pub const fn id(&self) -> MerchantId {
        self.merchant.id
    }

    /// Whether the credentials allow an action, for what is left out of an answer otherwise.
    #[must_use]
    pub fn may(&self, action: Action) -> bool {
        self.rights.role.may(action)
    }

    /// The reads of this merchant's rows, for whoever may do that. A handler reads no others.
    ///
    /// # Errors
    /// 403.
    pub fn reads<'a>(&self, app: &'a App, action: Action) -> Result<MerchantReads<'a>, ApiError> {
        self.rights.check(action).map_err(|refusal| ApiError::Forbidden(refusal.to_string()))?;
        Ok(app.queries.of(&self.merchant).as_seen_by(&self.rights))
    }

    /// Checks the credentials again, for a request that writes nothing: its body may arrive long
    /// after the headers.
    ///
    /// # Errors
    /// 401.
    pub async fn holds(&self, app: &App) -> Result<(), ApiError> {
        let found = app.queries.for_authentication().tenant(self.caller.api_key_id).await?;
        let key = found.map(|(key, _)| key);
        let signing_keys = app.queries.for_system().signing_keys().await?;
        check_still_valid(&self.caller, key.as_ref(), &signing_keys, clock::now())
            .map_err(ApiError::BadCredentials)
    }

    /// The merchant's own time.
    #[must_use]
    pub const fn time(&self) -> MerchantTime {
        self.merchant.time(self.now)
    }
}

/// Whether credentials that were valid still are at `now`, given the API key and the current signing
/// keys.
fn check_still_valid(
    caller: &Caller,
    key: Option<&ApiKey>,
    signing_keys: &[SigningKey],
    now: ServerTime,
) -> Result<(), Challenge> {
    if key.is_none_or(|key| key.revoked_at.is_some()) {
        return Err(Challenge::KeyRevoked);
    }
    if signing_keys.iter().all(|key| key.id != caller.signing_key_id.0) {
        return Err(Challenge::Invalid);
    }
    if now < caller.until { Ok(()) } else { Err(Challenge::Expired) }
}

/// The token of an `Authorization: Bearer` header.
fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let value = headers.get(AUTHORIZATION).ok_or(ApiError::NotAuthenticated)?;
    let no_bearer = || ApiError::BadCredentials(Challenge::NoBearer);
    let (scheme, token) =
        value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(no_bearer)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(no_bearer()) }
}

/// The caller and its merchant, if the token is valid.
async fn identify(
    token: &str,
    app: &App,
    now: ServerTime,
) -> Result<(Caller, Rights, Merchant), ApiError> {
    let checked = app.tokens.check_or_reload(token, now, app.queries.for_system()).await?;
    let token = checked.map_err(|bad| ApiError::BadCredentials(bad.into()))?;
    let found = app.queries.for_authentication().tenant(token.api_key).await?;
    let valid = found.filter(|(key, _)| key.revoked_at.is_none());
    let (key, merchant) = valid.ok_or(ApiError::BadCredentials(Challenge::KeyRevoked))?;
    let caller = Caller {
        merchant_id: merchant.id,
        api_key_id: key.id,
        signing_key_id: token.signing_key,
        until: token.until,
    };
    Ok((caller, key.rights, merchant))
}

/// Refuses what an API key that is narrowed to some operations may not call.
fn check_operation(operations: &Operations, parts: &Parts) -> Result<(), ApiError> {
    let path = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    match operation_id(parts.method.as_str(), path) {
        Some(name) if operations.contains(name) => Ok(()),
        name => Err(ApiError::Forbidden(format!(
            "this API key may not call {}: it is limited to {}",
            name.unwrap_or(path),
            operations.names().join(", ")
        ))),
    }
}

impl FromRequestParts<App> for Tenant {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let now = clock::now();
        let found = match bearer(&parts.headers) {
            Ok(token) => identify(token, app, now).await,
            Err(error) => Err(error),
        };
        if let (Err(ApiError::BadCredentials(_)), Some(limits)) = (&found, &app.limits) {
            limits::count_bad_token(limits, &parts.extensions)?;
        }
        let (caller, rights, merchant) = found?;
        request_log::note(&app.requests, merchant.id);
        if let Some(operations) = &rights.operations {
            check_operation(operations, parts)?;
        }
        if forwarded::is_forwarded(&parts.headers) {
            app.webhooks.note_forwarded();
        }
        if let Some(limits) = &app.limits {
            limits::count(limits, merchant.id, &parts.extensions)?;
        }
        parts.extensions.insert(merchant.time(now));
        Ok(Self { merchant, caller, rights, now })
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
        assert_eq!(with("Basic abc"), Err(ApiError::BadCredentials(Challenge::NoBearer)));
        assert_eq!(with("abc"), Err(ApiError::BadCredentials(Challenge::NoBearer)));
        assert_eq!(bearer(&HeaderMap::new()), Err(ApiError::NotAuthenticated));
    }

    #[test]
    fn credentials_hold_until_they_are_taken_away_or_expire() {
        use domain::kernel::ids::{ApiKeyId, SigningKeyId};
        let (until, at) = (ServerTime(100), ServerTime(99));
        let caller = Caller {
            merchant_id: MerchantId(1),
            api_key_id: ApiKeyId(2),
            signing_key_id: SigningKeyId(3),
            until,
        };
        let key = ApiKey {
            id: ApiKeyId(2),
            merchant_id: MerchantId(1),
            client_id: String::new(),
            secret_hash: String::new(),
            made_by: None,
            rights: Rights::ALL,
            created_at: ServerTime(0),
            revoked_at: None,
            event_count: 0,
        };
        let revoked = ApiKey { revoked_at: Some(at), ..key.clone() };
        let signing = |id| [SigningKey { id, secret: [0; 32] }];
        assert_eq!(check_still_valid(&caller, Some(&key), &signing(3), at), Ok(()));
        assert_eq!(
            check_still_valid(&caller, Some(&key), &signing(3), until),
            Err(Challenge::Expired)
        );
        assert_eq!(
            check_still_valid(&caller, Some(&key), &signing(4), at),
            Err(Challenge::Invalid)
        );
        assert_eq!(
            check_still_valid(&caller, Some(&revoked), &signing(3), at),
            Err(Challenge::KeyRevoked)
        );
        assert_eq!(check_still_valid(&caller, None, &signing(3), at), Err(Challenge::KeyRevoked));
    }
}
