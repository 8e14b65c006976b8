//! Phone numbers in the form of E.164: the country code and the subscriber number, as digits.

use std::ops::RangeInclusive;

/// How many digits a phone number has, with its country code and without a plus sign.
pub const DIGITS: RangeInclusive<usize> = 8..=15;

/// Whether a text is a phone number: only digits, and no country code begins with zero.
#[must_use]
pub fn is_phone(text: &str) -> bool {
    DIGITS.contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && !text.starts_with('0')
}

#[cfg(test)]
mod tests {
    use super::is_phone;

    #[test]
    fn a_phone_number_has_8_to_15_digits_and_does_not_begin_with_zero() {
        for phone in ["231770000001", "12345678", "123456789012345"] {
            assert!(is_phone(phone), "{phone}");
        }
        for other in ["", "1234567", "1234567890123456", "0770000001", "+231770000001", "12345678a"]
        {
            assert!(!is_phone(other), "{other}");
        }
    }
}
