//! Calls providers and brings their outcome back.

use std::sync::Arc;
use std::time::Duration;

use domain::payments::execution::Execution;
use domain::payments::outcome::ProviderOutcome;
use domain::payments::provider_call::ProviderCall;
use tokio::sync::Semaphore;

use crate::engine::Engine;
use crate::jobs::calls::{CallSequence, Next};
use networks::Providers;
use store::clock;

/// Calls to providers that are under way at once.
const CALLS: usize = 256;
/// A call that takes longer is silence. Well within the lease, so that no other process calls
/// meanwhile.
pub const CALL: Duration = Duration::from_secs(10);

/// Calls providers. Cheap to clone.
#[derive(Clone)]
pub struct Dispatcher {
    engine: Engine,
    providers: Providers,
    calls: Arc<Semaphore>,
}

impl Dispatcher {
    /// A dispatcher that brings outcomes to `engine`.
    #[must_use]
    pub fn new(engine: Engine, providers: Providers) -> Self {
        Self { engine, providers, calls: Arc::new(Semaphore::new(CALLS)) }
    }

    /// How many more calls may be begun now.
    #[must_use]
    pub fn free_places(&self) -> usize {
        self.calls.available_permits()
    }

    /// Calls the provider for a job whose lease this process holds, and stores the outcome. `None`
    /// when the outcome could not be stored now: a worker will find it.
    pub async fn run(&self, job: ProviderCall) -> Option<Execution> {
        let mut calls = CallSequence::new(job);
        loop {
            let word = {
                let _place = self.calls.acquire().await.ok()?;
                if !calls.may_call(clock::now()) {
                    return None;
                }
                let call = tokio::time::timeout(CALL, self.providers.call(calls.job()));
                call.await.unwrap_or(ProviderOutcome::Unknown)
            };
            let (merchant, heard) = calls.report(word);
            match calls.after(self.engine.submit_for(merchant, heard).await) {
                Next::Call(next) => calls = next,
                Next::Done(execution) => return Some(*execution),
                Next::Left => return None,
            }
        }
    }
}
