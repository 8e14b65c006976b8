//! Money: exact integers in minor units, and the exact arithmetic for fees and exchange.

use crate::kernel::currency::Currency;

/// The largest amount of a request, in minor units.
pub const MAX_MINOR: i64 = 1_000_000_000_000_000;

/// An amount of one currency, in minor units (cents for USD, francs for RWF).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Money {
    /// Negative only in ledger entries and differences.
    pub minor: i64,
    pub currency: Currency,
}

impl Money {
    #[must_use]
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// The sum; `None` when the currencies differ or the sum does not fit.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        if self.currency != other.currency {
            return None;
        }
        self.minor.checked_add(other.minor).map(|minor| Self { minor, ..self })
    }
}

impl std::fmt::Display for Money {
    /// The amount with the currency's decimals, without its code: `500.00`, `1200`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = self.currency.minor_per_major().unsigned_abs();
        let size = self.minor.unsigned_abs();
        let sign = if self.minor < 0 { "-" } else { "" };
        match self.currency.exponent() {
            0 => write!(f, "{sign}{size}"),
            2 => write!(f, "{sign}{}.{:02}", size / unit, size % unit),
            n => write!(
                f,
                "{sign}{}.{:0width$}",
                size / unit,
                size % unit,
                width = usize::try_from(n).unwrap_or(3)
            ),
        }
    }
}

/// Why a number is not an amount of a currency.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AmountFault {
    /// Zero or less.
    NotPositive,
    /// More decimals than the currency has.
    TooManyDecimals { allowed: u32 },
    /// Above [`MAX_MINOR`].
    TooLarge,
}

/// A decimal number exactly as a client wrote it: `mantissa × 10^-scale`. Never a float.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decimal {
    mantissa: i128,
    scale: i32,
}

/// More digits than any amount needs, and fewer than `i128` can hold.
const MAX_DIGITS: usize = 30;

/// More digits before or after the decimal point than any amount or ratio can have.
const OUT_OF_RANGE_SCALE: i32 = 30;

impl Decimal {
    /// Reads a JSON number, or the same inside a string: `500`, `500.00`, `5e2`.
    /// `None` for what is not a number, or one of more than 30 significant digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (number, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((number, exponent)) => {
                (number, exponent.parse::<i32>().ok().filter(|e| e.unsigned_abs() <= 1_000)?)
            }
            None => (unsigned, 0),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() || (number.contains('.') && fraction.is_empty()) {
            return None;
        }
        let digits = format!("{whole}{fraction}");
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let significant = digits.trim_start_matches('0');
        let kept = significant.trim_end_matches('0');
        if kept.len() > MAX_DIGITS {
            return None;
        }
        let size: i128 = if kept.is_empty() { 0 } else { kept.parse().ok()? };
        let dropped = i32::try_from(significant.len() - kept.len()).ok()?;
        let scale =
            i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?.checked_sub(dropped)?;
        Some(Self {
            mantissa: if negative { -size } else { size },
            scale: if size == 0 { 0 } else { scale },
        })
    }

    /// Like [`parse`](Self::parse), but also reads numbers with more digits or a larger exponent: as a
    /// stand-in that [`to_money`](Self::to_money) refuses for the same reason, too large or too many
    /// decimals. `None` for what is not a number.
    #[must_use]
    pub fn parse_any(text: &str) -> Option<Self> {
        Self::parse(text).or_else(|| Self::parse_out_of_range(text.trim()))
    }

    fn parse_out_of_range(text: &str) -> Option<Self> {
        let (sign, unsigned) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (number, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let are_digits =
            |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let steps = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if ![whole, fraction, steps].into_iter().all(are_digits) {
            return None;
        }
        if whole.bytes().chain(fraction.bytes()).all(|digit| digit == b'0') {
            return Some(Self { mantissa: 0, scale: 0 });
        }
        // The number of digits before the decimal point; zero or less for a fraction that begins with
        // that many zeros.
        let zeros = fraction.bytes().take_while(|digit| *digit == b'0').count();
        let digits = match whole.trim_start_matches('0').len() {
            0 => i64::try_from(zeros).ok()?.checked_neg()?,
            before => i64::try_from(before).ok()?,
        };
        let shift =
            exponent.parse().unwrap_or(if exponent.starts_with('-') { i64::MIN } else { i64::MAX });
        let is_large = digits.saturating_add(shift) > i64::from(OUT_OF_RANGE_SCALE);
        Some(Self {
            mantissa: sign,
            scale: if is_large { -OUT_OF_RANGE_SCALE } else { OUT_OF_RANGE_SCALE },
        })
    }

    /// The number as an amount of `currency`.
    ///
    /// # Errors
    /// The first of: not above zero, more decimals than the currency has, too large.
    pub fn to_money(self, currency: Currency) -> Result<Money, AmountFault> {
        if self.mantissa <= 0 {
            return Err(AmountFault::NotPositive);
        }
        let allowed = currency.exponent();
        let shift = i64::from(allowed) - i64::from(self.scale);
        let Ok(shift) = u32::try_from(shift) else {
            return Err(AmountFault::TooManyDecimals { allowed });
        };
        10_i128
            .checked_pow(shift)
            .and_then(|factor| self.mantissa.checked_mul(factor))
            .and_then(|minor| i64::try_from(minor).ok())
            .filter(|minor| *minor <= MAX_MINOR)
            .map(|minor| Money::new(minor, currency))
            .ok_or(AmountFault::TooLarge)
    }

    /// The number as `numerator / denominator` in lowest terms, for rates and percentages.
    #[must_use]
    pub fn to_ratio(self) -> Option<Ratio> {
        let power = 10_i128.checked_pow(self.scale.unsigned_abs())?;
        if self.scale >= 0 {
            Ratio::reduced(self.mantissa, power)
        } else {
            Ratio::reduced(self.mantissa.checked_mul(power)?, 1)
        }
    }
}

