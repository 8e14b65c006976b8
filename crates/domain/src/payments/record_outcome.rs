//! Recording the outcome that a provider reports: settle, release, wait, send again, or open a
//! review.

use crate::decision::event::{EventEntity, EventType};
use crate::decision::events;
use crate::decision::row::Lookup;
use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::directory::payment_account::PaymentAccount;
use crate::exceptions::contradiction;
use crate::exceptions::open_review;
use crate::exceptions::review::{self, ReviewKind};
use crate::kernel::ids::ExecutionId;
use crate::kernel::names::{Operation, Provider};
use crate::kernel::time::{MerchantTime, ServerTime};
use crate::ledger::recipes::DebitFrom;
use crate::mutant;
use crate::network_accounts::exchange;
use crate::payments::attempt::{
    self, Gate, LEASE_US, NEVER_SEEN_US, NetworkPayment, ProviderAttempt, STRIPE_RESEND_US,
};
use crate::payments::execution::Execution;
use crate::payments::outcome::{
    ENQUEUED, Heard, OutcomeKind, OutcomeSource, ProviderOutcome, Transition,
};
use crate::payments::provider_call::{self, CallKind, ProviderCall};
use crate::payments::settle;
use crate::sales::payment_link;

/// The execution after an outcome, and the provider call that is due next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordedOutcome {
    pub execution: Execution,
    /// Its attempt at the network, while it is under way.
    pub attempt: Option<ProviderAttempt>,
    /// This process holds the lease for it.
    pub call: Option<ProviderCall>,
}

/// Records the outcome that a provider reports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordOutcome {
    pub execution_id: ExecutionId,
    pub source: OutcomeSource,
    pub outcome: ProviderOutcome,
    pub heard: Heard,
}

impl Decision for RecordOutcome {
    type Output = RecordedOutcome;

    fn lock_key(&self) -> Option<LockKey> {
        Some(attempt::lock_key(self.execution_id))
    }

    fn hints(&self) -> Vec<RowKey> {
        attempt::keys(self.execution_id)
    }

