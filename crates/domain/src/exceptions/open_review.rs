//! Opening a review, resolving it, and closing one that a final outcome has answered.

use crate::decision::event::{self, EventEntity, EventType};
use crate::decision::events;
use crate::decision::workspace::{Stop, Workspace};
use crate::exceptions::review::{Review, ReviewKind, ReviewStatus};
use crate::kernel::checked::sum;
use crate::kernel::currency::Currency;
use crate::kernel::ids::ReviewId;
use crate::kernel::money::Money;
use crate::kernel::names::{Operation, Provider};
use crate::kernel::time::ServerTime;
use crate::ledger::open_wallet;
use crate::ledger::wallet::{Owner, Wallet};
use crate::payments::execution::Execution;
use crate::sales::source::Source;

/// Opens a review, or reopens the resolved one of its kind.
///
/// # Errors
/// [`Stop::Inconsistent`] for sums that do not fit.
pub(crate) fn open(
    execution: &Execution,
    kind: ReviewKind,
    amount: Money,
    reason: String,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<ReviewId, Stop> {
    let review = match work.find::<Review>(&(execution.id, kind))? {
        Some(resolved) => Review { amount, reason, ..resolved.reopened()? },
        None => Review {
            id: ReviewId(work.new_id()?),
            merchant_id: execution.merchant_id,
            execution_id: execution.id,
            kind,
            status: ReviewStatus::Open,
            amount,
            earlier_minor: 0,
            earlier_returned_minor: 0,
            reason,
            resolution: None,
            evidence: None,
            dispute_id: None,
            dispute_withdrawn: false,
            dispute_reinstated: false,
            dispute_told_at: None,
            dispute_standing: None,
            dispute_status: None,
            dispute_reason: None,
            dispute_amount_minor: None,
            dispute_due_at: None,
            dispute_link: None,
            dispute_notes: 0,
            event_count: 0,
            created_at: now,
            resolved_at: None,
        },
    };
    count(&review, 1, work, now)?;
    work.put(review.clone());
    Ok(review.id)
}

/// Changes the number of open reviews on the rows that must not go on as if there were none.
fn count(review: &Review, by: i64, work: &mut Workspace, now: ServerTime) -> Result<(), Stop> {
    // The execution is still under way. That blocks its source, and what it holds or is to bring
    // blocks its wallet.
    if review.kind == ReviewKind::DeadlinePassed {
        return Ok(());
    }
    let execution = work.require::<Execution>(review.execution_id)?;
    count_on_source(&execution, by, work)?;
    count_on_wallets(&execution, review.amount.currency, by, work, now)
}

/// A collection must not start while an earlier one may have been paid, and with the number on the
/// source that check needs no other row.
fn count_on_source(execution: &Execution, by: i64, work: &mut Workspace) -> Result<(), Stop> {
    if let Some(id) = execution.source_id() {
        let source = work.require::<Source>(id)?;
        work.put(Source { open_reviews: sum(source.open_reviews, by)?, ..(*source).clone() });
    }
    Ok(())
}

/// A wallet must not be closed while a resolution may credit it: the wallet of the execution, or the
/// merchant's wallet of the amount's currency. These are the same ones when the review is opened and
/// when it is resolved. A wallet that does not exist yet is opened, or one that is opened later would
/// not know of the review.
fn count_on_wallets(
    execution: &Execution,
    currency: Currency,
    by: i64,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<(), Stop> {
    let merchant = execution.merchant_id;
    let mut own = |currency| {
        open_wallet::open(merchant, Owner::Merchant(merchant), currency, work, now)
            .map(|wallet| wallet.id)
    };
    let in_currency = own(currency)?;
    // A collection gets its wallet when it is settled: always the merchant's.
    let of_execution = match (execution.operation(), execution.wallet_id()) {
        (Operation::Collection, _) => Some(own(execution.payee.currency)?),
        (Operation::Payout | Operation::Transfer | Operation::Refund, wallet) => wallet,
    };
    let other = of_execution.filter(|id| *id != in_currency);
    for id in [Some(in_currency), other].into_iter().flatten() {
        let wallet = work.require::<Wallet>(id)?;
        let open_reviews = sum(wallet.open_reviews, by)?;
        work.put(Wallet { open_reviews, ..(*wallet).clone() });
    }
    Ok(())
}

/// Opens the review of an execution past its deadline, unless it has one.
///
/// # Errors
/// None of its own.
pub fn open_deadline(
    execution: &Execution,
    reason: &str,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<(), Stop> {
    // Every poll after the deadline comes here, and one review is enough.
    if work.find::<Review>(&(execution.id, ReviewKind::DeadlinePassed))?.is_some() {
        return Ok(());
    }
    let nothing = Money::new(0, execution.wallet_currency());
    let id = open(execution, ReviewKind::DeadlinePassed, nothing, reason.to_owned(), work, now)?;
    let note = Some(reason.to_owned());
    events::record(
        execution.merchant_id,
        EventType::ReviewOpened,
        (EventEntity::Review, id.0),
        note,
        work,
        now,
    )?;
    Ok(())
}

/// Resolves the review of a passed deadline when its execution became final. The review is looked
/// up, not inferred from the execution's times: another process may have opened it by another
/// clock, or after the merchant's clock was advanced.
///
/// # Errors
/// None of its own.
pub fn close_deadline(
    execution: &Execution,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<(), Stop> {
    // An execution without an external provider is final at once and has no such review.
    if execution.provider == Provider::Platform {
        return Ok(());
    }
    let Some(review) = work.find::<Review>(&(execution.id, ReviewKind::DeadlinePassed))? else {
        return Ok(());
    };
    if review.status == ReviewStatus::Open {
        mark_resolved(
            (*review).clone(),
            execution.status.as_str(),
            "the provider's final word",
            work,
            now,
        )?;
    }
    Ok(())
}

pub(crate) fn mark_resolved(
    review: Review,
    resolution: &str,
    evidence: &str,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Review, Stop> {
    let review = Review {
        status: ReviewStatus::Resolved,
        resolution: Some(resolution.to_owned()),
        evidence: Some(evidence.to_owned()),
        resolved_at: Some(now),
        ..review
    };
    count(&review, -1, work, now)?;
    work.put(review.clone());
    // The evidence is kept with the event, since reopening the review clears it. The merchant reads
    // the event without it.
    let note = Some([resolution, evidence].join(event::EVIDENCE_SEPARATOR));
    events::record(
        review.merchant_id,
        EventType::ReviewResolved,
        (EventEntity::Review, review.id.0),
        note,
        work,
        now,
    )?;
    Ok(review)
}
