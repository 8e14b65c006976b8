//! Reviews: what only a human can decide. A provider contradicted itself, or never gave a final word.

use crate::api_enum;
use crate::contradiction;
use crate::event::{self, EventEntity, EventType};
use crate::execution::Execution;
use crate::fees;
use crate::ids::{ExecutionId, MerchantId, ReviewId};
use crate::late;
use crate::ledger::{self, AccountKind, DebitFrom, Leg, Postings};
use crate::merchant::Merchant;
use crate::money::Money;
use crate::mutant;
use crate::names::Provider;
use crate::refund;
use crate::refusal::Refusal;
use crate::settle;
use crate::source::Source;
use crate::time::Timestamp;
use crate::wallet::{self, Owner, Wallet, WalletStatus};
use crate::workspace::{Stop, Row, Workspace, difference, sum};

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
    /// What it was about when it was open before: the sum, in the same currency,
    pub earlier_minor: i64,
    /// and what of that went back to the payer or was recovered.
    pub earlier_returned_minor: i64,
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

impl Review {
    /// All money that it was ever about: what the books took in of the provider's words.
    ///
    /// # Errors
    /// [`Stop::Inconsistent`] for sums that do not fit.
    pub fn all_minor(&self) -> Result<i64, Stop> {
        sum(self.earlier_minor, self.amount.minor)
    }

    /// The same without what went back to the payer or was recovered outside.
    ///
    /// # Errors
    /// [`Stop::Inconsistent`] for sums that do not fit.
    pub fn kept_minor(&self) -> Result<i64, Stop> {
        difference(self.all_minor()?, self.returned_minor()?)
    }

    /// What of it was decided to be the wallet's: the same without what is open.
    ///
    /// # Errors
    /// [`Stop::Inconsistent`] for sums that do not fit.
    pub fn booked_minor(&self) -> Result<i64, Stop> {
        let open = if self.status == ReviewStatus::Open { self.amount.minor } else { 0 };
        difference(self.kept_minor()?, open)
    }

    fn returned_minor(&self) -> Result<i64, Stop> {
        let returned = self.resolution.as_deref() == Some(Resolution::ToPayer.as_str());
        sum(self.earlier_returned_minor, if returned { self.amount.minor } else { 0 })
    }

    /// This case, opened again; its resolutions until now are events.
    fn again(&self) -> Result<Self, Stop> {
        Ok(Self {
            status: ReviewStatus::Open,
            earlier_minor: self.all_minor()?,
            earlier_returned_minor: self.returned_minor()?,
            resolution: None,
            evidence: None,
            resolved_at: None,
            ..self.clone()
        })
    }
}

impl Row for Review {
    type Id = ReviewId;
    type AltKey = (ExecutionId, ReviewKind);

    /// Whoever opens or resolves one changes its execution too, which tells others.
    const REREAD_ON_CONFLICT: bool = true;

    fn id(&self) -> ReviewId {
        self.id
    }

    fn alt_key(&self) -> Option<(ExecutionId, ReviewKind)> {
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
    /// As it is written down.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::ToWallet => "to wallet",
            Self::ToPayer => "to payer",
        }
    }
}

/// Opens a case, or the resolved one of its kind again.
///
/// # Errors
/// [`Stop::Inconsistent`] for sums that do not fit.
pub(crate) fn open(
    execution: &Execution,
    kind: ReviewKind,
    amount: Money,
    reason: String,
    work: &mut Workspace,
    now: Timestamp,
) -> Result<ReviewId, Stop> {
    let review = match work.find::<Review>(&(execution.id, kind))? {
        Some(known) => Review { amount, reason, ..known.again()? },
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
            created_at: now,
            resolved_at: None,
        },
    };
    count_on_source(&review, 1, work)?;
    work.put(review.clone());
    Ok(review.id)
}

/// Counts a review that opens, or is resolved, on what its execution collects for. What waits for its deadline is under way
/// anyway.
fn count_on_source(review: &Review, by: i64, work: &mut Workspace) -> Result<(), Stop> {
    if review.kind == ReviewKind::DeadlinePassed {
        return Ok(());
    }
    if let Some(id) = work.require::<Execution>(review.execution_id)?.source_id {
        let source = work.require::<Source>(id)?;
        work.put(Source { open_reviews: sum(source.open_reviews, by)?, ..(*source).clone() });
    }
    Ok(())
}

