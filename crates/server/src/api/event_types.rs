//! The catalogue of events: what there is to be told.

use axum::Json;
use domain::decision::event::{EventEntity, EventType};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::fields::Name;
use crate::api::response::JsonResult;
use crate::api::routes::Routes;
use crate::net::principal::Tenant;

/// A type of events.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EventTypeAnswer")]
pub struct EventTypeResponse {
    r#type: Name<EventType>,
    /// What such events are about: the kind of `data.object`.
    subject_type: Name<EventEntity>,
    /// When it happens.
    description: &'static str,
}

/// All types of events.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EventTypesAnswer")]
pub struct EventTypesResponse {
    event_types: Vec<EventTypeResponse>,
}

/// What events of a type are about, and when they happen.
#[must_use]
pub const fn described(kind: EventType) -> (EventEntity, &'static str) {
    use EventEntity as About;
    use EventType as Type;
    match kind {
        Type::SessionCreated => (About::Session, "a session was created"),
        Type::SessionExpired => (About::Session, "it was not executed in time"),
        Type::SessionCanceled => (About::Session, "it was canceled"),
        Type::ExecutionPending => (
            About::Execution,
            "an execution was recorded; the money of a payout, transfer or refund is held",
        ),
        Type::ExecutionProcessing => {
            (About::Execution, "the network has the request, or may have it")
        }
        Type::ExecutionRequiresAction => {
            (About::Execution, "the payer has to authenticate the card payment")
        }
        Type::ExecutionCompleted => (About::Execution, "the money has moved"),
        Type::ExecutionFailed => (About::Execution, "no money has moved; what was held is free"),
        Type::ExecutionSettled => (
            About::Execution,
            "a review found that a failed collection was paid after all: it counts as completed",
        ),
        Type::SourcePublished => (About::Source, "an invoice or order can be paid"),
        Type::SourceProcessing => (About::Source, "a collection for it has begun"),
        Type::SourcePaid => (About::Source, "it is paid"),
        Type::SourceReopened => (About::Source, "the collection failed; it can be paid again"),
        Type::SourceCanceled => (About::Source, "it was canceled"),
        Type::WalletFunded => (About::Wallet, "sandbox money was put into a wallet"),
        Type::PayoutEnqueued => (
            About::Execution,
            "a payout or refund waits in the network's queue: the phone operator is delayed",
        ),
        Type::WalletTransferReceived => {
            (About::Wallet, "a transfer of another merchant has arrived in a wallet")
        }
        Type::ApiKeyCreated => {
            (About::ApiKey, "an API key was created beside those that there are")
        }
        Type::ApiKeyRevoked => (About::ApiKey, "it was revoked, and its tokens are refused"),
        Type::WalletStatus => (About::Wallet, "the operator changed what a wallet may be used for"),
        Type::ReviewOpened => {
            (About::Review, "a payment is in doubt, and the operator of the server decides")
        }
        Type::ReviewEvidenceNoted => (About::Review, "evidence was noted for a dispute"),
        Type::ReviewUpdated => (About::Review, "the network said something else meanwhile"),
        Type::ReviewResolved => (About::Review, "it was decided"),
        Type::PaymentLinkCreated => (About::PaymentLink, "a payment link was created"),
        Type::PaymentLinkDeactivated => (About::PaymentLink, "it was deactivated"),
        Type::PaymentLinkUsedUp => (About::PaymentLink, "as many of its orders are paid as may be"),
        Type::WebhookEndpointDisabled => (
            About::WebhookEndpoint,
            "a webhook endpoint is told nothing any more: it is gone, or failed for days",
        ),
        Type::WebhookTest => {
            (About::WebhookEndpoint, "a test was asked for, of which this endpoint alone is told")
        }
        Type::StatementPosted => (About::Statement, "lines of an accepted statement were booked"),
        Type::DifferenceClosed => {
            (About::Statement, "a difference between a statement and the ledger was closed")
        }
        Type::TariffChanged => (About::Tariff, "the operator changed a fee, a rate or a market"),
    }
}

async fn list(_: Tenant) -> JsonResult<EventTypesResponse> {
    let response = |kind: &EventType| {
        let (subject, description) = described(*kind);
        EventTypeResponse { r#type: Name(*kind), subject_type: Name(subject), description }
    };
    let event_types = EventType::OF_MERCHANTS.iter().map(response).collect();
    Ok::<_, ApiError>(Json(EventTypesResponse { event_types }))
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new().get(
        "/v1/event-types/list",
        list,
        op("retrieve_event_types", "Read the types of events"),
    )
}
