//! Payment links: offers that many payers can pay, each with an order of its own.

use axum::Json;
use axum::extract::State;
use domain::directory::roles::Action;
use domain::kernel::currency::Currency;
use domain::kernel::ids::PaymentLinkId;
use domain::kernel::money::{Decimal, Money};
use domain::kernel::names::FeeBearer;
use domain::kernel::refusal::{Refusal, Subject};
use domain::kernel::time::MerchantTime;
use domain::sales::create_payment_link::{self, CreatedPaymentLink, NewLinkPrice, NewPaymentLink};
use domain::sales::deactivate_payment_link::DeactivatePaymentLink;
use domain::sales::payment_link::{
    LinkPrice, LinkState, LinkStatus, MAX_LINK_ITEMS, PaymentLink, PaymentLinkItem,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::api::checkouts::{CheckoutItem, WebUrl, items_in_other_currencies, new_item};
use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::extract::{Body, Ids, Query};
use crate::api::fields::{
    Code, Expiry, Fault, FaultKind, Id, Int, List, Name, Part, Text, to_money,
};
use crate::api::links::draw_token;
use crate::api::listing::Listing;
use crate::api::refusals::usual_field;
use crate::api::response::{Amount, JsonResult, Limit, ListResult, Svg, Time, page};
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::principal::Tenant;
use crate::payload;
use crate::web::qr;

crate::api_names! { LinkStatus LinkState }

payload! {
    /// The limits of the amount that a payer may choose.
    pub struct AmountOpen {
        /// The smallest amount.
        min: Decimal,
        /// The largest amount.
        max: Decimal,
    }

    /// Creates a payment link: either with items, or with an amount that each payer chooses.
    pub struct CreatePaymentLink {
        /// What is paid for. Payers read it, and it is the note of their orders.
        title: Text<255>,
        /// The currency.
        currency: Currency,
        /// What each payer gets.
        items: Option<List<CheckoutItem, 1, MAX_LINK_ITEMS>>,
        /// The limits of the amount, if each payer chooses it.
        amount_open: Option<AmountOpen>,
        /// How many payers can pay; without a limit by default.
        max_uses: Option<Int<1, 1_000_000_000>>,
        /// When the link stops accepting payments.
        expires_at: Option<Expiry>,
        /// Where the payer's browser goes after the payment.
        success_url: Option<WebUrl>,
        /// The bearer of the fees; the merchant's setting by default.
        fee_bearer: Option<FeeBearer>,
    }

    /// Which payment links.
    pub struct ListPaymentLinks {
        /// The maximum number of entries in the answer.
        limit: Option<Limit>,
        /// The id of the last entry of the previous page.
        after_id: Option<Id>,
    }
}

/// The limits of an amount.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AmountOpenAnswer")]
struct AmountOpenResponse {
    min: Amount,
    max: Amount,
}

/// A payment link.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PaymentLinkAnswer")]
pub struct PaymentLinkResponse {
    id: i64,
    title: String,
    currency: Code,
    /// The sum of the items; null where the payer chooses the amount.
    total_amount: Option<Amount>,
    /// Null where the link has items.
    amount_open: Option<AmountOpenResponse>,
    max_uses: Option<i64>,
    /// Payments that are under way.
    uses_reserved: i64,
    uses_paid: i64,
    status: Name<LinkStatus>,
    /// Whether it can be paid now, and otherwise why not.
    state: Name<LinkState>,
    expires_at: Option<Time>,
    success_url: Option<String>,
    fee_bearer: Name<FeeBearer>,
    url: String,
    created_at: Time,
    updated_at: Time,
}

/// An item.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PaymentLinkItemAnswer")]
struct PaymentLinkItemResponse {
    name: String,
    currency: Code,
    qty: i64,
    amount: Amount,
}

/// A payment link with its items.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PaymentLinkDetailAnswer")]
pub struct PaymentLinkDetailResponse {
    #[serde(flatten)]
    link: PaymentLinkResponse,
    items: Vec<PaymentLinkItemResponse>,
}

/// The path of a link's page: short, because it is printed.
#[must_use]
pub fn link_path(token: &str) -> String {
    format!("/l/{token}")
}

fn link_url(link: &PaymentLink, public_url: &str) -> String {
    format!("{public_url}{}", link_path(&link.token.0))
}

impl PaymentLinkResponse {
    pub fn new(link: PaymentLink, time: MerchantTime, public_url: &str) -> Self {
        let amount = |minor| Amount(Money::new(minor, link.currency));
        let amount_open = match link.price {
            LinkPrice::Items { .. } => None,
            LinkPrice::Open { min_minor, max_minor } => {
                Some(AmountOpenResponse { min: amount(min_minor), max: amount(max_minor) })
            }
        };
        Self {
            id: link.id.0,
            url: link_url(&link, public_url),
            state: Name(link.state(time)),
            total_amount: link.total().map(Amount),
            amount_open,
            title: link.title,
            currency: Code(link.currency),
            max_uses: link.max_uses,
            uses_reserved: link.uses_reserved,
            uses_paid: link.uses_paid,
            status: Name(link.status),
            expires_at: link.expires_at.map(Time::from),
            success_url: link.success_url,
            fee_bearer: Name(link.fee_bearer),
            created_at: Time::from(link.created_at),
            updated_at: Time::from(link.updated_at),
        }
    }
}

impl PaymentLinkDetailResponse {
    fn new(
        link: PaymentLink,
        items: Vec<PaymentLinkItem>,
        time: MerchantTime,
        public_url: &str,
    ) -> Self {
        let currency = link.currency;
        let item = |item: PaymentLinkItem| PaymentLinkItemResponse {
            name: item.name,
            currency: Code(currency),
            qty: item.qty,
            amount: Amount(Money::new(item.amount_minor, currency)),
        };
        Self {
            items: items.into_iter().map(item).collect(),
            link: PaymentLinkResponse::new(link, time, public_url),
        }
    }
}

/// The price in the payload, or the faults of it.
fn price(payload: &mut CreatePaymentLink) -> Result<NewLinkPrice, Vec<Fault>> {
    let currency = payload.currency;
    match (payload.items.take(), payload.amount_open.take()) {
        (Some(items), None) => {
            let faults = items_in_other_currencies(&items.0, currency, "payment link");
            if faults.is_empty() {
                Ok(NewLinkPrice::Items(items.0.into_iter().map(new_item).collect()))
            } else {
                Err(faults)
            }
        }
        (None, Some(open)) => {
            let money = |name, amount| {
                let at = [Part::Name("body"), Part::Name("amount_open"), Part::Name(name)];
                to_money(amount, currency).map_err(|kind| Fault::at(&at, kind))
            };
            match (money("min", open.min), money("max", open.max)) {
                (Ok(min), Ok(max)) => Ok(NewLinkPrice::Open { min, max }),
                (min, max) => Err(min.err().into_iter().chain(max.err()).collect()),
            }
        }
        (Some(_), Some(_)) | (None, None) => Err(vec![Fault::at(
            &[Part::Name("body"), Part::Name("items")],
            FaultKind::NotOneOf("items, amount_open"),
        )]),
    }
}

/// The amount of a link is that of its items, or the one that the payer chooses.
const fn field_of(refusal: &Refusal) -> Option<&'static str> {
    match (refusal, refusal.subject()) {
        (Refusal::AmountRangeEmpty, _) => Some("amount_open"),
        (_, Subject::Amount) => Some("items"),
        _ => usual_field(refusal),
    }
}

