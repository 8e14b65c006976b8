//! Providers that contradict themselves. What is final stays as it is; the money that is elsewhere
//! than the books say goes to suspense, where a human decides about it, and a payment's refunds
//! follow what its payer really has.

use crate::decision::event::{EventEntity, EventType};
use crate::decision::events;
use crate::decision::workspace::{Stop, Workspace};
use crate::exceptions::open_review;
use crate::exceptions::review::{MONEY_KINDS, Review, ReviewKind, ReviewStatus};
use crate::kernel::checked::{Inconsistent, difference, sum};
use crate::kernel::currency::Currency;
use crate::kernel::ids::ExecutionId;
use crate::kernel::money::Money;
use crate::kernel::names::Operation;
use crate::kernel::time::Timestamp;
use crate::ledger::account::AccountKind;
use crate::ledger::post;
use crate::ledger::recipes;
use crate::mutant;
use crate::payments::execution::{Execution, ExecutionStatus};
use crate::payments::outcome::ProviderOutcome;
use crate::payments::settle;
use std::sync::Arc;

/// The reviews of an execution that are about money, open or resolved.
///
/// # Errors
/// None of its own.
pub fn reviews(id: ExecutionId, work: &Workspace) -> Result<Vec<Arc<Review>>, Stop> {
    let mut found = vec![];
    for kind in MONEY_KINDS {
        found.extend(work.find::<Review>(&(id, kind))?);
    }
    Ok(found)
}

/// Takes in a outcome about a payment that is final, or about another amount than was asked for.
/// Where it says something else than the books, the difference goes to suspense, and a human
/// decides; else nothing happens.
///
/// # Errors
/// [`Stop::Inconsistent`] for an execution without a provider.
pub fn take_in(
    execution: Execution,
    outcome: &ProviderOutcome,
    time: Timestamp,
    work: &mut Workspace,
    now: Timestamp,
) -> Result<Execution, Stop> {
    if !matches!(outcome, ProviderOutcome::Succeeded { .. } | ProviderOutcome::Declined { .. }) {
        return Ok(execution);
    }
    let known = reviews(execution.id, work)?;
    let differences = differences(&execution, outcome, &known)?;
    if differences.is_empty() {
        // One that is under way was told of, even if it was told that nothing moved.
        let is_final = execution.status.is_final();
        return if is_final {
            Ok(execution)
        } else {
            note_outcome(execution, outcome, time, work, now)
        };
    }
    let clearing = AccountKind::clearing(execution.provider).ok_or_else(|| {
        Stop::Inconsistent(format!("execution {} has no provider to contradict it", execution.id))
    })?;
    let counted = room_taken(&execution, work)?;
    let reported = describe(outcome, execution.outside_amount());
    let reason = format!("the execution is {}; the provider says: {reported}", execution.status);
    let mut opened: Vec<ReviewKind> = vec![];
    for (kind, found) in differences {
        let other = if found.minor * direction(&execution) > 0 {
            ReviewKind::SuccessAfterFailure
        } else {
            ReviewKind::FailureAfterSuccess
        };
        // One review is about one currency.
        let fits = |kind: &ReviewKind| {
            let one = known.iter().find(|review| review.kind == *kind);
            !opened.contains(kind)
                && one.is_none_or(|review| review.amount.currency == found.currency)
        };
        let Some(kind) = [kind, other].into_iter().chain(MONEY_KINDS).find(fits) else { continue };
        opened.push(kind);
        let id = open_review::open(&execution, kind, found, reason.clone(), work, now)?;
        let entity = (EventEntity::Review, id.0);
        let event = events::record(
            work,
            execution.merchant_id,
            EventType::ReviewOpened,
            entity,
            Some(reason.clone()),
            now,
        )?;
        let postings = recipes::to_suspense(execution.merchant_id, clearing, found)?;
        post::post(work, event, Some(execution.id), &postings, now)?;
    }
    if opened.is_empty() {
        return note_outcome(execution, outcome, time, work, now);
    }
    let execution = recount(execution, counted, work)?;
    let execution = Execution { in_review: true, ..execution };
    let execution = if execution.status.is_final() {
        execution
    } else {
        settle::processing(execution, WAITS, time, work, now)?
    };
    work.put(execution.clone());
    Ok(execution)
}

