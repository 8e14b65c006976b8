//! Status: an execution by the caller's key, a source by its id.

use axum::Json;
use axum::extract::State;
use domain::ids::SourceId;
use domain::names::Operation;
use serde::Serialize;

use super::answer::{Amount, Answered, Time};
use super::auth::Tenant;
use super::error::ApiError;
use super::executions::ExecutionAnswer;
use super::extract::{Query, Words};
use super::fields::Id;
use super::names::Payable;
use super::routes::Routes;
use crate::app::App;
use crate::payload;

payload! {
    /// Which invoice or order.
    pub struct WhichSource {
        /// Which of the two; a subscription is never found.
        source_type: Payable,
        /// Its id.
        source_id: Id,
    }
}

/// Where an invoice or order is in its life.
#[derive(Serialize)]
pub struct SourceStatusAnswer {
    source_id: i64,
    source_type: &'static str,
    source_number: String,
    status: &'static str,
    currency: String,
    total_amount: Amount,
    paid_at: Option<Time>,
}

async fn execution(app: App, tenant: Tenant, operation: Operation, reference: &str) -> Answered<ExecutionAnswer> {
    // Keys are stored in small letters.
    let reference = reference.to_ascii_lowercase();
    let found = app.queries.execution_by_reference(tenant.id(), operation, &reference).await?;
    Ok(Json(found.ok_or(ApiError::NotFound)?.into()))
}

async fn collection(State(app): State<App>, tenant: Tenant, Words([key]): Words<1>) -> Answered<ExecutionAnswer> {
    execution(app, tenant, Operation::Collection, &key).await
}

async fn payout(State(app): State<App>, tenant: Tenant, Words([key]): Words<1>) -> Answered<ExecutionAnswer> {
    execution(app, tenant, Operation::Payout, &key).await
}

async fn transfer(State(app): State<App>, tenant: Tenant, Words([key]): Words<1>) -> Answered<ExecutionAnswer> {
    execution(app, tenant, Operation::Transfer, &key).await
}

async fn refund(State(app): State<App>, tenant: Tenant, Words([key]): Words<1>) -> Answered<ExecutionAnswer> {
    execution(app, tenant, Operation::Refund, &key).await
}

async fn source(State(app): State<App>, tenant: Tenant, Query(query): Query<WhichSource>) -> Answered<SourceStatusAnswer> {
    let kind = query.source_type.source().ok_or(ApiError::NotFound)?;
    let found = app.queries.source(tenant.id(), kind, SourceId(query.source_id.0)).await?;
    let source = found.ok_or(ApiError::NotFound)?;
    Ok(Json(SourceStatusAnswer {
        source_id: source.id.0,
        source_type: source.kind.as_str(),
        total_amount: Amount(source.total()),
        source_number: source.number,
        status: source.status.as_str(),
        currency: source.currency.to_string(),
        paid_at: source.paid_at.map(Time),
    }))
}

/// Asking how far something is.
#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .get("/v1/status/collection/{reference_id}", collection)
        .get("/v1/status/payout/{reference_id}", payout)
        .get("/v1/status/transfer/{reference_id}", transfer)
        .get("/v1/status/refund/{reference_id}", refund)
        .get("/v1/status/source", source)
}