    fn likely_keys(&self, work: &Workspace) -> Vec<RowKey> {
        let Ok(Some(execution)) = work.get::<Execution>(self.execution_id) else { return vec![] };
        // An outcome of a final execution may contradict the books; one that makes an execution
        // final may close the review of its deadline.
        let kinds: &[ReviewKind] = if execution.status.is_final() {
            &review::MONEY_KINDS
        } else {
            &[ReviewKind::DeadlinePassed]
        };
        let mut keys = execution.referenced_keys();
        keys.extend(payment_link::likely_key(execution.source_id(), work));
        keys.extend(kinds.iter().map(|kind| RowKey::Review(Lookup::AltKey((execution.id, *kind)))));
        keys
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<RecordedOutcome, Stop> {
        record(self, work, context.now)
    }
}

/// Records what a provider reports of an execution: an answer, a callback or a polled status.
///
/// # Errors
/// [`Stop::Inconsistent`] when the execution is not there.
pub fn record(
    recorded: &RecordOutcome,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<RecordedOutcome, Stop> {
    let RecordOutcome { execution_id, source, outcome, heard } = recorded;
    let source = *source;
    let payment = with_reference(NetworkPayment::require(*execution_id, work)?, heard, work);
    exchange::record(payment.execution.merchant_id, *execution_id, &heard.exchanges, work)?;
    let execution = &payment.execution;
    let time = work.require::<Merchant>(execution.merchant_id)?.time(now);
    let is_of_other_number = is_of_other_number(outcome, heard, execution, work)?;
    let outcome = if is_of_other_number { &ProviderOutcome::Unknown } else { outcome };
    let input = outcome_kind(outcome, execution);
    if is_outdated(source, input, &payment.attempt) || is_of_unsent(input, &payment) {
        return Ok(RecordedOutcome::without_call(payment));
    }
    // While an operator decides, no outcome moves money: it would be booked twice.
    if execution.in_review {
        let payment = contradiction::record_during_review(payment, outcome, time, work, now)?;
        return Ok(RecordedOutcome::without_call(payment));
    }
    mutant!(FailedCompletes => return complete_failed(&payment, input, work));
    let final_now = |execution| RecordedOutcome { execution, attempt: None, call: None };
    Ok(match execution.status.on(input) {
        Transition::Wait => {
            let waiting_for = match heard.waiting_for.as_deref() {
                _ if is_of_other_number => Some(OTHER_NUMBER),
                other => other,
            };
            let payment = wait(payment, input, waiting_for, time, work, now)?;
            // Nobody else than a person can tell whose money it is, and later words say the same.
            if is_of_other_number {
                open_review::open_deadline(&payment.execution, OTHER_NUMBER, work, now)?;
            }
            RecordedOutcome::without_call(payment)
        }
        Transition::WaitForAction => {
            RecordedOutcome::without_call(wait_for_action(payment, outcome, time, work, now)?)
        }
        Transition::Complete => {
            let transaction_id = match outcome {
                ProviderOutcome::Succeeded { transaction_id, .. } => Some(transaction_id.clone()),
                _ => None,
            };
            let from = DebitFrom::Held;
            final_now(settle::complete(payment.execution, from, transaction_id, time, work, now)?)
        }
        Transition::Fail => {
            final_now(settle::fail(payment.execution, message_of(outcome), time, work, now)?)
        }
        Transition::Resend => resend(payment, time, work, now)?,
        // An outcome that repeats the status may be news too: the provider may have reported
        // something else in between.
        Transition::Unchanged | Transition::Review => RecordedOutcome::without_call(
            contradiction::compare_with_books(payment, outcome, time, work, now)?,
        ),
    })
}

/// The payment with the network's own id of the request, once the network has told it. It is kept
/// whatever else the answer says, and whether or not it is out of date.
fn with_reference(payment: NetworkPayment, heard: &Heard, work: &mut Workspace) -> NetworkPayment {
    if heard.reference.is_none() || heard.reference == payment.attempt.network_reference {
        return payment;
    }
    let network_reference = heard.reference.clone();
    let attempt = ProviderAttempt { network_reference, ..payment.attempt };
    work.put(attempt.clone());
    NetworkPayment { attempt, ..payment }
}

const OTHER_NUMBER: &str = "the network reports that another number paid or was paid";

/// Whether the network reports that money moved from or to another number than it was asked for, while
/// the payment is under way. Such money cannot be settled before a person has looked at it. What moves
/// after the payment was final goes to suspense in any case.
fn is_of_other_number(
    outcome: &ProviderOutcome,
    heard: &Heard,
    execution: &Execution,
    work: &Workspace,
) -> Result<bool, Stop> {
    let (ProviderOutcome::Succeeded { .. }, Some(number)) = (outcome, &heard.account_number) else {
        return Ok(false);
    };
    if execution.status.is_final() {
        return Ok(false);
    }
    let Some(account) = execution.payment_account_id() else { return Ok(false) };
    let asked = &work.require::<PaymentAccount>(account)?.account_number;
    Ok(asked.as_ref().is_some_and(|asked| asked != number))
}

/// Whether an outcome answers a question that was asked before the request was last sent. What the
/// network did not know or refused then says nothing of what it was sent since; that money moved
/// stays true.
fn is_outdated(source: OutcomeSource, outcome: OutcomeKind, attempt: &ProviderAttempt) -> bool {
    let moved = matches!(outcome, OutcomeKind::Succeeded | OutcomeKind::Mismatch);
    match source {
        OutcomeSource::Answer { send_count } => {
            send_count < attempt.send_count && !moved && !mutant!(EarlierSendCounts)
        }
        OutcomeSource::Callback => false,
    }
}

/// Whether a network says something of a payment that was never sent. It cannot know it; only that
/// money moved would be news, and is booked.
fn is_of_unsent(outcome: OutcomeKind, payment: &NetworkPayment) -> bool {
    let moved = matches!(outcome, OutcomeKind::Succeeded | OutcomeKind::Mismatch);
    let unsent = !payment.execution.status.is_final() && !payment.attempt.was_sent();
    unsent && !moved && !mutant!(UnsentWordCounts)
}

impl RecordedOutcome {
    fn without_call(payment: NetworkPayment) -> Self {
        let NetworkPayment { execution, attempt } = payment;
        let attempt = Some(attempt).filter(|_| !execution.status.is_final());
        Self { execution, attempt, call: None }
    }
}

fn outcome_kind(outcome: &ProviderOutcome, execution: &Execution) -> OutcomeKind {
    match outcome {
        ProviderOutcome::Accepted => OutcomeKind::Accepted,
        ProviderOutcome::NeedsAction { .. } => OutcomeKind::NeedsAction,
        ProviderOutcome::Succeeded { amount: Some(amount), .. }
            if *amount != execution.outside_amount() && !mutant!(SettleWrongAmount) =>
        {
            OutcomeKind::Mismatch
        }
        ProviderOutcome::Unknown if mutant!(TimeoutFails) => OutcomeKind::Declined,
        ProviderOutcome::Succeeded { .. } => OutcomeKind::Succeeded,
        ProviderOutcome::Declined { .. } => OutcomeKind::Declined,
        ProviderOutcome::Unknown => OutcomeKind::Unknown,
        ProviderOutcome::NeverSeen => OutcomeKind::NeverSeen,
    }
}

fn message_of(outcome: &ProviderOutcome) -> String {
    match outcome {
        ProviderOutcome::Declined { message } => message.clone(),
        _ => String::new(),
    }
}

fn wait(
    payment: NetworkPayment,
    input: OutcomeKind,
    waiting_for: Option<&str>,
    time: MerchantTime,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<NetworkPayment, Stop> {
    let waiting_for = waiting_for.unwrap_or(match input {
        OutcomeKind::Unknown => "the provider did not answer; it is asked again",
        _ => "the provider's result",
    });
    let attempt = match input {
        // The provider needs nothing more: the payer has acted.
        OutcomeKind::Accepted => ProviderAttempt {
            requires_action: false,
            client_secret: None,
            ..payment.attempt.clone()
        },
        _ => payment.attempt.clone(),
    };
    let after = NetworkPayment { attempt, execution: payment.execution.clone() };
    let after =
        settle::processing(&after, waiting_for, time, work, now)?.with_updated_at(&payment, time);
    after.put(work);
    let Execution { id, merchant_id, .. } = after.execution;
    let is_outgoing = matches!(after.execution.operation(), Operation::Payout | Operation::Refund);
    let was_enqueued = payment.execution.waiting_for.as_deref() == Some(ENQUEUED);
    if is_outgoing && waiting_for == ENQUEUED && !was_enqueued {
        let entity = (EventEntity::Execution, id.0);
        events::record(merchant_id, EventType::PayoutEnqueued, entity, None, work, now)?;
    }
    Ok(after)
}

fn wait_for_action(
    payment: NetworkPayment,
    outcome: &ProviderOutcome,
    time: MerchantTime,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<NetworkPayment, Stop> {
    let ProviderOutcome::NeedsAction { client_secret } = outcome else {
        return Err(Stop::Inconsistent("an action without a secret".to_owned()));
    };
    let after = settle::processing(&payment, "the payer's authentication", time, work, now)?;
    if !payment.attempt.requires_action {
        let entity = (EventEntity::Execution, after.execution.id.0);
        events::record(
            after.execution.merchant_id,
            EventType::ExecutionRequiresAction,
            entity,
            None,
            work,
            now,
        )?;
    }
    let attempt = ProviderAttempt {
        requires_action: true,
        client_secret: Some(client_secret.clone()),
        ..after.attempt
    };
    let after = NetworkPayment { attempt, ..after }.with_updated_at(&payment, time);
    after.put(work);
    Ok(after)
}

/// The provider does not know the request: it is sent again with the same id. Past its deadline, and
/// a quarter of an hour after it was last sent, it is failed.
fn resend(
    payment: NetworkPayment,
    time: MerchantTime,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<RecordedOutcome, Stop> {
    let NetworkPayment { execution, attempt } = &payment;
    let sent_at = attempt.sent_at.unwrap_or(execution.created_at);
    let past_deadline = time >= attempt.deadline_at;
    // The last sending may still be on its way: it is failed only when no provider would take it
    // that late.
    if past_deadline && time.since(sent_at) >= NEVER_SEEN_US {
        let message = "the provider never received the request".to_owned();
        let execution = settle::fail(payment.execution, message, time, work, now)?;
        return Ok(RecordedOutcome { execution, attempt: None, call: None });
    }
    let too_old = execution.provider == Provider::Stripe
        && time.since(execution.created_at) > STRIPE_RESEND_US;
    // Stripe would take a request under a forgotten idempotency key for a new one and charge again.
    if past_deadline || too_old {
        let waiting_for = if too_old {
            "a review: a Stripe request older than 23 hours is not sent again"
        } else {
            "the provider's result"
        };
        let payment = settle::processing(&payment, waiting_for, time, work, now)?;
        if too_old {
            open_review::open_deadline(&payment.execution, waiting_for, work, now)?;
        }
        payment.put(work);
        return Ok(RecordedOutcome::without_call(payment));
    }
    // An operator has stopped it: that goes for what is sent again, too.
    let held = work.tariff.holds_back(execution.operation(), attempt.network_account_id);
    if held && !mutant!(HeldIsResent) {
        let waiting_for = Gate::Held.waiting_for();
        let payment = settle::processing(&payment, waiting_for, time, work, now)?;
        payment.put(work);
        return Ok(RecordedOutcome::without_call(payment));
    }
    let sent = NetworkPayment {
        execution: Execution {
            waiting_for: Some("the provider's answer; it was sent again".to_owned()),
            ..execution.clone()
        },
        attempt: ProviderAttempt {
            send_count: attempt.send_count.saturating_add(1),
            sent_at: Some(time),
            // This process makes the call. If it dies, the execution is due again when the lease
            // ends.
            next_check_at: Some(time.plus(LEASE_US)),
            lease_until: Some(now.plus(LEASE_US)),
            ..attempt.clone()
        },
    };
    let payment = sent.with_updated_at(&payment, time);
    payment.put(work);
    let call = provider_call::build(&payment, None, CallKind::Send, work, now)?;
    mutant!(ResendAsNew => return resend_with_new_id(&payment, &call));
    let NetworkPayment { execution, attempt } = payment;
    Ok(RecordedOutcome { execution, attempt: Some(attempt), call: Some(call) })
}
