//! Sends spans to a collector: OTLP over HTTP, in Protocol Buffers.
//!
//! What the collector does not take is dropped. It may be away, slow or silent: no request waits for
//! it, and the memory for it is bounded.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Request, Uri};
use domain::kernel::time::ServerTime;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as proto;
use prost::Message;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::{Kind, Share, Span, Traces, Value};
use networks::client;

/// The most spans in one request.
const BATCH_MAX: usize = 512;
/// How long spans are collected for a request, unless there are enough sooner.
const EVERY: Duration = Duration::from_millis(500);
/// How long the collector may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long what is left may take when the server stops.
const FLUSH: Duration = Duration::from_secs(2);
/// How often a fault is logged.
const LOG_EVERY: Duration = Duration::from_secs(60);
/// The most of an answer that is read.
const ANSWER_MAX_BYTES: usize = 64 * 1_024;

/// Where a collector takes traces.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint(Uri);

/// Reads `http://host:4318` or `https://host/path`. Spans go to `/v1/traces` below it.
///
/// # Errors
/// What is wrong with it.
pub fn endpoint(text: &str) -> Result<Endpoint, String> {
    let example = "write it like http://127.0.0.1:4318";
    let text = text.trim().trim_end_matches('/');
    let uri: Uri = text.parse().map_err(|error| format!("{error}: {example}"))?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    let Some(authority) = uri.authority().filter(|_| is_http) else {
        return Err(format!("no http:// or https:// with a host: {example}"));
    };
    if authority.as_str().contains('@') || uri.query().is_some() || text.contains('#') {
        return Err(format!("no user, password or query: {example}"));
    }
    let path = if uri.path().ends_with("/v1/traces") { "" } else { "/v1/traces" };
    format!("{text}{path}").parse().map(Endpoint).map_err(|error| format!("{error}: {example}"))
}

/// What is sent where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    pub endpoint: Endpoint,
    /// The share of requests that is traced.
    pub sampled: Share,
}

