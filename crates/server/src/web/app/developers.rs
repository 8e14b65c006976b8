//! `/app/developers/{merchant}`: API keys, webhooks with their deliveries, events and the last
//! requests, for who connects programs.

use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use domain::decision::event::Actor;
use domain::decision::event::EventType;
use domain::directory::api_keys::{CreateApiKey, RevokeApiKey};
use domain::directory::merchant::ApiKey;
use domain::directory::roles::{Action, Operations, Rights, Role};
use domain::kernel::ids::{ApiKeyId, MerchantId, WebhookDeliveryId, WebhookEndpointId};
use domain::kernel::names::Mode;
use domain::kernel::time::minutes;
use domain::webhooks::change_endpoint::{
    DeleteWebhookEndpoint, EndpointChanges, RotateWebhookSecret, UpdateWebhookEndpoint,
};
use domain::webhooks::create_endpoint::{CreateWebhookEndpoint, TestWebhookEndpoint};
use domain::webhooks::delivery::{DeliveryStatus, WebhookDelivery};
use domain::webhooks::endpoint::{DisabledReason, EventTypes, Signing, WebhookEndpoint};
use domain::webhooks::resend::ResendDeliveries;
use networks::webhooks::url::EndpointUrl;
use serde_json::json;
use store::reads::events::EventFilter;
use store::reads::pages::Page;
use store::reads::webhooks::DeliveryFilter;

use crate::api::OPERATION_IDS;
use crate::api::error::ApiError;
use crate::api::extract::Ids;
use crate::api::fields::{FromValue, Text};
use crate::api::routes::Routes;
use crate::api::webhook_endpoints::{DrawnSecrets, draw_secrets, reach};
use crate::app::App;
use crate::credentials::secrets::NewKey;
use crate::engine::Failure;
use crate::net::limits::CountPageRequest;
use crate::web::app::approvals::{Names, name_of};
use crate::web::app::frame::{self, AppFrame, Fault, Moment};
use crate::web::app::navigation::Screen;
use crate::web::app::payouts::team_names;
use crate::web::app::person::{AtMerchant, LoggedIn};
use crate::web::form::Form;
use crate::web::language::Visitor;

/// How many rows stand on a page.
const PAGE: u32 = 50;
/// For how long an endpoint's secrets from before sign beside a new one.
const OVERLAP_HOURS: i64 = 24;

/// Who looks at which merchant's page.
struct Asked<'a> {
    app: &'a App,
    me: &'a LoggedIn,
    visitor: Visitor,
    merchant: i64,
}

impl<'a> Asked<'a> {
    fn path(&self) -> String {
        format!("/app/developers/{}", self.merchant)
    }

    fn id(&self) -> MerchantId {
        MerchantId(self.merchant)
    }

    async fn read(&self) -> Result<AtMerchant<'a>, Failure> {
        self.me.at_merchant(self.app, self.merchant, Action::ReadIntegration).await
    }

    fn not_permitted(&self, failure: Failure) -> Result<Response, ApiError> {
        self.me.not_permitted(failure, self.visitor.clone(), &self.path())
    }

    fn frame(&self, title: &str, path: &str) -> AppFrame {
        self.me.frame(self.visitor.clone(), title).at(path)
    }
}

/// The place in a list, and one filter of it, as they stand in the address.
#[derive(Default)]
struct Place {
    after: Option<i64>,
    filter: String,
}

impl Place {
    fn of(uri: &Uri, name: &str) -> Self {
        let mut place = Self::default();
        for (field, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            match field.as_ref() {
                "after" => place.after = value.parse().ok(),
                other if other == name => value.trim().clone_into(&mut place.filter),
                _ => {}
            }
        }
        place
    }

    fn page(&self) -> Page {
        Page { limit: PAGE, after_id: self.after }
    }

    /// The address of what is older.
    fn older(&self, path: &str, name: &str, after: Option<i64>) -> Option<String> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if !self.filter.is_empty() {
            query.append_pair(name, &self.filter);
        }
        query.append_pair("after", &after?.to_string());
        Some(format!("{path}?{}", query.finish()))
    }
}

#[derive(Template)]
#[template(path = "app/developers.html")]
struct DevelopersTemplate<'a> {
    app: &'a AppFrame,
    merchant: &'a str,
    path: String,
    keys: Vec<Key>,
    older: Option<String>,
    hooks: Vec<Hook>,
    may_change: bool,
    /// Whether no real money moves.
    is_sandbox: bool,
    roles: Vec<Role>,
    secret: Option<Secret>,
    fault: Fault,
    typed: Typed,
}

