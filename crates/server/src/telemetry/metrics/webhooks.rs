//! Deliveries of webhooks.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::{OutcomeLabel, SECONDS};

/// Cheap to clone: the clones count together.
#[derive(Clone, Debug)]
pub struct WebhookMetrics {
    delivered: Counter,
    failed: Counter,
    duration: Histogram,
    /// Endpoints that were disabled because they were gone, or failed for days.
    pub disabled: Counter,
}

impl WebhookMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let attempts = Family::<OutcomeLabel, Counter>::default();
        let metrics = Self {
            delivered: attempts.get_or_create_owned(&OutcomeLabel { outcome: "delivered" }),
            failed: attempts.get_or_create_owned(&OutcomeLabel { outcome: "failed" }),
            duration: Histogram::new(SECONDS),
            disabled: Counter::default(),
        };
        registry.register("kola_webhook_attempts", "Attempts to deliver webhooks", attempts);
        registry.register(
            "kola_webhook_attempt_duration_seconds",
            "How long attempts to deliver webhooks took",
            metrics.duration.clone(),
        );
        registry.register(
            "kola_webhook_endpoints_disabled",
            "Endpoints that were disabled because they were gone, or failed for days",
            metrics.disabled.clone(),
        );
        metrics
    }

    /// Counts an attempt to deliver.
    pub fn attempted(&self, is_success: bool, took: Duration) {
        if is_success { &self.delivered } else { &self.failed }.inc();
        self.duration.observe(took.as_secs_f64());
    }
}
