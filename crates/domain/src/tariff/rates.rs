//! Validation of exchange rates: with an accepted rate every payment can be computed exactly, forth
//! and back, directly and as a cross rate through the US dollar.

use crate::kernel::currency::Currency;
use crate::kernel::money::Ratio;
use crate::kernel::names::Operation;
use crate::kernel::refusal::Refusal;
use crate::kernel::time::ServerTime;
use crate::tariff::fees::minor_rate;
use crate::tariff::{Fee, Market, Rate, Tariff, TariffFault};
use std::fmt;

/// A rate lies between `1 / MAX_RATE` and `MAX_RATE`.
const MAX_RATE: i64 = 1_000_000_000;

/// One unit of `from` is `rate` units of `to`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quoted {
    pub from: Currency,
    pub to: Currency,
    /// In major units.
    pub rate: Ratio,
}

impl From<&Rate> for Quoted {
    fn from(row: &Rate) -> Self {
        Self { from: row.from, to: row.to, rate: row.rate }
    }
}

/// Why a rate is not accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RateFault {
    SameCurrency,
    OutOfBounds(Quoted),
    /// It has so many digits that one currency cannot be computed exactly from the other.
    TooFine {
        from: Currency,
        to: Currency,
        /// As a cross rate through the dollar, with a rate that exists already.
        crossed: bool,
    },
}

impl fmt::Display for RateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameCurrency => f.write_str("a rate is between two currencies"),
            Self::OutOfBounds(Quoted { from, to, rate }) => {
                let (rate, least) =
                    (rate.to_text(18), Ratio::new(1, MAX_RATE).unwrap_or(Ratio::ONE).to_text(9));
                write!(
                    f,
                    "1 {from} = {rate} {to} is out of bounds: a rate is from {least} to {MAX_RATE}"
                )
            }
            Self::TooFine { from, to, crossed: false } => {
                write!(
                    f,
                    "between {from} and {to} nothing could be computed exactly: give the rate with fewer digits"
                )
            }
            Self::TooFine { from, to, crossed: true } => write!(
                f,
                "between {from} and {to}, which goes through USD, nothing could be computed exactly: give the rate with fewer digits"
            ),
        }
    }
}

/// Checks that a rate can be used together with the `others`. Those between the same two currencies
/// are ignored, since the new rate replaces them.
///
/// # Errors
/// [`RateFault`].
pub fn check(new: Quoted, others: &[Quoted]) -> Result<(), RateFault> {
    let Quoted { from, to, rate } = new;
    if from == to {
        return Err(RateFault::SameCurrency);
    }
    let (num, den, most) = (i128::from(rate.num()), i128::from(rate.den()), i128::from(MAX_RATE));
    if num * most < den || num > den * most {
        return Err(RateFault::OutOfBounds(new));
    }
    if !is_exact_both_ways(from, to, Some(rate)) {
        return Err(RateFault::TooFine { from, to, crossed: false });
    }
    let Some(usd) = Currency::parse("USD") else { return Ok(()) };
    let Some((one, to_usd)) = rate_to_usd(usd, new) else { return Ok(()) };
    for (other, other_to_usd) in others.iter().filter_map(|other| rate_to_usd(usd, *other)) {
        let cross = |one: Option<Ratio>, other: Option<Ratio>| one?.times(other?.inverse()?);
        if other != one && !is_exact_both_ways(one, other, cross(to_usd, other_to_usd)) {
            return Err(RateFault::TooFine { from: one, to: other, crossed: true });
        }
    }
    Ok(())
}

/// Checks that the fixed part of a fee can be converted into every currency that the fee is taken in
/// at `now`, by the open markets that it is for. Otherwise every such payment would be refused.
///
/// # Errors
/// [`TariffFault::NoRateForFixedPart`].
pub(super) fn check_fixed_part(
    fee: Fee,
    operation: Operation,
    is_for: impl Fn(&Market) -> bool,
    tariff: &Tariff,
    now: ServerTime,
) -> Result<(), Refusal> {
    let is_of = |row: &Market| match operation {
        Operation::Collection | Operation::Payout => row.operation == operation && is_for(row),
        // They need no market of their own: they are made in any currency that is paid in or out.
        Operation::Transfer | Operation::Refund => true,
    };
    let open = tariff.markets.iter().filter(|row| row.effective.at(now) && is_of(row));
    check_convertible(fee, &open.map(|row| row.currency).collect::<Vec<_>>(), tariff, now)
}

