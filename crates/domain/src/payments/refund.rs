//! What the refunds of a payment cost its wallet. What its payer really has back costs its share of
//! the payment, at the payment's rate and rounded up once over all, in whatever order refunds end,
//! fail or bounce.
//!
//! C (`given_back_minor`) is what the payer has back for good, in the payer's currency: completed
//! refunds, what of them or of the payment itself reviews found given back, less what they found
//! returned. W (`refunded_total_minor` and what goes beyond the payment) is what the wallet has
//! paid for C, in its own currency: the cost of C, unless a payer got more back than was asked for.
//! A refund holds its own share, whatever others do, and takes what is due when it completes.

use crate::decision::workspace::{Stop, Workspace};
use crate::kernel::checked::{Inconsistent, difference, sum};
use crate::kernel::ids::ExecutionId;
use crate::kernel::money::Money;
use crate::mutant;
use crate::payments::execution::Execution;
use crate::tariff::fees;

/// What a refund of `r` holds: its share by itself, and never more than the whole payment costs.
/// `None` where that does not fit.
#[must_use]
pub fn hold(payment: &Execution, r: Money) -> Option<i64> {
    let share = share(payment, r.minor)?.min(payment.total_minor);
    if mutant!(CappedTogether) {
        let others = share_of_others(payment)?;
        return Some(share.min(payment.total_minor.saturating_sub(others).max(0)));
    }
    Some(share)
}

/// What a refund of `r` that holds `held` takes when it completes.
///
/// # Errors
/// [`Inconsistent`] for sums that do not fit.
pub fn takes(payment: &Execution, r: Money, held: i64) -> Result<i64, Inconsistent> {
    let due = difference(
        cost(payment, sum(payment.given_back_minor, r.minor)?)?,
        payment.cost_so_far()?,
    )?;
    Ok(if mutant!(HoldTaken) { held } else { due.clamp(0, held) })
}

/// Counts a refund that completes as given back and paid for; what it takes less than it holds.
///
/// # Errors
/// [`Inconsistent`] for rows that contradict each other.
pub(crate) fn complete(
    refund: &Execution,
    payment: ExecutionId,
    work: &mut Workspace,
) -> Result<i64, Stop> {
    let payment = work.require::<Execution>(payment)?;
    let takes = takes(&payment, refund.payee, refund.payer.minor)?;
    let back = sum(payment.given_back_minor, refund.payee.minor)?;
    work.put(payment.with_given_back(back, sum(payment.cost_so_far()?, takes)?)?);
    Ok(difference(refund.payer.minor, takes)?)
}

/// Counts `after` instead of `before` as given back because of one execution, as a review has
/// found, and answers what the payment's wallet gets for that; below zero what it pays. What is
/// below nothing was never given back: it is the payer's money beyond the payment, and worth what
/// it is by itself.
///
/// # Errors
/// [`Inconsistent`] for rows that contradict each other.
pub(crate) fn correct(
    payment: ExecutionId,
    before: i64,
    after: i64,
    work: &mut Workspace,
) -> Result<i64, Stop> {
    let payment = work.require::<Execution>(payment)?;
    let more = difference(after.max(0), before.max(0))?;
    let back = sum(payment.given_back_minor, more)?;
    let (due, paid) = (cost(&payment, back)?, payment.cost_so_far()?);
    let paid_now = if mutant!(BounceAlone) {
        let alone = share(&payment, more.saturating_abs()).unwrap_or(0);
        paid.saturating_add(more.signum() * alone).max(0)
    } else if more > 0 {
        due.max(paid)
    } else if more < 0 {
        due.min(paid)
    } else {
        paid
    };
    let extra = difference(worth(&payment, after)?, worth(&payment, before)?)?;
    work.put(payment.with_given_back(back, paid_now)?);
    Ok(sum(extra, difference(paid, paid_now)?)?)
}

/// What so much given back costs in all: its share, and for the whole payment no more than the
/// payment's total. What goes beyond the payment costs its share on top.
fn cost(payment: &Execution, back: i64) -> Result<i64, Inconsistent> {
    let fits = |share: Option<i64>| {
        share.ok_or_else(|| Inconsistent(format!("{back} of payment {} has no worth", payment.id)))
    };
    let paid = payment.payer.minor;
    let within = fits(share(payment, back.min(paid)))?.min(payment.total_minor);
    if back <= paid {
        return Ok(within);
    }
    sum(within, difference(fits(share(payment, back))?, fits(share(payment, paid))?)?)
}

/// So much given back, in the wallet's currency, rounded up.
fn share(payment: &Execution, back: i64) -> Option<i64> {
    fees::refund_share(
        Money::new(back, payment.payer.currency),
        payment.rate,
        payment.wallet_currency(),
    )
}

/// What is below nothing given back, in the wallet's currency, rounded down.
fn worth(payment: &Execution, back: i64) -> Result<i64, Inconsistent> {
    let beyond = Money::new(back.min(0).saturating_abs(), payment.payer.currency);
    fees::whole_worth(beyond, payment.rate, payment.wallet_currency())
        .ok_or_else(|| Inconsistent(format!("{beyond} beyond payment {} has no worth", payment.id)))
}

/// What all refunds hold or have taken, as it was reckoned once.
fn share_of_others(payment: &Execution) -> Option<i64> {
    share(payment, payment.refunded_minor)
}

impl Execution {
    /// Collection: W, what the wallet has paid for what was given back.
    ///
    /// # Errors
    /// [`Inconsistent`] for a sum that does not fit.
    pub fn cost_so_far(&self) -> Result<i64, Inconsistent> {
        sum(self.refunded_total_minor, self.over_refunded_total_minor)
    }

    /// This payment, of which so much was given back for so much.
    ///
    /// # Errors
    /// [`Inconsistent`] for less than nothing.
    pub fn with_given_back(&self, given_back_minor: i64, cost: i64) -> Result<Self, Inconsistent> {
        if given_back_minor < 0 || cost < 0 {
            return Err(Inconsistent(format!(
                "of payment {} less than nothing would be given back",
                self.id
            )));
        }
        let refunded_total_minor = cost.min(self.total_minor);
        let over_refunded_total_minor = difference(cost, refunded_total_minor)?;
        Ok(Self {
            given_back_minor,
            refunded_total_minor,
            over_refunded_total_minor,
            ..self.clone()
        })
    }
}
