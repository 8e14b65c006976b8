//! Records what a network says of a payment, as a step of the payment's trace.

use domain::directory::principal::Principal;
use domain::kernel::ids::MerchantId;
use domain::kernel::trace::TraceContext;
use domain::payments::record_outcome::{RecordOutcome, RecordedOutcome};

use crate::engine::{Engine, Failure};
use crate::request_id;
use crate::telemetry::traces::Kind;

/// Records an outcome. `trace` is what the step continues, if the payment is traced.
///
/// # Errors
/// See [`Failure`].
pub async fn record(
    engine: &Engine,
    merchant: MerchantId,
    trace: Option<TraceContext>,
    command: RecordOutcome,
) -> Result<RecordedOutcome, Failure> {
    let span = engine.traces().open(trace);
    let context = span.map(|span| span.context);
    let submitted = engine.submit_for(merchant, Principal::Network, command);
    let recorded = request_id::continuing(context, submitted).await;
    if let Some(span) = span {
        let status = recorded.as_ref().ok().map(|recorded| recorded.execution.status);
        let is_final = status.is_some_and(|status| status.is_final());
        let name = if is_final { "settlement" } else { "outcome" };
        let attributes = status.map(|status| ("kola.status", status.as_str().into()));
        let attributes = attributes.into_iter().collect();
        engine.traces().close(span, Kind::Internal, name, recorded.is_err(), attributes);
    }
    recorded
}