#[derive(Default)]
struct Typed {
    role: String,
    operations: String,
    url: String,
    types: String,
    description: String,
}

/// What is shown once.
struct Secret {
    what: &'static str,
    name: String,
    secret: String,
    public_key: Option<String>,
}

struct Key {
    id: i64,
    client_id: String,
    role: &'static str,
    operations: Option<String>,
    created: Moment,
    by: String,
    revoked: Option<Moment>,
}

impl Key {
    fn new(key: ApiKey, names: &Names) -> Self {
        Self {
            by: name_of(key.made_by.unwrap_or(Actor::Operator), names),
            id: key.id.0,
            client_id: key.client_id,
            role: key.rights.role.as_str(),
            operations: key.rights.operations.map(|operations| operations.names().join(", ")),
            created: Moment(key.created_at),
            revoked: key.revoked_at.map(Moment),
        }
    }
}

struct Hook {
    id: i64,
    url: String,
    description: Option<String>,
    types: String,
    state: &'static str,
    is_enabled: bool,
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

/// What the page says beside its rows.
#[derive(Default)]
struct Beside {
    secret: Option<Secret>,
    fault: Fault,
    typed: Typed,
    place: Place,
}

async fn render(
    status: StatusCode,
    asked: &Asked<'_>,
    Beside { secret, fault, typed, place }: Beside,
) -> Result<Response, ApiError> {
    let at = match asked.read().await {
        Ok(at) => at,
        Err(failure) => return asked.not_permitted(failure),
    };
    let found = at.reads.api_keys(place.page()).await?;
    let older = found.next_after(PAGE, |key| key.id.0);
    let hooks = at.reads.webhook_endpoints(Page { limit: PAGE, after_id: None }).await?;
    let names = team_names(&at).await?;
    let path = asked.path();
    let frame = asked
        .frame(&format!("Developers of {}", at.merchant.name), &path)
        .of(&at, Screen::Developers);
    let template = DevelopersTemplate {
        app: &frame,
        merchant: &at.merchant.name,
        older: place.older(&path, "", older),
        path,
        keys: found.rows.into_iter().map(|key| Key::new(key, &names)).collect(),
        hooks: hooks.rows.into_iter().map(Hook::from).collect(),
        may_change: at.rights.role.may(Action::ChangeIntegration),
        is_sandbox: at.merchant.mode == Mode::Sandbox,
        // Nobody makes a key that may do more than they may.
        roles: Role::OF_MERCHANTS
            .iter()
            .copied()
            .filter(|role| role.is_within(at.rights.role))
            .collect(),
        secret,
        fault,
        typed,
    };
    frame::render(status, &frame, &template)
}

async fn show(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let asked = Asked { app: &app, me: &me, visitor, merchant };
    let beside = Beside { place: Place::of(&uri, ""), ..Beside::default() };
    render(StatusCode::OK, &asked, beside).await
}

/// The page again, with why a form was refused.
async fn refused(asked: &Asked<'_>, failure: Failure, typed: Typed) -> Result<Response, ApiError> {
    let page = async |status, sentence| {
        let beside = Beside { fault: Fault::of_page(sentence), typed, ..Beside::default() };
        render(status, asked, beside).await
    };
    frame::refused(failure, &asked.path())?.answer_read(page).await
}

async fn at_fault(asked: &Asked<'_>, fault: Fault, typed: Typed) -> Result<Response, ApiError> {
    let beside = Beside { fault, typed, ..Beside::default() };
    render(StatusCode::UNPROCESSABLE_ENTITY, asked, beside).await
}

/// Whether they may change keys and webhooks now; what to answer if not. Asked before anything is
/// drawn, and again by the decision.
async fn may_change<'a>(asked: &Asked<'a>) -> Result<AtMerchant<'a>, Result<Response, ApiError>> {
    let at = asked.me.at_merchant(asked.app, asked.merchant, Action::ChangeIntegration).await;
    at.map_err(|failure| asked.not_permitted(failure))
}

/// The names in a text, apart by blanks, commas or lines.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ' ', '\n', '\r', '\t']).filter(|name| !name.is_empty())
}

