//! What a provider's word does: settle, release, wait, send again, or call a human.

use crate::account::PaymentAccount;
use crate::contradiction;
use crate::event::{self, EventType, Subject};
use crate::execute;
use crate::execution::{
    Execution, ExecutionStatus, Input, Job, LEASE_US, NEVER_SEEN_US, Patience, STRIPE_RESEND_US, Step, Task, Word,
};
use crate::ids::{ExecutionId, MerchantId};
use crate::ledger::{self, From};
use crate::merchant::Merchant;
use crate::mutant;
use crate::names::{Mode, Operation, Provider};
use crate::refund;
use crate::rejection::Rejection;
use crate::review;
use crate::source::{Source, SourceInput, SourceStatus};
use crate::time::Timestamp;
use crate::wallet::{self, Owner};
use crate::world::{Halt, World};

/// The execution after a word, and the call that it made due.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settled {
    /// As it is now.
    pub execution: Execution,
    /// What to do next; this process holds the lease.
    pub job: Option<Job>,
}

/// Takes in what a provider said of an execution, be it an answer, a callback or a status.
///
/// # Errors
/// [`Halt::Broken`] when the execution is not there.
pub fn hear(id: ExecutionId, word: &Word, world: &mut World, now: Timestamp) -> Result<Settled, Halt> {
    let execution = (*world.must::<Execution>(id)?).clone();
    let time = world.must::<Merchant>(execution.merchant_id)?.time(now);
    let input = input_of(word, &execution);
    let stay = |execution| Settled { execution, job: None };
    if execution.disputed {
        return Ok(stay(contradiction::hear_more(execution, word, time, world, now)?));
    }
    if mutant!(FailedCompletes) && execution.status == ExecutionStatus::Failed && input == Input::Succeeded {
        let completed = Execution { status: ExecutionStatus::Completed, ..execution };
        world.put(completed.clone());
        return Ok(stay(completed));
    }
    Ok(match execution.status.on(input) {
        Step::Wait => stay(wait(execution, input, time, world, now)?),
        Step::WaitForAction => stay(wait_for_action(execution, word, time, world, now)?),
        Step::Complete => {
            let transaction_id = match word {
                Word::Succeeded { transaction_id, .. } => Some(transaction_id.clone()),
                _ => None,
            };
            stay(complete(execution, From::Held, transaction_id, time, world, now)?)
        }
        Step::Fail => stay(fail(execution, message_of(word), time, world, now)?),
        Step::Resend => resend(execution, time, world, now)?,
        // Also what repeats an outcome may be news: the provider may have said otherwise in between.
        Step::Unchanged | Step::Review => stay(contradiction::take_in(execution, word, time, world, now)?),
    })
}

fn input_of(word: &Word, execution: &Execution) -> Input {
    match word {
        Word::Accepted => Input::Accepted,
        Word::NeedsAction { .. } => Input::NeedsAction,
        Word::Succeeded { amount: Some(amount), .. }
            if *amount != execution.outside_amount() && !mutant!(SettleWrongAmount) =>
        {
            Input::Mismatch
        }
        Word::Unknown if mutant!(TimeoutFails) => Input::Declined,
        Word::Succeeded { .. } => Input::Succeeded,
        Word::Declined { .. } => Input::Declined,
        Word::Unknown => Input::Unknown,
        Word::NeverSeen => Input::NeverSeen,
    }
}

fn message_of(word: &Word) -> String {
    match word {
        Word::Declined { message } => message.clone(),
        _ => String::new(),
    }
}

