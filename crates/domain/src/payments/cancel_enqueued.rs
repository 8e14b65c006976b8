//! Taking a payout or refund back that waits: in the network's queue, because its operator is delayed,
//! or here, because it could not be sent yet.

use crate::decision::event::Actor;
use crate::decision::row::Lookup;
use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::roles::Action;
use crate::kernel::ids::MerchantId;
use crate::kernel::names::{Operation, Provider};
use crate::kernel::refusal::{Refusal, Subject};
use crate::kernel::uuids::ReferenceId;
use crate::payments::approval::{Approval, ApprovalStatus};
use crate::payments::attempt::{self, Gate, NetworkPayment, ProviderAttempt, WithAttempt};
use crate::payments::decide_approval;
use crate::payments::execution::Execution;
use crate::payments::gate;

/// Cancels a payout or refund that waits. What was never sent fails at once. For what is at the
/// network, the network is asked to take it out of its queue, and only its word fails it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CancelEnqueued {
    pub merchant_id: MerchantId,
    pub reference_id: ReferenceId,
}

impl Decision for CancelEnqueued {
    type Output = WithAttempt;

    fn action(&self) -> Option<Action> {
        Some(Action::PayOut)
    }

    fn hints(&self) -> Vec<RowKey> {
        let reference = (self.merchant_id, self.reference_id);
        vec![
            RowKey::Execution(Lookup::AltKey(reference)),
            RowKey::Merchant(Lookup::Id(self.merchant_id)),
        ]
    }

    fn likely_keys(&self, work: &Workspace) -> Vec<RowKey> {
        match work.find::<Execution>(&(self.merchant_id, self.reference_id)) {
            Ok(Some(execution)) => execution.referenced_keys(),
            _ => vec![],
        }
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<WithAttempt, Stop> {
        let found = work.find::<Execution>(&(self.merchant_id, self.reference_id))?;
        let execution = (*found.ok_or(Refusal::NotFound)?).clone();
        let is_queued = matches!(execution.operation(), Operation::Payout | Operation::Refund)
            && execution.provider == Provider::PawaPay;
        let open = attempt::open_attempt(&execution, work)?.filter(|_| is_queued);
        let attempt = open.ok_or(Refusal::InvalidState {
            subject: Subject::Execution,
            what: "payment",
            state: execution.status.as_str(),
            needs: "a payout or refund under way at pawaPay",
        })?;
        let time = context.merchant_time(self.merchant_id, work)?;
        if !attempt.was_sent() {
            let message = match work.actor() {
                Actor::Operator => "it was canceled by the operator before it was sent",
                _ => "it was canceled before it was sent",
            };
            let message = message.to_owned();
            return self.withdraw(NetworkPayment { execution, attempt }, message, work, context);
        }
        // Whoever polls next asks the network; a call that is under way now is not disturbed.
        let attempt = ProviderAttempt { cancel_asked: true, next_check_at: Some(time), ..attempt };
        // Written each time: a changed row is locked and compared, so that a final word which another
        // process records in this moment is noticed. Otherwise an execution that is final would go on
        // having a next check.
        let waiting_for = Some("the network, which was asked to cancel it".to_owned());
        let execution = Execution { waiting_for, updated_at: time, ..execution };
        work.put(attempt.clone());
        work.put(execution.clone());
        Ok(WithAttempt { execution, attempt: Some(attempt) })
    }
}

impl CancelEnqueued {
    /// Ends what was not sent, with the request for its approval if there is one.
    fn withdraw(
        &self,
        payment: NetworkPayment,
        message: String,
        work: &mut Workspace,
        context: &Context<'_>,
    ) -> Result<WithAttempt, Stop> {
        let id = payment.execution.id;
        if payment.attempt.gate == Some(Gate::Approval) {
            let approval = work.find::<Approval>(&id)?.ok_or_else(|| {
                Stop::Inconsistent(format!("nobody was asked to approve execution {id}"))
            })?;
            decide_approval::check_may_end(&approval, work)?;
            let answer = (ApprovalStatus::Refused, Some(work.actor()), None);
            decide_approval::end((*approval).clone(), answer, message, work, context)?;
        } else {
            let time = context.merchant_time(self.merchant_id, work)?;
            gate::withdraw(payment, message, time, work, context.now)?;
        }
        let execution = (*work.require::<Execution>(id)?).clone();
        let attempt = attempt::open_attempt(&execution, work)?;
        Ok(WithAttempt { execution, attempt })
    }
}
