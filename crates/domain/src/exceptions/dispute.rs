//! Disputes: a payer's bank takes a card payment back, or asks about it. The money that the network
//! has withdrawn is in suspense, and a review is open, until the bank has decided: what it gives back
//! is booked back, and what is lost is for an operator to resolve.
//!
//! What networks tell of a dispute comes late, more than once and in any order. So the review keeps
//! which movements of money were told, and each is booked once. What it says beside them is what the
//! network said last: a word that is older than what is known adds its money and nothing else.

use std::cmp::Ordering;

use crate::api_enum;
use crate::decision::event::{EventEntity, EventType};
use crate::decision::events;
use crate::decision::row::Lookup;
use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::exceptions::contradiction;
use crate::exceptions::open_review;
use crate::exceptions::review::{Review, ReviewKind, ReviewStatus};
use crate::kernel::checked::sum;
use crate::kernel::ids::ExecutionId;
use crate::kernel::money::Money;
use crate::kernel::time::ServerTime;
use crate::ledger::post;
use crate::ledger::recipes;
use crate::network_accounts::exchange::{self, Said};
use crate::payments::attempt;
use crate::payments::execution::Execution;

/// Records what a network tells of a dispute of a collection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordDispute {
    pub execution_id: ExecutionId,
    pub dispute: Dispute,
    /// The callback that told it.
    pub exchanges: Vec<Said>,
}

/// A dispute as its network tells of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dispute {
    /// The network's id.
    pub id: String,
    pub change: DisputeChange,
    pub standing: DisputeStanding,
    /// When the network said so, by its own clock.
    pub told_at: ServerTime,
    /// The network's own word for how it stands.
    pub status: Option<String>,
    /// The network's own word for why.
    pub cause: Option<String>,
    /// Until when it can be answered; `None` where that is not known, or is over.
    pub due_at: Option<ServerTime>,
    /// Where the operator answers it.
    pub link: Option<String>,
    /// How much is disputed, above zero. `None` where the network's amount cannot be read.
    pub amount: Option<Money>,
    /// For the operator: why, until when it can be answered, and where.
    pub reason: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DisputeChange {
    Created,
    /// No money moved.
    Updated,
    /// The network took the money.
    Withdrawn,
    /// The network gave the money back.
    Reinstated,
}

api_enum! {
    DisputeStanding {
        UnderWay = "UNDER_WAY",
        /// It was won, or ended without a decision: the payment stands.
        Over = "OVER",
        Lost = "LOST",
    }
}

/// Another dispute of the same payment is not over. A review is about one at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OtherDisputeOpen;

impl Decision for RecordDispute {
    type Output = Result<(), OtherDisputeOpen>;

    fn lock_key(&self) -> Option<LockKey> {
        Some(attempt::lock_key(self.execution_id))
    }

    fn hints(&self) -> Vec<RowKey> {
        let mut keys = attempt::keys(self.execution_id);
        keys.push(RowKey::Review(Lookup::AltKey((self.execution_id, ReviewKind::Dispute))));
        keys
    }

    fn likely_keys(&self, work: &Workspace) -> Vec<RowKey> {
        attempt::referenced_keys(self.execution_id, work)
    }

    fn decide(
        &self,
        work: &mut Workspace,
        context: &Context<'_>,
    ) -> Result<Result<(), OtherDisputeOpen>, Stop> {
        record(self, work, context.now)
    }
}

/// Which movements of a dispute's money were told.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Moves {
    withdrawn: bool,
    reinstated: bool,
}

impl Moves {
    fn of(review: &Review) -> Self {
        Self { withdrawn: review.dispute_withdrawn, reinstated: review.dispute_reinstated }
    }

    fn after(self, change: DisputeChange) -> Self {
        match change {
            DisputeChange::Withdrawn => Self { withdrawn: true, ..self },
            DisputeChange::Reinstated => Self { reinstated: true, ..self },
            DisputeChange::Created | DisputeChange::Updated => self,
        }
    }

    /// What they make together of an amount: it is missing from when it was withdrawn until it is
    /// given back.
    const fn missing(self, amount: i64) -> i64 {
        if self.withdrawn && !self.reinstated { -amount } else { 0 }
    }
}

