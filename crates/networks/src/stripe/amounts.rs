//! Amounts as Stripe writes them: integers in the smallest unit of a currency, which is not always
//! that of ISO 4217.

use domain::kernel::currency::Currency;
use domain::kernel::money::Money;

use crate::exchange::Unsendable;
use crate::reading::UnreadableAmount;

/// Currencies that Stripe takes in whole units.
const ZERO_DECIMAL: &[&str] = &[
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF",
    "XOF", "XPF",
];

/// Currencies with three decimals, of which the last must be zero.
const THREE_DECIMAL: &[&str] = &["BHD", "JOD", "KWD", "OMR", "TND"];

/// Currencies without decimals that Stripe takes in hundredths, always of whole units.
const WHOLE_IN_HUNDREDTHS: &[&str] = &["ISK"];

/// Stripe's documentation lists the currency as zero-decimal and also says to send hundredths. As
/// one of them would charge a hundred times too much, nothing is sent.
const UNCLEAR: &[&str] = &["UGX"];

/// How Stripe counts a currency.
struct Unit {
    /// An integer of Stripe's is the amount times ten to this power.
    decimals: u32,
    /// The integer must be a multiple of this.
    step: i64,
}

/// `None` for a currency that Stripe does not take, or of which it is not clear how it counts it.
fn unit(currency: Currency) -> Option<Unit> {
    let code = currency.code();
    match currency.exponent() {
        _ if UNCLEAR.contains(&code) => None,
        _ if ZERO_DECIMAL.contains(&code) => Some(Unit { decimals: 0, step: 1 }),
        _ if THREE_DECIMAL.contains(&code) => Some(Unit { decimals: 3, step: 10 }),
        _ if WHOLE_IN_HUNDREDTHS.contains(&code) => Some(Unit { decimals: 2, step: 100 }),
        2 => Some(Unit { decimals: 2, step: 1 }),
        _ => None,
    }
}

/// An amount for a request: the integer, and the currency's code in lower case.
///
/// # Errors
/// Stripe does not take the currency, or not so many decimals of it.
pub fn to_stripe(money: Money) -> Result<(i64, String), Unsendable> {
    let code = money.currency.code();
    let unit = unit(money.currency)
        .ok_or_else(|| Unsendable::new(format!("cards cannot be charged in {code}")))?;
    let amount = rescale(money.minor, money.currency.exponent(), unit.decimals)
        .filter(|amount| *amount > 0 && amount % unit.step == 0)
        .ok_or_else(|| {
            Unsendable::new(format!("cards cannot be charged {money} {code} exactly"))
        })?;
    Ok((amount, code.to_ascii_lowercase()))
}

/// An amount of an answer or an event, which may be zero or negative. `currency` is in lower case.
///
/// # Errors
/// The currency is unknown, or it has no such amount.
pub fn from_stripe(amount: i64, currency: &str) -> Result<Money, UnreadableAmount> {
    let read = || {
        let is_lower_case = currency.bytes().all(|byte| byte.is_ascii_lowercase());
        let known = Currency::parse(&currency.to_ascii_uppercase()).filter(|_| is_lower_case)?;
        let minor = rescale(amount, unit(known)?.decimals, known.exponent())?;
        Some(Money::new(minor, known))
    };
    read().ok_or_else(|| UnreadableAmount(format!("{amount} {currency:?}")))
}

/// Like [`from_stripe`], for money that moved: above zero.
///
/// # Errors
/// As there, and for an amount that is not there or not above zero.
pub fn moved(amount: Option<i64>, currency: Option<&str>) -> Result<Money, UnreadableAmount> {
    let unreadable = || UnreadableAmount(format!("{amount:?} {currency:?}"));
    let (found, code) = amount.zip(currency).ok_or_else(unreadable)?;
    from_stripe(found, code)
        .and_then(|money| if money.minor > 0 { Ok(money) } else { Err(unreadable()) })
}