/// Writes down that the provider has it, or may have it.
pub(crate) fn processing(
    execution: Execution,
    waiting_for: &str,
    time: Timestamp,
    world: &mut World,
    now: Timestamp,
) -> Result<Execution, Halt> {
    if execution.status == ExecutionStatus::Pending {
        let subject = (Subject::Execution, execution.id.0);
        let note = Some(waiting_for.to_owned());
        event::record(world, execution.merchant_id, EventType::ExecutionProcessing, subject, note, now)?;
    }
    let mode = world.must::<Merchant>(execution.merchant_id)?.mode;
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

fn wait(execution: Execution, input: Input, time: Timestamp, world: &mut World, now: Timestamp) -> Result<Execution, Halt> {
    let waiting_for = match input {
        Input::Unknown => "the provider did not answer; it is asked again",
        _ => "the provider's result",
    };
    let before = execution.clone();
    let execution = match input {
        // The provider has what it needs: the payer has acted.
        Input::Accepted => Execution { requires_action: false, client_secret: None, ..execution },
        _ => execution,
    };
    let execution = processing(execution, waiting_for, time, world, now)?.dated(&before, time);
    world.put(execution.clone());
    Ok(execution)
}

fn wait_for_action(
    execution: Execution,
    word: &Word,
    time: Timestamp,
    world: &mut World,
    now: Timestamp,
) -> Result<Execution, Halt> {
    let Word::NeedsAction { client_secret } = word else {
        return Err(Halt::Broken("an action without a secret".to_owned()));
    };
    let before = execution.clone();
    let execution = processing(execution, "the payer's authentication", time, world, now)?;
    if !before.requires_action {
        let subject = (Subject::Execution, execution.id.0);
        event::record(world, execution.merchant_id, EventType::ExecutionRequiresAction, subject, None, now)?;
    }
    let execution = Execution { requires_action: true, client_secret: Some(client_secret.clone()), ..execution };
    let execution = execution.dated(&before, time);
    world.put(execution.clone());
    Ok(execution)
}

/// Settles: posts the recipe, pays the source. `from` says whether an outgoing payment was held before.
///
/// # Errors
/// [`Halt::Broken`] when rows contradict each other.
pub fn complete(
    mut execution: Execution,
    from: From,
    transaction_id: Option<String>,
    time: Timestamp,
    world: &mut World,
    now: Timestamp,
) -> Result<Execution, Halt> {
    let merchant = execution.merchant_id;
    still_open(&execution)?;
    if execution.operation == Operation::Collection {
        let wallet = wallet::open(world, merchant, Owner::Merchant(merchant), execution.payee.currency, now)?;
        execution.wallet_id = Some(wallet.id);
    }
    if let Some(payment) = execution.original_execution_id {
        execution.released_minor = refund::complete(&execution, payment, world)?;
    }
    if let Some(money) = execution.incoming() {
        wallet::end_collection(world, merchant, money, now)?;
    }
    let figures = execution.figures()?;
    let postings = match execution.operation {
        Operation::Collection => ledger::collection_completes(&figures)?,
        Operation::Payout | Operation::Transfer | Operation::Refund => ledger::outgoing_completes(&figures, from)?,
    };
    let event = event::record(world, merchant, EventType::ExecutionCompleted, (Subject::Execution, execution.id.0), None, now)?;
    ledger::post(world, event, Some(execution.id), &postings, now)?;

    let execution = Execution {
        status: ExecutionStatus::Completed,
        completed_at: Some(time),
        provider_transaction_id: transaction_id.or_else(|| execution.provider_transaction_id.clone()),
        ..finished(execution, time)
    };
    if let Some(source) = execution.source_id {
        let paid = world.must::<Source>(source)?.after(SourceInput::Collected, "", time)?;
        world.put(Source { paid_at: Some(time), ..paid });
        event::record(world, merchant, EventType::SourcePaid, (Subject::Source, source.0), None, now)?;
    }
    review::close_deadline(&execution, world, now)?;
    world.put(execution.clone());
    Ok(execution)
}

/// Fails an execution that was with a provider: releases its hold, opens its source again, gives back its refund's room.
///
/// # Errors
/// [`Halt::Broken`] when rows contradict each other.
pub fn fail(
    execution: Execution,
    message: String,
    time: Timestamp,
    world: &mut World,
    now: Timestamp,
) -> Result<Execution, Halt> {
    let merchant = execution.merchant_id;
    still_open(&execution)?;
    let subject = (Subject::Execution, execution.id.0);
    let event = event::record(world, merchant, EventType::ExecutionFailed, subject, Some(message.clone()), now)?;
    if let Some((wallet, money)) = execution.hold() {
        ledger::post(world, event, Some(execution.id), &ledger::release(wallet, money)?, now)?;
        if mutant!(ReleaseTwice) {
            ledger::post(world, event, Some(execution.id), &ledger::release(wallet, money)?, now)?;
        }
    }
    if let Some(money) = execution.incoming().filter(|_| !mutant!(IncomingKept)) {
        wallet::end_collection(world, merchant, money, now)?;
    }
    if let Some(source) = execution.source_id {
        let source = world.must::<Source>(source)?;
        if source.status == SourceStatus::Processing && !mutant!(ForgetReopen) {
            world.put(source.after(SourceInput::CollectionFailed, "", time)?);
            event::record(world, merchant, EventType::SourceReopened, (Subject::Source, source.id.0), None, now)?;
        }
    }
    // What a disputed one counts for is for its review to say.
    if let Some(original) = execution.original_execution_id.filter(|_| !execution.disputed && !mutant!(RoomKept)) {
        let original = world.must::<Execution>(original)?.recounted(execution.payee.minor, 0)?;
        world.put(original);
    }
    let execution = Execution { status: ExecutionStatus::Failed, gateway_message: Some(message), ..finished(execution, time) };
    review::close_deadline(&execution, world, now)?;
    world.put(execution.clone());
    Ok(execution)
}

/// What is final is never settled again, whatever led here.
fn still_open(execution: &Execution) -> Result<(), Halt> {
    if execution.status.is_final() {
        return Err(Halt::Broken(format!("execution {} is {} already", execution.id, execution.status)));
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
fn resend(execution: Execution, time: Timestamp, world: &mut World, now: Timestamp) -> Result<Settled, Halt> {
    let sent_at = execution.sent_at.unwrap_or(execution.created_at);
    let late = time >= execution.deadline_at;
    if late && time.since(sent_at) >= NEVER_SEEN_US {
        let execution = fail(execution, "the provider never received the request".to_owned(), time, world, now)?;
        return Ok(Settled { execution, job: None });
    }
    let too_old = execution.provider == Provider::Stripe && time.since(execution.created_at) > STRIPE_RESEND_US;
    if late || too_old {
        let waiting_for =
            if too_old { "a review: a Stripe request older than 23 hours is not sent again" } else { "the provider's result" };
        let execution = processing(execution, waiting_for, time, world, now)?;
        if too_old {
            review::open_deadline(&execution, waiting_for, world, now)?;
        }
        world.put(execution.clone());
        return Ok(Settled { execution, job: None });
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
    world.put(execution.clone());
    let mut job = execute::job(&execution, None, Task::Send, world, now)?;
    if mutant!(ResendAsNew) {
        job.request.request_id.push('2');
    }
    Ok(Settled { execution, job: Some(job) })
}

/// Takes the lease of an execution that is due, if it still is, and says what to do. Opens the review of one that is past
/// its deadline.
///
/// # Errors
/// [`Halt::Broken`] when the execution is not there.
pub fn claim(id: ExecutionId, patience: Patience, world: &mut World, now: Timestamp) -> Result<Option<Job>, Halt> {
    let execution = (*world.must::<Execution>(id)?).clone();
    let merchant = world.must::<Merchant>(execution.merchant_id)?;
    let time = merchant.time(now);
    if execution.status.is_final() || !execution.is_due(merchant.mode, time, now) {
        return Ok(None);
    }
    if time >= execution.deadline_at && !mutant!(OverdueIgnored) {
        review::open_deadline(&execution, "no final word from the provider before the deadline", world, now)?;
    }
    let unanswered =
        execution.requires_action && time.since(execution.sent_at.unwrap_or(execution.created_at)) >= patience.action_us;
    // A cancellation that got lost is asked for again: it moves no money, and only the status is believed.
    let task = if unanswered { Task::Cancel } else { Task::Ask };
    let execution = Execution {
        cancel_asked: execution.cancel_asked || task == Task::Cancel,
        next_check_at: Some(time.plus(LEASE_US)),
        lease_until: Some(now.plus(LEASE_US)),
        ..execution
    };
    let job = execute::job(&execution, None, task, world, now)?;
    world.put(execution);
    Ok(Some(job))
}

/// The payer of a sandbox card payment confirmed it or refused to: the sandbox's own word follows.
///
/// # Errors
/// [`Rejection::NotFound`], [`Rejection::NoActionNeeded`].
pub fn authenticate(
    merchant_id: MerchantId,
    reference_id: &str,
    success: bool,
    world: &mut World,
    now: Timestamp,
) -> Result<Settled, Halt> {
    let merchant = world.must::<Merchant>(merchant_id)?;
    let found = world.find::<Execution>(&(merchant_id, reference_id.to_owned()))?;
    let execution = found.filter(|_| merchant.mode == Mode::Sandbox).ok_or(Rejection::NotFound)?;
    // Whose cancellation is under way may not pay any more: the provider would say both.
    if execution.status.is_final() || !execution.requires_action || execution.cancel_asked {
        return Err(Rejection::NoActionNeeded.into());
    }
    let account = match execution.payment_account_id {
        Some(id) => world.must::<PaymentAccount>(id)?.account_number.clone(),
        None => None,
    };
    let word = if success && account.as_deref() == Some("pm_card_threeDSecureRequiredChargeDeclined") {
        Word::Declined { message: "card_declined: the card was declined".to_owned() }
    } else if success {
        Word::Succeeded { transaction_id: format!("sandbox-{}", execution.provider_request_id), amount: None }
    } else {
        Word::Declined { message: "authentication_required: the payer did not authenticate".to_owned() }
    };
    hear(execution.id, &word, world, now)
}