/// The operations of the API of these names; the first name that is of none.
fn operations(text: &str) -> Result<Option<Operations>, String> {
    if let Some(unknown) = names(text).find(|name| !OPERATION_IDS.contains(name)) {
        return Err(unknown.to_owned());
    }
    let mut known = names(text).map(str::to_owned).peekable();
    Ok(known.peek().is_some().then(|| Operations::new(names(text).map(str::to_owned))))
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

async fn create_key(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
    form: Form,
) -> Result<Response, ApiError> {
    me.check_form(&form)?;
    let asked = Asked { app: &app, me: &me, visitor, merchant };
    if let Err(answer) = may_change(&asked).await {
        return answer;
    }
    let text = |name| form.field(name).unwrap_or_default().to_owned();
    let typed = Typed { role: text("role"), operations: text("operations"), ..Typed::default() };
    let Some(role) = Role::parse_of_merchant(&typed.role) else {
        return at_fault(&asked, Fault::of_field("role", "Choose a role."), typed).await;
    };
    let operations = match operations(&typed.operations) {
        Ok(operations) => operations,
        Err(name) => {
            let sentence = format!("There is no operation {name}.");
            return at_fault(&asked, Fault::of_field("operations", sentence), typed).await;
        }
    };
    let new = NewKey::draw().map_err(|error| ApiError::internal(error.to_string()))?;
    let decision = CreateApiKey {
        merchant_id: asked.id(),
        client_id: new.client_id,
        secret_hash: new.secret_hash,
        rights: Rights { role, operations },
    };
    match me.submit(&app, Some(asked.id()), decision).await {
        Ok(key) => {
            let secret = Secret {
                what: "API key",
                name: key.client_id,
                secret: new.client_secret,
                public_key: None,
            };
            let beside = Beside { secret: Some(secret), ..Beside::default() };
            render(StatusCode::OK, &asked, beside).await
        }
        Err(failure) => refused(&asked, failure, typed).await,
    }
}

async fn revoke_key(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant, id]): Ids<2>,
    form: Form,
) -> Result<Response, ApiError> {
    me.check_form(&form)?;
    let asked = Asked { app: &app, me: &me, visitor, merchant };
    let decision = RevokeApiKey { merchant_id: asked.id(), api_key_id: ApiKeyId(id) };
    match me.submit(&app, Some(asked.id()), decision).await {
        Ok(_) => Ok(frame::lead_to(&asked.path())),
        Err(failure) => refused(&asked, failure, Typed::default()).await,
    }
}

fn secret_of(endpoint: WebhookEndpoint, shown: String) -> Secret {
    Secret {
        what: "webhook endpoint",
        name: endpoint.url,
        secret: shown,
        public_key: endpoint.public_key,
    }
}

async fn create_hook(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
    form: Form,
) -> Result<Response, ApiError> {
    me.check_form(&form)?;
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
        text => match Text::<255>::read(&json!(text)) {
            Ok(Text(text)) => Some(text),
            Err(_) => {
                let sentence = "A description has at most 255 characters, in one line.";
                return at_fault(&asked, Fault::of_field("description", sentence), typed).await;
            }
        },
    };
    let signing = if form.has("public_key") { Signing::Ed25519 } else { Signing::Hmac };
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

struct Delivery {
    path: String,
    kind: &'static str,
    event: i64,
    status: &'static str,
    attempts: i64,
    created: Moment,
    next: Option<Moment>,
}

const fn delivery_words(status: DeliveryStatus) -> &'static str {
    match status {
        DeliveryStatus::Pending => "not tried yet",
        DeliveryStatus::Delivered => "delivered",
        DeliveryStatus::Failed => "failed, tried again",
        DeliveryStatus::Dead => "given up",
    }
}

fn delivery(row: &WebhookDelivery) -> Delivery {
    Delivery {
        path: format!("/app/developers/{}/deliveries/{}", row.merchant_id, row.id),
        kind: row.kind.as_str(),
        event: row.event_id.0,
        status: delivery_words(row.status),
        attempts: row.attempts,
        created: Moment(row.created_at),
        next: row.next_attempt_at.filter(|_| !row.is_under_way).map(Moment),
    }
}

async fn render_hook(
    status: StatusCode,
    asked: &Asked<'_>,
    id: i64,
    (secret, fault, place): (Option<Secret>, Fault, Place),
) -> Result<Response, ApiError> {
    let at = match asked.read().await {
        Ok(at) => at,
        Err(failure) => return asked.not_permitted(failure),
    };
    let id = WebhookEndpointId(id);
    let endpoint = at.reads.webhook_endpoint(id).await?.ok_or(ApiError::NotFound)?;
    let chosen = DeliveryStatus::parse(&place.filter);
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

async fn show_hook(
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

async fn enable_hook(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant, id]): Ids<2>,
    form: Form,
) -> Result<Response, ApiError> {
    me.check_form(&form)?;
    enable(&Asked { app: &app, me: &me, visitor, merchant }, id, true).await
}

