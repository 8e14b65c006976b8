//! API keys: pairs of client id and client secret. Only the response that creates a key contains
//! its secret.

use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, HeaderName};
use domain::directory::api_keys::CreateApiKey;
use domain::directory::api_keys::RevokeApiKey;
use domain::directory::merchant::ApiKey;
use domain::kernel::ids::ApiKeyId;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::extract::{Ids, Query};
use crate::api::fields::Id;
use crate::api::listing::Listing;
use crate::api::response::{JsonResult, Limit, ListResult, Time, page};
use crate::api::routes::Routes;
use crate::app::App;
use crate::credentials::secrets::NewKey;
use crate::net::principal::Tenant;
use crate::payload;

payload! {
    /// The page of API keys.
    pub struct ListApiKeys {
        /// The maximum number of entries in the answer.
        limit: Option<Limit>,
        /// The id of the last entry of the previous page.
        after_id: Option<Id>,
    }
}

/// An API key, without its secret.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ApiKeyAnswer")]
pub struct ApiKeyResponse {
    id: i64,
    client_id: String,
    created_at: Time,
    revoked_at: Option<Time>,
}

/// A new API key. Only this answer has its secret.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CreatedApiKeyAnswer")]
pub struct CreatedApiKeyResponse {
    #[serde(flatten)]
    key: ApiKeyResponse,
    client_secret: String,
}

impl From<ApiKey> for ApiKeyResponse {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id.0,
            client_id: key.client_id,
            created_at: Time::from(key.created_at),
            revoked_at: key.revoked_at.map(Time::from),
        }
    }
}

async fn create(
    State(app): State<App>,
    tenant: Tenant,
) -> Result<([(HeaderName, &'static str); 1], Json<CreatedApiKeyResponse>), ApiError> {
    let new = NewKey::draw().map_err(|error| ApiError::internal(error.to_string()))?;
    let key = app
        .engine
        .submit(
            tenant.caller,
            CreateApiKey {
                merchant_id: tenant.id(),
                client_id: new.client_id,
                secret_hash: new.secret_hash,
            },
        )
        .await?;
    let answer = CreatedApiKeyResponse { key: key.into(), client_secret: new.client_secret };
    Ok(([(CACHE_CONTROL, "no-store")], Json(answer)))
}

async fn list_all(
    State(app): State<App>,
    listing: Listing,
    Query(query): Query<ListApiKeys>,
) -> ListResult<ApiKeyResponse> {
    let page = page(query.limit, query.after_id);
    let found = listing.tenant.reads(&app).api_keys(page).await?;
    listing.respond(page, found, ApiKeyResponse::from, |row| row.id)
}

async fn revoke(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
) -> JsonResult<ApiKeyResponse> {
    Ok(Json(
        app.engine
            .submit(
                tenant.caller,
                RevokeApiKey { merchant_id: tenant.id(), api_key_id: ApiKeyId(id) },
            )
            .await?
            .into(),
    ))
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .post(
            "/v1/api-keys/create",
            create,
            op("create_api_key", "Create an API key").details("Only this answer has its secret."),
        )
        .get("/v1/api-keys/list", list_all, op("list_api_keys", "List API keys"))
        .post(
            "/v1/api-keys/revoke/{id}",
            revoke,
            op("revoke_api_key", "Revoke an API key")
                .details("Tokens of the key are refused at once."),
        )
}