/// Checks that the fixed part of a fee can be converted into the currencies that the fee is
/// `taken_in`.
///
/// # Errors
/// [`TariffFault::NoRateForFixedPart`].
pub(super) fn check_convertible(
    fee: Fee,
    taken_in: &[Currency],
    tariff: &Tariff,
    now: ServerTime,
) -> Result<(), Refusal> {
    let Some((_, fixed)) = fee.fixed else { return Ok(()) };
    let rates: Vec<Quoted> =
        tariff.rates.iter().filter(|row| row.effective.at(now)).map(Quoted::from).collect();
    unconvertible_currency(fixed, taken_in, &rates).map_or(Ok(()), |taken_in| {
        Err(Refusal::Tariff(TariffFault::NoRateForFixedPart { fixed, taken_in }))
    })
}

/// A currency in which a fee is charged (one of `charged_in`) but into which its fixed part, in the
/// currency `fixed`, cannot be converted: every such payment would be refused.
///
/// A currency without a rate to any other can only be in use by itself, and is ignored unless none
/// of `charged_in` can be converted. Of several the dollar is returned first: one rate to it makes
/// cross rates to the others.
#[must_use]
pub fn unconvertible_currency(
    fixed: Currency,
    charged_in: &[Currency],
    rates: &[Quoted],
) -> Option<Currency> {
    let usd = Currency::parse("USD");
    let quoted = |one, other| {
        rates.iter().any(|row| [(one, other), (other, one)].contains(&(row.from, row.to)))
    };
    let is_convertible = |to: Currency| {
        to == fixed
            || quoted(fixed, to)
            || usd.is_some_and(|usd| quoted(fixed, usd) && quoted(usd, to))
    };
    let is_exchanged =
        |currency: Currency| rates.iter().any(|row| row.from == currency || row.to == currency);
    let none_is_convertible = !charged_in.iter().any(|to| is_convertible(*to));
    let mut missing = charged_in
        .iter()
        .copied()
        .filter(|to| !is_convertible(*to) && (none_is_convertible || is_exchanged(*to)))
        .collect::<Vec<_>>();
    missing.sort_unstable_by_key(|to| (Some(*to) != usd, !is_exchanged(*to), *to));
    missing.first().copied()
}

/// The other currency of a rate from or to the dollar, and its rate to the dollar.
fn rate_to_usd(
    usd: Currency,
    Quoted { from, to, rate }: Quoted,
) -> Option<(Currency, Option<Ratio>)> {
    match (from == usd, to == usd) {
        (true, false) => Some((to, rate.inverse())),
        (false, true) => Some((from, Some(rate))),
        _ => None,
    }
}