async fn disable_hook(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant, id]): Ids<2>,
    form: Form,
) -> Result<Response, ApiError> {
    me.check_form(&form)?;
    enable(&Asked { app: &app, me: &me, visitor, merchant }, id, false).await
}

async fn test_hook(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant, id]): Ids<2>,
    form: Form,
) -> Result<Response, ApiError> {
    me.check_form(&form)?;
    let asked = Asked { app: &app, me: &me, visitor, merchant };
    let endpoint_id = WebhookEndpointId(id);
    let decision = TestWebhookEndpoint { merchant_id: asked.id(), endpoint_id };
    let done = me.submit(&app, Some(asked.id()), decision).await.map(drop);
    after_change(&asked, id, done).await
}

async fn delete_hook(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant, id]): Ids<2>,
    form: Form,
) -> Result<Response, ApiError> {
    me.check_form(&form)?;
    let asked = Asked { app: &app, me: &me, visitor, merchant };
    let endpoint_id = WebhookEndpointId(id);
    let decision = DeleteWebhookEndpoint { merchant_id: asked.id(), endpoint_id };
    match me.submit(&app, Some(asked.id()), decision).await {
        Ok(_) => Ok(frame::lead_to(&asked.path())),
        Err(failure) => after_change(&asked, id, Err(failure)).await,
    }
}

async fn rotate_hook(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant, id]): Ids<2>,
    form: Form,
) -> Result<Response, ApiError> {
    me.check_form(&form)?;
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

#[derive(Template)]
#[template(path = "app/delivery.html")]
struct DeliveryTemplate<'a> {
    app: &'a AppFrame,
    merchant: &'a str,
    path: String,
    hook: String,
    delivery: Delivery,
    attempts: Vec<Attempt>,
    may_change: bool,
    fault: Fault,
}

struct Attempt {
    number: i64,
    at: Moment,
    ms: i64,
    status: Option<i64>,
    said: String,
}

async fn render_delivery(
    status: StatusCode,
    asked: &Asked<'_>,
    id: i64,
    fault: Fault,
) -> Result<Response, ApiError> {
    let at = match asked.read().await {
        Ok(at) => at,
        Err(failure) => return asked.not_permitted(failure),
    };
    let id = WebhookDeliveryId(id);
    let row = at.reads.webhook_delivery(id).await?.ok_or(ApiError::NotFound)?;
    let attempts = at.reads.webhook_attempts(id).await?;
    let path = format!("{}/deliveries/{id}", asked.path());
    let frame = asked.frame("Delivery", &path).of(&at, Screen::Developers);
    let template = DeliveryTemplate {
        app: &frame,
        merchant: &at.merchant.name,
        hook: format!("{}/webhooks/{}", asked.path(), row.endpoint_id),
        path,
        delivery: delivery(&row),
        attempts: attempts
            .into_iter()
            .map(|row| Attempt {
                number: row.number,
                at: Moment(row.attempted.begun_at),
                ms: row.attempted.duration_us / 1_000,
                status: row.attempted.status,
                said: row.attempted.said,
            })
            .collect(),
        may_change: at.rights.role.may(Action::ChangeIntegration),
        fault,
    };
    frame::render(status, &frame, &template)
}

async fn show_delivery(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant, id]): Ids<2>,
) -> Result<Response, ApiError> {
    let asked = Asked { app: &app, me: &me, visitor, merchant };
    render_delivery(StatusCode::OK, &asked, id, Fault::default()).await
}

async fn resend(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant, id]): Ids<2>,
    form: Form,
) -> Result<Response, ApiError> {
    me.check_form(&form)?;
    let asked = Asked { app: &app, me: &me, visitor, merchant };
    let here = format!("{}/deliveries/{id}", asked.path());
    let ids = vec![WebhookDeliveryId(id)];
    let decision = ResendDeliveries { merchant_id: asked.id(), ids, even_delivered: true };
    let failure = match me.submit(&app, Some(asked.id()), decision).await {
        Ok(rows) => {
            let row = rows.first().ok_or(ApiError::NotFound)?;
            app.webhooks.wake(row.endpoint_id);
            return Ok(frame::lead_to(&here));
        }
        Err(failure) => failure,
    };
    let page = async |status, sentence| {
        render_delivery(status, &asked, id, Fault::of_page(sentence)).await
    };
    frame::refused(failure, &here)?.answer_read(page).await
}