/// An integer with `from` decimals as one with `to` decimals; `None` where that is not exact.
fn rescale(integer: i64, from: u32, to: u32) -> Option<i64> {
    let factor = |decimals: u32| 10_i64.checked_pow(decimals);
    match to.checked_sub(from) {
        Some(more) => integer.checked_mul(factor(more)?),
        None => {
            let divisor = factor(from - to)?;
            (integer % divisor == 0).then(|| integer / divisor)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::kernel::money::Decimal;

    fn money(text: &str, code: &str) -> Money {
        Decimal::parse(text).unwrap().to_money(Currency::parse(code).unwrap()).unwrap()
    }

    #[test]
    fn amounts_in_the_smallest_unit() {
        for (text, code, expected) in [
            ("10.00", "USD", 1_000),
            ("0.50", "USD", 50),
            ("1000", "RWF", 1_000),
            ("500", "JPY", 500),
            ("1", "XOF", 1),
            ("1", "XAF", 1),
            ("250", "BIF", 250),
            ("250", "CLP", 250),
            ("250", "DJF", 250),
            ("250", "GNF", 250),
            ("250", "KMF", 250),
            ("250", "KRW", 250),
            ("250", "PYG", 250),
            ("250", "VND", 250),
            ("250", "VUV", 250),
            ("250", "XPF", 250),
            // ISO 4217 gives it two decimals, Stripe none.
            ("250", "MGA", 250),
            ("10.99", "LRD", 1_099),
            ("10.99", "NGN", 1_099),
            ("10.99", "GHS", 1_099),
            ("10.99", "KES", 1_099),
            ("10.99", "EUR", 1_099),
            ("10.99", "ZMW", 1_099),
            ("10.99", "HUF", 1_099),
            ("10.99", "TWD", 1_099),
            ("5.120", "KWD", 5_120),
            ("5.120", "BHD", 5_120),
            ("5.120", "JOD", 5_120),
            ("5.120", "OMR", 5_120),
            ("5.120", "TND", 5_120),
            ("5", "ISK", 500),
        ] {
            let lower = code.to_ascii_lowercase();
            let amount = money(text, code);
            assert_eq!(to_stripe(amount), Ok((expected, lower.clone())), "{text} {code}");
            assert_eq!(from_stripe(expected, &lower), Ok(amount), "{text} {code}");
        }
    }

    #[test]
    fn what_stripe_cannot_charge_is_not_sent() {
        for (text, code, reason) in [
            ("0.01", "MGA", "cards cannot be charged 0.01 MGA exactly"),
            ("5.124", "KWD", "cards cannot be charged 5.124 KWD exactly"),
            ("1000", "UGX", "cards cannot be charged in UGX"),
            ("1", "IQD", "cards cannot be charged in IQD"),
            ("1", "LYD", "cards cannot be charged in LYD"),
        ] {
            assert_eq!(to_stripe(money(text, code)), Err(Unsendable::new(reason)));
        }
        let usd = Currency::parse("USD").unwrap();
        assert!(to_stripe(Money::new(0, usd)).is_err());
        assert!(to_stripe(Money::new(-1, usd)).is_err());
        assert!(to_stripe(Money::new(i64::MAX, Currency::parse("ISK").unwrap())).is_err());
    }

    #[test]
    fn amounts_that_a_currency_does_not_have_cannot_be_read() {
        for (amount, code) in [
            (501, "isk"),
            (1_000, "ugx"),
            (1_000, "xyz"),
            (1_000, "USD"),
            (1_000, "Usd"),
            (1_000, ""),
            (1_000, "usdc"),
            (i64::MAX, "mga"),
        ] {
            assert!(from_stripe(amount, code).is_err(), "{amount} {code}");
        }
        assert_eq!(from_stripe(-250, "usd").map(|money| money.minor), Ok(-250));
        assert_eq!(from_stripe(0, "usd").map(|money| money.minor), Ok(0));
    }

    #[test]
    fn money_that_moved_is_above_zero() {
        assert_eq!(moved(Some(1), Some("usd")).map(|money| money.minor), Ok(1));
        for (amount, currency) in
            [(Some(0), Some("usd")), (Some(-1), Some("usd")), (None, Some("usd")), (Some(1), None)]
        {
            assert!(moved(amount, currency).is_err());
        }
    }

    /// A currency that gets into both lists, or that ISO 4217 does not have, is a slip.
    #[test]
    fn each_special_currency_is_listed_once() {
        let all = [ZERO_DECIMAL, THREE_DECIMAL, WHOLE_IN_HUNDREDTHS, UNCLEAR].concat();
        for code in &all {
            assert!(Currency::parse(code).is_some(), "{code}");
            assert_eq!(all.iter().filter(|other| *other == code).count(), 1, "{code}");
        }
        for code in Currency::codes() {
            let currency = Currency::parse(code).unwrap();
            if let Some(unit) = unit(currency) {
                let whole = Money::new(currency.minor_per_major(), currency);
                let expected = 10_i64.pow(unit.decimals);
                assert_eq!(to_stripe(whole).unwrap().0, expected, "{code}");
            } else {
                assert!(["UGX", "IQD", "LYD"].contains(&code), "{code}");
            }
        }
    }
}
