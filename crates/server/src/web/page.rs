//! The frame of every page: document, style and security headers.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::api::error::ApiError;
use crate::net::response_permits::ResponsePermit;
use store::clock;

/// The style of all pages. It loads no font, image or script from elsewhere.
const STYLE: &str = include_str!("style.css");

pub const HTML: &str = "text/html; charset=utf-8";

pub static ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

/// The nonce by which a content security policy allows a page's own script and style. Each response
/// has its own.
///
/// # Errors
/// [`ApiError`] when the operating system has no random numbers.
pub fn nonce() -> Result<String, ApiError> {
    let random = clock::random::<16>().map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(format!("{:032x}", u128::from_be_bytes(random)))
}

/// A complete HTML page. Its content security policy allows its own style and nothing else.
/// `permit` is kept until a large page is sent.
///
/// # Errors
/// [`ApiError`] when the operating system has no random numbers.
pub fn render(
    status: StatusCode,
    title: &str,
    body: &str,
    permit: Option<ResponsePermit>,
) -> Result<Response, ApiError> {
    let nonce = nonce()?;
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    );
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(HTML)),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            CONTENT_SECURITY_POLICY,
            HeaderValue::try_from(policy).map_err(|error| ApiError::internal(error.to_string()))?,
        ),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (ROBOTS.clone(), HeaderValue::from_static("noindex")),
    ];
    let text = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width,initial-scale=1\">\
         <title>{title}</title><style nonce=\"{nonce}\">{STYLE}</style>{body}\n"
    );
    let body = match permit {
        Some(permit) => Body::from(permit.attach_if_large(text.into_bytes())),
        None => Body::from(text),
    };
    Ok((status, headers, body).into_response())
}
