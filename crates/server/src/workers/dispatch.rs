//! Calls providers and brings their outcome back.

use domain::execution::{Execution, Job};

/// Calls providers. Cheap to clone.
#[derive(Clone)]
pub struct Dispatcher {}

impl Dispatcher {
    /// Calls the provider for a job whose lease this process holds, and stores the outcome. `None` when the outcome could
    /// not be stored now: a worker will find it.
    pub async fn run(&self, job: Job) -> Option<Execution> {
        let _ = job;
        None
    }
}
