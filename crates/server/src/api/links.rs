//! Links to the pages of an invoice or order: one to pay it, one for its receipt.

use axum::Json;
use axum::extract::State;
use domain::decision::command::{Command, Output};
use domain::kernel::refusal::Refusal;
use domain::sales::checkout::CheckoutConfig;
use domain::sales::find_source::SourceRef;
use domain::sales::source::Source;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::answer::{Answered, submit};
use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::extract::Query;
use crate::api::fields::{PaymentSource, Text};
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::principal::Tenant;
use crate::payload;
use store::hex::hex;
use store::{StoreError, clock};

payload! {
    /// Which invoice or order.
    pub struct WhichNumber {
        /// Which of the two; a subscription is never found.
        source_type: PaymentSource,
        /// Its number.
        source_number: Text<255>,
    }
}

/// A link.
#[derive(Serialize, JsonSchema)]
pub struct LinkAnswer {
    url: String,
}

/// The path of the page on which something is paid.
#[must_use]
pub fn pay_path(token: &str) -> String {
    format!("/pay/{token}")
}

/// The path of the page that shows its receipt.
#[must_use]
pub fn receipt_path(token: &str) -> String {
    format!("/receipt/{token}")
}

/// A token that nobody guesses.
///
/// # Errors
/// When the operating system has no random numbers.
pub fn draw_token() -> Result<String, StoreError> {
    Ok(hex(&clock::random::<16>()?))
}

/// The page of a source. The first who asks for its link makes it, and so does the first who asks
/// when a checkout's time is over.
async fn page_of(app: &App, tenant: &Tenant, source: &Source) -> Result<CheckoutConfig, ApiError> {
    let found = app.queries.checkout_of(source.id).await?;
    if let Some(page) =
        found.filter(|page| source.status.is_final() || !page.is_over(tenant.time()))
    {
        return Ok(page);
    }
    let which = SourceRef { merchant_id: source.merchant_id, kind: source.kind, id: source.id };
    Ok(submit!(app, tenant.caller, Command::OpenCheckoutPage(which, draw_token()?), Output::Page))
}

async fn link(
    app: &App,
    tenant: &Tenant,
    query: WhichNumber,
    path: fn(&str) -> String,
) -> Answered<LinkAnswer> {
    if !tenant.merchant.verified {
        return Err(ApiError::Forbidden(Refusal::NotVerified.to_string()));
    }
    let kind = query.source_type.here().ok_or(ApiError::NotFound)?;
    let source = app.queries.source_by_number(tenant.id(), kind, &query.source_number.0).await?;
    let page = page_of(app, tenant, &source.ok_or(ApiError::NotFound)?).await?;
    Ok(Json(LinkAnswer { url: format!("{}{}", app.config.public_url, path(page.current_token())) }))
}

async fn pay(
    State(app): State<App>,
    tenant: Tenant,
    Query(query): Query<WhichNumber>,
) -> Answered<LinkAnswer> {
    link(&app, &tenant, query, pay_path).await
}

async fn receipt(
    State(app): State<App>,
    tenant: Tenant,
    Query(query): Query<WhichNumber>,
) -> Answered<LinkAnswer> {
    link(&app, &tenant, query, receipt_path).await
}

/// Asking for links.
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