/// Why an execution in review is not final.
const WAITS: &str = "a review: the provider moved another amount";

/// Whether a payment adds to what its provider holds for us, or takes from it.
const fn direction(execution: &Execution) -> i64 {
    match execution.operation {
        Operation::Collection => 1,
        Operation::Payout | Operation::Transfer | Operation::Refund => -1,
    }
}

/// What the provider holds for us more than the books say, now that it has reported `outcome`:
/// money in adds, money out takes away. The books know what was settled, and what was found before.
fn differences(
    execution: &Execution,
    outcome: &ProviderOutcome,
    known: &[Arc<Review>],
) -> Result<Vec<(ReviewKind, Money)>, Inconsistent> {
    let expected = Money::new(
        direction(execution) * execution.outside_amount().minor,
        execution.outside_amount().currency,
    );
    let mut books =
        if execution.status == ExecutionStatus::Completed { vec![expected] } else { vec![] };
    for review in known.iter().filter(|_| !mutant!(ForgetEarlier)) {
        add(&mut books, Money::new(review.all_minor()?, review.amount.currency))?;
    }
    let moved = books.iter().any(|booked| booked.minor != 0);
    let reported = match outcome {
        // It says that money moved, not how much, and the books have it moved.
        ProviderOutcome::Succeeded { amount: None, .. } if moved => return Ok(vec![]),
        ProviderOutcome::Succeeded { amount: None, .. } => Some(expected),
        ProviderOutcome::Succeeded { amount: Some(amount), .. } => {
            Some(Money::new(direction(execution) * amount.minor, amount.currency))
        }
        ProviderOutcome::Declined { .. } => None,
        ProviderOutcome::Accepted
        | ProviderOutcome::NeedsAction { .. }
        | ProviderOutcome::Unknown
        | ProviderOutcome::NeverSeen => return Ok(vec![]),
    };
    let booked_in = |currency: Currency| {
        books.iter().find(|booked| booked.currency == currency).map_or(0, |booked| booked.minor)
    };
    let mut all = vec![];
    if let Some(reported) = reported {
        let anew = reported == expected && booked_in(reported.currency) == 0;
        let kind = if anew { ReviewKind::SuccessAfterFailure } else { ReviewKind::AmountMismatch };
        all.push((
            kind,
            Money::new(
                difference(reported.minor, booked_in(reported.currency))?,
                reported.currency,
            ),
        ));
    }
    let elsewhere = books
        .iter()
        .filter(|booked| reported.is_none_or(|reported| reported.currency != booked.currency));
    all.extend(elsewhere.map(|booked| {
        (ReviewKind::FailureAfterSuccess, Money::new(-booked.minor, booked.currency))
    }));
    all.retain(|(_, found)| found.minor != 0);
    Ok(all)
}

/// Adds money to what a list has of its currency.
fn add(list: &mut Vec<Money>, money: Money) -> Result<(), Inconsistent> {
    match list.iter_mut().find(|other| other.currency == money.currency) {
        Some(other) => other.minor = sum(other.minor, money.minor)?,
        None => list.push(money),
    }
    Ok(())
}

/// What counts against the room of a payment because of this execution, as far as is known: of a
/// refund what its payer has, and no less than was asked for while it is open; of the payment
/// itself what its provider took back. What a human has seen returned or recovered outside is as if
/// it had not happened.
///
/// # Errors
/// [`Stop::Inconsistent`] for sums that do not fit.
pub fn room_taken(execution: &Execution, work: &Workspace) -> Result<i64, Stop> {
    if gave(execution).is_none() {
        return Ok(0);
    }
    Ok(counts(execution, &reviews(execution.id, work)?)?)
}