/// An exact rational number, in lowest terms, with a positive denominator.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ratio {
    num: i64,
    den: i64,
}

impl Ratio {
    pub const ONE: Self = Self { num: 1, den: 1 };
    pub const ZERO: Self = Self { num: 0, den: 1 };

    /// `num / den`; `None` for a zero denominator.
    #[must_use]
    pub fn new(num: i64, den: i64) -> Option<Self> {
        Self::reduced(num.into(), den.into())
    }

    fn reduced(num: i128, den: i128) -> Option<Self> {
        if den == 0 {
            return None;
        }
        let divisor = gcd(num.unsigned_abs(), den.unsigned_abs());
        let divisor = i128::try_from(divisor).ok()? * den.signum();
        Some(Self {
            num: i64::try_from(num / divisor).ok()?,
            den: i64::try_from(den / divisor).ok()?,
        })
    }

    #[must_use]
    pub const fn num(&self) -> i64 {
        self.num
    }

    /// Above zero.
    #[must_use]
    pub const fn den(&self) -> i64 {
        self.den
    }

    /// The product; `None` when it does not fit.
    #[must_use]
    pub fn times(self, other: Self) -> Option<Self> {
        Self::reduced(
            i128::from(self.num) * i128::from(other.num),
            i128::from(self.den) * i128::from(other.den),
        )
    }

