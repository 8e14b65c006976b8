//! Reviews: what only a human can decide. A provider contradicted itself, or never gave a final word.

use crate::api_enum;
use crate::event::{self, EventType, Subject};
use crate::execution::{Execution, Input, Word};
use crate::ids::{ExecutionId, MerchantId, ReviewId};
use crate::ledger::{self, AccountKind, From, Place};
use crate::merchant::Merchant;
use crate::money::Money;
use crate::names::Operation;
use crate::rejection::Rejection;
use crate::settle;
use crate::time::Timestamp;
use crate::wallet::{self, Owner, Wallet};
use crate::world::{Halt, Row, World};

api_enum! {
    /// Why a human is needed.
    ReviewKind {
        /// A provider reported success of what it had refused.
        SuccessAfterFailure = "SUCCESS_AFTER_FAILURE",
        /// A provider took back a success.
        FailureAfterSuccess = "FAILURE_AFTER_SUCCESS",
        /// A provider moved another amount or currency.
        AmountMismatch = "AMOUNT_MISMATCH",
        /// No final word before the deadline.
        DeadlinePassed = "DEADLINE_PASSED",
    }
}

api_enum! {
    /// Whether it is decided.
    ReviewStatus {
        /// Not yet.
        Open = "OPEN",
        /// It is.
        Resolved = "RESOLVED",
    }
}

/// A case for a human.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Review {
    /// Its id.
    pub id: ReviewId,
    /// Whose it is.
    pub merchant_id: MerchantId,
    /// About which execution.
    pub execution_id: ExecutionId,
    /// Why a human is needed.
    pub kind: ReviewKind,
    /// Whether it is decided.
    pub status: ReviewStatus,
    /// What was put into suspense: above zero is money found, below zero money missing. Zero for a passed deadline.
    pub amount: Money,
    /// What happened, for a person.
    pub reason: String,
    /// What was decided.
    pub resolution: Option<String>,
    /// On what evidence.
    pub evidence: Option<String>,
    /// Server time.
    pub created_at: Timestamp,
    /// Server time.
    pub resolved_at: Option<Timestamp>,
}

impl Row for Review {
    type Id = ReviewId;
    type Name = (ExecutionId, ReviewKind);

    fn id(&self) -> ReviewId {
        self.id
    }

    fn name(&self) -> Option<(ExecutionId, ReviewKind)> {
        Some((self.execution_id, self.kind))
    }
}

/// How a review is resolved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resolution {
    /// The payment completed: as if the provider had said so.
    Completed,
    /// The payment failed: as if the provider had said so.
    Failed,
    /// What is in suspense belongs to the merchant's wallet (or is taken from it, where it is missing).
    ToWallet,
    /// What is in suspense goes back to the payer (or is recovered) outside: the provider's balance changes.
    ToPayer,
}

impl Resolution {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::ToWallet => "to wallet",
            Self::ToPayer => "to payer",
        }
    }
}

fn open(
    execution: &Execution,
    kind: ReviewKind,
    amount: Money,
    reason: String,
    world: &mut World,
    now: Timestamp,
) -> Result<ReviewId, Halt> {
    let id = ReviewId(world.new_id()?);
    world.put(Review {
        id,
        merchant_id: execution.merchant_id,
        execution_id: execution.id,
        kind,
        status: ReviewStatus::Open,
        amount,
        reason,
        resolution: None,
        evidence: None,
        created_at: now,
        resolved_at: None,
    });
    Ok(id)
}