/// Puts an execution past its deadline on the list, once.
///
/// # Errors
/// None of its own.
pub fn open_deadline(execution: &Execution, reason: &str, work: &mut Workspace, now: Timestamp) -> Result<(), Stop> {
    if work.find::<Review>(&(execution.id, ReviewKind::DeadlinePassed))?.is_some() {
        return Ok(());
    }
    let nothing = Money::new(0, execution.wallet_currency());
    let id = open(execution, ReviewKind::DeadlinePassed, nothing, reason.to_owned(), work, now)?;
    let note = Some(reason.to_owned());
    event::record(work, execution.merchant_id, EventType::ReviewOpened, (EventEntity::Review, id.0), note, now)?;
    Ok(())
}

/// Takes an execution that became final off the list of passed deadlines. Whether it is there is looked up, not reckoned from
/// its times: another process may have put it there by another clock, or after the merchant's was advanced.
///
/// # Errors
/// None of its own.
pub fn close_deadline(execution: &Execution, work: &mut Workspace, now: Timestamp) -> Result<(), Stop> {
    // What needs no provider is final at once.
    if execution.provider == Provider::Platform {
        return Ok(());
    }
    let Some(review) = work.find::<Review>(&(execution.id, ReviewKind::DeadlinePassed))? else { return Ok(()) };
    if review.status == ReviewStatus::Open {
        resolved((*review).clone(), execution.status.as_str(), "the provider's final word", work, now)?;
    }
    Ok(())
}

fn resolved(review: Review, resolution: &str, evidence: &str, work: &mut Workspace, now: Timestamp) -> Result<Review, Stop> {
    let review = Review {
        status: ReviewStatus::Resolved,
        resolution: Some(resolution.to_owned()),
        evidence: Some(evidence.to_owned()),
        resolved_at: Some(now),
        ..review
    };
    count_on_source(&review, -1, work)?;
    work.put(review.clone());
    // The evidence is kept with the event, since a review that opens again forgets it; the merchant reads the rest.
    let note = Some([resolution, evidence].join(event::EVIDENCE_SEPARATOR));
    event::record(work, review.merchant_id, EventType::ReviewResolved, (EventEntity::Review, review.id.0), note, now)?;
    Ok(review)
}

/// What a merchant reads of an execution that an operator ended; the evidence is the operator's own.
const BY_OPERATOR: &str = "resolved by an operator";