    /// The sum; `None` when it does not fit.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        let left = i128::from(self.num).checked_mul(other.den.into())?;
        let right = i128::from(other.num).checked_mul(self.den.into())?;
        Self::reduced(left.checked_add(right)?, i128::from(self.den) * i128::from(other.den))
    }

    /// One divided by this; `None` for zero.
    #[must_use]
    pub fn inverse(self) -> Option<Self> {
        Self::reduced(self.den.into(), self.num.into())
    }

    /// `minor × self`, rounded half away from zero; `None` when it does not fit.
    #[must_use]
    pub fn mul_rounded(self, minor: i64) -> Option<i64> {
        let product = i128::from(minor) * i128::from(self.num);
        let den = i128::from(self.den);
        let half = if product < 0 { -den } else { den };
        // (2p ± d) / 2d, truncated: the nearest integer, halves away from zero.
        i64::try_from((product.checked_mul(2)?.checked_add(half)?) / (den * 2)).ok()
    }

    /// `minor × self` for a positive amount, rounded up; `None` when it does not fit.
    #[must_use]
    pub fn mul_rounded_up(self, minor: i64) -> Option<i64> {
        let product = i128::from(minor) * i128::from(self.num);
        let den = i128::from(self.den);
        i64::try_from(product.checked_add(den - 1)?.div_euclid(den)).ok()
    }

    /// `minor × self` for a positive amount, rounded down; `None` when it does not fit.
    #[must_use]
    pub fn mul_rounded_down(self, minor: i64) -> Option<i64> {
        let product = i128::from(minor) * i128::from(self.num);
        i64::try_from(product.div_euclid(i128::from(self.den))).ok()
    }

    /// A number of zero or more as decimal text with at most `places` decimals, rounded half up,
    /// without trailing zeros.
    #[must_use]
    pub fn to_text(self, places: u32) -> String {
        let (mut digits, rest) = self.digits(places);
        if rest * 2 >= i128::from(self.den) {
            // Add one in the last place: trailing nines become zeros, the digit before them carries.
            let kept = digits.trim_end_matches('9').len();
            let (head, nines) = digits.split_at(kept);
            let last = head.chars().last().and_then(|digit| digit.to_digit(10)).unwrap_or(0);
            let head = head.get(..head.len().saturating_sub(1)).unwrap_or("");
            digits = format!("{head}{}{}", last + 1, "0".repeat(nines.len()));
        }
        with_decimal_point(&digits, places)
    }

    /// The number as decimal text with enough decimals to reproduce a conversion: `minor` units of
    /// `from`, multiplied by the text and rounded up to a minor unit of `to`, give the same as with
    /// the exact number. At least eight decimals are considered, and no more than necessary.
    #[must_use]
    pub fn to_text_for(self, minor: i64, (from, to): (Currency, Currency)) -> String {
        let enough = |places: &u32| {
            let (_, rest) = self.digits(*places);
            // The part that is cut off, multiplied by the amount, must be less than the distance of
            // the exact product to the minor unit below it, or rounding up would end one unit lower:
            // minor × rest / (den × 10^places) × 10^to / 10^from < over / (den × 10^from).
            let scaled = i128::from(minor)
                .checked_mul(to.minor_per_major().into())
                .zip(10_i128.checked_pow(*places));
            let Some((scaled, power)) = scaled else { return true };
            let whole = i128::from(self.den).saturating_mul(from.minor_per_major().into());
            let over =
                scaled.checked_mul(self.num.into()).map_or(1, |product| match product % whole {
                    0 => whole,
                    over => over,
                });
            scaled.checked_mul(rest).is_some_and(|lost| lost < over.saturating_mul(power))
        };
        let places = (8..MAX_PLACES).find(enough).unwrap_or(MAX_PLACES);
        let (digits, _) = self.digits(places);
        with_decimal_point(&digits, places)
    }

    /// Long division: the digits up to `places` decimals, without the decimal point, and the
    /// remainder.
    fn digits(self, places: u32) -> (String, i128) {
        let (num, den) = (i128::from(self.num), i128::from(self.den));
        let (mut digits, mut rest) = ((num / den).to_string(), num % den);
        for _ in 0..places {
            rest *= 10;
            let digit =
                u32::try_from(rest / den).ok().and_then(|digit| char::from_digit(digit, 10));
            digits.extend(digit);
            rest %= den;
        }
        (digits, rest)
    }
}

/// No rate needs more decimals.
const MAX_PLACES: u32 = 38;

