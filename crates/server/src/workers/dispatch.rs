//! Calls providers and brings their outcome back.

use std::sync::Arc;

use domain::command::{Answer, Command};
use domain::execution::{Execution, Job};
use tokio::sync::Semaphore;

use crate::engine::Engine;
use crate::providers::Providers;

/// Calls to providers that are under way at once.
const CALLS: usize = 256;
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

    /// Calls the provider for a job whose lease this process holds, and stores the outcome. `None` when the outcome could
    /// not be stored now: a worker will find it.
    pub async fn run(&self, job: Job) -> Option<Execution> {
        let mut job = job;
        let mut last = None;
        for _ in 0..STEPS {
            let word = {
                let _place = self.calls.acquire().await.ok()?;
                self.providers.call(&job).await
            };
            match self.engine.submit(Command::Hear(job.request.execution_id, word)).await {
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
