//! The sandbox: advancing its clock, and confirming card payments in the payer's place.

use axum::Json;
use axum::extract::State;
use domain::decision::command::{Command, Output};
use domain::directory::advance_clock::MAX_ADVANCE_SECONDS;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::executions::{ExecutionResponse, first_outcome};
use crate::api::extract::{Body, PathSegment};
use crate::api::fields::{Int, Reference};
use crate::api::response::{JsonResult, Time, submit};
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::principal::Tenant;
use crate::payload;

payload! {
    /// A move of the sandbox clock.
    pub struct AdvanceClock {
        /// How far forward.
        seconds: Int<1, MAX_ADVANCE_SECONDS>,
    }

    /// What the payer of a card payment does.
    pub struct Authenticate {
        /// Whether they confirm it.
        success: bool,
    }
}

/// The merchant's time.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ClockAnswer")]
pub struct ClockResponse {
    /// The merchant's time.
    now: Time,
}

async fn advance(
    State(app): State<App>,
    tenant: Tenant,
    Body(payload): Body<AdvanceClock>,
) -> JsonResult<ClockResponse> {
    let now = submit!(
        app,
        tenant.caller,
        Command::AdvanceClock(tenant.id(), payload.seconds.0),
        Output::Time
    );
    Ok(Json(ClockResponse { now: Time(now) }))
}

async fn authenticate(
    State(app): State<App>,
    tenant: Tenant,
    PathSegment(reference): PathSegment<Reference>,
    Body(payload): Body<Authenticate>,
) -> JsonResult<ExecutionResponse> {
    let command = Command::AuthenticateCard(tenant.id(), reference.0, payload.success);
    let settled = submit!(
        app,
        tenant.caller,
        command,
        Output::OutcomeRecorded,
        ApiError::on_path("reference_id")
    );
    Ok(Json(first_outcome(&app, settled.execution, settled.call).await.into()))
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .post(
            "/v1/sandbox/clock/advance",
            advance,
            op("advance_sandbox_clock", "Move the merchant's clock forward")
                .example(json!({ "seconds": 900 })),
        )
        .post(
            "/v1/sandbox/executions/{reference_id}/authenticate",
            authenticate,
            op("authenticate_sandbox_execution", "Play the payer who confirms a card payment")
                .example(json!({ "success": true })),
        )
}
