//! Deliveries of webhooks: what was told, and what the endpoints said.

use axum::Json;
use axum::extract::State;
use domain::decision::event::EventType;
use domain::directory::roles::Action;
use domain::kernel::ids::{ExecutionId, WebhookDeliveryId, WebhookEndpointId};
use domain::webhooks::attempt::WebhookAttempt;
use domain::webhooks::delivery::{DeliveryStatus, WebhookDelivery};
use domain::webhooks::resend::ResendDeliveries;
use schemars::JsonSchema;
use serde::Serialize;
use store::reads::webhooks::DeliveryFilter;

use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::extract::{Ids, Query};
use crate::api::fields::{Id, Name};
use crate::api::listing::Listing;
use crate::api::response::{JsonResult, Limit, ListResult, Time, page};
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::principal::Tenant;
use crate::payload;

crate::api_names! { DeliveryStatus }

payload! {
    /// The filter of deliveries.
    pub struct ListWebhookDeliveries {
        /// Only deliveries to this endpoint.
        endpoint_id: Option<Id>,
        /// Only deliveries in this state.
        status: Option<DeliveryStatus>,
        /// Only deliveries of events of this type.
        r#type: Option<EventType>,
        /// Only deliveries about this execution, which is the payment intent of the same id.
        execution_id: Option<Id>,
        /// The maximum number of entries in the answer.
        limit: Option<Limit>,
        /// The id of the last entry of the previous page.
        after_id: Option<Id>,
    }
}

/// A delivery of an event to an endpoint.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WebhookDeliveryAnswer")]
pub struct WebhookDeliveryResponse {
    id: i64,
    endpoint_id: i64,
    event_id: i64,
    r#type: Name<EventType>,
    execution_id: Option<i64>,
    /// `PENDING` (not tried yet), `DELIVERED`, `FAILED` (another attempt follows) or `DEAD`.
    status: Name<DeliveryStatus>,
    /// How many attempts were made.
    attempts: i64,
    next_attempt_at: Option<Time>,
    created_at: Time,
    updated_at: Time,
}

/// A delivery with its last 50 attempts, the newest one last.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WebhookDeliveryDetailAnswer")]
pub struct WebhookDeliveryDetailResponse {
    #[serde(flatten)]
    delivery: WebhookDeliveryResponse,
    tries: Vec<WebhookAttemptResponse>,
}

/// An attempt to deliver.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WebhookAttemptAnswer")]
struct WebhookAttemptResponse {
    number: i64,
    begun_at: Time,
    duration_ms: i64,
    /// The status of the endpoint's answer; `null` where there was none.
    response_status: Option<i64>,
    /// The beginning of the endpoint's answer, at most 4 KiB, or why there was none.
    response: String,
}

impl From<WebhookDelivery> for WebhookDeliveryResponse {
    fn from(row: WebhookDelivery) -> Self {
        Self {
            id: row.id.0,
            endpoint_id: row.endpoint_id.0,
            event_id: row.event_id.0,
            r#type: Name(row.kind),
            execution_id: row.execution_id.map(|id| id.0),
            status: Name(row.status),
            attempts: row.attempts,
            // While it is under way, that is when its lease runs out.
            next_attempt_at: row.next_attempt_at.filter(|_| !row.is_under_way).map(Time::from),
            created_at: Time::from(row.created_at),
            updated_at: Time::from(row.updated_at),
        }
    }
}

impl From<WebhookAttempt> for WebhookAttemptResponse {
    fn from(row: WebhookAttempt) -> Self {
        Self {
            number: row.number,
            begun_at: Time::from(row.attempted.begun_at),
            duration_ms: row.attempted.duration_us / 1_000,
            response_status: row.attempted.status,
            response: row.attempted.said,
        }
    }
}

async fn list_all(
    State(app): State<App>,
    listing: Listing,
    Query(query): Query<ListWebhookDeliveries>,
) -> ListResult<WebhookDeliveryResponse> {
    let page = page(query.limit, query.after_id);
    let filter = DeliveryFilter {
        endpoint_id: query.endpoint_id.map(|id| WebhookEndpointId(id.0)),
        execution_id: query.execution_id.map(|id| ExecutionId(id.0)),
        status: query.status,
        kind: query.r#type,
    };
    let found = listing
        .tenant
        .reads(&app, Action::ReadIntegration)?
        .webhook_deliveries(filter, page)
        .await?;
    listing.respond(page, found, WebhookDeliveryResponse::from, |row| row.id)
}

async fn retrieve(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
) -> JsonResult<WebhookDeliveryDetailResponse> {
    let reads = tenant.reads(&app, Action::ReadIntegration)?;
    let id = WebhookDeliveryId(id);
    let delivery = reads.webhook_delivery(id).await?.ok_or(ApiError::NotFound)?;
    let tries = reads.webhook_attempts(id).await?;
    Ok(Json(WebhookDeliveryDetailResponse {
        delivery: delivery.into(),
        tries: tries.into_iter().map(Into::into).collect(),
    }))
}

async fn resend(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
) -> JsonResult<WebhookDeliveryResponse> {
    let command = ResendDeliveries {
        merchant_id: tenant.id(),
        ids: vec![WebhookDeliveryId(id)],
        even_delivered: true,
    };
    let rows = app.engine.submit(tenant.caller, command).await?;
    let row = rows.into_iter().next().ok_or(ApiError::NotFound)?;
    app.webhooks.wake(row.endpoint_id);
    Ok(Json(row.into()))
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .get(
            "/v1/webhook-deliveries/list",
            list_all,
            op("list_webhook_deliveries", "List deliveries of webhooks").details(
                "Those that arrived are kept for 30 days, those that were given up for 90.",
            ),
        )
        .get(
            "/v1/webhook-deliveries/retrieve/{id}",
            retrieve,
            op("retrieve_webhook_delivery", "Read a delivery with its attempts"),
        )
        .post(
            "/v1/webhook-deliveries/resend/{id}",
            resend,
            op("resend_webhook_delivery", "Deliver once more")
                .details("Also what was given up, or has arrived. Asking twice delivers once."),
        )
}
