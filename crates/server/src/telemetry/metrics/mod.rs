//! Metrics in the text of OpenMetrics, for Prometheus and what speaks like it.
//!
//! What happens is counted as it happens, by some atomic additions. What stands in the database is read
//! when somebody asks, see [`watched`]. No label names a merchant or an id: whoever may read metrics
//! need not be allowed to read payments, and each series costs memory for ever.

mod engine;
mod http;
pub mod networks;
mod process;
pub mod serve;
mod watched;
mod webhooks;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::app::App;
use store::clock;

pub use engine::{CommitEnd, EngineMetrics, Refused};
pub use http::HttpMetrics;
pub use networks::NetworkMetrics;
pub use webhooks::WebhookMetrics;

/// From a tenth of a millisecond to half a minute: the bounds of every duration that is measured.
const SECONDS: [f64; 17] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 30.0,
];

/// The label of what is told apart by how it ended alone.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// What this process counts and measures.
pub struct Metrics {
    registry: Registry,
    pub http: HttpMetrics,
    pub engine: EngineMetrics,
    pub networks: NetworkMetrics,
    pub webhooks: WebhookMetrics,
    watched: watched::Watched,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let started: Gauge = Gauge::default();
        started.set(clock::now().0.div_euclid(1_000_000));
        registry.register("kola_start_time_seconds", "When the server started", started);
        Self {
            http: HttpMetrics::register(&mut registry),
            engine: EngineMetrics::register(&mut registry),
            networks: NetworkMetrics::register(&mut registry),
            webhooks: WebhookMetrics::register(&mut registry),
            watched: watched::Watched::default(),
            registry,
        }
    }
}

impl Metrics {
    /// All metrics as text.
    ///
    /// # Errors
    /// Never: writing to a string does not fail.
    pub async fn text(&self, app: &App) -> Result<String, std::fmt::Error> {
        let mut now = Registry::default();
        networks::register_accounts(&app.dispatcher.networks().accounts.all(), &mut now);
        process::register(&mut now);
        self.watched.register(app, &mut now).await;
        let mut out = String::with_capacity(64 * 1_024);
        text::encode_registry(&mut out, &self.registry)?;
        text::encode_registry(&mut out, &now)?;
        text::encode_eof(&mut out)?;
        Ok(out)
    }
}
