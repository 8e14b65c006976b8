//! Texts, times, phone numbers and amounts formatted for HTML pages.

use domain::kernel::money::Money;
use domain::kernel::time::{MerchantTime, minutes};

use crate::web::language::Language;

/// Escapes a text for HTML.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    push_escaped(&mut safe, text);
    safe
}

/// Appends a text, escaped for HTML.
pub fn push_escaped(html: &mut String, text: &str) {
    let mut rest = text;
    while let Some((before, special, after)) = split_at_special(rest) {
        html.push_str(before);
        html.push_str(special);
        rest = after;
    }
    html.push_str(rest);
}

/// A text before and after its first character that has to be escaped, with the escape between.
fn split_at_special(text: &str) -> Option<(&str, &'static str, &str)> {
    let escape_of = |byte: u8| match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'"' => Some("&quot;"),
        b'\'' => Some("&#39;"),
        _ => None,
    };
    let mut bytes = text.bytes().enumerate();
    let (at, escape) = bytes.find_map(|(at, byte)| Some((at, escape_of(byte)?)))?;
    Some((text.get(..at)?, escape, text.get(at + 1..)?))
}

/// The time zone of a country whose clocks never change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Zone {
    Utc,
    /// West Africa without summer time.
    Gmt,
    /// West Africa Time.
    Wat,
    /// Central Africa Time.
    Cat,
    /// South African Standard Time.
    Sast,
    /// East Africa Time.
    Eat,
}

impl Zone {
    const fn name(self) -> &'static str {
        match self {
            Self::Utc => "UTC",
            Self::Gmt => "GMT",
            Self::Wat => "WAT",
            Self::Cat => "CAT",
            Self::Sast => "SAST",
            Self::Eat => "EAT",
        }
    }

    /// Microseconds ahead of UTC.
    const fn offset_us(self) -> i64 {
        match self {
            Self::Utc | Self::Gmt => 0,
            Self::Wat => minutes(60),
            Self::Cat | Self::Sast => minutes(120),
            Self::Eat => minutes(180),
        }
    }

    fn civil(self, at: MerchantTime) -> jiff::civil::DateTime {
        let micros = at.plus(self.offset_us()).0;
        let instant = jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MAX);
        instant.to_zoned(jiff::tz::TimeZone::UTC).datetime()
    }

    #[must_use]
    pub const fn at(self, at: MerchantTime) -> At {
        At { at, zone: self }
    }

    #[must_use]
    pub const fn clock(self, at: MerchantTime) -> Clock {
        Clock { at, zone: self }
    }
}

/// Day and time, such as `6 November 2026, 07:05 UTC`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct At {
    at: MerchantTime,
    zone: Zone,
}

impl At {
    #[must_use]
    pub fn in_words(self, language: Language) -> String {
        let civil = self.zone.civil(self.at);
        let day = day_in_words(civil.date(), language);
        format!("{day}, {:02}:{:02} {}", civil.hour(), civil.minute(), self.zone.name())
    }
}

/// A time of day to the second, such as `07:05:09 UTC`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    at: MerchantTime,
    zone: Zone,
}

impl Clock {
    #[must_use]
    pub fn in_words(self) -> String {
        let civil = self.zone.civil(self.at);
        let (hour, minute, second) = (civil.hour(), civil.minute(), civil.second());
        format!("{hour:02}:{minute:02}:{second:02} {}", self.zone.name())
    }
}

/// A day in UTC, such as `6 November 2026`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Day(pub MerchantTime);

impl Day {
    #[must_use]
    pub fn in_words(self, language: Language) -> String {
        day_in_words(Zone::Utc.civil(self.0).date(), language)
    }
}

fn day_in_words(date: jiff::civil::Date, language: Language) -> String {
    format!("{} {} {}", date.day(), language.texts().month(date.month()), date.year())
}

/// An amount with its digits grouped as the language does, and its currency: `1,234.50 USD`,
/// `1 234,50 USD`, `1.234,50 USD`.
#[must_use]
pub fn money(amount: Money, language: Language) -> String {
    let mut text = decimal(&amount.to_string(), language);
    text.push(' ');
    text.push_str(amount.currency.code());
    text
}

/// A decimal number, such as a rate, with its digits grouped as the language does.
#[must_use]
pub fn decimal(number: &str, language: Language) -> String {
    let (group, point) = match language {
        Language::English => (',', '.'),
        Language::French => ('\u{a0}', ','),
        Language::Kinyarwanda => ('.', ','),
    };
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let mut grouped = String::with_capacity(number.len() * 2);
    for (place, digit) in whole.char_indices() {
        let digits_left = whole.len() - place;
        if place > 0 && digits_left % 3 == 0 && !grouped.ends_with('-') {
            grouped.push(group);
        }
        grouped.push(digit);
    }
    if !decimals.is_empty() {
        grouped.push(point);
        grouped.push_str(decimals);
    }
    grouped
}

