//! Claiming an execution that is due: taking the lease for its next provider call.

use crate::decision::settings::Deadlines;
use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::exceptions::open_review;
use crate::kernel::ids::ExecutionId;
use crate::kernel::time::{MerchantTime, ServerTime};
use crate::mutant;
use crate::payments::approval;
use crate::payments::attempt::{self, GATE_CHECK_US, Gate, NetworkPayment, ProviderAttempt};
use crate::payments::execution::{Execution, WAITING_FOR_ANSWER};
use crate::payments::gate;
use crate::payments::provider_call::{self, CallKind, ProviderCall};
use crate::payments::settle;
use crate::sales::checkout::CheckoutConfig;

/// Takes the lease of an execution that is due. The output is the call to make under the lease;
/// `None` if the execution is not due any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClaimExecution {
    pub execution_id: ExecutionId,
}

impl Decision for ClaimExecution {
    type Output = Option<ProviderCall>;

    fn lock_key(&self) -> Option<LockKey> {
        Some(attempt::lock_key(self.execution_id))
    }

    fn hints(&self) -> Vec<RowKey> {
        attempt::keys(self.execution_id)
    }

    fn likely_keys(&self, work: &Workspace) -> Vec<RowKey> {
        attempt::referenced_keys(self.execution_id, work)
    }

    fn decide(
        &self,
        work: &mut Workspace,
        context: &Context<'_>,
    ) -> Result<Option<ProviderCall>, Stop> {
        claim(self.execution_id, context.settings.deadlines, work, context.now)
    }
}

/// Takes the lease of an execution if it is still due, and returns the call to make. Opens the
/// review of one that is past its deadline.
///
/// # Errors
/// [`Stop::Inconsistent`] when the execution is not there.
fn claim(
    id: ExecutionId,
    deadlines: Deadlines,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Option<ProviderCall>, Stop> {
    let execution = (*work.require::<Execution>(id)?).clone();
    let merchant = work.require::<Merchant>(execution.merchant_id)?;
    let time = merchant.time(now);
    // The look-up of due executions took no lock: another process may have claimed or ended this
    // one since.
    let Some(attempt) = attempt::open_attempt(&execution, work)? else { return Ok(None) };
    let payment = NetworkPayment { execution, attempt };
    if !payment.is_due(merchant.mode, time, now) {
        return Ok(None);
    }
    if !payment.attempt.was_sent() && !mutant!(GatedIsAsked) {
        return pass_gate(payment, deadlines, work, time, now);
    }
    let unanswered = is_unanswered(&payment, deadlines, work, time)?;
    let NetworkPayment { execution, attempt } = &payment;
    if time >= attempt.deadline_at && !mutant!(OverdueIgnored) {
        open_review::open_deadline(
            execution,
            "no final word from the provider before the deadline",
            work,
            now,
        )?;
    }
    // A cancellation may be lost, so it is requested each time until the status is final. Repeating
    // it moves no money, and only the reported status ends the execution.
    let kind = if unanswered || attempt.cancel_asked { CallKind::Cancel } else { CallKind::Query };
    provider_call::take_lease(payment, kind, work, time, now).map(Some)
}

/// Whether the payer had to act, and may not any more: it took too long, or the page that leads to the
/// network's has ended. In the sandbox our own page plays the network's and ends with itself.
fn is_unanswered(
    NetworkPayment { execution, attempt }: &NetworkPayment,
    deadlines: Deadlines,
    work: &Workspace,
    time: MerchantTime,
) -> Result<bool, Stop> {
    if !attempt.requires_action {
        return Ok(false);
    }
    if time.since(attempt.sent_at.unwrap_or(execution.created_at)) >= deadlines.action_us {
        return Ok(true);
    }
    let Some(page) = attempt.page_id.filter(|_| attempt.body.is_some()) else { return Ok(false) };
    Ok(work.require::<CheckoutConfig>(page)?.is_expired(time))
}

/// Looks at the gate of a payment that was not sent: sends it, lets it wait on, or fails it when it
/// has waited too long. The network is asked nothing of it, because it cannot know it.
pub(crate) fn pass_gate(
    payment: NetworkPayment,
    deadlines: Deadlines,
    work: &mut Workspace,
    time: MerchantTime,
    now: ServerTime,
) -> Result<Option<ProviderCall>, Stop> {
    let limit = payment.unsent_limit();
    let NetworkPayment { execution, attempt } = payment.clone();
    let is_late_since = |since| time.since(since) >= limit && !mutant!(GateForEver);
    // Nothing is approved before it is made, so the approval matters only to what is late without it.
    let is_late = is_late_since(execution.created_at)
        && is_late_since(approval::unsent_since(&execution, attempt.gate, work)?);
    let is_overdue = is_late || attempt.cancel_asked;
    let kind = gate::first_call(&execution, &attempt, work, now);
    if is_overdue && kind == CallKind::Send {
        let reason = attempt.gate.map_or("it was never sent", Gate::waiting_for);
        let message = format!("it could not be sent in time: it waited for {reason}");
        settle::fail(execution, message, time, work, now)?;
        return Ok(None);
    }
    if let Some(gate) = gate::closed_gate(&execution, &attempt, work)? {
        let waiting = payment.clone().behind(gate, time.plus(GATE_CHECK_US));
        waiting.with_updated_at(&payment, time).put(work);
        return Ok(None);
    }
    gate::note_refund(&execution, &attempt, work)?;
    let attempt = attempt.first_sent(deadlines, time, now);
    // What is too late to be sent is only asked about: past its deadline it is never sent.
    let deadline_at = if is_overdue { time } else { attempt.deadline_at };
    let attempt = ProviderAttempt { deadline_at, ..attempt };
    let waiting_for = Some(WAITING_FOR_ANSWER.to_owned());
    let sent = NetworkPayment { execution: Execution { waiting_for, ..execution }, attempt }
        .with_updated_at(&payment, time);
    let call = provider_call::build(&sent, None, kind, work, now)?;
    sent.put(work);
    Ok(Some(call))
}
