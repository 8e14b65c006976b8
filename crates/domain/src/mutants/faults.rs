//! The wrong behaviour of those deliberate faults that need more than a line.
//!
//! Each function is named by what it does wrong. It gives the result that the caller returns, or
//! `None` where this call is to stay correct.

use crate::decision::workspace::{Stop, Workspace};
use crate::kernel::checked::Inconsistent;
use crate::kernel::ids::{DifferenceId, EventId, MerchantId, NetworkAccountId};
use crate::kernel::refusal::Refusal;
use crate::kernel::time::{MerchantTime, ServerTime};
use crate::kernel::uuids::{Fingerprint, NetworkRequestId, ReferenceId, Uuid};
use crate::ledger::post;
use crate::ledger::postings::{Leg, Postings};
use crate::ledger::recipes::{self, PaymentAmounts};
use crate::payments::attempt::{Gate, NetworkPayment, WithAttempt};
use crate::payments::execution::{Execution, ExecutionStatus};
use crate::payments::gate;
use crate::payments::outcome::OutcomeKind;
use crate::payments::provider_call::ProviderCall;
use crate::payments::record_outcome::RecordedOutcome;
use crate::payments::refund;
use crate::payments::session::{Session, SessionStatus};
use crate::payments::settle;
use crate::reconciliation::difference::{Difference, DifferenceKind};
use crate::webhooks::delivery::WebhookDelivery;
use crate::webhooks::message::WebhookMessage;

/// The wallet gets the fees too.
pub(crate) fn credit_with_fees(
    amounts: &PaymentAmounts,
    legs: &[Leg],
) -> Option<Result<Postings, Stop>> {
    let fees = amounts.platform_fee + amounts.gateway_fee + amounts.fx_fee;
    let PaymentAmounts { wallet, wallet_amount, .. } = *amounts;
    let mut legs = legs.to_vec();
    legs.push(Leg::available(wallet, wallet_amount.minor + fees, wallet_amount.currency));
    Some(Postings::balanced(legs))
}

/// A late success is settled without fees.
pub(crate) fn settle_without_fees(
    mut amounts: PaymentAmounts,
) -> Option<Result<PaymentAmounts, Stop>> {
    amounts.wallet_amount.minor += amounts.platform_fee + amounts.gateway_fee + amounts.fx_fee;
    (amounts.platform_fee, amounts.gateway_fee, amounts.fx_fee) = (0, 0, 0);
    Some(Ok(amounts))
}

/// What a refund holds is limited by what the other refunds leave of the payment's total.
pub(crate) fn cap_hold_by_other_refunds(payment: &Execution, hold: i64) -> Option<Option<i64>> {
    let others = refund::wallet_value_rounded_up(payment, payment.refunds().refunded_minor);
    Some(others.map(|others| hold.min(payment.total_minor.saturating_sub(others).max(0))))
}

/// A correction by a review is rounded by itself, not over all that was refunded.
pub(crate) fn round_correction_alone(
    payment: &Execution,
    change: i64,
    charged: i64,
) -> Option<Result<i64, Inconsistent>> {
    let alone = refund::wallet_value_rounded_up(payment, change.saturating_abs()).unwrap_or(0);
    Some(Ok(charged.saturating_add(change.signum() * alone).max(0)))
}

/// A failed payment completes without a review when its provider reports success.
pub(crate) fn complete_failed(
    NetworkPayment { execution, .. }: &NetworkPayment,
    outcome: OutcomeKind,
    work: &mut Workspace,
) -> Option<Result<RecordedOutcome, Stop>> {
    if execution.status != ExecutionStatus::Failed || outcome != OutcomeKind::Succeeded {
        return None;
    }
    let execution = Execution { status: ExecutionStatus::Completed, ..execution.clone() };
    work.put(execution.clone());
    Some(Ok(RecordedOutcome { execution, attempt: None, call: None }))
}

/// A hold is released once more.
pub(crate) fn release_again(
    execution: &Execution,
    event: EventId,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<(), Stop> {
    let Some((wallet, money)) = execution.hold() else { return Ok(()) };
    post::post(event, Some(execution.id), &recipes::release(wallet, money)?, work, now)
}

/// A repeated request has another id.
pub(crate) fn resend_with_new_id(
    payment: &NetworkPayment,
    call: &ProviderCall,
) -> Option<Result<RecordedOutcome, Stop>> {
    let mut call = call.clone();
    let other = call.request.request_id.0.as_u128() ^ 1;
    call.request.request_id = NetworkRequestId(Uuid::from_u128(other));
    let NetworkPayment { execution, attempt } = payment.clone();
    Some(Ok(RecordedOutcome { execution, attempt: Some(attempt), call: Some(call) }))
}

/// A payment whose account's token is refused fails.
pub(crate) fn fail_refused(
    NetworkPayment { execution, .. }: &NetworkPayment,
    gate: Gate,
    time: MerchantTime,
    work: &mut Workspace,
    now: ServerTime,
) -> Option<Result<WithAttempt, Stop>> {
    let refused = gate == Gate::Held;
    refused.then(|| {
        let message = "the network refuses the token".to_owned();
        let execution = settle::fail(execution.clone(), message, time, work, now)?;
        Ok(WithAttempt { execution, attempt: None })
    })
}

/// A refund that waits for another is noted as the one that was sent last.
pub(crate) fn note_waiting_refund(
    NetworkPayment { execution, attempt }: &NetworkPayment,
    work: &mut Workspace,
) -> Result<(), Stop> {
    gate::note_refund(execution, attempt, work)
}

/// An execution is not found by its `reference_id`.
pub(crate) fn ignore_reference(
    key: &(MerchantId, ReferenceId),
    work: &Workspace,
) -> Option<Result<Option<WithAttempt>, Stop>> {
    Some(work.find::<Execution>(key).map(|_| None))
}

/// An executed session is canceled.
pub(crate) fn cancel_executed(session: &Session) -> Option<Result<Session, Refusal>> {
    (session.status == SessionStatus::Executed)
        .then(|| Ok(Session { status: SessionStatus::Canceled, ..session.clone() }))
}

/// A difference that is known is kept a second time.
pub(crate) fn find_again(
    (account, kind, subject): (NetworkAccountId, DifferenceKind, Fingerprint),
    work: &mut Workspace,
) -> Result<(), Stop> {
    let other = Fingerprint(Uuid::from_u128(subject.0.as_u128() ^ 1));
    let known = work.find::<Difference>(&(account, kind, subject))?;
    if let (Some(known), None) = (known, work.find::<Difference>(&(account, kind, other))?) {
        let id = DifferenceId(work.new_id()?);
        work.put(Difference { id, subject: other, ..(*known).clone() });
    }
    Ok(())
}

/// A message is written anew after an attempt, from the object as it is now.
pub(crate) fn rewrite_message(
    delivery: &WebhookDelivery,
    work: &mut Workspace,
) -> Result<(), Stop> {
    let message = (*work.require::<WebhookMessage>(delivery.event_id)?).clone();
    work.put(WebhookMessage { body: format!("{} ", message.body), ..message });
    Ok(())
}