/// Whether the rate between minor units fits into a [`Ratio`] in both directions.
fn is_exact_both_ways(from: Currency, to: Currency, rate: Option<Ratio>) -> bool {
    let forth = rate.and_then(|rate| minor_rate(rate, from, to));
    let back = rate.and_then(Ratio::inverse).and_then(|rate| minor_rate(rate, to, from));
    forth.is_some() && back.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::ids::RateId;
    use crate::kernel::money::Decimal;
    use crate::tariff::Effective;
    use proptest::prelude::*;

    fn quoted(from: &str, to: &str, rate: &str) -> Quoted {
        let currency = |code| Currency::parse(code).unwrap();
        Quoted {
            from: currency(from),
            to: currency(to),
            rate: Decimal::parse(rate).unwrap().to_ratio().unwrap(),
        }
    }

    #[test]
    fn a_rate_is_from_a_billionth_to_a_billion() {
        for rate in ["1000000000", "0.000000001", "192", "0.0052083333333333"] {
            assert_eq!(check(quoted("USD", "LRD", rate), &[]), Ok(()), "{rate}");
        }
        for rate in ["1000000000.1", "0.0000000009", "1e18", "1e-18", "0"] {
            let new = quoted("USD", "LRD", rate);
            assert_eq!(check(new, &[]), Err(RateFault::OutOfBounds(new)), "{rate}");
        }
        assert_eq!(check(quoted("USD", "USD", "1"), &[]), Err(RateFault::SameCurrency));
        let said = RateFault::OutOfBounds(quoted("USD", "LRD", "1e18")).to_string();
        assert_eq!(
            said,
            "1 USD = 1000000000000000000 LRD is out of bounds: a rate is from 0.000000001 to 1000000000"
        );
    }

    #[test]
    fn a_rate_that_no_cross_rate_can_be_made_of_is_refused() {
        let fine = quoted("USD", "LRD", "192.123456789012345");
        let other = quoted("RWF", "USD", "0.000694444444444441");
        assert_eq!((check(fine, &[]), check(other, &[])), (Ok(()), Ok(())));
        let fault = check(other, &[fine]).unwrap_err();
        assert_eq!(fault, RateFault::TooFine { from: other.from, to: fine.to, crossed: true });
        assert!(
            fault.to_string().contains("between RWF and LRD, which goes through USD"),
            "{fault}"
        );
        assert!(check(fine, &[other]).is_err());
        // The one that it takes the place of does not matter, nor one that is not of the dollar.
        assert_eq!(
            check(
                quoted("USD", "RWF", "1440.123456789012345"),
                &[other, quoted("LRD", "RWF", "7.5000000000001")]
            ),
            Ok(())
        );
        // Francs have no hundredths, and dinars have thousandths.
        let said =
            check(quoted("KWD", "RWF", "0.000123456789012347"), &[]).unwrap_err().to_string();
        assert_eq!(
            said,
            "between KWD and RWF nothing could be computed exactly: give the rate with fewer digits"
        );
    }

    #[test]
    fn a_fixed_part_reaches_what_its_fee_is_taken_in() {
        let currency = |code: &str| Currency::parse(code).unwrap();
        let rates = [
            quoted("USD", "LRD", "192"),
            quoted("RWF", "USD", "0.0007"),
            quoted("KWD", "BHD", "1.2"),
        ];
        let lacks = |fixed: &str, taken_in: &[&str], rates: &[Quoted]| {
            let taken_in: Vec<Currency> = taken_in.iter().map(|code| currency(code)).collect();
            unconvertible_currency(currency(fixed), &taken_in, rates)
                .map(|currency| currency.code().to_owned())
        };
        for (fixed, taken_in, missing) in [
            // Its own, one with a rate whichever way round, and one by way of the dollar.
            ("USD", &["USD"][..], None),
            ("USD", &["LRD", "RWF"], None),
            ("LRD", &["RWF"], None),
            ("EUR", &["LRD", "USD", "RWF"], Some("USD")),
            ("EUR", &["RWF", "LRD"], Some("LRD")),
            // Euros have no rate: where they are taken, too, that was so before.
            ("USD", &["USD", "LRD", "EUR"], None),
            ("EUR", &["USD", "LRD", "EUR"], Some("USD")),
            ("USD", &["EUR"], Some("EUR")),
            // A rate that does not lead there.
            ("KWD", &["USD"], Some("USD")),
            ("KWD", &["BHD", "LRD"], Some("LRD")),
            // Nothing is open yet.
            ("EUR", &[], None),
        ] {
            assert_eq!(lacks(fixed, taken_in, &rates).as_deref(), missing, "{fixed} {taken_in:?}");
        }
        assert_eq!([lacks("EUR", &["EUR", "USD"], &[]), lacks("USD", &["USD"], &[])], [None, None]);
        assert_eq!(lacks("EUR", &["LRD", "RWF"], &[]).as_deref(), Some("LRD"));
    }

    proptest! {
        #[test]
        fn with_rates_that_were_taken_all_currencies_can_be_exchanged(
            rates in prop::collection::vec((1..=999_999_999_999_999_i64, 0..=24_u32), 3),
        ) {
            let mut taken: Vec<Quoted> = vec![];
            for ((mantissa, scale), (from, to)) in rates.into_iter().zip([("USD", "LRD"), ("RWF", "USD"), ("USD", "KWD")]) {
                let new = Decimal::parse(&format!("{mantissa}e-{scale}")).unwrap().to_ratio();
                let Some(rate) = new else { continue };
                let new = Quoted { rate, ..quoted(from, to, "1") };
                if check(new, &taken).is_ok() {
                    taken.push(new);
                }
            }
            let effective = Effective { from: ServerTime(0), to: None };
            let rows = taken.iter().map(|row| Rate {
                id: RateId(1),
                from: row.from,
                to: row.to,
                rate: row.rate,
                effective,
                created_at: ServerTime(0),
            });
            let tariff = Tariff { rates: rows.collect(), ..Tariff::default() };
            let known: Vec<Currency> = taken.iter().flat_map(|row| [row.from, row.to]).collect();
            for (from, to) in known.iter().flat_map(|from| known.iter().map(move |to| (*from, *to))) {
                let rate = tariff.rate(from, to, ServerTime(1));
                prop_assert!(rate.and_then(|rate| minor_rate(rate, from, to)).is_some(), "{} {} {:?}", from, to, taken);
            }
        }
    }
}
