//! Pages for people: what is to be paid and how far it is. Who has the token of a page may see it.

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use domain::checkout::CheckoutConfig;
use domain::merchant::Merchant;
use domain::money::Money;
use domain::names::Mode;
use domain::source::{Item, Source, SourceStatus, SourceType};
use domain::time::Timestamp;

use super::error::ApiError;
use super::extract::Words;
use super::routes::Routes;
use crate::app::App;
use crate::clock;

static ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

/// A text inside an element.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// Where it is, in words for who is to pay.
fn state(source: &Source, page: &CheckoutConfig, time: Timestamp) -> String {
    match source.status {
        SourceStatus::Idle => "Not open for payment yet".to_owned(),
        SourceStatus::Active => match page.expires_at {
            Some(at) if at <= time => format!("This link expired at {at}"),
            Some(at) => format!("To be paid by {at}"),
            None => "To be paid".to_owned(),
        },
        SourceStatus::Processing => "A payment is being processed".to_owned(),
        SourceStatus::Paid => match source.paid_at {
            Some(at) => format!("Paid at {at}"),
            None => "Paid".to_owned(),
        },
        SourceStatus::Canceled => "Canceled: nothing is to be paid".to_owned(),
    }
}

fn html(page: &CheckoutConfig, merchant: &Merchant, source: &Source, items: &[Item], time: Timestamp) -> String {
    let money = |minor| format!("{} {}", Money::new(minor, source.currency), source.currency);
    let lines: String = items
        .iter()
        .map(|item| format!("<tr><td>{} × {}<td>{}", item.qty, escape(&item.name), money(item.amount_minor)))
        .collect();
    let number = escape(&source.number);
    let note = if source.note.is_empty() { String::new() } else { format!("<p>{}", escape(&source.note)) };
    let sandbox = if merchant.mode == Mode::Sandbox { "<p>Sandbox: no real money moves here." } else { "" };
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{number}</title><h1>{merchant}</h1><h2>{kind} {number}</h2>{note}<table>{lines}\
         <tr><th>Total<th>{total}</table><p><strong>{state}</strong>{sandbox}\n",
        merchant = escape(&merchant.name),
        kind = match source.kind {
            SourceType::Invoice => "Invoice",
            SourceType::Order => "Order",
        },
        total = money(source.total_minor),
        state = escape(&state(source, page, time)),
    )
}

async fn show(State(app): State<App>, Words([token]): Words<1>) -> Result<Response, ApiError> {
    let (page, merchant, source) = app.queries.page_by_token(&token).await?.ok_or(ApiError::NotFound)?;
    let items = app.queries.items(source.id).await?;
    let body = html(&page, &merchant, &source, &items, merchant.time(clock::now()));
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (ROBOTS.clone(), HeaderValue::from_static("noindex")),
    ];
    Ok((headers, body).into_response())
}

/// The pages behind links.
#[must_use]
pub fn routes() -> Routes {
    Routes::new().page("/pay/{token}", show).page("/receipt/{token}", show)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_merchant_writes_stays_text() {
        assert_eq!(escape("<b a='\"'>&"), "&lt;b a=&#39;&quot;&#39;&gt;&amp;");
    }
}
