//! API keys: pairs of client id and client secret. Only the response that creates a key contains
//! its secret.

use std::borrow::Cow;

use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, HeaderName};
use domain::directory::api_keys::CreateApiKey;
use domain::directory::api_keys::RevokeApiKey;
use domain::directory::merchant::ApiKey;
use domain::directory::roles::{Action, Operations, Rights, Role};
use domain::kernel::ids::ApiKeyId;
use schemars::{JsonSchema, Schema, json_schema};
use serde::Serialize;
use serde_json::{Value, json};

use crate::api::OPERATION_IDS;
use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::extract::{Ids, OptionalBody, Query};
use crate::api::fields::{FaultKind, FromValue, Id, List, Name, Schemas};
use crate::api::listing::Listing;
use crate::api::response::{JsonResult, Limit, ListResult, Time, page};
use crate::api::routes::Routes;
use crate::app::App;
use crate::credentials::secrets::NewKey;
use crate::net::principal::Tenant;
use crate::payload;

/// How many operations a key may be limited to.
const OPERATIONS_MAX: usize = 200;

payload! {
    /// What the new API key may do; without this, everything that the merchant may.
    pub struct CreateKey {
        /// The role that it is limited to.
        role: Option<Role>,
        /// The operations that it is limited to, by their names in the document of the API
        /// (`operationId`). The role must allow them, too.
        operations: Option<List<OperationName, 1, OPERATIONS_MAX>>,
    }
}

/// The name of an operation of the API.
pub struct OperationName(&'static str);

impl FromValue for OperationName {
    fn read(value: &Value) -> Result<Self, FaultKind> {
        let text = value.as_str().ok_or(FaultKind::NotStr)?;
        match OPERATION_IDS.iter().find(|name| **name == text) {
            Some(name) => Ok(Self(name)),
            None => {
                let known = OPERATION_IDS.iter().map(|&name| name.to_owned());
                Err(FaultKind::NotEnum(known.collect()))
            }
        }
    }

    fn schema(schemas: &mut Schemas) -> Schema {
        schemas.subschema_for::<Self>()
    }
}

impl JsonSchema for OperationName {
    fn schema_name() -> Cow<'static, str> {
        "OperationId".into()
    }

    fn json_schema(_: &mut Schemas) -> Schema {
        json_schema!({
            "description": "The name of an operation of the API.",
            "type": "string",
            "enum": *OPERATION_IDS,
        })
    }
}

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
    /// What it may do.
    role: Name<Role>,
    /// The operations that it is limited to; all that its role allows, if there are none.
    operations: Option<Vec<String>>,
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
            role: Name(key.rights.role),
            operations: key.rights.operations.map(|operations| operations.names().to_vec()),
            created_at: Time::from(key.created_at),
            revoked_at: key.revoked_at.map(Time::from),
        }
    }
}

async fn create(
    State(app): State<App>,
    tenant: Tenant,
    OptionalBody(payload): OptionalBody<CreateKey>,
) -> Result<([(HeaderName, &'static str); 1], Json<CreatedApiKeyResponse>), ApiError> {
    let names = payload.operations.map(|list| list.0.into_iter().map(|name| name.0.to_owned()));
    let rights = Rights {
        role: payload.role.unwrap_or(Role::Owner),
        operations: names.map(Operations::new),
    };
    let new = NewKey::draw().map_err(|error| ApiError::internal(error.to_string()))?;
    let key = app
        .engine
        .submit(
            tenant.caller,
            CreateApiKey {
                merchant_id: tenant.id(),
                client_id: new.client_id,
                secret_hash: new.secret_hash,
                rights,
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
    let found = listing.tenant.reads(&app, Action::ReadIntegration)?.api_keys(page).await?;
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
            op("create_api_key", "Create an API key")
                .details(
                    "Only this answer has its secret. A key without a role may do all that the merchant may; \
                     nobody can create a key that may do more than they may.",
                )
                .example(json!({ "role": "FINANCE" })),
        )
        .get("/v1/api-keys/list", list_all, op("list_api_keys", "List API keys"))
        .post(
            "/v1/api-keys/revoke/{id}",
            revoke,
            op("revoke_api_key", "Revoke an API key")
                .details("Tokens of the key are refused at once."),
        )
}