/// A phone number: digits with the country code, or the same with most of them hidden.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PhoneNumber<'a>(pub &'a str);

/// How many digits of a number stand before and after its hidden ones.
const SHOWN_DIGITS: (usize, usize) = (5, 4);

impl PhoneNumber<'_> {
    /// `+231 88 000 0001`.
    #[must_use]
    pub fn grouped(self) -> String {
        let digits = self.0;
        let parts = (digits.get(..3), digits.get(3..5), digits.get(5..8), digits.get(8..));
        match parts {
            (Some(country), Some(network), Some(middle), Some(end))
                if !end.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                format!("+{country} {network} {middle} {end}")
            }
            _ => digits.to_owned(),
        }
    }

    /// `231 88 ••• 0001`: enough to know one's own number by.
    #[must_use]
    pub fn masked(self) -> String {
        let digits = self.0;
        let (before, after) = SHOWN_DIGITS;
        let start = digits.len().saturating_sub(after);
        match (digits.get(..3), digits.get(3..before), digits.get(start..)) {
            (Some(country), Some(network), Some(end)) if start > before => {
                format!("{country} {network} ••• {end}")
            }
            _ => "•••".to_owned(),
        }
    }
}

/// A note of more characters or lines than this is collapsed.
const FOLDED_FROM: (usize, usize) = (280, 5);
/// The number of characters shown of a collapsed note.
const SHOWN: usize = 100;

/// The start of a note that is too long to be shown at once, so that the amount to pay stays
/// visible; `None` for one that is not.
#[must_use]
pub fn start_of_long_note(text: &str) -> Option<String> {
    let (characters, lines) = FOLDED_FROM;
    if text.chars().count() <= characters && text.lines().count() <= lines {
        return None;
    }
    let first: String = text.lines().next().unwrap_or_default().chars().take(SHOWN).collect();
    Some(format!("{} …", first.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::kernel::currency::Currency;

    const EN: Language = Language::English;
    const FR: Language = Language::French;
    const RW: Language = Language::Kinyarwanda;

    #[test]
    fn large_amounts_are_grouped() {
        let of = |minor, code, language| {
            money(Money::new(minor, Currency::parse(code).unwrap()), language)
        };
        assert_eq!(of(99, "USD", EN), "0.99 USD");
        assert_eq!(of(10_000, "USD", EN), "100.00 USD");
        assert_eq!(of(123_456_789, "USD", EN), "1,234,567.89 USD");
        assert_eq!(of(-12_345, "USD", EN), "-123.45 USD");
        assert_eq!(of(1_000, "RWF", EN), "1,000 RWF");
        assert_eq!(of(778_752, "LRD", FR), "7\u{a0}787,52 LRD");
        assert_eq!(of(778_752, "LRD", RW), "7.787,52 LRD");
        assert_eq!(of(1_000_000, "RWF", RW), "1.000.000 RWF");
    }

    #[test]
    fn a_long_note_is_folded() {
        assert_eq!([start_of_long_note(""), start_of_long_note("one\n<two>")], [None, None]);
        let start = start_of_long_note(&"word ".repeat(80)).unwrap();
        assert!(start.starts_with("word word") && start.ends_with("word …"), "{start}");
        assert_eq!(start_of_long_note("1\n2\n3\n4\n5\n6").as_deref(), Some("1 …"));
    }

    #[test]
    fn dates_are_written_for_people() {
        let day = MerchantTime::parse("2026-11-06").unwrap();
        assert_eq!(Day(day).in_words(EN), "6 November 2026");
        assert_eq!(Day(day).in_words(FR), "6 novembre 2026");
        let time = MerchantTime::parse("2026-11-06T22:05:59.9Z").unwrap();
        let at = |zone: Zone, language| zone.at(time).in_words(language);
        assert_eq!(at(Zone::Utc, EN), "6 November 2026, 22:05 UTC");
        assert_eq!(at(Zone::Gmt, EN), "6 November 2026, 22:05 GMT");
        assert_eq!(at(Zone::Cat, RW), "7 Ugushyingo 2026, 00:05 CAT");
        assert_eq!(Zone::Cat.clock(time).in_words(), "00:05:59 CAT");
    }

    #[test]
    fn phone_numbers_are_grouped_or_hidden() {
        assert_eq!(PhoneNumber("231880000001").grouped(), "+231 88 000 0001");
        assert_eq!(PhoneNumber("231880000001").masked(), "231 88 ••• 0001");
        assert_eq!(PhoneNumber("12345678").grouped(), "12345678");
        assert_eq!(PhoneNumber("12345678").masked(), "•••");
        assert_eq!(PhoneNumber("231 88 ••• 0001").grouped(), "231 88 ••• 0001");
        assert_eq!(PhoneNumber("").masked(), "•••");
    }

    #[test]
    fn what_a_merchant_writes_stays_text() {
        assert_eq!(escape("<b a='\"'>&"), "&lt;b a=&#39;&quot;&#39;&gt;&amp;");
    }
}
