//! Opening a review, resolving it, and closing one that a final outcome has answered.

use crate::decision::event::{self, EventEntity, EventType};
use crate::decision::events;
use crate::decision::workspace::{Stop, Workspace};
use crate::exceptions::review::{Review, ReviewKind, ReviewStatus};
use crate::kernel::checked::sum;
use crate::kernel::ids::ReviewId;
use crate::kernel::money::Money;
use crate::kernel::names::Provider;
use crate::kernel::time::ServerTime;
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
            event_count: 0,
            created_at: now,
            resolved_at: None,
        },
    };
    count_on_source(&review, 1, work)?;
    work.put(review.clone());
    Ok(review.id)
}

/// Changes the number of open reviews on the invoice or order that the execution collects for. A
/// collection must not start while an earlier one may have been paid, and with the number on the
/// source that check needs no other row.
fn count_on_source(review: &Review, by: i64, work: &mut Workspace) -> Result<(), Stop> {
    // The collection is still under way, which blocks its source by itself.
    if review.kind == ReviewKind::DeadlinePassed {
        return Ok(());
    }
    if let Some(id) = work.require::<Execution>(review.execution_id)?.source_id {
        let source = work.require::<Source>(id)?;
        work.put(Source { open_reviews: sum(source.open_reviews, by)?, ..(*source).clone() });
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
    count_on_source(&review, -1, work)?;
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
