//! Webhook endpoints: where a merchant is told of what happens.

use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use domain::decision::event::EventType;
use domain::directory::roles::Action;
use domain::kernel::ids::WebhookEndpointId;
use domain::kernel::time::minutes;
use domain::webhooks::change_endpoint::{
    DeleteWebhookEndpoint, EndpointChanges, RotateWebhookSecret, UpdateWebhookEndpoint,
};
use domain::webhooks::create_endpoint::{CreateWebhookEndpoint, TestWebhookEndpoint};
use domain::webhooks::delivery::DeliveryStatus;
use domain::webhooks::endpoint::{DisabledReason, EventTypes, Signing, WebhookEndpoint};
use networks::webhooks::url::EndpointUrl;
use store::reads::webhooks::DeliveryFilter;

use crate::api::error::ApiError;
use crate::api::extract::Ids;
use crate::api::webhook_endpoints::{DrawnSecrets, draw_secrets, reach};
use crate::app::App;
use crate::engine::Failure;
use crate::net::limits::CountPageRequest;
use crate::web::app::developers::deliveries::{Delivery, delivery, delivery_words};
use crate::web::app::developers::{
    Asked, Beside, PAGE, Place, Secret, Typed, at_fault, may_change, names, refused, render,
};
use crate::web::app::frame::{self, AppFrame, Fault, Moment};
use crate::web::app::navigation::Screen;
use crate::web::app::person::{LoggedIn, Posted};
use crate::web::app::typed::{NameField, answer};
use crate::web::language::Visitor;

/// For how long an endpoint's secrets from before sign beside a new one.
const OVERLAP_HOURS: i64 = 24;

pub(super) struct Hook {
    pub(super) id: i64,
    pub(super) url: String,
    pub(super) description: Option<String>,
    pub(super) types: String,
    pub(super) state: &'static str,
    pub(super) is_enabled: bool,
}

const fn state(endpoint: &WebhookEndpoint) -> &'static str {
    match endpoint.disabled {
        None => "on",
        Some(DisabledReason::Merchant) => "off",
        Some(DisabledReason::Gone) => "off: it answered that it is gone (410)",
        Some(DisabledReason::Failing) => "off: it failed for days",
    }
}

impl From<WebhookEndpoint> for Hook {
    fn from(endpoint: WebhookEndpoint) -> Self {
        let (state, is_enabled) = (state(&endpoint), endpoint.is_enabled());
        let types = endpoint
            .event_types
            .map(|types| types.0.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", "));
        Self {
            id: endpoint.id.0,
            url: endpoint.url,
            description: endpoint.description,
            types: types.unwrap_or_else(|| "all events".to_owned()),
            state,
            is_enabled,
        }
    }
}

fn event_types(text: &str) -> Result<Option<EventTypes>, String> {
    let mut types = vec![];
    for name in names(text) {
        types.push(EventType::parse_of_merchant(name).ok_or_else(|| name.to_owned())?);
    }
    types.sort_unstable();
    types.dedup();
    Ok((!types.is_empty()).then_some(EventTypes(types)))
}

fn secret_of(endpoint: WebhookEndpoint, shown: String) -> Secret {
    Secret {
        what: "webhook endpoint",
        name: endpoint.url,
        secret: shown,
        public_key: endpoint.public_key,
    }
}

