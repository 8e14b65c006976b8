//! Outcomes that contradict the books: a provider reports something else than it did before, or
//! another amount than was asked for.
//!
//! A final status stays as it is. The difference between what the provider moved and what the books
//! say is posted to the suspense account, and a review is opened for an operator to decide. The
//! refund capacity of a payment follows what its payer really has.

use crate::decision::event::{EventEntity, EventType};
use crate::decision::events;
use crate::decision::workspace::{Stop, Workspace};
use crate::exceptions::open_review;
use crate::exceptions::review::{
    CONTRADICTION_KINDS, MONEY_KINDS, Review, ReviewKind, ReviewStatus,
};
use crate::kernel::checked::{Inconsistent, difference, sum};
use crate::kernel::currency::Currency;
use crate::kernel::ids::ExecutionId;
use crate::kernel::money::Money;
use crate::kernel::names::Operation;
use crate::kernel::time::{MerchantTime, ServerTime};
use crate::ledger::post;
use crate::ledger::recipes;
use crate::mutant;
use crate::payments::attempt::NetworkPayment;
use crate::payments::execution::{Execution, ExecutionStatus};
use crate::payments::outcome::ProviderOutcome;
use crate::payments::settle;
use crate::sales::payment_link;
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

/// Compares an outcome with the books: one of a final execution, or of another amount than was
/// asked for. A difference is posted to suspense, and a review is opened; without one nothing
/// changes.
///
/// # Errors
/// [`Stop::Inconsistent`] when rows contradict each other.
pub fn compare_with_books(
    payment: NetworkPayment,
    outcome: &ProviderOutcome,
    time: MerchantTime,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<NetworkPayment, Stop> {
    if !matches!(outcome, ProviderOutcome::Succeeded { .. } | ProviderOutcome::Declined { .. }) {
        return Ok(payment);
    }
    let execution = &payment.execution;
    let mut reviews = reviews(execution.id, work)?;
    reviews.retain(|review| CONTRADICTION_KINDS.contains(&review.kind));
    let differences = differences(execution, outcome, &reviews)?;
    if differences.is_empty() {
        // An execution under way is reported with another amount, and the books agree: nothing
        // moved, or reviews have booked it already. The report is recorded and the wait goes on.
        let is_final = execution.status.is_final();
        return if is_final {
            Ok(payment)
        } else {
            record_during_review(payment, outcome, time, work, now)
        };
    }
    let clearing = payment.attempt.clearing();
    let capacity_before = refund_capacity_used(execution, work)?;
    let reported = describe(outcome, execution.outside_amount());
    let used_up = if payment_link::is_beyond_limit(execution.source_id(), work)? {
        "; the payment link of its order is used up"
    } else {
        ""
    };
    let reason =
        format!("the execution is {}; the provider says: {reported}{used_up}", execution.status);
    let mut opened: Vec<ReviewKind> = vec![];
    for (kind, found) in differences {
        // `sign` turns the difference into the payment's own direction: above zero more was paid than
        // the books say.
        let other = if found.minor * sign(execution) > 0 {
            ReviewKind::SuccessAfterFailure
        } else {
            ReviewKind::FailureAfterSuccess
        };
        // An execution has one review of each kind, and a review is about one currency: where the
        // review of the fitting kind is taken, another kind carries the difference.
        let is_free = |kind: &ReviewKind| {
            let existing = reviews.iter().find(|review| review.kind == *kind);
            !opened.contains(kind)
                && existing.is_none_or(|review| review.amount.currency == found.currency)
        };
        let Some(kind) = [kind, other].into_iter().chain(CONTRADICTION_KINDS).find(is_free) else {
            continue;
        };
        opened.push(kind);
        let id = open_review::open(execution, kind, found, reason.clone(), work, now)?;
        let entity = (EventEntity::Review, id.0);
        let event = events::record(
            execution.merchant_id,
            EventType::ReviewOpened,
            entity,
            Some(reason.clone()),
            work,
            now,
        )?;
        let postings = recipes::to_suspense(execution.merchant_id, clearing, found)?;
        post::post(event, Some(execution.id), &postings, work, now)?;
    }
    if opened.is_empty() {
        return record_during_review(payment, outcome, time, work, now);
    }
    let execution = update_refund_capacity(execution.clone(), capacity_before, work)?;
    let execution = Execution { in_review: true, ..execution };
    let payment = NetworkPayment { execution, ..payment };
    let payment = if payment.execution.status.is_final() {
        payment
    } else {
        settle::processing(&payment, WAITING_FOR_REVIEW, time, work, now)?
    };
    payment.put(work);
    Ok(payment)
}

/// What an execution in review waits for.
const WAITING_FOR_REVIEW: &str = "a review: the provider moved another amount";

/// 1 where a payment adds to what its provider holds for us, -1 where it takes from that.
const fn sign(execution: &Execution) -> i64 {
    match execution.operation() {
        Operation::Collection => 1,
        Operation::Payout | Operation::Transfer | Operation::Refund => -1,
    }
}

/// How much more the provider holds for us than the books say, given the `outcome` that it reports:
/// money in counts above zero, money out below. The books are what was settled, and what earlier
/// reviews found.
fn differences(
    execution: &Execution,
    outcome: &ProviderOutcome,
    reviews: &[Arc<Review>],
) -> Result<Vec<(ReviewKind, Money)>, Inconsistent> {
    let expected = Money::new(
        sign(execution) * execution.outside_amount().minor,
        execution.outside_amount().currency,
    );
    let mut books =
        if execution.status == ExecutionStatus::Completed { vec![expected] } else { vec![] };
    for review in reviews.iter().filter(|_| !mutant!(ForgetEarlier)) {
        add_by_currency(&mut books, Money::new(review.total_minor()?, review.amount.currency))?;
    }
    let has_moved = books.iter().any(|booked| booked.minor != 0);
    let reported = match outcome {
        // The provider says that money moved, not how much, and the books say so too.
        ProviderOutcome::Succeeded { amount: None, .. } if has_moved => return Ok(vec![]),
        ProviderOutcome::Succeeded { amount: None, .. } => Some(expected),
        ProviderOutcome::Succeeded { amount: Some(amount), .. } => {
            Some(Money::new(sign(execution) * amount.minor, amount.currency))
        }
        ProviderOutcome::Declined { .. } => None,
        ProviderOutcome::Accepted
        | ProviderOutcome::NeedsAction { .. }
        | ProviderOutcome::Unknown
        | ProviderOutcome::NeverSeen => return Ok(vec![]),
    };
    let booked = |currency: Currency| {
        books.iter().find(|booked| booked.currency == currency).map_or(0, |booked| booked.minor)
    };
    let mut all = vec![];
    if let Some(reported) = reported {
        let is_full_payment = reported == expected && booked(reported.currency) == 0;
        let kind = if is_full_payment {
            ReviewKind::SuccessAfterFailure
        } else {
            ReviewKind::AmountMismatch
        };
        all.push((
            kind,
            Money::new(difference(reported.minor, booked(reported.currency))?, reported.currency),
        ));
    }
    // What is booked in a currency that the provider does not report is missing there.
    let unreported = books
        .iter()
        .filter(|booked| reported.is_none_or(|reported| reported.currency != booked.currency));
    all.extend(unreported.map(|booked| {
        (ReviewKind::FailureAfterSuccess, Money::new(-booked.minor, booked.currency))
    }));
    all.retain(|(_, found)| found.minor != 0);
    Ok(all)
}

/// Adds money to the amount of its currency.
fn add_by_currency(amounts: &mut Vec<Money>, money: Money) -> Result<(), Inconsistent> {
    match amounts.iter_mut().find(|other| other.currency == money.currency) {
        Some(other) => other.minor = sum(other.minor, money.minor)?,
        None => amounts.push(money),
    }
    Ok(())
}

/// How much of its payment's refund capacity this execution uses, in the payer's currency.
///
/// A refund uses what the payer has of it, and while it is open at least the amount asked for. The
/// payment itself uses what its provider took back. What an operator found returned or recovered
/// outside counts as if it had not happened.
///
/// # Errors
/// [`Stop::Inconsistent`] for sums that do not fit.
pub fn refund_capacity_used(execution: &Execution, work: &Workspace) -> Result<i64, Stop> {
    if refunded_at_settlement(execution).is_none() {
        return Ok(0);
    }
    Ok(refund_capacity_used_by(execution, &reviews(execution.id, work)?)?)
}

/// [`refund_capacity_used`] of an execution with all reviews that are about its money.
///
/// # Errors
/// [`Stop::Inconsistent`] for sums that do not fit.
pub fn refund_capacity_used_by(
    execution: &Execution,
    reviews: &[Arc<Review>],
) -> Result<i64, Inconsistent> {
    let Some(refunded) = refunded_at_settlement(execution) else { return Ok(0) };
    let is_refund = execution.operation() == Operation::Refund;
    let requested = execution.outside_amount();
    let in_review = reviews.iter().any(|review| review.status == ReviewStatus::Open);
    let is_open =
        !execution.status.is_final() || execution.status == ExecutionStatus::Completed && in_review;
    let mut kept = vec![Money::new(0, requested.currency)];
    for review in reviews
        .iter()
        .filter(|review| !mutant!(MovedNotCounted) || review.kind != ReviewKind::AmountMismatch)
    {
        add_by_currency(&mut kept, Money::new(review.kept_minor()?, review.amount.currency))?;
    }
    let same_currency = |money: &&Money| money.currency == requested.currency;
    // There is no agreed rate from another currency into the payment's. A refund of which something
    // moved in another currency uses its full amount, to be on the safe side.
    let has_other_currency = kept.iter().any(|money| !same_currency(&money) && money.minor != 0);
    let at_least = if is_refund && (is_open || has_other_currency) { requested.minor } else { 0 };
    // What reviews found counts from the provider's side: money that it holds for us is money that
    // the payer does not have back.
    let payer_has =
        difference(refunded, kept.iter().find(same_currency).map_or(0, |money| money.minor))?;
    Ok(payer_has.max(at_least))
}

/// What this execution refunded of a payment when it was settled, without its reviews; `None` for
/// an execution that cannot have refunded anything.
const fn refunded_at_settlement(execution: &Execution) -> Option<i64> {
    // A failed collection that a review settled: its money reached the wallet by that review, which
    // is subtracted later. Without the review the payer would have all of it.
    if execution.settled_by_review_at().is_some() {
        return Some(execution.payer.minor);
    }
    match (execution.operation(), execution.status) {
        (Operation::Refund, ExecutionStatus::Completed) => Some(execution.payee.minor),
        (Operation::Refund, _) | (Operation::Collection, ExecutionStatus::Completed) => Some(0),
        (Operation::Collection | Operation::Payout | Operation::Transfer, _) => None,
    }
}

/// What was refunded of a payment for good by this execution, in the payer's currency: settled, or
/// found by reviews and debited from the wallet; less what reviews credited to the wallet. Below
/// zero where the payer paid more than was asked for; `None` for an execution that cannot have
/// refunded anything.
///
/// # Errors
/// [`Stop::Inconsistent`] for sums that do not fit.
pub fn net_refunded(
    execution: &Execution,
    reviews: &[Arc<Review>],
) -> Result<Option<i64>, Inconsistent> {
    let Some(refunded) = refunded_at_settlement(execution) else { return Ok(None) };
    let currency = execution.outside_amount().currency;
    reviews
        .iter()
        .filter(|review| review.amount.currency == currency)
        .try_fold(refunded, |net, review| difference(net, review.booked_minor()?))
        .map(Some)
}

/// Brings the refund capacity of an execution's payment up to date; `before` is what the execution
/// used of it until now.
///
/// # Errors
/// [`Stop::Inconsistent`] for sums that do not fit.
pub fn update_refund_capacity(
    execution: Execution,
    before: i64,
    work: &mut Workspace,
) -> Result<Execution, Stop> {
    let after = refund_capacity_used(&execution, work)?;
    if after == before {
        return Ok(execution);
    }
    let Some(original) = execution.original_execution_id() else {
        return Ok(execution.with_refund_capacity_change(before, after)?);
    };
    let original =
        work.require::<Execution>(original)?.with_refund_capacity_change(before, after)?;
    work.put(original);
    Ok(execution)
}

/// Records an outcome of an execution that is in review. No money moves, since an operator decides;
/// the event lets the operator read what the provider reports.
///
/// # Errors
/// [`Stop::Inconsistent`] when rows contradict each other.
pub fn record_during_review(
    payment: NetworkPayment,
    outcome: &ProviderOutcome,
    time: MerchantTime,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<NetworkPayment, Stop> {
    let execution = &payment.execution;
    if matches!(outcome, ProviderOutcome::Succeeded { .. } | ProviderOutcome::Declined { .. }) {
        let entity = (EventEntity::Execution, execution.id.0);
        let note = Some(describe(outcome, execution.outside_amount()));
        events::record(execution.merchant_id, EventType::ReviewUpdated, entity, note, work, now)?;
    }
    if execution.status.is_final() {
        return Ok(payment);
    }
    let payment = settle::processing(&payment, WAITING_FOR_REVIEW, time, work, now)?;
    payment.put(work);
    Ok(payment)
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
