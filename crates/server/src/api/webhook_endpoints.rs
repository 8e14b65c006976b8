//! Webhook endpoints: where a merchant is told what happens.

use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, HeaderName};
use domain::decision::event::EventType;
use domain::directory::merchant::Merchant;
use domain::directory::roles::Action;
use domain::kernel::ids::{MerchantId, WebhookDeliveryId, WebhookEndpointId};
use domain::kernel::names::Mode;
use domain::kernel::patch::Patch;
use domain::kernel::refusal::Refusal;
use domain::kernel::time::{MerchantTime, ServerTime, minutes};
use domain::webhooks::change_endpoint::{
    DeleteWebhookEndpoint, EndpointChanges, RotateWebhookSecret,
};
use domain::webhooks::create_endpoint::TestWebhookEndpoint;
use domain::webhooks::endpoint::{DisabledReason, EventTypes, Signing, WebhookEndpoint};
use domain::webhooks::resend::ResendDeliveries;
use domain::webhooks::secret::NewWebhookSecret;
use domain::webhooks::{change_endpoint, create_endpoint};
use networks::webhooks::address::Reach;
use networks::webhooks::signature::{Ed25519Secret, HmacSecret};
use networks::webhooks::url::EndpointUrl;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use store::clock;

use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::extract::{Body, Ids, OptionalBody, Query};
use crate::api::fields::{Fault, FaultKind, Id, Int, List, Name, Part, Text};
use crate::api::listing::Listing;
use crate::api::response::{JsonResult, Limit, ListResult, Time, page};
use crate::api::routes::Routes;
use crate::app::App;
use crate::credentials::sealing::SealingKey;
use crate::engine::Failure;
use crate::net::principal::Tenant;
use crate::payload;

crate::api_names! { Signing DisabledReason }

/// How many types of events there may be in a filter.
const TYPES_MAX: usize = 64;
/// How many deliveries are found and made due again at once, and by one call.
const RECOVERED_AT_ONCE: u32 = 50;
const RECOVERED_MAX: i64 = 5_000;
/// How often a rotation is tried that meets another one.
const ROTATE_TRIES: u32 = 5;

payload! {
    /// Creates a webhook endpoint.
    pub struct CreateWebhookEndpoint {
        /// Where messages are posted to: `https`, with a host that has a public address.
        url: Text<2048>,
        /// Which events it is told; absent or `null` for all, those of later releases included.
        event_types: Option<List<EventType, 1, TYPES_MAX>>,
        /// What it is for, for people.
        description: Option<Text<255>>,
        /// `HMAC` by default. With `ED25519` messages are signed by a key of which the answer has the
        /// public half, too.
        signing: Option<Signing>,
    }

    /// Changes a webhook endpoint. Absent fields stay as they are; `null` clears a field that may be
    /// empty.
    pub struct UpdateWebhookEndpoint {
        /// Where messages are posted to.
        url: Option<Text<2048>>,
        /// Which events it is told; `null` for all.
        event_types: Patch<List<EventType, 1, TYPES_MAX>>,
        /// What it is for, for people.
        description: Patch<Text<255>>,
        /// Whether it is told anything. What happens while it is not is not told later.
        enabled: Option<bool>,
    }

    /// Gives a webhook endpoint another secret.
    pub struct RotateSecret {
        /// For how many hours the secrets from before sign, too; 24 by default.
        overlap_hours: Option<Int<0, 168>>,
    }

    /// Delivers again what failed.
    pub struct Recover {
        /// Deliveries made since then.
        since: MerchantTime,
    }

    /// The page of webhook endpoints.
    pub struct ListWebhookEndpoints {
        /// The maximum number of entries in the answer.
        limit: Option<Limit>,
        /// The id of the last entry of the previous page.
        after_id: Option<Id>,
    }
}