pub(super) async fn create_hook(
    Posted { app, visitor, me, ids: [merchant], form }: Posted<1>,
) -> Result<Response, ApiError> {
    let asked = Asked { app: &app, me: &me, visitor, merchant };
    let at = match may_change(&asked).await {
        Ok(at) => at,
        Err(answer) => return answer,
    };
    let text = |name| form.field(name).unwrap_or_default().to_owned();
    let typed = Typed {
        url: text("url"),
        types: text("types"),
        description: text("description"),
        ..Typed::default()
    };
    if let Err(refused) = EndpointUrl::parse(&typed.url, reach(&app, at.merchant.mode)) {
        let fault = Fault::of_field("url", format!("This address cannot be used: {refused}."));
        return at_fault(&asked, fault, typed).await;
    }
    let types = match event_types(&typed.types) {
        Ok(types) => types,
        Err(name) => {
            let fault = Fault::of_field("types", format!("There are no events {name}."));
            return at_fault(&asked, fault, typed).await;
        }
    };
    let description = match typed.description.as_str() {
        "" => None,
        text => {
            let wrong = "A description has at most 255 characters, in one line.";
            let what = "The description";
            match (NameField { id: "description", max: 255, what, wrong }).read(text) {
                Ok(text) => Some(text),
                Err(fault) => return at_fault(&asked, fault, typed).await,
            }
        }
    };
    let signing = match answer(&form, "public_key") {
        Ok(Some(true)) => Signing::Ed25519,
        Ok(_) => Signing::Hmac,
        Err(sentence) => {
            return at_fault(&asked, Fault::of_field("public_key", sentence), typed).await;
        }
    };
    let DrawnSecrets { sealed, shown, public_key } =
        draw_secrets(&app, asked.id(), signing).await?;
    let decision = CreateWebhookEndpoint {
        merchant_id: asked.id(),
        url: typed.url.clone(),
        event_types: types,
        description,
        signing,
        public_key,
        secrets: sealed,
    };
    match me.submit(&app, Some(asked.id()), decision).await {
        Ok(endpoint) => {
            let secret = Some(secret_of(endpoint, shown));
            render(StatusCode::OK, &asked, Beside { secret, ..Beside::default() }).await
        }
        Err(failure) => refused(&asked, failure, typed).await,
    }
}

#[derive(Template)]
#[template(path = "app/webhook.html")]
struct WebhookTemplate<'a> {
    app: &'a AppFrame,
    merchant: &'a str,
    home: String,
    path: String,
    hook: Hook,
    public_key: Option<String>,
    paused: Option<Moment>,
    failing: Option<Moment>,
    statuses: Vec<(&'static str, &'static str, bool)>,
    narrows: bool,
    deliveries: Vec<Delivery>,
    older: Option<String>,
    may_change: bool,
    secret: Option<Secret>,
    fault: Fault,
}

async fn render_hook(
    status: StatusCode,
    asked: &Asked<'_>,
    id: i64,
    (secret, fault, mut place): (Option<Secret>, Fault, Place),
) -> Result<Response, ApiError> {
    let at = match asked.read().await {
        Ok(at) => at,
        Err(failure) => return asked.not_permitted(failure),
    };
    let id = WebhookEndpointId(id);
    let endpoint = at.reads.webhook_endpoint(id).await?.ok_or(ApiError::NotFound)?;
    let chosen = place.chosen(DeliveryStatus::parse);
    let fault = if fault.sentence().is_some() { fault } else { place.fault.clone() };
    let status = if status == StatusCode::OK { fault.status() } else { status };
    let filter =
        DeliveryFilter { endpoint_id: Some(id), status: chosen, ..DeliveryFilter::default() };
    let found = at.reads.webhook_deliveries(filter, place.page()).await?;
    let older = found.next_after(PAGE, |row| row.id.0);
    let path = format!("{}/webhooks/{id}", asked.path());
    let choice = |of: &DeliveryStatus| (of.as_str(), delivery_words(*of), chosen == Some(*of));
    let frame = asked.frame("Webhook endpoint", &path).of(&at, Screen::Developers);
    let template = WebhookTemplate {
        app: &frame,
        merchant: &at.merchant.name,
        home: asked.path(),
        older: place.older(&path, "status", older),
        path,
        public_key: endpoint.public_key.clone(),
        paused: asked.app.webhooks.paused_until(id).map(Moment),
        failing: endpoint.failing_since.map(Moment),
        hook: endpoint.into(),
        statuses: DeliveryStatus::ALL.iter().map(choice).collect(),
        narrows: chosen.is_some(),
        deliveries: found.rows.iter().map(delivery).collect(),
        may_change: at.rights.role.may(Action::ChangeIntegration),
        secret,
        fault,
    };
    frame::render(status, &frame, &template)
}

pub(super) async fn show_hook(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant, id]): Ids<2>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let asked = Asked { app: &app, me: &me, visitor, merchant };
    let beside = (None, Fault::default(), Place::of(&uri, "status"));
    render_hook(StatusCode::OK, &asked, id, beside).await
}

