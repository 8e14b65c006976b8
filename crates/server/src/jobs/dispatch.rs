//! Calls providers and records the outcomes.

use std::time::{Duration, Instant};

use domain::directory::principal::Principal;
use domain::kernel::ids::MerchantId;
use domain::kernel::trace::TraceContext;
use domain::network_accounts::change_account::{AccountChange, ChangeNetworkAccount};
use domain::payments::attempt::WithAttempt;
use domain::payments::outcome::ProviderOutcome;
use domain::payments::provider_call::ProviderCall;
use tokio::task::JoinHandle;

use crate::engine::Engine;
use crate::jobs::call_sequence::{CallSequence, Next};
use crate::jobs::settlement;
use crate::request_id;
use crate::telemetry::metrics::{NetworkMetrics, networks as names};
use crate::telemetry::traces::Kind;
use networks::ProviderRouter;
use networks::calls::{AccountNews, Called, NetworkCalls};
use store::clock;

/// The time-out of a call, after which its outcome is unknown. It is well within the lease, so that
/// no other process calls meanwhile.
pub const CALL: Duration = Duration::from_secs(13);

/// Calls providers. Cheap to clone.
#[derive(Clone)]
pub struct Dispatcher {
    engine: Engine,
    providers: ProviderRouter,
    metrics: NetworkMetrics,
}

impl Dispatcher {
    /// A dispatcher that records outcomes through `engine`.
    #[must_use]
    pub const fn new(engine: Engine, providers: ProviderRouter, metrics: NetworkMetrics) -> Self {
        Self { engine, providers, metrics }
    }

    /// The real networks, for what is about no payment.
    #[must_use]
    pub const fn networks(&self) -> &NetworkCalls {
        self.providers.networks()
    }

    /// Makes a call whose lease this process holds, and those that follow from it, and records the
    /// outcomes. `None` when the outcome is not recorded: the poll takes over when the lease runs
    /// out.
    pub async fn run(&self, call: ProviderCall) -> Option<WithAttempt> {
        let mut sequence = CallSequence::new(call);
        loop {
            let trace = sequence.call().request.trace;
            let (called, news) = {
                let _permit = match self.providers.at_once(sequence.call()) {
                    Some(permits) => Some(permits.acquire_owned().await.ok()?),
                    None => None,
                };
                // The wait for the permit may have taken longer than the lease.
                if !sequence.may_call(clock::now()) {
                    return None;
                }
                self.call(sequence.call(), trace).await
            };
            if let Some(news) = news {
                self.mark_account(sequence.call(), news).await;
            }
            let recorded = match called {
                Called::Answered { outcome, heard } => {
                    let (merchant, command) = sequence.record(outcome, heard);
                    settlement::record(&self.engine, merchant, trace, command).await
                }
                Called::NotSent { gate, after, exchanges } => {
                    let after = i64::try_from(after.as_micros()).unwrap_or(i64::MAX);
                    let (merchant, command) = sequence.defer(gate, after, exchanges);
                    let deferred = self.engine.submit_for(merchant, Principal::Network, command);
                    let deferred = request_id::continuing(trace, deferred).await;
                    return deferred
                        .inspect_err(|failure| {
                            tracing::warn!(%failure, "a request that was not sent could not be put back");
                        })
                        .ok();
                }
                // The check that the claim set takes it up again.
                Called::NotAsked => return None,
            };
            match sequence.next(recorded) {
                Next::Call(next) => sequence = *next,
                Next::Done(execution) => return Some(*execution),
                Next::Unrecorded => return None,
            }
        }
    }

    /// Makes one call, as a step of the payment's trace.
    async fn call(
        &self,
        call: &ProviderCall,
        trace: Option<TraceContext>,
    ) -> (Called, Option<AccountNews>) {
        let span = self.engine.traces().open(trace);
        let told = span.map(|span| span.context);
        let begun = Instant::now();
        let called = tokio::time::timeout(CALL, self.providers.call(call, told)).await;
        let called = called.unwrap_or((Called::answered(ProviderOutcome::Unknown), None));
        self.metrics.called(call, &called.0, begun.elapsed());
        if let Some(span) = span {
            let outcome = names::outcome_of(&called.0);
            let attributes = vec![
                ("kola.network", call.provider.as_str().into()),
                ("kola.mode", call.mode.as_str().into()),
                ("kola.operation", call.request.operation.as_str().into()),
                ("kola.call", names::name_of(call.kind).into()),
                ("kola.outcome", outcome.into()),
            ];
            let failed = matches!(outcome, "unknown" | "not_sent");
            self.engine.traces().close(span, Kind::Client, "network call", failed, attributes);
        }
        called
    }

    /// [`run`](Self::run) in a task of its own: whoever begins it need not wait for the network.
    pub fn spawn(&self, call: ProviderCall) -> JoinHandle<Option<WithAttempt>> {
        let dispatcher = self.clone();
        tokio::spawn(async move { dispatcher.run(call).await })
    }

    /// Records what a call has shown of its network account.
    async fn mark_account(&self, call: &ProviderCall, news: AccountNews) {
        let AccountNews::TokenRefused { reason, known_at } = news;
        let account_id = call.request.details.network_account_id;
        tracing::error!(
            account = account_id.0,
            reason,
            "a network refuses the token of an account: its payments wait until \
             `kola networks set-token` gives another"
        );
        let change =
            ChangeNetworkAccount { account_id, change: AccountChange::TokenRefused { known_at } };
        if let Err(failure) =
            self.engine.submit_for(MerchantId::INSTALLATION, Principal::Network, change).await
        {
            tracing::warn!(%failure, "a refused token could not be recorded");
        }
    }
}
