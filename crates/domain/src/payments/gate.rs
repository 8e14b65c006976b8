//! Gates: why a request may not be sent to a real network yet.

use crate::decision::workspace::{Stop, Workspace};
use crate::kernel::ids::ExecutionId;
use crate::kernel::names::Provider;
use crate::kernel::time::{MerchantTime, ServerTime};
use crate::mutant;
use crate::payments::attempt::{Gate, NetworkPayment, ProviderAttempt};
use crate::payments::execution::Execution;
use crate::payments::provider_call::CallKind;
use crate::payments::settle;

/// The gate behind which a request has to wait now. The sandbox's accounts are never held.
///
/// # Errors
/// [`Stop::NotLoaded`], [`Stop::Inconsistent`].
pub(crate) fn closed_gate(
    execution: &Execution,
    attempt: &ProviderAttempt,
    work: &Workspace,
) -> Result<Option<Gate>, Stop> {
    if attempt.gate == Some(Gate::Approval) && !mutant!(UnapprovedSent) {
        return Ok(attempt.gate);
    }
    let operation = execution.operation();
    if work.tariff.holds_back(operation, attempt.network_account_id) && !mutant!(HeldIsSent) {
        return Ok(Some(Gate::Held));
    }
    let Some(original) = queued_refund(execution, attempt) else { return Ok(None) };
    let last = work.require::<ProviderAttempt>(original)?.last_refund_id;
    let is_under_way = match last.filter(|last| *last != execution.id) {
        Some(last) => !work.require::<Execution>(last)?.status.is_final(),
        None => false,
    };
    Ok(Some(Gate::RefundQueue).filter(|_| is_under_way && !mutant!(SecondRefundSent)))
}

/// Ends a payment that was not sent. Where its network may know it from before a backup was put back, it
/// is asked first.
///
/// # Errors
/// [`Stop::NotLoaded`], [`Stop::Inconsistent`].
pub(crate) fn withdraw(
    payment: NetworkPayment,
    message: String,
    time: MerchantTime,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<NetworkPayment, Stop> {
    let NetworkPayment { execution, attempt } = payment;
    if first_call(&execution, &attempt, work, now) == CallKind::Send {
        let execution = settle::fail(execution, message, time, work, now)?;
        return Ok(NetworkPayment { execution, attempt: attempt.ended() });
    }
    // The next claim sees that it is not wanted any more, and asks.
    let waiting_for = Some("the network, which may have been sent it before".to_owned());
    let execution = Execution { waiting_for, updated_at: time, ..execution };
    let attempt = ProviderAttempt {
        gate: Some(Gate::Held),
        cancel_asked: true,
        next_check_at: Some(time),
        ..attempt
    };
    let payment = NetworkPayment { execution, attempt };
    payment.put(work);
    Ok(payment)
}

/// Notes with its payment that a refund is being sent, so that the next one waits for it.
///
/// # Errors
/// [`Stop::NotLoaded`], [`Stop::Inconsistent`].
pub(crate) fn note_refund(
    execution: &Execution,
    attempt: &ProviderAttempt,
    work: &mut Workspace,
) -> Result<(), Stop> {
    if let Some(original) = queued_refund(execution, attempt) {
        let original = (*work.require::<ProviderAttempt>(original)?).clone();
        work.put(ProviderAttempt { last_refund_id: Some(execution.id), ..original });
    }
    Ok(())
}

/// The payment of a refund that its network takes one after the other: pawaPay's. Only requests to
/// real networks have a body.
fn queued_refund(execution: &Execution, attempt: &ProviderAttempt) -> Option<ExecutionId> {
    let is_queued = execution.provider == Provider::PawaPay && attempt.body.is_some();
    execution.original_execution_id().filter(|_| is_queued)
}

/// How the network is first called about a payment: the request is sent, or asked about where the
/// network may know it from before a backup was put back. Stripe recognizes a repeated request by
/// itself, and a search there proves nothing.
pub(crate) fn first_call(
    execution: &Execution,
    attempt: &ProviderAttempt,
    work: &Workspace,
    now: ServerTime,
) -> CallKind {
    let was_restored = work.tariff.was_restored(attempt.network_account_id, now);
    if was_restored && execution.provider == Provider::PawaPay && !mutant!(RestoredIsSent) {
        CallKind::Query
    } else {
        CallKind::Send
    }
}
