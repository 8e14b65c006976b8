//! Resolving a review as an operator decided.

use crate::decision::event::{EventEntity, EventType};
use crate::decision::events;
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::exceptions::contradiction;
use crate::exceptions::late_success;
use crate::exceptions::open_review;
use crate::exceptions::review::{Resolution, Review, ReviewKind, ReviewStatus};
use crate::kernel::checked::difference;
use crate::kernel::ids::ReviewId;
use crate::kernel::money::Money;
use crate::kernel::refusal::Refusal;
use crate::kernel::time::Timestamp;
use crate::ledger::account::AccountKind;
use crate::ledger::open_wallet;
use crate::ledger::post;
use crate::ledger::postings::{Leg, Postings};
use crate::ledger::recipes::DebitFrom;
use crate::ledger::wallet::{Owner, Wallet, WalletStatus};
use crate::mutant;
use crate::payments::execution::Execution;
use crate::payments::refund;
use crate::payments::settle;
use crate::tariff::fees;

/// What a merchant reads of an execution that an operator ended; the evidence is the operator's
/// own.
const BY_OPERATOR: &str = "resolved by an operator";

/// Resolves a review as a human decided.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::ReviewNotOpen`], [`Refusal::ReviewInsufficient`],
/// [`Refusal::WalletState`] for a closed wallet. A frozen one takes part: what is resolved was in
/// flight before.
pub fn resolve(
    id: ReviewId,
    how: Resolution,
    evidence: &str,
    work: &mut Workspace,
    now: Timestamp,
) -> Result<Review, Stop> {
    let review = (*work.get::<Review>(id)?.ok_or(Refusal::NotFound)?).clone();
    if review.status != ReviewStatus::Open {
        return Err(Refusal::ReviewNotOpen { needs: "it was resolved before" }.into());
    }
    let execution = (*work.require::<Execution>(review.execution_id)?).clone();
    let time = work.require::<Merchant>(execution.merchant_id)?.time(now);
    match review.kind {
        ReviewKind::DeadlinePassed => {
            resolve_deadline(&review, execution, how, time, work, now)?;
            open_review::resolved(review, how.as_str(), evidence, work, now)
        }
        ReviewKind::SuccessAfterFailure
        | ReviewKind::FailureAfterSuccess
        | ReviewKind::AmountMismatch => {
            let counted = contradiction::room_taken(&execution, work)?;
            let id = execution.id;
            resolve_suspense(&review, execution, how, time, work, now)?;
            let review = open_review::resolved(review, how.as_str(), evidence, work, now)?;
            let execution =
                contradiction::recount((*work.require::<Execution>(id)?).clone(), counted, work)?;
            let in_review = contradiction::reviews(execution.id, work)?
                .iter()
                .any(|other| other.status == ReviewStatus::Open);
            work.put(Execution { in_review, ..execution });
            Ok(review)
        }
    }
}

/// The human's word in the place of the provider's.
fn resolve_deadline(
    review: &Review,
    execution: Execution,
    how: Resolution,
    time: Timestamp,
    work: &mut Workspace,
    now: Timestamp,
) -> Result<(), Stop> {
    if !matches!(how, Resolution::Completed | Resolution::Failed) {
        return Err(Refusal::ReviewNotOpen {
            needs: "nothing is in suspense; say --outcome completed or failed",
        }
        .into());
    }
    if execution.in_review {
        return Err(
            Refusal::ReviewNotOpen { needs: "resolve the review of its amount first" }.into()
        );
    }
    if execution.status.is_final() {
        return Ok(());
    }
    // Settling would close the review as the provider's word: it is the human's.
    work.put(Review { status: ReviewStatus::Resolved, resolved_at: Some(now), ..review.clone() });
    if how == Resolution::Completed {
        settle::complete(execution, DebitFrom::Held, None, time, work, now)?;
    } else {
        settle::fail(execution, BY_OPERATOR.to_owned(), time, work, now)?;
    }
    Ok(())
}

fn resolve_suspense(
    review: &Review,
    execution: Execution,
    how: Resolution,
    time: Timestamp,
    work: &mut Workspace,
    now: Timestamp,
) -> Result<(), Stop> {
    if !matches!(how, Resolution::ToWallet | Resolution::ToPayer) {
        return Err(Refusal::ReviewNotOpen {
            needs: "money is in suspense; say --to wallet or --to payer",
        }
        .into());
    }
    // What it holds is released first: that may be what its wallet needs.
    let execution = if execution.status.is_final() {
        execution
    } else {
        settle::fail(execution, BY_OPERATOR.to_owned(), time, work, now)?
    };
    if how == Resolution::ToWallet && late_success::is_in_full(review, &execution, work)? {
        return late_success::settle(execution, time, work, now);
    }
    move_out_of_suspense(review, &execution, how, work, now)
}

