//! Calls providers and brings their outcome back.

use std::sync::Arc;
use std::time::Duration;

use domain::execution::{Execution, Job, Word};
use tokio::sync::Semaphore;

use super::errand::{Errand, Next};
use crate::clock;
use crate::engine::Engine;
use crate::providers::Providers;

/// Calls to providers that are under way at once.
const CALLS: usize = 256;
/// A call that takes longer is silence. Well within the lease, so that no other process calls meanwhile.
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

    /// Calls the provider for a job whose lease this process holds, and stores the outcome. `None` when the outcome could
    /// not be stored now: a worker will find it.
    pub async fn run(&self, job: Job) -> Option<Execution> {
        let mut errand = Errand::new(job);
        loop {
            let word = {
                let _place = self.calls.acquire().await.ok()?;
                if !errand.may_call(clock::now()) {
                    return None;
                }
                let call = tokio::time::timeout(CALL, self.providers.call(errand.job()));
                call.await.unwrap_or(Word::Unknown)
            };
            let (merchant, heard) = errand.report(word);
            match errand.after(self.engine.submit_for(merchant, heard).await) {
                Next::Call(next) => errand = next,
                Next::Done(execution) => return Some(*execution),
                Next::Left => return None,
            }
        }
    }
}
