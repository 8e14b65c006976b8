//! Invoices and orders: one module for both, for they differ in their words only.

mod answers;
mod items;
mod receipts;

pub use items::{AddItem, UpdateItem};

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use domain::command::{Answer, Command};
use domain::currency::Currency;
use domain::ids::{CounterpartyId, SourceId};
use domain::names::FeeBearer;
use domain::source::{NewSource, Source, SourceChanges, SourceRef, SourceStatus, SourceType};
use domain::time::Timestamp;

use super::answer::{Answered, Limit, list, page, submit};
use super::auth::Tenant;
use super::error::ApiError;
use super::extract::{Body, Ids, Query, Words};
use super::fields::{Id, Payload, Text};
use super::routes::Routes;
use crate::app::App;
use crate::payload;
use crate::store::queries::SourceFilter;
use answers::{SourceAnswer, SourceDetailAnswer};

payload! {
    /// An invoice to make.
    pub struct CreateInvoice {
        /// Who is to pay.
        counterparty_id: Id,
        /// Its currency.
        currency: Currency,
        /// What it is for.
        note: Text<2000>,
        /// Who bears the fees.
        fee_bearer: FeeBearer,
        /// Whether it is shown as a payment link.
        as_payment_link: bool,
        /// The merchant's own reference.
        reference_id: Option<Text<255>>,
        /// When it is due.
        due_date: Option<Timestamp>,
    }

    /// An order to make.
    pub struct CreateOrder {
        /// Who is to pay.
        counterparty_id: Id,
        /// Its currency.
        currency: Currency,
        /// What it is for.
        note: Text<2000>,
        /// Who bears the fees.
        fee_bearer: FeeBearer,
        /// Whether it is shown as a payment link.
        as_payment_link: bool,
        /// The merchant's own reference.
        reference_id: Option<Text<255>>,
    }

    /// Changes to an invoice; what is absent stays.
    pub struct UpdateInvoice {
        /// The merchant's own reference.
        reference_id: Option<Text<255>>,
        /// What it is for.
        note: Option<Text<2000>>,
        /// Who bears the fees.
        fee_bearer: Option<FeeBearer>,
        /// When it is due.
        due_date: Option<Timestamp>,
    }

    /// Changes to an order; what is absent stays.
    pub struct UpdateOrder {
        /// The merchant's own reference.
        reference_id: Option<Text<255>>,
        /// What it is for.
        note: Option<Text<2000>>,
        /// Who bears the fees.
        fee_bearer: Option<FeeBearer>,
    }

    /// Which invoices or orders.
    pub struct ListSources {
        /// Only in this currency.
        currency: Option<Currency>,
        /// Only in this state.
        status: Option<SourceStatus>,
        /// At most so many.
        limit: Option<Limit>,
        /// Continue after this one.
        after_id: Option<Id>,
    }
}

/// Invoices or orders, as a type.
pub trait Kind: Send + Sync + 'static {
    /// Which.
    const TYPE: SourceType;
    /// The word in a path.
    const PATH: &'static str;
    /// What making one takes.
    type Create: Payload + Into<NewSource> + Send;
    /// What changing one takes.
    type Update: Payload + Into<SourceChanges> + Send;
}

/// Invoices.
pub enum Invoices {}

/// Orders.
pub enum Orders {}

impl Kind for Invoices {
    const TYPE: SourceType = SourceType::Invoice;
    const PATH: &'static str = "invoices";
    type Create = CreateInvoice;
    type Update = UpdateInvoice;
}

impl Kind for Orders {
    const TYPE: SourceType = SourceType::Order;
    const PATH: &'static str = "orders";
    type Create = CreateOrder;
    type Update = UpdateOrder;
}

impl From<CreateInvoice> for NewSource {
    fn from(payload: CreateInvoice) -> Self {
        Self {
            kind: SourceType::Invoice,
            counterparty_id: CounterpartyId(payload.counterparty_id.0),
            currency: payload.currency,
            note: payload.note.0,
            fee_bearer: payload.fee_bearer,
            as_payment_link: payload.as_payment_link,
            reference_id: payload.reference_id.map(|text| text.0),
            due_date: payload.due_date,
        }
    }
}

impl From<CreateOrder> for NewSource {
    fn from(payload: CreateOrder) -> Self {
        Self {
            kind: SourceType::Order,
            counterparty_id: CounterpartyId(payload.counterparty_id.0),
            currency: payload.currency,
            note: payload.note.0,
            fee_bearer: payload.fee_bearer,
            as_payment_link: payload.as_payment_link,
            reference_id: payload.reference_id.map(|text| text.0),
            due_date: None,
        }
    }
}

impl From<UpdateInvoice> for SourceChanges {
    fn from(payload: UpdateInvoice) -> Self {
        Self {
            note: payload.note.map(|text| text.0),
            fee_bearer: payload.fee_bearer,
            reference_id: payload.reference_id.map(|text| text.0),
            due_date: payload.due_date,
        }
    }
}

impl From<UpdateOrder> for SourceChanges {
    fn from(payload: UpdateOrder) -> Self {
        Self {
            note: payload.note.map(|text| text.0),
            fee_bearer: payload.fee_bearer,
            reference_id: payload.reference_id.map(|text| text.0),
            due_date: None,
        }
    }
}

