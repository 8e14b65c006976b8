//! Resolving a review as an operator decided.

use crate::decision::event::{EventEntity, EventType};
use crate::decision::events;
use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::directory::roles::Action;
use crate::exceptions::contradiction;
use crate::exceptions::late_success;
use crate::exceptions::open_review;
use crate::exceptions::review::{Resolution, Review, ReviewKind, ReviewStatus};
use crate::kernel::checked::difference;
use crate::kernel::ids::ReviewId;
use crate::kernel::money::Money;
use crate::kernel::refusal::Refusal;
use crate::kernel::time::{MerchantTime, ServerTime};
use crate::ledger::account::AccountKind;
use crate::ledger::open_wallet;
use crate::ledger::post;
use crate::ledger::postings::{Leg, Postings};
use crate::ledger::recipes::DebitFrom;
use crate::ledger::wallet::{Owner, Wallet};
use crate::mutant;
use crate::payments::attempt;
use crate::payments::execution::Execution;
use crate::payments::refund;
use crate::payments::settle;
use crate::tariff::fees;

/// Resolves a review as an operator decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResolveReview {
    pub review_id: ReviewId,
    pub resolution: Resolution,
    pub evidence: String,
}

impl Decision for ResolveReview {
    type Output = Review;

    fn action(&self) -> Option<Action> {
        Some(Action::ResolveReviews)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Review, Stop> {
        resolve(self.review_id, self.resolution, &self.evidence, work, context.now)
    }
}

/// The message that a merchant reads on an execution that an operator ended. The evidence is not
/// shown to merchants.
const BY_OPERATOR: &str = "resolved by an operator";

/// Resolves a review as an operator decided.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::ReviewNotResolvable`], [`Refusal::ReviewFundsInsufficient`],
/// [`Refusal::WalletState`] for a closed wallet. A frozen wallet is no obstacle: the payment was in
/// flight before it was frozen.
fn resolve(
    id: ReviewId,
    how: Resolution,
    evidence: &str,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Review, Stop> {
    let review = (*work.get::<Review>(id)?.ok_or(Refusal::NotFound)?).clone();
    if review.status != ReviewStatus::Open {
        return Err(Refusal::ReviewNotResolvable { needs: "it was resolved before" }.into());
    }
    let execution = (*work.require::<Execution>(review.execution_id)?).clone();
    let time = work.require::<Merchant>(execution.merchant_id)?.time(now);
    match review.kind {
        ReviewKind::DeadlinePassed => {
            resolve_deadline(&review, execution, how, time, work, now)?;
            open_review::mark_resolved(review, how.as_str(), evidence, work, now)
        }
        ReviewKind::SuccessAfterFailure
        | ReviewKind::FailureAfterSuccess
        | ReviewKind::AmountMismatch
        | ReviewKind::Dispute => {
            let capacity_before = contradiction::refund_capacity_used(&execution, work)?;
            let id = execution.id;
            resolve_suspense(&review, execution, how, time, work, now)?;
            let review = open_review::mark_resolved(review, how.as_str(), evidence, work, now)?;
            // Read again: resolving may have changed the execution.
            let execution = (*work.require::<Execution>(id)?).clone();
            let execution =
                contradiction::update_refund_capacity(execution, capacity_before, work)?;
            let in_review = contradiction::reviews(execution.id, work)?
                .iter()
                .any(|other| other.status == ReviewStatus::Open);
            work.put(Execution { in_review, ..execution });
            Ok(review)
        }
    }
}

/// Ends an execution past its deadline with the operator's decision in place of the provider's
/// outcome.
fn resolve_deadline(
    review: &Review,
    execution: Execution,
    how: Resolution,
    time: MerchantTime,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<(), Stop> {
    if !matches!(how, Resolution::Completed | Resolution::Failed) {
        return Err(Refusal::ReviewNotResolvable {
            needs: "nothing is in suspense; say --outcome completed or failed",
        }
        .into());
    }
    if execution.in_review {
        return Err(Refusal::ReviewNotResolvable {
            needs: "resolve the review of its amount first",
        }
        .into());
    }
    // A final status never changes: only the review is closed.
    if execution.status.is_final() {
        return Ok(());
    }
    // Settling closes an open deadline review as answered by the provider. The operator answered
    // this one, so it is marked resolved before.
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
    time: MerchantTime,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<(), Stop> {
    if !matches!(how, Resolution::ToWallet | Resolution::ToPayer) {
        return Err(Refusal::ReviewNotResolvable {
            needs: "money is in suspense; say --to wallet or --to payer",
        }
        .into());
    }
    // An execution that is still open ends first: releasing its hold may give the wallet what the
    // review is about to debit.
    let execution = if execution.status.is_final() {
        execution
    } else {
        settle::fail(execution, BY_OPERATOR.to_owned(), time, work, now)?
    };
    if how == Resolution::ToWallet && late_success::covers_full_payment(review, &execution, work)? {
        return late_success::settle(execution, time, work, now);
    }
    move_out_of_suspense(review, &execution, how, work, now)
}

fn move_out_of_suspense(
    review: &Review,
    execution: &Execution,
    how: Resolution,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<(), Stop> {
    let merchant = execution.merchant_id;
    let amount = review.amount;
    // The amount is below zero where money is missing; then every leg has the opposite sign.
    let mut legs =
        vec![Leg::system(AccountKind::Suspense, merchant, -amount.minor, amount.currency)];
    if how == Resolution::ToPayer {
        let clearing = attempt::clearing(execution, work)?.ok_or_else(|| {
            Stop::Inconsistent(format!("execution {} has no clearing account", execution.id))
        })?;
        legs.push(Leg::system(clearing, merchant, amount.minor, amount.currency));
    } else {
        legs.extend(wallet_legs(review, execution, work, now)?);
    }
    let entity = (EventEntity::Execution, execution.id.0);
    let note = Some(how.as_str().to_owned());
    let event = events::record(merchant, EventType::ReviewResolved, entity, note, work, now)?;
    post::post(event, Some(execution.id), &Postings::balanced(legs)?, work, now)
}

/// The legs that credit the wallet with the amount in suspense, or debit it where money is missing;
/// with an exchange where the wallet has another currency.
fn wallet_legs(
    review: &Review,
    execution: &Execution,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Vec<Leg>, Stop> {
    let amount = review.amount;
    let wallet = wallet_for_review(review, execution, work, now)?;
    // A change of what was refunded is valued by the rounding over all refunds of the payment; any
    // other money by itself.
    let wallet_minor = match net_refunded_change(review, execution, work)? {
        Some((before, after)) => refund::correct_net_refunded(
            execution.original_execution_id().unwrap_or(execution.id),
            before,
            after,
            work,
        )?,
        None => value_in_wallet_currency(review, execution, &wallet)?,
    };
    late_success::check_wallet(&wallet, wallet_minor)?;
    let mut legs = vec![Leg::available(wallet.id, wallet_minor, wallet.currency)];
    // Each currency must balance by itself, so an exchange goes through the position account.
    if wallet.currency != amount.currency {
        legs.push(Leg::system(
            AccountKind::Position,
            execution.merchant_id,
            amount.minor,
            amount.currency,
        ));
        legs.push(Leg::system(
            AccountKind::Position,
            execution.merchant_id,
            -wallet_minor,
            wallet.currency,
        ));
    }
    Ok(legs)
}

/// The wallet that the amount in suspense is credited to or debited from: the execution's own where
/// it has the currency or the payment has a rate for it, so that money that leaves and returns does
/// so on one wallet; else the merchant's wallet of the amount's currency.
fn wallet_for_review(
    review: &Review,
    execution: &Execution,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Wallet, Stop> {
    if let Some(id) = execution.wallet_id() {
        let wallet = work.require::<Wallet>(id)?;
        let has_rate =
            review.amount.currency == execution.outside_amount().currency || mutant!(AnyRate);
        if wallet.currency == review.amount.currency || has_rate {
            return Ok((*wallet).clone());
        }
    }
    let owner = Owner::Merchant(execution.merchant_id);
    open_wallet::open(execution.merchant_id, owner, review.amount.currency, work, now)
}

/// What this execution refunded of a payment, before and after the amount in suspense goes to the
/// wallet. `None` for an execution that cannot have refunded anything, and for money of another
/// currency, for which there is no agreed rate.
fn net_refunded_change(
    review: &Review,
    execution: &Execution,
    work: &Workspace,
) -> Result<Option<(i64, i64)>, Stop> {
    if review.amount.currency != execution.outside_amount().currency {
        return Ok(None);
    }
    let before =
        contradiction::net_refunded(execution, &contradiction::reviews(execution.id, work)?)?;
    before.map(|before| Ok((before, difference(before, review.amount.minor)?))).transpose()
}

/// What the amount in suspense is worth in the wallet's currency, at the execution's stored rate.
fn value_in_wallet_currency(
    review: &Review,
    execution: &Execution,
    wallet: &Wallet,
) -> Result<i64, Stop> {
    let amount = review.amount;
    if wallet.currency == amount.currency {
        return Ok(amount.minor);
    }
    let size = Money::new(amount.minor.saturating_abs(), amount.currency);
    // The whole payment is worth what it was settled for, not a conversion that is rounded anew.
    if size == execution.outside_amount() {
        return Ok(amount.minor.signum() * execution.total_minor);
    }
    // A part is rounded against the wallet: a debit up, a credit down.
    let value = if amount.minor < 0 {
        fees::to_wallet_rounded_up(size, execution.rate, wallet.currency).map(|value| -value)
    } else {
        fees::to_wallet_rounded_down(size, execution.rate, wallet.currency)
    };
    value.ok_or_else(|| {
        Stop::Inconsistent(format!("review {} has no worth in {}", review.id, wallet.currency))
    })
}
