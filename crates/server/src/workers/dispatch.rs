//! Calls providers and brings their outcome back.

use std::sync::Arc;
use std::time::Duration;

use domain::command::{Answer, Command};
use domain::execution::{Execution, Job, Word};
use tokio::sync::Semaphore;

use crate::clock;
use crate::engine::Engine;
use crate::providers::Providers;

/// Calls to providers that are under way at once.
const CALLS: usize = 256;
/// A call that takes longer is silence. Well within the lease, so that no other process calls meanwhile.
const CALL: Duration = Duration::from_secs(10);
/// A job may lead to another (ask, never seen, send again); more than this in a row is left to a worker.
const STEPS: usize = 4;

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
        let mut job = job;
        let mut last = None;
        for _ in 0..STEPS {
            let word = {
                let _place = self.calls.acquire().await.ok()?;
                if clock::now() >= job.lease_until {
                    // The wait for a place outlived the lease: another process may be calling. The row stays due.
                    return None;
                }
                let call = tokio::time::timeout(CALL, self.providers.call(&job));
                call.await.unwrap_or(Word::Unknown)
            };
            let heard = Command::Hear(job.request.execution_id, word);
            match self.engine.submit_for(job.request.merchant_id, heard).await {
                Ok(Answer::Settled(settled)) => {
                    last = Some(settled.execution);
                    match settled.job {
                        Some(next) => job = next,
                        None => break,
                    }
                }
                Ok(_) => break,
                Err(failure) => {
                    // The row is as it was, with its lease: when that is over a worker asks the provider.
                    tracing::warn!(%failure, execution = job.request.execution_id.0, "an outcome could not be stored");
                    return None;
                }
            }
        }
        last
    }
}
