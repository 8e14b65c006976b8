//! A line of the log for a request: at debug for each, at info for those that a fault of ours
//! refused.
//!
//! Paths name things by ids and are written; a query, a header or a body may hold what is nobody's
//! business and is not.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use tracing::Level;

use crate::api::error::{REQUEST_ID, draw_request_id};

/// A request that is being answered.
pub struct Line {
    method: Method,
    path: String,
    begun: Instant,
}

impl Line {
    /// Where the log would have it.
    #[must_use]
    pub fn begin(request: &Request) -> Option<Self> {
        tracing::enabled!(Level::INFO).then(|| Self {
            method: request.method().clone(),
            path: path_of(request),
            begun: Instant::now(),
        })
    }

    /// Writes it. At debug every answer has the id by which its line is found, not only a fault's.
    pub fn end(self, response: &mut Response) {
        let status = response.status();
        let fault =
            matches!(status, StatusCode::INTERNAL_SERVER_ERROR | StatusCode::SERVICE_UNAVAILABLE);
        if !fault && !tracing::enabled!(Level::DEBUG) {
            return;
        }
        let drawn =
            || HeaderValue::from_str(&draw_request_id()).unwrap_or(HeaderValue::from_static(""));
        let id = response.headers_mut().entry(REQUEST_ID.clone()).or_insert_with(drawn).clone();
        let request_id = id.to_str().unwrap_or_default();
        let (method, path, status, ms) =
            (self.method.as_str(), self.path, status.as_u16(), self.begun.elapsed().as_millis());
        if fault {
            tracing::info!(method, path, status, ms, request_id, "answered");
        } else {
            tracing::debug!(method, path, status, ms, request_id, "answered");
        }
    }
}

/// Who has the token of a page may see it, so a page is written without; and so is what no route
/// serves, outside of the API, because it may be such a link mistyped.
fn path_of(request: &Request) -> String {
    let asked = request.uri().path();
    match request.extensions().get::<MatchedPath>().map(MatchedPath::as_str) {
        Some(route) if route.contains("{token}") => route.to_owned(),
        None if !asked.starts_with("/v1/") => "no route".to_owned(),
        Some(_) | None => asked.to_owned(),
    }
}
