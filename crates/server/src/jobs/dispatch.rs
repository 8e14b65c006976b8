//! Calls providers and records the outcomes.

use std::sync::Arc;
use std::time::Duration;

use domain::directory::principal::Principal;
use domain::payments::attempt::WithAttempt;
use domain::payments::outcome::ProviderOutcome;
use domain::payments::provider_call::ProviderCall;
use tokio::sync::Semaphore;

use crate::engine::Engine;
use crate::jobs::call_sequence::{CallSequence, Next};
use networks::ProviderRouter;
use store::clock;

/// The most calls to providers that are under way at once.
const CALLS_MAX: usize = 256;
/// The time-out of a call, after which its outcome is unknown. It is well within the lease, so that
/// no other process calls meanwhile.
pub const CALL: Duration = Duration::from_secs(10);

/// Calls providers. Cheap to clone.
#[derive(Clone)]
pub struct Dispatcher {
    engine: Engine,
    providers: ProviderRouter,
    permits: Arc<Semaphore>,
}

impl Dispatcher {
    /// A dispatcher that records outcomes through `engine`.
    #[must_use]
    pub fn new(engine: Engine, providers: ProviderRouter) -> Self {
        Self { engine, providers, permits: Arc::new(Semaphore::new(CALLS_MAX)) }
    }

    /// How many more calls may be begun now.
    #[must_use]
    pub fn free_calls(&self) -> usize {
        self.permits.available_permits()
    }

    /// Makes a call whose lease this process holds, and those that follow from it, and records the
    /// outcomes. `None` when the outcome is not recorded: the poll takes over when the lease runs
    /// out.
    pub async fn run(&self, call: ProviderCall) -> Option<WithAttempt> {
        let mut sequence = CallSequence::new(call);
        loop {
            let outcome = {
                let _permit = self.permits.acquire().await.ok()?;
                // The wait for the permit may have taken longer than the lease.
                if !sequence.may_call(clock::now()) {
                    return None;
                }
                let call = tokio::time::timeout(CALL, self.providers.call(sequence.call()));
                call.await.unwrap_or(ProviderOutcome::Unknown)
            };
            let (merchant, command) = sequence.record(outcome);
            let recorded = self.engine.submit_for(merchant, Principal::Network, command).await;
            match sequence.next(recorded) {
                Next::Call(next) => sequence = *next,
                Next::Done(execution) => return Some(*execution),
                Next::Unrecorded => return None,
            }
        }
    }
}
