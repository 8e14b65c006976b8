//! How a line is compared with the payment that it is about.

use crate::kernel::ids::{ExecutionId, MerchantId};
use crate::kernel::money::Money;
use crate::kernel::time::{ServerTime, minutes};
use crate::kernel::uuids::NetworkRequestId;
use crate::mutant;
use crate::reconciliation::difference::DifferenceKind;
use crate::reconciliation::line::LineStanding;
use crate::reconciliation::reported::{LineKind, ReportedLine};

/// A payment that moved less than this time ago may still be under way on one side, in microseconds.
pub const UNDER_WAY_US: i64 = minutes(24 * 60);

/// A payment as the ledger knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Booked {
    pub merchant_id: MerchantId,
    pub execution_id: ExecutionId,
    pub request_id: NetworkRequestId,
    /// What it has moved on the network's balance here, with what its reviews have booked: above zero
    /// where the balance rose. In the currency of the payment.
    pub amount: Money,
    /// What the network is expected to take for it, in the currency of the wallet.
    pub fee: Money,
    /// Whether it is not final.
    pub is_open: bool,
    /// Whether it moved money: it completed, or a review has booked some.
    pub is_settled: bool,
    pub created_at: ServerTime,
    /// When it completed, if it did.
    pub completed_at: Option<ServerTime>,
}

/// What other lines say of the same payment.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct OtherLines {
    /// How many are of the same kind.
    pub of_kind: i64,
    /// What they moved together, in the currency of the line.
    pub minor: i64,
}

/// What a comparison found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    pub standing: LineStanding,
    pub found: Option<Found>,
}

/// A difference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    pub kind: DifferenceKind,
    pub ours: Option<Money>,
    pub theirs: Option<Money>,
    pub reason: String,
}

const fn verdict(standing: LineStanding) -> Verdict {
    Verdict { standing, found: None }
}

fn differs(
    kind: DifferenceKind,
    ours: Option<Money>,
    theirs: Option<Money>,
    reason: &str,
) -> Verdict {
    let found = Found { kind, ours, theirs, reason: reason.to_owned() };
    Verdict { standing: LineStanding::Differs, found: Some(found) }
}

/// Compares a line with its payment, if one is known, and with the other lines of it. `read_at` is
/// when the statement was read.
#[must_use]
pub fn compare(
    line: &ReportedLine,
    payment: Option<&Booked>,
    others: OtherLines,
    read_at: ServerTime,
) -> Verdict {
    let is_young = read_at.since(line.occurred_at) < UNDER_WAY_US && !mutant!(UnderWayIsMissing);
    let Some(payment) = payment else { return without_payment(line, is_young) };
    let ours = payment.amount;
    if ours.currency != line.amount.currency {
        let reason = "the currency is not that of the payment here";
        return differs(DifferenceKind::AmountDiffers, Some(ours), Some(line.amount), reason);
    }
    let sum = others.minor.checked_add(line.amount.minor);
    if sum == Some(ours.minor) {
        return of_fee(line, payment);
    }
    if others.of_kind > 0 && mutant!(DuplicateAgrees) {
        return verdict(LineStanding::Matched);
    }
    if others.of_kind > 0 {
        let reason = "the statement has this movement of the payment more than once";
        return differs(DifferenceKind::DuplicateThere, None, Some(line.amount), reason);
    }
    if payment.is_open {
        if is_young {
            return verdict(LineStanding::UnderWay);
        }
        let reason = "the payment is still under way here a day after the network booked it";
        return differs(DifferenceKind::MissingHere, None, Some(line.amount), reason);
    }
    if !payment.is_settled {
        if is_young {
            return verdict(LineStanding::UnderWay);
        }
        let reason = "the payment failed here, and the network booked it";
        return differs(DifferenceKind::MissingHere, None, Some(line.amount), reason);
    }
    let theirs = sum.map(|minor| Money::new(minor, ours.currency));
    let reason = if (theirs.unwrap_or(line.amount).minor < 0) == (ours.minor < 0) {
        "the amount is not that of the payment here"
    } else {
        "the money went the other way than here"
    };
    differs(DifferenceKind::AmountDiffers, Some(ours), theirs.or(Some(line.amount)), reason)
}

fn without_payment(line: &ReportedLine, is_young: bool) -> Verdict {
    // What the network has a word for that is not known here may be anything: a person looks at it.
    if !line.kind.is_of_payment() && line.kind != LineKind::Other {
        return verdict(LineStanding::NoPayment);
    }
    if is_young && line.kind.is_of_payment() {
        return verdict(LineStanding::UnderWay);
    }
    let reason = match (line.kind, line.request_id) {
        (LineKind::Other, _) => "kola does not know what this kind of line is",
        (_, None) => "no payment here has this reference",
        (_, Some(_)) => "no payment here was sent with this id",
    };
    differs(DifferenceKind::MissingHere, None, Some(line.amount), reason)
}

/// Fees are compared where both sides have one in the same currency: what a merchant is charged in
/// dollars and a network takes in francs says nothing.
fn of_fee(line: &ReportedLine, payment: &Booked) -> Verdict {
    let has_fee = matches!(line.kind, LineKind::Collection | LineKind::Payout | LineKind::Refund);
    match line.fee {
        Some(fee)
            if has_fee
                && fee.currency == payment.fee.currency
                && fee.minor != payment.fee.minor =>
        {
            let reason = "the network took another fee than was expected";
            differs(DifferenceKind::FeeDiffers, Some(payment.fee), Some(fee), reason)
        }
        _ => verdict(LineStanding::Matched),
    }
}

/// Whether a payment that no line is about should have one: it moved money in the time of the
/// statement, long enough before it was read.
#[must_use]
pub fn is_missing_there(
    payment: &Booked,
    (from, to): (ServerTime, ServerTime),
    read_at: ServerTime,
) -> bool {
    let at = payment.completed_at.unwrap_or(payment.created_at);
    payment.is_settled
        && payment.amount.minor != 0
        && from <= at
        && at < to
        && read_at.since(at) >= UNDER_WAY_US
}
