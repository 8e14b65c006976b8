//! Texts, dates and amounts formatted for HTML pages.

use domain::kernel::money::Money;
use domain::kernel::names::Method;
use domain::kernel::time::MerchantTime;

/// Escapes a text for HTML.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

fn formatted(at: MerchantTime, format: &str) -> String {
    jiff::Timestamp::from_microsecond(at.0)
        .unwrap_or(jiff::Timestamp::MAX)
        .strftime(format)
        .to_string()
}

/// Day and time in UTC, such as `6 November 2026, 07:05 UTC`.
pub fn date(at: MerchantTime) -> String {
    formatted(at, "%-d %B %Y, %H:%M UTC")
}

/// A day in UTC, such as `6 November 2026`.
pub fn day(at: MerchantTime) -> String {
    formatted(at, "%-d %B %Y")
}

/// A note of more characters or lines than this is collapsed.
const FOLDED_FROM: (usize, usize) = (280, 5);
/// The number of characters shown of a collapsed note.
const SHOWN: usize = 100;

/// A note with its line breaks. A long one is collapsed, so that the amount to pay stays visible.
pub fn note(text: &str) -> String {
    let (characters, lines) = FOLDED_FROM;
    if text.is_empty() {
        return String::new();
    }
    let whole = format!("<p class=note dir=auto>{}", escape(text));
    if text.chars().count() <= characters && text.lines().count() <= lines {
        return whole;
    }
    let first: String = text.lines().next().unwrap_or_default().chars().take(SHOWN).collect();
    format!(
        "<details class=note><summary dir=auto>{} …</summary>{whole}</details>",
        escape(first.trim_end())
    )
}

/// An amount with thousands separators and its currency, such as `1,234.50 USD`.
pub fn money(amount: Money) -> String {
    let text = amount.to_string();
    let (whole, decimals) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::with_capacity(text.len() + text.len() / 3);
    for (place, digit) in whole.char_indices() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{grouped}{decimals} {}", amount.currency)
}

pub const fn method(method: Method) -> &'static str {
    match method {
        Method::MtnMomoLbr => "MTN Mobile Money, Liberia",
        Method::OrangeMoneyLbr => "Orange Money, Liberia",
        Method::AirtelRwa => "Airtel Money, Rwanda",
        Method::MtnMomoRwa => "MTN Mobile Money, Rwanda",
        Method::OrangeMoneyRwa => "Orange Money, Rwanda",
        Method::CreditCard => "Card",
        Method::Wallet => "Wallet",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::kernel::currency::Currency;

    #[test]
    fn large_amounts_are_grouped() {
        let of = |minor, code| money(Money::new(minor, Currency::parse(code).unwrap()));
        assert_eq!(of(99, "USD"), "0.99 USD");
        assert_eq!(of(10_000, "USD"), "100.00 USD");
        assert_eq!(of(123_456_789, "USD"), "1,234,567.89 USD");
        assert_eq!(of(1_000, "RWF"), "1,000 RWF");
    }

    #[test]
    fn a_long_note_is_folded() {
        assert_eq!(note(""), "");
        assert_eq!(note("one\n<two>"), "<p class=note dir=auto>one\n&lt;two&gt;");
        let long = "word ".repeat(80);
        assert!(
            note(&long).starts_with("<details class=note><summary dir=auto>word word")
                && note(&long).contains(long.trim())
        );
        assert!(note("1\n2\n3\n4\n5\n6").starts_with("<details class=note><summary dir=auto>1 …"));
    }

    #[test]
    fn dates_are_written_for_people() {
        assert_eq!(day(MerchantTime::parse("2026-11-06").unwrap()), "6 November 2026");
        assert_eq!(
            date(MerchantTime::parse("2026-11-06T07:05:59.9Z").unwrap()),
            "6 November 2026, 07:05 UTC"
        );
    }

    #[test]
    fn what_a_merchant_writes_stays_text() {
        assert_eq!(escape("<b a='\"'>&"), "&lt;b a=&#39;&quot;&#39;&gt;&amp;");
    }
}
