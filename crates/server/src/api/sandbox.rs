//! The sandbox: advancing its clock, and confirming card payments in the payer's place.

use axum::Json;
use axum::extract::State;
use domain::directory::advance_clock::{self, MAX_ADVANCE_SECONDS};
use domain::payments::attempt::WithAttempt;
use domain::payments::authenticate_card::{AuthenticateCard, CardResult};
use domain::payments::record_outcome::RecordedOutcome;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::executions::{ExecutionResponse, first_outcome};
use crate::api::extract::{Body, PathSegment};
use crate::api::fields::{Int, Reference};
use crate::api::response::{JsonResult, Time};
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::principal::Tenant;
use crate::payload;

payload! {
    /// Advances the sandbox clock.
    pub struct AdvanceClock {
        /// How far to advance it.
        seconds: Int<1, MAX_ADVANCE_SECONDS>,
    }

    /// The decision of a card payment's payer.
    pub struct Authenticate {
        /// Whether the payer confirms the payment.
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
    let now = app
        .engine
        .submit(
            tenant.caller,
            advance_clock::AdvanceClock { merchant_id: tenant.id(), by_seconds: payload.seconds.0 },
        )
        .await?;
    Ok(Json(ClockResponse { now: Time::from(now) }))
}

async fn authenticate(
    State(app): State<App>,
    tenant: Tenant,
    PathSegment(reference): PathSegment<Reference>,
    Body(payload): Body<Authenticate>,
) -> JsonResult<ExecutionResponse> {
    let command = AuthenticateCard {
        merchant_id: tenant.id(),
        reference_id: reference.0,
        result: if payload.success {
            CardResult::Authenticated
        } else {
            CardResult::NotAuthenticated
        },
    };
    let settled = app
        .engine
        .submit(tenant.caller, command)
        .await
        .map_err(ApiError::on_path("reference_id"))?;
    let RecordedOutcome { execution, attempt, call } = settled;
    Ok(Json(first_outcome(&app, WithAttempt { execution, attempt }, call).await.into()))
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .post(
            "/v1/sandbox/clock/advance",
            advance,
            op("advance_sandbox_clock", "Advance the merchant's clock")
                .example(json!({ "seconds": 900 })),
        )
        .post(
            "/v1/sandbox/executions/{reference_id}/authenticate",
            authenticate,
            op(
                "authenticate_sandbox_execution",
                "Confirm or refuse a card payment in place of its payer",
            )
            .example(json!({ "success": true })),
        )
}
