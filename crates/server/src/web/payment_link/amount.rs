//! Amounts as payers write them.

use domain::kernel::currency::Currency;
use domain::kernel::money::{Decimal, Money};
use domain::kernel::refusal::Refusal;
use domain::sales::payment_link::PaymentLink;

use crate::web::checkout::view::AmountFault;

/// Reads an amount that a payer of a link has chosen, if the link allows it.
///
/// # Errors
/// What is wrong with it.
pub fn read(text: &str, link: &PaymentLink) -> Result<Money, AmountFault> {
    if text.trim().is_empty() {
        return Err(AmountFault::Missing);
    }
    let amount = decimal(text, link.currency).ok_or(AmountFault::NotANumber)?;
    link.chosen_amount(Some(amount)).map_err(|refusal| match refusal {
        Refusal::TooManyDecimals { .. } => AmountFault::TooManyDecimals,
        _ => AmountFault::OutOfRange,
    })
}

/// The number in a text such as `1,000.50`, `1.000,50`, `1 000,5` or `USD 5`. After a mark that stands
/// alone three digits are a group and others are decimals; of a currency with three decimals they are
/// decimals, too.
fn decimal(text: &str, currency: Currency) -> Option<Decimal> {
    let (text, code) = (text.trim(), currency.code());
    let text = text.strip_prefix(code).or_else(|| text.strip_suffix(code)).unwrap_or(text);
    let text: String = text.chars().filter(|c| !c.is_whitespace() && *c != '\'').collect();
    let Some(at) = text.rfind(['.', ',']) else {
        return number(&text, "");
    };
    let (whole, decimals) = (text.get(..at)?, text.get(at + 1..)?);
    let is_mark = |c: char| matches!(c, '.' | ',');
    let ends_group = decimals.len() == 3
        && match whole.rfind(is_mark) {
            // A second mark of the same kind: `1,234,567`.
            Some(other) => whole.get(other..=other) == text.get(at..=at),
            None => currency.exponent() != 3 && !whole.starts_with('0'),
        };
    if ends_group { number(&ungrouped(&text)?, "") } else { number(&ungrouped(whole)?, decimals) }
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
    if whole.is_empty() || !is_digits(whole) || !is_digits(decimals) {
        return None;
    }
    Decimal::parse(&if decimals.is_empty() {
        whole.to_owned()
    } else {
        format!("{whole}.{decimals}")
    })
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
            // More decimals than the currency has are told as such.
            ("1,000.505", -1),
            ("1.2345", -1),
            ("0.001", -1),
        ] {
            assert_eq!(minor(text), Some(expected), "{text}");
        }
        for text in [
            "-5",
            "+5",
            "5e2",
            "five",
            "1,00,000",
            "1,2,3",
            ",5",
            ".",
            "",
            "١٢",
            "1..5",
            "12,3456,7",
        ] {
            assert_eq!(minor(text), None, "{text}");
        }
        for (text, code, expected) in
            [("0.125", "KWD", 125), ("1.000", "KWD", 1_000), ("1,000", "RWF", 1_000)]
        {
            assert_eq!(of(text, code), Some(expected), "{text} {code}");
        }
    }
}
