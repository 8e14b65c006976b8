//! Invoices and orders: one module for both, for they differ in their words only.

pub(crate) mod answers;
pub(crate) mod items;
pub(crate) mod receipts;

pub use items::{AddItem, UpdateItem};
pub use receipts::{rate_text, refundable};

use axum::Json;
use axum::extract::State;
use domain::decision::command::{Command, Output};
use domain::kernel::currency::Currency;
use domain::kernel::ids::{CounterpartyId, SourceId};
use domain::kernel::names::FeeBearer;
use domain::kernel::patch::Patch;
use domain::sales::create_source::NewSource;
use domain::sales::find_source::SourceRef;
use domain::sales::source::{Source, SourceStatus, SourceType};
use domain::sales::update_source::SourceChanges;
use serde_json::{Value, json};

use crate::api::answer::{Answered, Limit, Listed, Whole, page, submit};
use crate::api::describe::{Op, op};
use crate::api::error::ApiError;
use crate::api::extract::{Body, Ids, PathSegments, Query};
use crate::api::fields::{Day, Id, Note, Payload, Text};
use crate::api::listing::Listing;
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::principal::Tenant;
use crate::net::response_permits::ResponsePermit;
use crate::payload;
use answers::{Of, SourceAnswer, SourceDetailAnswer};
use store::reads::lists::SourceFilter;

/// Invoices and orders of one merchant that are being answered at once with all their items.
pub const UNDER_WAY: usize = 8;

