//! The listener of the metrics. It is another one than that of the API, so that the world cannot reach
//! it by mistake.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::TcpListener;
use tower_http::compression::CompressionLayer;

use crate::app::App;
use crate::net::listen::{self, Limits};

/// OpenMetrics 1.0, which Prometheus reads since version 2.5.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A few programs ask. A connection that says nothing makes room for the next one soon: whoever reads
/// regularly makes another.
const LIMITS: Limits = Limits { connections: 32, idle: Duration::from_secs(10) };

async fn metrics(State(app): State<App>) -> Response {
    match app.metrics.text(&app).await {
        Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The routes of the metrics' listener.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .fallback(async || (StatusCode::NOT_FOUND, "Metrics are at /metrics\n"))
        .layer(CompressionLayer::new())
        .with_state(app)
}

/// Answers whoever asks for metrics, until the server stops.
pub async fn run(app: App, listener: TcpListener) {
    let mut stopping = app.stopping.subscribe();
    let stop = async move {
        // Connections that programs keep must not keep the server from ending.
        let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
    };
    listen::serve(listener, router(app), LIMITS, Gauge::default(), stop).await;
}
