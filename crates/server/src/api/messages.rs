//! The messages of webhooks: what a merchant is told of an event.

use std::sync::Arc;

use domain::decision::event::{Event, EventEntity, EventType};
use domain::exceptions::review::{Review, ReviewKind, ReviewStatus};
use domain::payments::attempt::WithAttempt;
use domain::webhooks::subject::{MessageWriter, Subject};
use schemars::{JsonSchema, Schema, json_schema};
use serde::Serialize;

use crate::api::api_keys::ApiKeyResponse;
use crate::api::executions::ExecutionResponse;
use crate::api::fields::{Code, Name, Schemas};
use crate::api::payment_links::PaymentLinkResponse;
use crate::api::response::{Amount, Time};
use crate::api::sessions::responses::SessionResponse;
use crate::api::sources::responses::SourceResponse;
use crate::api::wallets::WalletResponse;
use crate::api::webhook_endpoints::WebhookEndpointResponse;

crate::api_names! { ReviewKind ReviewStatus }

/// The version of the messages. It is raised when a field changes its meaning or goes.
const API_VERSION: &str = "1";

/// What a merchant is told of an event.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WebhookMessage")]
pub struct Message {
    /// The id of the event, the same in every attempt and to every endpoint.
    id: i64,
    r#type: Name<EventType>,
    /// When it happened.
    timestamp: Time,
    /// Its place among the events of its object, from 1, without gaps. Messages may arrive in another
    /// order: whoever has seen a higher one drops this.
    sequence: i64,
    api_version: &'static str,
    data: MessageData,
}

/// The object of an event.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WebhookMessageData")]
struct MessageData {
    /// The object as it was when the event happened.
    object: Object,
    /// The status that it had before; `null` if that has not changed.
    previous_status: Option<&'static str>,
}

#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "WebhookObject")]
enum Object {
    Execution(Box<ExecutionResponse>),
    Session(SessionResponse),
    Source(SourceResponse),
    Wallet(WalletResponse),
    Review(ReviewResponse),
    PaymentLink(PaymentLinkResponse),
    WebhookEndpoint(WebhookEndpointResponse),
    ApiKey(ApiKeyResponse),
}

/// A case that the operator of the server decides.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ReviewAnswer")]
pub struct ReviewResponse {
    id: i64,
    payment_intent_id: i64,
    kind: Name<ReviewKind>,
    status: Name<ReviewStatus>,
    /// What is in question: above zero was found, below zero is missing.
    amount: Amount,
    currency: Code,
    resolution: Option<String>,
    /// Of a dispute: the network's own word for its state, like `needs_response`.
    dispute_status: Option<String>,
    /// Of a dispute: the network's own word for why, like `fraudulent`.
    dispute_reason: Option<String>,
    /// Of a dispute: how much is disputed, in `currency`, also before the network withdraws it.
    dispute_amount: Option<Amount>,
    /// Of a dispute: until when it can be answered; `null` where that is not known, or is over.
    dispute_due_at: Option<Time>,
    /// Of a dispute: how many pieces of evidence were noted.
    dispute_evidence_count: Option<i64>,
    created_at: Time,
    resolved_at: Option<Time>,
}

impl ReviewResponse {
    pub const fn id(&self) -> i64 {
        self.id
    }
}

impl From<&Review> for ReviewResponse {
    fn from(review: &Review) -> Self {
        Self {
            id: review.id.0,
            payment_intent_id: review.execution_id.0,
            kind: Name(review.kind),
            status: Name(review.status),
            amount: Amount(review.amount),
            currency: Code(review.amount.currency),
            resolution: review.resolution.clone(),
            dispute_status: review.dispute_status.clone(),
            dispute_reason: review.dispute_reason.clone(),
            dispute_amount: review.disputed().map(Amount),
            dispute_due_at: review.dispute_due_at.map(Time::from),
            dispute_evidence_count: (review.kind == ReviewKind::Dispute)
                .then_some(review.dispute_notes),
            created_at: Time::from(review.created_at),
            resolved_at: review.resolved_at.map(Time::from),
        }
    }
}

impl Message {
    #[must_use]
    pub fn new(
        event: &Event,
        subject: &Subject,
        previous_status: Option<&'static str>,
        public_url: &str,
    ) -> Self {
        Self {
            id: event.id.0,
            r#type: Name(event.kind),
            timestamp: Time::from(event.created_at),
            sequence: event.sequence,
            api_version: API_VERSION,
            data: MessageData { object: Object::new(subject, public_url), previous_status },
        }
    }

    #[must_use]
    pub fn to_json(&self) -> String {
        // Only maps with keys that are no texts fail, and there are none.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The schema of what messages of a type have as their object.
#[must_use]
pub fn object_schema(about: EventEntity, schemas: &mut Schemas) -> Schema {
    match about {
        EventEntity::Execution => schemas.subschema_for::<ExecutionResponse>(),
        EventEntity::Session => schemas.subschema_for::<SessionResponse>(),
        EventEntity::Source => schemas.subschema_for::<SourceResponse>(),
        EventEntity::Wallet => schemas.subschema_for::<WalletResponse>(),
        EventEntity::Review => schemas.subschema_for::<ReviewResponse>(),
        EventEntity::PaymentLink => schemas.subschema_for::<PaymentLinkResponse>(),
        EventEntity::ApiKey => schemas.subschema_for::<ApiKeyResponse>(),
        EventEntity::WebhookEndpoint => schemas.subschema_for::<WebhookEndpointResponse>(),
        // No merchant is told of it.
        EventEntity::Tariff | EventEntity::Statement => json_schema!({ "type": "object" }),
    }
}

impl Object {
    fn new(subject: &Subject, public_url: &str) -> Self {
        match subject {
            Subject::Session { session, source_type, time } => {
                Self::Session(SessionResponse::new((**session).clone(), *source_type, *time))
            }
            Subject::Execution(found) => Self::Execution(Box::new(without_secret(found).into())),
            Subject::Source { source, merchant } => {
                Self::Source(SourceResponse::new((**source).clone(), merchant))
            }
            Subject::Wallet(wallet) => Self::Wallet((**wallet).clone().into()),
            Subject::Review(review) => Self::Review((&**review).into()),
            Subject::PaymentLink { link, time } => {
                Self::PaymentLink(PaymentLinkResponse::new((**link).clone(), *time, public_url))
            }
            Subject::WebhookEndpoint(endpoint) => {
                Self::WebhookEndpoint((**endpoint).clone().into())
            }
            Subject::ApiKey(key) => Self::ApiKey((**key).clone().into()),
        }
    }
}

/// The execution without what lets a payer's browser act.
fn without_secret(found: &WithAttempt) -> WithAttempt {
    let mut found = found.clone();
    if let Some(attempt) = &mut found.attempt {
        attempt.client_secret = None;
    }
    found
}

/// Writes messages. Links in them begin with `public_url`.
#[must_use]
pub fn writer(
    public_url: String,
    written: impl Fn() + Send + Sync + 'static,
) -> Arc<MessageWriter> {
    Arc::new(move |event, subject, previous_status| {
        written();
        Message::new(event, subject, previous_status, &public_url).to_json()
    })
}
