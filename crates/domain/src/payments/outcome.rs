//! What a provider says of a request, and what that does to an execution.

use crate::kernel::money::Money;
use crate::payments::execution::ExecutionStatus;

/// What a provider said of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProviderOutcome {
    /// It has the request and will say more.
    Accepted,
    /// The payer has to act; the secret lets the payer's page do so.
    NeedsAction {
        /// Stripe's client secret.
        client_secret: String,
    },
    /// Money moved.
    Succeeded {
        /// The provider's own id of it.
        transaction_id: String,
        /// How much, where the provider says so.
        amount: Option<Money>,
    },
    /// No money moved, and none will.
    Declined {
        /// Why, for the merchant.
        message: String,
    },
    /// Silence: a time-out, a 5xx, a broken connection, an unreadable answer. Never a failure.
    Unknown,
    /// It does not know the request.
    NeverSeen,
}

/// The inputs of the state machine: a [`ProviderOutcome`] without its contents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutcomeKind {
    /// See [`ProviderOutcome::Accepted`].
    Accepted,
    /// See [`ProviderOutcome::NeedsAction`].
    NeedsAction,
    /// [`ProviderOutcome::Succeeded`] with the right amount.
    Succeeded,
    /// [`ProviderOutcome::Succeeded`] with another amount or currency.
    Mismatch,
    /// See [`ProviderOutcome::Declined`].
    Declined,
    /// See [`ProviderOutcome::Unknown`].
    Unknown,
    /// See [`ProviderOutcome::NeverSeen`].
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

/// What an input does to an execution.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transition {
    /// Nothing that was not known.
    Unchanged,
    /// It is with the provider; it is asked again later.
    Wait,
    /// Wait for the payer.
    WaitForAction,
    /// Settle.
    Complete,
    /// Release.
    Fail,
    /// Send again with the same id, or give up when its time is over.
    Resend,
    /// The word contradicts what is final, or the request: a human decides.
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
    use crate::kernel::ids::ExecutionId;
    use crate::kernel::names::Operation;
    use crate::payments::provider_call;

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

    #[test]
    fn the_id_for_a_provider_is_a_uuid_v4_that_differs_by_installation_execution_and_operation() {
        let id = provider_call::provider_request_id(&[0; 16], ExecutionId(1), Operation::Payout);
        assert_eq!(id.len(), 36);
        assert_eq!(&id[14..15], "4");
        assert!("89ab".contains(&id[19..20]));
        assert_eq!(
            id,
            provider_call::provider_request_id(&[0; 16], ExecutionId(1), Operation::Payout)
        );
        assert_ne!(
            id,
            provider_call::provider_request_id(&[1; 16], ExecutionId(1), Operation::Payout)
        );
        assert_ne!(
            id,
            provider_call::provider_request_id(&[0; 16], ExecutionId(2), Operation::Payout)
        );
        assert_ne!(
            id,
            provider_call::provider_request_id(&[0; 16], ExecutionId(1), Operation::Refund)
        );
    }
}
