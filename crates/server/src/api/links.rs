//! Links to the pages of an invoice or order: payment page and receipt.

use axum::Json;
use axum::extract::State;
use domain::directory::roles::Action;
use domain::kernel::refusal::Refusal;
use domain::sales::checkout::{CheckoutConfig, PageToken};
use domain::sales::find_source::SourceRef;
use domain::sales::open_checkout_page::OpenCheckoutPage;
use domain::sales::source::Source;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::extract::Query;
use crate::api::fields::{PaymentSource, Text};
use crate::api::refusals;
use crate::api::response::JsonResult;
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::principal::Tenant;
use crate::payload;
use store::hex::hex;
use store::{StoreError, clock};

payload! {
    /// The invoice or order.
    pub struct LinkQuery {
        /// The type: invoice or order. A subscription is never found.
        source_type: PaymentSource,
        /// The number of the invoice or order.
        source_number: Text<255>,
    }
}

/// A link.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LinkAnswer")]
pub struct LinkResponse {
    url: String,
}

/// The address of a page for payers.
#[must_use]
pub fn page_url(public_url: &str, token: &str) -> String {
    format!("{public_url}{}", pay_path(token))
}

#[must_use]
pub fn pay_path(token: &str) -> String {
    format!("/pay/{token}")
}

#[must_use]
pub fn receipt_path(token: &str) -> String {
    format!("/receipt/{token}")
}

/// An unguessable token of 128 random bits, as 32 hexadecimal digits.
///
/// # Errors
/// When the operating system has no random numbers.
pub fn draw_token() -> Result<PageToken, StoreError> {
    Ok(PageToken(hex(&clock::random::<16>()?)))
}

/// The page of a source. The first request for its link creates it; after a checkout has expired
/// the first request creates a page that does not expire.
async fn page_of(app: &App, tenant: &Tenant, source: &Source) -> Result<CheckoutConfig, ApiError> {
    let found = tenant.reads(app, Action::ReadPayments)?.checkout_of(source.id).await?;
    if let Some(page) =
        found.filter(|page| source.status.is_final() || !page.is_expired(tenant.time()))
    {
        return Ok(page);
    }
    let which = SourceRef { merchant_id: source.merchant_id, kind: source.kind, id: source.id };
    Ok(app
        .engine
        .submit(tenant.caller, OpenCheckoutPage { source: which, token: draw_token()? })
        .await?)
}

async fn link(
    app: &App,
    tenant: &Tenant,
    query: LinkQuery,
    path: fn(&str) -> String,
) -> JsonResult<LinkResponse> {
    if !tenant.merchant.verified {
        return Err(ApiError::Forbidden(refusals::message(&Refusal::NotVerified)));
    }
    let kind = query.source_type.source_type().ok_or(ApiError::NotFound)?;
    let source = tenant
        .reads(app, Action::ReadPayments)?
        .source_by_number(kind, &query.source_number.0)
        .await?;
    let page = page_of(app, tenant, &source.ok_or(ApiError::NotFound)?).await?;
    Ok(Json(LinkResponse {
        url: format!("{}{}", app.config.public_url, path(&page.current_token().0)),
    }))
}

async fn pay(
    State(app): State<App>,
    tenant: Tenant,
    Query(query): Query<LinkQuery>,
) -> JsonResult<LinkResponse> {
    link(&app, &tenant, query, pay_path).await
}

async fn receipt(
    State(app): State<App>,
    tenant: Tenant,
    Query(query): Query<LinkQuery>,
) -> JsonResult<LinkResponse> {
    link(&app, &tenant, query, receipt_path).await
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .get(
            "/v1/links/pay",
            pay,
            op("get_payment_link", "Get the link to pay an invoice or order").or(403).or(404),
        )
        .get(
            "/v1/links/receipt",
            receipt,
            op("get_receipt_link", "Get the link to a receipt").or(403).or(404),
        )
}
