//! Calls to networks, and what networks send.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::kernel::names::{Mode, Provider};
use domain::payments::outcome::ProviderOutcome;
use domain::payments::provider_call::{CallKind, ProviderCall};
use networks::accounts::CalledAccount;
use networks::calls::Called;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::SECONDS;

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct CallLabels {
    network: &'static str,
    call: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct CallOutcomeLabels {
    network: &'static str,
    call: &'static str,
    outcome: &'static str,
}

/// Cheap to clone: the clones count together.
#[derive(Clone, Debug)]
pub struct NetworkMetrics {
    calls: Family<CallOutcomeLabels, Counter>,
    duration: Family<CallLabels, Histogram, fn() -> Histogram>,
}

impl NetworkMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            calls: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(SECONDS)),
        };
        registry.register(
            "kola_network_calls",
            "What networks said of payments that they were asked about",
            metrics.calls.clone(),
        );
        registry.register(
            "kola_network_call_duration_seconds",
            "How long networks took to say something of a payment",
            metrics.duration.clone(),
        );
        metrics
    }

    /// Metrics that nobody reads.
    #[must_use]
    pub fn unread() -> Self {
        Self::register(&mut Registry::default())
    }

    /// Makes the series of a kind of call, so that the first of each outcome is seen as a step.
    fn begin(&self, network: &'static str, call: &'static str) {
        for outcome in OUTCOMES {
            drop(self.calls.get_or_create(&CallOutcomeLabels { network, call, outcome }));
        }
    }

    /// Counts a call about a payment.
    pub fn called(&self, call: &ProviderCall, called: &Called, took: Duration) {
        let (network, kind) = (network_of(call.mode, call.provider), name_of(call.kind));
        let labels = CallLabels { network, call: kind };
        if self.duration.get(&labels).is_none() {
            self.begin(network, kind);
        }
        self.duration.get_or_create(&labels).observe(took.as_secs_f64());
        let labels = CallOutcomeLabels { network, call: kind, outcome: outcome_of(called) };
        self.calls.get_or_create(&labels).inc();
    }
}

const fn network_of(mode: Mode, provider: Provider) -> &'static str {
    match (mode, provider) {
        (Mode::Sandbox, _) => "sandbox",
        (_, Provider::PawaPay) => "pawapay",
        (_, Provider::Stripe) => "stripe",
        (_, Provider::Platform) => "platform",
    }
}

const fn name_of_mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Sandbox => "sandbox",
        Mode::Test => "test",
        Mode::Live => "live",
    }
}

/// The name of a kind of call, also in traces.
#[must_use]
pub const fn name_of(call: CallKind) -> &'static str {
    match call {
        CallKind::Send => "send",
        CallKind::Query => "query",
        CallKind::Cancel => "cancel",
    }
}

/// What [`outcome_of`] answers.
const OUTCOMES: [&str; 8] = [
    "not_sent",
    "not_asked",
    "accepted",
    "needs_action",
    "succeeded",
    "declined",
    "unknown",
    "never_seen",
];

/// The name of what came of a call, also in traces.
#[must_use]
pub const fn outcome_of(called: &Called) -> &'static str {
    match called {
        Called::NotSent { .. } => "not_sent",
        Called::NotAsked => "not_asked",
        Called::Answered { outcome, .. } => match outcome {
            ProviderOutcome::Accepted => "accepted",
            ProviderOutcome::NeedsAction { .. } => "needs_action",
            ProviderOutcome::Succeeded { .. } => "succeeded",
            ProviderOutcome::Declined { .. } => "declined",
            ProviderOutcome::Unknown => "unknown",
            ProviderOutcome::NeverSeen => "never_seen",
        },
    }
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, EncodeLabelSet)]
struct AccountLabels {
    network: &'static str,
    mode: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct AccountOutcomeLabels {
    network: &'static str,
    mode: &'static str,
    outcome: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct VerdictLabels {
    network: &'static str,
    mode: &'static str,
    verdict: &'static str,
}

/// What the accounts have counted, together for each network and mode. Accounts are never forgotten,
/// so that the sums only grow.
pub(super) fn register_accounts(accounts: &[Arc<CalledAccount>], registry: &mut Registry) {
    let requests = Family::<AccountOutcomeLabels, Counter>::default();
    let callbacks = Family::<VerdictLabels, Counter>::default();
    let opened = Family::<AccountLabels, Counter>::default();
    let words = Family::<AccountLabels, Counter>::default();
    let open = Family::<AccountLabels, Gauge>::default();
    for called in accounts {
        let account = &called.account;
        let mode = if account.is_live { Mode::Live } else { Mode::Test };
        let (network, mode) = (network_of(mode, account.network), name_of_mode(mode));
        let of_account = AccountLabels { network, mode };
        // The names of the counters are the names here, too: `calls_answered`, `callbacks_unmatched`.
        let counters: BTreeMap<&str, u64> = called.counters.all().collect();
        for (name, count) in counters {
            if let Some(outcome) = name.strip_prefix("calls_") {
                let labels = AccountOutcomeLabels { network, mode, outcome };
                requests.get_or_create(&labels).inc_by(count);
            } else if let Some(verdict) = name.strip_prefix("callbacks_") {
                let labels = VerdictLabels { network, mode, verdict };
                callbacks.get_or_create(&labels).inc_by(count);
            } else if name == "circuits_opened" {
                opened.get_or_create(&of_account).inc_by(count);
            } else {
                words.get_or_create(&of_account).inc_by(count);
            }
        }
        open.get_or_create(&of_account).inc_by(i64::from(called.circuit_is_open()));
    }
    registry.register("kola_network_requests", "HTTP requests to networks", requests);
    registry.register("kola_callbacks", "Callbacks and events that networks sent", callbacks);
    registry.register(
        "kola_network_circuits_opened",
        "How often a network was found to fail, so that payments waited",
        opened,
    );
    registry.register(
        "kola_network_unknown_words",
        "Answers and callbacks with words that are not known, or that need a look",
        words,
    );
    registry.register(
        "kola_network_circuit_open",
        "Accounts whose payments wait now because the network fails",
        open,
    );
}