async fn create(
    State(app): State<App>,
    tenant: Tenant,
    Body(mut payload): Body<CreatePaymentLink>,
) -> JsonResult<PaymentLinkDetailResponse> {
    let price = price(&mut payload).map_err(ApiError::Invalid)?;
    let link = NewPaymentLink {
        title: payload.title.0,
        currency: payload.currency,
        price,
        max_uses: payload.max_uses.map(|uses| uses.0),
        fee_bearer: payload.fee_bearer,
        expires_at: payload.expires_at.map(|at| at.0),
        success_url: payload.success_url.map(|url| url.0),
        token: draw_token()?,
        idempotency_key: None,
    };
    let command = create_payment_link::CreatePaymentLink { merchant_id: tenant.id(), link };
    let CreatedPaymentLink { link, items } =
        app.engine.submit(tenant.caller, command).await.map_err(ApiError::on_fields(field_of))?;
    let public_url = &app.config.public_url;
    Ok(Json(PaymentLinkDetailResponse::new(link, items, tenant.time(), public_url)))
}

async fn list_all(
    State(app): State<App>,
    listing: Listing,
    Query(query): Query<ListPaymentLinks>,
) -> ListResult<PaymentLinkResponse> {
    let page = page(query.limit, query.after_id);
    let found = listing.tenant.reads(&app, Action::ReadPayments)?.payment_links(page).await?;
    let (time, public_url) = (listing.tenant.time(), app.config.public_url.clone());
    listing.respond(
        page,
        found,
        |link| PaymentLinkResponse::new(link, time, &public_url),
        |row| row.id,
    )
}

