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
    /// What it has moved on the network's balance here, with what its reviews and its differences have
    /// booked: above zero where the balance rose. In the currency of the payment.
    pub amount: Money,
    /// What the network is expected to take for it, in the currency of the wallet.
    pub fee: Money,
    /// Whether it is not final.
    pub is_open: bool,
    /// Whether it moved money: it completed, or a review or a difference has booked some.
    pub is_settled: bool,
    pub created_at: ServerTime,
    /// When it completed, if it did.
    pub completed_at: Option<ServerTime>,
}

/// What other lines say of the same payment.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct OtherLines {
    /// How many of those that were read before it are of the same kind.
    pub of_kind: i64,
    /// What those that were read before it moved together, in the currency of the line.
    pub minor: i64,
    /// What all of them moved together, in the currency of the line.
    pub all_minor: i64,
}

/// What a comparison found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    pub standing: LineStanding,
    pub found: Option<Found>,
}

impl Verdict {
    /// This verdict where fees are not compared.
    #[must_use]
    pub fn without_fee(self) -> Self {
        match &self.found {
            Some(Found { kind: DifferenceKind::FeeDiffers, .. }) => verdict(LineStanding::Matched),
            _ => self,
        }
    }
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
    let is_of_currency = ours.currency == line.amount.currency;
    let sum = others.minor.checked_add(line.amount.minor);
    // What was taken back later agrees with the lines before it, too.
    let all = others.all_minor.checked_add(line.amount.minor);
    if is_of_currency && (sum == Some(ours.minor) || all == Some(ours.minor)) {
        return of_fee(line, payment);
    }
    if others.of_kind > 0 && mutant!(DuplicateAgrees) {
        return verdict(LineStanding::Matched);
    }
    if others.of_kind > 0 {
        let reason = "the statement has this movement of the payment more than once";
        return differs(DifferenceKind::DuplicateThere, None, Some(line.amount), reason);
    }
    if !is_of_currency {
        let reason = "the currency is not that of the payment here";
        return differs(DifferenceKind::AmountDiffers, Some(ours), Some(line.amount), reason);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::currency::Currency;
    use crate::kernel::time::seconds;
    use crate::kernel::uuids::Uuid;

    const DAY: i64 = seconds(86_400);
    /// When lines and payments moved.
    const AT: ServerTime = ServerTime(1_000 * DAY);
    /// When the statement was read.
    const LATER: ServerTime = ServerTime(1_003 * DAY);

    fn money(minor: i64, code: &str) -> Money {
        Money::new(minor, Currency::parse(code).unwrap())
    }

    fn usd(minor: i64) -> Money {
        money(minor, "USD")
    }

    fn line(amount: Money) -> ReportedLine {
        ReportedLine {
            kind: LineKind::Collection,
            line_id: None,
            request_id: Some(Uuid::from_u128(7)),
            reference: None,
            amount,
            settled: None,
            fee: Some(usd(20)),
            occurred_at: AT,
        }
    }

    /// A collection of 10 dollars, for which a fee of 20 cents was expected.
    fn payment() -> Booked {
        Booked {
            merchant_id: MerchantId(1),
            execution_id: ExecutionId(2),
            request_id: NetworkRequestId(Uuid::from_u128(7)),
            amount: usd(1_000),
            fee: usd(20),
            is_open: false,
            is_settled: true,
            created_at: AT,
            completed_at: Some(AT),
        }
    }

    fn found(line: &ReportedLine, payment: Option<&Booked>, others: OtherLines) -> Found {
        let verdict = compare(line, payment, others, LATER);
        assert_eq!(verdict.standing, LineStanding::Differs);
        verdict.found.unwrap()
    }

    fn alone(line: &ReportedLine, payment: &Booked) -> Found {
        found(line, Some(payment), OtherLines::default())
    }

    #[test]
    fn what_agrees_is_no_difference() {
        let verdict = compare(&line(usd(1_000)), Some(&payment()), OtherLines::default(), LATER);
        assert_eq!(verdict, super::verdict(LineStanding::Matched));
        // In several parts, or given back in part: what counts is the sum.
        let others = OtherLines { of_kind: 1, minor: 400, all_minor: 400 };
        let verdict = compare(&line(usd(600)), Some(&payment()), others, LATER);
        assert_eq!(verdict.standing, LineStanding::Matched);
    }

    #[test]
    fn the_amount_the_direction_and_the_currency_are_compared() {
        for (amount, theirs, part) in [
            (usd(999), usd(999), "amount"),
            (usd(0), usd(0), "amount"),
            (usd(-1_000), usd(-1_000), "other way"),
            (money(1_000, "LRD"), money(1_000, "LRD"), "currency"),
        ] {
            let found = alone(&line(amount), &payment());
            assert_eq!(found.kind, DifferenceKind::AmountDiffers, "{amount}");
            assert_eq!((found.ours, found.theirs), (Some(usd(1_000)), Some(theirs)));
            assert!(found.reason.contains(part), "{}", found.reason);
        }
        // No sum overflows.
        let others = OtherLines { of_kind: 0, minor: i64::MAX, all_minor: i64::MAX };
        let found = found(&line(usd(i64::MAX)), Some(&payment()), others);
        assert_eq!(found.kind, DifferenceKind::AmountDiffers);
    }

    #[test]
    fn a_movement_that_is_there_twice_is_booked_once_in_any_currency() {
        let others = OtherLines { of_kind: 1, minor: 1_000, all_minor: 1_000 };
        for amount in [usd(1_000), usd(5), money(1_000, "LRD")] {
            let found = found(&line(amount), Some(&payment()), others);
            assert_eq!(found.kind, DifferenceKind::DuplicateThere, "{amount}");
            // The payment itself is with the first line.
            assert_eq!((found.ours, found.theirs), (None, Some(amount)));
        }
    }

    #[test]
    fn fees_are_compared_in_one_currency_and_where_there_are_any() {
        let with = |fee| ReportedLine { fee, ..line(usd(1_000)) };
        assert_eq!(alone(&with(Some(usd(21))), &payment()).kind, DifferenceKind::FeeDiffers);
        assert_eq!(alone(&with(Some(usd(0))), &payment()).kind, DifferenceKind::FeeDiffers);
        for fee in [None, Some(usd(20)), Some(money(21, "RWF"))] {
            let verdict = compare(&with(fee), Some(&payment()), OtherLines::default(), LATER);
            assert_eq!(verdict.standing, LineStanding::Matched, "{fee:?}");
        }
    }

    #[test]
    fn what_moved_less_than_a_day_ago_may_be_under_way() {
        let open = Booked { is_open: true, is_settled: false, amount: usd(0), ..payment() };
        let failed = Booked { is_open: false, ..open.clone() };
        for payment in [None, Some(&open), Some(&failed)] {
            let at = |after| {
                let line = line(usd(1_000));
                compare(&line, payment, OtherLines::default(), AT.plus(after)).found
            };
            assert_eq!(at(DAY - 1), None, "{payment:?}");
            let found = at(DAY).unwrap();
            assert_eq!(found.kind, DifferenceKind::MissingHere);
            assert_eq!((found.ours, found.theirs), (None, Some(usd(1_000))));
        }
        // A wrong amount is none that time mends.
        let verdict = compare(&line(usd(999)), Some(&payment()), OtherLines::default(), AT.plus(1));
        assert_eq!(verdict.standing, LineStanding::Differs);
    }

    #[test]
    fn a_line_of_no_payment_is_none_that_is_missing() {
        for kind in [LineKind::TopUp, LineKind::BankTransfer, LineKind::Fee] {
            let line = ReportedLine { kind, ..line(usd(5)) };
            let verdict = compare(&line, None, OtherLines::default(), LATER);
            assert_eq!(verdict, super::verdict(LineStanding::NoPayment));
        }
        let odd = ReportedLine { kind: LineKind::Other, ..line(usd(5)) };
        let verdict = compare(&odd, None, OtherLines::default(), AT);
        assert_eq!(verdict.found.unwrap().kind, DifferenceKind::MissingHere);
    }

    #[test]
    fn a_payment_is_missing_in_the_statement_of_its_day_only() {
        let (from, to) = (AT, AT.plus(DAY));
        let missing = |at: ServerTime, read_at: ServerTime| {
            let payment = Booked { created_at: AT, completed_at: Some(at), ..payment() };
            is_missing_there(&payment, (from, to), read_at)
        };
        assert!(missing(from, LATER) && missing(to.plus(-1), LATER));
        assert!(!missing(from.plus(-1), LATER) && !missing(to, LATER));
        assert!(!missing(from, from.plus(DAY - 1)) && missing(from, from.plus(DAY)));
        let nothing = Booked { amount: usd(0), ..payment() };
        let failed = Booked { is_settled: false, ..payment() };
        for payment in [nothing, failed] {
            assert!(!is_missing_there(&payment, (from, to), LATER));
        }
    }
}