/// The task that sends spans.
#[derive(Debug)]
pub struct Exporter {
    task: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Exporter {
    /// Sends what is left, as far as the collector takes it soon.
    pub async fn finish(self) {
        let _ = self.stop.send(());
        let task = self.task.abort_handle();
        if tokio::time::timeout(FLUSH, self.task).await.is_err() {
            task.abort();
            tracing::warn!("the last spans were not sent: the collector did not answer in time");
        }
    }
}

/// Starts to send spans. To be called within a tokio runtime.
///
/// # Errors
/// TLS cannot be set up.
pub fn start(Settings { endpoint, sampled }: Settings) -> anyhow::Result<(Traces, Exporter)> {
    let sender = Sender { client: client_for(&endpoint)?, endpoint };
    let (traces, spans) = Traces::recording(sampled);
    let (stop, stopped) = oneshot::channel();
    tracing::info!(endpoint = %sender.endpoint.0, %sampled, "traces are sent");
    let task = tokio::spawn(run(sender, traces.clone(), spans, stopped));
    Ok((traces, Exporter { task, stop }))
}

struct Sender {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    endpoint: Endpoint,
}

fn client_for(
    Endpoint(uri): &Endpoint,
) -> anyhow::Result<Client<HttpsConnector<HttpConnector>, Full<Bytes>>> {
    // A collector without TLS needs no certificates on this machine.
    let roots = if uri.scheme_str() == Some("https") {
        client::system_roots().map_err(anyhow::Error::msg).context("--otlp-endpoint")?
    } else {
        rustls::RootCertStore::empty()
    };
    let tls = client::tls_config(roots).map_err(anyhow::Error::msg).context("--otlp-endpoint")?;
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

/// Sends spans until it is told to stop, and then what is left.
async fn run(
    sender: Sender,
    traces: Traces,
    mut spans: mpsc::Receiver<Span>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut faults = Faults::default();
    let mut batch = Vec::with_capacity(BATCH_MAX);
    loop {
        let is_last = tokio::select! {
            _ = collect(&mut spans, &mut batch) => false,
            _ = &mut stopped => {
                while batch.len() < QUEUED_MAX && let Ok(span) = spans.try_recv() {
                    batch.push(span);
                }
                true
            }
        };
        faults.lose(traces.take_dropped(), "the queue was full");
        for part in batch.chunks(BATCH_MAX) {
            if let Err(error) = sender.send(part).await {
                faults.lose(u64::try_from(part.len()).unwrap_or(u64::MAX), &format!("{error:#}"));
            }
        }
        batch.clear();
        faults.log();
        if is_last {
            return;
        }
    }
}

/// What is in the queue when the server stops.
const QUEUED_MAX: usize = super::QUEUE + BATCH_MAX;

/// Collects a batch. What was collected before stays in it when this is not awaited to its end.
async fn collect(spans: &mut mpsc::Receiver<Span>, batch: &mut Vec<Span>) {
    if batch.is_empty() {
        spans.recv_many(batch, BATCH_MAX).await;
    }
    let full = async {
        while batch.len() < BATCH_MAX {
            let room = BATCH_MAX - batch.len();
            spans.recv_many(batch, room).await;
        }
    };
    let _ = tokio::time::timeout(EVERY, full).await;
}

/// What was lost, and was not logged yet.
#[derive(Default)]
struct Faults {
    lost: u64,
    reason: String,
    logged: Option<Instant>,
}

impl Faults {
    fn lose(&mut self, count: u64, reason: &str) {
        if count > 0 {
            self.lost = self.lost.saturating_add(count);
            reason.clone_into(&mut self.reason);
        }
    }

    fn log(&mut self) {
        let is_recent = self.logged.is_some_and(|at| at.elapsed() < LOG_EVERY);
        if self.lost > 0 && !is_recent {
            let (spans, reason) = (self.lost, self.reason.as_str());
            tracing::warn!(spans, reason, "traces are lost: the collector does not take them");
            self.lost = 0;
            self.logged = Some(Instant::now());
        }
    }
}

impl Sender {
    async fn send(&self, spans: &[Span]) -> anyhow::Result<()> {
        let body = message(spans).encode_to_vec();
        let request = Request::post(self.endpoint.0.clone())
            .header(CONTENT_TYPE, "application/x-protobuf")
            .body(Full::new(Bytes::from(body)))?;
        let answer = async {
            let response = self.client.request(request).await?;
            let status = response.status();
            // Read to its end, so that the connection can be used again.
            let _ = Limited::new(response.into_body(), ANSWER_MAX_BYTES).collect().await;
            anyhow::Ok(status)
        };
        let status = tokio::time::timeout(TIMEOUT, answer).await.context("no answer in time")??;
        if !status.is_success() {
            bail!("the collector answered {status}");
        }
        Ok(())
    }
}

/// The spans as one request.
fn message(spans: &[Span]) -> ExportTraceServiceRequest {
    let resource = Resource {
        attributes: vec![
            attribute("service.name", Any::StringValue("kola".to_owned())),
            attribute("service.version", Any::StringValue(env!("CARGO_PKG_VERSION").to_owned())),
        ],
        ..Resource::default()
    };
    let scope = InstrumentationScope { name: "kola".to_owned(), ..Default::default() };
    let scope_spans = proto::ScopeSpans {
        scope: Some(scope),
        spans: spans.iter().map(encoded).collect(),
        ..Default::default()
    };
    let resource_spans = proto::ResourceSpans {
        resource: Some(resource),
        scope_spans: vec![scope_spans],
        ..Default::default()
    };
    ExportTraceServiceRequest { resource_spans: vec![resource_spans] }
}

fn encoded(span: &Span) -> proto::Span {
    use proto::span::SpanKind;
    let kind = match span.kind {
        Kind::Internal => SpanKind::Internal,
        Kind::Server => SpanKind::Server,
        Kind::Client => SpanKind::Client,
    };
    let code = if span.failed { proto::status::StatusCode::Error } else { Default::default() };
    let attributes = span.attributes.iter().map(|(name, value)| {
        attribute(
            name,
            match value {
                Value::Text(text) => Any::StringValue(text.clone().into_owned()),
                Value::Int(value) => Any::IntValue(*value),
            },
        )
    });
    proto::Span {
        trace_id: span.context.trace_id.to_be_bytes().to_vec(),
        span_id: span.context.span_id.to_be_bytes().to_vec(),
        parent_span_id: span.parent.map(|id| id.to_be_bytes().to_vec()).unwrap_or_default(),
        // Sampled.
        flags: 1,
        name: span.name.clone().into_owned(),
        kind: kind.into(),
        start_time_unix_nano: nanoseconds(span.begun),
        end_time_unix_nano: nanoseconds(span.ended),
        attributes: attributes.collect(),
        status: Some(proto::Status { code: code.into(), ..Default::default() }),
        ..Default::default()
    }
}

fn nanoseconds(ServerTime(microseconds): ServerTime) -> u64 {
    u64::try_from(microseconds).unwrap_or(0).saturating_mul(1_000)
}

fn attribute(name: &str, value: Any) -> KeyValue {
    KeyValue {
        key: name.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_go_to_their_path_below_the_endpoint() {
        for (text, url) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            (" https://collector.example/ ", "https://collector.example/v1/traces"),
            ("http://collector:4318/otlp", "http://collector:4318/otlp/v1/traces"),
            ("http://collector:4318/v1/traces", "http://collector:4318/v1/traces"),
        ] {
            assert_eq!(endpoint(text).unwrap().0.to_string(), url);
        }
        for text in [
            "",
            "collector:4318",
            "grpc://collector:4317",
            "http://",
            "http://name:word@collector:4318",
            "http://collector:4318?token=x",
            "http://collector:4318/#x",
        ] {
            assert!(endpoint(text).is_err(), "{text}");
        }
    }
}
