//! CORS: which origins may call this server from a browser. None, unless the operator names them.
//!
//! The token is sent in a header that the page sets, never in a cookie, so that no call needs
//! credentials that the browser adds by itself.

use std::time::Duration;

use axum::http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, LINK, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderName, HeaderValue, Method};
use tower_http::cors::CorsLayer;

use crate::api::error::REQUEST_ID;
use crate::net::limits::{RATE_LIMIT, RATE_LIMIT_POLICY};

/// How long a browser may cache the answer to a preflight request.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(600);

/// Allows calls from these origins, and reading the headers of the responses.
pub fn layer(origins: &[HeaderValue]) -> CorsLayer {
    let exposed: [HeaderName; 6] = [
        LINK,
        RETRY_AFTER,
        WWW_AUTHENTICATE,
        REQUEST_ID.clone(),
        RATE_LIMIT_POLICY.clone(),
        RATE_LIMIT.clone(),
    ];
    CorsLayer::new()
        .allow_origin(origins.to_vec())
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([ACCEPT, AUTHORIZATION, CONTENT_TYPE])
        .expose_headers(exposed)
        .max_age(PREFLIGHT_MAX_AGE)
}

/// Parses an origin as a browser sends it: a scheme and a host, no path.
///
/// # Errors
/// Why it is not an origin.
pub fn origin(text: &str) -> Result<HeaderValue, String> {
    let text = text.trim().trim_end_matches('/');
    let host = ["https://", "http://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme))
        .unwrap_or_default();
    let is_odd = |c: char| {
        c.is_whitespace() || c.is_control() || c.is_ascii_uppercase() || "/?#@*\"<>,\\".contains(c)
    };
    match HeaderValue::from_str(text) {
        Ok(origin) if !host.is_empty() && text.is_ascii() && !host.contains(is_odd) => Ok(origin),
        _ => Err("an origin is http:// or https:// and a host in small letters, with its port where it has one".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        for (text, read) in [
            ("https://shop.example", "https://shop.example"),
            (" https://shop.example/ ", "https://shop.example"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ] {
            assert_eq!(origin(text).unwrap(), read);
        }
        for text in [
            "",
            "*",
            "https://*",
            "null",
            "shop.example",
            "https://",
            "https://shop.example/x",
            "https://Shop.example",
            "https://a@b",
        ] {
            assert!(origin(text).is_err(), "{text}");
        }
    }
}
