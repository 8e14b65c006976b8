//! Liveness and readiness, and a no-op route for benchmarks.

use std::borrow::Cow;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use schemars::{JsonSchema, Schema, json_schema};
use serde::Serialize;
use serde_json::{Value, json};

use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::extract::Body;
use crate::api::fields::{Fields, Payload, Schemas};
use crate::api::response::JsonResult;
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::principal::Tenant;

/// A body of any JSON object.
struct AnyObject;

impl Payload for AnyObject {
    fn read(_: &mut Fields<'_>) -> Option<Self> {
        Some(Self)
    }
}

impl JsonSchema for AnyObject {
    fn schema_name() -> Cow<'static, str> {
        "AnyObject".into()
    }

    fn json_schema(_: &mut Schemas) -> Schema {
        json_schema!({ "type": "object" })
    }
}

/// The answer of a running server.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "HealthAnswer")]
struct HealthResponse {
    /// `ok`.
    status: &'static str,
}

async fn healthz() -> Json<HealthResponse> {
    Json(HealthResponse { status: "ok" })
}

/// How long the database may take to respond to a ping.
const READY: Duration = Duration::from_secs(2);

async fn readyz(State(app): State<App>) -> JsonResult<HealthResponse> {
    match tokio::time::timeout(READY, app.queries.for_system().ping()).await {
        Ok(answered) => answered?,
        Err(_) => return Err(ApiError::Unavailable("the database does not answer".to_owned())),
    }
    Ok(Json(HealthResponse { status: "ok" }))
}

/// Does everything that an execution request does except the execution: authentication, reading the
/// body, a response of the same size.
async fn noop(
    State(_): State<App>,
    tenant: Tenant,
    Body(AnyObject): Body<AnyObject>,
) -> JsonResult<Value> {
    Ok(Json(json!({
        "reference_id": "00000000-0000-4000-8000-000000000000", "status": "COMPLETED",
        "payer_amount": 500, "payer_currency": "USD", "payee_currency": "USD", "payee_amount": 500,
        "operation_type": "TRANSFER", "provider_transaction_id": null, "gateway_message": null, "wallet_message": null,
        "client_secret": null, "requires_action": false, "payment_intent_id": tenant.id().0,
    })))
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .get("/healthz", healthz, op("get_health", "Check whether the server is running"))
        .get(
            "/readyz",
            readyz,
            op(
                "get_readiness",
                "Check whether the server can serve requests: whether its database answers",
            ),
        )
}

#[must_use]
pub fn bench_routes() -> Routes {
    Routes::new().post("/v1/noop", noop, op("noop", "Do nothing").example(json!({})))
}