/// Takes in a word that contradicts what is final, or the amount asked for. What is final stays as it is; the difference
/// between the provider's world and the books goes to suspense, once per kind of contradiction.
///
/// # Errors
/// [`Halt::Broken`] for an execution without a provider.
pub fn contradiction(
    execution: Execution,
    input: Input,
    word: &Word,
    time: Timestamp,
    world: &mut World,
    now: Timestamp,
) -> Result<Execution, Halt> {
    let expected = execution.outside_amount();
    let reported = match word {
        Word::Succeeded { amount: Some(amount), .. } => *amount,
        _ => expected,
    };
    // What the provider holds for us more than the books say: money in adds, money out takes away.
    let sign = if execution.operation == Operation::Collection { 1 } else { -1 };
    let (kind, found) = match input {
        Input::Declined => (ReviewKind::FailureAfterSuccess, Money::new(-sign * expected.minor, expected.currency)),
        Input::Mismatch => (ReviewKind::AmountMismatch, Money::new(sign * reported.minor, reported.currency)),
        _ => (ReviewKind::SuccessAfterFailure, Money::new(sign * reported.minor, reported.currency)),
    };
    if world.find::<Review>(&(execution.id, kind))?.is_some() {
        return Ok(execution);
    }
    // A completed payment of another amount than was booked: only the difference is open, if the currency is the same.
    let found = match (kind, execution.status.is_final(), reported.currency == expected.currency) {
        (ReviewKind::AmountMismatch, true, true) if execution.completed_at.is_some() => {
            Money::new(found.minor - sign * expected.minor, found.currency)
        }
        _ => found,
    };
    let clearing = AccountKind::clearing(execution.provider)
        .ok_or_else(|| Halt::Broken(format!("execution {} has no provider to contradict it", execution.id)))?;
    let reason = format!("the execution is {}; the provider says: {}", execution.status, describe(word, expected));
    let id = open(&execution, kind, found, reason.clone(), world, now)?;
    let event =
        event::record(world, execution.merchant_id, EventType::ReviewOpened, (Subject::Review, id.0), Some(reason), now)?;
    ledger::post(world, event, Some(execution.id), &ledger::to_suspense(execution.merchant_id, clearing, found)?, now)?;
    if execution.status.is_final() {
        return Ok(execution);
    }
    let execution = Execution {
        status: crate::execution::ExecutionStatus::Processing,
        waiting_for: Some("a review: the provider moved another amount".to_owned()),
        next_check_at: Some(execution.next_check(time, now)),
        lease_until: None,
        updated_at: time,
        ..execution
    };
    world.put(execution.clone());
    Ok(execution)
}

fn describe(word: &Word, expected: Money) -> String {
    match word {
        Word::Succeeded { transaction_id, amount } => {
            let amount = amount.unwrap_or(expected);
            format!("{amount} {} moved, transaction {transaction_id}", amount.currency)
        }
        Word::Declined { message } => format!("failed: {message}"),
        Word::Accepted | Word::NeedsAction { .. } | Word::Unknown | Word::NeverSeen => "nothing final".to_owned(),
    }
}

/// Puts an execution past its deadline on the list, once.
///
/// # Errors
/// None of its own.
pub fn open_deadline(execution: &Execution, reason: &str, world: &mut World, now: Timestamp) -> Result<(), Halt> {
    if world.find::<Review>(&(execution.id, ReviewKind::DeadlinePassed))?.is_some() {
        return Ok(());
    }
    let nothing = Money::new(0, execution.wallet_currency());
    let id = open(execution, ReviewKind::DeadlinePassed, nothing, reason.to_owned(), world, now)?;
    let note = Some(reason.to_owned());
    event::record(world, execution.merchant_id, EventType::ReviewOpened, (Subject::Review, id.0), note, now)?;
    Ok(())
}

/// Takes an execution that became final off the list of passed deadlines.
///
/// # Errors
/// None of its own.
pub fn close_deadline(execution: &Execution, world: &mut World, now: Timestamp) -> Result<(), Halt> {
    // Only an execution that was with a provider, and past its deadline, can have one.
    if execution.updated_at < execution.deadline_at {
        return Ok(());
    }
    let Some(review) = world.find::<Review>(&(execution.id, ReviewKind::DeadlinePassed))? else { return Ok(()) };
    if review.status == ReviewStatus::Open {
        resolved((*review).clone(), execution.status.as_str(), "the provider's final word", world, now)?;
    }
    Ok(())
}