/// A webhook endpoint, without its secret.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WebhookEndpointAnswer")]
pub struct WebhookEndpointResponse {
    id: i64,
    url: String,
    /// `null` for all.
    event_types: Option<Vec<Name<EventType>>>,
    description: Option<String>,
    enabled: bool,
    /// Why it is not enabled: `MERCHANT`, `GONE` (it answered 410) or `FAILING` (for five days).
    disabled_reason: Option<Name<DisabledReason>>,
    signing: Name<Signing>,
    /// By which `ED25519` signatures are verified.
    public_key: Option<String>,
    /// Until when it is left alone, because it failed many times in a row; as the process knows that
    /// answers. `update`, `test`, `resend` and `recover` end the pause.
    paused_until: Option<Time>,
    created_at: Time,
    updated_at: Time,
}

/// A webhook endpoint with its new secret. Only this answer has it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WebhookEndpointWithSecretAnswer")]
pub struct WithSecretResponse {
    #[serde(flatten)]
    endpoint: WebhookEndpointResponse,
    secret: String,
}

/// A test of a webhook endpoint.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WebhookTestAnswer")]
pub struct TestResponse {
    /// The event that is sent.
    event_id: i64,
}

/// How many deliveries are made again.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WebhookRecoveryAnswer")]
pub struct RecoveryResponse {
    deliveries: i64,
    /// Whether there are more: call again.
    has_more: bool,
}

impl From<WebhookEndpoint> for WebhookEndpointResponse {
    fn from(row: WebhookEndpoint) -> Self {
        let is_enabled = row.is_enabled();
        Self {
            id: row.id.0,
            url: row.url,
            event_types: row.event_types.map(|types| types.0.into_iter().map(Name).collect()),
            description: row.description,
            enabled: is_enabled,
            disabled_reason: row.disabled.map(Name),
            signing: Name(row.signing),
            public_key: row.public_key,
            paused_until: None,
            created_at: Time::from(row.created_at),
            updated_at: Time::from(row.updated_at),
        }
    }
}

/// The endpoint, and whether it is left alone for a while.
fn answered(row: WebhookEndpoint, app: &App) -> WebhookEndpointResponse {
    let paused_until = app.webhooks.paused_until(row.id).map(Time::from);
    WebhookEndpointResponse { paused_until, ..row.into() }
}

fn event_types(types: List<EventType, 1, TYPES_MAX>) -> EventTypes {
    let mut types = types.0;
    types.sort_unstable();
    types.dedup();
    EventTypes(types)
}

/// Where a merchant's webhooks may go.
#[must_use]
pub fn reach(app: &App, mode: Mode) -> Reach {
    if mode == Mode::Sandbox && app.webhooks.may_be_private() {
        Reach::PrivateToo
    } else {
        Reach::Public
    }
}

fn check_url(app: &App, merchant: &Merchant, url: &str) -> Result<(), ApiError> {
    EndpointUrl::parse(url, reach(app, merchant.mode)).map(drop).map_err(|refused| {
        let loc = [Part::Name("body"), Part::Name("url")];
        ApiError::Invalid(vec![Fault::at(&loc, FaultKind::EndpointUrl(refused))])
    })
}

/// Secrets of an endpoint that were drawn, and what the merchant gets of them.
pub struct DrawnSecrets {
    pub sealed: Vec<NewWebhookSecret>,
    pub shown: String,
    pub public_key: Option<String>,
}

/// Draws secrets and seals them with the key that is not in the database.
///
/// # Errors
/// 503 without that key.
pub async fn draw_secrets(
    app: &App,
    merchant: MerchantId,
    signing: Signing,
) -> Result<DrawnSecrets, ApiError> {
    let failed = |error: anyhow::Error| ApiError::Unavailable(format!("{error:#}"));
    let key = app.key_to_seal_with().await?;
    let seal = |key: &SealingKey, signing: Signing, secret: &str| {
        key.seal_webhook(merchant, signing, secret).map_err(failed)
    };
    let bytes = clock::random::<32>().map_err(|error| failed(error.into()))?;
    let hmac = HmacSecret::from_bytes(&bytes);
    let shown = hmac.text();
    let mut sealed = vec![seal(&key, Signing::Hmac, &shown)?];
    let mut public_key = None;
    if signing == Signing::Ed25519 {
        let seed = clock::random::<32>().map_err(|error| failed(error.into()))?;
        let pair = Ed25519Secret::from_seed(&seed)
            .map_err(|refused| ApiError::internal(refused.to_string()))?;
        public_key = Some(pair.public_key());
        sealed.push(seal(&key, Signing::Ed25519, &store::hex::hex(&seed))?);
    }
    Ok(DrawnSecrets { sealed, shown, public_key })
}