/// The same, of an execution with all reviews that are about its money.
///
/// # Errors
/// [`Stop::Inconsistent`] for sums that do not fit.
pub fn counts(execution: &Execution, known: &[Arc<Review>]) -> Result<i64, Inconsistent> {
    let Some(gave) = gave(execution) else { return Ok(0) };
    let refund = execution.operation == Operation::Refund;
    let asked = execution.outside_amount();
    let in_review = known.iter().any(|review| review.status == ReviewStatus::Open);
    let open =
        !execution.status.is_final() || execution.status == ExecutionStatus::Completed && in_review;
    let mut kept = vec![Money::new(0, asked.currency)];
    for review in known
        .iter()
        .filter(|review| !mutant!(MovedNotCounted) || review.kind != ReviewKind::AmountMismatch)
    {
        add(&mut kept, Money::new(review.kept_minor()?, review.amount.currency))?;
    }
    let of_own = |money: &&Money| money.currency == asked.currency;
    // What another currency is worth in the payment's nobody has agreed on.
    let elsewhere = kept.iter().any(|money| !of_own(&money) && money.minor != 0);
    let at_least = if refund && (open || elsewhere) { asked.minor } else { 0 };
    let has = difference(gave, kept.iter().find(of_own).map_or(0, |money| money.minor))?;
    Ok(has.max(at_least))
}

/// What was given back of a payment by this execution as it was settled, without its reviews;
/// `None` for what has to do with no refund. A collection that a review settled has its money by
/// that: without it the payer would have it all.
const fn gave(execution: &Execution) -> Option<i64> {
    if execution.settled_by_review_at.is_some() {
        return Some(execution.payer.minor);
    }
    match (execution.operation, execution.status) {
        (Operation::Refund, ExecutionStatus::Completed) => Some(execution.payee.minor),
        (Operation::Refund, _) | (Operation::Collection, ExecutionStatus::Completed) => Some(0),
        (Operation::Collection | Operation::Payout | Operation::Transfer, _) => None,
    }
}

/// What of a payment was given back for good because of this execution: settled, or found by
/// reviews and taken from the wallet; less what reviews gave to the wallet. Below zero where the
/// payer paid more than was asked for. `None` for what has to do with no refund.
///
/// # Errors
/// [`Stop::Inconsistent`] for sums that do not fit.
pub fn given_back(
    execution: &Execution,
    known: &[Arc<Review>],
) -> Result<Option<i64>, Inconsistent> {
    let Some(gave) = gave(execution) else { return Ok(None) };
    let own =
        known.iter().filter(|review| review.amount.currency == execution.outside_amount().currency);
    own.into_iter()
        .try_fold(gave, |back, review| difference(back, review.booked_minor()?))
        .map(Some)
}

/// Counts an execution in the room of its payment as it is now; `before` is what it counted for.
///
/// # Errors
/// [`Stop::Inconsistent`] for sums that do not fit.
pub fn recount(execution: Execution, before: i64, work: &mut Workspace) -> Result<Execution, Stop> {
    let after = room_taken(&execution, work)?;
    if after == before {
        return Ok(execution);
    }
    let Some(original) = execution.original_execution_id else {
        return Ok(execution.recounted(before, after)?);
    };
    let original = work.require::<Execution>(original)?.recounted(before, after)?;
    work.put(original);
    Ok(execution)
}

/// Takes in a outcome about an execution that is in review: nothing moves, since a human decides;
/// but the human is told.
///
/// # Errors
/// [`Stop::Inconsistent`] when rows contradict each other.
pub fn note_outcome(
    execution: Execution,
    outcome: &ProviderOutcome,
    time: Timestamp,
    work: &mut Workspace,
    now: Timestamp,
) -> Result<Execution, Stop> {
    if matches!(outcome, ProviderOutcome::Succeeded { .. } | ProviderOutcome::Declined { .. }) {
        let entity = (EventEntity::Execution, execution.id.0);
        let note = Some(describe(outcome, execution.outside_amount()));
        events::record(work, execution.merchant_id, EventType::ReviewHeard, entity, note, now)?;
    }
    if execution.status.is_final() {
        return Ok(execution);
    }
    let execution = settle::processing(execution, WAITS, time, work, now)?;
    work.put(execution.clone());
    Ok(execution)
}

fn describe(outcome: &ProviderOutcome, expected: Money) -> String {
    match outcome {
        ProviderOutcome::Succeeded { transaction_id, amount } => {
            let amount = amount.unwrap_or(expected);
            format!("{amount} {} moved, transaction {transaction_id}", amount.currency)
        }
        ProviderOutcome::Declined { message } => format!("failed: {message}"),
        ProviderOutcome::Accepted
        | ProviderOutcome::NeedsAction { .. }
        | ProviderOutcome::Unknown
        | ProviderOutcome::NeverSeen => "nothing final".to_owned(),
    }
}
