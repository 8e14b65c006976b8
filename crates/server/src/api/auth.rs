//! Access tokens for clients.

use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, HeaderName};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::extract::Body;
use crate::api::fields::{Secret, Text};
use crate::api::routes::Routes;
use crate::app::App;
use crate::credentials::tokens::TOKEN_MINUTES;
use crate::net::challenge::Challenge;
use crate::net::limits::CountTokenRequest;
use crate::payload;
use store::clock;
use store::hex::hex;

payload! {
    /// The credentials of a client.
    pub struct ClientCredentialObtainToken {
        /// The public part of the API key.
        client_id: Text<255>,
        /// The secret part of the API key.
        client_secret: Secret,
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ObtainTokenAnswer")]
struct ObtainTokenResponse {
    access_token: String,
    /// The lifetime in minutes, as in the public API.
    expires_in: i64,
}

/// Whether the SHA-256 of `secret` is the stored one, compared in constant time.
fn is_secret(secret: &str, stored: &str) -> bool {
    let hash = hex(&Sha256::digest(secret));
    hash.as_bytes().ct_eq(stored.as_bytes()).into()
}

/// The hash for an unknown client, so that the comparison takes the same time. Nothing has this
/// hash.
const NO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

async fn obtain_token(
    State(app): State<App>,
    _: CountTokenRequest,
    Body(payload): Body<ClientCredentialObtainToken>,
) -> Result<([(HeaderName, &'static str); 1], Json<ObtainTokenResponse>), ApiError> {
    let key = app.queries.for_authentication().api_key(&payload.client_id.0).await?;
    let stored = key.as_ref().map_or(NO_HASH, |key| key.secret_hash.as_str());
    let right = is_secret(&payload.client_secret.0, stored);
    let key = key.filter(|_| right).ok_or(ApiError::BadCredentials(Challenge::WrongSecret))?;
    if key.revoked_at.is_some() {
        return Err(ApiError::BadCredentials(Challenge::KeyRevoked));
    }
    // Read the signing keys again: a token signed with a key that was just retired would be
    // invalid.
    app.tokens.replace(&app.queries.for_system().signing_keys().await?);
    let access_token = app.tokens.issue(key.id, clock::now())?;
    Ok((
        [(CACHE_CONTROL, "no-store")],
        Json(ObtainTokenResponse { access_token, expires_in: TOKEN_MINUTES }),
    ))
}

const OBTAINING: &str = "The id and secret are printed when the server starts for the first time, and by `kola merchant create`. \
    Send the token with every other call, as `Authorization: Bearer <access_token>`. `expires_in` is in minutes.";

#[must_use]
pub fn routes() -> Routes {
    let example = json!({ "client_id": "<client id>", "client_secret": "<client secret>" });
    let operation =
        op("obtain_client_token", "Obtain a token").details(OBTAINING).example(example).or(401);
    Routes::new().post("/v1/jwt/client/obtain/token", obtain_token, operation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_compared_by_their_hash() {
        let hash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
        assert!(is_secret("secret", hash));
        assert!(
            !is_secret("Secret", hash) && !is_secret("secret", NO_HASH) && !is_secret("secret", "")
        );
    }
}