/// The endpoint's page after a change, or again with why it was refused.
async fn after_change(
    asked: &Asked<'_>,
    id: i64,
    done: Result<(), Failure>,
) -> Result<Response, ApiError> {
    let here = format!("{}/webhooks/{id}", asked.path());
    let Err(failure) = done else {
        asked.app.webhooks.wake(WebhookEndpointId(id));
        return Ok(frame::lead_to(&here));
    };
    let page = async |status, sentence| {
        let beside = (None, Fault::of_page(sentence), Place::default());
        render_hook(status, asked, id, beside).await
    };
    frame::refused(failure, &here)?.answer_read(page).await
}

async fn enable(asked: &Asked<'_>, id: i64, enabled: bool) -> Result<Response, ApiError> {
    let decision = UpdateWebhookEndpoint {
        merchant_id: asked.id(),
        endpoint_id: WebhookEndpointId(id),
        changes: EndpointChanges { enabled: Some(enabled), ..EndpointChanges::default() },
    };
    let done = asked.me.submit(asked.app, Some(asked.id()), decision).await.map(drop);
    after_change(asked, id, done).await
}

pub(super) async fn enable_hook(
    Posted { app, visitor, me, ids: [merchant, id], .. }: Posted<2>,
) -> Result<Response, ApiError> {
    enable(&Asked { app: &app, me: &me, visitor, merchant }, id, true).await
}

pub(super) async fn disable_hook(
    Posted { app, visitor, me, ids: [merchant, id], .. }: Posted<2>,
) -> Result<Response, ApiError> {
    enable(&Asked { app: &app, me: &me, visitor, merchant }, id, false).await
}

pub(super) async fn test_hook(
    Posted { app, visitor, me, ids: [merchant, id], .. }: Posted<2>,
) -> Result<Response, ApiError> {
    let asked = Asked { app: &app, me: &me, visitor, merchant };
    let endpoint_id = WebhookEndpointId(id);
    let decision = TestWebhookEndpoint { merchant_id: asked.id(), endpoint_id };
    let done = me.submit(&app, Some(asked.id()), decision).await.map(drop);
    after_change(&asked, id, done).await
}

pub(super) async fn delete_hook(
    Posted { app, visitor, me, ids: [merchant, id], .. }: Posted<2>,
) -> Result<Response, ApiError> {
    let asked = Asked { app: &app, me: &me, visitor, merchant };
    let endpoint_id = WebhookEndpointId(id);
    let decision = DeleteWebhookEndpoint { merchant_id: asked.id(), endpoint_id };
    match me.submit(&app, Some(asked.id()), decision).await {
        Ok(_) => Ok(frame::lead_to(&asked.path())),
        Err(failure) => after_change(&asked, id, Err(failure)).await,
    }
}

pub(super) async fn rotate_hook(
    Posted { app, visitor, me, ids: [merchant, id], .. }: Posted<2>,
) -> Result<Response, ApiError> {
    let asked = Asked { app: &app, me: &me, visitor, merchant };
    let at = match may_change(&asked).await {
        Ok(at) => at,
        Err(answer) => return answer,
    };
    let endpoint_id = WebhookEndpointId(id);
    let endpoint = at.reads.webhook_endpoint(endpoint_id).await?.ok_or(ApiError::NotFound)?;
    let known = at.reads.webhook_secrets(endpoint_id).await?;
    let drawn = draw_secrets(&app, asked.id(), endpoint.signing).await?;
    let decision = RotateWebhookSecret {
        merchant_id: asked.id(),
        endpoint_id,
        secrets: drawn.sealed,
        public_key: drawn.public_key,
        overlap_us: minutes(OVERLAP_HOURS * 60),
        known,
        as_of: endpoint.updated_at,
    };
    match me.submit(&app, Some(asked.id()), decision).await {
        Ok(endpoint) => {
            let beside =
                (Some(secret_of(endpoint, drawn.shown)), Fault::default(), Place::default());
            render_hook(StatusCode::OK, &asked, id, beside).await
        }
        Err(failure) => after_change(&asked, id, Err(failure)).await,
    }
}
