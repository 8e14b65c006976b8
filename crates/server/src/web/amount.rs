//! Amounts as payers write them. Forms of the dashboard read them less freely: who enters many would not
//! notice that `1.001` is a thousand and one.

use domain::kernel::currency::Currency;
use domain::kernel::money::{Decimal, Money};

/// The amount of this currency that a text is, see [`decimal`]; `None`, too, for more decimals than the
/// currency has.
#[must_use]
pub fn money(text: &str, currency: Currency) -> Option<Money> {
    decimal(text, currency)?.to_money(currency).ok()
}

/// Whether a text is this amount. Nothing is an amount of nothing.
#[must_use]
pub fn is_amount(text: &str, amount: Money) -> bool {
    money(text, amount.currency) == Some(amount)
}

/// The number in a text such as `1,000.50`, `1.000,50`, `1 000,5`, `.50` or `usd 5`; `None` for anything
/// else, such as an amount of another currency. After a mark that stands alone three digits are a group,
/// and others are decimals; of a currency with three decimals they are decimals, too.
#[must_use]
pub fn decimal(text: &str, currency: Currency) -> Option<Decimal> {
    let text: String =
        without_code(text.trim(), currency).chars().filter(|c| !is_blank(*c)).collect();
    let Some(at) = text.rfind(['.', ',']) else {
        return number(&text, "");
    };
    let (whole, decimals) = (text.get(..at)?, text.get(at + 1..)?);
    let is_mark = |c: char| matches!(c, '.' | ',');
    let ends_group = decimals.len() == 3
        && match whole.rfind(is_mark) {
            // A second mark of the same kind: `1,234,567`.
            Some(other) => whole.get(other..=other) == text.get(at..=at),
            None => {
                currency.exponent() != 3
                    && (1..=3).contains(&whole.len())
                    && !whole.starts_with('0')
            }
        };
    if ends_group { number(&ungrouped(&text)?, "") } else { number(&ungrouped(whole)?, decimals) }
}

/// The text without the code of the currency before or after it.
fn without_code(text: &str, currency: Currency) -> &str {
    let code = currency.code();
    let is_code = |part: Option<&str>| part.is_some_and(|part| part.eq_ignore_ascii_case(code));
    if is_code(text.get(..code.len())) {
        return text.get(code.len()..).unwrap_or_default();
    }
    let end = text.len().saturating_sub(code.len());
    if is_code(text.get(end..)) { text.get(..end).unwrap_or_default() } else { text }
}

/// Blanks of any width, and the apostrophes that some write between thousands.
const fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\'' | '\u{2019}')
}

/// The digits of a whole number, without the marks between groups of three.
fn ungrouped(text: &str) -> Option<String> {
    let Some(mark) = text.chars().find(|c| matches!(c, '.' | ',')) else {
        return Some(text.to_owned());
    };
    let mut groups = text.split(mark);
    let first = groups.next().filter(|first| (1..=3).contains(&first.len()))?;
    let rest: Vec<&str> = groups.collect();
    rest.iter().all(|group| group.len() == 3).then(|| format!("{first}{}", rest.concat()))
}

fn number(whole: &str, decimals: &str) -> Option<Decimal> {
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && decimals.is_empty()) || !is_digits(whole) || !is_digits(decimals) {
        return None;
    }
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if decimals.is_empty() { "" } else { "." };
    Decimal::parse(&format!("{whole}{point}{decimals}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_as_people_write_it() {
        let of = |text: &str, code: &str| {
            let currency = Currency::parse(code).unwrap();
            let amount = decimal(text, currency)?.to_money(currency);
            Some(amount.map_or(-1, |money| money.minor))
        };
        let minor = |text: &str| of(text, "USD");
        for (text, expected) in [
            ("5", 500),
            ("5.5", 550),
            (" 12,50 ", 1_250),
            ("12.", 1_200),
            ("1,000", 100_000),
            ("1.000", 100_000),
            ("1 000", 100_000),
            ("1'000.50", 100_050),
            ("1,000.5", 100_050),
            ("1.000,50", 100_050),
            ("1,234,567", 123_456_700),
            ("1.234.567,8", 123_456_780),
            ("USD 5", 500),
            ("5.00 USD", 500),
            (",5", 50),
            // More decimals than the currency has are told as such.
            ("1,000.505", -1),
            ("1.2345", -1),
            ("0.001", -1),
        ] {
            assert_eq!(minor(text), Some(expected), "{text}");
        }
        for text in
            ["-5", "+5", "5e2", "five", "1,00,000", "1,2,3", ".", "", "١٢", "1..5", "12,3456,7"]
        {
            assert_eq!(minor(text), None, "{text}");
        }
        for (text, code, expected) in
            [("0.125", "KWD", 125), ("1.000", "KWD", 1_000), ("1,000", "RWF", 1_000)]
        {
            assert_eq!(of(text, code), Some(expected), "{text} {code}");
        }
    }

    fn reads(text: &str, minor: i64, currency: &str) -> bool {
        is_amount(text, Money::new(minor, Currency::parse(currency).unwrap()))
    }

    #[test]
    fn an_amount_is_known_however_it_is_written() {
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
