//! Work at a provider, step by step: what is to be done next, without doing it. The dispatcher
//! drives it with a clock and a network, a simulation with neither.

use domain::decision::command::{Command, Output};
use domain::kernel::ids::MerchantId;
use domain::kernel::time::Timestamp;
use domain::payments::execution::Execution;
use domain::payments::outcome::ProviderOutcome;
use domain::payments::provider_call::ProviderCall;

use crate::engine::Outcome;

/// A job may lead to another (ask, never seen, send again); more than this in a row is left to a
/// worker.
const STEPS: usize = 4;

/// A job whose lease this process holds, and those that follow from it.
#[derive(Clone, Debug)]
pub struct CallSequence {
    job: ProviderCall,
    calls: usize,
}

/// What comes after an outcome was handed in.
#[derive(Debug)]
pub enum Next {
    /// Another call.
    Call(CallSequence),
    /// Nothing more: this is what became of it.
    Done(Box<Execution>),
    /// Nothing is known. The row is as it was, with its lease: when that is over a worker asks the
    /// provider.
    Left,
}

impl CallSequence {
    /// The first step.
    #[must_use]
    pub const fn new(job: ProviderCall) -> Self {
        Self { job, calls: 1 }
    }

    /// The call to make.
    #[must_use]
    pub const fn job(&self) -> &ProviderCall {
        &self.job
    }

    /// Whether the call may be begun at `now`: once the lease is over another process may be
    /// calling, and the row is due.
    #[must_use]
    pub fn may_call(&self, now: Timestamp) -> bool {
        now < self.job.lease_until
    }

    /// What to hand in once the provider has spoken, and with whose commands.
    #[must_use]
    pub const fn report(&self, word: ProviderOutcome) -> (MerchantId, Command) {
        (self.job.request.merchant_id, Command::RecordOutcome(self.job.request.execution_id, word))
    }

    /// What comes after the report.
    #[must_use]
    pub fn after(self, outcome: Outcome) -> Next {
        match outcome {
            Ok(Output::OutcomeRecorded(settled)) => match settled.call {
                Some(job) if self.calls < STEPS => Next::Call(Self { job, calls: self.calls + 1 }),
                _ => Next::Done(Box::new(settled.execution)),
            },
            Ok(_) => Next::Left,
            Err(failure) => {
                tracing::warn!(%failure, execution = self.job.request.execution_id.0, "an outcome could not be stored");
                Next::Left
            }
        }
    }
}
