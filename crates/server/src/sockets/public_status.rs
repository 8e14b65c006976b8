//! The row that clients watch, made from an execution.

use domain::kernel::time::{MerchantTime, ServerTime};
use domain::payments::attempt::WithAttempt;
use domain::sales::source::SourceType;
use realtime::record::PublicStatus;

/// The row of a payment. It has nothing that the payer may not see.
pub fn of(found: &WithAttempt, source_type: Option<SourceType>) -> PublicStatus {
    let WithAttempt { execution, attempt } = found;
    let paid = execution.paid();
    PublicStatus {
        id: execution.id.0,
        session_id: execution.session_id.0,
        reference_id: execution.reference_id.to_string(),
        status: execution.status.as_str().to_owned(),
        source_type: source_type.map(|kind| kind.as_str().to_owned()),
        source_id: execution.source_id().map(|id| id.0),
        payer_amount: Some(paid.to_string()),
        payer_currency: Some(paid.currency.to_string()),
        gateway_message: execution.gateway_message.clone(),
        requires_action: attempt.as_ref().is_some_and(|attempt| attempt.requires_action),
        created_at: with_offset(execution.created_at),
        updated_at: with_offset(execution.updated_at),
    }
}

/// As PostgreSQL writes a time with its zone in JSON.
fn with_offset(time: MerchantTime) -> String {
    format!("{time:.6}").replace('Z', "+00:00")
}

/// When something was committed.
pub fn commit_timestamp(ServerTime(micros): ServerTime) -> String {
    // As a text, a time is the same whichever clock it is from.
    format!("{:.3}", MerchantTime(micros))
}