fn resolved(review: Review, resolution: &str, evidence: &str, world: &mut World, now: Timestamp) -> Result<Review, Halt> {
    let review = Review {
        status: ReviewStatus::Resolved,
        resolution: Some(resolution.to_owned()),
        evidence: Some(evidence.to_owned()),
        resolved_at: Some(now),
        ..review
    };
    world.put(review.clone());
    let note = Some(format!("{resolution}: {evidence}"));
    event::record(world, review.merchant_id, EventType::ReviewResolved, (Subject::Review, review.id.0), note, now)?;
    Ok(review)
}

/// Resolves a review as a human decided.
///
/// # Errors
/// [`Rejection::NotFound`], [`Rejection::ReviewNotOpen`], [`Rejection::ReviewInsufficient`], [`Rejection::WalletState`].
pub fn resolve(id: ReviewId, how: Resolution, evidence: &str, world: &mut World, now: Timestamp) -> Result<Review, Halt> {
    let review = (*world.get::<Review>(id)?.ok_or(Rejection::NotFound)?).clone();
    if review.status != ReviewStatus::Open {
        return Err(Rejection::ReviewNotOpen { needs: "it was resolved before" }.into());
    }
    let execution = (*world.must::<Execution>(review.execution_id)?).clone();
    let time = world.must::<Merchant>(execution.merchant_id)?.time(now);
    match (review.kind, how) {
        (ReviewKind::DeadlinePassed, Resolution::Completed) => {
            let review = resolved(review, how.as_str(), evidence, world, now)?;
            settle::complete(execution, From::Held, None, time, world, now)?;
            return Ok(review);
        }
        (ReviewKind::DeadlinePassed, Resolution::Failed) => {
            let review = resolved(review, how.as_str(), evidence, world, now)?;
            settle::fail(execution, format!("resolved by an operator: {evidence}"), time, world, now)?;
            return Ok(review);
        }
        (ReviewKind::DeadlinePassed, Resolution::ToWallet | Resolution::ToPayer) => {
            return Err(Rejection::ReviewNotOpen { needs: "nothing is in suspense; say --outcome completed or failed" }.into());
        }
        (_, Resolution::ToWallet | Resolution::ToPayer) => {
            move_out_of_suspense(&review, &execution, how, world, now)?;
            if !execution.status.is_final() {
                settle::fail(execution, format!("resolved by an operator: {evidence}"), time, world, now)?;
            }
        }
        (_, Resolution::Completed | Resolution::Failed) => {
            return Err(Rejection::ReviewNotOpen { needs: "money is in suspense; say --to wallet or --to payer" }.into());
        }
    }
    resolved(review, how.as_str(), evidence, world, now)
}

fn move_out_of_suspense(
    review: &Review,
    execution: &Execution,
    how: Resolution,
    world: &mut World,
    now: Timestamp,
) -> Result<(), Halt> {
    let merchant = execution.merchant_id;
    let to = if how == Resolution::ToWallet {
        let wallet = review_wallet(review, execution, world, now)?;
        let left = wallet.available_minor.saturating_add(review.amount.minor);
        if left < 0 {
            return Err(Rejection::ReviewInsufficient.into());
        }
        Place::Wallet(wallet.id, ledger::Bucket::Available)
    } else {
        let clearing = AccountKind::clearing(execution.provider)
            .ok_or_else(|| Halt::Broken(format!("execution {} has no clearing account", execution.id)))?;
        Place::System(merchant, clearing)
    };
    let note = Some(how.as_str().to_owned());
    let event = event::record(world, merchant, EventType::ReviewResolved, (Subject::Execution, execution.id.0), note, now)?;
    ledger::post(world, event, Some(execution.id), &ledger::from_suspense(merchant, to, review.amount)?, now)
}

/// The wallet that takes what is in suspense: the execution's own where the currency fits, else the merchant's of that
/// currency.
fn review_wallet(review: &Review, execution: &Execution, world: &mut World, now: Timestamp) -> Result<Wallet, Halt> {
    if let Some(id) = execution.wallet_id {
        let wallet = world.must::<Wallet>(id)?;
        if wallet.currency == review.amount.currency {
            return Ok((*wallet).clone());
        }
    }
    let owner = Owner::Merchant(execution.merchant_id);
    wallet::open(world, execution.merchant_id, owner, review.amount.currency, now)
}