/// Resolves a review as a human decided.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::ReviewNotOpen`], [`Refusal::ReviewInsufficient`], [`Refusal::WalletState`] for a
/// closed wallet. A frozen one takes part: what is resolved was in flight before.
pub fn resolve(id: ReviewId, how: Resolution, evidence: &str, work: &mut Workspace, now: Timestamp) -> Result<Review, Stop> {
    let review = (*work.get::<Review>(id)?.ok_or(Refusal::NotFound)?).clone();
    if review.status != ReviewStatus::Open {
        return Err(Refusal::ReviewNotOpen { needs: "it was resolved before" }.into());
    }
    let execution = (*work.require::<Execution>(review.execution_id)?).clone();
    let time = work.require::<Merchant>(execution.merchant_id)?.time(now);
    match review.kind {
        ReviewKind::DeadlinePassed => {
            resolve_deadline(&review, execution, how, time, work, now)?;
            resolved(review, how.as_str(), evidence, work, now)
        }
        ReviewKind::SuccessAfterFailure | ReviewKind::FailureAfterSuccess | ReviewKind::AmountMismatch => {
            let counted = contradiction::room_taken(&execution, work)?;
            let id = execution.id;
            resolve_suspense(&review, execution, how, time, work, now)?;
            let review = resolved(review, how.as_str(), evidence, work, now)?;
            let execution = contradiction::recount((*work.require::<Execution>(id)?).clone(), counted, work)?;
            let in_review = contradiction::reviews(execution.id, work)?.iter().any(|other| other.status == ReviewStatus::Open);
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
        return Err(Refusal::ReviewNotOpen { needs: "nothing is in suspense; say --outcome completed or failed" }.into());
    }
    if execution.in_review {
        return Err(Refusal::ReviewNotOpen { needs: "resolve the review of its amount first" }.into());
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
        return Err(Refusal::ReviewNotOpen { needs: "money is in suspense; say --to wallet or --to payer" }.into());
    }
    // What it holds is released first: that may be what its wallet needs.
    let execution = if execution.status.is_final() {
        execution
    } else {
        settle::fail(execution, BY_OPERATOR.to_owned(), time, work, now)?
    };
    if how == Resolution::ToWallet && late::is_in_full(review, &execution, work)? {
        return late::settle(execution, time, work, now);
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
        let clearing = AccountKind::clearing(execution.provider)
            .ok_or_else(|| Stop::Inconsistent(format!("execution {} has no clearing account", execution.id)))?;
        legs.push(Leg::system(clearing, merchant, found.minor, found.currency));
    } else {
        legs.extend(into_wallet(review, execution, work, now)?);
    }
    let entity = (EventEntity::Execution, execution.id.0);
    let note = Some(how.as_str().to_owned());
    let event = event::record(work, merchant, EventType::ReviewResolved, entity, note, now)?;
    ledger::post(work, event, Some(execution.id), &Postings::balanced(legs)?, now)
}

/// The legs that give a wallet what is in suspense, or take it from there where it is missing; exchanged where the wallet has
/// another currency.
fn into_wallet(review: &Review, execution: &Execution, work: &mut Workspace, now: Timestamp) -> Result<Vec<Leg>, Stop> {
    let found = review.amount;
    let wallet = review_wallet(review, execution, work, now)?;
    let share = match given_back(review, execution, work)? {
        Some((before, after)) => {
            refund::correct(execution.original_execution_id.unwrap_or(execution.id), before, after, work)?
        }
        None => worth(review, execution, &wallet)?,
    };
    check_wallet(&wallet, share)?;
    let mut legs = vec![Leg::available(wallet.id, share, wallet.currency)];
    if wallet.currency != found.currency {
        legs.push(Leg::system(AccountKind::Position, execution.merchant_id, found.minor, found.currency));
        legs.push(Leg::system(AccountKind::Position, execution.merchant_id, -share, wallet.currency));
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
        return Err(Refusal::ReviewNotOpen { needs: "the wallet has no room for it; say --to payer" });
    }
    Ok(())
}

/// The wallet that takes what is in suspense: the execution's own where the currency fits or the payment has a rate for it, so
/// that what goes and comes again does so in one place; else the merchant's of the money's currency.
fn review_wallet(review: &Review, execution: &Execution, work: &mut Workspace, now: Timestamp) -> Result<Wallet, Stop> {
    if let Some(id) = execution.wallet_id {
        let wallet = work.require::<Wallet>(id)?;
        let has_rate = review.amount.currency == execution.outside_amount().currency || mutant!(AnyRate);
        if wallet.currency == review.amount.currency || has_rate {
            return Ok((*wallet).clone());
        }
    }
    let owner = Owner::Merchant(execution.merchant_id);
    wallet::open(work, execution.merchant_id, owner, review.amount.currency, now)
}

/// What was given back of a payment because of this execution, before what is in suspense goes to the wallet and after it; `None`
/// for what is no refund and of no refunded payment, and for money of another currency, whose worth nobody has agreed on.
fn given_back(review: &Review, execution: &Execution, work: &Workspace) -> Result<Option<(i64, i64)>, Stop> {
    let found = review.amount;
    if found.currency != execution.outside_amount().currency {
        return Ok(None);
    }
    let before = contradiction::given_back(execution, &contradiction::reviews(execution.id, work)?)?;
    before.map(|before| Ok((before, difference(before, found.minor)?))).transpose()
}

/// What other money in suspense is worth in the wallet's currency, at the execution's stored rate: all of the payment what all of
/// it was, a part rounded to the disadvantage of the wallet.
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
    share.ok_or_else(|| Stop::Inconsistent(format!("review {} has no worth in {}", review.id, wallet.currency)))
}