payload! {
    /// An invoice to make.
    pub struct CreateInvoice {
        /// Who is to pay.
        counterparty_id: Id,
        /// Its currency.
        currency: Currency,
        /// What it is for; nothing, where it is absent.
        note: Option<Note>,
        /// Who bears the fees.
        fee_bearer: FeeBearer,
        /// Whether it is shown as a payment link.
        as_payment_link: bool,
        /// The merchant's own reference.
        reference_id: Option<Text<255>>,
        /// The day on which it is due: a date, or any time of it.
        due_date: Option<Day>,
    }

    /// An order to make.
    pub struct CreateOrder {
        /// Who is to pay.
        counterparty_id: Id,
        /// Its currency.
        currency: Currency,
        /// What it is for; nothing, where it is absent.
        note: Option<Note>,
        /// Who bears the fees.
        fee_bearer: FeeBearer,
        /// Whether it is shown as a payment link.
        as_payment_link: bool,
        /// The merchant's own reference.
        reference_id: Option<Text<255>>,
    }

    /// Changes to an invoice; what is absent stays, and `null` empties what may be empty.
    pub struct UpdateInvoice {
        /// The merchant's own reference; none, where it is `null`.
        reference_id: Patch<Text<255>>,
        /// What it is for; nothing, where it is `null`.
        note: Patch<Note>,
        /// Who bears the fees.
        fee_bearer: Option<FeeBearer>,
        /// The day on which it is due: a date, or any time of it; none, where it is `null`.
        due_date: Patch<Day>,
    }

    /// Changes to an order; what is absent stays, and `null` empties what may be empty.
    pub struct UpdateOrder {
        /// The merchant's own reference; none, where it is `null`.
        reference_id: Patch<Text<255>>,
        /// What it is for; nothing, where it is `null`.
        note: Patch<Note>,
        /// Who bears the fees.
        fee_bearer: Option<FeeBearer>,
    }

    /// Which invoices or orders.
    pub struct ListSources {
        /// Only in this currency.
        currency: Option<Currency>,
        /// Only in this state.
        status: Option<SourceStatus>,
        /// Only with this reference of the merchant's own.
        reference_id: Option<Text<255>>,
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
    /// The word with its article.
    const ONE: &'static str;
    /// What making one takes, for example.
    fn example() -> Value;
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
    const ONE: &'static str = "an invoice";
    type Create = CreateInvoice;
    type Update = UpdateInvoice;

    fn example() -> Value {
        json!({ "counterparty_id": 1, "currency": "USD", "note": "October", "fee_bearer": "PAYER", "as_payment_link": false })
    }
}

impl Kind for Orders {
    const TYPE: SourceType = SourceType::Order;
    const PATH: &'static str = "orders";
    const ONE: &'static str = "an order";
    type Create = CreateOrder;
    type Update = UpdateOrder;

    fn example() -> Value {
        json!({ "counterparty_id": 1, "currency": "USD", "note": "Two bags of rice", "fee_bearer": "PAYER", "as_payment_link": false })
    }
}

impl From<CreateInvoice> for NewSource {
    fn from(payload: CreateInvoice) -> Self {
        Self {
            kind: SourceType::Invoice,
            counterparty_id: CounterpartyId(payload.counterparty_id.0),
            currency: payload.currency,
            note: payload.note.map(|note| note.0).unwrap_or_default(),
            fee_bearer: payload.fee_bearer,
            as_payment_link: payload.as_payment_link,
            reference_id: payload.reference_id.map(|text| text.0),
            due_date: payload.due_date.map(|day| day.0),
        }
    }
}

impl From<CreateOrder> for NewSource {
    fn from(payload: CreateOrder) -> Self {
        Self {
            kind: SourceType::Order,
            counterparty_id: CounterpartyId(payload.counterparty_id.0),
            currency: payload.currency,
            note: payload.note.map(|note| note.0).unwrap_or_default(),
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
            note: payload.note.map(|note| note.0),
            fee_bearer: payload.fee_bearer,
            reference_id: payload.reference_id.map(|text| text.0),
            due_date: payload.due_date.map(|day| day.0),
        }
    }
}

impl From<UpdateOrder> for SourceChanges {
    fn from(payload: UpdateOrder) -> Self {
        Self {
            note: payload.note.map(|note| note.0),
            fee_bearer: payload.fee_bearer,
            reference_id: payload.reference_id.map(|text| text.0),
            due_date: Patch::Keep,
        }
    }
}

/// The source that a path names.
const fn named<K: Kind>(tenant: &Tenant, id: i64) -> SourceRef {
    SourceRef { merchant_id: tenant.id(), kind: K::TYPE, id: SourceId(id) }
}

async fn create<K: Kind>(
    State(app): State<App>,
    tenant: Tenant,
    Body(payload): Body<K::Create>,
) -> Answered<Of<K, SourceAnswer>> {
    let source = submit!(
        app,
        tenant.caller,
        Command::CreateSource(tenant.id(), payload.into()),
        Output::Source
    );
    Ok(Json(Of::new(SourceAnswer::new(source, &tenant.merchant))))
}

async fn list_all<K: Kind>(
    State(app): State<App>,
    listing: Listing,
    Query(query): Query<ListSources>,
) -> Listed<Of<K, SourceAnswer>> {
    let page = page(query.limit, query.after_id);
    let reference = query.reference_id.map(|text| text.0);
    let filter = SourceFilter { currency: query.currency, status: query.status, reference };
    let found = app.queries.sources(listing.tenant.id(), K::TYPE, filter, page).await?;
    let merchant = listing.tenant.merchant.clone();
    listing.answer(page, found, |source| Of::new(SourceAnswer::new(source, &merchant)), Of::id)
}

/// This merchant's source of that id.
async fn by_id<K: Kind>(app: &App, tenant: &Tenant, id: i64) -> Result<Source, ApiError> {
    app.queries.source(tenant.id(), K::TYPE, SourceId(id)).await?.ok_or(ApiError::NotFound)
}

/// This merchant's source of that number.
async fn by_number<K: Kind>(app: &App, tenant: &Tenant, number: &str) -> Result<Source, ApiError> {
    app.queries.source_by_number(tenant.id(), K::TYPE, number).await?.ok_or(ApiError::NotFound)
}

/// An invoice or order with its items.
type Detailed<T> = Result<Whole<T>, ApiError>;

/// A permit for a response with items.
async fn permit(app: &App, tenant: &Tenant) -> Result<ResponsePermit, ApiError> {
    app.details.acquire(tenant.id()).await.ok_or(ApiError::TooMany(1))
}

async fn detail<K: Kind>(
    app: &App,
    tenant: &Tenant,
    source: Source,
) -> Detailed<Of<K, SourceDetailAnswer>> {
    let permit = permit(app, tenant).await?;
    let items = app.queries.items(source.id, None).await?;
    let counterparty = app.queries.counterparty(tenant.id(), source.counterparty_id).await?;
    Whole::new(
        permit,
        &Of::new(SourceDetailAnswer::new(source, items, counterparty, &tenant.merchant)),
    )
}

async fn retrieve<K: Kind>(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
) -> Detailed<Of<K, SourceDetailAnswer>> {
    let source = by_id::<K>(&app, &tenant, id).await?;
    detail(&app, &tenant, source).await
}

async fn retrieve_by_number<K: Kind>(
    State(app): State<App>,
    tenant: Tenant,
    PathSegments([number]): PathSegments<1>,
) -> Detailed<Of<K, SourceDetailAnswer>> {
    let source = by_number::<K>(&app, &tenant, &number).await?;
    detail(&app, &tenant, source).await
}

async fn update<K: Kind>(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
    Body(payload): Body<K::Update>,
) -> Answered<Of<K, SourceAnswer>> {
    let source = submit!(
        app,
        tenant.caller,
        Command::UpdateSource(named::<K>(&tenant, id), payload.into()),
        Output::Source
    );
    Ok(Json(Of::new(SourceAnswer::new(source, &tenant.merchant))))
}

async fn publish<K: Kind>(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
) -> Answered<Of<K, SourceAnswer>> {
    let source = submit!(
        app,
        tenant.caller,
        Command::PublishSource(named::<K>(&tenant, id)),
        Output::Source
    );
    Ok(Json(Of::new(SourceAnswer::new(source, &tenant.merchant))))
}

async fn cancel<K: Kind>(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
) -> Answered<Of<K, SourceAnswer>> {
    let source =
        submit!(app, tenant.caller, Command::CancelSource(named::<K>(&tenant, id)), Output::Source);
    Ok(Json(Of::new(SourceAnswer::new(source, &tenant.merchant))))
}

/// Writing, publishing, withdrawing and reading invoices or orders.
#[must_use]
pub fn routes<K: Kind>() -> Routes {
    let (kind, word, one) = (K::PATH, K::TYPE.word(), K::ONE);
    let said = |does: &str, about: &str| op(format!("{does}_{word}"), about.to_owned());
    let item =
        |does: &str, about: &str| op(format!("{does}_{word}_item"), format!("{about} {one}"));
    let by =
        |does: &str, with: &str, about: String| -> Op { op(format!("{does}_{word}{with}"), about) };
    Routes::new()
        .post(
            format!("/v1/{kind}/create"),
            create::<K>,
            said("create", &format!("Make {one}")).example(K::example()),
        )
        .get(
            format!("/v1/{kind}/list"),
            list_all::<K>,
            op(format!("list_{kind}"), format!("List {kind}")),
        )
        .get(
            format!("/v1/{kind}/retrieve/{{id}}"),
            retrieve::<K>,
            by("retrieve", "", format!("Read {one}")),
        )
        .get(
            format!("/v1/{kind}/retrieve/number/{{{word}_number}}"),
            retrieve_by_number::<K>,
            by("retrieve", "_by_number", format!("Read {one} by its number")),
        )
        .put(
            format!("/v1/{kind}/update/{{id}}"),
            update::<K>,
            said("update", &format!("Change {one} that is not published"))
                .example(json!({ "note": "November" })),
        )
        .put(
            format!("/v1/{kind}/publish/{{id}}"),
            publish::<K>,
            said("publish", &format!("Publish {one}: it can be paid")),
        )
        .delete(
            format!("/v1/{kind}/cancel/{{id}}"),
            cancel::<K>,
            said("cancel", &format!("Withdraw {one}")),
        )
        .get(
            format!("/v1/{kind}/receipt/{{id}}"),
            receipts::receipt::<K>,
            by("retrieve", "_receipt", format!("Read the receipt of {one}")),
        )
        .get(
            format!("/v1/{kind}/receipt/number/{{{word}_number}}"),
            receipts::receipt_by_number::<K>,
            by(
                "retrieve",
                "_receipt_by_number",
                format!("Read the receipt of {one} by its number"),
            ),
        )
        .post(
            format!("/v1/{kind}/{{{word}_id}}/items/add"),
            items::add::<K>,
            item("add", "Add an item to").example(
                json!({ "name": "Consulting", "currency": "USD", "qty": 2, "amount": 50 }),
            ),
        )
        .put(
            format!("/v1/{kind}/{{{word}_id}}/items/{{id}}/update"),
            items::update::<K>,
            item("update", "Change an item of").example(json!({ "qty": 3 })),
        )
        .delete(
            format!("/v1/{kind}/{{{word}_id}}/items/{{id}}/remove"),
            items::remove::<K>,
            item("remove", "Remove an item from"),
        )
}
