//! Figures in words: counts, sums, rates and times.

use domain::kernel::currency::Currency;

use crate::figures::{Sums, Total, Within};
use crate::web::language::Language;
use crate::web::text::decimal;

/// A sum with its digits grouped, and its currency. Below zero it has a minus sign and no hyphen, at
/// which a line would break.
pub fn amount(minor: i128, currency: Currency) -> String {
    let total = Total { minor, currency };
    let digits = decimal(&total.to_string(), Language::English).replace('-', "\u{2212}");
    format!("{digits} {currency}")
}

pub fn number(count: i64) -> String {
    decimal(&count.to_string(), Language::English)
}

/// A time of so many seconds, in the largest unit that it is a whole number of.
fn duration(seconds: i64) -> String {
    let (count, unit) = match seconds {
        s if s % 86_400 == 0 => (s / 86_400, "d"),
        s if s % 3_600 == 0 => (s / 3_600, "h"),
        s if s % 60 == 0 => (s / 60, "min"),
        s => (s, "s"),
    };
    format!("{count} {unit}")
}

/// Within which time payments completed.
pub fn within(found: Within) -> String {
    match found {
        Within::Nothing => "\u{2013}".to_owned(),
        Within::Seconds(bound) => duration(bound),
        Within::Longer => "more than 7 d".to_owned(),
    }
}

/// Tenths of a percent of what ended, rounded down: only where all completed it is 100 %.
pub fn tenths(sums: &Sums) -> Option<i64> {
    let ended = sums.completed + sums.failed;
    (ended > 0).then(|| sums.completed * 1_000 / ended)
}

pub fn percent(tenths: i64) -> String {
    format!("{}.{} %", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_one_unit() {
        for (seconds, words) in [
            (1, "1 s"),
            (90, "90 s"),
            (120, "2 min"),
            (5_400, "90 min"),
            (7_200, "2 h"),
            (604_800, "7 d"),
        ] {
            assert_eq!(within(Within::Seconds(seconds)), words);
        }
        assert_eq!(within(Within::Nothing), "\u{2013}");
    }

    #[test]
    fn a_rate_is_not_rounded_up() {
        let sums = |completed, failed| Sums { completed, failed, ..Sums::NONE };
        assert_eq!(tenths(&sums(0, 0)), None);
        assert_eq!(tenths(&sums(9_999, 1)).map(percent).as_deref(), Some("99.9 %"));
        assert_eq!(tenths(&sums(3, 0)).map(percent).as_deref(), Some("100.0 %"));
        assert_eq!(tenths(&sums(0, 3)).map(percent).as_deref(), Some("0.0 %"));
    }

    #[test]
    fn a_sum_is_grouped() {
        assert_eq!(amount(123_456_789, Currency::USD), "1,234,567.89 USD");
    }
}