fn move_out_of_suspense(
    review: &Review,
    execution: &Execution,
    how: Resolution,
    work: &mut Workspace,
    now: Timestamp,
) -> Result<(), Stop> {
    let merchant = execution.merchant_id;
    let found = review.amount;
    let mut legs = vec![Leg::system(AccountKind::Suspense, merchant, -found.minor, found.currency)];
    if how == Resolution::ToPayer {
        let clearing = AccountKind::clearing(execution.provider).ok_or_else(|| {
            Stop::Inconsistent(format!("execution {} has no clearing account", execution.id))
        })?;
        legs.push(Leg::system(clearing, merchant, found.minor, found.currency));
    } else {
        legs.extend(into_wallet(review, execution, work, now)?);
    }
    let entity = (EventEntity::Execution, execution.id.0);
    let note = Some(how.as_str().to_owned());
    let event = events::record(work, merchant, EventType::ReviewResolved, entity, note, now)?;
    post::post(work, event, Some(execution.id), &Postings::balanced(legs)?, now)
}

/// The legs that give a wallet what is in suspense, or take it from there where it is missing;
/// exchanged where the wallet has another currency.
fn into_wallet(
    review: &Review,
    execution: &Execution,
    work: &mut Workspace,
    now: Timestamp,
) -> Result<Vec<Leg>, Stop> {
    let found = review.amount;
    let wallet = review_wallet(review, execution, work, now)?;
    let share = match given_back(review, execution, work)? {
        Some((before, after)) => refund::correct(
            execution.original_execution_id.unwrap_or(execution.id),
            before,
            after,
            work,
        )?,
        None => worth(review, execution, &wallet)?,
    };
    check_wallet(&wallet, share)?;
    let mut legs = vec![Leg::available(wallet.id, share, wallet.currency)];
    if wallet.currency != found.currency {
        legs.push(Leg::system(
            AccountKind::Position,
            execution.merchant_id,
            found.minor,
            found.currency,
        ));
        legs.push(Leg::system(
            AccountKind::Position,
            execution.merchant_id,
            -share,
            wallet.currency,
        ));
    }
    Ok(legs)
}

/// Whether a wallet can take so much, or give it where it is below zero.
///
/// # Errors
/// [`Refusal::WalletState`], [`Refusal::ReviewInsufficient`], [`Refusal::ReviewNotOpen`].
pub(crate) fn check_wallet(wallet: &Wallet, share: i64) -> Result<(), Refusal> {
    if wallet.status == WalletStatus::Closed {
        return Err(Refusal::WalletState { field: "", state: wallet.status.as_str() });
    }
    if wallet.available_minor.saturating_add(share) < 0 {
        return Err(Refusal::ReviewInsufficient);
    }
    // What is under way must still fit beside it.
    if share > 0 && !wallet.has_room(share, i64::MAX) {
        return Err(Refusal::ReviewNotOpen {
            needs: "the wallet has no room for it; say --to payer",
        });
    }
    Ok(())
}

/// The wallet that takes what is in suspense: the execution's own where the currency fits or the
/// payment has a rate for it, so that what goes and comes again does so in one place; else the
/// merchant's of the money's currency.
fn review_wallet(
    review: &Review,
    execution: &Execution,
    work: &mut Workspace,
    now: Timestamp,
) -> Result<Wallet, Stop> {
    if let Some(id) = execution.wallet_id {
        let wallet = work.require::<Wallet>(id)?;
        let has_rate =
            review.amount.currency == execution.outside_amount().currency || mutant!(AnyRate);
        if wallet.currency == review.amount.currency || has_rate {
            return Ok((*wallet).clone());
        }
    }
    let owner = Owner::Merchant(execution.merchant_id);
    open_wallet::open(work, execution.merchant_id, owner, review.amount.currency, now)
}

/// What was given back of a payment because of this execution, before what is in suspense goes to
/// the wallet and after it; `None` for what is no refund and of no refunded payment, and for money
/// of another currency, whose worth nobody has agreed on.
fn given_back(
    review: &Review,
    execution: &Execution,
    work: &Workspace,
) -> Result<Option<(i64, i64)>, Stop> {
    let found = review.amount;
    if found.currency != execution.outside_amount().currency {
        return Ok(None);
    }
    let before =
        contradiction::given_back(execution, &contradiction::reviews(execution.id, work)?)?;
    before.map(|before| Ok((before, difference(before, found.minor)?))).transpose()
}

/// What other money in suspense is worth in the wallet's currency, at the execution's stored rate:
/// all of the payment what all of it was, a part rounded to the disadvantage of the wallet.
fn worth(review: &Review, execution: &Execution, wallet: &Wallet) -> Result<i64, Stop> {
    let found = review.amount;
    if wallet.currency == found.currency {
        return Ok(found.minor);
    }
    let size = Money::new(found.minor.saturating_abs(), found.currency);
    if size == execution.outside_amount() {
        return Ok(found.minor.signum() * execution.total_minor);
    }
    let share = if found.minor < 0 {
        fees::refund_share(size, execution.rate, wallet.currency).map(|share| -share)
    } else {
        fees::whole_worth(size, execution.rate, wallet.currency)
    };
    share.ok_or_else(|| {
        Stop::Inconsistent(format!("review {} has no worth in {}", review.id, wallet.currency))
    })
}
