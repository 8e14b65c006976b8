//! The sandbox: a clock that can be moved, and a payer who can be told to authenticate.

use axum::Json;
use axum::extract::State;
use domain::decision::command::{Command, Output};
use domain::directory::advance_clock::MAX_ADVANCE_SECONDS;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::api::answer::{Answered, Time, submit};
use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::executions::{ExecutionAnswer, first_outcome};
use crate::api::extract::{Body, PathSegment};
use crate::api::fields::{Int, Reference};
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
pub struct ClockAnswer {
    /// The merchant's time.
    now: Time,
}

async fn advance(
    State(app): State<App>,
    tenant: Tenant,
    Body(payload): Body<AdvanceClock>,
) -> Answered<ClockAnswer> {
    let now = submit!(
        app,
        tenant.caller,
        Command::AdvanceClock(tenant.id(), payload.seconds.0),
        Output::Time
    );
    Ok(Json(ClockAnswer { now: Time(now) }))
}

async fn authenticate(
    State(app): State<App>,
    tenant: Tenant,
    PathSegment(reference): PathSegment<Reference>,
    Body(payload): Body<Authenticate>,
) -> Answered<ExecutionAnswer> {
    let command = Command::AuthenticateCard(tenant.id(), reference.0, payload.success);
    let settled = submit!(
        app,
        tenant.caller,
        command,
        Output::OutcomeRecorded,
        ApiError::beside_path("reference_id")
    );
    Ok(Json(first_outcome(&app, settled.execution, settled.call).await.into()))
}

/// Playing with time and payers.
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
