//! What the refunds of a payment cost the merchant's wallet.
//!
//! The wallet pays for what the payer really has back: its share of the payment, at the payment's
//! rate, rounded up once over all refunds together. So the cost does not depend on the order in
//! which refunds complete, fail or are returned.
//!
//! Two running totals of the collection carry this:
//! - the net refunded amount (`given_back_minor`, in the payer's currency): completed refunds, plus
//!   what reviews found given back of them or of the payment itself, less what reviews found
//!   returned;
//! - the cost charged for it (`refunded_total_minor` and, beyond the payment's total,
//!   `over_refunded_total_minor`, in the wallet's currency). It is the cost of the net refunded
//!   amount, unless a payer got more back than was asked for.
//!
//! A refund holds its own share, whatever other refunds do, and is charged what is due when it
//! completes.

use crate::decision::workspace::{Stop, Workspace};
use crate::kernel::checked::{Inconsistent, difference, sum};
use crate::kernel::ids::ExecutionId;
use crate::kernel::money::Money;
use crate::mutant;
use crate::payments::execution::Execution;
use crate::payments::execution_intent::{Collection, RefundTotals};
use crate::tariff::fees;

/// What a refund of `amount` holds on the wallet: its share by itself, and never more than the
/// whole payment costs. `None` where that does not fit.
#[must_use]
pub fn hold_amount(payment: &Execution, amount: Money) -> Option<i64> {
    // Each refund by itself is rounded up, so the share of a full refund may exceed the total.
    let hold = wallet_value_rounded_up(payment, amount.minor)?.min(payment.total_minor);
    mutant!(CappedTogether => return cap_hold_by_other_refunds(payment, hold));
    Some(hold)
}

/// What a refund of `amount` that holds `held` is charged when it completes.
///
/// # Errors
/// [`Inconsistent`] for sums that do not fit.
pub fn charge_on_completion(
    payment: &Execution,
    amount: Money,
    held: i64,
) -> Result<i64, Inconsistent> {
    // Rounding over all refunds together: this one is charged the difference to what the earlier
    // ones were charged, which is its own share or less by a minor unit. It leaves `0..=held` only
    // where a payer got more or less back than the wallet was charged for.
    let net_refunded = sum(payment.refunds().given_back_minor, amount.minor)?;
    let due = difference(refund_cost(payment, net_refunded)?, payment.refund_cost_charged()?)?;
    Ok(if mutant!(HoldTaken) { held } else { due.clamp(0, held) })
}

/// Adds a completing refund to the payment's totals. Returns what is released of its hold because
/// less is due.
///
/// # Errors
/// [`Inconsistent`] for rows that contradict each other.
pub(crate) fn record_completion(
    refund: &Execution,
    payment: ExecutionId,
    work: &mut Workspace,
) -> Result<i64, Stop> {
    let payment = work.require::<Execution>(payment)?;
    let charge = charge_on_completion(&payment, refund.payee, refund.payer.minor)?;
    let net_refunded = sum(payment.refunds().given_back_minor, refund.payee.minor)?;
    let charged = sum(payment.refund_cost_charged()?, charge)?;
    work.put(payment.with_refund_totals(net_refunded, charged)?);
    Ok(difference(refund.payer.minor, charge)?)
}

/// Replaces `before` by `after` in the payment's net refunded amount, as a review found for one
/// execution. Returns what the payment's wallet is credited for that; below zero, debited.
///
/// `before` and `after` are below zero where the payer paid more than was asked for. That excess
/// was never refunded and has no part in the payment's rounding: it is worth its own value.
///
/// # Errors
/// [`Inconsistent`] for rows that contradict each other.
pub(crate) fn correct_net_refunded(
    payment: ExecutionId,
    before: i64,
    after: i64,
    work: &mut Workspace,
) -> Result<i64, Stop> {
    let payment = work.require::<Execution>(payment)?;
    let change = difference(after.max(0), before.max(0))?;
    let net_refunded = sum(payment.refunds().given_back_minor, change)?;
    let charged_before = payment.refund_cost_charged()?;
    let charged = charge_after_correction(&payment, change, net_refunded, charged_before)?;
    let excess =
        difference(overpayment_value(&payment, after)?, overpayment_value(&payment, before)?)?;
    work.put(payment.with_refund_totals(net_refunded, charged)?);
    Ok(sum(excess, difference(charged_before, charged)?)?)
}

