//! The request log: one line for each request at level debug, at level info only for those that end
//! with 500 or 503.
//!
//! Paths are logged, because they contain only ids. Queries, headers and bodies are not: they may
//! contain personal data or secrets.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use tracing::Level;

use crate::api::error::REQUEST_ID;
use crate::request_id;

/// The log line of a request that is being answered.
pub struct RequestLog {
    method: Method,
    path: String,
    begun: Instant,
}

impl RequestLog {
    /// Begins the line; `None` when the log has no level for it.
    #[must_use]
    pub fn begin(request: &Request) -> Option<Self> {
        tracing::enabled!(Level::INFO).then(|| Self {
            method: request.method().clone(),
            path: path_of(request),
            begun: Instant::now(),
        })
    }

    /// Writes the line. It is found by the request id in the response, which at level debug every
    /// response has, and otherwise only one with an error of the server.
    pub fn end(self, response: &mut Response) {
        let status = response.status();
        let fault =
            matches!(status, StatusCode::INTERNAL_SERVER_ERROR | StatusCode::SERVICE_UNAVAILABLE);
        if !fault && !tracing::enabled!(Level::DEBUG) {
            return;
        }
        let request_id = request_id::current().map(|id| id.to_string()).unwrap_or_default();
        if let Ok(value) = HeaderValue::from_str(&request_id) {
            response.headers_mut().insert(REQUEST_ID.clone(), value);
        }
        let (method, path, status, ms) =
            (self.method.as_str(), self.path, status.as_u16(), self.begun.elapsed().as_millis());
        let trace_id = request_id::trace().map(|trace| trace.shown_trace_id().to_string());
        if fault {
            tracing::info!(method, path, status, ms, request_id, trace_id, "answered");
        } else {
            tracing::debug!(method, path, status, ms, request_id, trace_id, "answered");
        }
    }
}

/// The path for the log. The token of a page gives access to it, so that the route is logged instead;
/// a path outside the API without a route is not logged, as it may be a mistyped link of that kind.
fn path_of(request: &Request) -> String {
    let path = request.uri().path();
    match request.extensions().get::<MatchedPath>().map(MatchedPath::as_str) {
        Some(route) if route.contains("{token}") => route.to_owned(),
        None if !path.starts_with("/v1/") => "no route".to_owned(),
        Some(_) | None => path.to_owned(),
    }
}