#[derive(Template)]
#[template(path = "app/log.html")]
struct LogTemplate<'a> {
    app: &'a AppFrame,
    title: String,
    about: &'static str,
    empty: &'static str,
    home: String,
    path: String,
    /// The name of the filter and its label.
    filter: (&'static str, &'static str),
    choices: Vec<(&'static str, &'static str, bool)>,
    narrows: bool,
    rows: Vec<LogRow>,
    older: Option<String>,
}

struct LogRow {
    at: Moment,
    what: String,
    says: String,
}

async fn show_events(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let asked = Asked { app: &app, me: &me, visitor, merchant };
    let at = match asked.read().await {
        Ok(at) => at,
        Err(failure) => return asked.not_permitted(failure),
    };
    let place = Place::of(&uri, "type");
    let kind = EventType::parse_of_merchant(&place.filter);
    let found =
        at.reads.events(EventFilter { kind, ..EventFilter::default() }, place.page()).await?;
    let older = found.next_after(PAGE, |event| event.id.0);
    let path = format!("{}/events", asked.path());
    let title = format!("Events of {}", at.merchant.name);
    let frame = asked.frame(&title, &path).of(&at, Screen::Developers);
    let rows = found.rows.into_iter().map(|event| LogRow {
        at: Moment(event.created_at),
        what: event.kind.as_str().to_owned(),
        says: format!(
            "Event {}, position {}, {} {}",
            event.id,
            event.position,
            event.entity.as_str().to_lowercase().replace('_', " "),
            event.entity_id
        ),
    });
    let choice = |of: &EventType| (of.as_str(), of.as_str(), kind == Some(*of));
    let template = LogTemplate {
        app: &frame,
        title,
        about: "What happened, as webhooks tell it, newest first.",
        empty: "Nothing has happened yet. The first payment leaves its events here.",
        home: asked.path(),
        older: place.older(&path, "type", older),
        path,
        filter: ("type", "Type"),
        choices: EventType::OF_MERCHANTS.iter().map(choice).collect(),
        narrows: kind.is_some(),
        rows: rows.collect(),
    };
    frame::render(StatusCode::OK, &frame, &template)
}

async fn show_requests(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let asked = Asked { app: &app, me: &me, visitor, merchant };
    let at = match asked.read().await {
        Ok(at) => at,
        Err(failure) => return asked.not_permitted(failure),
    };
    let place = Place::of(&uri, "status");
    let only_failed = place.filter == "failed";
    let found = app.requests.list(at.merchant.id, only_failed, place.page());
    let older = found.next_after(PAGE, |request| request.id);
    let path = format!("{}/requests", asked.path());
    let title = format!("Requests of {}", at.merchant.name);
    let frame = asked.frame(&title, &path).of(&at, Screen::Developers);
    let rows = found.rows.into_iter().map(|request| LogRow {
        at: Moment(request.at),
        what: format!("{} {}", request.method, request.route.as_str()),
        says: format!(
            "Answered with {} after {} ms, request {}",
            request.status.as_u16(),
            request.duration_ms,
            request.request_id.map(|id| id.to_string()).unwrap_or_default()
        ),
    });
    let template = LogTemplate {
        app: &frame,
        title,
        about: "The last 1,000 calls of your programs that this process has answered, newest first, without what was \
                in them. After a restart the list begins anew.",
        empty: "No calls yet. What your programs ask of the API is listed as it happens.",
        home: asked.path(),
        older: place.older(&path, "status", older),
        path,
        filter: ("status", "Answers"),
        choices: vec![("failed", "refused or failed", only_failed)],
        narrows: only_failed,
        rows: rows.collect(),
    };
    frame::render(StatusCode::OK, &frame, &template)
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .page("/app/developers/{merchant}", show)
        .page("/app/developers/{merchant}/events", show_events)
        .page("/app/developers/{merchant}/requests", show_requests)
        .page("/app/developers/{merchant}/webhooks/{id}", show_hook)
        .page("/app/developers/{merchant}/deliveries/{id}", show_delivery)
        .form("/app/developers/{merchant}/keys/create", create_key)
        .form("/app/developers/{merchant}/keys/{id}/revoke", revoke_key)
        .form("/app/developers/{merchant}/webhooks/create", create_hook)
        .form("/app/developers/{merchant}/webhooks/{id}/enable", enable_hook)
        .form("/app/developers/{merchant}/webhooks/{id}/disable", disable_hook)
        .form("/app/developers/{merchant}/webhooks/{id}/test", test_hook)
        .form("/app/developers/{merchant}/webhooks/{id}/rotate", rotate_hook)
        .form("/app/developers/{merchant}/webhooks/{id}/delete", delete_hook)
        .form("/app/developers/{merchant}/deliveries/{id}/resend", resend)
}
