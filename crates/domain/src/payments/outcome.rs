//! The outcomes that providers report, and the state machine of executions.

use crate::kernel::money::Money;
use crate::network_accounts::exchange::Said;
use crate::payments::execution::ExecutionStatus;

/// What a provider reports of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProviderOutcome {
    /// The provider has the request; a final outcome follows.
    Accepted,
    /// The payer has to authenticate the payment.
    NeedsAction {
        /// Stripe's secret for the payer's page.
        client_secret: String,
    },
    /// Money moved.
    Succeeded {
        /// The provider's id of the payment.
        transaction_id: String,
        /// `None` where the provider does not report it.
        amount: Option<Money>,
    },
    /// No money moved, and none will.
    Declined {
        /// Why, for the merchant.
        message: String,
    },
    /// No usable answer: a time-out, a 5xx, a broken connection, unreadable content. The payment may
    /// have been made, so this is never a failure.
    Unknown,
    /// The provider does not know the request.
    NeverSeen,
}

/// What a network said beside the outcome.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Heard {
    /// The network's own id of the request, from the moment it is known.
    pub reference: Option<String>,
    /// Why the payment waits, in words for the merchant.
    pub waiting_for: Option<String>,
    /// The number that the network charged or paid, where it says so.
    pub account_number: Option<String>,
    /// The calls or the callback that brought the outcome. The sandbox has none.
    pub exchanges: Vec<Said>,
}

/// Why a payment waits that is in the network's queue, because the operator of the phones is delayed.
/// It is sent when the operator is back, and can be taken out of the queue until then.
pub const ENQUEUED: &str = "the operator is delayed: it is in the network's queue";

/// What an outcome answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutcomeSource {
    /// A call that was made when the request had been sent so many times.
    Answer { send_count: i64 },
    /// No call of ours: the network, or in the sandbox the payer, reports how the payment stands.
    Callback,
}

/// The inputs of the state machine: a [`ProviderOutcome`] without its data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutcomeKind {
    Accepted,
    NeedsAction,
    /// [`ProviderOutcome::Succeeded`] with the right amount.
    Succeeded,
    /// [`ProviderOutcome::Succeeded`] with another amount or currency.
    Mismatch,
    Declined,
    Unknown,
    NeverSeen,
}

impl OutcomeKind {
    pub const ALL: &'static [Self] = &[
        Self::Accepted,
        Self::NeedsAction,
        Self::Succeeded,
        Self::Mismatch,
        Self::Declined,
        Self::Unknown,
        Self::NeverSeen,
    ];
}

/// What an outcome does to an execution.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transition {
    /// It repeats what is known.
    Unchanged,
    /// The request is with the provider, which is polled later.
    Wait,
    /// The payer has to authenticate the payment.
    WaitForAction,
    /// The payment is settled.
    Complete,
    /// The hold is released.
    Fail,
    /// The request is sent again with the same id; past its deadline, and a quarter of an hour after
    /// it was last sent, it is failed.
    Resend,
    /// The outcome contradicts the final status or the requested amount: an operator decides.
    Review,
}

impl ExecutionStatus {
    /// What `input` does in this state.
    #[must_use]
    pub const fn on(self, input: OutcomeKind) -> Transition {
        match (self, input) {
            (Self::Pending | Self::Processing, OutcomeKind::Accepted | OutcomeKind::Unknown) => {
                Transition::Wait
            }
            (Self::Pending | Self::Processing, OutcomeKind::NeedsAction) => {
                Transition::WaitForAction
            }
            (Self::Pending | Self::Processing, OutcomeKind::Succeeded) => Transition::Complete,
            (Self::Pending | Self::Processing, OutcomeKind::Declined) => Transition::Fail,
            (Self::Pending | Self::Processing, OutcomeKind::NeverSeen) => Transition::Resend,
            (
                Self::Pending | Self::Processing | Self::Completed | Self::Failed,
                OutcomeKind::Mismatch,
            ) => Transition::Review,
            (Self::Completed, OutcomeKind::Declined) => Transition::Review,
            (Self::Failed, OutcomeKind::Succeeded) => Transition::Review,
            (Self::Completed, OutcomeKind::Succeeded) | (Self::Failed, OutcomeKind::Declined) => {
                Transition::Unchanged
            }
            (
                Self::Completed | Self::Failed,
                OutcomeKind::Accepted
                | OutcomeKind::NeedsAction
                | OutcomeKind::Unknown
                | OutcomeKind::NeverSeen,
            ) => Transition::Unchanged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every (state, input) pair.
    #[test]
    fn the_life_of_an_execution() {
        use Transition::{Complete, Fail, Resend, Review, Unchanged, Wait, WaitForAction};
        let open = [Wait, WaitForAction, Complete, Review, Fail, Wait, Resend];
        let table = [
            (ExecutionStatus::Pending, open),
            (ExecutionStatus::Processing, open),
            (
                ExecutionStatus::Completed,
                [Unchanged, Unchanged, Unchanged, Review, Review, Unchanged, Unchanged],
            ),
            (
                ExecutionStatus::Failed,
                [Unchanged, Unchanged, Review, Review, Unchanged, Unchanged, Unchanged],
            ),
        ];
        assert_eq!(table.len(), ExecutionStatus::ALL.len());
        for (state, steps) in table {
            for (input, step) in OutcomeKind::ALL.iter().zip(steps) {
                assert_eq!(state.on(*input), step, "{state} on {input:?}");
            }
        }
    }

    #[test]
    fn silence_is_never_failure() {
        for state in [ExecutionStatus::Pending, ExecutionStatus::Processing] {
            assert_eq!(state.on(OutcomeKind::Unknown), Transition::Wait);
        }
    }
}
