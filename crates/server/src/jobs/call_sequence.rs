//! The calls to a provider that follow one another, without making them: a state machine that says
//! which call is next. The dispatcher drives it with a clock and a network, the simulator with
//! neither.

use domain::kernel::ids::MerchantId;
use domain::kernel::time::ServerTime;
use domain::network_accounts::exchange::Said;
use domain::payments::attempt::{Gate, WithAttempt};
use domain::payments::defer_send::DeferSend;
use domain::payments::outcome::{Heard, OutcomeSource, ProviderOutcome};
use domain::payments::provider_call::{ProviderCall, ProviderRequest};
use domain::payments::record_outcome::{RecordOutcome, RecordedOutcome};

use crate::engine::Failure;

/// The most calls in a row. One call may lead to another (ask for the status, never seen, send
/// again); what would take more is left to the poll.
const CALLS_MAX: usize = 4;

/// A call whose lease this process holds, and how many were made before it in a row.
#[derive(Clone, Debug)]
pub struct CallSequence {
    call: ProviderCall,
    /// With this one.
    calls: usize,
}

/// What follows when the outcome of a call was recorded.
#[derive(Debug)]
pub enum Next {
    /// Another call.
    Call(Box<CallSequence>),
    /// Nothing: the sequence is over, and this is the execution.
    Done(Box<WithAttempt>),
    /// The outcome was not recorded. The row still has its lease; when that runs out, the poll asks
    /// the provider.
    Unrecorded,
}

impl CallSequence {
    /// A sequence that begins with `call`.
    #[must_use]
    pub const fn new(call: ProviderCall) -> Self {
        Self { call, calls: 1 }
    }

    /// The call to make now.
    #[must_use]
    pub const fn call(&self) -> &ProviderCall {
        &self.call
    }

    /// Whether the call may be begun at `now` (server time). Once the lease has run out the row is
    /// due, and another process may be calling.
    #[must_use]
    pub fn may_call(&self, now: ServerTime) -> bool {
        now < self.call.lease_until
    }

    /// The command that records the outcome of the call, and the merchant whose lane decides it.
    #[must_use]
    pub const fn record(
        &self,
        outcome: ProviderOutcome,
        heard: Heard,
    ) -> (MerchantId, RecordOutcome) {
        let request = &self.call.request;
        let source = OutcomeSource::Answer { send_count: request.send_count };
        let execution_id = request.execution_id;
        (request.merchant_id, RecordOutcome { execution_id, source, outcome, heard })
    }

    /// The command that puts a request back that certainly was not taken.
    #[must_use]
    pub fn defer(
        &self,
        gate: Gate,
        again_after_us: i64,
        exchanges: Vec<Said>,
    ) -> (MerchantId, DeferSend) {
        let ProviderRequest { merchant_id, execution_id, send_count, .. } = self.call.request;
        (merchant_id, DeferSend { execution_id, send_count, gate, again_after_us, exchanges })
    }

    /// What follows when the recording was decided.
    #[must_use]
    pub fn next(self, recorded: Result<RecordedOutcome, Failure>) -> Next {
        match recorded {
            Ok(recorded) => match recorded.call {
                Some(call) if self.calls < CALLS_MAX => {
                    Next::Call(Box::new(Self { call, calls: self.calls + 1 }))
                }
                _ => {
                    let RecordedOutcome { execution, attempt, .. } = recorded;
                    Next::Done(Box::new(WithAttempt { execution, attempt }))
                }
            },
            Err(failure) => {
                tracing::warn!(%failure, execution = self.call.request.execution_id.0, "an outcome could not be stored");
                Next::Unrecorded
            }
        }
    }
}