fn record(
    told: &RecordDispute,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Result<(), OtherDisputeOpen>, Stop> {
    let RecordDispute { execution_id, dispute, exchanges } = told;
    let execution = (*work.require::<Execution>(*execution_id)?).clone();
    let found = work.find::<Review>(&(execution.id, ReviewKind::Dispute))?;
    let is_same = |review: &Review| review.dispute_id.as_ref() == Some(&dispute.id);
    if found.as_ref().is_some_and(|found| found.status == ReviewStatus::Open && !is_same(found)) {
        return Ok(Err(OtherDisputeOpen));
    }
    exchange::record(execution.merchant_id, execution.id, exchanges, work)?;
    let own = found.as_deref().filter(|found| is_same(found));
    let currency = execution.outside_amount().currency;
    let amount = dispute.amount.filter(|amount| amount.currency == currency);
    let before = own.map(Moves::of).unwrap_or_default();
    // What cannot be booked is not taken for booked: the review stays open for a person.
    let after = if amount.is_some() { before.after(dispute.change) } else { before };
    let minor = amount.map_or(0, |amount| amount.minor);
    let moved = Money::new(sum(after.missing(minor), -before.missing(minor))?, currency);
    let is_news = match own {
        None => dispute.standing != DisputeStanding::Over || after != before,
        Some(own) => own.status == ReviewStatus::Open || after != before,
    };
    if !is_news {
        // A resolved review says how its dispute stands, too.
        if let Some(own) = own.filter(|own| is_newer(dispute, own)) {
            work.put(with_word(own.clone(), dispute, amount));
        }
        return Ok(Ok(()));
    }
    let capacity_before = contradiction::refund_capacity_used(&execution, work)?;
    let review = noted(&execution, own, (dispute, amount), (moved, after), work, now)?;
    if moved.minor != 0 {
        let clearing = attempt::clearing(&execution, work)?.ok_or_else(|| {
            Stop::Inconsistent(format!("execution {} has no clearing account", execution.id))
        })?;
        let entity = (EventEntity::Review, review.id.0);
        let note = Some(dispute.reason.clone());
        let kind = EventType::ReviewUpdated;
        let event = events::record(execution.merchant_id, kind, entity, note, work, now)?;
        let postings = recipes::to_suspense(execution.merchant_id, clearing, moved)?;
        post::post(event, Some(execution.id), &postings, work, now)?;
    }
    // The payment stands, and all that was taken came back.
    let is_over = dispute.standing == DisputeStanding::Over || after.reinstated;
    if review.status == ReviewStatus::Open
        && is_over
        && review.amount.minor == 0
        && after.withdrawn == after.reinstated
    {
        open_review::mark_resolved(review, "won", "the bank's decision", work, now)?;
    }
    let in_review = contradiction::reviews(execution.id, work)?
        .iter()
        .any(|review| review.status == ReviewStatus::Open);
    let execution = contradiction::update_refund_capacity(execution, capacity_before, work)?;
    work.put(Execution { in_review, ..execution });
    Ok(Ok(()))
}

/// Whether the network said it after what is known. Its clock tells whole seconds, and within one a
/// dispute begins before anything happens to it, and ends after.
fn is_newer(dispute: &Dispute, own: &Review) -> bool {
    let Some(known_at) = own.dispute_told_at else {
        return dispute.change != DisputeChange::Created;
    };
    match dispute.told_at.cmp(&known_at) {
        Ordering::Less => false,
        Ordering::Greater => true,
        Ordering::Equal => {
            let is_under_way = dispute.standing == DisputeStanding::UnderWay;
            dispute.change != DisputeChange::Created
                && !(is_under_way && own.dispute_standing != Some(dispute.standing))
        }
    }
}

/// The review with what the network says now.
fn with_word(review: Review, dispute: &Dispute, amount: Option<Money>) -> Review {
    let Dispute { told_at, status, cause, due_at, link, reason, .. } = dispute;
    let minor = amount.map(|amount| amount.minor);
    Review {
        reason: reason.clone(),
        dispute_told_at: Some(*told_at),
        dispute_standing: Some(dispute.standing),
        dispute_status: status.clone().or(review.dispute_status),
        dispute_reason: cause.clone().or(review.dispute_reason),
        dispute_amount_minor: minor.or(review.dispute_amount_minor),
        dispute_due_at: *due_at,
        dispute_link: link.clone().or(review.dispute_link),
        ..review
    }
}

/// The review of another dispute before, without what was known of that.
fn without_word(review: Review) -> Review {
    Review {
        dispute_told_at: None,
        dispute_standing: None,
        dispute_status: None,
        dispute_reason: None,
        dispute_amount_minor: None,
        dispute_due_at: None,
        dispute_link: None,
        dispute_notes: 0,
        ..review
    }
}

/// The review with what is known of the dispute now. It is opened, or opened again, where it is not
/// open and money moved, or nothing was known of the dispute.
fn noted(
    execution: &Execution,
    own: Option<&Review>,
    (dispute, amount): (&Dispute, Option<Money>),
    (moved, moves): (Money, Moves),
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Review, Stop> {
    let review = match own {
        Some(open) if open.status == ReviewStatus::Open => {
            let minor = sum(open.amount.minor, moved.minor)?;
            Review { amount: Money::new(minor, moved.currency), ..open.clone() }
        }
        Some(resolved) if moved.minor == 0 => resolved.clone(),
        _ => {
            let reason = dispute.reason.clone();
            let kind = ReviewKind::Dispute;
            let id = open_review::open(execution, kind, moved, reason.clone(), work, now)?;
            let entity = (EventEntity::Review, id.0);
            let opened = EventType::ReviewOpened;
            events::record(execution.merchant_id, opened, entity, Some(reason), work, now)?;
            let opened = (*work.require::<Review>(id)?).clone();
            if own.is_some() { opened } else { without_word(opened) }
        }
    };
    let review = match own {
        Some(own) if !is_newer(dispute, own) => Review { reason: own.reason.clone(), ..review },
        _ => with_word(review, dispute, amount),
    };
    let review = Review {
        dispute_id: Some(dispute.id.clone()),
        dispute_withdrawn: moves.withdrawn,
        dispute_reinstated: moves.reinstated,
        ..review
    };
    work.put(review.clone());
    Ok(review)
}
