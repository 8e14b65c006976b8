//! The order that a browser made through a payment link. The link's page leads to it, because that
//! page alone says what became of the payment.

use axum::http::HeaderMap;
use axum::response::Response;
use domain::sales::payment_link::PaymentLink;

use crate::api::error::ApiError;
use crate::api::links::pay_path;
use crate::api::payment_links::link_path;
use crate::app::App;
use crate::web::page::{cookies, set_cookie};

const NAME: &str = "kola_order";

/// The order is kept for 30 days.
const SECONDS: u32 = 30 * 86_400;

/// Makes the browser keep the token of its order, for the page of this link alone.
///
/// # Errors
/// See [`set_cookie`].
pub fn remember(order: &str, link: &str, response: &mut Response) -> Result<(), ApiError> {
    set_cookie(response, NAME, order, &link_path(link), SECONDS)
}

/// The path of the page of the order that the browser kept, if it is one of this link.
///
/// # Errors
/// [`ApiError`] when the database cannot be read.
pub async fn find(
    app: &App,
    link: &PaymentLink,
    headers: &HeaderMap,
) -> Result<Option<String>, ApiError> {
    let Some(token) = cookies(headers, NAME).next() else { return Ok(None) };
    let page = app.queries.for_page(token).await?;
    let own = page.filter(|page| page.source.payment_link_id == Some(link.id));
    Ok(own.map(|page| pay_path(&page.checkout.token.0)))
}