/// The digits with a decimal point before the last `places` of them, without trailing zeros.
fn with_decimal_point(digits: &str, places: u32) -> String {
    let (whole, fraction) =
        digits.split_at(digits.len() - usize::try_from(places).unwrap_or(0).min(digits.len()));
    match fraction.trim_end_matches('0') {
        "" => whole.to_owned(),
        fraction => format!("{whole}.{fraction}"),
    }
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn currency(code: &str) -> Currency {
        Currency::parse(code).unwrap()
    }

    fn amount(text: &str, code: &str) -> Result<i64, AmountFault> {
        Decimal::parse(text).unwrap().to_money(currency(code)).map(|money| money.minor)
    }

    #[test]
    fn one_amount_has_many_spellings() {
        for text in ["500.00", "500", "5e2", "5E+2", "500.000", " 500 ", "0.5e3", "50000e-2"] {
            assert_eq!(amount(text, "USD"), Ok(50_000), "{text}");
        }
        assert_eq!(amount("1200", "RWF"), Ok(1_200));
        assert_eq!(amount("1200.0", "RWF"), Ok(1_200));
        assert_eq!(amount("0.001", "KWD"), Ok(1));
    }

    #[test]
    fn refuses_what_is_not_an_amount() {
        use AmountFault::{NotPositive, TooLarge, TooManyDecimals};
        assert_eq!(amount("0", "USD"), Err(NotPositive));
        assert_eq!(amount("-0.00", "USD"), Err(NotPositive));
        assert_eq!(amount("-1", "USD"), Err(NotPositive));
        assert_eq!(amount("1.001", "USD"), Err(TooManyDecimals { allowed: 2 }));
        assert_eq!(amount("0.5", "RWF"), Err(TooManyDecimals { allowed: 0 }));
        assert_eq!(amount("1e-1000", "USD"), Err(TooManyDecimals { allowed: 2 }));
        assert_eq!(amount("10000000000000", "USD"), Ok(MAX_MINOR));
        assert_eq!(amount("10000000000000.01", "USD"), Err(TooLarge));
        assert_eq!(amount("1e1000", "USD"), Err(TooLarge));
        for text in [
            "",
            "NaN",
            "inf",
            "1.",
            ".5",
            "1e",
            "e5",
            "0x10",
            "1_000",
            "1,5",
            "--1",
            "1e99999999999",
            "٣",
        ] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
        assert_eq!(Decimal::parse("1234567890123456789012345678901"), None);
    }

    #[test]
    fn numbers_of_any_length_are_told_from_what_is_none() {
        let usd = currency("USD");
        let fault = |text: &str| Decimal::parse_any(text).map(|decimal| decimal.to_money(usd));
        let (large, fine) = (
            Some(Err(AmountFault::TooLarge)),
            Some(Err(AmountFault::TooManyDecimals { allowed: 2 })),
        );
        for text in [
            "99999999999999999999999999999999",
            "1e5000",
            "1e99999999999999999999",
            "1234567890123456789012345678901e2",
        ] {
            assert_eq!(fault(text), large, "{text}");
        }
        for text in [
            "1.0000000000000000000000000000001",
            "1e-5000",
            "1e-2147483648",
            "0.00000000000000000000000000000001e-3",
            "1e-99999999999999999999",
        ] {
            assert_eq!(fault(text), fine, "{text}");
        }
        assert_eq!(fault("0e5000"), Some(Err(AmountFault::NotPositive)));
        assert_eq!(fault("-99999999999999999999999999999999"), Some(Err(AmountFault::NotPositive)));
        assert_eq!(fault("12.50"), Some(Ok(Money::new(1_250, usd))));
        for text in [
            "",
            "-",
            "1e",
            "1.e99999",
            "e5000",
            "ten",
            "1e5000x",
            "1_0e5000",
            "9999999999999999999999999999999a",
        ] {
            assert_eq!(fault(text), None, "{text}");
        }
    }

    #[test]
    fn rounds_half_away_from_zero() {
        let half = Ratio::new(1, 2).unwrap();
        assert_eq!(
            [half.mul_rounded(1), half.mul_rounded(-1), half.mul_rounded(3), half.mul_rounded(2)],
            [Some(1), Some(-1), Some(2), Some(1)]
        );
        assert_eq!(half.mul_rounded_up(1), Some(1));
        assert_eq!(Ratio::new(1, 3).unwrap().mul_rounded(1), Some(0));
        assert_eq!(Ratio::new(1, 3).unwrap().mul_rounded_up(1), Some(1));
        assert_eq!(
            [2, 3, 4].map(|minor| Ratio::new(1, 3).unwrap().mul_rounded_down(minor)),
            [Some(0), Some(1), Some(1)]
        );
    }

    #[test]
    fn writes_rates_as_text() {
        let text = |num, den| Ratio::new(num, den).unwrap().to_text(8);
        assert_eq!(
            [text(192, 1), text(1, 192), text(15, 2), text(2, 3)],
            ["192", "0.00520833", "7.5", "0.66666667"]
        );
        let thousandths = |num, den| Ratio::new(num, den).unwrap().to_text(3);
        assert_eq!([thousandths(1_999_999, 1_000_000), thousandths(99_996, 10)], ["2", "9999.6"]);
        assert_eq!(
            [thousandths(99_999, 100_000), thousandths(1_234_567, 10_000)],
            ["1", "123.457"]
        );
        assert_eq!(Ratio::new(1, 1_000_000_000).unwrap().to_text(27), "0.000000001");
        assert_eq!(Ratio::new(1, 9).unwrap().to_text(0), "0");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(minor in 1..=MAX_MINOR, code in prop::sample::select(vec!["USD", "RWF", "KWD"])) {
            let money = Money::new(minor, currency(code));
            prop_assert_eq!(Decimal::parse(&money.to_string()).unwrap().to_money(money.currency), Ok(money));
        }

        #[test]
        fn a_share_and_the_rest_are_the_whole(minor in 0..=MAX_MINOR, ppm in 0..=1_000_000_i64) {
            let share = Ratio::new(ppm, 1_000_000).unwrap().mul_rounded(minor).unwrap();
            prop_assert!(share >= 0 && share <= minor);
            // Rounded once: never more than half a minor unit away.
            let exact = i128::from(minor) * i128::from(ppm);
            prop_assert!((exact - i128::from(share) * 1_000_000).abs() * 2 <= 1_000_000);
        }

        #[test]
        fn there_and_back_loses_less_than_a_step(minor in 1..=1_000_000_000_i64, num in 1..=10_000_i64, den in 1..=10_000_i64) {
            let rate = Ratio::new(num, den).unwrap();
            let there = rate.mul_rounded(minor).unwrap();
            let back = rate.inverse().unwrap().mul_rounded_up(there).unwrap();
            // Half a unit there, carried back, and one unit of rounding up.
            let bound = den / (num * 2) + 2;
            prop_assert!((back - minor).abs() <= bound, "{minor} -> {there} -> {back}");
        }

        #[test]
        fn a_written_rate_has_enough_digits_to_multiply_out(
            minor in 1..=2 * MAX_MINOR,
            num in 1..=1_000_000_000_000_i64,
            den in 1..=1_000_000_000_000_i64,
            codes in prop::sample::select(vec![("USD", "RWF"), ("RWF", "USD"), ("USD", "LRD"), ("RWF", "KWD"), ("KWD", "RWF")]),
        ) {
            let (rate, from, to) = (Ratio::new(num, den).unwrap(), currency(codes.0), currency(codes.1));
            let exact = rate.times(Ratio::new(to.minor_per_major(), from.minor_per_major()).unwrap());
            let Some(expected) = exact.and_then(|exact| exact.mul_rounded_up(minor)) else { return Ok(()) };
            // Multiplied out digit by digit, as a person would, in parts that an i128 does not
            // hold.
            let text = rate.to_text_for(minor, (from, to));
            let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
            let factor = i128::from(minor) * i128::from(to.minor_per_major());
            let (mut product, mut carry) = (vec![], 0);
            for digit in format!("{whole}{fraction}").bytes().rev() {
                let sum = factor * i128::from(digit - b'0') + carry;
                product.push(sum % 10);
                carry = sum / 10;
            }
            let places = fraction.len() + from.minor_per_major().to_string().len() - 1;
            while product.len() <= places + 40 {
                product.push(carry % 10);
                carry /= 10;
            }
            let whole = product[places..].iter().rev().fold(0_i128, |sum, digit| sum * 10 + digit);
            let up = i128::from(product[..places].iter().any(|digit| *digit != 0));
            prop_assert_eq!(whole + up, i128::from(expected), "{} of {}", text, minor);
        }

        #[test]
        fn ratios_stay_in_lowest_terms(a in 1..=1_000_000_i64, b in 1..=1_000_000_i64) {
            let ratio = Ratio::new(a, b).unwrap();
            prop_assert_eq!(ratio.times(ratio.inverse().unwrap()), Some(Ratio::ONE));
            prop_assert_eq!(ratio.plus(Ratio::ZERO), Some(ratio));
        }
    }
}