/// This merchant's link of that id.
async fn by_id(app: &App, tenant: &Tenant, id: i64) -> Result<PaymentLink, ApiError> {
    tenant
        .reads(app, Action::ReadPayments)?
        .payment_link(PaymentLinkId(id))
        .await?
        .ok_or(ApiError::NotFound)
}

async fn retrieve(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
) -> JsonResult<PaymentLinkDetailResponse> {
    let link = by_id(&app, &tenant, id).await?;
    let items = tenant.reads(&app, Action::ReadPayments)?.payment_link_items(link.id).await?;
    let public_url = &app.config.public_url;
    Ok(Json(PaymentLinkDetailResponse::new(link, items, tenant.time(), public_url)))
}

async fn deactivate(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
) -> JsonResult<PaymentLinkResponse> {
    let command = DeactivatePaymentLink { merchant_id: tenant.id(), link_id: PaymentLinkId(id) };
    let link = app.engine.submit(tenant.caller, command).await?;
    Ok(Json(PaymentLinkResponse::new(link, tenant.time(), &app.config.public_url)))
}

async fn qr_code(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
) -> Result<Svg, ApiError> {
    let link = by_id(&app, &tenant, id).await?;
    let url = link_url(&link, &app.config.public_url);
    qr::svg_with_title(&url, &link.title).map(Svg)
}

#[must_use]
pub fn routes() -> Routes {
    let example = json!({
        "title": "Rice, 25 kg", "currency": "USD", "max_uses": 100,
        "items": [{ "name": "Rice, 25 kg", "currency": "USD", "amount": 30.00 }],
    });
    let create_doc = op("create_payment_link", "Create a link that many payers can pay")
        .details(
            "A link has `items`, or limits of the amount that each payer chooses (`amount_open`). Each payer \
             gets an order. A use is reserved while a payment is under way, and counts when it is paid. \
             Orders that are not paid are canceled after 24 hours.",
        )
        .example(example)
        .or(403);
    Routes::new()
        .post("/v1/payment-links/create", create, create_doc)
        .get("/v1/payment-links/list", list_all, op("list_payment_links", "List payment links"))
        .get(
            "/v1/payment-links/retrieve/{id}",
            retrieve,
            op("retrieve_payment_link", "Read a payment link"),
        )
        .post(
            "/v1/payment-links/deactivate/{id}",
            deactivate,
            op("deactivate_payment_link", "Deactivate a payment link")
                .details("No payment begins any more; those under way continue."),
        )
        .get(
            "/v1/payment-links/{id}/qr.svg",
            qr_code,
            op("get_payment_link_qr", "Get the QR code of a payment link, for printing"),
        )
}