/// The total charge after a correction by `change`.
fn charge_after_correction(
    payment: &Execution,
    change: i64,
    net_refunded: i64,
    charged: i64,
) -> Result<i64, Inconsistent> {
    mutant!(BounceAlone => return round_correction_alone(payment, change, charged));
    let due = refund_cost(payment, net_refunded)?;
    // A wallet that was charged more or less than is due before keeps that: more refunded never
    // credits the wallet, less refunded never debits it.
    Ok(match change.signum() {
        1 => due.max(charged),
        -1 => due.min(charged),
        _ => charged,
    })
}

/// What `net_refunded` costs the wallet in all. The whole payment costs no more than its total,
/// though each share is rounded up; what goes beyond the payment costs its share on top.
fn refund_cost(payment: &Execution, net_refunded: i64) -> Result<i64, Inconsistent> {
    let value = |minor: i64| {
        wallet_value_rounded_up(payment, minor).ok_or_else(|| {
            Inconsistent(format!("{net_refunded} of payment {} has no worth", payment.id))
        })
    };
    let paid = payment.payer.minor;
    let within = value(net_refunded.min(paid))?.min(payment.total_minor);
    if net_refunded <= paid {
        return Ok(within);
    }
    sum(within, difference(value(net_refunded)?, value(paid)?)?)
}

/// `minor` of the payer's currency in the wallet's, rounded up: the wallet bears the rounding.
pub(crate) fn wallet_value_rounded_up(payment: &Execution, minor: i64) -> Option<i64> {
    fees::to_wallet_rounded_up(
        Money::new(minor, payment.payer.currency),
        payment.rate,
        payment.wallet_currency(),
    )
}

/// What the payer paid beyond what was asked for (`net_refunded` below zero), in the wallet's
/// currency, rounded down: the wallet is credited no more than it is worth.
fn overpayment_value(payment: &Execution, net_refunded: i64) -> Result<i64, Inconsistent> {
    let excess = Money::new(net_refunded.min(0).saturating_abs(), payment.payer.currency);
    fees::to_wallet_rounded_down(excess, payment.rate, payment.wallet_currency())
        .ok_or_else(|| Inconsistent(format!("{excess} beyond payment {} has no worth", payment.id)))
}

impl Execution {
    /// Collection: what the wallet was charged for the net refunded amount.
    ///
    /// # Errors
    /// [`Inconsistent`] for a sum that does not fit.
    pub fn refund_cost_charged(&self) -> Result<i64, Inconsistent> {
        let totals = self.refunds();
        sum(totals.refunded_total_minor, totals.over_refunded_total_minor)
    }

    /// This collection with other refund totals: the net refunded amount in the payer's currency,
    /// and the cost charged for it in the wallet's.
    ///
    /// # Errors
    /// [`Inconsistent`] for totals below zero.
    pub fn with_refund_totals(
        &self,
        given_back_minor: i64,
        cost_charged: i64,
    ) -> Result<Self, Inconsistent> {
        if given_back_minor < 0 || cost_charged < 0 {
            return Err(Inconsistent(format!(
                "of payment {} less than nothing would be given back",
                self.id
            )));
        }
        let refunded_total_minor = cost_charged.min(self.total_minor);
        let over_refunded_total_minor = difference(cost_charged, refunded_total_minor)?;
        self.clone().with_collection(|collection| Collection {
            refunds: RefundTotals {
                given_back_minor,
                refunded_total_minor,
                over_refunded_total_minor,
                ..collection.refunds
            },
            ..collection
        })
    }
}
