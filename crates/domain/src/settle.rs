//! What a provider's outcome does: settle, release, wait, send again, or call a human.

use crate::account::PaymentAccount;
use crate::contradiction;
use crate::event::{self, EventEntity, EventType};
use crate::execute;
use crate::execution::{
    Execution, ExecutionStatus, OutcomeKind, ProviderCall, LEASE_US, NEVER_SEEN_US, Deadlines, STRIPE_RESEND_US, Transition, CallKind, ProviderOutcome,
};
use crate::ids::{ExecutionId, MerchantId};
use crate::ledger::{self, DebitFrom};
use crate::merchant::Merchant;
use crate::mutant;
use crate::names::{Mode, Operation, Provider};
use crate::refund;
use crate::refusal::Refusal;
use crate::review;
use crate::source::{Source, SourceInput, SourceStatus};
use crate::time::Timestamp;
use crate::wallet::{self, Owner};
use crate::workspace::{Stop, Workspace};

/// The execution after a outcome, and the call that it made due.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settled {
    /// As it is now.
    pub execution: Execution,
    /// What to do next; this process holds the lease.
    pub call: Option<ProviderCall>,
}

/// Takes in what a provider reported of an execution, be it an answer, a callback or a status.
///
/// # Errors
/// [`Stop::Inconsistent`] when the execution is not there.
pub fn record_outcome(id: ExecutionId, outcome: &ProviderOutcome, work: &mut Workspace, now: Timestamp) -> Result<Settled, Stop> {
    let execution = (*work.require::<Execution>(id)?).clone();
    let time = work.require::<Merchant>(execution.merchant_id)?.time(now);
    let input = outcome_kind(outcome, &execution);
    let stay = |execution| Settled { execution, call: None };
    if execution.in_review {
        return Ok(stay(contradiction::note_outcome(execution, outcome, time, work, now)?));
    }
    if mutant!(FailedCompletes) && execution.status == ExecutionStatus::Failed && input == OutcomeKind::Succeeded {
        let completed = Execution { status: ExecutionStatus::Completed, ..execution };
        work.put(completed.clone());
        return Ok(stay(completed));
    }
    Ok(match execution.status.on(input) {
        Transition::Wait => stay(wait(execution, input, time, work, now)?),
        Transition::WaitForAction => stay(wait_for_action(execution, outcome, time, work, now)?),
        Transition::Complete => {
            let transaction_id = match outcome {
                ProviderOutcome::Succeeded { transaction_id, .. } => Some(transaction_id.clone()),
                _ => None,
            };
            stay(complete(execution, DebitFrom::Held, transaction_id, time, work, now)?)
        }
        Transition::Fail => stay(fail(execution, message_of(outcome), time, work, now)?),
        Transition::Resend => resend(execution, time, work, now)?,
        // Also what repeats an outcome may be news: the provider may have reported otherwise in between.
        Transition::Unchanged | Transition::Review => stay(contradiction::take_in(execution, outcome, time, work, now)?),
    })
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

/// Writes down that the provider has it, or may have it.
pub(crate) fn processing(
    execution: Execution,
    waiting_for: &str,
    time: Timestamp,
    work: &mut Workspace,
    now: Timestamp,
) -> Result<Execution, Stop> {
    if execution.status == ExecutionStatus::Pending {
        let entity = (EventEntity::Execution, execution.id.0);
        let note = Some(waiting_for.to_owned());
        event::record(work, execution.merchant_id, EventType::ExecutionProcessing, entity, note, now)?;
    }
    let mode = work.require::<Merchant>(execution.merchant_id)?.mode;
    let next_check_at = Some(execution.next_check(mode, time));
    let after = Execution {
        status: ExecutionStatus::Processing,
        waiting_for: Some(waiting_for.to_owned()),
        next_check_at,
        lease_until: None,
        ..execution.clone()
    };
    Ok(after.dated(&execution, time))
}

fn wait(execution: Execution, input: OutcomeKind, time: Timestamp, work: &mut Workspace, now: Timestamp) -> Result<Execution, Stop> {
    let waiting_for = match input {
        OutcomeKind::Unknown => "the provider did not answer; it is asked again",
        _ => "the provider's result",
    };
    let before = execution.clone();
    let execution = match input {
        // The provider has what it needs: the payer has acted.
        OutcomeKind::Accepted => Execution { requires_action: false, client_secret: None, ..execution },
        _ => execution,
    };
    let execution = processing(execution, waiting_for, time, work, now)?.dated(&before, time);
    work.put(execution.clone());
    Ok(execution)
}

fn wait_for_action(
    execution: Execution,
    outcome: &ProviderOutcome,
    time: Timestamp,
    work: &mut Workspace,
    now: Timestamp,
) -> Result<Execution, Stop> {
    let ProviderOutcome::NeedsAction { client_secret } = outcome else {
        return Err(Stop::Inconsistent("an action without a secret".to_owned()));
    };
    let before = execution.clone();
    let execution = processing(execution, "the payer's authentication", time, work, now)?;
    if !before.requires_action {
        let entity = (EventEntity::Execution, execution.id.0);
        event::record(work, execution.merchant_id, EventType::ExecutionRequiresAction, entity, None, now)?;
    }
    let execution = Execution { requires_action: true, client_secret: Some(client_secret.clone()), ..execution };
    let execution = execution.dated(&before, time);
    work.put(execution.clone());
    Ok(execution)
}

/// Settles: posts the recipe, pays the source. `from` says whether an outgoing payment was held before.
///
/// # Errors
/// [`Stop::Inconsistent`] when rows contradict each other.
pub fn complete(
    mut execution: Execution,
    from: DebitFrom,
    transaction_id: Option<String>,
    time: Timestamp,
    work: &mut Workspace,
    now: Timestamp,
) -> Result<Execution, Stop> {
    let merchant = execution.merchant_id;
    still_open(&execution)?;
    if execution.operation == Operation::Collection {
        let wallet = wallet::open(work, merchant, Owner::Merchant(merchant), execution.payee.currency, now)?;
        execution.wallet_id = Some(wallet.id);
    }
    if let Some(payment) = execution.original_execution_id {
        execution.released_minor = refund::complete(&execution, payment, work)?;
    }
    if let Some(money) = execution.incoming() {
        wallet::end_collection(work, merchant, money, now)?;
    }
    let figures = execution.figures()?;
    let postings = match execution.operation {
        Operation::Collection => ledger::collection_completes(&figures)?,
        Operation::Payout | Operation::Transfer | Operation::Refund => ledger::outgoing_completes(&figures, from)?,
    };
    let event = event::record(work, merchant, EventType::ExecutionCompleted, (EventEntity::Execution, execution.id.0), None, now)?;
    ledger::post(work, event, Some(execution.id), &postings, now)?;

    let execution = Execution {
        status: ExecutionStatus::Completed,
        completed_at: Some(time),
        provider_transaction_id: transaction_id.or_else(|| execution.provider_transaction_id.clone()),
        ..finished(execution, time)
    };
    if let Some(source) = execution.source_id {
        let paid = work.require::<Source>(source)?.after(SourceInput::Collected, "", time)?;
        work.put(Source { paid_at: Some(time), ..paid });
        event::record(work, merchant, EventType::SourcePaid, (EventEntity::Source, source.0), None, now)?;
    }
    review::close_deadline(&execution, work, now)?;
    work.put(execution.clone());
    Ok(execution)
}

/// Fails an execution that was with a provider: releases its hold, opens its source again, gives back its refund's room.
///
/// # Errors
/// [`Stop::Inconsistent`] when rows contradict each other.
pub fn fail(
    execution: Execution,
    message: String,
    time: Timestamp,
    work: &mut Workspace,
    now: Timestamp,
) -> Result<Execution, Stop> {
    let merchant = execution.merchant_id;
    still_open(&execution)?;
    let entity = (EventEntity::Execution, execution.id.0);
    let event = event::record(work, merchant, EventType::ExecutionFailed, entity, Some(message.clone()), now)?;
    if let Some((wallet, money)) = execution.hold() {
        ledger::post(work, event, Some(execution.id), &ledger::release(wallet, money)?, now)?;
        if mutant!(ReleaseTwice) {
            ledger::post(work, event, Some(execution.id), &ledger::release(wallet, money)?, now)?;
        }
    }
    if let Some(money) = execution.incoming().filter(|_| !mutant!(IncomingKept)) {
        wallet::end_collection(work, merchant, money, now)?;
    }
    if let Some(source) = execution.source_id {
        let source = work.require::<Source>(source)?;
        if source.status == SourceStatus::Processing && !mutant!(ForgetReopen) {
            work.put(source.after(SourceInput::CollectionFailed, "", time)?);
            event::record(work, merchant, EventType::SourceReopened, (EventEntity::Source, source.id.0), None, now)?;
        }
    }
    // What a in_review one counts for is for its review to say.
    if let Some(original) = execution.original_execution_id.filter(|_| !execution.in_review && !mutant!(RoomKept)) {
        let original = work.require::<Execution>(original)?.recounted(execution.payee.minor, 0)?;
        work.put(original);
    }
    let execution = Execution { status: ExecutionStatus::Failed, gateway_message: Some(message), ..finished(execution, time) };
    review::close_deadline(&execution, work, now)?;
    work.put(execution.clone());
    Ok(execution)
}

/// What is final is never settled again, whatever led here.
fn still_open(execution: &Execution) -> Result<(), Stop> {
    if execution.status.is_final() {
        return Err(Stop::Inconsistent(format!("execution {} is {} already", execution.id, execution.status)));
    }
    Ok(())
}

/// Without what only an execution under way has.
fn finished(execution: Execution, time: Timestamp) -> Execution {
    Execution {
        waiting_for: None,
        next_check_at: None,
        lease_until: None,
        client_secret: None,
        requires_action: false,
        updated_at: time,
        ..execution
    }
}

/// The provider does not know the request: send it again with the same id, or give it up when its time is long over.
fn resend(execution: Execution, time: Timestamp, work: &mut Workspace, now: Timestamp) -> Result<Settled, Stop> {
    let sent_at = execution.sent_at.unwrap_or(execution.created_at);
    let late = time >= execution.deadline_at;
    if late && time.since(sent_at) >= NEVER_SEEN_US {
        let execution = fail(execution, "the provider never received the request".to_owned(), time, work, now)?;
        return Ok(Settled { execution, call: None });
    }
    let too_old = execution.provider == Provider::Stripe && time.since(execution.created_at) > STRIPE_RESEND_US;
    if late || too_old {
        let waiting_for =
            if too_old { "a review: a Stripe request older than 23 hours is not sent again" } else { "the provider's result" };
        let execution = processing(execution, waiting_for, time, work, now)?;
        if too_old {
            review::open_deadline(&execution, waiting_for, work, now)?;
        }
        work.put(execution.clone());
        return Ok(Settled { execution, call: None });
    }
    let sent = Execution {
        attempts: execution.attempts.saturating_add(1),
        sent_at: Some(time),
        waiting_for: Some("the provider's answer; it was sent again".to_owned()),
        next_check_at: Some(time.plus(LEASE_US)),
        lease_until: Some(now.plus(LEASE_US)),
        ..execution.clone()
    };
    let execution = sent.dated(&execution, time);
    work.put(execution.clone());
    let mut call = execute::call(&execution, None, CallKind::Send, work, now)?;
    if mutant!(ResendAsNew) {
        call.request.request_id.push('2');
    }
    Ok(Settled { execution, call: Some(call) })
}

/// Takes the lease of an execution that is due, if it still is, and says what to do. Opens the review of one that is past
/// its deadline.
///
/// # Errors
/// [`Stop::Inconsistent`] when the execution is not there.
pub fn claim(id: ExecutionId, deadlines: Deadlines, work: &mut Workspace, now: Timestamp) -> Result<Option<ProviderCall>, Stop> {
    let execution = (*work.require::<Execution>(id)?).clone();
    let merchant = work.require::<Merchant>(execution.merchant_id)?;
    let time = merchant.time(now);
    if execution.status.is_final() || !execution.is_due(merchant.mode, time, now) {
        return Ok(None);
    }
    if time >= execution.deadline_at && !mutant!(OverdueIgnored) {
        review::open_deadline(&execution, "no final word from the provider before the deadline", work, now)?;
    }
    let unanswered =
        execution.requires_action && time.since(execution.sent_at.unwrap_or(execution.created_at)) >= deadlines.action_us;
    // A cancellation that got lost is asked for again: it moves no money, and only the status is believed.
    let kind = if unanswered { CallKind::Cancel } else { CallKind::Query };
    let execution = Execution {
        cancel_asked: execution.cancel_asked || kind == CallKind::Cancel,
        next_check_at: Some(time.plus(LEASE_US)),
        lease_until: Some(now.plus(LEASE_US)),
        ..execution
    };
    let call = execute::call(&execution, None, kind, work, now)?;
    work.put(execution);
    Ok(Some(call))
}

/// The payer of a sandbox card payment confirmed it or refused to: the sandbox's own outcome follows.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::NoActionNeeded`].
pub fn authenticate(
    merchant_id: MerchantId,
    reference_id: &str,
    success: bool,
    work: &mut Workspace,
    now: Timestamp,
) -> Result<Settled, Stop> {
    let merchant = work.require::<Merchant>(merchant_id)?;
    let found = work.find::<Execution>(&(merchant_id, reference_id.to_owned()))?;
    let execution = found.filter(|_| merchant.mode == Mode::Sandbox).ok_or(Refusal::NotFound)?;
    // Whose cancellation is under way may not pay any more: the provider would say both.
    if execution.status.is_final() || !execution.requires_action || execution.cancel_asked {
        return Err(Refusal::NoActionNeeded.into());
    }
    let account = match execution.payment_account_id {
        Some(id) => work.require::<PaymentAccount>(id)?.account_number.clone(),
        None => None,
    };
    let outcome = if success && account.as_deref() == Some("pm_card_threeDSecureRequiredChargeDeclined") {
        ProviderOutcome::Declined { message: "card_declined: the card was declined".to_owned() }
    } else if success {
        ProviderOutcome::Succeeded { transaction_id: format!("sandbox-{}", execution.provider_request_id), amount: None }
    } else {
        ProviderOutcome::Declined { message: "authentication_required: the payer did not authenticate".to_owned() }
    };
    record_outcome(execution.id, &outcome, work, now)
}
