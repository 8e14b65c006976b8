//! Realtime keys: tokens for the event channel of one payment.

use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, HeaderName};
use domain::directory::roles::Action;
use domain::kernel::ids::SessionId;
use domain::payments::session::SessionKind;
use domain::sales::source::SourceType;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::extract::Body;
use crate::api::fields::{Fault, FaultKind, Id, Part, Reference};
use crate::api::routes::Routes;
use crate::app::App;
use crate::credentials::realtime;
use crate::net::principal::Tenant;
use crate::payload;
use store::reads::watched::WatchedPayment;

payload! {
    /// The payment to listen to.
    pub struct CollectionRealtimeKey {
        /// The checkout session.
        session_id: Id,
        /// The type of what it collects for: invoice or order.
        source_type: SourceType,
        /// The `reference_id` of its execution, which need not exist yet.
        reference_id: Reference,
    }
}

/// A realtime token.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RealtimeTokenAnswer")]
pub struct RealtimeTokenResponse {
    access_token: String,
    /// The lifetime in seconds, as in the public API.
    expires_in: i64,
}

fn unknown_session(what: &'static str) -> ApiError {
    ApiError::Invalid(vec![Fault::at(
        &[Part::Name("body"), Part::Name("session_id")],
        FaultKind::UnknownId(what),
    )])
}

async fn collection(
    State(app): State<App>,
    tenant: Tenant,
    Body(payload): Body<CollectionRealtimeKey>,
) -> Result<([(HeaderName, &'static str); 1], Json<RealtimeTokenResponse>), ApiError> {
    tenant.holds(&app).await?;
    let id = SessionId(payload.session_id.0);
    let reads = tenant.reads(&app, Action::ReadPayments)?;
    let session = reads.session(SessionKind::Checkout, id).await?;
    let session = session.ok_or_else(|| unknown_session("a checkout session"))?;
    let source = match session.source_id() {
        Some(id) => reads.source(payload.source_type, id).await?,
        None => None,
    };
    if source.is_none() {
        return Err(unknown_session("a checkout session for such a source"));
    }
    let payment = WatchedPayment {
        merchant_id: tenant.id(),
        session_id: session.id,
        reference_id: payload.reference_id.0,
    };
    let access_token = realtime::payment_token(&app.tokens, payment, tenant.now)?;
    Ok((
        [(CACHE_CONTROL, "no-store")],
        Json(RealtimeTokenResponse { access_token, expires_in: realtime::TOKEN_SECONDS }),
    ))
}

#[must_use]
pub fn routes() -> Routes {
    let example = json!({
        "session_id": 1, "source_type": "INVOICE", "reference_id": "3f1c2e9a-7b54-4c1d-9e0f-1a2b3c4d5e6f",
    });
    let operation =
        op("get_collection_realtime_key", "Obtain a token to listen to a payment").example(example);
    Routes::new().post("/v1/realtime-keys/collection", collection, operation)
}