type WithSecret = ([(HeaderName, &'static str); 1], Json<WithSecretResponse>);

fn with_secret(row: WebhookEndpoint, secret: String) -> WithSecret {
    let answer = WithSecretResponse { endpoint: row.into(), secret };
    ([(CACHE_CONTROL, "no-store")], Json(answer))
}

/// The path of a creation has no id: what is refused is what the URL would be.
fn on_url(failure: Failure) -> ApiError {
    ApiError::on_fields(|_| Some("url"))(failure)
}

async fn create(
    State(app): State<App>,
    tenant: Tenant,
    Body(payload): Body<CreateWebhookEndpoint>,
) -> Result<WithSecret, ApiError> {
    check_url(&app, &tenant.merchant, &payload.url.0)?;
    let signing = payload.signing.unwrap_or(Signing::Hmac);
    let drawn = draw_secrets(&app, tenant.id(), signing).await?;
    let command = create_endpoint::CreateWebhookEndpoint {
        merchant_id: tenant.id(),
        url: payload.url.0,
        event_types: payload.event_types.map(event_types),
        description: payload.description.map(|text| text.0),
        signing,
        public_key: drawn.public_key,
        secrets: drawn.sealed,
    };
    let row = app.engine.submit(tenant.caller, command).await.map_err(on_url)?;
    Ok(with_secret(row, drawn.shown))
}

async fn list_all(
    State(app): State<App>,
    listing: Listing,
    Query(query): Query<ListWebhookEndpoints>,
) -> ListResult<WebhookEndpointResponse> {
    let page = page(query.limit, query.after_id);
    let found =
        listing.tenant.reads(&app, Action::ReadIntegration)?.webhook_endpoints(page).await?;
    listing.respond(page, found, |row| answered(row, &app), |row| row.id)
}

/// This merchant's endpoint of that id.
async fn by_id(app: &App, tenant: &Tenant, id: i64) -> Result<WebhookEndpoint, ApiError> {
    let found =
        tenant.reads(app, Action::ReadIntegration)?.webhook_endpoint(WebhookEndpointId(id)).await?;
    found.ok_or(ApiError::NotFound)
}

async fn retrieve(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
) -> JsonResult<WebhookEndpointResponse> {
    Ok(Json(answered(by_id(&app, &tenant, id).await?, &app)))
}

async fn update(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
    Body(payload): Body<UpdateWebhookEndpoint>,
) -> JsonResult<WebhookEndpointResponse> {
    if let Some(url) = &payload.url {
        check_url(&app, &tenant.merchant, &url.0)?;
    }
    let changes = EndpointChanges {
        url: payload.url.map(|url| url.0),
        event_types: payload.event_types.map(event_types),
        description: payload.description.map(|text| text.0),
        enabled: payload.enabled,
    };
    let command = change_endpoint::UpdateWebhookEndpoint {
        merchant_id: tenant.id(),
        endpoint_id: WebhookEndpointId(id),
        changes,
    };
    let row = app.engine.submit(tenant.caller, command).await?;
    app.webhooks.wake(row.id);
    Ok(Json(row.into()))
}

async fn rotate_secret(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
    OptionalBody(payload): OptionalBody<RotateSecret>,
) -> Result<WithSecret, ApiError> {
    let hours = payload.overlap_hours.map_or(24, |hours| hours.0);
    let mut tries = 0;
    loop {
        let endpoint = by_id(&app, &tenant, id).await?;
        let known =
            tenant.reads(&app, Action::ReadIntegration)?.webhook_secrets(endpoint.id).await?;
        let drawn = draw_secrets(&app, tenant.id(), endpoint.signing).await?;
        let command = RotateWebhookSecret {
            merchant_id: tenant.id(),
            endpoint_id: endpoint.id,
            secrets: drawn.sealed,
            public_key: drawn.public_key,
            overlap_us: minutes(hours * 60),
            known,
            as_of: endpoint.updated_at,
        };
        tries += 1;
        match app.engine.submit(tenant.caller, command).await {
            Ok(row) => return Ok(with_secret(row, drawn.shown)),
            // Somebody else has rotated it meanwhile.
            Err(Failure::Refused(reasons))
                if tries < ROTATE_TRIES && reasons.contains(&Refusal::EndpointChanged) => {}
            Err(failure) => return Err(failure.into()),
        }
    }
}

async fn delete(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
) -> JsonResult<WebhookEndpointResponse> {
    let command =
        DeleteWebhookEndpoint { merchant_id: tenant.id(), endpoint_id: WebhookEndpointId(id) };
    Ok(Json(app.engine.submit(tenant.caller, command).await?.into()))
}

async fn test(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
) -> JsonResult<TestResponse> {
    let command =
        TestWebhookEndpoint { merchant_id: tenant.id(), endpoint_id: WebhookEndpointId(id) };
    let event_id = app.engine.submit(tenant.caller, command).await?;
    app.webhooks.wake(WebhookEndpointId(id));
    Ok(Json(TestResponse { event_id }))
}

async fn recover(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
    Body(payload): Body<Recover>,
) -> JsonResult<RecoveryResponse> {
    let endpoint = by_id(&app, &tenant, id).await?;
    let since = ServerTime(payload.since.0);
    let mut after = WebhookDeliveryId(0);
    let mut deliveries = 0;
    let mut has_more = false;
    loop {
        let reads = tenant.reads(&app, Action::ReadIntegration)?;
        let ids = reads.failed_deliveries(endpoint.id, since, after, RECOVERED_AT_ONCE).await?;
        let Some(last) = ids.last() else { break };
        after = *last;
        let command = ResendDeliveries { merchant_id: tenant.id(), ids, even_delivered: false };
        let resent = app.engine.submit(tenant.caller, command).await?.len();
        deliveries += i64::try_from(resent).unwrap_or(0);
        if deliveries >= RECOVERED_MAX {
            has_more = true;
            break;
        }
    }
    app.webhooks.wake(endpoint.id);
    Ok(Json(RecoveryResponse { deliveries, has_more }))
}

#[must_use]
pub fn routes() -> Routes {
    let example = json!({
        "url": "https://shop.example/hooks",
        "event_types": ["execution.completed", "execution.failed"],
    });
    Routes::new()
        .post(
            "/v1/webhook-endpoints/create",
            create,
            op("create_webhook_endpoint", "Create a webhook endpoint")
                .details(
                    "From now on events are posted to it, signed as Standard Webhooks has it. Only this \
                     answer has the secret. At most 16 endpoints.",
                )
                .example(example),
        )
        .get(
            "/v1/webhook-endpoints/list",
            list_all,
            op("list_webhook_endpoints", "List webhook endpoints"),
        )
        .get(
            "/v1/webhook-endpoints/retrieve/{id}",
            retrieve,
            op("retrieve_webhook_endpoint", "Read a webhook endpoint"),
        )
        .put(
            "/v1/webhook-endpoints/update/{id}",
            update,
            op("update_webhook_endpoint", "Change a webhook endpoint")
                .example(json!({ "enabled": true, "event_types": null })),
        )
        .post(
            "/v1/webhook-endpoints/rotate-secret/{id}",
            rotate_secret,
            op("rotate_webhook_secret", "Give a webhook endpoint another secret")
                .details(
                    "Those from before sign beside it until the overlap ends. Only this answer has the \
                     secret.",
                )
                .example(json!({ "overlap_hours": 24 })),
        )
        .post(
            "/v1/webhook-endpoints/delete/{id}",
            delete,
            op("delete_webhook_endpoint", "Delete a webhook endpoint")
                .details("What was not delivered yet is not delivered."),
        )
        .post(
            "/v1/webhook-endpoints/test/{id}",
            test,
            op("test_webhook_endpoint", "Send a test to a webhook endpoint")
                .details("The event `webhook.test` is delivered to this endpoint alone."),
        )
        .post(
            "/v1/webhook-endpoints/recover/{id}",
            recover,
            op("recover_webhook_endpoint", "Deliver again what failed")
                .details("Deliveries that have failed, of those made since the time, are tried again now.")
                .example(json!({ "since": "2026-11-28T00:00:00Z" })),
        )
}
