//! Phone numbers as payers write them.

use super::view::PhoneFault;

/// How many digits a mobile number of a country has after its calling code, and the shorter numbers
/// of before that are still in use: their length, and what they begin with.
struct Plan {
    lengths: std::ops::RangeInclusive<usize>,
    older: Option<(usize, &'static [char])>,
}

/// By the numbering plans of Liberia and Rwanda. Of a country that is not here any length is taken
/// that the international numbering plan allows.
fn plan(calling_code: &str) -> Plan {
    match calling_code {
        "231" => Plan { lengths: 9..=9, older: Some((7, &['4', '5', '6'])) },
        "250" => Plan { lengths: 9..=9, older: None },
        other => Plan { lengths: 6..=15_usize.saturating_sub(other.len()), older: None },
    }
}

impl Plan {
    fn has(&self, national: &str) -> bool {
        let is_older = self.older.is_some_and(|(length, starts)| {
            national.len() == length && national.starts_with(starts)
        });
        self.lengths.contains(&national.len()) || is_older
    }
}

/// Reads a number in any form that is usual in its country: with or without the calling code, with
/// `+` or `00` before it, with a national `0`, with blanks and punctuation. The result has the calling
/// code and digits only.
///
/// # Errors
/// What is wrong with it.
pub fn read(text: &str, calling_code: &str) -> Result<String, PhoneFault> {
    let mut digits = String::new();
    let mut is_international = false;
    for c in text.trim().chars() {
        match c {
            '+' | '＋' if digits.is_empty() => is_international = true,
            c if c.is_ascii_digit() => digits.push(c),
            // What phones and people put between digits, and marks of the direction of writing that
            // come with a copied number.
            ' '
            | '-'
            | '.'
            | '/'
            | '('
            | ')'
            | '\u{a0}'
            | '\u{2009}'
            | '\u{202f}'
            | '\u{2010}'..='\u{2015}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => {}
            c => {
                match c.to_digit(10).or_else(|| wide_digit(c)).and_then(|d| char::from_digit(d, 10))
                {
                    Some(digit) => digits.push(digit),
                    None => return Err(PhoneFault::NotANumber),
                }
            }
        }
    }
    if digits.is_empty() {
        return Err(if text.trim().is_empty() {
            PhoneFault::Missing
        } else {
            PhoneFault::NotANumber
        });
    }
    if !is_international && let Some(rest) = digits.strip_prefix("00") {
        (is_international, digits) = (true, rest.to_owned());
    }
    let plan = plan(calling_code);
    let after_code = digits.strip_prefix(calling_code);
    let national = match after_code {
        Some(rest) if is_international || plan.has(without_trunk(rest)) => rest,
        _ if is_international => return Err(PhoneFault::OtherCountry),
        // A number that is too long to be one of this country and begins with no zero has another
        // country's code.
        _ if !digits.starts_with('0') && digits.len() > *plan.lengths.end() + 1 => {
            return Err(match after_code {
                Some(_) => PhoneFault::TooLong,
                None => PhoneFault::OtherCountry,
            });
        }
        _ => &digits,
    };
    let national = without_trunk(national);
    if national.len() > *plan.lengths.end() {
        Err(PhoneFault::TooLong)
    } else if !plan.has(national) {
        Err(PhoneFault::TooShort)
    } else if national.starts_with('0') {
        Err(PhoneFault::NotANumber)
    } else {
        Ok(format!("{calling_code}{national}"))
    }
}

/// The number without the zero that is dialled before it inside the country.
fn without_trunk(national: &str) -> &str {
    national.strip_prefix('0').unwrap_or(national)
}

/// The value of a full-width or Arabic digit, which some keyboards write.
fn wide_digit(c: char) -> Option<u32> {
    ['０', '٠', '۰']
        .iter()
        .find_map(|zero| u32::from(c).checked_sub(u32::from(*zero)).filter(|digit| *digit <= 9))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_as_people_write_it() {
        for text in [
            "231880000001",
            "+231880000001",
            "00231880000001",
            "0880000001",
            "880000001",
            " 088 000 0001 ",
            "+231 (0) 88-000-0001",
            "231 0880000001",
            "\u{202a}+231\u{a0}88\u{2011}0000001\u{202c}",
            "０８８００００００１",
        ] {
            assert_eq!(read(text, "231"), Ok("231880000001".to_owned()), "{text}");
        }
        // Seven digits, as Liberian numbers had before.
        assert_eq!(read("0 6 512 345", "231"), Ok("2316512345".to_owned()));
        assert_eq!(read("0788 123 456", "250"), Ok("250788123456".to_owned()));
        // A national number that happens to begin with the calling code.
        assert_eq!(read("231880000", "231"), Ok("231231880000".to_owned()));
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (text, code, fault) in [
            ("", "231", PhoneFault::Missing),
            ("  ", "231", PhoneFault::Missing),
            ("+", "231", PhoneFault::NotANumber),
            ("call me", "231", PhoneFault::NotANumber),
            ("088000000x", "231", PhoneFault::NotANumber),
            ("0880", "231", PhoneFault::TooShort),
            ("08800000", "231", PhoneFault::TooShort),
            ("088000000", "231", PhoneFault::TooShort),
            ("+23188", "231", PhoneFault::TooShort),
            ("08800000012", "231", PhoneFault::TooLong),
            ("2318800000012", "231", PhoneFault::TooLong),
            ("+250788123456", "231", PhoneFault::OtherCountry),
            ("250788123456", "231", PhoneFault::OtherCountry),
            ("00441632960001", "250", PhoneFault::OtherCountry),
            ("00880000001", "231", PhoneFault::OtherCountry),
            ("12345678901234567890", "231", PhoneFault::OtherCountry),
        ] {
            assert_eq!(read(text, code), Err(fault), "{text}");
        }
    }
}
