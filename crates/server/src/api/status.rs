//! Status of an execution by its idempotency key, and of an invoice or order by its id.

use axum::Json;
use axum::extract::State;
use domain::directory::roles::Action;
use domain::kernel::ids::SourceId;
use domain::kernel::names::Operation;
use domain::sales::source::{SourceStatus, SourceType};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::executions::ExecutionResponse;
use crate::api::extract::{PathSegment, Query};
use crate::api::fields::{Code, Id, Name, PaymentSource, Reference};
use crate::api::response::{Amount, JsonResult, Time};
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::principal::Tenant;
use crate::payload;

payload! {
    /// The invoice or order.
    pub struct SourceStatusQuery {
        /// The type: invoice or order.
        source_type: PaymentSource,
        /// The id of the invoice or order.
        source_id: Id,
    }
}

/// The state of an invoice or order.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SourceStatusAnswer")]
pub struct SourceStatusResponse {
    source_id: i64,
    source_type: Name<SourceType>,
    source_number: String,
    status: Name<SourceStatus>,
    currency: Code,
    total_amount: Amount,
    paid_at: Option<Time>,
}

async fn execution(
    app: App,
    tenant: Tenant,
    operation: Operation,
    reference: Reference,
) -> JsonResult<ExecutionResponse> {
    let reads = tenant.reads(&app, Action::ReadPayments)?;
    let found = reads.execution_by_reference(operation, reference.0).await?;
    let found = reads.with_attempt(found.ok_or(ApiError::NotFound)?).await?;
    Ok(Json(ExecutionResponse::new(&app, found)))
}

async fn collection(
    State(app): State<App>,
    tenant: Tenant,
    PathSegment(key): PathSegment<Reference>,
) -> JsonResult<ExecutionResponse> {
    execution(app, tenant, Operation::Collection, key).await
}

async fn payout(
    State(app): State<App>,
    tenant: Tenant,
    PathSegment(key): PathSegment<Reference>,
) -> JsonResult<ExecutionResponse> {
    execution(app, tenant, Operation::Payout, key).await
}

async fn transfer(
    State(app): State<App>,
    tenant: Tenant,
    PathSegment(key): PathSegment<Reference>,
) -> JsonResult<ExecutionResponse> {
    execution(app, tenant, Operation::Transfer, key).await
}

async fn refund(
    State(app): State<App>,
    tenant: Tenant,
    PathSegment(key): PathSegment<Reference>,
) -> JsonResult<ExecutionResponse> {
    execution(app, tenant, Operation::Refund, key).await
}

async fn source(
    State(app): State<App>,
    tenant: Tenant,
    Query(query): Query<SourceStatusQuery>,
) -> JsonResult<SourceStatusResponse> {
    let kind = query.source_type.source_type().ok_or(ApiError::NotFound)?;
    let found =
        tenant.reads(&app, Action::ReadPayments)?.source(kind, SourceId(query.source_id.0)).await?;
    let source = found.ok_or(ApiError::NotFound)?;
    Ok(Json(SourceStatusResponse {
        source_id: source.id.0,
        source_type: Name(source.kind),
        total_amount: Amount(source.total()),
        source_number: source.number,
        status: Name(source.status),
        currency: Code(source.currency),
        paid_at: source.paid_at.map(Time::from),
    }))
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .get(
            "/v1/status/collection/{reference_id}",
            collection,
            op("get_collection_status", "Read the status of a collection"),
        )
        .get(
            "/v1/status/payout/{reference_id}",
            payout,
            op("get_payout_status", "Read the status of a payout"),
        )
        .get(
            "/v1/status/transfer/{reference_id}",
            transfer,
            op("get_transfer_status", "Read the status of a transfer"),
        )
        .get(
            "/v1/status/refund/{reference_id}",
            refund,
            op("get_refund_status", "Read the status of a refund"),
        )
        .get(
            "/v1/status/source",
            source,
            op("get_payment_source_status", "Read the status of an invoice or order").or(404),
        )
}
