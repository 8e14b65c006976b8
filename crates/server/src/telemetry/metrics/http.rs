//! Requests and connections.

use std::time::Duration;

use axum::extract::MatchedPath;
use axum::http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// From a millisecond to half a minute. There are more routes than anything else here, so that their
/// durations have fewer bounds.
const SECONDS: [f64; 10] = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0];

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct RouteLabels {
    route: String,
    method: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: &'static str,
    status_class: &'static str,
}

/// Cheap to clone: the clones count together.
#[derive(Clone, Debug)]
pub struct HttpMetrics {
    requests: Family<RequestLabels, Counter>,
    duration: Family<RouteLabels, Histogram, fn() -> Histogram>,
    /// Open connections.
    pub connections: Gauge,
}

impl HttpMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            connections: Gauge::default(),
        };
        registry.register(
            "kola_http_requests",
            "Requests that were answered",
            metrics.requests.clone(),
        );
        registry.register(
            "kola_http_request_duration_seconds",
            "How long requests took until their answer began",
            metrics.duration.clone(),
        );
        registry.register(
            "kola_http_connections",
            "Open connections, without websockets",
            metrics.connections.clone(),
        );
        metrics
    }

    /// Metrics that nobody reads.
    #[cfg(test)]
    pub fn unread() -> Self {
        Self::register(&mut Registry::default())
    }

    /// Counts a request that was answered.
    pub fn answered(
        &self,
        route: Option<&MatchedPath>,
        method: &Method,
        status: StatusCode,
        took: Duration,
    ) {
        // A path without a route may be anything, so that it is no label.
        let route = route.map_or("none", MatchedPath::as_str).to_owned();
        let method = name_of(method);
        let labels = RouteLabels { route, method };
        self.duration.get_or_create(&labels).observe(took.as_secs_f64());
        let RouteLabels { route, method } = labels;
        let labels = RequestLabels { route, method, status_class: class_of(status) };
        self.requests.get_or_create(&labels).inc();
    }
}

/// Clients may send any word as a method.
fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

const fn class_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        0..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}
