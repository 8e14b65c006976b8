//! Amounts as people write them.

use domain::kernel::money::Money;

/// Whether a text is this amount, as people write it: `7,787.52`, `7787.52 LRD`, `7 787,52`,
/// `lrd 7.787,52`. A text without a currency fits every currency.
#[must_use]
pub fn is_amount(text: &str, amount: Money) -> bool {
    let letters: String = text.chars().filter(|c| c.is_alphabetic()).collect();
    if !letters.is_empty() && !letters.eq_ignore_ascii_case(amount.currency.code()) {
        return false;
    }
    let number: String = text.chars().filter(|c| !c.is_alphabetic() && !is_blank(*c)).collect();
    minor(&number, amount.currency.exponent()) == Some(amount.minor)
}

/// Blanks of any width, and the apostrophes that some write between thousands.
const fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\'' | '\u{2019}')
}

/// The minor units of a number with points and commas; `None` for anything else.
fn minor(number: &str, exponent: u32) -> Option<i64> {
    let (whole, fraction) = split(number, exponent)?;
    let fraction = fraction.trim_end_matches('0');
    let decimals = usize::try_from(exponent).ok()?;
    if fraction.len() > decimals {
        return None;
    }
    format!("{whole}{fraction:0<decimals$}").parse().ok()
}

/// The digits before and after the decimal sign. Points or commas before it stand between groups of
/// three digits.
fn split(number: &str, exponent: u32) -> Option<(String, &str)> {
    let is_sign = |c: char| matches!(c, '.' | ',');
    if number.is_empty() || !number.chars().all(|c| c.is_ascii_digit() || is_sign(c)) {
        return None;
    }
    let Some(last) = number.rfind(is_sign) else { return Some((number.to_owned(), "")) };
    let (before, after) = (number.get(..last)?, number.get(last + 1..)?);
    let sign = number.get(last..=last)?;
    let is_decimal = if before.contains(sign) {
        false
    } else if before.contains(is_sign) {
        true
    } else {
        // One sign before three digits: thousands, unless the currency has three decimals.
        after.len() != 3 || before.len() > 3 || exponent == 3
    };
    let (whole, fraction) = if is_decimal { (before, after) } else { (number, "") };
    let mut groups = whole.split(is_sign);
    let first = groups.next()?;
    let mut digits = first.to_owned();
    for group in groups {
        if group.len() != 3 || !(1..=3).contains(&first.len()) {
            return None;
        }
        digits.push_str(group);
    }
    Some((digits, fraction))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::kernel::currency::Currency;

    fn reads(text: &str, minor: i64, currency: &str) -> bool {
        is_amount(text, Money::new(minor, Currency::parse(currency).unwrap()))
    }

    #[test]
    fn an_amount_is_read_as_people_write_it() {
        for text in [
            "7,787.52",
            "7787.52 LRD",
            "7 787,52",
            "7\u{202f}787,52\u{a0}LRD",
            "LRD 7.787,52",
            "lrd7787,52",
            "7'787.52",
            " 7787.520 ",
        ] {
            assert!(reads(text, 778_752, "LRD"), "{text}");
        }
        for text in ["1,000", "1.000", "1000", "1 000", "1,000.00 RWF", "1000,0"] {
            assert!(reads(text, 1_000, "RWF"), "{text}");
        }
        for text in ["100", "100.00", "100.0", "100,00", "0100.00"] {
            assert!(reads(text, 10_000, "USD"), "{text}");
        }
        for text in ["0.5", "0,50", ".5", ".50 usd"] {
            assert!(reads(text, 50, "USD"), "{text}");
        }
        for text in ["1,234,567.89", "1.234.567,89", "1 234 567.89"] {
            assert!(reads(text, 123_456_789, "USD"), "{text}");
        }
        for text in ["1,234,567", "1.234.567"] {
            assert!(reads(text, 123_456_700, "USD"), "{text}");
        }
    }

    #[test]
    fn anything_else_is_another_amount() {
        for text in [
            "",
            ".",
            ",",
            "LRD",
            "7787.53",
            "7787.52 USD",
            "7,78.752",
            "77.87,52",
            "7,787.52.00",
            "7787.521",
            "77,87.52",
            "7787,000.52",
            "-7787.52",
            "+7787.52",
            "7787.52e0",
            "٧٧٨٧.٥٢",
            "7787/52",
            "99999999999999999999999999",
        ] {
            assert!(!reads(text, 778_752, "LRD"), "{text}");
        }
        assert!(!reads("7787", 778_752, "LRD") && !reads("7.787", 7_787, "LRD"));
        assert!(!reads("1,000.50", 1_000, "RWF"));
        assert!(!reads("0", 10, "USD") && !reads("", 0, "USD"));
    }
}