/// The source that a path names.
const fn named<K: Kind>(tenant: &Tenant, id: i64) -> SourceRef {
    SourceRef { merchant_id: tenant.id(), kind: K::TYPE, id: SourceId(id) }
}

async fn create<K: Kind>(State(app): State<App>, tenant: Tenant, Body(payload): Body<K::Create>) -> Answered<SourceAnswer> {
    let source = submit!(app, Command::CreateSource(tenant.id(), payload.into()), Answer::Source);
    Ok(Json(SourceAnswer::new(source, &tenant.merchant)))
}

async fn list_all<K: Kind>(
    State(app): State<App>,
    tenant: Tenant,
    uri: Uri,
    Query(query): Query<ListSources>,
) -> Result<Response, ApiError> {
    let page = page(query.limit, query.after_id);
    let filter = SourceFilter { currency: query.currency, status: query.status };
    let found = app.queries.sources(tenant.id(), K::TYPE, filter, page).await?;
    let rows: Vec<_> = found.into_iter().map(|source| SourceAnswer::new(source, &tenant.merchant)).collect();
    Ok(list(&uri, page, &rows, SourceAnswer::id))
}

/// This merchant's source of that id.
async fn by_id<K: Kind>(app: &App, tenant: &Tenant, id: i64) -> Result<Source, ApiError> {
    app.queries.source(tenant.id(), K::TYPE, SourceId(id)).await?.ok_or(ApiError::NotFound)
}

/// This merchant's source of that number.
async fn by_number<K: Kind>(app: &App, tenant: &Tenant, number: &str) -> Result<Source, ApiError> {
    app.queries.source_by_number(tenant.id(), K::TYPE, number).await?.ok_or(ApiError::NotFound)
}

async fn detail(app: &App, tenant: &Tenant, source: Source) -> Answered<SourceDetailAnswer> {
    let items = app.queries.items(source.id).await?;
    let counterparty = app.queries.counterparty(tenant.id(), source.counterparty_id).await?;
    Ok(Json(SourceDetailAnswer::new(source, items, counterparty, &tenant.merchant)))
}

async fn retrieve<K: Kind>(State(app): State<App>, tenant: Tenant, Ids([id]): Ids<1>) -> Answered<SourceDetailAnswer> {
    let source = by_id::<K>(&app, &tenant, id).await?;
    detail(&app, &tenant, source).await
}

async fn retrieve_by_number<K: Kind>(
    State(app): State<App>,
    tenant: Tenant,
    Words([number]): Words<1>,
) -> Answered<SourceDetailAnswer> {
    let source = by_number::<K>(&app, &tenant, &number).await?;
    detail(&app, &tenant, source).await
}

async fn update<K: Kind>(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
    Body(payload): Body<K::Update>,
) -> Answered<SourceAnswer> {
    let source = submit!(app, Command::UpdateSource(named::<K>(&tenant, id), payload.into()), Answer::Source);
    Ok(Json(SourceAnswer::new(source, &tenant.merchant)))
}

async fn publish<K: Kind>(State(app): State<App>, tenant: Tenant, Ids([id]): Ids<1>) -> Answered<SourceAnswer> {
    let source = submit!(app, Command::PublishSource(named::<K>(&tenant, id)), Answer::Source);
    Ok(Json(SourceAnswer::new(source, &tenant.merchant)))
}

async fn cancel<K: Kind>(State(app): State<App>, tenant: Tenant, Ids([id]): Ids<1>) -> Answered<SourceAnswer> {
    let source = submit!(app, Command::CancelSource(named::<K>(&tenant, id)), Answer::Source);
    Ok(Json(SourceAnswer::new(source, &tenant.merchant)))
}

/// Writing, publishing, withdrawing and reading invoices or orders.
#[must_use]
pub fn routes<K: Kind>() -> Routes {
    let (kind, word) = (K::PATH, K::TYPE.word());
    Routes::new()
        .post(format!("/v1/{kind}/create"), create::<K>)
        .get(format!("/v1/{kind}/list"), list_all::<K>)
        .get(format!("/v1/{kind}/retrieve/{{id}}"), retrieve::<K>)
        .get(format!("/v1/{kind}/retrieve/number/{{{word}_number}}"), retrieve_by_number::<K>)
        .put(format!("/v1/{kind}/update/{{id}}"), update::<K>)
        .put(format!("/v1/{kind}/publish/{{id}}"), publish::<K>)
        .delete(format!("/v1/{kind}/cancel/{{id}}"), cancel::<K>)
        .get(format!("/v1/{kind}/receipt/{{id}}"), receipts::receipt::<K>)
        .get(format!("/v1/{kind}/receipt/number/{{{word}_number}}"), receipts::receipt_by_number::<K>)
        .post(format!("/v1/{kind}/{{{word}_id}}/items/add"), items::add::<K>)
        .put(format!("/v1/{kind}/{{{word}_id}}/items/{{id}}/update"), items::update::<K>)
        .delete(format!("/v1/{kind}/{{{word}_id}}/items/{{id}}/remove"), items::remove::<K>)
}
